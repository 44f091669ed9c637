"""A chunk of a sheet's rows, as every file format provides it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags: TypeAlias = npt.NDArray[np.bool_]

HEAD_ROWS = 50
"""How far down the headings are looked for."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a sheet, in its order, without blank ones.

    Attributes:
        cells: text only, never missing; columns are positions from 0, the index is the sheet's own row numbers.
        hidden: one flag a row: hidden in the sheet by a filter or by hand.
        too_wide: one flag a row: has text to the right of the last cell of the headings, which hints at a separator
            inside an unquoted text (text files only).
    """

    cells: pd.DataFrame
    hidden: Flags
    too_wide: Flags


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written, so that its results can be written alike."""

    encoding: str
    delimiter: str
    line_end: str = "\r\n"


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Rows as they stand in the file, blank ones too: texts by column, the first row's number, hidden flags.

    ``cells`` are the same texts as a frame, where the reader has made one already.
    """

    columns: list[list[str]]
    first_row: int
    hidden: Flags
    cells: pd.DataFrame | None = None


class SheetSource(Protocol):
    """What each kind of file offers: its rows from the first on, as often as asked for."""

    name: str | None
    others: Sequence[str]
    """The workbook's other sheets that are shown, where this one was not chosen by its name."""
    continued_on: str | None
    """The worksheet on which the table continues, where one cannot hold it."""
    width: int
    dialect: Dialect | None

    def raw_chunks(self, rows: int) -> Iterator[RawChunk]:
        """All rows of the file, at most ``rows`` at a time."""

    def head(self) -> list[list[str]]:
        """The first rows, up to `HEAD_ROWS`, as lists of texts of equal length."""

    def cells_in_row(self, position: int) -> int:
        """How many cells the file has for the row at ``position``, one of the first `HEAD_ROWS`, blank ones too."""

    def end_of_headings(self, position: int, columns: list[int]) -> int:
        """The last position that cells of the heading row reach down to, where they are merged with those below."""


def frame(columns: list[list[str]], first_row: int) -> pd.DataFrame:
    """Texts by column as a frame of Python strings with row numbers."""
    length = len(columns[0]) if columns else 0
    cells = np.empty((length, len(columns)), dtype=object)
    for position, texts in enumerate(columns):
        cells[:, position] = texts
    return pd.DataFrame(cells, index=pd.RangeIndex(first_row, first_row + length), dtype=object)


def blank_rows(columns: list[list[str]]) -> Flags:
    """Which rows have nothing but blanks; columns after the first are only looked at where it is blank."""
    if not columns:
        return np.zeros(0, dtype=np.bool_)
    stripped = list(map(str.strip, columns[0]))
    if all(stripped):
        return np.zeros(len(stripped), dtype=np.bool_)
    blank = np.fromiter((not text for text in stripped), dtype=np.bool_, count=len(stripped))
    for row in np.flatnonzero(blank):
        blank[row] = not any(texts[row].strip() for texts in columns)
    return blank
