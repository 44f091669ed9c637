"""The XML of an .ods sheet: rows hidden by a filter or by hand, cells merged over rows, and error values."""

import html
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bulksend.sheet.limits import MOST_COLUMNS
from bulksend.sheet.metadata import CellRange, Metadata, check_spread

_CHUNK = 1 << 20
_LONGEST_TAG = 1 << 16
_TAG = re.compile(rb"<(/?)table:(table|table-row|table-cell|covered-table-cell)(\s[^<>]*?)?(/?)>")
_ROWS_REPEATED = re.compile(rb'table:number-rows-repeated="(\d+)"')
_COLUMNS_REPEATED = re.compile(rb'table:number-columns-repeated="(\d+)"')
_ROWS_SPANNED = re.compile(rb'table:number-rows-spanned="(\d+)"')
_HIDDEN = re.compile(rb'table:visibility="(?:collapse|filter)"')
_ERROR = re.compile(rb"\scalcext:value-type=[\"']error[\"']")
_SHOWN = re.compile(rb"<text:p>([^<>]{1,20})</text:p>")


@dataclass(slots=True)
class _Table:
    """Where the walk through the tags of one table stands."""

    row: int = 0  # rows before this one
    column: int = 0
    repeated: int = 1
    last_row: int = 0
    width: int = 0
    cells: int = 0
    merged: list[CellRange] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)  # of this row
    hidden: list[range] = field(default_factory=list)
    rows_with_errors: list[tuple[range, dict[int, str]]] = field(default_factory=list)

    def metadata(self) -> Metadata:
        """What was found, of the rows down to the last one used: others may be repeated without end."""
        used = range(1, self.last_row + 1)
        metadata = Metadata()
        for rows in self.hidden:
            metadata.hidden.update(used[rows.start - 1 : rows.stop - 1])
        for rows, errors in self.rows_with_errors:
            metadata.texts.update(dict.fromkeys(used[rows.start - 1 : rows.stop - 1], errors))
        metadata.add_merged(self.merged)
        return metadata


def ods_metadata(path: Path) -> list[Metadata]:
    """Hidden rows, merged cells and error values of each sheet.

    Raises:
        SheetError: a sheet's used area is so large that reading it would fill the memory.
    """
    tables: list[_Table] = []
    depth = 0  # tables can stand inside cells of tables
    with zipfile.ZipFile(path) as archive:
        for data in _whole_tags(archive):
            for tag in _TAG.finditer(data):
                if tag[2] != b"table":
                    if depth == 1:
                        _step(tables[-1], tag, data)
                elif tag[1]:
                    depth -= 1
                else:
                    if depth == 0:
                        tables.append(_Table())
                    depth += 0 if tag[4] else 1
    for table in tables:
        check_spread(path, table.last_row, table.width, table.cells)
    return [table.metadata() for table in tables]


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


def _step(table: _Table, tag: re.Match[bytes], data: bytes) -> None:
    closing, name, attributes, empty = tag[1], tag[2], tag[3] or b"", tag[4]
    if name == b"table-row":
        if closing:
            table.row += table.repeated
        else:
            _start_row(table, attributes)
            if empty:
                table.row += table.repeated
    elif not closing:
        first = table.column
        _cell(table, attributes, covered=name.startswith(b"covered"), empty=bool(empty))
        if b"calcext:" in attributes and _ERROR.search(attributes):
            shown = _SHOWN.match(data, tag.end())
            _note_error(table, first, html.unescape(shown[1].decode("utf-8", "replace")) if shown else "")


def _start_row(table: _Table, attributes: bytes) -> None:
    repeated = _ROWS_REPEATED.search(attributes)
    table.repeated = max(1, int(repeated[1])) if repeated else 1
    table.column = 0
    table.errors = {}
    if _HIDDEN.search(attributes):
        table.hidden.append(range(table.row + 1, table.row + table.repeated + 1))


def _note_error(table: _Table, first: int, shown: str) -> None:
    """The reader takes an error for an empty cell, and an empty cell may be all right where an error is not."""
    if not table.errors:
        table.rows_with_errors.append((range(table.row + 1, table.row + table.repeated + 1), table.errors))
    for column in range(first, min(table.column, MOST_COLUMNS)):
        table.errors[column] = shown if shown.startswith(("#", "Err:")) else "#VALUE!"


def _cell(table: _Table, attributes: bytes, *, covered: bool, empty: bool) -> None:
    repeated = _COLUMNS_REPEATED.search(attributes)
    times = max(1, int(repeated[1])) if repeated else 1
    spanned = _ROWS_SPANNED.search(attributes)
    if spanned and int(spanned[1]) > 1:
        last = table.row + int(spanned[1]) - 1
        table.merged.append(((table.row, table.column), (last, table.column)))
    table.column += times
    if not covered and (not empty or b"office:value" in attributes):
        table.last_row = table.row + table.repeated
        table.width = max(table.width, table.column)
        table.cells += 1
