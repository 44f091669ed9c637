"""Write a sheet again with other cells: the same kind of file, as text, hidden rows hidden."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from bulksend.sheet.atomic import write_atomically
from bulksend.sheet.chunks import Dialect
from bulksend.sheet.column_widths import LINE, Widths, lines_of
from bulksend.sheet.results import LONGEST_CELL
from bulksend.sheet.xlsx_writer import new_workbook

_LONGEST_NAME = 31  # characters of a sheet's name in Excel
_NOT_IN_A_NAME = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


def write_copy(
    path: Path,
    *,
    format: str,  # noqa: A002
    headings: Sequence[str],
    rows: Iterable[tuple[Sequence[str], bool]],
    dialect: Dialect | None = None,
    name: str | None = None,
) -> Path:
    """Write headings and rows in constant memory, never half, and return where they were written.

    Args:
        path: where to write; where it is held by another program a new name beside it is used.
        format: ``csv``, or ``xlsx`` for any workbook.
        headings: of all columns.
        rows: all cells as text, and whether the row is hidden (in a workbook).
        dialect: how a text file is to be written; without it UTF-8 with commas.
        name: the sheet's name in a workbook.

    Raises:
        OSError: the folder cannot be written to.
    """

    def write(aside: Path) -> None:
        if format == "csv":
            _write_text(aside, headings, rows, dialect or Dialect("utf-8", ","))
        else:
            _write_workbook(aside, headings, rows, name)

    return write_atomically(path, write)


def _write_text(
    path: Path, headings: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]], dialect: Dialect
) -> None:
    # letters that the sheet's own encoding lacks can only come with the portal's words, never with the sheet's
    with path.open("w", encoding=dialect.encoding, errors="replace", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.delimiter, lineterminator=dialect.line_end)
        writer.writerow(headings)
        writer.writerows(row for row, _ in rows)


def _write_workbook(
    path: Path, headings: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]], name: str | None
) -> None:
    shown = (name or "").translate(_NOT_IN_A_NAME).strip("'")[:_LONGEST_NAME].rstrip("'") or None
    with new_workbook(path) as book:
        sheet = book.add_worksheet(shown)
        bold = book.add_format({"bold": True, "bottom": 1})
        text = book.add_format({"num_format": "@", "valign": "top"})
        wrapped = book.add_format({"num_format": "@", "valign": "top", "text_wrap": True})
        widths = Widths(headings)
        sheet.freeze_panes(1, 0)
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        for position, heading in enumerate(headings):
            sheet.write_string(0, position, heading, bold)
        for number, (row, hidden) in enumerate(rows, 1):
            widths.see(number, row)
            lines = lines_of(row)
            if hidden or lines > 1:
                sheet.set_row(number, LINE * max(lines, 1), None, {"hidden": hidden})
            for position, cell in enumerate(row):
                if cell:
                    sheet.write_string(number, position, cell[:LONGEST_CELL], wrapped if "\n" in cell else text)
        for position, width in enumerate(widths.of_columns()):
            sheet.set_column(position, position, width, text)
