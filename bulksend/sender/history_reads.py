"""The looks at chats' histories that settle rows in doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bulksend.dispatch.source import Job, Source
from bulksend.journal import State
from bulksend.portal import methods
from bulksend.sender.doubts import Doubt, hinders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply
    from bulksend.portal.outcomes import Outcome
    from bulksend.sender.context import Context


class Histories(Source[Doubt]):
    """Reads the histories of chats with rows in doubt until the fate of each row is settled."""

    method = methods.HISTORY_GET

    def __init__(self, context: Context) -> None:
        self._context = context

    def next_job(self, now: float) -> Job[Doubt] | None:
        """The histories that are due, as many as go into one request."""
        due = self._context.doubts.due(now)
        return Job(self, due) if due else None

    def next_time(self) -> float:
        """When the next look is due."""
        return self._context.doubts.next_time()

    def start(self, job: Job[Doubt], slots: Slots) -> SlotGrant:
        """Let looks leave."""
        grant = super().start(job, slots)
        self._context.doubts.looking(job.items)
        return grant

    def call(self, item: Doubt) -> methods.Call:
        """Read the history of a row's chat."""
        return methods.history_get(item.row.chat_id)

    def stops_all(self, outcome: Outcome) -> bool:
        """Not where it is only histories that may not be read."""
        return hinders(outcome)

    def take_outcomes(self, job: Job[Doubt], outcomes: Sequence[Outcome], reply: Reply) -> None:  # noqa: ARG002
        """Draw the conclusions."""
        for doubt, outcome in zip(job.items, outcomes, strict=True):
            if hinders(outcome):
                self._context.doubts.hindered(doubt)
                continue
            change = self._context.doubts.conclude(doubt, outcome, reachable=not self._context.connectivity.out)
            if change is None:
                continue
            self._context.changes.add(change, doubt.row)
            if change.after is State.PENDING:
                self._context.chats.put_back(replace(doubt.row, state=State.PENDING, lost=doubt.row.lost + 1))
            else:
                self._context.chats.free(doubt.row.chat_id)
