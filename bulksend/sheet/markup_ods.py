"""The XML of an .ods sheet: rows hidden by a filter or by hand, and cells merged over rows."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bulksend.sheet.extras import CellRange, Extras
from bulksend.sheet.markup_xlsx import check_spread

_CHUNK = 1 << 20
_LONGEST_TAG = 1 << 16
_TAG = re.compile(rb"<(/?)table:(table|table-row|table-cell|covered-table-cell)(\s[^<>]*?)?(/?)>")
_ROWS_REPEATED = re.compile(rb'table:number-rows-repeated="(\d{1,9})"')
_COLUMNS_REPEATED = re.compile(rb'table:number-columns-repeated="(\d{1,9})"')
_ROWS_SPANNED = re.compile(rb'table:number-rows-spanned="(\d{1,7})"')
_HIDDEN = re.compile(rb'table:visibility="(?:collapse|filter)"')
_MOST_ROWS = 1 << 20


@dataclass(slots=True)
class _Walk:
    """Where the walk through the tags of all tables stands."""

    wanted: int
    table: int = -1
    depth: int = 0
    row: int = 0  # rows before this one
    column: int = 0
    repeated: int = 1
    last_row: int = 0
    width: int = 0
    cells: int = 0
    merged: list[CellRange] = field(default_factory=list)


def ods_extras(path: Path, position: int) -> Extras:
    """Hidden rows and merged cells of the table at ``position``."""
    extras, walk = Extras(), _Walk(position)
    with zipfile.ZipFile(path) as archive:
        for data in _whole_tags(archive):
            for tag in _TAG.finditer(data):
                _step(walk, extras, tag)
            if walk.table > position:
                break
    extras.add_merged(walk.merged)
    check_spread(path, walk.last_row, walk.width, walk.cells)
    return extras


def _whole_tags(archive: zipfile.ZipFile) -> Iterator[bytes]:
    left = b""
    with archive.open("content.xml") as file:
        while chunk := file.read(_CHUNK):
            data = left + chunk
            cut = data.rfind(b"<")
            if cut < 0 or len(data) - cut > _LONGEST_TAG:
                cut = len(data)
            yield data[:cut]
            left = data[cut:]
    yield left


def _step(walk: _Walk, extras: Extras, tag: re.Match[bytes]) -> None:
    closing, name, attributes, empty = tag[1], tag[2], tag[3] or b"", tag[4]
    if name == b"table":
        walk.depth += -1 if closing else 0 if empty else 1
        if not closing and walk.depth <= 1:
            walk.table += 1
        return
    if walk.table != walk.wanted or walk.depth != 1:
        return
    if name == b"table-row":
        if closing:
            walk.row += walk.repeated
        else:
            _start_row(walk, extras, attributes)
            if empty:
                walk.row += walk.repeated
    elif not closing:
        _cell(walk, attributes, covered=name.startswith(b"covered"), empty=bool(empty))


def _start_row(walk: _Walk, extras: Extras, attributes: bytes) -> None:
    repeated = _ROWS_REPEATED.search(attributes)
    walk.repeated = max(1, int(repeated[1])) if repeated else 1
    walk.column = 0
    if _HIDDEN.search(attributes):
        # a filter hides rows down to the sheet's end: those below the last one used do not matter
        extras.hidden.update(range(walk.row + 1, min(walk.row + walk.repeated, _MOST_ROWS) + 1))


def _cell(walk: _Walk, attributes: bytes, *, covered: bool, empty: bool) -> None:
    repeated = _COLUMNS_REPEATED.search(attributes)
    times = max(1, int(repeated[1])) if repeated else 1
    spanned = _ROWS_SPANNED.search(attributes)
    if spanned and int(spanned[1]) > 1:
        last = walk.row + int(spanned[1]) - 1
        walk.merged.append(((walk.row, walk.column), (last, walk.column)))
    walk.column += times
    if not covered and (not empty or b"office:value" in attributes):
        walk.last_row = walk.row + walk.repeated
        walk.width = max(walk.width, walk.column)
        walk.cells += 1
