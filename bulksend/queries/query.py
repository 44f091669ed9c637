"""Asks the portal many things, at its pace, without changing any of them.

Calls are packed fifty to a request and several requests are under way at once. Since nothing is changed, what got no
answer is simply asked again. One thread (the caller's) decides and uses the journal; worker threads only carry calls.
"""

from __future__ import annotations

import heapq
import queue
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulksend.errors import PortalError
from bulksend.portal.client import call_all, outcomes_of, portal_seconds
from bulksend.portal.codes import PAGES
from bulksend.portal.error_help import advice
from bulksend.portal.methods import LONGEST_BATCH
from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.portal.workers import Workers
from bulksend.ratelimit.feedback import Feedback
from bulksend.ratelimit.limiter import BATCH_SECONDS, BatchSize, Pace, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bulksend.journal import Journal
    from bulksend.portal.client import Client, Reply
    from bulksend.portal.methods import Call
    from bulksend.target import Target

MOST_IN_FLIGHT: Final = 16
"""Requests under way at once: at 2 a second, batches that take 8 seconds do not slow the pace."""

TRIES: Final = 4
"""How often an answer to a call may be lost before nothing is known of it for good."""

ALONE_AFTER: Final = 2
"""A call whose answer was lost so often, and quickly, is asked alone: perhaps it is what breaks its batch."""

MOST_TROUBLES: Final = 8
"""After so many rounds of requests without any answer the portal is given up: about a minute of pauses."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before the portal is asked again after a round without any answer, doubling."""

AHEAD: Final = 5_000
"""Answers kept while an earlier one is still awaited."""

_SELF_EXPLANATORY: Final = frozenset({"EXPIRED_TOKEN", "INSUFFICIENT_SCOPE"})


def say(outcome: Outcome) -> str:
    """Why the portal gave no answer to a question, and what to do."""
    code = outcome.code.upper()
    return advice(code, "" if code in _SELF_EXPLANATORY else outcome.description, asking=True)


