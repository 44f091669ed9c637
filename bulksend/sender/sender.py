"""Sends the open rows of a campaign: several calls in flight, in order within each chat, nothing twice.

Each turn takes in what has come back, writes it down, and lets the next calls leave as the limits allow. A row's chat
is busy from the moment the row leaves until its fate is settled, so no later row of the same chat can overtake it,
whatever happens to it.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bulksend.dispatch.connectivity import Connectivity
from bulksend.dispatch.dispatcher import Dispatcher, Halted
from bulksend.dispatch.slots import Slots
from bulksend.errors import JournalError
from bulksend.journal import HEARTBEAT_SECONDS, Change, Journal, JournalAway, Row, Run, State, WaitReason
from bulksend.locale import _
from bulksend.locale.formats import number
from bulksend.portal import methods
from bulksend.portal.error_help import advice
from bulksend.ratelimit.batch_size import BatchSize
from bulksend.ratelimit.limiter import RateLimiter
from bulksend.sender.changes import Changes
from bulksend.sender.chats import ANY, WINDOW, Chats, Part
from bulksend.sender.clock import PortalClock
from bulksend.sender.context import Context
from bulksend.sender.doubts import Doubts
from bulksend.sender.first_look import FirstLook
from bulksend.sender.history_reads import Histories
from bulksend.sender.hours import Hours
from bulksend.sender.joins import Joins
from bulksend.sender.options import LATE, Options, Progress, RunResult, StopReason, late_sentence
from bulksend.sender.outbox import Outbox
from bulksend.sender.refusals import Refusals
from bulksend.sender.reopening import reopening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulksend.dispatch.source import Source
    from bulksend.portal.client import Client
    from bulksend.schedule.schedule import Schedule
    from bulksend.sender.repairs import Repairs


LAST_WORDS: Final = 30.0
"""Seconds for which a sender that is to stop waits for the journal's server, to write what has come back."""


