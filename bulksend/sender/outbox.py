"""The messages that leave, and what becomes of their rows."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bulksend.dispatch.source import Job, Source
from bulksend.journal import Change, Row, State
from bulksend.portal import methods
from bulksend.portal.error_help import advice
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.sender.first_look import MOST_CHATS
from bulksend.sender.options import SAME_TEXT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply
    from bulksend.sender.context import Context
    from bulksend.sender.first_look import FirstLook
    from bulksend.sender.repairs import Repairs


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What marks an attempt to send some rows."""

    left_at: float
    portal_time: float | None
    min_message_id: int | None


class Outbox(Source[Row]):
    """Sends the rows that wait, as many together as a batch may hold."""

    method = methods.MESSAGE_ADD

    def __init__(self, context: Context, first_look: FirstLook, repairs: Sequence[Repairs]) -> None:
        self._context, self._first_look, self._repairs = context, first_look, repairs
        self._answered = False
        self._under_way: dict[Job[Row], _Attempt] = {}

    @property
    def idle(self) -> bool:
        """Whether no message is under way."""
        return not self._under_way

    def next_job(self, now: float) -> Job[Row] | None:  # noqa: ARG002 - the chats decide
        """The next rows of those whose hours these are.

        The first answers tell how large a batch may be, and to the messages that leave then what the newest id is.
        """
        if not self._first_look.done:
            return None
        if not (self._answered and self._context.size.known):
            batches = any(len(job.items) > 1 for job in self._under_way)
            if batches or len(self._under_way) >= MOST_CHATS:
                return None
        chats, hours = self._context.chats, self._context.hours
        rows = chats.take(self._context.size.rows(), hours.open_of(chats.zones))
        return Job(self, rows) if rows else None

    def next_time(self) -> float:
        """When the next rows may leave whose hours these are not."""
        opens, _ = self._context.hours.next_opening(self._context.chats.zones)
        return 0.0 if opens == math.inf else opens - time.time() + time.monotonic()

    def start(self, job: Job[Row], slots: Slots) -> SlotGrant:
        """Mark as many of the rows as may as leaving; the others go back to their places."""
        rows, run, now = job.items, self._context.run, time.time()
        deadline, portal_time = self._context.hours.deadline(rows), self._context.clock.now()
        departure = slots.journal.leave(
            run.id,
            rows,
            portal=run.portal,
            take=self._context.hours.guard(
                rows, self._context.size.row_seconds or 0.0, partial(slots.request, self.method)
            ),
            at=now,
            portal_time=portal_time,
            again=run.again,
            since=now - SAME_TEXT_SECONDS,
        )
        granted = departure.grant.granted
        for row in reversed(rows[granted:]):
            if row.n in departure.already:
                code = "ALREADY_SENT"
                self._context.changes.add(Change(row.n, State.PENDING, State.SKIPPED, code, advice(code)), row)
                self._context.chats.free(row.chat_id)
            else:
                self._context.chats.put_back(row)
        if departure.already:
            self._context.changes.write()
        if granted:
            self._context.changes.written(State.PENDING, State.SENDING, granted)
            self._under_way[job] = _Attempt(now, portal_time, departure.min_message_id)
            job.items, job.deadline = rows[:granted], deadline
        return departure.grant

    def call(self, item: Row) -> methods.Call:
        """Send a row's message."""
        speaker = self._context.run.speaker(item)
        return methods.message_add(item.entity_type, item.entity_id, speaker, item.chat_id, item.message)

    def take_outcomes(self, job: Job[Row], outcomes: Sequence[Outcome], reply: Reply) -> None:
        """Note what the answer makes of each row, and how long the portal took."""
        attempt = self._under_way.pop(job)
        self._context.size.measure(len(job.items), reply)
        for row, outcome in zip(job.items, outcomes, strict=True):
            change = self._conclude(row, attempt, outcome, reply)
            self._context.changes.add(change, row)
            self._context.refusals.watch(change)

    def _conclude(self, row: Row, attempt: _Attempt, outcome: Outcome, reply: Reply) -> Change:
        verdict = outcome.verdict
        self._answered = self._answered or verdict in {Verdict.DONE, Verdict.REFUSED}
        if verdict is Verdict.DONE:
            self._context.chats.free(row.chat_id)
            return Change(row.n, State.SENDING, State.SENT, message_id=int(outcome.result), sent_at=reply.received_at)
        row = row.leaving(attempt.left_at, attempt.portal_time, attempt.min_message_id)  # as the journal has it now
        if verdict is Verdict.REFUSED:
            return self._refused(row, outcome)
        if verdict is Verdict.NOT_KNOWN:
            self._context.doubts.add(replace(row, error_code=outcome.code))
            return Change(row.n, State.SENDING, State.IN_DOUBT, outcome.code, advice("IN_DOUBT"))
        self._context.chats.put_back(replace(row.unsent(), attempts=row.attempts - 1))
        return Change(row.n, State.SENDING, State.PENDING, uncounted=True)

    def _refused(self, row: Row, outcome: Outcome) -> Change:
        failure: tuple[str, str] | None = (outcome.code, advice(outcome.code, outcome.description))
        for repairs in self._repairs:
            if repairs.code == outcome.code.upper():
                failure = repairs.add(row.unsent())
        if failure is None:
            return Change(row.n, State.SENDING, State.PENDING)
        self._context.chats.free(row.chat_id)
        return Change(row.n, State.SENDING, State.FAILED, *failure)
