"""Whether the portal can be reached."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulksend.dispatch.source import Job, Source
from bulksend.portal import methods
from bulksend.portal.codes import PAGES
from bulksend.portal.outcomes import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply

LOST_IN_A_ROW: Final = 5
"""After so many lost answers with none in between, the portal is asked whether it is there before more calls leave."""

PAGES_IN_A_ROW: Final = 5
"""So many pages in place of answers, with no answer in between, end a campaign: it is not the portal that answers."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Seconds between two attempts to reach a portal that is out of reach: from the first to the longest, doubling."""


@dataclass(slots=True)
class _Outage:
    """A time without an answer. ``on_trial``: a probe was answered; it is over once any other call is, too."""

    since: float
    due: float
    pause: float = FIRST_PAUSE
    probed_at: float = 0.0
    on_trial: bool = False


class Connectivity(Source[None]):
    """Watches whether the portal answers. While it does not, only probes leave, with growing pauses.

    Args:
        patience: seconds that an outage is waited out.
        reset: gives up the connections that are open, because an outage does not show on those that it has cut.
    """

    method = methods.PROFILE

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
        return self._outage is not None and not self._outage.on_trial

    @property
    def only_pages(self) -> bool:
        """Whether the portal's place has been taken by something that answers with pages."""
        return self._pages_in_a_row >= PAGES_IN_A_ROW

    @property
    def given_up_at(self) -> float:
        """Until when an outage is waited out; one more probe leaves then, since the computer may have slept so long."""
        return self._outage.since + self._patience if self._outage else 0.0

    def heard(self, outcome: Outcome) -> None:
        """Take in what came of a call; too many lost answers in a row are taken for an outage."""
        if outcome.reason is Reason.UNREACHABLE:
            self._lost_in_a_row = 0
            if self.ever or self._outage:
                self.lost()
            return
        if outcome.verdict is not Verdict.NOT_KNOWN:
            self.ever = True
            self._lost_in_a_row = self._pages_in_a_row = 0
            if self._outage and self._outage.on_trial:
                self._outage = None
            return
        self._lost_in_a_row += 1
        self._pages_in_a_row += outcome.code in PAGES
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            self.lost()

    def lost(self) -> None:
        """Take the portal for out of reach, until a probe is answered."""
        now = time.monotonic()
        if self._outage is None:
            self._outage = _Outage(now, now + FIRST_PAUSE)
        elif self._outage.on_trial:
            self._postpone(now)
        else:
            return
        self._reset()

    def _postpone(self, now: float) -> None:
        """Wait longer until the next probe; once the patience is over, one leaves at once and is the last."""
        outage = self._outage
        if outage is None:
            return
        self.given_up = outage.probed_at >= self.given_up_at
        outage.on_trial = False
        outage.pause = min(LONGEST_PAUSE, outage.pause * 2)
        jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret depends on it
        outage.due = min(now + outage.pause * jitter, max(self.given_up_at, now))

    def next_job(self, now: float) -> Job[None] | None:
        """A call that changes nothing, to see whether the portal is there again."""
        return Job(self, [None]) if now >= self.next_time() else None

    def next_time(self) -> float:
        """When the next probe is due."""
        return math.inf if self._outage is None or self._probing else self._outage.due

    def start(self, job: Job[None], slots: Slots) -> SlotGrant:
        """Let a probe leave."""
        grant = super().start(job, slots)
        if grant.granted and self._outage is not None:
            self._probing = True
            self._outage.probed_at = time.monotonic()
        return grant

    def call(self, item: None) -> methods.Call:  # noqa: ARG002 - there is nothing to choose
        """Ask who is calling."""
        return methods.profile()

    def take_outcomes(self, job: Job[None], outcomes: Sequence[Outcome], reply: Reply) -> None:  # noqa: ARG002
        """Take in what came of a probe: the portal is on trial, or stays out of reach."""
        self._probing = False
        outcome = reply.outcome
        self._pages_in_a_row = self._pages_in_a_row + 1 if outcome.code in PAGES else 0
        if outcome.verdict is Verdict.NOT_KNOWN or outcome.reason is Reason.UNREACHABLE:
            self._postpone(time.monotonic())
        elif self._outage is not None:
            self.ever = self._outage.on_trial = True
            self._lost_in_a_row = 0
