"""What can be known before anything is sent: who speaks, whether they may, and which chats will refuse."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import pandas as pd

from bulksend.journal import State
from bulksend.locale import _
from bulksend.locale.formats import moment
from bulksend.portal import methods
from bulksend.portal.codes import ACCESS_DENIED, ANSWER_LOST, CHAT_NOT_IN_CRM, DIALOG_FINISHED
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.queries.chats import ask_for_chats, entity_of, keys_of
from bulksend.queries.dialogs import ask_for_dialogs
from bulksend.queries.query import QueryError, say
from bulksend.sheet.messages import entity_in_words
from bulksend.validation.messages import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from bulksend.plan import Plan
    from bulksend.queries.chats import Numbers
    from bulksend.queries.query import QueryRunner
    from bulksend.validation import Report

    Codes = npt.NDArray[np.object_]

SCOPE: Final = "imopenlines"
"""The right that every call of a campaign needs."""

NOT_CHECKED: Final = "NOT_CHECKED"
SILENT_MODE: Final = "SILENT_MODE"
CHANNEL_CLOSED: Final = "CHANNEL_CLOSED"
CHANNEL_CLOSING: Final = "CHANNEL_CLOSING"

_ORDER: Final = (
    *(CHAT_NOT_IN_CRM, DIALOG_FINISHED, ACCESS_DENIED),
    *(SILENT_MODE, CHANNEL_CLOSED, CHANNEL_CLOSING, NOT_CHECKED),
)
"""In which order a report names what the portal says."""

PROBE_TRIES: Final = 2
"""A person waits for the probe's answer, so one lost answer is all that is forgiven."""

_MISSING_SCOPE = Outcome(Verdict.CAMPAIGN_REFUSED, "insufficient_scope")


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """Whether the portal can be sent to, and as whom.

    Attributes:
        sentence: what is wrong and what to do about it; empty where nothing is.
        code: the error code that says so; empty likewise.
        user_id: whom the portal takes the caller for; 0 where it did not tell.
        name: that user's name.
        admin: whether that user administers the portal.
        scopes: what the credentials may use.
    """

    sentence: str = ""
    code: str = ""
    user_id: int = 0
    name: str = ""
    admin: bool = False
    scopes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing stands in the way of sending."""
        return not self.sentence


def probe(queries: QueryRunner) -> ConnectionCheck:
    """Ask the portal whether it is there, who speaks, and whether they may use open channels: one HTTP request.

    Raises:
        JournalError: the journal, which holds the pace, cannot be used.
    """
    try:
        told, granted = queries.ask([methods.profile(), methods.scope()], tries=PROBE_TRIES)
    except QueryError as ended:
        return ConnectionCheck(str(ended), ended.outcome.code)
    if told.verdict is not Verdict.DONE:
        return ConnectionCheck(say(told), told.code)
    try:
        profile = methods.read_profile(told.result)
    except ValueError:
        strange = Outcome(Verdict.NOT_KNOWN, ANSWER_LOST, _("the answer is not Bitrix24's"))
        return ConnectionCheck(say(strange), strange.code)
    scopes = _scopes(granted)
    # Where the portal does not tell what may be used, the first message will.
    wrong = _MISSING_SCOPE if scopes is not None and SCOPE not in scopes else None
    return ConnectionCheck(
        say(wrong) if wrong else "", wrong.code if wrong else "", profile.id, profile.name, profile.admin, scopes or ()
    )


def _scopes(granted: Outcome) -> tuple[str, ...] | None:
    if granted.verdict is not Verdict.DONE:
        return None
    try:
        return tuple(methods.read_scopes(granted.result))
    except ValueError:
        return None


class ChatRow(Protocol):
    """A row as the plan or the journal has it."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> State: ...  # noqa: D102
    @property
    def entity_type(self) -> str: ...  # noqa: D102
    @property
    def entity_id(self) -> int: ...  # noqa: D102
    @property
    def chat_id(self) -> int: ...  # noqa: D102


