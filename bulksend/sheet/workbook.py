"""Workbooks (.xlsx, .xlsm, .xls, .ods): calamine reads the cells, `sheet.metadata` what it leaves out."""

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from python_calamine import (
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

from bulksend.errors import SheetError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.sheet import limits
from bulksend.sheet.cell_text import column_texts, duration_texts
from bulksend.sheet.chunks import HEAD_ROWS, Dialect, RawChunk
from bulksend.sheet.file_format import Kind
from bulksend.sheet.messages import Refusal, listed, quoted, refuse
from bulksend.sheet.metadata import Metadata
from bulksend.sheet.metadata_ods import ods_metadata
from bulksend.sheet.metadata_xls import xls_metadata
from bulksend.sheet.metadata_xlsx import xlsx_metadata

_T = TypeVar("_T")

_STEP = 1_000  # rows taken from the reader at a time: few enough to stay in the processor's cache
_EVERY_SHEET = {Kind.ODS: ods_metadata, Kind.XLS: xls_metadata}


class WorkbookSource:
    """One sheet of a workbook; see `bulksend.sheet.chunks.SheetSource`."""

    dialect: Dialect | None = None

    def __init__(self, path: Path, kind: Kind, sheet: str | None = None) -> None:
        self._path = path
        self._kind = kind
        # what would fill the memory is looked for before calamine loads it: of these two kinds, all sheets at once
        every = self._guarded(lambda: _EVERY_SHEET[kind](path)) if kind in _EVERY_SHEET else None
        workbook = self._guarded(lambda: _opened(path))
        sheets: list[SheetMetadata] = self._guarded(lambda: workbook.sheets_metadata)
        position = _choose(path, sheets, sheet)
        self.name: str | None = sheets[position].name
        others = [entry.name for entry in sheets if _is_shown(entry) and entry.name != self.name]
        self.others: Sequence[str] = others if sheet is None else ()
        if every is None:
            self._metadata: Metadata = self._guarded(lambda: xlsx_metadata(path, sheets[position].name))
        else:
            self._metadata = every[position] if position < len(every) else Metadata()
        self._sheet: CalamineSheet = self._guarded(lambda: workbook.get_sheet_by_index(position))
        if self._sheet.start is None or self._sheet.end is None:
            others = [entry.name for entry in sheets if entry.name != self.name]
            if others:
                shown = listed([quoted(name) for name in others])
                raise refuse(Refusal.EMPTY_SHEET_OF_SEVERAL, sheet=self.name, name=path.name, others=shown)
            raise refuse(Refusal.EMPTY_SHEET, sheet=self.name, name=path.name)
        self._first_column = self._sheet.start[1]
        self.width = self._sheet.end[1] + 1
        further = limits.page_name(self.name, 2)
        full = sheet is None and self._sheet.end[0] + 1 >= limits.MOST_ROWS
        self.continued_on = further if full and further in {entry.name for entry in sheets} else None
        self._metadata.add_merged(self._guarded(lambda: self._sheet.merged_cell_ranges or []))

    def head(self) -> list[list[str]]:
        """The first rows as texts."""
        raw = next(self.raw_chunks(HEAD_ROWS), None)
        return [] if raw is None else [list(row) for row in zip(*raw.columns, strict=True)]

    def cells_in_row(self, position: int) -> int:  # noqa: ARG002
        """In a workbook all rows are as wide as the sheet."""
        return self.width

    def end_of_headings(self, position: int, columns: list[int]) -> int:
        """The last position that merged heading cells reach down to."""
        return self._metadata.merged_down_to(position, columns)

    def raw_chunks(self, rows: int) -> Iterator[RawChunk]:
        """All rows, at most ``rows`` at a time."""
        iterator = self._guarded(self._sheet.iter_rows)
        fills = self._metadata.fills()
        first_row = 1
        while True:
            columns: list[list[str]] = [[] for _ in range(self._first_column, self.width)]
            length = 0
            while length < rows:
                taken = self._guarded(lambda: list(itertools.islice(iterator, min(_STEP, rows - length))))  # noqa: B023
                if not taken:
                    break
                length += len(taken)
                for column, values in zip(columns, zip(*taken, strict=True), strict=True):
                    column.extend(column_texts(values))
            if not length:
                return
            columns = [[""] * length for _ in range(self._first_column)] + columns
            if self._kind is Kind.ODS:
                columns = [duration_texts(texts) for texts in columns]
            fills.apply(columns, first_row)
            yield RawChunk(columns, first_row, self._metadata.hidden_flags(first_row, length))
            first_row += length

    def _guarded(self, work: Callable[[], _T]) -> _T:
        """Do what may meet a damaged file: the reader's own panics are no `Exception`."""
        try:
            return work()
        except PasswordError:
            raise refuse(Refusal.PASSWORD, name=self._path.name) from None
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  # the readers below raise their own errors for each kind of damage
            raise _sheet_error(error, self._path) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise refuse(Refusal.DAMAGED, name=self._path.name) from None


def _sheet_error(error: Exception, path: Path) -> Exception:
    if isinstance(error, SheetError | MemoryError):
        return error
    if "password" in str(error).lower() or "encrypt" in str(error).lower():
        return refuse(Refusal.PASSWORD, name=path.name)
    if isinstance(error, OSError) and error.strerror:
        return refuse(Refusal.CANNOT_OPEN, name=path.name, why=reason(error).lower())
    return refuse(Refusal.DAMAGED, name=path.name)


def _choose(path: Path, sheets: list[SheetMetadata], wanted: str | None) -> int:
    """The position of the sheet asked for, else of the first that is to be seen."""
    names = [entry.name for entry in sheets if entry.typ == SheetTypeEnum.WorkSheet]
    shown = listed([quoted(name) for name in names]) if names else _("none")
    if wanted is not None:
        alike = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
        if not alike:
            raise refuse(Refusal.NO_SUCH_SHEET, sheet=wanted, name=path.name, sheets=shown)
        found = wanted if wanted in alike else alike[0]
        return [entry.name for entry in sheets].index(found)
    for position, entry in enumerate(sheets):
        if _is_shown(entry):
            return position
    raise refuse(Refusal.NO_VISIBLE_SHEET, name=path.name, sheets=shown)


def _is_shown(entry: SheetMetadata) -> bool:
    """Whether it is a table that is to be seen."""
    return bool(entry.visible == SheetVisibleEnum.Visible and entry.typ == SheetTypeEnum.WorkSheet)


def _opened(path: Path) -> CalamineWorkbook:
    # by the file's content: from a path, the reader would go by the suffix
    with path.open("rb") as file:
        return load_workbook(io.BytesIO(file.read()))
