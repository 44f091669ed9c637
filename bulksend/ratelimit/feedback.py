"""What the answers of a portal teach about its rate and execution-time limits."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.ratelimit.execution_time import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.portal.client import Reply
    from bulksend.ratelimit.limiter import RateLimiter

LONGEST_RESET = 2 * 3600.0
"""Seconds; the execution time of a method falls out within minutes, so a time further off is nonsense."""


class Feedback:
    """What answers taught, gathered until it is written into the state that all processes share."""

    def __init__(self, limiter: RateLimiter, clock: Callable[[], float]) -> None:
        """``clock`` shows the time by which all processes go."""
        self._limiter, self._clock = limiter, clock
        self._observations: list[Observation] = []
        self._exhausted: list[tuple[str, float | None]] = []
        self._refused_at: float | None = None
        self.row_seconds: float | None = None

    def learn(self, method: str, outcome: Outcome, reply: Reply) -> None:
        """Take in what the answer to one call says of the rate and of its method's execution time."""
        timing = outcome.timing
        reset_at = timing.operating_reset_at if timing else None
        if outcome.reason is Reason.RATE:
            self._refused_at = max(self._refused_at or 0.0, reply.left_at)
        elif outcome.reason is Reason.OPERATING:
            self._exhausted.append((method, None if reset_at is None else reset_at + _offset(reply)))
        elif outcome.verdict not in {Verdict.DONE, Verdict.REFUSED}:
            return
        elif timing and timing.operating is not None and reset_at is not None:
            here = reset_at + _offset(reply)
            if 0 < here - reply.received_at < LONGEST_RESET:
                self._observations.append(Observation(method, timing.operating, reset_at, here))

    def take(self) -> Callable[[str], str] | None:
        """What to do to the shared state, once; None if nothing was taught."""
        observations, self._observations = self._observations, []
        exhausted, self._exhausted = self._exhausted, []
        refused_at, self._refused_at = self._refused_at, None
        row_seconds, self.row_seconds = self.row_seconds, None
        if not (observations or exhausted or row_seconds or refused_at is not None):
            return None

        def update(state: str) -> str:
            now = self._clock()
            ahead = now - time.time()
            known = [replace(one, reset_at=one.reset_at + ahead) for one in observations]
            state = self._limiter.learn(state, known, now, row_seconds)
            for method, reset_at in exhausted:
                there = None if reset_at is None else reset_at + ahead
                state = self._limiter.exhausted(state, method, there, now)
            return state if refused_at is None else self._limiter.refused(state, refused_at + ahead, now)

        return update


def _offset(reply: Reply) -> float:
    """What to add to a time of the portal's clock to have it by this machine's; late rather than early."""
    timing = reply.outcome.timing
    portal_time = timing.finish if timing and timing.finish is not None else reply.portal_time
    return 0.0 if portal_time is None else reply.received_at - portal_time
