"""What a journal holds, as plain values: campaigns, their rows, and every change that a row's state may make."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulksend.locale import N_

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.journal.holder import Holder


class State(StrEnum):
    """Where a row is in its life."""

    PENDING = "pending"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    SKIPPED = "skipped"


MOVES: Final[Mapping[State, frozenset[State]]] = {
    # failed: not let into its chat; invalid: the portal said before sending that it would refuse
    State.PENDING: frozenset({State.SENDING, State.SKIPPED, State.FAILED, State.INVALID}),
    State.SENDING: frozenset({State.SENT, State.FAILED, State.PENDING, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.SENT, State.PENDING, State.UNKNOWN, State.FAILED}),
    State.SENT: frozenset(),
    State.FAILED: frozenset({State.PENDING}),  # `retry`
    # `retry --resend-unknown`; a person saw the message in its chat
    State.UNKNOWN: frozenset({State.PENDING, State.SENT}),
    State.INVALID: frozenset({State.PENDING}),  # `retry` of what only the portal found wrong
    State.SKIPPED: frozenset({State.PENDING}),  # a canary's limit lifted, or "send them again"
}
"""Every change of state there is. Nothing leaves `sent`."""


class Delivery(StrEnum):
    """What became of a message after the portal had taken it, as far as the portal says."""

    READ = "read"
    DELIVERED = "delivered"
    SENDING = "sending"
    HIDDEN = "hidden"
    NOT_TOLD = "not_told"


class Stage(StrEnum):
    """Where a campaign is in its life."""

    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


class NewRow(NamedTuple):
    """A row as it enters the journal.

    ``user_id`` 0 means whoever speaks for the campaign, and ``timezone`` "" the campaign's.
    """

    number: int
    cells: Sequence[str]
    entity_type: str
    entity_id: int
    chat_id: int
    user_id: int
    message: str
    fingerprint: int
    state: State = State.PENDING
    error_code: str = ""
    error_description: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is still to be sent or settled.

    Three marks of its first attempt, each None where it is not known, tell its message from older ones:
    ``left_at`` is a Unix time by this machine's clock, ``earliest_portal_time`` one by the portal's that was surely not
    after the attempt, and ``min_message_id`` an id that every message from after it exceeds.
    """

    n: int
    number: int
    state: State
    entity_type: str
    entity_id: int
    chat_id: int
    user_id: int
    message: str
    fingerprint: int
    attempts: int
    lost: int
    left_at: float | None
    earliest_portal_time: float | None
    min_message_id: int | None
    error_code: str
    timezone: str

    def leaving(self, at: float, portal_time: float | None, min_message_id: int | None) -> Row:
        """The row as the journal has it once it is leaving (`Journal.leave`): what marks its first attempt stays."""
        first = self.left_at is None
        return replace(
            self,
            state=State.SENDING,
            attempts=self.attempts + 1,
            left_at=at if first else self.left_at,
            earliest_portal_time=portal_time if first else self.earliest_portal_time,
            min_message_id=min_message_id if self.min_message_id is None else self.min_message_id,
        )

    def unsent(self) -> Row:
        """The row as the journal has it once an attempt surely did not arrive: marks of a lost attempt stay."""
        row = replace(self, state=State.PENDING)
        return row if row.lost else replace(row, left_at=None, earliest_portal_time=None, min_message_id=None)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a row: its next state and what the results sheet is to say of it.

    ``uncounted`` takes back the attempt that was counted when the row left, for a call that was surely not carried out.
    """

    n: int
    before: State
    after: State
    error_code: str = ""
    error_description: str = ""
    message_id: int | None = None
    sent_at: float | None = None
    uncounted: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a campaign are in each state."""

    pending: int = 0
    sending: int = 0
    in_doubt: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    invalid: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """All rows of the sheet."""
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def left(self) -> int:
        """Rows whose fate is still open: to be sent, on their way or in doubt."""
        return self.pending + self.sending + self.in_doubt

    def by_status(self) -> dict[str, int]:
        """Rows by the statuses of the results sheet."""
        return {
            "sent": self.sent,
            "failed": self.failed,
            "unknown": self.unknown + self.sending + self.in_doubt,
            "invalid": self.invalid,
            "skipped": self.skipped,
            "not_sent": self.pending,
        }

    def moved(self, moves: Mapping[tuple[State, State], int]) -> Counts:
        """The counts after so many rows moved from one state to another."""
        tally = Counter({State(field.name): getattr(self, field.name) for field in fields(self)})
        for (before, after), rows in moves.items():
            tally[before] -= rows
            tally[after] += rows
        return Counts(**{state.value: tally[state] for state in State})


