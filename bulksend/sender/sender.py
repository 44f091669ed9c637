"""Sends the open rows of a campaign: several calls in flight, in order within each chat, nothing twice.

One thread (the caller's) decides and writes the journal; worker threads only carry calls. Each turn takes in what has
come back, writes it down, and lets the next calls leave as the pace allows. A row's chat is busy from the moment the
row leaves until its fate is settled, so no later row of the same chat can overtake it, whatever happens to it.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulksend.errors import JournalError
from bulksend.journal import HEARTBEAT_SECONDS, Change, Counts, Departure, Journal, Row, Run, State
from bulksend.portal import methods
from bulksend.portal.client import Reply, call_all, outcomes_of, portal_seconds
from bulksend.portal.deadline import Deadline
from bulksend.portal.error_help import advice
from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.portal.workers import Workers
from bulksend.ratelimit.feedback import Feedback
from bulksend.ratelimit.limiter import BATCH_SECONDS, BatchSize, Pace
from bulksend.sender.chats import Chats
from bulksend.sender.clock import PortalClock
from bulksend.sender.doubts import Doubt, Doubts, hinders
from bulksend.sender.first_look import FIRST_ANSWER, MOST_CHATS, FirstLook
from bulksend.sender.joins import NOT_A_MEMBER, Join, Joins, not_let_in
from bulksend.sender.options import SAME_TEXT_SECONDS, Options, Progress, RunResult, StopReason
from bulksend.sender.reach import Reach
from bulksend.sender.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulksend.portal.client import Client

_log: Final = logging.getLogger(__name__)

LATEST_DEPARTURE: Final = 10.0
"""Seconds after which a call that was allowed to leave may no longer do so. A computer may have slept in between, and
another process may by now have taken the call for one that was made long ago."""

MOST_TOGETHER: Final = 8
"""Calls that leave after one sync of the journal at the most: the first of them is not to wait long for the last."""

WINDOW: Final = 4_000
"""Rows looked ahead, so that a chat that is waiting does not hold up the others."""


@dataclass(frozen=True, slots=True)
class _Send:
    """Rows to be sent; once they may leave, with what marks this attempt of theirs."""

    rows: list[Row]
    allowed_at: float = 0.0
    portal_time: float | None = None
    min_message_id: int | None = None
    deadline: Deadline | None = None

    @property
    def is_batch(self) -> bool:
        """Whether it tells how long the portal takes for a row."""
        return len(self.rows) > 1

    def left(self, row: Row) -> Row:
        """A row of these as the journal has it now; only rows with which something went wrong are asked for."""
        return row.leaving(self.allowed_at, self.portal_time, self.min_message_id)


@dataclass(frozen=True, slots=True)
class _Look:
    doubts: list[Doubt]


@dataclass(frozen=True, slots=True)
class _FirstLook:
    chats: list[int]


@dataclass(frozen=True, slots=True)
class _Join:
    joins: list[Join]


@dataclass(frozen=True, slots=True)
class _Hold:
    """Until when (by the steady clock) calls of a method may not leave, and why (empty for the ordinary pace)."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class _Probe:
    """A call that changes nothing, to see whether the portal is there."""


_Job = _Send | _Look | _FirstLook | _Join | _Probe


