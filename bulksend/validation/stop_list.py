"""Chats and CRM entities that are not to be messaged, from sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from bulksend.errors import SheetError
from bulksend.locale import _
from bulksend.sheet.headings import field_of, hints_at, implied_type
from bulksend.sheet.messages import listed, quoted
from bulksend.sheet.reading import open_sheet
from bulksend.validation.above import refuse_rows_above
from bulksend.validation.values import entity_type, identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


_READ: Final = ("CHAT_ID", "CRM_ENTITY", "CRM_ENTITY_TYPE")


class Addressed(Protocol):
    """A row that names whom it goes to."""

    @property
    def entity_type(self) -> str:
        """lead, deal, contact or company."""

    @property
    def entity_id(self) -> int:
        """Its number."""

    @property
    def chat_id(self) -> int:
        """The chat; 0 for none."""


class StopList:
    """Whom nothing is to be sent to."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        """Read the sheets, hidden rows too.

        Raises:
            SheetError: one cannot be read, or names neither chats nor entities, or holds what cannot be read safely.
        """
        self._chats: set[int] = set()
        self._entities: set[tuple[str, int]] = set()
        for path in paths:
            self._read(path)

    def __bool__(self) -> bool:
        return bool(self._chats or self._entities)

    def names(self, row: Addressed) -> bool:
        """Whether a row goes to one of them."""
        return row.chat_id in self._chats or (row.entity_type, row.entity_id) in self._entities

    def _read(self, path: Path) -> None:
        sheet = open_sheet(path)
        places = _places(sheet.headings, path.name)
        chat, entity, kinds = places.get("CHAT_ID"), places.get("CRM_ENTITY"), places.get("CRM_ENTITY_TYPE")
        implied = "" if entity is None or kinds is not None else implied_type(sheet.headings[entity])
        if chat is None and (entity is None or (kinds is None and not implied)):
            raise SheetError(
                _(
                    "The stop list {name} names neither chats nor CRM entities: it needs a column CHAT_ID, "
                    "or the columns CRM_ENTITY_TYPE and CRM_ENTITY."
                ).format(name=path.name)
            )
        if kinds is None and not implied:
            entity = None
        refuse_rows_above(sheet, lambda cells: any(identifier(cells[at], chat=True) > 0 for at in places.values()))
        for chunk in sheet.chunks():
            for wide in chunk.cells.index[chunk.too_wide].tolist():
                raise SheetError(
                    _(
                        "Row {row} of the stop list {name} has a cell to the right of the headings: write each chat in "
                        "a row of its own, and a heading above each column."
                    ).format(row=wide, name=path.name)
                )
            for number, cells in zip(chunk.cells.index.tolist(), chunk.cells.to_numpy().tolist(), strict=True):
                chat_id = 0 if chat is None else identifier(cells[chat], chat=True)
                entity_id = 0 if entity is None else identifier(cells[entity])
                kind = implied or ("" if kinds is None else entity_type(cells[kinds]))
                if chat_id < 0 or entity_id < 0 or (entity_id and not kind) or not (chat_id or entity_id):
                    raise SheetError(
                        _(
                            "Row {row} of the stop list {name} cannot be read: write the number of a chat, or the "
                            "type and the number of a CRM entity."
                        ).format(row=number, name=path.name)
                    )
                if chat_id:
                    self._chats.add(chat_id)
                if entity_id:
                    self._entities.add((kind, entity_id))


def _places(headings: Sequence[str], name: str) -> dict[str, int]:
    """Where the fields stand for certain, since nobody confirms it: the columns with a name of each.

    Where no column is known by its name, the only one called "Chat", or the like, holds the chats.
    """
    places: dict[str, int] = {}
    for place, heading in enumerate(headings):
        field = field_of(heading)
        if field in _READ and field in places:
            both = listed([quoted(headings[at]) for at in (places[field], place)])
            raise SheetError(
                _("{doubled} of the stop list {name} stand for the same field: leave only one of them in it.").format(
                    doubled=both, name=name
                )
            )
        if field in _READ:
            places[field] = place
    chats = [place for place, heading in enumerate(headings) if hints_at("CHAT_ID", heading)]
    if len(chats) == 1 and not places:
        places["CHAT_ID"] = chats[0]
    return places
