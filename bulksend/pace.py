"""When the next call may leave: the request rate, the portal's bucket and its execution-time budget.

Everything here is a plain calculation on a small state that all processes share: the journal keeps it as text for each
portal and hands it in within a transaction, so that two campaigns on one portal stay within the limits together.
Times are Unix seconds by this machine's clock.

The limits modelled (vendor's REST documentation, limits):

- the request rate is a leaky bucket for each portal and source address: every request adds 1, the counter falls by Y
  once a second, and a request that finds it above X is refused (X=50, Y=2; Enterprise: 250 and 5);
- the execution time of each method is summed over ten one-minute baskets; over the limit (480 s in the cloud) calls are
  refused until the oldest basket falls out, at `operating_reset_at`.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENESS: Final = 0.02
"""Seconds by which a call may leave late without the following ones being put off: timers are not exact."""

TICK_MARGIN: Final = 0.1
"""Seconds by which the portal's own tick may be seen later than ours: calls take unequal times to arrive."""

SLOWEST: Final = 1 / 16
"""The part of the rate that is never gone below after refusals."""

RECOVERY: Final = 1.05
"""By how much the pace grows again with each call after a refusal."""

BUDGET_USE: Final = 0.99
"""The part of the execution-time limit that is used: sums of floating-point seconds are not exact."""

UNTOLD_RESET: Final = 15.0
"""Seconds to wait before asking again where the portal used up its budget and did not say until when."""

FULL_BUCKET: Final = {2.0: 51, 5.0: 251}
"""Calls a fresh bucket takes at once, by its drain a second: X of them raise the counter to X, one more finds it at X,
which is not above X."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the user allows: calls a second (0: no limit), calls at once, seconds of execution time."""

    rate: float = 2.0
    burst: int = 1
    operating_limit: float = 480.0


@dataclass(slots=True)
class Budget:
    """What is known of a method's execution time on the portal: seconds used, when some fall out, cost of a call."""

    operating: float = 0.0
    reset_at: float = 0.0
    cost: float = 0.0
    calls: int = 0
    first_operating: float = 0.0
    first_calls: int = 0

    def learn(self, operating: float, reset_at: float, calls: int) -> None:
        """Take in what an answer told after ``calls`` more calls were carried out."""
        self.calls += calls
        if not self.reset_at:
            self.cost = operating / max(1, calls)
            self._restart(operating, reset_at)
        elif reset_at > self.reset_at + 0.5:  # a basket fell out: sums before and after cannot be compared
            self._restart(operating, reset_at)
        elif reset_at > self.reset_at - 0.5:  # answers overtake each other; the sum only grows
            self.operating = max(self.operating, operating)
        measured = self.calls - self.first_calls
        if measured > 0:
            slope = (self.operating - self.first_operating) / measured
            self.cost = slope if measured >= 3 else max(slope, self.cost)

    def _restart(self, operating: float, reset_at: float) -> None:
        self.operating, self.reset_at = operating, reset_at
        self.first_operating, self.first_calls = operating, self.calls

    def exhausted(self, limit: float, reset_at: float) -> None:
        """Take in that the portal refused a call because nothing is left."""
        self._restart(max(self.operating, limit), reset_at)

    def room(self, limit: float, under_way: int, now: float) -> int:
        """How many calls may leave now (0 or less: none) with ``under_way`` not yet answered."""
        if not self.reset_at:
            return 1_000_000
        left = limit * BUDGET_USE - self.operating - under_way * self.cost
        if left >= 0:
            return math.floor(left / self.cost) + 1 if self.cost > 0 else 1_000_000
        # Once a basket has fallen out there is less used than was told; one call alone is to tell how much.
        return 1 - under_way if now >= self.reset_at else 0


