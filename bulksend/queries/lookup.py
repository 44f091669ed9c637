"""From CRM entities to chats: operations staff know deals, the portal knows which chats they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bulksend.errors import UsageError
from bulksend.locale import N_, _
from bulksend.locale.formats import reason
from bulksend.queries.chats import KINDS, UNUSABLE, ask_for_chats, keys_of
from bulksend.results import check_path, default_path
from bulksend.sheet.atomic import format_of
from bulksend.sheet.headings import CHAT_HEADING, LOOKUP_NOTE, OTHER_CHATS, key
from bulksend.sheet.reading import open_sheet
from bulksend.sheet.writing import write_sheet
from bulksend.validation import Report
from bulksend.validation.messages import describe, heading_of
from bulksend.validation.values import BLANK, UNREADABLE, entity_types, identifiers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from bulksend.plan import Plan, SheetOptions
    from bulksend.portal.methods import Chat
    from bulksend.queries.chats import Numbers
    from bulksend.queries.query import QueryRunner
    from bulksend.sheet.chunks import Chunk
    from bulksend.sheet.headings import Columns
    from bulksend.sheet.reading import Sheet

NO_CHAT: Final = "NO_CHAT"
ACCESS_DENIED: Final = "ACCESS_DENIED"
CHATS_NOT_TOLD: Final = "CHATS_NOT_TOLD"

NOT_ACTIVE: Final = N_("No dialog of this chat is active: it has to be started again before a message can be sent.")


@dataclass(frozen=True, slots=True)
class FoundChats:
    """What the portal said of the chats of a sheet's entities; knows a chat for each (`validation.FindsChats`).

    Attributes:
        keys: the entities' numbers, rising.
        chats: the chat taken for each, 0 where there is none.
        codes: why there is none; empty where there is one.
        notes: by key, what a person should know of the choice.
        others: by key, the other active chats.
    """

    keys: Numbers
    chats: Numbers
    codes: npt.NDArray[np.object_]
    notes: dict[int, str] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)

    def find(
        self, kinds: npt.NDArray[np.object_], ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]:
        """The chat of each entity and, where there is none, the code of the reason."""
        return self.take(keys_of(kinds, ids))

    def take(self, keys: Numbers) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]:
        """As `find`, for the entities' numbers; an entity that was not asked for has no chat that is known."""
        chats, codes = np.zeros(len(keys), dtype=np.int64), np.full(len(keys), CHATS_NOT_TOLD, dtype=object)
        if len(self.keys):
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            known = self.keys[places] == keys
            chats[known], codes[known] = self.chats[places[known]], self.codes[places[known]]
        return chats, codes


def find_chats(
    sheet: Sheet,
    columns: Columns,
    queries: QueryRunner,
    *,
    prefer: str | None = None,
    include_hidden: bool = False,
    reopen: bool = False,
) -> FoundChats:
    """Ask for the chats of every entity of a sheet whose row names no chat, each entity once.

    Of several active chats the one that changed last is taken, which the portal lists first.

    Args:
        sheet: its rows are read.
        columns: where the fields stand.
        queries: asks the portal.
        prefer: a part of a channel's id or title, in any case; a chat of such a channel is taken, where there
            is one.
        include_hidden: whether hidden rows count too.
        reopen: whether an entity that has no active chat gets one whose dialog is not active, the one that changed
            last.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        SheetError: the file cannot be read any more.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    wanted = [np.zeros(0, dtype=np.int64)]
    for chunk in sheet.chunks():
        cells = _Cells.of(chunk, columns, include_hidden=include_hidden)
        wanted.append(pd.unique(cells.keys[cells.wanted]))
    asked = pd.unique(np.concatenate(wanted))
    chats, codes = np.zeros(len(asked), dtype=np.int64), np.full(len(asked), "", dtype=object)
    notes: dict[int, str] = {}
    others: dict[int, str] = {}
    for active in (True, False) if reopen else (True,):
        places = np.arange(len(asked)) if active else np.flatnonzero(codes == NO_CHAT)
        for place, told in zip(places, ask_for_chats(asked[places], queries, active_only=active), strict=True):
            if not told.chats:
                codes[place] = ACCESS_DENIED if told.forbidden else NO_CHAT if told.told else CHATS_NOT_TOLD
                continue
            chosen, note = _choose(told.chats, prefer)
            chats[place], codes[place] = chosen.id, ""
            note = note if active else " ".join(filter(None, (note, _(NOT_ACTIVE))))
            if note:
                notes[int(asked[place])] = note
            if len(told.chats) > 1:
                others[int(asked[place])] = _listed(chat for chat in told.chats if chat.id != chosen.id)
    order = np.argsort(asked)
    return FoundChats(asked[order], chats[order], codes[order], notes, others)


def look_up(plan: Plan, queries: QueryRunner, *, prefer: str | None = None, reopen: bool = False) -> Plan:
    """The plan with the chats of the rows that name none, as `find_chats` finds them; ``content`` stays the same.

    Raises:
        QueryError: as for `find_chats`.
        SheetError: the file has changed since it was checked.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    hidden = plan.options.include_hidden
    found = find_chats(plan.sheet, plan.columns, queries, prefer=prefer, include_hidden=hidden, reopen=reopen)
    return plan.with_chats(found)


