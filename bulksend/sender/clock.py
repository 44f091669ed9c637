"""The portal's clock, as its answers show it."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

CLOCK_STEP: Final = 0.5
"""Seconds by which this machine's clock may move against its own steady one before it is taken for set anew."""


class PortalClock:
    """What the portal's clock shows at the least when this machine's shows a time. Times are Unix seconds."""

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=50)
        self._step = time.time() - time.monotonic()

    def learn(self, told: float, received_at: float) -> None:
        """Take in that an answer that came at a time told another: it is no later than the portal's clock then."""
        self.offset()
        self._offsets.append(told - received_at)

    def offset(self) -> float | None:
        """What to add to a time of this machine's clock for the least that the portal's can have shown then."""
        step = time.time() - time.monotonic()
        if abs(step - self._step) > CLOCK_STEP:  # the clock was set: what was learned by it is worth nothing
            self._offsets.clear()
            self._step = step
        return max(self._offsets, default=None)

    def there(self, at: float) -> float | None:
        """A time of this machine's clock by the portal's; None while that is not known."""
        offset = self.offset()
        return None if offset is None else at + offset

    def here(self, at: float | None) -> float | None:
        """A time of the portal's clock by this machine's, never in the future; None while that is not known."""
        offset = self.offset()
        return None if at is None or offset is None else min(at - offset, time.time())
