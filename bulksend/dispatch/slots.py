"""Slots for calls of one caller to one portal, whose limits all processes share through the journal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.journal import Journal, SlotGrant
    from bulksend.ratelimit.limiter import Outlook, RateLimiter


class Slots:
    """Where a request gets its slot.

    Attributes:
        under_way: calls of each method that have left from here and have not been answered.
    """

    def __init__(self, journal: Journal, portal: str, limiter: RateLimiter) -> None:
        self.journal, self.portal, self.limiter = journal, portal, limiter
        self.under_way: Counter[str] = Counter()

    def take(self, method: str, wanted: int) -> SlotGrant:
        """Ask to let so many calls of a method leave as one request now."""
        return self.journal.take_slot(self.portal, self.request(method, wanted))

    def request(self, method: str, wanted: int) -> Callable[[str, int], SlotGrant]:
        """The same as a step of a transaction of the journal."""

        def take(state: str, under_way: int) -> SlotGrant:
            return self.limiter.take(state, method, wanted, max(under_way, self.under_way[method]), self.journal.now())

        return take

    def row_seconds(self) -> float | None:
        """What a row of a batch took on this portal lately, where that is known."""
        return self.limiter.row_seconds(self.journal.pace(self.portal), self.journal.now())

    def outlook(self, method: str) -> Outlook:
        """What is left of the portal's limits now."""
        return self.limiter.outlook(self.journal.pace(self.portal), method, self.journal.now())

    def update(self, change: Callable[[str], str]) -> None:
        """Change what all processes know of the portal's limits."""
        self.journal.update_pace(self.portal, change)