@dataclass(frozen=True, slots=True)
class Filled:
    """A sheet that was filled in.

    Attributes:
        path: where it was written.
        rows: rows of the sheet, hidden ones not among them.
        filled: rows that got their chat from the portal.
        had: rows that named their chat already.
        entities: different entities that were asked for.
        report: the rows without a usable chat, grouped by the reason.
    """

    path: Path
    rows: int
    filled: int
    had: int
    entities: int
    report: Report

    @property
    def empty(self) -> int:
        """Rows that have no usable chat."""
        return self.rows - self.filled - self.had


def fill_chats(
    path: Path,
    options: SheetOptions,
    queries: QueryRunner,
    *,
    prefer: str | None = None,
    to: Path | None = None,
    reopen: bool = False,
) -> Filled:
    """Write a copy of a sheet with the chats of the rows that name none, a note where there is none, and the others.

    All columns and rows stay; a column for chats is added behind them if there is none. Nothing of the sheet but its
    entities is checked: it needs no messages.

    Args:
        path: the sheet.
        options: how to read it.
        queries: asks the portal.
        prefer: as for `find_chats`.
        to: where to write; beside the sheet if not said.
        reopen: as for `find_chats`.

    Raises:
        SheetError: it cannot be read as a sheet of CRM entities, or changed meanwhile.
        UsageError: the copy cannot be written, or no place was said and a file of somebody's is in the usual one.
        QueryError: as for `find_chats`.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    sheet = open_sheet(path, sheet=options.sheet, heading_names=tuple(options.mapping.values()))
    columns = sheet.find_columns(options.mapping, optional=["CHAT_ID", "MESSAGE"])
    target = check_path(to or default_path(path, sheet.format, "filled"), path)
    hidden = options.include_hidden
    found = find_chats(sheet, columns, queries, prefer=prefer, include_hidden=hidden, reopen=reopen)
    copy = _Copy(sheet, columns, found, include_hidden=options.include_hidden)
    try:
        written = write_sheet(
            target,
            format=format_of(target, sheet.format),
            headings=copy.headings,
            rows=copy.rows(),
            dialect=sheet.dialect,
            name=sheet.name,
        )
    except OSError as error:
        raise UsageError(
            _(_("The filled sheet cannot be written to {path} ({reason}): choose another place.")).format(
                path=target, reason=reason(error) or _("write error")
            ),
            code="RESULTS_PATH",
        ) from None
    return Filled(written, copy.report.rows, copy.filled, copy.report.good - copy.filled, len(found.keys), copy.report)


def _choose(chats: Sequence[Chat], prefer: str | None) -> tuple[Chat, str]:
    """The chat to take, and what is to be said of the choice."""
    wanted = (prefer or "").strip().casefold()
    fitting = [
        chat for chat in chats if wanted in chat.connector_id.casefold() or wanted in chat.connector_title.casefold()
    ]
    chosen = (fitting or chats)[0]
    if fitting:
        return chosen, ""
    return chosen, _("No open chat came through '{channel}': {chat} was taken.").format(
        channel=(prefer or "").strip(), chat=_shown(chosen)
    )


def _shown(chat: Chat) -> str:
    return f"{chat.id} {chat.connector_title or chat.connector_id}".strip()


def _listed(chats: Iterator[Chat]) -> str:
    return ", ".join(_shown(chat) for chat in chats)


@dataclass(frozen=True, slots=True)
class _Cells:
    """What a lookup reads of some rows.

    Attributes:
        keys: the entities' numbers, `UNUSABLE` where the row does not name one.
        problems: the code of what cannot be read, and its cell; empty where all can.
        wanted: a flag for each row: its chat is to be looked up.
        named: likewise: it names its chat.
        left_out: likewise: it is hidden.
    """

    keys: Numbers
    problems: list[tuple[str, str]]
    wanted: npt.NDArray[np.bool_]
    named: npt.NDArray[np.bool_]
    left_out: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, chunk: Chunk, columns: Columns, *, include_hidden: bool) -> _Cells:
        cells = chunk.cells
        kind_texts = None if columns.entity_type is None else cells[columns.entity_type].to_numpy()
        id_texts = cells[columns.entity_id].to_numpy()
        chat_texts = None if columns.chat_id is None else cells[columns.chat_id].to_numpy()
        kinds = np.full(len(cells), columns.implied_type) if kind_texts is None else entity_types(kind_texts)
        ids = identifiers(id_texts.tolist())
        chats = np.zeros(len(cells), np.int64) if chat_texts is None else identifiers(chat_texts.tolist(), chat=True)
        keys = keys_of(kinds, ids)
        left_out = np.zeros(len(cells), dtype=np.bool_) if include_hidden else chunk.hidden
        problems = [("", "")] * len(cells)
        for row in np.flatnonzero((keys == UNUSABLE) | (chats == UNREADABLE)).tolist():
            if kinds[row] not in KINDS:
                problems[row] = "INVALID_ENTITY_TYPE", "" if kind_texts is None else str(kind_texts[row])
            elif keys[row] == UNUSABLE:
                problems[row] = "INVALID_ENTITY_ID", str(id_texts[row])
            else:
                problems[row] = "INVALID_CHAT_ID", "" if chat_texts is None else str(chat_texts[row])
        return cls(
            keys=keys,
            problems=problems,
            wanted=(keys != UNUSABLE) & (chats == BLANK) & ~left_out,
            named=(chats > 0) & (keys != UNUSABLE) & ~left_out,
            left_out=left_out,
        )


class _Copy:
    """The rows of the filled sheet, and the counts once they have been read."""

    def __init__(self, sheet: Sheet, columns: Columns, found: FoundChats, *, include_hidden: bool) -> None:
        self._sheet, self._columns, self._found = sheet, columns, found
        self._include_hidden = include_hidden
        # Before what stands beyond the headings: it shows that a row was cut at a separator, and must go on doing so.
        self._at = sheet.cells_of_headings
        self._own = sheet.headings
        self._added: list[str] = []
        self._chat = columns.chat_id if columns.chat_id is not None else self._column(CHAT_HEADING)
        self._note = self._column(LOOKUP_NOTE)
        self._others = self._column(OTHER_CHATS)
        self.report = Report()
        self.filled = 0

    def _column(self, heading: str) -> int:
        """Where a column stands that a lookup fills: it may be there from an earlier one."""
        for position, shown in enumerate(self._own):
            if key(shown) == key(heading):
                return position
        self._added.append(heading)
        return self._at + len(self._added) - 1

    @property
    def headings(self) -> list[str]:
        """The headings of the filled sheet."""
        return [*self._own[: self._at], *self._added]

    def rows(self) -> Iterator[tuple[list[str], bool]]:
        """Every row, and whether it is hidden."""
        for chunk in self._sheet.chunks():
            cells = _Cells.of(chunk, self._columns, include_hidden=self._include_hidden)
            chats, codes = self._found.take(cells.keys)
            added = [""] * len(self._added)
            numbers = chunk.cells.index.tolist()
            for place, own in enumerate(chunk.cells.to_numpy().tolist()):
                row = [*own[: self._at], *added, *own[self._at :]]
                row[self._note] = row[self._others] = ""
                if not cells.left_out[place]:
                    code, cell = cells.problems[place]
                    if cells.wanted[place]:
                        code = self._fill(row, int(cells.keys[place]), int(chats[place]), codes[place])
                    elif code:
                        row[self._note] = describe(code, cell, heading=self._heading(code))
                    self._count(numbers[place], code, cell)
                yield row, bool(chunk.hidden[place])

    def _fill(self, row: list[str], entity: int, chat: int, code: str) -> str:
        """Fill in one row; the code of the problem if it cannot be."""
        if chat:
            self.filled += 1
            row[self._chat] = str(chat)
            row[self._note] = self._found.notes.get(entity, "")
            row[self._others] = self._found.others.get(entity, "")
        else:
            row[self._note] = describe(code)
        return code

    def _heading(self, code: str) -> str:
        return heading_of(code, self._columns, self._own)

    def _count(self, number: int, code: str, cell: str) -> None:
        self.report.rows += 1
        if code:
            self.report.add(code, number, cell, heading=self._heading(code) if cell else "")
        else:
            self.report.good += 1
