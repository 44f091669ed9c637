"""The portal's two limits: the rate of requests and the execution time of methods."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Self

_BASKETS = 10


@dataclass(frozen=True, slots=True)
class Operating:
    """The execution-time limit: ``limit`` seconds of work in ``window`` seconds, for each method by itself.

    ``cost`` is what one message is charged in seconds, ``other_cost`` what a call of any other method is. The defaults
    are the cloud's, with the documentation's example of a message's charge.
    """

    limit: float = 480.0
    window: float = 600.0
    cost: float = 0.137
    other_cost: float = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """What the portal allows; ``rate`` is (threshold, requests drained a second). ``None`` switches a limit off.

    The defaults are those of a cloud portal (portal documentation: limits).
    """

    rate: tuple[float, float] | None = (50.0, 2.0)
    operating: Operating | None = Operating()

    @classmethod
    def none(cls) -> Self:
        """A self-hosted portal whose administrator set no limits."""
        return cls(rate=None, operating=None)


class Bucket:
    """The leaky bucket of one source address.

    Every request adds one, refused ones too; once a second the counter falls; a request that finds the counter
    above the threshold is refused. ``other_traffic`` is what other programs behind the same address add, a second.
    """

    def __init__(self, threshold: float, drain: float, now: float) -> None:
        self._threshold = threshold
        self._drain = drain
        self._fell_at = now
        self._count = 0.0

    def admit(self, now: float, other_traffic: float) -> bool:
        """Count a request at ``now`` (monotonic seconds) and tell whether it may pass."""
        seconds = math.floor(now - self._fell_at)
        if seconds > 0:
            self._fell_at += seconds
            self._count = max(0.0, self._count + seconds * (other_traffic - self._drain))
        found = self._count + other_traffic * (now - self._fell_at)
        self._count += 1.0
        return found <= self._threshold


class Budget:
    """The execution time that one caller has used up with one method, in ten baskets a window.

    A basket begins with the first charge that finds none younger than a tenth of the window, at a whole second, and
    falls out a window later: the sum then drops by that basket only.
    """

    def __init__(self, operating: Operating, cost: float) -> None:
        self._operating = operating
        self._cost = cost
        self._width = operating.window / _BASKETS
        self._baskets: deque[list[float]] = deque()

    def used(self, now: float) -> float:
        """Seconds charged that have not fallen out yet; ``now`` in Unix seconds of the portal's clock."""
        while self._baskets and self._baskets[0][0] + self._operating.window <= now:
            self._baskets.popleft()
        return sum(basket[1] for basket in self._baskets)

    def exhausted(self, now: float) -> bool:
        """Tell whether the next call must be refused."""
        return self.used(now) > self._operating.limit

    def charge(self, now: float) -> None:
        """Charge one call."""
        if not self._baskets or self._baskets[-1][0] + self._width <= now:
            self._baskets.append([math.floor(now) if self._width >= 1.0 else now, 0.0])
        self._baskets[-1][1] += self._cost

    def reset_at(self, now: float) -> float:
        """When the oldest basket falls out; a whole second where the window allows it."""
        start = self._baskets[0][0] if self._baskets else now
        at = start + self._operating.window
        return int(at) if self._width >= 1.0 else at
