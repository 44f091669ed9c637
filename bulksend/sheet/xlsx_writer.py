"""A workbook to be written: in constant memory, its cells text."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import xlsxwriter.worksheet
from xlsxwriter.exceptions import FileCreateError

from bulksend.sheet import limits
from bulksend.sheet.column_widths import LINE, Widths, lines_of
from bulksend.sheet.headings import RESULT_COLUMNS

COLOURS = {  # status: paper, ink
    "sent": ("#C6EFCE", "#1E5B2A"),
    "failed": ("#FFC7CE", "#8A1020"),
    "invalid": ("#FFC7CE", "#8A1020"),
    "unknown": ("#FFEB9C", "#7A5600"),
    "not_sent": ("#D9E1F2", "#1F3864"),
    "skipped": ("#EDEDED", "#404040"),
}


@contextlib.contextmanager
def new_workbook(path: Path) -> Iterator[xlsxwriter.Workbook]:
    """A workbook that is at ``path`` when the context ends.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="bulksend-") as folder:
        book = xlsxwriter.Workbook(
            str(path),
            {"constant_memory": True, "tmpdir": folder, "strings_to_formulas": False, "strings_to_urls": False},
        )
        try:
            yield book
        finally:
            try:
                book.close()
            except FileCreateError as error:  # no `OSError` itself, but one is its cause
                cause = error.args[0]
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from None


class Table:
    """Headings and rows in a workbook, which continue on another worksheet where one is full.

    Attributes:
        statuses: how many rows have each status.
        codes: how many rows have each error code.
        deliveries: how many rows have each delivery.
    """

    def __init__(
        self,
        book: xlsxwriter.Workbook,
        name: str,
        headings: Sequence[str],
        status_column: int | None,
        above: Sequence[Sequence[str]] = (),
    ) -> None:
        self._book, self._name, self._headings, self._status = book, name, headings, status_column
        self._code = self._description = self._delivery = -1
        if status_column is not None:
            self._code = status_column + RESULT_COLUMNS.index("error_code")
            self._description = status_column + RESULT_COLUMNS.index("error_description")
            self._delivery = status_column + RESULT_COLUMNS.index("delivery")
        cell = {"num_format": "@", "valign": "top"}
        self._bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "bottom": 1})
        self._text = book.add_format(cell)
        self._wrapped = book.add_format({**cell, "text_wrap": True})
        self._painted = {
            status: book.add_format({**cell, "align": "left", "indent": 1, "bg_color": paper, "font_color": ink})
            for status, (paper, ink) in COLOURS.items()
        }
        self._widths = Widths(headings)
        self._pages: list[xlsxwriter.worksheet.Worksheet] = []
        self.statuses: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.deliveries: Counter[str] = Counter()
        self._start_page(above)

    def _start_page(self, above: Sequence[Sequence[str]] = ()) -> None:
        sheet = self._book.add_worksheet(limits.page_name(self._name, len(self._pages) + 1) or None)
        self._number = self._top = top = len(above)
        sheet.freeze_panes(top + 1, 0)
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(top)
        for number, row in enumerate(above):
            for position, cell in enumerate(row):
                if cell:
                    sheet.write_string(number, position, cell, self._text)
        for position, heading in enumerate(self._headings):
            sheet.write_string(top, position, heading, self._bold)
        self._pages.append(sheet)
        self._write_string = sheet.write_string

    def add(self, row: Sequence[str], *, hidden: bool = False) -> None:
        """Write one row, as many texts as there are headings, or fewer where it has no results."""
        if self._number == limits.MOST_ROWS - 1:
            self.finish()
            self._start_page()
        self._number = number = self._number + 1
        paint, described = self._text, self._description
        sentence = ""
        if self._status is not None and len(row) > self._status:
            status, code, sentence = row[self._status], row[self._code], row[described]
            self.statuses[status] += 1
            if code:
                self.codes[code] += 1
            if delivery := row[self._delivery]:
                self.deliveries[delivery] += 1
            paint = self._painted.get(status, self._text)
        if len(row) == len(self._headings):
            self._widths.add(number, row)
        lines = lines_of(row, sentence)
        if hidden or lines > 1:
            self._pages[-1].set_row(number, LINE * max(lines, 1), None, {"hidden": hidden})
        write_string, text = self._write_string, self._text
        for position, cell in enumerate(row):
            if cell:
                if len(cell) > limits.LONGEST_CELL:
                    cell = cell[: limits.LONGEST_CELL]  # noqa: PLW2901
                wraps = lines > 1 and (position == described or "\n" in cell)
                write_string(
                    number, position, cell, paint if position == self._status else self._wrapped if wraps else text
                )

    def finish(self) -> None:
        """Set what is known only once the rows of a worksheet are written."""
        sheet = self._pages[-1]
        if self._status is not None:
            sheet.autofilter(self._top, 0, max(self._number, self._top + 1), max(len(self._headings) - 1, 0))
        for position, width in enumerate(self._widths.of_columns()):
            sheet.set_column(position, position, width, self._text)