class Sender:
    """Sends the open rows of a campaign that this process holds. ``run()`` does it; ``stop()`` ends it in good order.

    ``on_progress`` is called from the thread that runs it, after each change and about once a second while waiting.
    """

    def __init__(
        self, journal: Journal, run: Run, client: Client, options: Options, on_progress: Callable[[Progress], None]
    ) -> None:
        self._journal, self._run, self._client, self._options = journal, run, client, options
        self._on_progress = on_progress
        self._counts = run.counts
        self._pace = Pace(options.rule, run.identity)
        self._size = BatchSize(1, "")
        self._chats = Chats()
        self._loaded_to = -1
        self._all_loaded = False
        self._clock = PortalClock()
        self._doubts = Doubts(journal, run, options, self._clock)
        self._first_look = FirstLook()
        self._seen_message_id: int | None = None
        self._reach = Reach(options.outage, client.reset)
        self._joins = Joins(run.user_id)
        self._back: queue.SimpleQueue[tuple[_Job, Reply | Exception] | None] = queue.SimpleQueue()
        self._workers: Workers[_Job] = Workers(options.max_in_flight, self._carry)
        self._flight: set[int] = set()
        self._sending = 0
        self._batches = 0  # of what is being sent
        self._answered = False
        self._held: dict[str, _Hold] = {}  # methods whose calls may not leave yet
        fresh = not (run.counts.sent or run.counts.failed or run.counts.unknown or run.counts.in_doubt)
        self._refusals = Refusals(options.same_refusals if fresh else None)
        self._ending: RunResult | None = None
        self._unwritten: list[Change] = []
        self._uncommitted: list[Change] = []
        self._departing: list[_Job] = []
        self._feedback = Feedback(self._pace)
        self._heartbeat = 0.0

    def stop(self) -> None:
        """Let no more calls leave; those under way are waited for. May be called from a signal handler."""
        self._ending = self._ending or RunResult(StopReason.INTERRUPTED)
        self._back.put(None)

    def run(self) -> RunResult:
        """Send until nothing is open or something ends it; every row's true state is in the journal then.

        Raises:
            JournalError: the journal cannot be written, not even after the calls under way have come back.
        """
        self._journal.update_pace(self._run.portal, self._remember_speed)
        for row in self._open(State.IN_DOUBT):
            self._chats.occupy(row.chat_id)
            self._doubts.add(row)
        try:
            while True:
                until = self._turn()
                if not self._flight and (self._ending or self._nothing_left()):
                    break
                self._wait(until)
        finally:
            self._workers.stop()
        if self._unwritten:
            self._write()
        return self._ending or RunResult(StopReason.ENDED)

    def _remember_speed(self, pace: str) -> str:
        self._size = BatchSize(self._options.batch, pace)
        return pace

    def _open(self, state: State) -> Iterator[Row]:
        after = -1
        while rows := self._journal.open_rows(self._run.id, state, after, WINDOW):
            yield from rows
            after = rows[-1].n

    def _nothing_left(self) -> bool:
        return not (self._chats.rows or self._doubts or self._joins or self._reach.out) and self._all_loaded

    # One turn

    def _turn(self) -> float:
        """Take in what came back and let go what may; returns until when nothing else is to be done."""
        counts = self._counts
        try:
            # What came back and what may leave because of it are one step: syncing the disk is what takes longest.
            with self._journal.transaction():
                self._take_in()
                now = time.monotonic()
                if now >= self._heartbeat:
                    self._journal.heartbeat(self._run.id)
                    self._heartbeat = now + HEARTBEAT_SECONDS
                until = now + 1.0
                if not self._ending:
                    until = min(until, self._let_go())
        except JournalError as error:
            # What is under way is still waited for: perhaps its fate can be written down then.
            self._ending = RunResult(StopReason.JOURNAL, str(error))
            until = time.monotonic() + 1.0
            self._undo(counts)
            if not self._flight:
                self._write()  # what came back may be written where what was to leave could not
                raise
        else:
            self._uncommitted = []
            self._doubts.written()
            self._depart()
        self._tell()
        return until

    def _undo(self, counts: Counts) -> None:
        """Nothing of a step has happened: nothing leaves, and what came back is still to be written."""
        self._counts = counts
        self._unwritten = self._uncommitted + self._unwritten
        self._uncommitted = []
        for job in self._departing:
            self._flight.discard(id(job))
            if isinstance(job, _Send):
                self._sending -= 1
                self._batches -= job.is_batch
        self._departing = []

    def _depart(self) -> None:
        """Let the calls leave of which the journal knows by now."""
        departing, self._departing = self._departing, []
        for job in departing:
            self._workers.start(job, len(self._flight))

    def _wait(self, until: float) -> None:
        pause = until - time.monotonic()
        try:
            # The timeout also bounds how long a signal goes unheeded where waiting cannot be interrupted.
            came = self._back.get(timeout=min(max(pause, 0.0), 0.5)) if pause > 0 else self._back.get_nowait()
        except queue.Empty:
            return
        if came is not None:
            self._back.put(came)

    def _tell(self) -> None:
        held = self._held.get(methods.MESSAGE_ADD)
        waiting, until = (held.why, held.until) if held else ("", 0.0)
        if self._reach.out and not self._ending:
            waiting, until = "the portal, which cannot be reached", self._reach.given_up_at
        elif self._doubts and not self._sending and not held:
            waiting, until = "the portal's history to settle rows in doubt", self._doubts.settled_by()
        until = time.time() + until - time.monotonic() if waiting else 0.0
        self._on_progress(Progress(self._counts, len(self._flight), waiting, until))

    # Calls leave

    def _let_go(self) -> float:
        while len(self._flight) < self._options.max_in_flight:
            now = time.monotonic()
            job = self._next_job(now)
            if job is None:
                return self._next_time(now)
            self._start(job)
            if not self._back.empty() or len(self._departing) >= MOST_TOGETHER:
                return now  # what came back may free chats or budgets; what is to leave is not kept
        return time.monotonic() + 1.0

    def _next_job(self, now: float) -> _Job | None:
        if self._reach.out:
            if self._reach.given_up:
                minutes = max(1, round(self._options.outage / 60))
                self._ending = RunResult(
                    StopReason.OUT_OF_REACH, f"The portal could not be reached for {minutes} min; check the connection."
                )
                return None
            return _Probe() if self._reach.probe_due(now) and self._may_ask(methods.PROFILE, now) else None
        # A method may have to wait alone, for its execution time: that is no reason for the others to wait.
        if self._may_ask(methods.HISTORY_GET, now) and (due := self._doubts.due(now)):
            return _Look(due)
        if self._may_ask(methods.USER_ADD, now) and (joins := self._joins.due(now, self._size.rows())):
            return _Join(joins)
        if not self._may_ask(methods.MESSAGE_ADD, now):
            return None
        self._load()
        if not self._first_look.done:
            return self._look_first(now)
        # The first answers tell how large batches may be, and the newest message's id to those that leave then.
        known = self._answered and (self._options.batch == 1 or self._size.known)
        if not known and (self._batches or self._sending >= MOST_CHATS):
            return None
        rows = self._chats.take(self._size.rows())
        return _Send(rows) if rows else None

    def _look_first(self, now: float) -> _FirstLook | None:
        if self._first_look.under_way or not self._may_ask(methods.HISTORY_GET, now):
            return None
        options, rule = self._options, self._options.rule
        calls = max(rule.burst, round(FIRST_ANSWER * rule.rate)) if rule.rate else options.max_in_flight
        chats = self._chats.next_chats(min(MOST_CHATS, calls * options.batch))
        return _FirstLook(chats) if chats else None

    def _may_ask(self, method: str, now: float) -> bool:
        return now >= self._held_until(method)

    def _held_until(self, method: str) -> float:
        held = self._held.get(method)
        return held.until if held else 0.0

    def _next_time(self, now: float) -> float:
        if self._reach.out:
            return max(self._reach.next_time(now), self._held_until(methods.PROFILE))
        look = max(self._doubts.next_time(), self._held_until(methods.HISTORY_GET))
        join = max(self._joins.next_time(), self._held_until(methods.USER_ADD))
        others = [self._held_until(methods.MESSAGE_ADD)]
        if not self._first_look.done:
            others.append(self._held_until(methods.HISTORY_GET))
        return min(look, join, *(until for until in others if until > now))

    def _load(self) -> None:
        if self._all_loaded or self._chats.rows > WINDOW // 2:
            return
        rows = self._journal.open_rows(self._run.id, State.PENDING, self._loaded_to, WINDOW)
        self._all_loaded = len(rows) < WINDOW
        for row in rows:
            self._loaded_to = row.n
            self._chats.add(row)

    def _start(self, job: _Job) -> None:
        """Ask for a slot for the job and put it among those that leave with this step, unless it may not yet."""
        method = self._method(job)
        if isinstance(job, _Send):
            left = self._leave(job)
            if left is None:
                return
            job = left
            self._sending += 1
            self._batches += job.is_batch
        else:
            departure = self._journal.take_slot(self._run.portal, self._asking(method, 1))
            if not departure.granted:
                self._hold(method, departure)
                return
            if isinstance(job, _Look):
                self._doubts.looking(job.doubts)
            elif isinstance(job, _FirstLook):
                self._first_look.under_way = True
            elif isinstance(job, _Join):
                self._joins.leaving(job.joins)
            else:
                self._reach.probing()
        self._held.pop(method, None)
        self._flight.add(id(job))
        self._departing.append(job)

    def _leave(self, job: _Send) -> _Send | None:
        """Mark as many of the rows as may as leaving; None if none may. The others go back to their places."""
        rows = job.rows
        deadline = Deadline.after(LATEST_DEPARTURE)
        now, portal_time = time.time(), self._clock.now()
        departure = self._journal.leave(
            self._run.id,
            rows,
            portal=self._run.portal,
            take=self._asking(methods.MESSAGE_ADD, len(rows)),
            at=now,
            portal_time=portal_time,
            again=self._run.again,
            since=now - SAME_TEXT_SECONDS,
        )
        if departure.already:
            self._unwritten += [
                Change(row.n, State.PENDING, State.SKIPPED, "ALREADY_SENT", advice("ALREADY_SENT"))
                for row in rows
                if row.n in departure.already
            ]
            self._write()
            for row in rows:
                if row.n in departure.already:
                    self._chats.free(row.chat_id)
                else:
                    self._chats.put_back(row)
            return None
        for row in reversed(rows[departure.granted :]):
            self._chats.put_back(row)
        if not departure.granted:
            self._hold(methods.MESSAGE_ADD, departure)
            return None
        self._counts = self._counts.moved({(State.PENDING, State.SENDING): departure.granted})
        return _Send(rows[: departure.granted], now, portal_time, departure.min_message_id, deadline)

    def _hold(self, method: str, departure: Departure) -> None:
        self._held[method] = _Hold(time.monotonic() + departure.until - time.time(), departure.why)

    def _asking(self, method: str, wanted: int) -> Callable[[str, int], tuple[str, int, float, str]]:
        def take(pace: str, under_way: int) -> tuple[str, int, float, str]:
            return self._pace.take(pace, method, wanted, under_way, time.time())

        return take

    @staticmethod
    def _method(job: _Job) -> str:
        if isinstance(job, _Send):
            return methods.MESSAGE_ADD
        if isinstance(job, _Look | _FirstLook):
            return methods.HISTORY_GET
        return methods.USER_ADD if isinstance(job, _Join) else methods.PROFILE

    # In a worker's thread

    def _carry(self, job: _Job) -> None:
        try:
            self._back.put((job, self._call(job)))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that decides
            self._back.put((job, error))

    def _call(self, job: _Job) -> Reply:
        if isinstance(job, _Send):
            return call_all(self._client, [self._message(row) for row in job.rows], job.deadline)
        if isinstance(job, _Look):
            return call_all(self._client, [methods.history_get(doubt.row.chat_id) for doubt in job.doubts])
        if isinstance(job, _FirstLook):
            return call_all(self._client, [methods.history_get(chat) for chat in job.chats])
        if isinstance(job, _Join):
            return call_all(self._client, [self._user_add(join.row) for join in job.joins])
        return self._client.call(*methods.profile())

    def _message(self, row: Row) -> methods.Call:
        return methods.message_add(row.entity_type, row.entity_id, self._speaker(row), row.chat_id, row.message)

    def _user_add(self, row: Row) -> methods.Call:
        return methods.user_add(row.entity_type, row.entity_id, self._speaker(row), row.chat_id)

    def _speaker(self, row: Row) -> int:
        return row.user_id or self._run.user_id

    # Calls come back

    def _take_in(self) -> None:
        """Take in everything that has come back and write it down in one step."""
        came = False
        while True:
            try:
                item = self._back.get_nowait()
            except queue.Empty:
                break
            if item is None:
                continue
            job, reply = item
            self._flight.discard(id(job))
            if isinstance(reply, Exception):
                raise reply
            came = True
            self._learn(job, reply)
            self._unwritten += self._after(job, reply)
        if came:
            # An answer may have told that there is room again.
            self._held = {method: held for method, held in self._held.items() if not held.why}
            self._write()
            self._stop_after_failures()

    def _write(self) -> None:
        update_pace = self._feedback.take()
        if self._unwritten or update_pace or self._seen_message_id is not None:
            claim_conflicts = self._journal.apply(
                self._run.id,
                self._unwritten,
                portal=self._run.portal,
                update_pace=update_pace,
                seen_message_id=self._seen_message_id,
            )
            written = [change for change in self._unwritten if change.n not in claim_conflicts]
            self._counts = self._counts.moved(Counter((change.before, change.after) for change in written))
            self._uncommitted += written
            self._unwritten = []
            for n in claim_conflicts:  # look on
                self._chats.occupy(self._doubts.claim_conflicts(n).chat_id)

    def _after(self, job: _Job, reply: Reply) -> list[Change]:
        outcome = reply.outcome
        if isinstance(job, _Probe):
            if outcome.verdict is Verdict.CAMPAIGN_REFUSED:
                self._refuse(outcome)
            self._reach.probed(outcome)
            if self._reach.only_pages:
                self._refuse(outcome)
            return []
        self._reach.heard(outcome)
        if self._reach.only_pages:
            self._refuse(outcome)
        if isinstance(job, _Send):
            self._sending -= 1
            self._batches -= job.is_batch
            return self._after_send(job, reply)
        if isinstance(job, _Look):
            return self._after_look(job, reply)
        if isinstance(job, _FirstLook):
            return self._after_first_look(reply)
        return self._after_join(job, reply)

    def _after_send(self, job: _Send, reply: Reply) -> list[Change]:
        outcomes = outcomes_of(reply)
        changes = []
        for row, outcome in zip(job.rows, outcomes, strict=True):
            change = self._settle(job, row, outcome, reply)
            changes.append(change)
            _log.info("Row %d: %s %s", row.number, change.after.value, outcome.code)
            if change.after in {State.SENT, State.FAILED}:
                self._watch_refusals(outcome, change)
        return changes

    def _settle(self, job: _Send, row: Row, outcome: Outcome, reply: Reply) -> Change:
        """What an answer makes of a row that was under way."""
        verdict = outcome.verdict
        self._answered = self._answered or verdict in {Verdict.DONE, Verdict.REFUSED}
        if verdict is Verdict.DONE:
            self._chats.free(row.chat_id)
            return Change(row.n, State.SENDING, State.SENT, message_id=int(outcome.result), sent_at=reply.received_at)
        row = job.left(row)
        if verdict is Verdict.REFUSED:
            return self._refused(row, outcome)
        if verdict is Verdict.NOT_KNOWN:
            self._doubts.add(replace(row, error_code=outcome.code))
            return Change(row.n, State.SENDING, State.IN_DOUBT, outcome.code, advice("IN_DOUBT"))
        self._hinder(outcome, reply, methods.MESSAGE_ADD)
        self._chats.put_back(replace(row.unsent(), attempts=row.attempts - 1))
        return Change(row.n, State.SENDING, State.PENDING, uncounted=True)

    def _refused(self, row: Row, outcome: Outcome) -> Change:
        sentence = self._say(outcome)
        if self._options.join and outcome.code.upper() == NOT_A_MEMBER:
            if self._joins.add(row.unsent()):
                return Change(row.n, State.SENDING, State.PENDING)
            sentence = not_let_in("was refused again after joining it")
        self._chats.free(row.chat_id)
        return Change(row.n, State.SENDING, State.FAILED, outcome.code, sentence)

    @staticmethod
    def _say(outcome: Outcome) -> str:
        return advice(outcome.code, outcome.description)

    def _hinder(self, outcome: Outcome, reply: Reply, method: str) -> None:
        """A call was not carried out for a reason that is not its own: make the next ones heed it."""
        if outcome.verdict is Verdict.CAMPAIGN_REFUSED:
            self._refuse(outcome)
        elif outcome.reason is Reason.UNREACHABLE:
            self._unreachable(outcome)
        else:
            self._feedback.hindered(method, outcome, reply)

    def _refuse(self, outcome: Outcome) -> None:
        self._ending = self._ending or RunResult(StopReason.REFUSED, self._say(outcome))

    def _unreachable(self, outcome: Outcome) -> None:
        if self._ending:
            return
        if self._reach.ever:
            self._reach.lost()
        else:
            self._ending = RunResult(StopReason.NEVER_REACHED, self._say(outcome))

    def _watch_refusals(self, outcome: Outcome, change: Change) -> None:
        alike = self._refusals.too_many(outcome)
        if alike:
            self._ending = self._ending or RunResult(
                StopReason.REFUSED,
                f"All of the first {alike} rows were refused with {outcome.code}, so the others are kept back. "
                f"{change.error_description} If the other rows are right, go on with `bulksend resume`.",
            )

    def _stop_after_failures(self) -> None:
        bad = self._counts.failed + self._counts.unknown
        if self._options.max_failures is not None and bad > self._options.max_failures and not self._ending:
            self._ending = RunResult(
                StopReason.TOO_MANY_FAILURES,
                f"Rows that failed or are unknown: {bad}, more than the {self._options.max_failures} that "
                "--max-failures allows.",
            )

    def _after_join(self, job: _Join, reply: Reply) -> list[Change]:
        changes = []
        for join, outcome in zip(job.joins, outcomes_of(reply), strict=True):
            if outcome.verdict in {Verdict.CAMPAIGN_REFUSED, Verdict.NOT_CARRIED_OUT}:
                self._hinder(outcome, reply, methods.USER_ADD)
                self._joins.hindered(join)
                continue
            conclusion = self._joins.conclude(join, outcome)
            if conclusion is True:
                self._chats.put_back(join.row)
            elif conclusion:
                changes.append(conclusion)
                self._chats.free(join.row.chat_id)
                self._watch_refusals(outcome, conclusion)
        return changes

    def _after_look(self, job: _Look, reply: Reply) -> list[Change]:
        changes = []
        for doubt, outcome in zip(job.doubts, outcomes_of(reply), strict=True):
            if hinders(outcome):
                self._hinder(outcome, reply, methods.HISTORY_GET)
                self._doubts.hindered(doubt)
                continue
            change = self._doubts.conclude(doubt, outcome, reachable=not self._reach.out)
            if change is None:
                continue
            _log.info("Row %d: %s, says its chat's history", doubt.row.number, change.after.value)
            changes.append(change)
            # A pending row behind those that were loaded is loaded in its turn.
            if change.after is State.PENDING and (self._all_loaded or doubt.row.n <= self._loaded_to):
                self._chats.put_back(replace(doubt.row, state=State.PENDING, lost=doubt.row.lost + 1))
            else:
                self._chats.free(doubt.row.chat_id)
        return changes

    def _after_first_look(self, reply: Reply) -> list[Change]:
        outcomes = outcomes_of(reply)
        for outcome in outcomes:
            if hinders(outcome):
                self._hinder(outcome, reply, methods.HISTORY_GET)
        self._seen_message_id = self._first_look.heard(outcomes)
        if self._first_look.given_up:
            self._reach.lost()
        if reply.outcome.verdict is Verdict.DONE:
            self._size.learn_reading(portal_seconds(reply) / len(outcomes), self._options.rule.operating_limit)
        return []

    # What answers teach

    def _learn(self, job: _Job, reply: Reply) -> None:
        self._clock.learn(reply)
        method = self._method(job)
        for outcome in outcomes_of(reply):
            self._feedback.learn(method, outcome, reply)
        if isinstance(job, _Send) and self._options.batch > 1 and (job.is_batch or self._size.rows() == 1):
            self._learn_speed(job, reply)

    def _learn_speed(self, job: _Send, reply: Reply) -> None:
        elapsed = reply.received_at - reply.left_at
        if reply.outcome.verdict is Verdict.DONE:
            self._size.learn(len(job.rows), portal_seconds(reply))
            self._feedback.row_seconds = self._size.row_seconds
        elif reply.outcome.verdict is Verdict.NOT_KNOWN and elapsed > BATCH_SECONDS:
            self._size.learn(len(job.rows), elapsed)
