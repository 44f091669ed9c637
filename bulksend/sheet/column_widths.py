"""How wide the columns and how high the rows of a written workbook are, so that people can read it as it opens."""

from collections.abc import Sequence

LINE = 15
"""Points: the height of one line. It is written, because not every program calculates it when it opens a file."""

_FIRST_ROWS = 200  # decide how wide the columns are, because a sheet is written in constant memory
_NARROWEST, _WIDEST = 10, 60
_FITS = 66  # characters of an ordinary text in the widest column, whose width is counted in digits
_MOST_LINES = 8


class Widths:
    """The widths of all columns, from the headings and the first rows."""

    def __init__(self, headings: Sequence[str]) -> None:
        self._longest = [len(heading) + 4 for heading in headings]  # with room for the filter's arrow

    def add(self, number: int, row: Sequence[str]) -> None:
        """Take a row into account; ``number`` counts from 1."""
        if number <= _FIRST_ROWS:
            self._longest = [max(width, len(cell) + 2) for width, cell in zip(self._longest, row, strict=True)]

    def of_columns(self) -> list[int]:
        """In the unit of Excel: digits of the default font."""
        return [min(_WIDEST, max(_NARROWEST, width)) for width in self._longest]


def lines_of(row: Sequence[str], sentence: str = "") -> int:
    """How many lines a row needs: for its texts with line breaks of their own, and for ``sentence``, which is wrapped.

    Other long texts stay on one line, or a sheet of messages could not be looked over.
    """
    lines = -(-len(sentence) // _FITS)
    if "\n" in "".join(row):
        for cell in row:
            if "\n" in cell:
                lines = max(lines, sum(-(-len(line) // _FITS) or 1 for line in cell.split("\n", _MOST_LINES)))
    return min(lines, _MOST_LINES)
