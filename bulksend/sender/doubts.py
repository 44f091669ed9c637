"""Rows whose answer was lost, and what their chats' histories make of them."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulksend.journal import Change, Journal, Row, Run, State
from bulksend.locale import _
from bulksend.portal import methods
from bulksend.portal.error_help import advice
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.sender.evidence import Finding, Sighting, look_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulksend.sender.clock import PortalClock
    from bulksend.sender.options import Options

MOST_LOST: Final = 8
"""How often a row's answer may be lost in one run, the row surely not arriving, before it is given up. That a program
is killed over and over while the same row leaves is not the row's fault."""

MOST_UNREADABLE: Final = 8
"""How often a history may be unreadable before its row is given up as unknown."""

FIRST_LOOK: Final = 0.2
"""Seconds after a row came into doubt until its history is looked at: mostly the message is there by then."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Seconds between two looks at a history that cannot be read: from the first to the longest, doubling."""

RIVAL_PAUSE: Final = 2.0
"""Seconds until the next look at a message that may be that of a row which another campaign has under way."""

_ONLY_THE_HISTORY: Final = frozenset({"INSUFFICIENT_SCOPE", "ERROR_METHOD_NOT_FOUND"})
"""Refusals that say that histories may not be read, not that nothing may be sent."""


@dataclass(slots=True)
class Doubt:
    """A row in doubt and when its chat's history is looked at next.

    ``settled_at`` is when the portal can no longer be carrying it out and ``looked_at`` when the look under way began.
    All three are times of the steady clock: setting the computer's clock must make no wait shorter or longer.
    """

    row: Row
    due: float
    settled_at: float
    looked_at: float = 0.0
    looks: int = 0
    unreadable: int = 0


