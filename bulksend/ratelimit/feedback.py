"""What the answers of a portal teach about its rate and execution-time limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.ratelimit.limiter import Observation, Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.portal.client import Reply

LONGEST_RESET = 2 * 3600.0
"""Seconds; the execution time of a method falls out within minutes, so a time further off is nonsense."""


class Feedback:
    """What answers taught, gathered until it is written into the pace that all processes share."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._budgets: list[Observation] = []
        self._exhausted: list[tuple[str, float | None]] = []
        self._refused_at: float | None = None
        self.row_seconds: float | None = None

    def learn(self, method: str, outcome: Outcome, reply: Reply) -> None:
        """Take in what the answer to one call of a method told of the method's execution time."""
        timing = outcome.timing
        if timing is None or timing.operating is None or timing.operating_reset_at is None:
            return
        if outcome.verdict in {Verdict.DONE, Verdict.REFUSED} and outcome.reason is None:
            basket = timing.operating_reset_at
            reset_at = basket + _offset(reply)
            if 0 < reset_at - reply.received_at < LONGEST_RESET:
                self._budgets.append(Observation(method, timing.operating, basket, reset_at))

    def hindered(self, method: str, outcome: Outcome, reply: Reply) -> None:
        """Take in that a call of a method was refused for the rate or for the method's execution time."""
        if outcome.reason is Reason.RATE:
            self._refused_at = max(self._refused_at or 0.0, reply.left_at)
        elif outcome.reason is Reason.OPERATING:
            told = outcome.timing.operating_reset_at if outcome.timing else None
            self._exhausted.append((method, None if told is None else told + _offset(reply)))

    def take(self) -> Callable[[str], str] | None:
        """What to do to the pace's shared state, once; None if nothing was taught."""
        budgets, self._budgets = self._budgets, []
        exhausted, self._exhausted = self._exhausted, []
        refused_at, self._refused_at = self._refused_at, None
        row_seconds, self.row_seconds = self.row_seconds, None
        if not (budgets or exhausted or row_seconds or refused_at is not None):
            return None

        def update(state: str) -> str:
            now = time.time()
            state = self._pace.learn(state, budgets, row_seconds)
            for method, reset_at in exhausted:
                state = self._pace.exhausted(state, method, reset_at, now)
            return state if refused_at is None else self._pace.refused(state, refused_at, now)

        return update


def _offset(reply: Reply) -> float:
    """What to add to a time of the portal's clock to have it by this machine's; late rather than early."""
    timing = reply.outcome.timing
    told = timing.finish if timing and timing.finish is not None else reply.portal_time
    return 0.0 if told is None else reply.received_at - told
