"""A sheet that was read and checked: what it would send, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from bulksend.journal import NewRow, State, ZoneRows
from bulksend.locale import _
from bulksend.sheet.atomic import format_of
from bulksend.sheet.chunks import Chunk, Dialect
from bulksend.sheet.headings import RESULT_COLUMNS, Columns, ResultCells
from bulksend.sheet.messages import Refusal, refuse
from bulksend.sheet.reading import Sheet, open_sheet
from bulksend.sheet.writing import write_sheet
from bulksend.template import MessageTemplate
from bulksend.validation import LEFT_OUT, LOOKUP_CODES, Checked, Checker, FindsChats, Report
from bulksend.validation.above import refuse_rows_above
from bulksend.validation.messages import describe
from bulksend.validation.values import entity_type, identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOptions:
    """How a sheet is to be read.

    Attributes:
        sheet: the name of the sheet in its workbook; None for the first visible one.
        mapping: field (``CHAT_ID``) → heading, as `find_columns` takes it, where the headings do not show it; "": the
            sheet has no such column.
        message: a message template over the sheet's columns; None where the sheet has a message column.
        include_hidden: whether rows hidden in the sheet count too.
        entity_type: lead, deal, contact or company for all rows, where no column says it.
        without_chats: whether chat ids may be missing because they are looked up (`bulksend.queries.lookup.look_up`).
        without_sent: whether rows are left out that were sent, or may have been, by a results sheet; the campaign stays
            the same.
    """

    sheet: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    message: str | None = None
    include_hidden: bool = False
    without_chats: bool = False
    entity_type: str = ""
    without_sent: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sheet would send.

    Attributes:
        report: what was found, with the counts and the first messages.
        users: different user ids among the good rows; 0 stands for whoever speaks for the campaign.
        content: the same for two sheets exactly when they would send the same. Chats that are looked up do not count:
            the sheet stays the same campaign whatever the portal says of them another day.
        zones: the good rows of each time zone; "" are those without one of their own.
        chats: what a lookup found, for rows that name no chat; None where there was none.
    """

    sheet: Sheet
    columns: Columns
    options: SheetOptions
    report: Report
    users: tuple[int, ...] = ()
    content: str = ""
    chats: FindsChats | None = None
    zones: Mapping[str, ZoneRows] = field(default_factory=dict)

    @property
    def to_look_up(self) -> bool:
        """Whether chats have to be looked up before anything can be sent."""
        return self.options.without_chats and self.chats is None

    @property
    def width(self) -> int:
        """How many of the columns are the sheet's own: results of an earlier campaign are not."""
        return self.sheet.original_width

    @property
    def headings(self) -> list[str]:
        """The headings of the sheet's own columns."""
        return list(self.sheet.headings[: self.width])

    @property
    def message_column(self) -> int | None:
        """Where the message stands as it is sent, None where a template writes it."""
        if self.options.message is not None or self.columns.message is None or self.columns.message >= self.width:
            return None
        return self.columns.message

    @property
    def form(self) -> dict[str, Any]:
        """What it takes to write a sheet of the same kind again, as plain values."""
        dialect = self.sheet.dialect
        return {
            "format": self.sheet.format,
            "name": self.sheet.name,
            "dialect": asdict(dialect) if dialect else None,
        }

    def new_rows(self, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})) -> Iterator[list[NewRow]]:
        """Read the sheet again as rows for the journal, in chunks.

        Args:
            refused: what only the portal found wrong: a row's place in the sheet (from 0) → (error code, description).

        Raises:
            SheetError: the file has changed since it was checked.
        """
        return _refuse((rows for rows, _ in self.read()), refused)

    def read(self) -> Iterator[tuple[list[NewRow], list[bool]]]:
        """As `new_rows`, with a flag for each row: its chat is one that a lookup finds.

        Raises:
            SheetError: the file has changed since it was checked.
        """
        digest = hashlib.blake2b(digest_size=16)
        checker = _checker(self.sheet, self.columns, self.options, self.chats)
        for chunk in self.sheet.chunks():
            checked = checker.check(chunk)
            rows, looked_up = _rows(chunk, checked, self.width), checked.looked_up.tolist()
            _identify(digest, chunk, checked, self.width)
            yield rows, looked_up
        if self.content not in {"", digest.hexdigest()}:
            raise refuse(Refusal.FILE_CHANGED, name=self.sheet.path.name)

    def with_chats(self, chats: FindsChats) -> Plan:
        """The plan with what a lookup found: the sheet is checked again, each row with its chat.

        Raises:
            SheetError: the file has changed since it was checked.
        """
        plan = _examine(self.sheet, self.columns, self.options, chats, identify=bool(self.content))
        if plan.content != self.content:
            raise refuse(Refusal.FILE_CHANGED, name=self.sheet.path.name)
        return plan

    def sandbox_rows(self) -> Iterator[tuple[str, int, int, int]]:
        """The entity, chat and user of each good row that names a chat, for a sandbox that is to know them."""
        for rows in self.new_rows():
            for row in rows:
                if row.state is State.PENDING and row.chat_id:
                    yield row.entity_type, row.entity_id, row.chat_id, row.user_id

    def write_problems(
        self,
        path: Path,
        refused: Mapping[int, tuple[str, str]] = MappingProxyType({}),
        warnings: Mapping[int, tuple[str, str]] = MappingProxyType({}),
    ) -> Path:
        """Write a copy of the sheet with each row's problem beside it, in the columns of a results sheet.

        Every row keeps its number, and rows that can be sent all the same, with a warning, have no status.

        Args:
            path: where to.
            refused: what only the portal found wrong, as for `new_rows`.
            warnings: likewise, of rows that can be sent.

        Raises:
            SheetError: the file has changed since it was checked.
            OSError: it cannot be written.
        """
        checker = _checker(self.sheet, self.columns, self.options, self.chats)
        chunks = ((chunk, checker.check(chunk)) for chunk in self.sheet.chunks())
        rows = (self._warned(_rows(chunk, checked, self.width), checked) for chunk, checked in chunks)
        found = {place: (code, _warning(words)) for place, (code, words) in warnings.items()}
        return self.write_rows(path, _refuse(_refuse(rows, refused), found, State.PENDING), in_place=True)

    def _warned(self, rows: list[NewRow], checked: Checked) -> list[NewRow]:
        """The rows, those that can be sent with what should be looked at again beside them."""
        earlier: dict[str, dict[int, int]] = {}
        for code, (again, first) in (("DUPLICATE_MESSAGE", self.report.repeats), ("SHARED_CHAT", self.report.shared)):
            among = np.isin(again, checked.rows.index)
            earlier[code] = dict(zip(again[among].tolist(), first[among].tolist(), strict=True))
        for index, row in enumerate(rows if checked.warnings or any(earlier.values()) else []):
            codes = checked.warnings.get(row.number, ())
            words = list(map(describe, codes))
            for code, above in earlier.items():
                if row.number in above:
                    codes = (*codes, code)
                    words.append(describe(code, detail=_("row {row}").format(row=above[row.number])))
            if codes and row.state is State.PENDING:
                rows[index] = row._replace(error_code=codes[0], error_description=_warning(" ".join(words)))
        return rows

    def write_rows(
        self,
        path: Path,
        chunks: Iterable[list[NewRow]],
        pending: tuple[str, str, str] = ("", "", ""),
        *,
        in_place: bool = False,
    ) -> Path:
        """Write a copy of the sheet with what is to become of each row beside it, in the columns of a results sheet.

        Args:
            path: where to.
            chunks: all rows, in the sheet's order.
            pending: status, error code and description of a row that can be sent.
            in_place: whether every row is to have its number again: blank rows and those above the headings are kept.

        Raises:
            SheetError: the file has changed since it was checked.
            OSError: it cannot be written.
        """
        words = {State.INVALID: "invalid", State.SKIPPED: "skipped"}
        can_be_sent = ResultCells(pending[0], error_code=pending[1], error_description=pending[2])

        def lines() -> Iterator[tuple[list[str], bool]]:
            expected = self.sheet.first_row
            if in_place:
                yield from ((cells[: self.width], False) for cells in self.sheet.below)
            for row in (row for rows in chunks for row in rows):
                if in_place:
                    yield from repeat(([], False), row.number - expected)
                    expected = row.number + 1
                results = can_be_sent
                if row.error_code:
                    status, code, why = words.get(row.state, pending[0]), row.error_code, row.error_description
                    results = ResultCells(status, error_code=code, error_description=why)
                yield [*row.cells, *results], row.error_code == "HIDDEN_ROW"

        return write_sheet(
            path,
            format=format_of(path, self.sheet.format),
            headings=[*self.headings, *RESULT_COLUMNS],
            rows=lines(),
            dialect=self.sheet.dialect,
            name=(in_place and self.sheet.name) or _("Results"),
            status_column=self.width,
            above=[cells[: self.width] for cells in self.sheet.above] if in_place else (),
        )


