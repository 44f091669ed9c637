"""What calamine leaves out of a workbook: hidden rows, errors, formulas never calculated, merged areas."""

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bulksend.sheet.chunks import Flags
from bulksend.sheet.headings import column_letters
from bulksend.sheet.messages import Refusal, refuse

NOT_CALCULATED = "#FORMULA!"
"""What a formula shows that was saved without its value, as programs other than Excel do."""

SPREAD_CELLS = 2_000_000
SPREAD_RATIO = 50
"""A used area of more cells than this, and so many times more than hold anything, comes from a stray cell."""

CellRange = tuple[tuple[int, int], tuple[int, int]]  # (top row, left column), (bottom row, right column), from 0


@dataclass(slots=True)
class Metadata:
    """What the file has besides plain values; rows are the sheet's numbers, columns count from 0."""

    hidden: set[int] = field(default_factory=set)
    texts: dict[int, dict[int, str]] = field(default_factory=dict)  # row → column → what the cell shows
    merged: list[tuple[int, int, int]] = field(default_factory=list)  # first row, last row, column

    def add_merged(self, ranges: Iterable[CellRange]) -> None:
        """Add merged areas of more than one row; only their first column holds the value."""
        self.merged += [(top + 1, bottom + 1, left) for (top, left), (bottom, _) in ranges if bottom > top]
        self.merged.sort()

    def merged_down_to(self, position: int, columns: list[int]) -> int:
        """The last position that merged areas of ``columns`` reach, of those that hold ``position``."""
        row = position + 1
        reach = [last for first, last, column in self.merged if column in columns and first <= row <= last]
        return max([position, *(last - 1 for last in reach)])

    def hidden_flags(self, first_row: int, count: int) -> Flags:
        """One flag for each of ``count`` rows from ``first_row`` on."""
        if not self.hidden:
            return np.zeros(count, dtype=np.bool_)
        return np.fromiter((row in self.hidden for row in range(first_row, first_row + count)), np.bool_, count)

    def fills(self) -> "Fills":
        """A fresh filler for one reading from the top."""
        return Fills(self.texts, self.merged)


class Fills:
    """Fills in, chunk by chunk in the sheet's order, what the cells themselves do not hold."""

    def __init__(self, texts: Mapping[int, Mapping[int, str]], merged: list[tuple[int, int, int]]) -> None:
        self._texts = texts
        self._rows = sorted(texts)
        self._merged = merged
        self._next = 0
        self._open: list[tuple[int, int, str]] = []  # last row, column, text of areas that continue below this chunk

    def apply(self, columns: list[list[str]], first_row: int) -> None:
        """Fill ``columns``, whose first row is ``first_row``; rows that are blank themselves stay blank."""
        length = len(columns[0]) if columns else 0
        end = first_row + length
        for row in self._rows[bisect.bisect_left(self._rows, first_row) : bisect.bisect_left(self._rows, end)]:
            for column, text in self._texts[row].items():
                if column < len(columns):
                    columns[column][row - first_row] = text
        areas = [(first_row - 1, last, column, text) for last, column, text in self._open]
        while self._next < len(self._merged) and self._merged[self._next][0] < end:
            first, last, column = self._merged[self._next]
            self._next += 1
            if column < len(columns) and first >= first_row and columns[column][first - first_row]:
                areas.append((first, last, column, columns[column][first - first_row]))
        self._open = [(last, column, text) for _, last, column, text in areas if last >= end]
        rows = sorted({row for first, last, _, _ in areas for row in range(first + 1, min(last + 1, end))})
        filled = {row for row in rows if any(texts[row - first_row].strip() for texts in columns)}
        for first, last, column, text in areas:
            for row in range(first + 1, min(last + 1, end)):
                if row in filled:
                    columns[column][row - first_row] = text


def check_spread(path: Path, rows: int, width: int, cells: int) -> None:
    """Refuse a sheet whose used area is out of all proportion to its cells: the reader holds all of the area."""
    if rows * width > max(SPREAD_CELLS, SPREAD_RATIO * cells):
        raise refuse(Refusal.TOO_SPREAD, name=path.name, row=f"{rows:,}", column=column_letters(width - 1))
