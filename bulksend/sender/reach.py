"""Whether the portal can be reached, and how long it is waited for where it cannot."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulksend.portal.codes import PAGES
from bulksend.portal.outcomes import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

LOST_IN_A_ROW: Final = 5
"""After so many lost answers with none in between, the portal is asked whether it is there before more rows leave."""

PAGES_IN_A_ROW: Final = 5
"""After so many pages in the place of answers, with no answer in between, it is not the portal that answers, or it is
broken: waiting will not help."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Seconds between two attempts to reach a portal that is out of reach: from the first to the longest, doubling."""


@dataclass(slots=True)
class _Outage:
    since: float
    due: float
    pause: float = FIRST_PAUSE
    probed_at: float = 0.0


class Reach:
    """Whether the portal answers. While it does not, only probes leave, with growing pauses. Times are steady.

    Args:
        patience: seconds that an outage is waited out.
        reset: gives up the connections that are open, because those that an outage has cut do not tell.
    """

    def __init__(self, patience: float, reset: Callable[[], None]) -> None:
        self._patience, self._reset = patience, reset
        self._outage: _Outage | None = None
        self._lost_in_a_row = 0
        self._pages_in_a_row = 0
        self._probing = False
        self.ever = False
        """Whether anything that was sent has been answered."""
        self.given_up = False
        """Whether an outage has outlasted the patience, and a probe that left after that was not answered either."""

    @property
    def out(self) -> bool:
        """Whether the portal is out of reach."""
        return self._outage is not None

    @property
    def only_pages(self) -> bool:
        """Whether pages come in the place of answers."""
        return self._pages_in_a_row >= PAGES_IN_A_ROW

    @property
    def given_up_at(self) -> float:
        """Until when an outage is waited out; one more probe leaves then, since the computer may have slept so long."""
        return self._outage.since + self._patience if self._outage else 0.0

    def heard(self, outcome: Outcome) -> None:
        """Take in what came of a call; too many lost answers in a row are taken for an outage."""
        if outcome.verdict is not Verdict.NOT_KNOWN:
            self._lost_in_a_row = 0
            if outcome.reason is not Reason.UNREACHABLE:
                self.ever = True
                self._pages_in_a_row = 0
            return
        self._lost_in_a_row += 1
        self._pages_in_a_row += outcome.code in PAGES
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            self.lost()

    def lost(self) -> None:
        """The portal is out of reach from now on, unless it was already."""
        if self._outage is None:
            now = time.monotonic()
            self._reset()
            self._outage = _Outage(now, now + FIRST_PAUSE)

    def probe_due(self, now: float) -> bool:
        """Whether it is time to see whether the portal is there again."""
        return self._outage is not None and now >= self._outage.due and not self._probing

    def next_time(self, now: float) -> float:
        """When a probe may be due."""
        return self._outage.due if self._outage and not self._probing else now + 1.0

    def probing(self) -> None:
        """A probe is leaving."""
        self._probing = True
        if self._outage is not None:
            self._outage.probed_at = time.monotonic()

    def probed(self, outcome: Outcome) -> None:
        """Take in what came of a probe: the outage is over, or goes on with a longer pause."""
        self._probing = False
        if self._outage is None:
            return
        if outcome.verdict is Verdict.NOT_KNOWN or outcome.reason is Reason.UNREACHABLE:
            self._pages_in_a_row += outcome.code in PAGES
            now = time.monotonic()
            self.given_up = self._outage.probed_at >= self.given_up_at
            self._outage.pause = min(LONGEST_PAUSE, self._outage.pause * 2)
            jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret depends on it
            self._outage.due = min(now + self._outage.pause * jitter, max(self.given_up_at, now))
            return
        self.ever = True
        self._outage = None
        self._lost_in_a_row = self._pages_in_a_row = 0