def _warning(problem: str) -> str:
    return _("Warning: {problem}").format(problem=problem)


def _refuse(
    chunks: Iterable[list[NewRow]], refused: Mapping[int, tuple[str, str]], state: State = State.INVALID
) -> Iterator[list[NewRow]]:
    place = 0
    for rows in chunks:
        for index, row in enumerate(rows if refused else []):
            if row.state is State.PENDING and place + index in refused:
                code, description = refused[place + index]
                rows[index] = row._replace(state=state, error_code=code, error_description=description)
        place += len(rows)
        yield rows


def dialect_of(form: Mapping[str, Any]) -> Dialect | None:
    """The dialect in what `Plan.form` gave."""
    return Dialect(**form["dialect"]) if form.get("dialect") else None


def examine(
    path: Path,
    options: SheetOptions = SheetOptions(),
    *,
    identify: bool = True,
    see: Callable[[Chunk, Checked], None] = lambda _chunk, _checked: None,
) -> Plan:
    """Read and check a sheet.

    Args:
        path: the file.
        options: how to read it.
        identify: whether ``content``, which takes a second look at every row, is wanted.
        see: is shown each chunk of the sheet once it is checked, for who wants to show the rows themselves.

    Raises:
        SheetError: it cannot be read as a sheet of messages.
        TemplateError: the message template does not fit it.
    """
    sheet = open_sheet(path, sheet=options.sheet, heading_names=tuple(options.mapping.values()))
    return _examine(sheet, columns_of(sheet, options), options, None, identify=identify, see=see)


