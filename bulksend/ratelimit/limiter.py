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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bulksend.journal import SlotGrant, WaitReason
from bulksend.ratelimit.bucket import Bucket
from bulksend.ratelimit.execution_time import Budget, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LATENESS: Final = 0.1
"""Seconds by which a call may leave late without the following ones being put off: timers are not exact, and a disk
that syncs takes its time."""

SLOWEST: Final = 1 / 16
"""The part of the rate that is never gone below after refusals."""

RECOVERY_SECONDS: Final = 30.0
"""In so much time without another refusal the rate doubles again."""

SET_BACK: Final = 60.0
"""Seconds; when the clock is further back than it was, it was set, rather than that machines differ a little."""

REMEMBERED_SECONDS: Final = 24 * 3600.0
"""For how long a portal's speed, once measured, is believed in a later run."""

FULL_BUCKET: Final = {2.0: 51, 5.0: 251}
"""Calls a fresh bucket takes at once, by its drain a second: X of them raise the counter to X, one more finds it at X,
which is not above X."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the user allows: calls a second (0: no limit), calls at once, seconds of execution time."""

    rate: float = 2.0
    burst: int = 1
    operating_limit: float = 480.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is left of a portal's limits at a moment.

    Attributes:
        calls_at_once: calls that may leave at once.
        blocked_until: when calls may leave again.
        used: seconds of a method's execution time.
        reset_at: when the first of them fall out.
        cost: what a call of it is charged; 0 where that is not known.
        row_seconds: what a row of a batch takes, where that is known.
    """

    calls_at_once: int = 1
    blocked_until: float = 0.0
    used: float = 0.0
    reset_at: float = 0.0
    cost: float = 0.0
    row_seconds: float | None = None


@dataclass(slots=True)
class _Shared:
    """What all processes know of a portal's limits.

    Attributes:
        seen_at: the newest time of all that is here.
        next_at: when the next call may leave for those who send evenly.
        bucket: what the portal's counter shows at the most.
        burst: how far those who send in bursts let it rise; 0 where nobody has.
        blocked_until: when calls may leave again after a refusal for the rate.
        stepped_at: when it was slowed down last.
        slow: to what part of the rate that was.
        row_seconds: what a row of a batch takes on this portal, 0 where that is not known.
        row_seconds_at: when that was measured.
        budgets: execution time, by caller and method.
    """

    seen_at: float = 0.0
    next_at: float = 0.0
    bucket: Bucket = field(default_factory=Bucket)
    burst: int = 0
    blocked_until: float = 0.0
    stepped_at: float = 0.0
    slow: float = 1.0
    row_seconds: float = 0.0
    row_seconds_at: float = 0.0
    budgets: dict[str, Budget] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> _Shared:
        """What the text says; nothing, where it was written by another version that knew other things."""
        try:
            values: dict[str, Any] = json.loads(text) if text else {}
            budgets = {name: Budget(**budget) for name, budget in values.pop("budgets", {}).items()}
            bucket = Bucket(**values.pop("bucket", {}))
            return cls(**values, bucket=bucket, budgets=budgets)
        except (ValueError, TypeError, AttributeError):
            return cls()

    def write(self) -> str:
        return json.dumps(
            _plain(self)
            | {
                "bucket": _plain(self.bucket),
                "budgets": {name: _plain(budget) for name, budget in self.budgets.items()},
            }
        )

    def speed(self, now: float) -> float:
        """The part of the rate that is used now: less than 1 for a while after a refusal."""
        since = max(0.0, now - self.stepped_at)
        return 1.0 if since > 20 * RECOVERY_SECONDS else min(1.0, self.slow * 2 ** (since / RECOVERY_SECONDS))

    def follow_clock(self, now: float) -> bool:
        """Where the clock was set back, set every time back with it, and return whether it was."""
        back = now - self.seen_at
        if back > -SET_BACK:
            self.seen_at = max(self.seen_at, now)
            return False
        self.seen_at = now
        self.next_at += back
        self.blocked_until += back
        self.stepped_at += back
        self.row_seconds_at += back
        self.bucket.shift(back)
        for budget in self.budgets.values():
            if budget.reset_at:
                budget.reset_at += back
        return True


def _plain(values: Any) -> dict[str, Any]:
    """A dataclass's fields by name, as they are; `dataclasses.asdict` copies them all, which takes its time."""
    return {name: getattr(values, name) for name in values.__slots__}


def execution_times(state: str, now: float) -> Iterator[tuple[str, str, float]]:
    """Whose execution time of which method is known to be used up how far (seconds), of a portal's shared state."""
    for name, budget in _Shared.read(state).budgets.items():
        caller, _, method = name.rpartition(" ")
        if now < budget.reset_at:
            yield caller, method, math.inf if budget.refused else budget.operating