class OnlineRow(NamedTuple):
    """A row to be asked about.

    Attributes:
        place: where it stands in the sheet (from 0, as the journal's ``n``).
        row: the row itself.
        active: whether the portal has just listed its chat as an active one of its entity.
    """

    place: int
    row: ChatRow
    active: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """Which rows the portal would refuse, and which messages would not reach the customer.

    Attributes:
        refused: place of the row in the sheet (from 0, as the journal's ``n``) → (code, description).
        numbers: the sheet's own numbers of these rows, in order.
        warnings: likewise, of rows that can be sent all the same.
        rows: rows that were looked at.
        entities: different leads, deals, contacts and companies that were asked for.
        unanswered: rows of which the portal would not tell; they are none of the refused.
        not_active: chats of the right entity whose dialogs are not active.
        closing: of each row whose channel will stop to take messages, how many rows leave before it, and when that is
            (Unix seconds).
    """

    refused: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()
    warnings: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    rows: int = 0
    entities: int = 0
    unanswered: int = 0
    not_active: int = 0
    closing: Sequence[tuple[int, float]] = ()


def rows_of_plan(plan: Plan) -> Iterator[OnlineRow]:
    """The rows of a checked sheet, for `check_online`.

    Raises:
        SheetError: the file has changed since it was checked.
    """
    start = 0
    for rows, looked_up in plan.read():
        for place, (row, active) in enumerate(zip(rows, looked_up, strict=True), start):
            yield OnlineRow(place, row, active)
        start += len(rows)


def check_online(
    rows: Iterable[OnlineRow],
    queries: QueryRunner,
    report: Report | None = None,
    *,
    turn: Callable[[int], float] = lambda _rows: 0.0,
    reopen: bool = False,
) -> Findings:
    """Ask of every row that can be sent whether the portal would take it and the customer get it; send nothing.

    Each entity is asked for once, or twice where one of its rows would be refused, and each chat that takes messages
    once. Memory: less than 200 bytes a row.

    Args:
        rows: as `rows_of_plan` gives them; only pending ones are looked at.
        queries: asks the portal.
        report: takes up what is found, in the same words as problems found without a portal.
        turn: the seconds from now until so many rows have left, for channels that close before a row's turn.
        reopen: whether dialogs that are not active are started again before sending: then they refuse no row.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        SheetError: the file that the rows are read from has changed.
        JournalError: the journal cannot be used.
    """
    asked = _Rows.of(rows)
    entities = _find_refusals(asked, queries, reopen=reopen)
    refused = (asked.codes != "") & (asked.codes != NOT_CHECKED)
    if reopen:
        refused &= asked.codes != DIALOG_FINISHED
    _find_obstacles(asked, ~refused, queries, turn)
    findings = Findings(
        refused={int(asked.places[row]): (asked.codes[row], describe(asked.codes[row])) for row in _rows(refused)},
        numbers=tuple(asked.numbers[refused].tolist()),
        warnings={int(asked.places[row]): asked.warning(row) for row in _rows(~refused & asked.found)},
        rows=len(asked.numbers),
        entities=entities,
        unanswered=int(((asked.codes == NOT_CHECKED) | (asked.obstacles == NOT_CHECKED)).sum()),
        not_active=len(np.unique(asked.chats[asked.codes == DIALOG_FINISHED])),
        closing=asked.closing,
    )
    if report is not None:
        _report(report, asked, refused, reopen=reopen)
    return findings


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows to be asked about, a column each, and what is found.

    Attributes:
        keys: their entities' numbers.
        active: whether the portal has listed the chat as active already.
        codes: why the portal would refuse the row; empty where it would not.
        obstacles: why the customer would not get the message; empty where they would.
        details: what is known of the obstacle: row → words.
        closing: as in `Findings`.
    """

    places: Numbers
    numbers: Numbers
    keys: Numbers
    chats: Numbers
    active: npt.NDArray[np.bool_]
    codes: Codes
    obstacles: Codes
    details: dict[int, str] = field(default_factory=dict)
    closing: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[OnlineRow]) -> _Rows:
        columns = [array("q") for _ in range(5)]
        places, numbers, ids, chats, actives = columns
        kinds: list[str] = []
        for place, row, active in rows:
            if row.state is State.PENDING:
                places.append(place)
                numbers.append(row.number)
                kinds.append(row.entity_type)
                ids.append(row.entity_id)
                chats.append(row.chat_id)
                actives.append(active)
        placed, numbered, _, chatted, listed = (np.array(column, dtype=np.int64) for column in columns)
        empty = np.full(len(placed), "", dtype=object)
        return cls(placed, numbered, keys_of(kinds, ids), chatted, listed.astype(np.bool_), empty, empty.copy())

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Whether anything was found of each row."""
        found: npt.NDArray[np.bool_] = (self.codes != "") | (self.obstacles != "")
        return found

    def warning(self, row: int) -> tuple[str, str]:
        """The code of what was found of a row that can be sent, and a sentence."""
        code = self.obstacles[row] or self.codes[row]
        return code, describe(code, detail=self.details.get(row, ""))