def columns_of(sheet: Sheet, options: SheetOptions) -> Columns:
    """Where each field stands in a sheet that is read so.

    Raises:
        SheetError: a field is missing or doubled.
    """
    optional = [*(["MESSAGE"] if options.message is not None else []), *(["CHAT_ID"] if options.without_chats else [])]
    return sheet.find_columns(options.mapping, optional=optional, entity_type=options.entity_type)


def _examine(
    sheet: Sheet,
    columns: Columns,
    options: SheetOptions,
    chats: FindsChats | None,
    *,
    identify: bool,
    see: Callable[[Chunk, Checked], None] = lambda _chunk, _checked: None,
) -> Plan:
    refuse_rows_above(sheet, partial(_names_somebody, columns))
    checker = _checker(sheet, columns, options, chats)
    digest = hashlib.blake2b(digest_size=16)
    users: set[int] = set()
    zones: dict[str, ZoneRows] = {}
    place = 0
    for chunk in sheet.chunks():
        checked = checker.check(chunk)
        place += _count_zones(checked, place, zones)
        see(chunk, checked)
        if identify:
            good = checked.rows["error_code"].to_numpy() == ""
            users.update(np.unique(checked.rows["user_id"].to_numpy()[good]).tolist())
            _identify(digest, chunk, checked, sheet.original_width)
    content = digest.hexdigest() if identify else ""
    return Plan(sheet, columns, options, checker.report(), tuple(sorted(users)), content, chats, zones)


def _names_somebody(columns: Columns, cells: Sequence[str]) -> bool:
    """Whether cells name an entity, and its type or chat too: one number alone may be a year above the headings."""
    chat = columns.chat_id is not None and identifier(cells[columns.chat_id], chat=True) > 0
    kind = columns.entity_type is not None and bool(entity_type(cells[columns.entity_type]))
    return identifier(cells[columns.entity_id]) > 0 and (chat or kind)


