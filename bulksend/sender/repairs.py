"""Rows that the portal refused for a reason that other calls may remove."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from bulksend.dispatch.source import Job, Source
from bulksend.journal import Change, Row, State
from bulksend.portal.outcomes import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply
    from bulksend.portal.methods import Call
    from bulksend.sender.context import Context

MOST_LOST: Final = 4
"""How often the answer to a repair may be lost before it is given up: a repair does no harm when repeated."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 4.0
"""Seconds until a repair whose answer was lost is tried again: from the first to the longest, doubling."""


class Failure(NamedTuple):
    """Why a row could not be helped: the code and the sentence that its results have."""

    code: str
    sentence: str


@dataclass(slots=True, eq=False)
class Repair:
    """A row that was refused, and when the call that may help it is due (steady clock)."""

    row: Row
    due: float
    lost: int = 0


class Repairs(Source[Repair]):
    """Rows that were refused with one code, each until a call has removed the reason; then it is sent in its turn.

    A row's chat stays busy all the while. What is to be done is tried once for each `key`.
    """

    code: str
    """The refusal, in upper case."""
    most_lost = MOST_LOST

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: list[Repair] = []
        self._tried: dict[tuple[object, ...], Failure] = {}
        self._lost: dict[tuple[object, ...], Failure] = {}  # the same for the next row alone: nothing is known for sure

    def __len__(self) -> int:
        return len(self._open)

    @abstractmethod
    def key(self, row: Row) -> tuple[object, ...]:
        """What is repaired with a row, its chat among it, so that it is not tried again for another one."""

    @abstractmethod
    def call_for(self, row: Row) -> Call:
        """The call that may help a row; to repeat it must do no harm."""

    @abstractmethod
    def conclude(self, row: Row, outcome: Outcome) -> None:
        """Let a row go on after its call, or give it up."""

    def add(self, row: Row, pause: float = 0.0) -> Failure | None:
        """Take in a row; where that was of no use before, it is not taken in, and this gives the reason.

        Args:
            row: it was refused.
            pause: seconds until its call may leave.
        """
        known = self._tried.get(self.key(row)) or self._lost.pop(self.key(row), None)
        if known is None:
            self._open.append(Repair(row, time.monotonic() + pause))
        return known

    def most(self) -> int:
        """How many calls may go into one request: as many as messages."""
        return self._context.size.rows()

    def next_job(self, now: float) -> Job[Repair] | None:
        """The repairs that are due, as many as go into one request."""
        hours = self._context.hours
        due = [repair for repair in self._open if repair.due <= now and hours.open_of([repair.row.timezone])]
        return Job(self, due[: self.most()]) if due else None

    def next_time(self) -> float:
        """When the next repair is due."""
        return min((repair.due for repair in self._open), default=math.inf)

    def start(self, job: Job[Repair], slots: Slots) -> SlotGrant:
        """Let repairs leave; what they do a customer may see, so it is done in the same hours."""
        job.deadline = self._context.hours.deadline([repair.row for repair in job.items])
        grant = super().start(job, slots)
        for repair in job.items:
            repair.due = math.inf
        return grant

    def put_back(self) -> None:
        """Put the rows back that are not being repaired at the moment."""
        for repair in [repair for repair in self._open if repair.due < math.inf]:
            self._open.remove(repair)
            self._context.chats.put_back(repair.row)

    def call(self, item: Repair) -> Call:
        """The call that may help a row."""
        return self.call_for(item.row)

    def take_outcomes(self, job: Job[Repair], outcomes: Sequence[Outcome], reply: Reply) -> None:  # noqa: ARG002
        """Repeat what was not carried out or lost, and draw conclusions from the rest."""
        for repair, outcome in zip(job.items, outcomes, strict=True):
            stopped = outcome.verdict is Verdict.CAMPAIGN_REFUSED and self.stops_all(outcome)
            if stopped or outcome.verdict is Verdict.NOT_CARRIED_OUT:
                repair.due = time.monotonic()  # it is not its own fault
                continue
            if outcome.verdict is Verdict.NOT_KNOWN:
                repair.lost += 1
                if repair.lost < self.most_lost:
                    repair.due = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (repair.lost - 1))
                    continue
            self._open.remove(repair)
            self.conclude(repair.row, outcome)

    def give_up(self, row: Row, failure: Failure) -> None:
        """The row fails."""
        change = Change(row.n, State.PENDING, State.FAILED, *failure)
        self._context.changes.add(change, row)
        self._context.chats.free(row.chat_id)
        self._context.refusals.watch(change)
