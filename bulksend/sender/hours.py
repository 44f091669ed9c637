"""Which rows may leave now, by the clock of their zones."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from bulksend.journal import SlotGrant, WaitReason
from bulksend.portal.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bulksend.journal import Row
    from bulksend.schedule.schedule import Schedule

LATEST_DEPARTURE: Final = 10.0
"""Seconds after which a message that was allowed to leave may no longer do so. A computer may have slept in between,
and another process may by now have taken it for one that left long ago."""

LATENESS: Final = 0.1
"""The part of an interval by which a message may leave late without the following ones being put off."""


class _Phase(NamedTuple):
    """Between two moments a zone is open or closed; ``until`` is infinite where it does not change any more."""

    since: float
    until: float
    open: bool


class Hours:
    """A schedule by the clock of the journal.

    Args:
        schedule: when messages may leave.
        now: that clock.
    """

    def __init__(self, schedule: Schedule, now: Callable[[], float]) -> None:
        self._schedule, self._now = schedule, now
        self._always = schedule.always
        self._phases: dict[str, _Phase] = {}
        self._next_at = 0.0  # of the steady clock

    def open_of(self, zones: Sequence[str]) -> Sequence[str]:
        """Those of the zones to which messages may leave now; "" is the schedule's own."""
        if self._always:
            return zones
        now = self._now()
        return [zone for zone in zones if self._phase(zone, now).open]

    def over_in(self, zones: Sequence[str]) -> bool:
        """Whether nothing will ever leave any more to any of the zones."""
        if self._schedule.not_after == math.inf or not zones:
            return False
        now = self._now()
        phases = [self._phase(zone, now) for zone in zones]
        return all(not phase.open and phase.until == math.inf for phase in phases)

    def next_opening(self, zones: Iterable[str]) -> tuple[float, str]:
        """When the next of those zones opens that are closed now, and which; infinite where none does."""
        if self._always:
            return math.inf, ""
        now = self._now()
        closed = ((phase.until, zone) for zone in zones if not (phase := self._phase(zone, now)).open)
        return min(closed, default=(math.inf, ""))

    def waiting(self, zones: Iterable[str]) -> tuple[WaitReason | None, float, str]:
        """What rows of closed zones are waiting for, until when (Unix seconds), in which zone; None where none is."""
        until, zone = self.next_opening(zones)
        if until == math.inf:
            return None, 0.0, ""
        reason = WaitReason.BEGIN if until == self._schedule.at else WaitReason.HOURS
        return reason, until, zone or self._schedule.timezone

    def guard(
        self, rows: Sequence[Row], row_seconds: float, ask: Callable[[int], Callable[[str, int], SlotGrant]]
    ) -> Callable[[str, int], SlotGrant]:
        """As ``ask`` gives it for so many rows, but only for those that may leave at that very moment."""

        def take(state: str, under_way: int) -> SlotGrant:
            room = self._room(rows, row_seconds)
            if not room:
                return SlotGrant(state, 0)
            wait = self._next_at - time.monotonic()
            if wait > 0:
                return SlotGrant(state, 0, wait)
            grant = ask(room)(state, under_way)
            if grant.granted and self._schedule.interval:
                self._space(self._schedule.interval * grant.granted)
            return grant

        return take

    def _space(self, interval: float) -> None:
        now = time.monotonic()
        begun_anew = now - self._next_at > interval
        self._next_at = (now if begun_anew else max(self._next_at, now - LATENESS * interval)) + interval

    def _room(self, rows: Sequence[Row], row_seconds: float) -> int:
        """How many of the first rows may leave together now: the last must be carried out before its zone closes."""
        if self._always:
            return len(rows)
        now, room = self._now(), 0
        for row in rows:
            phase = self._phase(row.timezone, now)
            if not phase.open or (room and now + (room + 1) * row_seconds > phase.until):
                break
            room += 1
        return room

    def deadline(self, rows: Sequence[Row]) -> Deadline:
        """Until when rows that are allowed to leave now may do so."""
        seconds = LATEST_DEPARTURE
        if not self._always:
            now = self._now()
            seconds = min(seconds, *(self._phase(zone, now).until - now for zone in {row.timezone for row in rows}))
        return Deadline.after(seconds)

    def _phase(self, zone: str, now: float) -> _Phase:
        phase = self._phases.get(zone)
        if phase is None or not phase.since <= now < phase.until:
            opens = self._schedule.opens_at(now, zone)
            if opens is None:
                phase = _Phase(now, math.inf, open=False)
            elif opens > now:
                phase = _Phase(now, opens, open=False)
            else:
                phase = _Phase(now, self._schedule.closes_at(now, zone), open=True)
            self._phases[zone] = phase
        return phase