def _count_zones(checked: Checked, place: int, zones: dict[str, ZoneRows]) -> int:
    """Count the good rows of each zone; the first row is the sheet's ``place``-th. Returns how many rows there are."""
    good = checked.rows["error_code"].to_numpy() == ""
    codes, names = pd.factorize(checked.rows["timezone"].to_numpy())
    for code, name in enumerate(names):
        places = np.flatnonzero(good & (codes == code))
        if len(places):
            rows, first, last = len(places), place + int(places[0]), place + int(places[-1])
            known = zones.get(name)
            zones[name] = ZoneRows(known.rows + rows, known.first, last) if known else ZoneRows(rows, first, last)
    return len(codes)


def fingerprint(chat_id: int, message: str) -> int:
    """A number for "this text in this chat": 64 bits, signed as databases have them.

    Blanks around the text do not count, because the portal drops them.
    """
    text = f"{chat_id}\0{message.strip()}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


class _NoChatsYet:
    """Chats that are yet to be looked up: there are none, and that is no problem."""

    @staticmethod
    def find(
        kinds: npt.NDArray[np.object_], ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]:
        return np.zeros(len(ids), dtype=np.int64), np.full(len(kinds), "", dtype=object)


def _checker(sheet: Sheet, columns: Columns, options: SheetOptions, chats: FindsChats | None) -> Checker:
    template = None if options.message is None else MessageTemplate(options.message, sheet.headings)
    if chats is None and options.without_chats:
        chats = _NoChatsYet()
    return Checker(
        columns,
        message=template,
        include_hidden=options.include_hidden,
        chats=chats,
        headings=sheet.headings,
        without_sent=options.without_sent,
    )


_FIELDS: Final = (
    "entity_type",
    "entity_id",
    "chat_id",
    "user_id",
    "message",
    "timezone",
    "error_code",
    "error_description",
)


def _rows(chunk: Chunk, checked: Checked, width: int) -> list[NewRow]:
    frame = checked.rows
    columns = [frame[name].tolist() for name in _FIELDS]
    cells = chunk.cells.iloc[:, :width].to_numpy().tolist()
    rows = []
    for number, own, kind, entity, chat, user, message, zone, code, description in zip(
        frame.index.tolist(), cells, *columns, strict=True
    ):
        if not code:
            row = NewRow(number, own, kind, entity, chat, user, message, fingerprint(chat, message), timezone=zone)
        else:
            state = State.SKIPPED if code in LEFT_OUT else State.INVALID
            row = NewRow(number, own, kind, entity, chat, user, message, 0, state, code, description)
        rows.append(row)
    return rows


def _identify(digest: hashlib.blake2b, chunk: Chunk, checked: Checked, width: int) -> None:
    """Add rows to what identifies a campaign.

    A row is what would be sent, or, where nothing can be, also what stands there instead. What a lookup found is left
    out, be it a chat or that there is none: another day it may find something else, and the row must not count as
    another one then and be sent a second time.
    """
    frame, looked_up = checked.rows, checked.looked_up.tolist()
    chats = ["" if found else str(chat) for found, chat in zip(looked_up, frame["chat_id"].tolist(), strict=True)]
    texts = list(
        map(
            "\x1f".join,
            zip(
                frame["entity_type"].tolist(),
                map(str, frame["entity_id"].tolist()),
                chats,
                map(str, frame["user_id"].tolist()),
                map(str.strip, frame["message"].tolist()),
                strict=True,
            ),
        )
    )
    zones, codes = frame["timezone"].to_numpy(), frame["error_code"].to_numpy()
    for place in np.flatnonzero(zones != "").tolist():  # a row whose hour was corrected is another one
        texts[place] = "\x1f".join([texts[place], "zone", zones[place]])
    for place in np.flatnonzero(codes != "").tolist():
        if codes[place] == "HIDDEN_ROW":
            texts[place] = ""
        elif codes[place] != "ALREADY_SENT" and not (looked_up[place] and codes[place] in LOOKUP_CODES):
            texts[place] = "\x1f".join([texts[place], codes[place], *chunk.cells.iloc[place, :width].tolist()])
    digest.update("".join([f"{text}\x1e" for text in texts]).encode("utf-8", "surrogatepass"))
