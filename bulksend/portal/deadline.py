"""A time by which something has to be done, also on a computer that sleeps or whose clock is set."""

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """So many seconds from a moment, by two clocks: what is late by either of them is late.

    The steady clock may stand still while a computer sleeps; the wall clock may be set in between.
    """

    seconds: float
    wall: float
    steady: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """A deadline so many seconds from now."""
        return cls(seconds, time.time(), time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return not (0 <= time.time() - self.wall < self.seconds and time.monotonic() - self.steady < self.seconds)
