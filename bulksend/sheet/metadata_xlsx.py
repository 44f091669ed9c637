"""The XML of an .xlsx sheet, streamed once: much faster than parsing it whole for the few things that are needed."""

import html
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from bulksend.sheet.metadata import NOT_CALCULATED, Metadata, check_spread

_CHUNK = 1 << 20
_LARGEST_PART = 16 << 20  # of the small parts that are parsed whole
_BEYOND_Z = re.compile(rb' r="[A-Z]{2}')
_REFERENCES = re.compile(rb' r=["\']([A-Za-z]*)([0-9]+)')
_ROW = re.compile(rb"<(?:\w+:)?row(\s[^>]*)?>")
_ROW_NUMBER = re.compile(rb'\sr=["\'](\d{1,7})["\']')
_HIDDEN = re.compile(rb'\shidden=["\'](?:1|true)["\']')
_CELL = re.compile(rb"<(?:\w+:)?c(\s[^>]*?)?(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_CELL_AT = re.compile(rb'\sr=["\']([A-Za-z]{1,3})(\d{1,7})["\']')
_TYPE = re.compile(rb'\st=["\'](\w+)["\']')
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>(.*?)</(?:\w+:)?v>", re.DOTALL)
_NO_VALUE = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^>]*)?/>)\s*(?:<(?:\w+:)?v\s?/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


def xlsx_metadata(path: Path, name: str) -> Metadata:
    """Hidden rows, error values and formulas without a value of the sheet called ``name``.

    Raises:
        SheetError: the sheet's used area is so large that reading it would fill the memory.
        BadZipFile: the workbook is damaged.
    """
    metadata, area = Metadata(), _Area()
    with zipfile.ZipFile(path) as archive:
        unusual = False
        for number, data in enumerate(_whole_rows(archive, _part(archive, name))):
            if number == 0:
                unusual = b":sheetData" in data or b" r='" in data  # prefixes and quotes few programs write
            area.rows = _read_rows(data, area.rows, metadata)
            _measure(data, area, unusual=unusual)
            if unusual or b't="e"' in data or (b"<f" in data and _NO_VALUE.search(data)):
                _read_cells(data, metadata)
    check_spread(path, area.rows, area.width, area.cells)
    return metadata


@dataclass(slots=True)
class _Area:
    """How far the used cells reach."""

    rows: int = 0
    width: int = 26
    cells: int = 0


def _measure(data: bytes, area: _Area, *, unusual: bool) -> None:
    """Note how far the cells reach; each reference is looked at only where one differs from the others.

    The reader goes by the references of cells, not of rows, and reserves all of the area they span.
    """
    area.cells += data.count(b":c ") + data.count(b"<c ") if unusual else data.count(b"<c ")
    longer = re.compile(rb' r="[A-Z]{0,3}[0-9]{%d}' % (len(str(area.rows)) + 1))
    if unusual or _BEYOND_Z.search(data) or longer.search(data):
        for column, row in set(_REFERENCES.findall(data)):
            if len(column) > 3 or len(row) > 7:
                raise zipfile.BadZipFile("no sheet is that large")
            area.width = max(area.width, column_number(column.decode()))
            area.rows = max(area.rows, int(row))


def column_number(name: str) -> int:
    """A column's number from its letters: A is 1."""
    number = 0
    for letter in name.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _part(archive: zipfile.ZipFile, name: str) -> str:
    """The member that holds the sheet's XML."""
    members = {member.lower().lstrip("/"): member for member in archive.namelist()}
    book = _parsed(archive, members.get("xl/workbook.xml"))
    links = _parsed(archive, members.get("xl/_rels/workbook.xml.rels"))
    if book is None or links is None:
        raise zipfile.BadZipFile("there is no list of sheets")
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for sheet in book.iter():
        if sheet.tag.rpartition("}")[2] == "sheet" and sheet.get("name") == name:
            link = next((value for key, value in sheet.attrib.items() if key.rpartition("}")[2] == "id"), None)
            target = targets.get(link, "").replace("\\", "/")
            place = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))
            part = members.get(place.lower()) or members.get(f"xl/{place}".lower())
            if part is not None:
                return part
    raise zipfile.BadZipFile("the sheet is missing")


def _parsed(archive: zipfile.ZipFile, member: str | None) -> ET.Element | None:
    if member is None:
        return None
    with archive.open(member) as file:
        text = file.read(_LARGEST_PART)
    if b"<!ENTITY" in text:
        raise zipfile.BadZipFile("entities have no place in a workbook")
    return ET.fromstring(text)  # noqa: S314  # without entities there is nothing to blow up


def _whole_rows(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The sheet's XML cut between rows, so that no cell is split (unless a single row is larger than a part)."""
    left = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            data = left + chunk
            cut = max(data.rfind(b"<row"), data.rfind(b":row "))
            cut = data.rfind(b"<", 0, cut + 1)
            if cut <= 0 and len(data) < _LARGEST_PART:
                left = data
                continue
            cut = cut if cut > 0 else len(data)
            yield data[:cut]
            left = data[cut:]
    if left:
        yield left


def _read_rows(data: bytes, last_row: int, metadata: Metadata) -> int:
    """Note hidden rows; the number of the last row so far."""
    if b"hidden=" not in data:
        start = data.rfind(b"row r=")
        number = _ROW_NUMBER.search(data, start, start + 40) if start >= 0 else None
        return max(last_row, int(number[1])) if number else last_row + len(_ROW.findall(data))
    for row in _ROW.finditer(data):
        attributes = row[1] or b""
        number = _ROW_NUMBER.search(attributes)
        last_row = int(number[1]) if number else last_row + 1
        if _HIDDEN.search(attributes):
            metadata.hidden.add(last_row)
    return last_row


def _read_cells(data: bytes, metadata: Metadata) -> None:
    for cell in _CELL.finditer(data):
        attributes, content = cell[1] or b"", cell[2] or b""
        kind, place = _TYPE.search(attributes), _CELL_AT.search(attributes)
        if place is None:
            continue
        value = _VALUE.search(content)
        text = ""
        if kind and kind[1] == b"e":
            text = html.unescape(value[1].decode("utf-8", "replace")) if value else "#N/A"
        elif _FORMULA.search(content) and not (value and value[1]) and not (kind and kind[1] == b"str"):
            text = NOT_CALCULATED
        if text:
            metadata.texts.setdefault(int(place[2]), {})[column_number(place[1].decode()) - 1] = text
