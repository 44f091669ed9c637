"""What can be known before anything is sent: who speaks, whether they may, and which chats will refuse."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import pandas as pd

from bulksend.journal import State
from bulksend.portal import methods
from bulksend.portal.codes import ACCESS_DENIED, ANSWER_LOST, CHAT_NOT_IN_CRM
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.queries.chats import ask_for_chats, entity_of, keys_of
from bulksend.queries.query import QueryError, say
from bulksend.validation.messages import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt

    from bulksend.plan import Plan
    from bulksend.queries.chats import Numbers
    from bulksend.queries.query import QueryRunner
    from bulksend.validation import Report

SCOPE: Final = "imopenlines"
"""The right that every call of a campaign needs."""

NOT_CHECKED: Final = "NOT_CHECKED"

PROBE_TRIES: Final = 2
"""A person waits for the probe's answer, so one lost answer is all that is forgiven."""

_MISSING_SCOPE = Outcome(Verdict.CAMPAIGN_REFUSED, "insufficient_scope")
_NO_PROFILE = Outcome(Verdict.NOT_KNOWN, ANSWER_LOST, "the answer is not Bitrix24's")


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
        return ConnectionCheck(say(_NO_PROFILE), _NO_PROFILE.code)
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


@dataclass(frozen=True, slots=True)
class Findings:
    """Which rows the portal would refuse.

    Attributes:
        refused: place of the row in the sheet (from 0, as the journal's ``n``) → (code, description).
        numbers: the sheet's own numbers of these rows, in order.
        rows: rows that were looked at.
        entities: different leads, deals, contacts and companies that were asked for.
        unanswered: rows of which the portal would not tell; they are none of the refused.
    """

    refused: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()
    rows: int = 0
    entities: int = 0
    unanswered: int = 0


def rows_of_plan(plan: Plan) -> Iterator[tuple[int, ChatRow]]:
    """The rows of a checked sheet with their places, for `check_online`.

    Rows whose chat a lookup has just found are left out: the portal has said already that it is active.

    Raises:
        SheetError: the file has changed since it was checked.
    """
    place = 0
    for rows, looked_up in plan.read():
        yield from ((n, row) for n, (row, found) in enumerate(zip(rows, looked_up, strict=True), place) if not found)
        place += len(rows)


def check_online(rows: Iterable[tuple[int, ChatRow]], queries: QueryRunner, report: Report | None = None) -> Findings:
    """Ask for every row that can be sent whether its chat is an active chat of its entity; send nothing.

    Each entity is asked for once. Memory: less than 100 bytes a row.

    Args:
        rows: places and rows, as `rows_of_plan` gives them; only pending ones are looked at.
        queries: asks the portal.
        report: takes up what is found, in the same words as problems found without a portal.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        SheetError: the file that the rows are read from has changed.
        JournalError: the journal cannot be used.
    """
    places, numbers, keys, chats = _columns(rows)
    entity_of_row, entities = pd.factorize(keys)
    order = np.argsort(entity_of_row, kind="stable")
    bounds = np.searchsorted(entity_of_row[order], np.arange(len(entities) + 1))
    codes = np.full(len(keys), "", dtype=object)
    for entity, told in enumerate(ask_for_chats(entities, queries)):
        mine = order[bounds[entity] : bounds[entity + 1]]
        if not told.told:
            codes[mine] = NOT_CHECKED
        elif told.forbidden:
            codes[mine] = ACCESS_DENIED
        else:
            codes[mine[~np.isin(chats[mine], [chat.id for chat in told.chats])]] = CHAT_NOT_IN_CRM
    refused = np.flatnonzero((codes != "") & (codes != NOT_CHECKED))
    findings = Findings(
        refused={int(places[row]): (codes[row], describe(codes[row])) for row in refused},
        numbers=tuple(numbers[refused].tolist()),
        rows=len(keys),
        entities=len(entities),
        unanswered=int((codes == NOT_CHECKED).sum()),
    )
    if report is not None:
        _report(report, codes, numbers, keys, chats)
    return findings


def _columns(rows: Iterable[tuple[int, ChatRow]]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """The rows to be asked for: their places, their numbers, their entities and their chats."""
    columns = [array("q") for _ in range(4)]
    places, numbers, ids, chats = columns
    kinds: list[str] = []
    for place, row in rows:
        if row.state is State.PENDING:
            places.append(place)
            numbers.append(row.number)
            kinds.append(row.entity_type)
            ids.append(row.entity_id)
            chats.append(row.chat_id)
    placed, numbered, _, chatted = (np.array(column, dtype=np.int64) for column in columns)
    return placed, numbered, keys_of(kinds, ids), chatted


def _report(report: Report, codes: npt.NDArray[np.object_], numbers: Numbers, keys: Numbers, chats: Numbers) -> None:
    for code in (CHAT_NOT_IN_CRM, ACCESS_DENIED, NOT_CHECKED):
        found = np.flatnonzero(codes == code)
        if len(found):
            kind, number = entity_of(int(keys[found[0]]))
            example = f"chat {chats[found[0]]} of {kind} {number}" if code == CHAT_NOT_IN_CRM else f"{kind} {number}"
            report.add_rows(code, len(found), numbers[found].tolist(), example)
    refused = (codes != "") & (codes != NOT_CHECKED)
    wrong = set(numbers[refused].tolist())
    report.good -= len(wrong)
    report.chats -= len(np.setdiff1d(chats[refused], chats[~refused]))
    report.preview = [row for row in report.preview if row[0] not in wrong]