def _chats(journal: Journal, run: Run, schedule: Schedule) -> Chats:
    """The pending rows of a campaign, by zone where that decides when they may leave."""
    load = partial(journal.open_rows, run.id, State.PENDING)
    zones = list(journal.open_zones(run.id)) if schedule.has_windows else []
    if zones in ([], [""]):
        return Chats({ANY: Part(load)})
    window = max(200, WINDOW // len(zones))  # as many rows in memory as without zones
    parts: dict[str | None, Part] = {zone: Part(partial(load, timezone=zone), window) for zone in zones}
    mixed = journal.mixed_chats(run.id) if len(zones) > 1 else frozenset()
    return Chats(parts, mixed, Part(partial(load, mixed=True), window) if mixed else None)


class Sender:
    """Sends the open rows of a campaign that this process holds. ``run()`` does it; ``stop()`` ends it in good order.

    ``on_progress`` is called from the thread that runs it, after each change and about once a second while waiting.
    """

    def __init__(
        self, journal: Journal, run: Run, client: Client, options: Options, on_progress: Callable[[Progress], None]
    ) -> None:
        self._journal, self._run, self._options = journal, run, options
        self._on_progress = on_progress
        counts, clock = run.counts, PortalClock()
        fresh = not (counts.sent or counts.failed or counts.unknown or counts.in_doubt)
        slots = Slots(journal, run.portal, RateLimiter(options.rate_limit, run.identity))
        context = self._context = Context(
            run,
            options,
            _chats(journal, run, options.schedule),
            Changes(journal, run),
            Doubts(journal, run, options, clock),
            Refusals(options.same_refusals if fresh else None),
            BatchSize(options.rows_a_call, row_seconds=slots.row_seconds()),
            clock,
            Connectivity(options.outage, client.reset),
            Hours(options.schedule, journal.now),
        )
        joins = [Joins(context)] if options.join else []
        starts = reopening(context) if options.reopen else ()
        self._repairs: list[Repairs] = [*joins, *starts]
        first_look = FirstLook(context)
        self._outbox = Outbox(context, first_look, [*joins, *starts[:1]])
        sources: list[Source[Any]] = [Histories(context), *self._repairs, first_look, self._outbox]
        self._dispatcher = Dispatcher(
            slots, client, context.connectivity, sources, max_in_flight=options.max_in_flight, on_reply=clock.learn
        )
        self._begins_anew = fresh
        self._closed: tuple[float, set[str]] = (0.0, set())
        self._result: RunResult | None = None
        self._heartbeat_at = 0.0
        self._away_since: float | None = None
        self._back = False

    def stop(self) -> None:
        """Let no more calls leave; those under way are waited for. May be called from a signal handler."""
        self._end(StopReason.INTERRUPTED)
        self._dispatcher.wake()

    def run(self) -> RunResult:
        """Send until nothing is open or something ends it; every row's true state is in the journal then.

        After a time in which the journal's server could not be reached it ends with `StopReason.JOURNAL_BACK`: the
        journal alone knows then where to continue.

        Raises:
            JournalError: the journal cannot be written, not even after the calls under way have come back.
        """
        for row in self._rows_in_doubt():
            self._context.chats.occupy(row.chat_id)
            self._context.doubts.add(row)
        try:
            while True:
                until = self._turn() if self._away_since is None else self._try_to_write()
                if not self._dispatcher.in_flight and self._done():
                    break
                self._dispatcher.wait(until, methods.MESSAGE_ADD)
        finally:
            self._dispatcher.stop()
        if not self._back:
            self._write()
        return self._result or RunResult(StopReason.ENDED)

    def _rows_in_doubt(self) -> Iterator[Row]:
        after = -1
        while rows := self._journal.open_rows(self._run.id, State.IN_DOUBT, after, WINDOW):
            yield from rows
            after = rows[-1].n

    def _done(self) -> bool:
        return bool(self._result or self._nothing_left()) if self._away_since is None else self._back

    def _nothing_left(self) -> bool:
        context = self._context
        return context.chats.empty and not (context.doubts or any(self._repairs) or context.connectivity.out)

    def _turn(self) -> float:
        """Take in what came back and let leave what may; returns until when nothing else is to be done."""
        try:
            # What came back and what may leave because of it are one step: syncing the disk is what takes longest.
            with self._journal.transaction():
                if self._dispatcher.take_in():
                    self._dispatcher.feedback.row_seconds = self._context.size.row_seconds
                    self._write()
                    self._look_for_a_reason_to_stop()
                now = time.monotonic()
                if now >= self._heartbeat_at:
                    if self._journal.heartbeat(self._run.id):
                        self._end(StopReason.PAUSED, _("Somebody has paused it."))
                    self._heartbeat_at = now + HEARTBEAT_SECONDS
                until = now + 1.0
                if not self._result:
                    self._look_at_the_clock()
                if not self._result:
                    until = min(until, self._dispatcher.let_leave())
        except JournalAway:
            self._away_since = time.monotonic()
            until = self._away_since + 1.0
            self._dispatcher.forget_departing()
            self._context.changes.rolled_back()
        except JournalError as error:
            # What is under way is still waited for: perhaps its fate can be written down then.
            self._result = RunResult(StopReason.JOURNAL, str(error))
            until = time.monotonic() + 1.0
            self._dispatcher.forget_departing()
            self._context.changes.rolled_back()
            if not self._dispatcher.in_flight:
                self._write()  # what came back may be written where what was to leave could not
                raise
        else:
            self._context.changes.committed()
            self._context.doubts.written()
            self._dispatcher.depart()
            if not self._result:
                self._end_if_all_wait()
        self._report()
        return until

    def _try_to_write(self) -> float:
        """While the journal's server is out of reach nothing leaves, and what comes back is kept for it."""
        try:
            with self._journal.transaction():
                self._dispatcher.take_in()
                self._write()
                self._journal.heartbeat(self._run.id)
        except JournalAway:
            self._back = False
            self._context.changes.rolled_back()
            patience = LAST_WORDS if self._result else self._options.outage
            if time.monotonic() > (self._away_since or 0.0) + patience and not self._dispatcher.in_flight:
                raise
        except JournalError:  # it was written after all, or another process has settled it
            self._back, self._result = True, RunResult(StopReason.JOURNAL_BACK)
        else:
            self._back = True
            self._context.changes.committed()
            self._end(StopReason.JOURNAL_BACK)
        self._report()
        return time.monotonic() + 1.0

    def _end_if_all_wait(self) -> None:
        """End where nothing is under way and no hours begin for long."""
        context = self._context
        if (
            self._options.longest_wait == math.inf
            or self._dispatcher.in_flight
            or context.doubts
            or any(self._repairs)
            or context.connectivity.out
        ):
            return
        zones = context.chats.zones
        until, _ = context.hours.next_opening(zones)
        if not context.hours.open_of(zones) and self._journal.now() + self._options.longest_wait < until < math.inf:
            self._result = RunResult(StopReason.WAITING, until=until)

    def _write(self) -> None:
        for n in self._context.changes.write(self._dispatcher.feedback.take()):  # their messages are looked for again
            self._context.chats.occupy(self._context.doubts.claim_conflicts(n).chat_id)

    def _look_for_a_reason_to_stop(self) -> None:
        if self._dispatcher.halted:
            why, outcome = self._dispatcher.halted
            minutes = max(1, round(self._options.outage / 60))
            self._end(
                StopReason(why),
                _("The portal could not be reached for {minutes} min; check the connection.").format(minutes=minutes)
                if why is Halted.OUT_OF_REACH
                else advice(outcome.code, outcome.description),
            )
        if self._context.refusals.sentence:
            self._end(StopReason.REFUSED, self._context.refusals.sentence)
        bad = self._context.changes.counts.failed + self._context.changes.counts.unknown
        if self._options.max_failures is not None and bad > self._options.max_failures:
            self._end(
                StopReason.TOO_MANY_FAILURES,
                _("Rows that failed or are unknown: {rows}, more than the {allowed} allowed.").format(
                    rows=number(bad), allowed=number(self._options.max_failures)
                ),
            )

    def _look_at_the_clock(self) -> None:
        """Leave out what is too late, and do not begin long after the time that was set."""
        schedule = self._options.schedule
        if self._begins_anew and (now := self._journal.now()) >= schedule.at:
            self._begins_anew = False
            if schedule.at and now > schedule.at + LATE and not self._options.late:
                self._end(StopReason.LATE, late_sentence(schedule.at, schedule.timezone))
        if not self._context.hours.over_in(self._context.chats.zones):
            return
        for repairs in self._repairs:
            repairs.put_back()
        zones, left = self._context.chats.zones, WINDOW
        while left > 0 and (rows := self._context.chats.take(left, zones, together=False)):
            left -= len(rows)
            for row in rows:
                change = Change(row.n, State.PENDING, State.SKIPPED, "TOO_LATE", advice("TOO_LATE"))
                self._context.changes.add(change, row)
                self._context.chats.free(row.chat_id)
        self._write()

    def _end(self, how: StopReason, sentence: str = "") -> None:
        self._result = self._result or RunResult(how, sentence)

    def _closed_zones(self) -> set[str]:
        """The zones in which rows wait; looked up now and then, since there may be thousands of chats."""
        if self._options.schedule.always:
            return set()
        now = time.monotonic()
        if now >= self._closed[0]:
            self._closed = now + 1.0, self._context.chats.waiting_zones
        return self._closed[1]

    def _report(self) -> None:
        waiting: WaitReason | None = None
        until, zone, idle = 0.0, "", False
        wait = self._dispatcher.wait_for(methods.MESSAGE_ADD)
        if self._context.connectivity.out and not self._result:
            waiting, until = self._dispatcher.waiting()
        elif wait and wait.reason:
            waiting, until = wait.reason, wait.until
        elif self._context.doubts and self._outbox.idle:
            waiting, until = WaitReason.HISTORY, self._context.doubts.settled_by()
        until = until - time.monotonic() + time.time() if waiting else 0.0
        if not waiting and not self._result:
            waiting, until, zone = self._context.hours.waiting(self._closed_zones())
            idle = waiting is not None and not self._context.hours.open_of(self._context.chats.zones)
        counts, in_flight = self._context.changes.counts, self._dispatcher.in_flight
        self._on_progress(Progress(counts, in_flight, waiting, until, zone, idle and not in_flight))
