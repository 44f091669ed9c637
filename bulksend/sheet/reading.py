"""Open a sheet of any kind and read its rows as text, with the row numbers that Excel shows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bulksend.errors import SheetError
from bulksend.locale import _, ngettext
from bulksend.locale.formats import reason
from bulksend.sheet.chunks import Chunk, Dialect, SheetSource, blank_rows, frame
from bulksend.sheet.delimited import DelimitedSource
from bulksend.sheet.file_format import Kind, kind_of
from bulksend.sheet.headings import Columns, field_of, find_columns, heading_position, original_width
from bulksend.sheet.messages import Refusal, listed, quoted, refuse
from bulksend.sheet.workbook import WorkbookSource


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was opened and whose headings were found.

    Attributes:
        path: the file.
        format: csv, xlsx, xls or ods, by what the file is.
        name: the sheet's name inside a workbook, None for a text file.
        dialect: how a text file is written, None for a workbook.
        headings: as shown, one for each column; blank where a column has none.
        cells_of_headings: how many cells that row has; what stands to the right of them has been cut off something.
        above: the rows above the headings, such as titles, and blank ones.
        below: the rows that the headings reach down to, where their cells are merged with those.
    """

    path: Path
    format: str
    name: str | None
    dialect: Dialect | None
    headings: list[str]
    cells_of_headings: int
    above: list[list[str]]
    below: list[list[str]]
    _source: SheetSource = field(repr=False)

    @property
    def first_row(self) -> int:
        """The number of the first row below the headings."""
        return len(self.above) + len(self.below) + 2

    @property
    def original_width(self) -> int:
        """How many columns the sheet had before results were added: fewer than now only in a results sheet."""
        return original_width(self.headings)

    def find_columns(
        self, mapping: Mapping[str, str], *, optional: Collection[str] = (), entity_type: str = ""
    ) -> Columns:
        """Where each field stands, as `headings.find_columns` finds it.

        Raises:
            SheetError: a field is missing or doubled; it names the workbook's other sheets where none was chosen.
        """
        try:
            return find_columns(self.headings, mapping, optional=optional, entity_type=entity_type)
        except SheetError as error:
            others = self._source.others
            if error.code != Refusal.MISSING_COLUMNS.name or not others:
                raise
            text = ngettext(
                "The sheet that was read is {sheet}; there is also {others}.",
                "The sheet that was read is {sheet}; there are also {others}.",
                len(others),
            ).format(sheet=quoted(self.name or ""), others=listed([quoted(name) for name in others]))
            raise SheetError(f"{error} {text}", code=error.code, **error.words, others=True) from None

    def chunks(self, rows: int = 50_000) -> Iterator[Chunk]:
        """The rows below the headings, at most ``rows`` at a time; can be asked for again and again.

        Raises:
            SheetError: the file was changed or removed meanwhile, or has more rows on another worksheet.
        """
        if self._source.continued_on:
            raise refuse(Refusal.CONTINUED, name=self.path.name, sheet=self._source.continued_on)
        for raw in self._source.raw_chunks(rows):
            columns = raw.columns
            keep = ~blank_rows(columns)
            keep[: max(0, self.first_row - raw.first_row)] = False
            if not keep.any():
                continue
            cells = frame(columns, raw.first_row) if raw.cells is None else raw.cells
            too_wide = np.zeros(len(keep), dtype=np.bool_)
            for texts in columns[self.cells_of_headings :]:
                too_wide |= np.fromiter((bool(text.strip()) for text in texts), dtype=np.bool_, count=len(texts))
            if keep.all():
                yield Chunk(cells, raw.hidden, too_wide)
            else:
                yield Chunk(cells[keep], raw.hidden[keep], too_wide[keep])


def open_sheet(path: Path, *, sheet: str | None = None, heading_names: Collection[str] = ()) -> Sheet:
    """Open the file at ``path`` and find its headings.

    Args:
        path: the file; its format is recognised by its bytes.
        sheet: the sheet of a workbook to read; without it, the first that is not hidden.
        heading_names: headings the user named (``--map``), which help to find the row of headings.

    Raises:
        SheetError: the file cannot be read as a sheet; the sentence says why and what to do.
    """
    kind = kind_of(path)
    try:
        source: SheetSource
        if kind is Kind.TEXT:
            if sheet is not None:
                raise refuse(Refusal.NO_SHEETS_HERE, name=path.name)
            source = DelimitedSource(path, list(heading_names))
        else:
            source = WorkbookSource(path, kind, sheet)
        head = source.head()
    except SheetError:
        raise
    except OSError as error:
        raise refuse(Refusal.CANNOT_OPEN, name=path.name, why=(reason(error) or _("read error")).lower()) from None
    position = heading_position(head, heading_names)
    if position is None:
        raise refuse(Refusal.EMPTY_TABLE, name=path.name)
    headings = [cell.strip() for cell in head[position]]
    known = [p for p, heading in enumerate(headings) if field_of(heading)]
    last = source.end_of_headings(position, known)
    return Sheet(
        path,
        kind.value,
        source.name,
        source.dialect,
        headings,
        source.cells_in_row(position),
        head[:position],
        head[position + 1 : last + 1],
        source,
    )