class QueryError(PortalError):
    """The portal answers no more questions; ``outcome`` is the answer that says so."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(say(outcome))
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class QueryProgress:
    """What is known at a moment: calls answered, of how many, requests under way, what is waited for until when."""

    done: int
    total: int | None
    in_flight: int
    waiting: str = ""
    until: float = 0.0


class QueryRunner:
    """Makes calls that change nothing. Not for several threads at once, as its journal is not."""

    def __init__(
        self,
        journal: Journal,
        target: Target,
        client: Client,
        rule: RateLimit,
        *,
        max_in_flight: int = MOST_IN_FLIGHT,
        on_progress: Callable[[QueryProgress], None] = lambda _: None,
    ) -> None:
        """Get ready to ask.

        Args:
            journal: holds the pace that all processes share.
            target: the portal that ``client`` calls.
            client: carries the calls.
            rule: the pace.
            max_in_flight: requests under way at once.
            on_progress: called from the thread that asks, after each answer and twice a second while waiting.
        """
        self.journal, self.client, self.portal = journal, client, target.portal
        self.pace = Pace(rule, target.authorisation.identity)
        self.max_in_flight = max_in_flight
        self.on_progress = on_progress

    def ask(self, calls: Iterable[Call], *, total: int | None = None, tries: int = TRIES) -> Iterator[Outcome]:
        """Make calls and give the outcome of each, in their order, as they come.

        An outcome is *done*, *refused*, or, where ``tries`` answers were lost, *not known*.

        Args:
            calls: read-only ones; taken as they are needed, so there may be any number.
            total: how many there will be, for the progress.
            tries: how often a call is made at the most when its answers are lost.

        Raises:
            QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
            JournalError: the journal, which holds the pace, cannot be used.
        """
        return _Asking(self, calls, total, tries).answers()


@dataclass(slots=True)
class _Question:
    position: int
    call: Call
    lost: int = 0
    broken: int = 0


_Chunk = list[_Question]


class _Asking:
    """One round of questions."""

    def __init__(self, queries: QueryRunner, calls: Iterable[Call], total: int | None, tries: int) -> None:
        self._asker = queries
        self._calls = enumerate(calls)
        self._total, self._tries = total, tries
        self._all_read = False
        self._again: list[tuple[int, _Question]] = []  # a heap: what is asked once more, the earliest first
        self._answers: dict[int, Outcome] = {}
        self._given = 0
        self._back: queue.SimpleQueue[tuple[_Chunk, Reply | Exception]] = queue.SimpleQueue()
        self._workers: Workers[_Chunk] = Workers(queries.max_in_flight, self._carry)
        self._in_flight = 0
        self._calls_in_flight = 0
        self._feedback = Feedback(queries.pace)
        self._size = BatchSize(LONGEST_BATCH, "")
        self._not_before = 0.0
        self._paused_until = 0.0
        self._waiting_for = ""
        self._answered = False
        self._troubles = 0
        self._trouble_at = 0.0

    def answers(self) -> Iterator[Outcome]:
        """Ask, and give the outcomes in order."""
        try:
            while True:
                self._take_in()
                while self._given in self._answers:
                    yield self._answers.pop(self._given)
                    self._given += 1
                until = self._let_go()
                self._tell()
                if not (self._in_flight or self._again) and self._all_read:
                    return
                self._wait(until)
        finally:
            self._workers.stop()

    def _tell(self) -> None:
        left = max(self._not_before, self._paused_until) - time.monotonic()
        waiting = self._waiting_for if left > 0 else ""
        done = self._given + len(self._answers)
        until = time.time() + left if waiting else 0.0
        self._asker.on_progress(QueryProgress(done, self._total, self._in_flight, waiting, until))

    def _wait(self, until: float) -> None:
        pause = min(until - time.monotonic(), 0.5)  # also bounds how long a signal goes unheeded
        if pause > 0:
            try:
                self._back.put(self._back.get(timeout=pause))
            except queue.Empty:
                return

    # Calls leave

    def _let_go(self) -> float:
        """Let as many requests leave as may; returns until when nothing else is to be done."""
        while self._in_flight < self._asker.max_in_flight:
            now = time.monotonic()
            if now < max(self._not_before, self._paused_until):
                return max(self._not_before, self._paused_until)
            chunk = self._chunk()
            if not chunk:
                break
            if not self._start(chunk):
                return self._not_before
            if not self._back.empty():
                return now
        return time.monotonic() + 1.0

    def _chunk(self) -> _Chunk:
        most = self._size.rows() if self._size.known else LONGEST_BATCH
        chunk: _Chunk = []
        while len(chunk) < most:
            question = self._next()
            if question is None:
                break
            if question.broken < ALONE_AFTER:
                chunk.append(question)
                continue
            if chunk:
                self._put_back([question])
                break
            return [question]
        return chunk

    def _next(self) -> _Question | None:
        if self._again:
            return heapq.heappop(self._again)[1]
        if self._all_read or len(self._answers) >= AHEAD:
            return None
        following = next(self._calls, None)
        if following is None:
            self._all_read = True
            return None
        return _Question(*following)

    def _put_back(self, chunk: _Chunk) -> None:
        for question in chunk:
            heapq.heappush(self._again, (question.position, question))

    def _start(self, chunk: _Chunk) -> bool:
        """Ask for a slot and let the calls leave; False if none may yet."""

        def take(pace: str, _: int) -> tuple[str, int, float, str]:
            method = chunk[0].call[0]
            return self._asker.pace.take(pace, method, len(chunk), self._calls_in_flight, time.time())

        departure = self._asker.journal.take_slot(self._asker.portal, take)
        self._put_back(chunk[departure.granted :])
        if not departure.granted:
            self._not_before = time.monotonic() + departure.until - time.time()
            self._waiting_for = departure.why
            return False
        leaving = chunk[: departure.granted]
        self._in_flight += 1
        self._calls_in_flight += len(leaving)
        self._workers.start(leaving, self._in_flight)
        return True

    def _carry(self, chunk: _Chunk) -> None:
        """In a worker's thread: make the calls."""
        try:
            self._back.put((chunk, call_all(self._asker.client, [question.call for question in chunk])))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that decides
            self._back.put((chunk, error))

    # Answers come

    def _take_in(self) -> None:
        while True:
            try:
                chunk, reply = self._back.get_nowait()
            except queue.Empty:
                break
            self._in_flight -= 1
            self._calls_in_flight -= len(chunk)
            if isinstance(reply, Exception):
                raise reply
            self._not_before = 0.0  # the answer may have told that there is room again
            self._heed(chunk, reply)
            for question, outcome in zip(chunk, outcomes_of(reply), strict=True):
                self._settle(question, outcome, reply)
        update = self._feedback.take()
        if update:
            self._asker.journal.update_pace(self._asker.portal, update)

    def _heed(self, chunk: _Chunk, reply: Reply) -> None:
        """What a request as a whole tells: how fast the portal is, and whether it is there."""
        outcome = reply.outcome
        lost = outcome.verdict is Verdict.NOT_KNOWN
        elapsed = reply.received_at - reply.left_at
        if len(chunk) > 1 and outcome.verdict is Verdict.DONE:
            self._size.learn(len(chunk), portal_seconds(reply))
        elif len(chunk) > 1 and lost and elapsed > BATCH_SECONDS:
            self._size.learn(len(chunk), elapsed)
        if lost or outcome.reason in {Reason.UNREACHABLE, Reason.RATE}:
            self._trouble(outcome, reply)
        else:
            self._troubles = 0
            self._answered = True

    def _trouble(self, outcome: Outcome, reply: Reply) -> None:
        if (outcome.reason is Reason.UNREACHABLE or outcome.code in PAGES) and not self._answered:
            raise QueryError(outcome)
        now = time.monotonic()
        if now - (reply.received_at - reply.left_at) < self._trouble_at:
            return  # it left before the last trouble was known of: that counts once
        self._troubles += 1
        if self._troubles >= MOST_TROUBLES:
            raise QueryError(outcome)
        self._trouble_at = now
        if outcome.reason is not Reason.RATE:  # the pace itself steps back then
            self._asker.client.reset()
            self._paused_until = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._troubles - 1))
            self._waiting_for = "the portal, which does not answer"

    def _settle(self, question: _Question, outcome: Outcome, reply: Reply) -> None:
        """What an answer to one call means for it."""
        self._feedback.learn(question.call[0], outcome, reply)
        if outcome.verdict is Verdict.CAMPAIGN_REFUSED:
            raise QueryError(outcome)
        if outcome.verdict is Verdict.NOT_CARRIED_OUT:
            self._feedback.hindered(question.call[0], outcome, reply)
            self._put_back([question])
            return
        if outcome.verdict is Verdict.NOT_KNOWN:
            question.lost += 1
            # A batch that was too long for the portal gets shorter; it is no question's own fault.
            question.broken += reply.received_at - reply.left_at <= BATCH_SECONDS
            if question.lost < self._tries:
                self._put_back([question])
                return
        self._answers[question.position] = outcome
