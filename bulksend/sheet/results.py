"""Write the results sheet: every original cell as it was, and what became of each row beside it."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from bulksend.sheet.atomic import write_atomically
from bulksend.sheet.chunks import Dialect
from bulksend.sheet.column_widths import LINE, Widths, lines_of
from bulksend.sheet.headings import RESULT_COLUMNS
from bulksend.sheet.xlsx_writer import new_workbook

LONGEST_CELL = 32_767  # characters; Excel drops the whole cell when there are more
_COLOURS = {  # status: paper, ink
    "sent": ("#C6EFCE", "#1E5B2A"),
    "failed": ("#FFC7CE", "#8A1020"),
    "invalid": ("#FFC7CE", "#8A1020"),
    "unknown": ("#FFEB9C", "#7A5600"),
    "not_sent": ("#D9E1F2", "#1F3864"),
    "skipped": ("#EDEDED", "#404040"),
}
_GOOD = "no problem"
"""What the summary calls rows without a status: `bulksend check` gives one only to rows that cannot be sent."""
_BARS = {  # papers are too pale for a chart
    "sent": "#70AD47",
    "failed": "#D9534F",
    "invalid": "#E8875B",
    "unknown": "#F0B429",
    "not_sent": "#6C8EBF",
    "skipped": "#A6A6A6",
    _GOOD: "#70AD47",
}
_TROUBLES = ("failed", "invalid", "unknown", "not_sent")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_results(
    path: Path,
    *,
    format: str,  # noqa: A002
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    dialect: Dialect | None = None,
    summary: Sequence[tuple[str, str | int]] = (),
    status_column: int,
) -> Path:
    """Write one line for each of ``rows``, in constant memory, and return where it was written.

    The file is never half-written: it is made beside ``path`` and then takes its place. Where ``path`` is held by
    another program (Excel, on Windows) a new name beside it is used.

    Args:
        path: where to write.
        format: ``csv``, or ``xlsx`` for any workbook.
        headings: of all columns, the results' ones among them.
        rows: all cells as text, as many as there are headings.
        dialect: how a text file is to be written; without it UTF-8 with commas.
        summary: facts for the summary sheet of a workbook (when, portal, who spoke); counts by status and by error
            code are added.
        status_column: position of the status among the headings; the columns of `RESULT_COLUMNS` begin there.

    Raises:
        OSError: the folder cannot be written to.
    """
    write: Callable[[Path], None]
    if format == "csv":
        write = lambda aside: _write_text(aside, headings, rows, dialect or Dialect("utf-8", ","), status_column)  # noqa: E731
    else:
        write = lambda aside: _write_workbook(aside, headings, rows, summary, status_column)  # noqa: E731
    return write_atomically(path, write)


def _write_text(
    path: Path, headings: Sequence[str], rows: Iterable[Sequence[str]], dialect: Dialect, status_column: int
) -> None:
    # letters that the sheet's own encoding lacks can only come with the portal's words, never with the sheet's
    with path.open("w", encoding=dialect.encoding, errors="replace", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.delimiter, lineterminator=dialect.line_end)
        writer.writerow(headings)
        described = status_column + RESULT_COLUMNS.index("error_description")
        for row in rows:
            if described < len(row) and row[described].startswith(_FORMULA_STARTS):
                # words of the portal, not of the sheet: they must not become a formula where the file is opened
                row = [*row[:described], f"'{row[described]}", *row[described + 1 :]]  # noqa: PLW2901
            writer.writerow(row)


def _write_workbook(
    path: Path,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    summary: Sequence[tuple[str, str | int]],
    status_column: int,
) -> None:
    with new_workbook(path) as book:
        statuses, codes = _write_rows(book, headings, rows, status_column)
        _write_summary(book, summary, statuses, codes)


def _write_rows(
    book: xlsxwriter.Workbook, headings: Sequence[str], rows: Iterable[Sequence[str]], status_column: int
) -> tuple[Counter[str], Counter[str]]:
    sheet = book.add_worksheet("Results")
    bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "bottom": 1})
    text = book.add_format({"num_format": "@", "valign": "top"})
    wrapped = book.add_format({"num_format": "@", "valign": "top", "text_wrap": True})
    shape = {"num_format": "@", "valign": "top", "align": "left", "indent": 1}
    painted = {
        status: book.add_format({**shape, "bg_color": paper, "font_color": ink})
        for status, (paper, ink) in _COLOURS.items()
    }
    sheet.freeze_panes(1, 0)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    for position, heading in enumerate(headings):
        sheet.write_string(0, position, heading, bold)
    widths = Widths(headings)
    statuses: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    code_column = status_column + RESULT_COLUMNS.index("error_code")
    described = status_column + RESULT_COLUMNS.index("error_description")
    write_string = sheet.write_string
    number = 0
    for number, row in enumerate(rows, 1):
        status = row[status_column]
        statuses[status] += 1
        if row[code_column]:
            codes[row[code_column]] += 1
        widths.see(number, row)
        paint = painted.get(status, text)
        lines = lines_of(row, row[described])
        if lines > 1:
            sheet.set_row(number, LINE * lines)
        for position, cell in enumerate(row):
            if cell:
                if len(cell) > LONGEST_CELL:
                    cell = cell[:LONGEST_CELL]  # noqa: PLW2901
                wraps = lines > 1 and (position == described or "\n" in cell)
                write_string(number, position, cell, paint if position == status_column else wrapped if wraps else text)
    sheet.autofilter(0, 0, max(number, 1), max(len(headings) - 1, 0))
    for position, width in enumerate(widths.of_columns()):
        sheet.set_column(position, position, width, text)
    return statuses, codes


def _write_summary(
    book: xlsxwriter.Workbook,
    facts: Sequence[tuple[str, str | int]],
    statuses: Counter[str],
    codes: Counter[str],
) -> None:
    sheet = book.add_worksheet("Summary")
    bold = book.add_format({"bold": True})
    sheet.set_landscape()
    sheet.fit_to_pages(1, 1)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 44)
    left = book.add_format({"align": "left"})
    row = 0

    def section(title: str, pairs: Iterable[tuple[str, Any]]) -> tuple[int, int]:
        nonlocal row
        sheet.write_string(row, 0, title, bold)
        first = row + 1
        for row, (label, value) in enumerate(pairs, first):
            sheet.write_string(row, 0, str(label))
            if isinstance(value, int):
                sheet.write_number(row, 1, value, left)
            else:
                sheet.write_string(row, 1, str(value))
        last = max(row, first - 1)
        row = last + 2
        return first, last

    if facts:
        section("Campaign", facts)
    ordered = [
        (status or _GOOD, statuses[status])
        for status in [*_COLOURS, *sorted(set(statuses) - set(_COLOURS))]
        if statuses[status]
    ]
    first, last = section("Rows by status", ordered)
    if codes:
        section("Rows by error code", codes.most_common())
    if any(statuses[status] for status in _TROUBLES):
        chart = book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "name": "Rows",
                "categories": ["Summary", first, 0, last, 0],
                "values": ["Summary", first, 1, last, 1],
                "points": [{"fill": {"color": _BARS.get(status, "#BFBFBF")}} for status, _ in ordered],
                "data_labels": {"value": True},
                "gap": 60,
            }
        )
        chart.set_title({"name": "What became of the rows"})
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True, "line": {"color": "#BFBFBF"}, "major_tick_mark": "none"})
        chart.set_x_axis({"visible": False, "min": 0, "major_gridlines": {"visible": False}})
        sheet.insert_chart(1, 3, chart)
