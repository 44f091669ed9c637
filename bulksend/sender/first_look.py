"""The histories that are read before the first message of a process leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulksend.dispatch.source import Job, Source
from bulksend.portal import methods
from bulksend.portal.client import portal_seconds
from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.sender.doubts import hinders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply
    from bulksend.sender.context import Context

MOST_CHATS: Final = 10
"""Histories that are read, and messages that may be under way while nothing else tells what the newest id is."""

FIRST_ANSWER: Final = 2.0
"""Seconds within which a first message is answered as a rule: the chats of all that leave in this time are read."""

MOST_LOST: Final = 3
"""How often the answer may be lost before messages leave without it, if the portal answers anything else."""


class FirstLook(Source[int]):
    """Reads what a portal's histories show before this process sends anything.

    The highest message id in them, and the portal's clock that comes with any answer, tell messages that leave from
    here from those that stand in the chats already, even if every answer to the first of them is lost.
    """

    method = methods.HISTORY_GET

    def __init__(self, context: Context) -> None:
        self._context = context
        self._under_way = False
        self._lost = 0
        self.done = False
        """Whether messages may leave."""

    def next_job(self, now: float) -> Job[int] | None:  # noqa: ARG002 - it may leave at any time
        """The chats of the first messages, once."""
        if self.done or self._under_way:
            return None
        options, limit = self._context.options, self._context.options.rate_limit
        calls = max(limit.burst, round(FIRST_ANSWER * limit.rate)) if limit.rate else options.max_in_flight
        zones = self._context.hours.open_of(self._context.chats.zones)
        chats = self._context.chats.next_chats(min(MOST_CHATS, calls * options.rows_a_call), zones)
        return Job(self, chats) if chats else None

    def start(self, job: Job[int], slots: Slots) -> SlotGrant:
        """Let the look leave."""
        grant = super().start(job, slots)
        self._under_way = grant.granted > 0
        return grant

    def call(self, item: int) -> methods.Call:
        """Read the history of a chat."""
        return methods.history_get(item)

    def stops_all(self, outcome: Outcome) -> bool:
        """Not where it is only histories that may not be read."""
        return hinders(outcome)

    def take_outcomes(self, job: Job[int], outcomes: Sequence[Outcome], reply: Reply) -> None:
        """Note the highest message id, 0 for chats in which nothing stands yet."""
        self._under_way = False
        lost = all(outcome.verdict is Verdict.NOT_KNOWN for outcome in outcomes)
        # Messages do not wait for the execution time of histories.
        repeatable = all(
            outcome.verdict is Verdict.NOT_CARRIED_OUT and outcome.reason is not Reason.OPERATING
            for outcome in outcomes
        )
        self._lost += lost
        given_up = self._lost >= MOST_LOST
        self.done = given_up or not (repeatable or lost)
        if given_up:
            self._context.connectivity.lost()
        for outcome in outcomes:
            newest = newest_id(outcome)
            if newest is not None:
                self._context.changes.saw(newest)
        if reply.outcome.verdict is Verdict.DONE:
            seconds = portal_seconds(reply) / len(job.items)
            self._context.size.learn_reading(seconds, self._context.options.rate_limit.operating_limit)


def newest_id(outcome: Outcome) -> int | None:
    """The highest message id in a history, 0 where it is empty; None where it could not be read."""
    if outcome.verdict is not Verdict.DONE:
        return None
    try:
        history = methods.read_history(outcome.result)
    except ValueError:
        return None
    return max((message.id for message in history.messages), default=0)
