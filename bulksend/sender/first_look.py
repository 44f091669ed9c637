"""The histories that are read before the first message of a process leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulksend.portal import methods
from bulksend.portal.outcomes import Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulksend.portal.outcomes import Outcome

MOST_CHATS: Final = 10
"""Histories that are read, and messages that may be under way while nothing else tells what the newest id is."""

FIRST_ANSWER: Final = 2.0
"""Seconds within which a first message is answered as a rule: the chats of all that leave in this time are read."""

MOST_LOST: Final = 3
"""How often the answer may be lost before messages leave without it, if the portal answers anything else."""


class FirstLook:
    """What a portal's histories show before this process sends anything.

    The highest message id in them, and the portal's clock that comes with any answer, tell messages that leave from
    here from those that stand in the chats already, even if every answer to the first of them is lost.
    """

    def __init__(self) -> None:
        self.done = False
        self.under_way = False
        self._lost = 0

    @property
    def given_up(self) -> bool:
        """Whether its answers were lost so often that the portal may be out of reach altogether."""
        return self._lost >= MOST_LOST

    def heard(self, outcomes: Iterable[Outcome]) -> int | None:
        """Take in the answer for each chat; returns the highest message id, 0 for chats in which nothing stands yet."""
        self.under_way = False
        outcomes = list(outcomes)
        lost = all(outcome.verdict is Verdict.NOT_KNOWN for outcome in outcomes)
        # Messages do not wait for the execution time of histories.
        repeatable = all(
            outcome.verdict is Verdict.NOT_CARRIED_OUT and outcome.reason is not Reason.OPERATING
            for outcome in outcomes
        )
        self._lost += lost
        self.done = self.given_up or not (repeatable or lost)
        return max((newest for outcome in outcomes if (newest := _newest(outcome)) is not None), default=None)


def _newest(outcome: Outcome) -> int | None:
    if outcome.verdict is not Verdict.DONE:
        return None
    try:
        history = methods.read_history(outcome.result)
    except ValueError:
        return None
    return max((message.id for message in history.messages), default=0)
