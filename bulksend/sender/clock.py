"""The portal's clock, as its answers show it. This computer's own clock, which may be set at any time, is not used."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from bulksend.portal.outcomes import Verdict

if TYPE_CHECKING:
    from bulksend.portal.client import Reply

SAMPLES: Final = 8
"""Answers that have to agree. One that does not is forgotten after as many others."""

TOLERANCE: Final = 3.0
"""Seconds by which answers may disagree, besides the time that each of them took."""


class PortalClock:
    """The portal's clock (Unix seconds), as long as the latest answers agree on it.

    A server that is ahead, a clock that was set in between, or a nonsense time make the answers disagree. Then nothing
    is known until enough answers agree again.
    """

    def __init__(self) -> None:
        # What to add to the steady clock for the portal's: at the least and at the most.
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def learn(self, reply: Reply) -> None:
        """Take in what an answer that has just come tells."""
        start, timing = reply.portal_time, reply.outcome.timing
        # Who answers in the portal's place tells the time by a clock of its own.
        if start is None or reply.outcome.verdict is not Verdict.DONE:
            return
        took = reply.received_at - reply.left_at
        finish = start if timing is None or timing.finish is None else timing.finish
        if not 0 <= finish - start <= took + TOLERANCE:
            return
        now = time.monotonic()
        self._samples.append((finish - now, start - now + took))

    def now(self) -> float | None:
        """What the portal's clock shows now at the least; None while that is not known."""
        if not self._samples:
            return None
        least, most = max(low for low, _ in self._samples), min(high for _, high in self._samples)
        return None if least > most + TOLERANCE else least + time.monotonic()

    def here(self, date: float | None) -> float | None:
        """A time of the portal's clock by this computer's, never in the future; None while that is not known."""
        now = self.now()
        return None if date is None or now is None else min(date - now, 0.0) + time.time()
