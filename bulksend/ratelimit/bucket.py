"""The portal's leaky bucket, as far as it can be known from outside.

Every request adds 1 to the portal's counter, once a second the counter falls by Y (never below 0), and a request that
finds it above X is refused (vendor's REST documentation, limits). *When* in a second it falls is not known, and it
matters: a fall that comes while the counter is 0 or 1 is lost, and requests may come just before or just after it. So
the counter is reckoned for each possible moment, a twentieth of a second wide, and the highest of them is what counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

CELLS: Final = 20
"""Moments of a second in which the counter may fall."""

SPREAD: Final = 0.05
"""Seconds by which one request may take longer to arrive than another."""

_ROUNDING: Final = 1e-6
"""Seconds: times of day as floating-point numbers are no more exact than that."""


def _zeros() -> list[float]:
    return [0.0] * CELLS


_ENDS: Final = [(cell + 1) / CELLS for cell in range(CELLS)]


def _falls(now: float) -> list[int]:
    """For each cell, the number of the last fall that has surely happened, if it falls within that cell of a second."""
    return [math.floor(now - end) for end in _ENDS]


@dataclass(slots=True)
class Bucket:
    """The most that the portal's counter can show.

    Attributes:
        at: when it was reckoned last (Unix seconds, this machine's clock).
        settled: for each cell, the requests that surely came before the next fall, less what has fallen.
        fresh: for each cell, requests that may have come before or after the next fall, so it takes none of them.
    """

    at: float = 0.0
    settled: list[float] = field(default_factory=_zeros)
    fresh: list[float] = field(default_factory=_zeros)

    @property
    def level(self) -> float:
        """What the portal's counter shows at the most."""
        return max(settled + fresh for settled, fresh in zip(self.settled, self.fresh, strict=True))

    def advance(self, now: float, drain: float) -> None:
        """Reckon up to now, falling by ``drain`` a second."""
        if now <= self.at:
            return
        for cell, (after, before) in enumerate(zip(_falls(now), _falls(self.at), strict=True)):
            falls = after - before
            if falls > 0:
                first = max(0.0, self.settled[cell] - drain) + self.fresh[cell]
                self.settled[cell] = max(0.0, first - (falls - 1) * drain)
                self.fresh[cell] = 0.0
        self.at = now

    def room_at(self, now: float, most: float, drain: float) -> float:
        """When one more request may leave so that the counter, with it, is not above ``most``; now or later."""
        room_at, fallen = now, _falls(now)
        for cell in range(CELLS):
            settled, fresh = self.settled[cell], self.fresh[cell]
            if settled + fresh + 1 - most > _ROUNDING:
                excess = max(0.0, settled - drain) + fresh + 1 - most
                falls = 1 + max(0, math.ceil(excess / drain - _ROUNDING))
                room_at = max(room_at, fallen[cell] + falls + _ENDS[cell] + _ROUNDING)
        return room_at

    def add(self, now: float) -> None:
        """A request leaves."""
        for cell, fallen in enumerate(_falls(now)):
            next_fall_begins = fallen + 1 + cell / CELLS
            if now >= next_fall_begins - SPREAD:
                self.fresh[cell] += 1
            else:
                self.settled[cell] += 1

    def fill(self, now: float, level: float) -> None:
        """It was fuller than was known: reckon with ``level`` at least, from now on."""
        self.settled = [max(level, settled + fresh) for settled, fresh in zip(self.settled, self.fresh, strict=True)]
        self.fresh = _zeros()
        self.at = now

    def shift(self, seconds: float) -> None:
        """The clock was set: what is known by moments of the clock's second is lost, so the worst of them is taken."""
        self.settled = [self.level] * CELLS
        self.fresh = _zeros()
        self.at += seconds
