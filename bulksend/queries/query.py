"""Many calls that change nothing, within the portal's limits.

They are packed fifty to a request, and several requests are under way at once. Since nothing is changed, what got no
answer is simply asked again.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bulksend.dispatch.connectivity import Connectivity
from bulksend.dispatch.dispatcher import Dispatcher
from bulksend.dispatch.slots import Slots
from bulksend.dispatch.source import Job, Source
from bulksend.errors import PortalError
from bulksend.journal import WAITS
from bulksend.locale import _
from bulksend.portal.error_help import advice
from bulksend.portal.methods import LONGEST_BATCH, PROFILE, SCOPE
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.ratelimit.batch_size import BATCH_SECONDS, BatchSize
from bulksend.ratelimit.limiter import RateLimit, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulksend.journal import Journal, SlotGrant
    from bulksend.portal.client import Client, Reply
    from bulksend.portal.methods import Call
    from bulksend.target import Target

MOST_IN_FLIGHT: Final = 16
"""Requests under way at once: at 2 a second, batches that take 8 seconds do not slow the rate."""

TRIES: Final = 4
"""How often an answer to a call may be lost before nothing is known of it for good."""

ALONE_AFTER: Final = 2
"""A call whose answer was lost so often, and quickly, is made alone: perhaps it is what breaks its batch."""

PATIENCE: Final = 60.0
"""Seconds without any answer after which the portal is given up."""

UNMETERED: Final = frozenset({PROFILE, SCOPE})
"""Methods that take next to no execution time, and so go with any other."""

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

    @property
    def refused(self) -> bool:
        """Whether the portal refuses every call; else no answer comes from it."""
        return self.outcome.verdict is Verdict.CAMPAIGN_REFUSED


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
        rate_limit: RateLimit,
        *,
        max_in_flight: int = MOST_IN_FLIGHT,
        on_progress: Callable[[QueryProgress], None] = lambda _progress: None,
    ) -> None:
        """Get ready.

        Args:
            journal: holds what all processes know of the portal's limits.
            target: the portal that ``client`` calls.
            client: makes the calls.
            rate_limit: how fast.
            max_in_flight: requests under way at once.
            on_progress: called from the thread that asks, after each answer and twice a second while waiting.
        """
        self.journal, self._client = journal, client
        self._slots = Slots(journal, target.portal, RateLimiter(rate_limit, target.authorisation.identity))
        self._max_in_flight = max_in_flight
        self._on_progress = on_progress

    def ask(
        self,
        calls: Iterable[Call],
        *,
        total: int | None = None,
        tries: int = TRIES,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Outcome]:
        """Make calls and give the outcome of each, in their order, as they come.

        An outcome is *done*, *refused*, or, where ``tries`` answers were lost, *not known*.

        Args:
            calls: read-only ones; taken as they are needed, so there may be any number.
            total: how many there will be, for the progress.
            tries: how often a call is made at the most when its answers are lost.
            stopped: whether to wait for nothing but the answers to what is under way; some calls then have no outcome.

        Raises:
            QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
            JournalError: the journal, which holds the portal's limits, cannot be used.
        """
        queries = _Queries(calls, tries)
        connectivity = Connectivity(PATIENCE, self._client.reset)
        dispatcher = Dispatcher(self._slots, self._client, connectivity, [queries], max_in_flight=self._max_in_flight)
        try:
            while True:
                dispatcher.take_in()
                if dispatcher.halted:
                    raise QueryError(dispatcher.halted[1])
                if update := dispatcher.feedback.take():
                    self._slots.update(update)
                yield from queries.answers()
                until = dispatcher.let_leave()
                dispatcher.depart()
                self._report(dispatcher, queries.done, total)
                if not dispatcher.in_flight and (queries.exhausted or (stopped() and dispatcher.waiting()[0])):
                    return
                dispatcher.wait(until)
        finally:
            dispatcher.stop()

    def _report(self, dispatcher: Dispatcher, done: int, total: int | None) -> None:
        waiting, until = dispatcher.waiting()
        until = until - time.monotonic() + time.time() if waiting else 0.0
        words = _(WAITS[waiting]) if waiting else ""
        self._on_progress(QueryProgress(done, total, dispatcher.in_flight, words, until))


@dataclass(slots=True, order=True)
class _Query:
    position: int
    call: Call = field(compare=False)
    lost: int = field(default=0, compare=False)
    broken: int = field(default=0, compare=False)


class _Queries(Source[_Query]):
    """Calls that are made again until they are answered, and their answers in order."""

    def __init__(self, calls: Iterable[Call], tries: int) -> None:
        self.method = ""
        self._calls = enumerate(calls)
        self._tries = tries
        self._all_read = False
        self._again: list[_Query] = []  # a heap
        self._answers: dict[int, Outcome] = {}
        self._given = 0
        self._size = BatchSize(LONGEST_BATCH, first=LONGEST_BATCH)

    @property
    def done(self) -> int:
        """How many calls are answered."""
        return self._given + len(self._answers)

    @property
    def exhausted(self) -> bool:
        """Whether no call waits to be made."""
        return self._all_read and not self._again

    def answers(self) -> Iterator[Outcome]:
        """The answers that are there, up to the first call that has none yet."""
        while self._given in self._answers:
            yield self._answers.pop(self._given)
            self._given += 1

    def next_job(self, now: float) -> Job[_Query] | None:  # noqa: ARG002 - they may leave at any time
        """The next calls, as many as go into one request."""
        chunk: list[_Query] = []
        while len(chunk) < self._size.rows() and (query := self._next()) is not None:
            alone = query.broken >= ALONE_AFTER
            # The slot is for one method's execution time.
            other = bool(chunk) and query.call[0] not in {chunk[0].call[0], *UNMETERED}
            if other or (alone and chunk):
                heapq.heappush(self._again, query)
                break
            chunk.append(query)
            if alone:
                break
        if not chunk:
            return None
        self.method = chunk[0].call[0]
        return Job(self, chunk)

    def _next(self) -> _Query | None:
        if self._again:
            return heapq.heappop(self._again)
        if self._all_read or len(self._answers) >= AHEAD:
            return None
        following = next(self._calls, None)
        if following is None:
            self._all_read = True
            return None
        return _Query(*following)

    def start(self, job: Job[_Query], slots: Slots) -> SlotGrant:
        """Let calls leave; those that may not yet go back."""
        wanted = job.items
        grant = super().start(job, slots)
        for query in wanted[grant.granted :]:
            heapq.heappush(self._again, query)
        return grant

    def call(self, item: _Query) -> Call:
        """The call itself."""
        return item.call

    def take_outcomes(self, job: Job[_Query], outcomes: Sequence[Outcome], reply: Reply) -> None:
        """Keep the answers; what got none is asked again."""
        self._size.measure(len(job.items), reply)
        # A batch that was too long for the portal gets shorter; it is no call's own fault.
        quick = reply.received_at - reply.left_at <= BATCH_SECONDS
        for query, outcome in zip(job.items, outcomes, strict=True):
            if outcome.verdict is Verdict.NOT_KNOWN:
                query.lost += 1
                query.broken += quick
            repeat = outcome.verdict is Verdict.NOT_CARRIED_OUT or (
                outcome.verdict is Verdict.NOT_KNOWN and query.lost < self._tries
            )
            if repeat:
                heapq.heappush(self._again, query)
            else:
                self._answers[query.position] = outcome