@dataclass(slots=True)
class _Shared:
    """What all processes know of a portal's pace."""

    next_at: float = 0.0
    level: float = 0.0
    ticked_at: float = 0.0
    blocked_until: float = 0.0
    stepped_at: float = 0.0
    slow: float = 1.0
    row_seconds: float = 0.0
    row_seconds_at: float = 0.0
    budgets: dict[str, Budget] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> _Shared:
        if not text:
            return cls()
        values: dict[str, Any] = json.loads(text)
        budgets = {name: Budget(**budget) for name, budget in values.pop("budgets").items()}
        return cls(**values, budgets=budgets)

    def write(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an answer told of one method's budget: its sum, when it falls (this machine's clock), calls it covers."""

    method: str
    operating: float
    reset_at: float
    calls: int


class Pace:
    """The pace of one user of one portal. ``identity`` says whose execution time it is (a webhook, an application)."""

    def __init__(self, rule: Rule, identity: str) -> None:
        self.rule = rule
        self._identity = identity

    def take(self, text: str, method: str, wanted: int, under_way: int, now: float) -> tuple[str, int, float, str]:
        """Ask to let ``wanted`` calls of a method leave as one request now.

        Returns the new state, how many of them may (0: none), and if none, until when asking is useless and what is
        being waited for (empty: just the pace).
        """
        shared = _Shared.read(text)
        if now < shared.blocked_until:
            return text, 0, shared.blocked_until, "the portal's request limit"
        granted = wanted
        budget = shared.budgets.get(self._budget(method))
        if budget is not None:
            granted = min(wanted, budget.room(self.rule.operating_limit, under_way, now))
            if granted < 1:
                # With calls under way their answers will tell more; the caller wakes up for each of them.
                until = budget.reset_at if now < budget.reset_at else now + 0.5
                return text, 0, until, "the portal's execution-time limit"
        until = self._slot(shared, now)
        if until > now:
            return text, 0, until, ""
        shared.slow = min(1.0, shared.slow * RECOVERY)
        return shared.write(), granted, 0.0, ""

    def _slot(self, shared: _Shared, now: float) -> float:
        """Take a slot of the rate, or say when the next one is."""
        if self.rule.rate <= 0:
            return now
        rate = self.rule.rate * shared.slow
        if self.rule.burst <= 1:
            return self._evenly(shared, rate, now)
        return self._bucket(shared, rate, now)

    @staticmethod
    def _evenly(shared: _Shared, rate: float, now: float) -> float:
        interval = 1 / rate
        if shared.next_at > now + 2 * interval / SLOWEST:  # the clock was set back: it says nothing
            shared.next_at = now
        if now < shared.next_at:
            return shared.next_at
        shared.next_at = max(shared.next_at, now - LATENESS) + interval
        return now

    def _bucket(self, shared: _Shared, rate: float, now: float) -> float:
        if shared.level <= 0 or shared.ticked_at > now:
            shared.ticked_at = now
        ticks = math.floor(now - shared.ticked_at - TICK_MARGIN)
        if ticks > 0:
            shared.level = max(0.0, shared.level - ticks * rate)
            shared.ticked_at = shared.ticked_at + ticks if shared.level else now
        missing = shared.level + 1 - self.rule.burst
        if missing > 1e-9:
            return shared.ticked_at + TICK_MARGIN + math.ceil(missing / rate - 1e-9)
        shared.level += 1
        return now

    def refused(self, text: str, left_at: float, now: float) -> str:
        """Step back after a refusal for the rate; the calls refused together count once."""
        shared = _Shared.read(text)
        if left_at < shared.stepped_at:
            return text
        shared.slow = max(SLOWEST, shared.slow / 2)
        shared.stepped_at = now
        shared.level = max(shared.level, self.rule.burst)
        shared.ticked_at = now
        # With jitter: several senders that were refused together must not come back together.
        shared.blocked_until = now + random.uniform(0.5, 1.0) / shared.slow  # noqa: S311 - no secret depends on it
        return shared.write()

    def exhausted(self, text: str, method: str, reset_at: float | None, now: float) -> str:
        """The portal refused a call of a method because its execution time is used up (until ``reset_at`` if told)."""
        shared = _Shared.read(text)
        budget = shared.budgets.setdefault(self._budget(method), Budget())
        if reset_at is None or reset_at <= now:
            reset_at = budget.reset_at if budget.reset_at > now else now + UNTOLD_RESET
        budget.exhausted(self.rule.operating_limit, reset_at)
        return shared.write()

    def learn(self, text: str, lessons: Sequence[Lesson], row_seconds: float | None = None) -> str:
        """Take in what answers told of the budgets, and how long the portal takes for one row of a batch."""
        if not lessons and row_seconds is None:
            return text
        shared = _Shared.read(text)
        for lesson in lessons:
            budget = shared.budgets.setdefault(self._budget(lesson.method), Budget())
            budget.learn(lesson.operating, lesson.reset_at, lesson.calls)
        if row_seconds is not None:
            shared.row_seconds, shared.row_seconds_at = row_seconds, time.time()
        return shared.write()

    def _budget(self, method: str) -> str:
        return f"{self._identity} {method}"


BATCH_SECONDS: Final = 20.0
"""How long a batch is meant to take at the most: far from the 60 s at which the portal cuts a request."""

FIRST_BATCH: Final = 16
"""Rows of the first batch on a portal whose speed is not known. The vendor's own example of the method took 1.16 s,
with which this many take 19 s."""

REMEMBERED_SECONDS: Final = 24 * 3600.0
"""For how long a portal's speed, once measured, is believed in a later run."""


class BatchSize:
    """How many rows a batch may have, so that it stays far from the portal's 60-second cut."""

    def __init__(self, largest: int, pace_text: str) -> None:
        self._largest = largest
        self._seconds: deque[float] = deque(maxlen=20)
        shared = _Shared.read(pace_text)
        if shared.row_seconds and time.time() - shared.row_seconds_at < REMEMBERED_SECONDS:
            self._seconds.append(shared.row_seconds)

    @property
    def known(self) -> bool:
        """Whether the portal's speed has been measured."""
        return bool(self._seconds)

    @property
    def row_seconds(self) -> float | None:
        """What a row takes, in seconds, by the slowest of the last batches."""
        return max(self._seconds) if self._seconds else None

    def learn(self, rows: int, seconds: float) -> None:
        """Take in that a batch of so many rows took so long."""
        if rows > 0 and seconds >= 0:
            self._seconds.append(seconds / rows)

    def rows(self) -> int:
        """Rows the next batch may have, 1 or more."""
        slowest = self.row_seconds
        if slowest is None:
            return min(self._largest, FIRST_BATCH)
        return self._largest if slowest <= 0 else max(1, min(self._largest, int(BATCH_SECONDS / slowest)))