@dataclass(frozen=True, slots=True)
class Run:
    """A campaign: one sheet sent to one portal. Times are Unix seconds, by this machine's clock."""

    id: int
    created_at: float
    ended_at: float | None
    stage: Stage
    reason: str
    file: str
    sheet: Mapping[str, Any]
    headings: tuple[str, ...]
    portal: str
    portal_name: str
    portal_address: str
    identity: str
    content: str
    user_id: int
    again: bool
    results_path: str
    settings: Mapping[str, Any]
    counts: Counts
    holder: Holder | None
    paused: bool = False

    def speaker(self, row: Row) -> int:
        """The user who speaks for a row."""
        return row.user_id or self.user_id


class WaitReason(StrEnum):
    """What is being waited for, as programs read it."""

    REQUEST_LIMIT = "request_limit"
    EXECUTION_TIME = "execution_time"
    UNREACHABLE = "unreachable"
    HISTORY = "history"
    BEGIN = "begin"
    HOURS = "hours"
    WORKER = "worker"


WAITS: Final[Mapping[WaitReason, str]] = {
    WaitReason.REQUEST_LIMIT: N_("the portal's request limit"),
    WaitReason.EXECUTION_TIME: N_("the portal's execution-time limit"),
    WaitReason.UNREACHABLE: N_("the portal, which cannot be reached"),
    WaitReason.HISTORY: N_("the portal's history to settle rows in doubt"),
    WaitReason.BEGIN: N_("the time to begin, {when}"),
    WaitReason.HOURS: N_("the hours of {zone}, {when}"),
    WaitReason.WORKER: N_("a worker that is free"),
}
"""The same for people, as the catalogue has it."""


@dataclass(frozen=True, slots=True)
class SlotGrant:
    """What came of asking for a slot.

    Attributes:
        state: the shared state from now on.
        granted: how many of the calls may leave as one request now.
        wait: for how many seconds asking again is useless.
        reason: what is being waited for; None for the ordinary rate.
    """

    state: str
    granted: int
    wait: float = 0.0
    reason: WaitReason | None = None


class Repeat(NamedTuple):
    """A row of the sheet (its number there) whose text another campaign has sent to its chat, or may have."""

    number: int
    run_id: int


class RowOutcome(NamedTuple):
    """What became of a row, as the results sheet has it."""

    n: int
    cells: Sequence[str]
    state: State
    message_id: int | None
    error_code: str
    error_description: str
    sent_at: float | None
    attempts: int
    delivery: str = ""


class SentMessage(NamedTuple):
    """A row that was sent, and what is known of its delivery; ``message_id`` 0 means that its id is not known."""

    n: int
    chat_id: int
    message_id: int
    delivery: Delivery | None


class ZoneRows(NamedTuple):
    """The rows of a time zone: how many, and between which places of the sheet (``n``)."""

    rows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Departure:
    """What came of asking to let rows leave.

    Attributes:
        grant: how many of them may.
        already: the ``n`` of those that may not, because another campaign sent them; then none leaves.
        min_message_id: the highest message id that was known before.
    """

    grant: SlotGrant
    already: frozenset[int] = frozenset()
    min_message_id: int | None = None
