"""The loop that sends calls and collects their answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from bulksend.dispatch.workers import Workers
from bulksend.journal import WaitReason
from bulksend.portal.client import Reply, call_all, outcomes_of
from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.ratelimit.feedback import Feedback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulksend.dispatch.connectivity import Connectivity
    from bulksend.dispatch.slots import Slots
    from bulksend.dispatch.source import Job, Source
    from bulksend.portal.client import Client

MOST_TOGETHER: Final = 8
"""Requests that leave after one sync of the journal at the most: the first of them is not to wait long for the last."""

LONGEST_GATHER: Final = 0.6
"""Seconds for which what has come back may be gathered before it is written down."""

LONGEST_HOLD: Final = 60.0
"""Seconds after which a slot is asked for again, whatever was answered: the computer may have slept in between."""


class Halted(StrEnum):
    """Why no more calls leave, in the words of `StopReason`."""

    REFUSED = "refused"
    NEVER_REACHED = "never reached"
    OUT_OF_REACH = "out of reach"


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when calls of a method wait, and what for (None for the ordinary rate)."""

    until: float
    reason: WaitReason | None
    ask_again: float


class Dispatcher:
    """Lets the calls of several sources leave, as many requests at once as may be, each with a slot of its own.

    One thread (the caller's) decides and uses the journal; worker threads only make calls. Times are those of the
    steady clock.

    Attributes:
        feedback: what answers have taught, to be written into the journal.
        halted: why no more calls may leave, and the outcome that says so.
    """

    def __init__(
        self,
        slots: Slots,
        client: Client,
        connectivity: Connectivity,
        sources: Sequence[Source[Any]],
        *,
        max_in_flight: int,
        on_reply: Callable[[Reply], None] = lambda _: None,
    ) -> None:
        """Get ready.

        Args:
            slots: where each request gets its slot.
            client: makes the calls.
            connectivity: watches whether the portal answers.
            sources: the first of them go first.
            max_in_flight: requests under way at once.
            on_reply: called with each reply before its outcomes are handed out.
        """
        self._slots, self._client, self._sources = slots, client, sources
        self._max_in_flight, self._on_reply = max_in_flight, on_reply
        self.connectivity = connectivity
        self.feedback = Feedback(slots.limiter, slots.journal.now)
        self.halted: tuple[Halted, Outcome] | None = None
        self._workers: Workers[Job[Any], Reply] = Workers(max_in_flight, self._carry_out)
        self._departing: list[Job[Any]] = []
        self._waits: dict[str, Wait] = {}

    @property
    def in_flight(self) -> int:
        """Requests that are under way."""
        return self._workers.in_flight + len(self._departing)

    def wait_for(self, method: str) -> Wait | None:
        """What calls of a method are waiting for."""
        return self._waits.get(method)

    def waiting(self) -> tuple[WaitReason | None, float]:
        """What all calls are waiting for, and until when; None where they are not."""
        if self.connectivity.out:
            return WaitReason.UNREACHABLE, self.connectivity.given_up_at
        longest = max(self._waits.values(), key=lambda wait: wait.until, default=None)
        return (longest.reason, longest.until) if longest else (None, 0.0)

    # Calls leave

    def let_leave(self) -> float:
        """Choose what leaves with the next `depart`; returns until when nothing else is to be done."""
        while self.in_flight < self._max_in_flight:
            now = time.monotonic()
            job = self._next_job(now)
            if job is None:
                return self._next_time(now)
            self._start(job)
            # What came back may free chats or budgets; what is to leave is not kept waiting.
            if self._workers.any_done or len(self._departing) >= MOST_TOGETHER:
                return now
        return time.monotonic() + 1.0

    def _next_job(self, now: float) -> Job[Any] | None:
        for source in self._open_sources():
            # A method may have to wait alone, for its execution time: that is no reason for the others to wait.
            if self._ask_again(source) <= now and (job := source.next_job(now)) is not None:
                return job
        return None

    def _next_time(self, now: float) -> float:
        times = (max(source.next_time(), self._ask_again(source)) for source in self._open_sources())
        return min((at for at in times if at > now), default=now + 1.0)

    def _open_sources(self) -> Sequence[Source[Any]]:
        return [self.connectivity] if self.connectivity.out else self._sources

    def _ask_again(self, source: Source[Any]) -> float:
        wait = self._waits.get(source.method)
        return wait.ask_again if wait else 0.0

    def _start(self, job: Job[Any]) -> None:
        method = job.method
        grant = job.source.start(job, self._slots)
        if grant.granted:
            self._waits.pop(method, None)
            self._departing.append(job)
            self._slots.under_way[method] += len(job.items)
        if grant.wait:
            now = time.monotonic()
            self._waits[method] = Wait(now + grant.wait, grant.reason, now + min(grant.wait, LONGEST_HOLD))

    def depart(self) -> None:
        """Let the calls leave that have been chosen, since the journal knows of them by now."""
        departing, self._departing = self._departing, []
        for job in departing:
            self._workers.start(job)

    def forget_departing(self) -> None:
        """Let nothing leave of what has been chosen: the journal does not know of it."""
        for job in self._departing:
            self._slots.under_way[job.method] -= len(job.items)
        self._departing = []

    def _carry_out(self, job: Job[Any]) -> Reply:
        job.calls = [job.source.call(item) for item in job.items]
        return call_all(self._client, job.calls, job.deadline)

    # Calls come back

    def take_in(self) -> bool:
        """Hand what has come back to its sources; says whether anything has."""
        any_done = False
        for job, reply in self._workers.done():
            any_done = True
            self._slots.under_way[job.method] -= len(job.items)
            self._take_outcomes(job, reply)
        if any_done:  # an answer may have made room
            self._waits = {method: wait for method, wait in self._waits.items() if not wait.reason}
        return any_done

    def _take_outcomes(self, job: Job[Any], reply: Reply) -> None:
        source, outcomes = job.source, outcomes_of(reply)
        self._on_reply(reply)
        if source is not self.connectivity:
            self.connectivity.heard(reply.outcome)
        for (method, _parameters), outcome in zip(job.calls, outcomes, strict=True):
            self.feedback.learn(method, outcome, reply)
            if outcome.verdict is Verdict.CAMPAIGN_REFUSED and source.stops_all(outcome):
                self._halt(Halted.REFUSED, outcome)
            elif outcome.reason is Reason.UNREACHABLE and not (self.connectivity.ever or self.connectivity.out):
                self._halt(Halted.NEVER_REACHED, outcome)
        source.take_outcomes(job, outcomes, reply)
        if self.connectivity.only_pages:
            self._halt(Halted.REFUSED, reply.outcome)
        if self.connectivity.given_up:
            self._halt(Halted.OUT_OF_REACH, reply.outcome)

    def _halt(self, why: Halted, outcome: Outcome) -> None:
        self.halted = self.halted or (why, outcome)

    def wait(self, until: float, gather_for: str = "") -> None:
        """Wait until something has come back or a time has come, but not for long.

        Where calls of a method (``gather_for``) wait for their slot, what comes back lets none leave before, so it is
        gathered until then: one step of the journal is enough for all of it.
        """
        wait = self._waits.get(gather_for)
        if wait is not None and not wait.reason and 0 < wait.until - time.monotonic() < LONGEST_GATHER:
            self._workers.wait(min(until, wait.until), gather=True)
        else:
            self._workers.wait(until)

    def wake(self) -> None:
        """End a `wait`. May be called from a signal handler."""
        self._workers.wake()

    def stop(self) -> None:
        """Let the worker threads end."""
        self._workers.stop()
