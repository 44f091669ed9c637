"""When the rows of a campaign may leave.

The wall clock of a row's zone decides, second by second: a message may leave while that clock shows one of the hours of
one of the days. So summer time needs no rule of its own: hours that the clock leaves out are not there, and hours that
it shows twice are open (or closed) both times. Hours over midnight belong to the day on which they begin.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bulksend.schedule.parsing import clock_change, wall_time
from bulksend.schedule.zones import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_DAY: Final = frozenset(range(7))
ALL_HOURS: Final = (0, 86400)

_LOOK_AHEAD: Final = 16
"""Days within which a window opens: there is one each week, but a change of the clock may swallow it once."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When messages may leave. Times are Unix seconds.

    Attributes:
        at: none leaves before; 0 where no time was given.
        not_after: none leaves at or after it.
        hours: seconds after midnight, from and until; over midnight where the first is later.
        days: days of the week, Monday being 0.
        timezone: the zone of rows that have none of their own.
        interval: seconds between two messages at the least; 0 where nothing is to be spread.
    """

    at: float = 0.0
    not_after: float = math.inf
    hours: tuple[int, int] = ALL_HOURS
    days: frozenset[int] = EVERY_DAY
    timezone: str = "UTC"
    interval: float = 0.0

    @property
    def always(self) -> bool:
        """Whether messages may leave at any time, as close together as the pace allows."""
        return not (self.at or self.has_windows or self.interval or self.not_after < math.inf)

    @property
    def has_windows(self) -> bool:
        """Whether there are hours or days at which nothing may leave."""
        return self.hours != ALL_HOURS or self.days != EVERY_DAY

    def allows(self, now: float, zone: str | None = None) -> bool:
        """Whether a message to that zone (the schedule's own, if none) may leave now."""
        if not self.at <= now < self.not_after:
            return False
        return not self.has_windows or _open(now, self.hours, self.days, _zone(zone or self.timezone))

    def opens_at(self, now: float, zone: str | None = None) -> float | None:
        """The first moment from now on at which a message to that zone may leave; None where there is none."""
        moment = max(now, self.at)
        if self.has_windows:
            moment = self._window(moment, zone)[0]
        return moment if moment < self.not_after else None

    def closes_at(self, now: float, zone: str | None = None) -> float:
        """Until when messages to that zone may leave, where they may now; infinite where there is no end."""
        end = self._window(max(now, self.at), zone)[1] if self.has_windows else math.inf
        return min(end, self.not_after)

    def _window(self, moment: float, zone: str | None) -> tuple[float, float]:
        """The first window that is not over: from the moment, or from when it opens, and until when."""
        there = _zone(zone or self.timezone)
        windows = _windows(self.hours, self.days, zone or self.timezone, datetime.fromtimestamp(moment, there).date())
        place = bisect_right(windows, moment, key=lambda window: window[1])
        if place == len(windows):
            return math.inf, math.inf
        start, end = windows[place]
        return max(start, moment), end


_zone = lru_cache(maxsize=1024)(zone_of)


def _open(moment: float, hours: tuple[int, int], days: frozenset[int], zone: tzinfo) -> bool:
    there = datetime.fromtimestamp(moment, zone)
    seconds, day = there.hour * 3600 + there.minute * 60 + there.second, there.weekday()
    start, end = hours
    if start < end:
        return start <= seconds < end and day in days
    return (seconds >= start and day in days) or (seconds < end and (day - 1) % 7 in days)


@lru_cache(maxsize=1024)
def _windows(hours: tuple[int, int], days: frozenset[int], zone_name: str, today: date) -> list[tuple[float, float]]:
    """The windows of the days to come, from yesterday on, those that touch put together."""
    zone = _zone(zone_name)
    dates = [today + timedelta(days=ahead) for ahead in range(-1, _LOOK_AHEAD)]
    changes = sorted({change for day in dates for change in _changes(day, hours, zone)})
    windows: list[tuple[float, float]] = []
    for start, end in pairwise(changes):
        if not _open(start, hours, days, zone):
            continue
        if windows and windows[-1][1] == start:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _changes(day: date, hours: tuple[int, int], zone: tzinfo) -> Iterator[float]:
    """The moments of a day at which a window may open or close."""
    midnight = wall_time(day, 0, zone)
    yield midnight
    change = clock_change(midnight, wall_time(day + timedelta(days=1), 0, zone), zone)
    yield change  # the next midnight, where there is none
    for seconds in hours:
        yield wall_time(day, seconds, zone)
        naive = datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)  # noqa: DTZ001 - see below
        yield naive.replace(tzinfo=zone, fold=1).timestamp()
