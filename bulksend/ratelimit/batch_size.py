"""How many calls a batch may hold."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from bulksend.portal.client import portal_seconds
from bulksend.portal.outcomes import Verdict

if TYPE_CHECKING:
    from bulksend.portal.client import Reply

BATCH_SECONDS: Final = 20.0
"""How long a batch is meant to take at the most: far from the 60 s at which the portal cuts a request."""

FIRST_BATCH: Final = 5
"""Rows of the first batch on a portal whose speed is not known, at the least. The vendor's own example of the method
took 1.16 s; where it takes ten times as long, so many still end before the cut."""

TIMES_A_READING: Final = 20
"""How many times as long as reading a history sending a message may take on a portal whose speed is not known."""

LARGEST_CHARGE: Final = 8.0
"""Seconds of execution time that a message may be charged there: the first batch must not use up all there is."""


class BatchSize:
    """How many calls a batch may hold, so that it stays far from the portal's 60-second cut."""

    def __init__(self, largest: int, *, first: int = FIRST_BATCH, row_seconds: float | None = None) -> None:
        """Begin with what is known.

        Args:
            largest: calls that a batch may hold however fast the portal is.
            first: calls of a batch while its speed is not known.
            row_seconds: what a call took lately, where that is known.
        """
        self._largest, self._first = largest, first
        self._seconds: deque[float] = deque([] if row_seconds is None else [row_seconds], maxlen=20)

    @property
    def known(self) -> bool:
        """Whether the portal's speed has been measured, where that matters."""
        return self._largest < 2 or bool(self._seconds)

    @property
    def row_seconds(self) -> float | None:
        """What a call takes, in seconds, by the slowest of the last batches."""
        return max(self._seconds) if self._seconds else None

    def measure(self, calls: int, reply: Reply) -> None:
        """Take in how long a request with so many calls took; one alone says nothing, unless all go alone."""
        if self._largest < 2 or calls < 2 <= self.rows():
            return
        elapsed = reply.received_at - reply.left_at
        if reply.outcome.verdict is Verdict.DONE:
            self.learn(calls, portal_seconds(reply))
        elif reply.outcome.verdict is Verdict.NOT_KNOWN and elapsed > BATCH_SECONDS:
            self.learn(calls, elapsed)

    def learn_reading(self, seconds: float, operating_limit: float) -> None:
        """Take in how long the portal takes to read a history, and how much execution time it grants at the most."""
        by_time = BATCH_SECONDS / max(seconds * TIMES_A_READING, 1e-3)
        self._first = max(FIRST_BATCH, int(min(by_time, operating_limit / LARGEST_CHARGE)))

    def learn(self, calls: int, seconds: float) -> None:
        """Take in that a batch of so many calls took so long."""
        if calls > 0 and seconds >= 0:
            self._seconds.append(seconds / calls)

    def rows(self) -> int:
        """Calls that the next batch may hold, 1 or more."""
        slowest = self.row_seconds
        if slowest is None:
            return min(self._largest, self._first)
        return self._largest if slowest <= 0 else max(1, min(self._largest, int(BATCH_SECONDS / slowest)))