class RateLimiter:
    """Decides when calls may leave. ``identity`` says whose execution time it is (a webhook's, an application's)."""

    def __init__(self, limit: RateLimit, identity: str) -> None:
        self.limit = limit
        self._identity = identity

    def take(self, state: str, method: str, wanted: int, under_way: int, now: float) -> SlotGrant:
        """Ask to let ``wanted`` calls of a method leave as one request now, ``under_way`` being not answered yet."""
        shared = _Shared.read(state)
        if shared.follow_clock(now):
            state = shared.write()
        if now < shared.blocked_until:
            return SlotGrant(state, 0, shared.blocked_until - now, WaitReason.REQUEST_LIMIT)
        granted = wanted
        budget = shared.budgets.get(self._budget(method))
        if budget is not None:
            limit = self.limit.operating_limit
            granted = min(wanted, budget.room(limit, under_way, now))
            if granted < 1:
                wait = budget.ask_again_at(limit, now) - now
                return SlotGrant(state, 0, wait, WaitReason.EXECUTION_TIME)
        if self.limit.rate <= 0:
            return SlotGrant(state, granted)
        until = self._slot(shared, self.limit.rate * shared.speed(now), now)
        if until > now:
            return SlotGrant(state, 0, until - now)
        # Those who send evenly need not ask again before their next slot.
        wait = max(0.0, shared.next_at - now) if self.limit.burst <= 1 else 0.0
        return SlotGrant(shared.write(), granted, wait)

    def _slot(self, shared: _Shared, rate: float, now: float) -> float:
        """Take a slot of the rate, or give the time of the next one.

        Those who send evenly and those who send in bursts know of each other by the bucket: whoever sends, the counter
        rises, and it does not rise higher than those who send in bursts may let it.
        """
        shared.bucket.advance(now, rate)
        if not shared.bucket.level:
            shared.burst = 0
        if self.limit.burst > 1:
            shared.burst = max(shared.burst, self.limit.burst)
            until = shared.bucket.room_at(now, self.limit.burst, rate)
        else:
            room_at = shared.bucket.room_at(now, shared.burst, rate) if shared.burst else now
            until = max(shared.next_at, room_at)
        if until > now:
            return until
        if self.limit.burst <= 1:
            interval = 1 / rate
            begun_anew = now - shared.next_at > interval
            shared.next_at = (now if begun_anew else max(shared.next_at, now - LATENESS)) + interval
        shared.bucket.add(now)
        return now

    def refused(self, state: str, left_at: float, now: float) -> str:
        """Slow down after a refusal for the rate; the calls refused together count once."""
        shared = _Shared.read(state)
        shared.follow_clock(now)
        if left_at < shared.stepped_at:
            return state
        shared.slow = max(SLOWEST, shared.speed(now) / 2)
        shared.stepped_at = now
        # What the others behind this address add to the counter is not known, only that it is full now.
        shared.bucket.fill(now, max(shared.burst, self.limit.burst))
        # With jitter: several senders that were refused together must not come back together.
        shared.blocked_until = now + random.uniform(0.5, 1.0) / shared.slow  # noqa: S311 - no secret depends on it
        return shared.write()

    def exhausted(self, state: str, method: str, reset_at: float | None, now: float) -> str:
        """Take in that the execution time of a method is used up, until ``reset_at`` where that is known."""
        shared = _Shared.read(state)
        shared.follow_clock(now)
        shared.budgets.setdefault(self._budget(method), Budget()).exhaust(reset_at, now)
        return shared.write()

    def learn(
        self, state: str, observations: Sequence[Observation], now: float, row_seconds: float | None = None
    ) -> str:
        """Take in what answers reported of the budgets, and how long the portal takes for one row of a batch."""
        if not observations and row_seconds is None:
            return state
        shared = _Shared.read(state)
        for observation in observations:
            shared.budgets.setdefault(self._budget(observation.method), Budget()).learn(observation)
        if row_seconds is not None:
            shared.row_seconds, shared.row_seconds_at = row_seconds, now
        return shared.write()

    def outlook(self, state: str, method: str, now: float) -> Outlook:
        """What is left of the limits now."""
        shared, limit = _Shared.read(state), self.limit
        shared.bucket.advance(now, limit.rate or 1.0)
        budget = shared.budgets.get(self._budget(method))
        known = budget is not None and now < budget.reset_at
        return Outlook(
            calls_at_once=max(1, limit.burst - math.ceil(shared.bucket.level)),
            blocked_until=max(shared.blocked_until, shared.next_at if limit.burst <= 1 else 0.0),
            used=(limit.operating_limit if budget.refused else budget.operating) if known and budget else 0.0,
            reset_at=budget.reset_at if budget else 0.0,
            cost=budget.cost if budget else 0.0,
            row_seconds=self.row_seconds(state, now),
        )

    @staticmethod
    def row_seconds(state: str, now: float) -> float | None:
        """What a row of a batch took on this portal lately, where that is known."""
        shared = _Shared.read(state)
        remembered = now - shared.row_seconds_at < REMEMBERED_SECONDS
        return (shared.row_seconds or None) if remembered else None

    def _budget(self, method: str) -> str:
        return f"{self._identity} {method}"