def _rows(flags: npt.NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(flags).tolist()
    return found


def _find_refusals(asked: _Rows, queries: QueryRunner, *, reopen: bool) -> int:
    """Find out which rows the portal would refuse; returns how many entities were asked for."""
    to_ask = np.flatnonzero(~asked.active | reopen)  # what was looked up need not be active then
    entities = _find(asked, to_ask, queries, CHAT_NOT_IN_CRM, active_only=True)
    # A chat that is listed as one of the entity's, and not as an active one, has a dialog that is not active.
    absent = np.flatnonzero(asked.codes == CHAT_NOT_IN_CRM)
    asked.codes[absent] = DIALOG_FINISHED
    _find(asked, absent, queries, CHAT_NOT_IN_CRM, active_only=False)
    return entities


def _find(asked: _Rows, rows: Numbers, queries: QueryRunner, code: str, *, active_only: bool) -> int:
    """Ask for the chats of these rows' entities; rows whose chat is not among them get the code."""
    entity_of_row, entities = pd.factorize(asked.keys[rows])
    order = np.argsort(entity_of_row, kind="stable")
    bounds = np.searchsorted(entity_of_row[order], np.arange(len(entities) + 1))
    for entity, told in enumerate(ask_for_chats(entities, queries, active_only=active_only)):
        mine = rows[order[bounds[entity] : bounds[entity + 1]]]
        if not told.told:
            asked.codes[mine] = NOT_CHECKED
        elif told.forbidden:
            asked.codes[mine] = ACCESS_DENIED
        else:
            asked.codes[mine[~np.isin(asked.chats[mine], [chat.id for chat in told.chats])]] = code
    return len(entities)


def _find_obstacles(
    asked: _Rows, to_send: npt.NDArray[np.bool_], queries: QueryRunner, turn: Callable[[int], float]
) -> None:
    """Find out which of the rows that can be sent would not reach the customer."""
    rows = np.flatnonzero(to_send)
    chat_of_row, chats = pd.factorize(asked.chats[rows])
    dialogs = ask_for_dialogs(chats, queries)
    now = dialogs.now()
    for before, (row, chat) in enumerate(zip(rows.tolist(), chat_of_row.tolist(), strict=True)):
        closes_at = int(dialogs.closes_at[chat])
        if not dialogs.told[chat]:
            asked.obstacles[row] = NOT_CHECKED
        elif dialogs.silent[chat]:
            asked.obstacles[row] = SILENT_MODE
        elif 0 < closes_at <= now:
            asked.obstacles[row] = CHANNEL_CLOSED
            since = _("closed since {when}").format(when=moment(closes_at - dialogs.clock_ahead))
            asked.details[row] = _("the customer has forbidden them") if dialogs.forbidden[chat] else since
        elif closes_at:
            until = closes_at - dialogs.clock_ahead
            asked.closing.append((before, until))
            if closes_at <= now + turn(before):
                asked.obstacles[row] = CHANNEL_CLOSING
                asked.details[row] = _("open until {when}").format(when=moment(until))


def _report(report: Report, asked: _Rows, refused: npt.NDArray[np.bool_], *, reopen: bool) -> None:
    for code in _ORDER:
        found = _rows((asked.codes == code) | (asked.obstacles == code))
        if found:
            entity = entity_in_words(*entity_of(int(asked.keys[found[0]])))
            example = chat = _("chat {chat}").format(chat=asked.chats[found[0]])
            if code in {CHAT_NOT_IN_CRM, DIALOG_FINISHED}:
                example = _("chat {chat} of {entity}").format(chat=asked.chats[found[0]], entity=entity)
            elif code in {ACCESS_DENIED, NOT_CHECKED}:
                example = entity
            elif found[0] in asked.details:
                example = f"{chat}, {asked.details[found[0]]}"
            warning = True if reopen and code == DIALOG_FINISHED else None
            report.add_rows(code, len(found), asked.numbers[found].tolist(), example, warning=warning)
    wrong = set(asked.numbers[refused].tolist())
    report.good -= len(wrong)
    report.chats -= len(np.setdiff1d(asked.chats[refused], asked.chats[~refused]))
    report.preview = [row for row in report.preview if row[0] not in wrong]
