"""The execution time that a portal allows a method, as its answers show it.

The portal sums up the execution time of each method over ten baskets, a minute each in the cloud. An answer gives the
sum with its own call (``operating``) and when the oldest basket falls out (``operating_reset_at``). A call that finds
the sum above the limit is refused; the sum falls by one basket only, not to zero (vendor's REST documentation, limits).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

UNLIMITED: Final = 1_000_000
"""More calls than anybody asks for at once."""

FORGOTTEN: Final = 600.0
"""Seconds after which, since the oldest basket fell out, all others have too."""

UNTOLD_RESET: Final = 15.0
"""Seconds to wait before asking again where the budget is used up and the portal did not say until when."""

MOST_OPERATING: Final = 100_000.0
"""Seconds; a larger sum is nonsense: a window of ten minutes has not so many, however much runs at once."""

SPREAD: Final = 0.5
"""Calls do not cost the same. So many costs are kept back for the square root of the number of calls not known yet:
with one call after another, nothing; with many, what they may well cost beyond the average."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Observation:
    """What an answer reports of a method's execution time.

    Attributes:
        method: the method's name.
        operating: the sum, in seconds, its own call included.
        basket: when the sum's oldest part falls out, by the portal's clock: the same number as long as none has.
        reset_at: the same by this machine's clock.
    """

    method: str
    operating: float
    basket: float
    reset_at: float


@dataclass(slots=True)
class Budget:
    """What is known of one method's budget.

    Attributes:
        operating: the highest sum reported since a basket fell out last.
        lowest: the lowest since then.
        answers: how many answers reported one since then.
        basket: what distinguishes answers from before a fall from those after it.
        reset_at: when the next basket falls out, by this machine's clock; 0 where nothing is known.
        spent: seconds that earlier ``calls`` cost together.
        calls: how many they were; older ones count less.
        refused: whether the portal refused a call since the last fall.
    """

    operating: float = 0.0
    lowest: float = 0.0
    answers: int = 0
    basket: float = 0.0
    reset_at: float = 0.0
    spent: float = 0.0
    calls: float = 0.0
    refused: bool = False

    @property
    def cost(self) -> float:
        """What a call costs on average, in seconds; rather too much than too little.

        Each answer reports a call of its own, so between the lowest and the highest sum there are at least as
        many calls as answers, less one; in whatever order they came. Of the first answer only its sum is known.
        """
        calls = self.calls + max(0, self.answers - 1)
        return (self.spent + self.operating - self.lowest) / calls if calls else self.operating

    def learn(self, observation: Observation) -> None:
        """Take in what an answer reported."""
        if not 0 <= observation.operating <= MOST_OPERATING:
            return
        if self.basket - FORGOTTEN < observation.basket < self.basket:
            return  # an answer that was overtaken by one from after the fall
        if observation.basket != self.basket:
            self._restart(observation.operating, observation.basket, observation.reset_at)
            return
        self.answers += 1
        self.operating = max(self.operating, observation.operating)
        self.lowest = min(self.lowest, observation.operating)
        self.reset_at = min(
            self.reset_at, observation.reset_at
        )  # each is late by the time that its answer was on the way

    def _restart(self, operating: float, basket: float, reset_at: float) -> None:
        if self.answers > 1:
            self.spent = (self.spent + self.operating - self.lowest) / 2
            self.calls = (self.calls + self.answers - 1) / 2
        self.operating = self.lowest = operating
        self.answers, self.refused = 1, False
        self.basket, self.reset_at = basket, reset_at

    def exhaust(self, reset_at: float | None, now: float) -> None:
        """Take in that the portal refused a call because nothing is left, until ``reset_at`` where it said so."""
        if reset_at is None or reset_at <= now:
            reset_at = self.reset_at if self.reset_at > now else now + UNTOLD_RESET
        self.reset_at, self.refused = reset_at, True

    def room(self, limit: float, under_way: int, now: float) -> int:
        """How many calls may leave now as one request (0: none), with ``under_way`` not yet answered."""
        if not self.reset_at or now >= self.reset_at + FORGOTTEN:
            return UNLIMITED
        if self.refused or self.operating > limit:
            # Once a basket has fallen out there is less used than was reported; one call alone is to show how much.
            return max(0, 1 - under_way) if now >= self.reset_at else 0
        if not self.cost:
            return UNLIMITED
        left = (limit - self.operating) / self.cost + _ROUNDING
        # The last call may go over the limit; those before it must not: `before + SPREAD * sqrt(before) <= left`.
        before = math.floor(((math.sqrt(SPREAD**2 + 4 * left) - SPREAD) / 2) ** 2 + _ROUNDING)
        return max(0, before + 1 - under_way)

    def ask_again_at(self, limit: float, now: float) -> float:
        """When to ask again where there is no room now: at the next fall, or soon where answers may make room."""
        spent = self.refused or self.operating > limit
        return self.reset_at if spent and now < self.reset_at else now + 0.5
