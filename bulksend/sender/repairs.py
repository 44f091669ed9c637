"""Rows that the portal refused for a reason that another call may remove."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
"""How often the answer to a repair may be lost before its row is given up: a repair does no harm when repeated."""

FIRST_PAUSE: Final = 0.5
"""Seconds until a repair whose answer was lost is tried again, doubling each time."""


@dataclass(slots=True, eq=False)
class Repair:
    """A row that was refused, and when the call that may help it is due (steady clock)."""

    row: Row
    due: float
    lost: int = 0


class Repairs(Source[Repair]):
    """Rows that were refused with one code, each until a call has removed the reason; then it is sent in its turn.

    A row's chat stays busy all the while. What is to be done is tried once for each `key`, in batches as large as those
    of messages.
    """

    code: str
    """The refusal, in upper case."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: list[Repair] = []
        self._tried: set[tuple[int, ...]] = set()

    def __len__(self) -> int:
        return len(self._open)

    @abstractmethod
    def key(self, row: Row) -> tuple[int, ...]:
        """What is repaired with a row, so that it is not tried again for another one."""

    @abstractmethod
    def done(self, outcome: Outcome) -> bool:
        """Whether a call has removed the reason."""

    @abstractmethod
    def sentence(self, outcome: Outcome | None) -> str:
        """What to say of a row that could not be helped; None: it was refused again although it had been."""

    def add(self, row: Row) -> str:
        """Take in a row that was refused; gives the sentence on it where it cannot be helped any more."""
        key = self.key(row)
        if key in self._tried:
            return self.sentence(None)
        self._tried.add(key)
        self._open.append(Repair(row, time.monotonic()))
        return ""

    def next_job(self, now: float) -> Job[Repair] | None:
        """The repairs that are due, as many as go into one request."""
        hours = self._context.hours
        due = [repair for repair in self._open if repair.due <= now and hours.open_of([repair.row.timezone])]
        return Job(self, due[: self._context.size.rows()]) if due else None

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

    @abstractmethod
    def call_for(self, row: Row) -> Call:
        """The call that may help a row; to repeat it must do no harm."""

    def settle(self, job: Job[Repair], outcomes: Sequence[Outcome], reply: Reply) -> None:  # noqa: ARG002
        """Let the rows go that were helped, and give up those that cannot be."""
        for repair, outcome in zip(job.items, outcomes, strict=True):
            if outcome.verdict in {Verdict.CAMPAIGN_REFUSED, Verdict.NOT_CARRIED_OUT}:
                repair.due = time.monotonic()  # it is not its own fault
                continue
            if outcome.verdict is Verdict.NOT_KNOWN:
                repair.lost += 1
                if repair.lost < MOST_LOST:
                    repair.due = time.monotonic() + FIRST_PAUSE * 2 ** (repair.lost - 1)
                    continue
            self._open.remove(repair)
            if self.done(outcome):
                self._context.chats.put_back(repair.row)
                continue
            change = Change(repair.row.n, State.PENDING, State.FAILED, self.code, self.sentence(outcome))
            self._context.changes.add(change)
            self._context.chats.free(repair.row.chat_id)
            self._context.refusals.watch(outcome, change)