class Doubts:
    """The rows in doubt of a campaign, each until its fate is settled.

    Times are those of the steady clock: setting the computer's clock must not make a wait shorter or longer. That
    clock says nothing of what was before this process, so a wait begins when the process takes a row in.
    """

    def __init__(self, journal: Journal, run: Run, options: Options, clock: PortalClock) -> None:
        self._journal, self._run, self._options, self._clock = journal, run, options, clock
        self._open: dict[int, Doubt] = {}
        self._settled: dict[int, Doubt] = {}  # settled in this step, which may yet fail to be written
        self._claims: set[int] = set()
        self._lost: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, row: Row) -> None:
        """Take in a row whose answer has just been lost, or that another process left behind."""
        now = time.monotonic()
        self._open[row.n] = Doubt(replace(row, state=State.IN_DOUBT), now + FIRST_LOOK, now + self._options.settle)

    def due(self, now: float) -> list[Doubt]:
        """The rows whose histories are to be looked at now, as many as go into one request."""
        due = [doubt for doubt in self._open.values() if doubt.due <= now]
        # One that could not be read is looked at alone: what breaks its answer is not to hide the others.
        together = [doubt for doubt in due if not doubt.unreadable]
        return together[: methods.LONGEST_BATCH] or due[:1]

    def next_time(self) -> float:
        """When the next look is due; infinite where none is."""
        return min((doubt.due for doubt in self._open.values()), default=math.inf)

    def settled_by(self) -> float:
        """When the portal can be carrying out none of them any more, or a history that was unreadable is read again."""
        next_look = self.next_time()
        settled = max((doubt.settled_at for doubt in self._open.values()), default=0.0)
        return max(settled, next_look if math.isfinite(next_look) else 0.0)

    @staticmethod
    def looking(doubts: Iterable[Doubt]) -> None:
        """A look at the histories of rows is leaving."""
        for doubt in doubts:
            doubt.due = math.inf
            doubt.looked_at = time.monotonic()

    @staticmethod
    def hindered(doubt: Doubt) -> None:
        """A look was not carried out, for a reason that is not the history's."""
        doubt.due = time.monotonic() + FIRST_PAUSE

    def conclude(self, doubt: Doubt, outcome: Outcome, *, reachable: bool) -> Change | None:
        """What the answer to a look makes of a row; None: it is looked for again later.

        Args:
            doubt: the row.
            outcome: the answer, which is not one that `hinders`.
            reachable: whether the portal can be reached: an outage says nothing of a history.
        """
        if outcome.verdict is Verdict.DONE:
            try:
                history = methods.read_history(outcome.result)
            except ValueError:
                change = self._unreadable(doubt, outcome, reachable=reachable)
            else:
                if history.chat_id in {None, doubt.row.chat_id}:
                    change = self._believe(doubt, self._look(doubt.row, history))
                else:  # a batch whose answers are mixed up: another chat's history proves nothing
                    change = self._unreadable(doubt, outcome, reachable=reachable)
        elif outcome.verdict is Verdict.NOT_KNOWN:
            change = self._unreadable(doubt, outcome, reachable=reachable)
        else:
            change = _give_up(doubt, outcome)
        if change is not None:
            self._settled[doubt.row.n] = self._open.pop(doubt.row.n)
        return change

    def claim_conflicts(self, n: int) -> Row:
        """A row is in doubt again: the message that was found for it has become another row's in the meantime."""
        doubt = self._open[n] = self._settled.pop(n)
        doubt.due = time.monotonic() + FIRST_PAUSE
        return doubt.row

    def written(self) -> None:
        """What was concluded is durably in the journal by now."""
        self._settled.clear()

    def _look(self, row: Row, history: methods.History) -> Sighting:
        return look_for(row, row.user_id or self._run.user_id, history, self._claimed)

    def _claimed(self, message_ids: list[int]) -> set[int]:
        return self._journal.claimed(self._run.portal, message_ids) | (self._claims & set(message_ids))

    def _unreadable(self, doubt: Doubt, outcome: Outcome, *, reachable: bool) -> Change | None:
        doubt.unreadable += 1
        if doubt.unreadable >= MOST_UNREADABLE and time.monotonic() >= doubt.settled_at and reachable:
            return _give_up(doubt, outcome)
        doubt.due = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2**doubt.unreadable)
        return None

    def _believe(self, doubt: Doubt, sighting: Sighting) -> Change | None:
        row = doubt.row
        now = time.monotonic()
        if sighting.finding is Finding.ARRIVED:
            if self._journal.rivals(
                self._run.id, row, self._run.portal, self._journal.now() - self._options.timeout - 5
            ):
                doubt.due = now + RIVAL_PAUSE  # it may be that row's message: its own answer tells
                return None
            self._claims.add(sighting.message_id or 0)
            sent_at = self._clock.here(sighting.date) or row.left_at
            return Change(row.n, State.IN_DOUBT, State.SENT, message_id=sighting.message_id, sent_at=sent_at)
        if doubt.looked_at < doubt.settled_at:  # the portal may still be at it
            doubt.looks += 1
            left = max(0.0, doubt.settled_at - now)
            early = self._options.settle / 3
            doubt.due = now + (early if doubt.looks == 1 and early < left else left + 0.05)
            return None
        code = row.error_code or "ANSWER_LOST"
        if sighting.finding is Finding.UNCLEAR:
            return Change(row.n, State.IN_DOUBT, State.UNKNOWN, code, advice("UNKNOWN"))
        self._lost[row.n] += 1
        if self._lost[row.n] >= MOST_LOST:
            return Change(row.n, State.IN_DOUBT, State.FAILED, code, advice("LOST_TOO_OFTEN"), lost=True)
        return Change(row.n, State.IN_DOUBT, State.PENDING, lost=True)


def hinders(outcome: Outcome) -> bool:
    """Whether what came of a look at a history is about all calls, rather than about this history or all of them."""
    if outcome.verdict is Verdict.CAMPAIGN_REFUSED:
        return outcome.code.upper() not in _ONLY_THE_HISTORY
    return outcome.verdict is Verdict.NOT_CARRIED_OUT


def _give_up(doubt: Doubt, outcome: Outcome) -> Change:
    code = doubt.row.error_code or "ANSWER_LOST"
    said = [advice("UNKNOWN")]
    if outcome.code:
        said.append(_("The portal's history could not be read ({code}).").format(code=outcome.code))
    return Change(doubt.row.n, State.IN_DOUBT, State.UNKNOWN, code, " ".join(said))
