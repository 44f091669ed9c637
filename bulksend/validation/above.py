"""Rows above a sheet's headings, which are not read: sorting a whole sheet puts its headings among its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.errors import SheetError
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulksend.sheet.reading import Sheet


def refuse_rows_above(sheet: Sheet, is_row: Callable[[Sequence[str]], bool]) -> None:
    """Refuse a sheet of which a row that somebody meant to be read stands above the headings.

    Args:
        sheet: the sheet.
        is_row: tells such a row from titles and notes by its cells, one for each heading.

    Raises:
        SheetError: there is one.
    """
    width = len(sheet.headings)
    for number, cells in enumerate(sheet.above, 1):
        if is_row([*cells, *[""] * (width - len(cells))]):
            raise SheetError(
                _(
                    "Row {row} of {name} looks like a row to be read, but stands above the headings, which are in row "
                    "{headings}: put the headings above all rows."
                ).format(row=number, name=sheet.path.name, headings=len(sheet.above) + 1)
            )
