"""Write a sheet: results, the copy that a lookup fills in, or the copy with its problems."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from bulksend.sheet.atomic import write_atomically
from bulksend.sheet.chunks import Dialect
from bulksend.sheet.headings import RESULT_COLUMNS
from bulksend.sheet.summary import write_summary
from bulksend.sheet.xlsx_writer import Table, new_workbook

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_sheet(
    path: Path,
    *,
    format: str,  # noqa: A002
    headings: Sequence[str],
    rows: Iterable[tuple[Sequence[str], bool]],
    dialect: Dialect | None = None,
    name: str | None = None,
    status_column: int | None = None,
    summary: Sequence[tuple[str, str | int]] = (),
    above: Sequence[Sequence[str]] = (),
) -> Path:
    """Write headings and rows in constant memory, and return where they were written.

    The file is never half-written: it is made beside ``path`` and then takes its place. Where another program holds
    ``path`` (Excel, on Windows) a new name beside it is used.

    Args:
        path: where to write.
        format: ``csv``, or ``xlsx`` for any workbook.
        headings: of all columns.
        rows: all cells as text, as many as there are headings, and whether the row is hidden (in a workbook). One that
            has fewer cells has no results: blank rows, or what belongs to the headings.
        dialect: how a text file is to be written; by default UTF-8 with commas.
        name: of the worksheet. Where the rows are more than one can hold, the table continues on others like it.
        status_column: where the columns of `RESULT_COLUMNS` begin, if the rows have them.
        summary: facts for the summary that a workbook of results has (when, portal, who spoke); counts by status,
            error code and delivery are added.
        above: rows above the headings.

    Raises:
        OSError: the folder cannot be written to.
    """

    def write(temporary: Path) -> None:
        if format == "csv":
            _write_text(temporary, [*above, headings], rows, dialect or Dialect("utf-8", ","), status_column)
            return
        with new_workbook(temporary) as book:
            table = Table(book, name or "Sheet1", headings, status_column, above)
            for row, hidden in rows:
                table.add(row, hidden=hidden)
            table.finish()
            if status_column is not None:
                write_summary(book, summary, table.statuses, table.codes, table.deliveries)

    return write_atomically(path, write)


def _write_text(
    path: Path,
    head: Sequence[Sequence[str]],
    rows: Iterable[tuple[Sequence[str], bool]],
    dialect: Dialect,
    status_column: int | None,
) -> None:
    # characters that the sheet's own encoding lacks can only come from the portal, never from the sheet
    with path.open("w", encoding=dialect.encoding, errors="replace", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.delimiter, lineterminator=dialect.line_end)
        writer.writerows(head)
        if status_column is None:
            writer.writerows(row for row, _ in rows)
            return
        code = status_column + RESULT_COLUMNS.index("error_code")
        description = status_column + RESULT_COLUMNS.index("error_description")
        for row, _ in rows:
            if len(row) > description and (row[code] or row[description]):  # words of the portal, not of the sheet
                row = [*row]  # noqa: PLW2901
                row[code], row[description] = _no_formula(row[code]), _no_formula(row[description])
            writer.writerow(row)


def _no_formula(text: str) -> str:
    """The text with a mark before it if Excel would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
