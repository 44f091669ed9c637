"""Rows whose speaker is not a member of their chat, until the speaker has joined it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulksend.journal import Change, Row, State
from bulksend.portal.outcomes import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LOST: Final = 4
"""How often the answer to a join may be lost before its row is given up. Joining twice does no harm."""

FIRST_PAUSE: Final = 0.5
"""Seconds until a join whose answer was lost is asked for again, doubling each time."""

NOT_A_MEMBER: Final = "CANCELED"
"""The portal's refusal of a message whose speaker is not in the chat."""

ALREADY_A_MEMBER: Final = "WRONG_REQUEST"


@dataclass(slots=True)
class Join:
    """A row that was refused, and when its speaker is to join its chat (steady clock)."""

    row: Row
    due: float
    lost: int = 0


class Joins:
    """The joins of a campaign: each speaker joins each chat once, in batches as large as those of messages."""

    def __init__(self, user_id: int) -> None:
        self._user_id = user_id
        self._open: list[Join] = []
        self._tried: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, row: Row) -> bool:
        """Take in a row that was refused with `NOT_A_MEMBER`; False where its speaker has joined the chat already."""
        key = (row.chat_id, row.user_id or self._user_id)
        if key in self._tried:
            return False
        self._tried.add(key)
        self._open.append(Join(row, time.monotonic()))
        return True

    def due(self, now: float, most: int) -> list[Join]:
        """The joins that may be asked for now, in one request."""
        return [join for join in self._open if join.due <= now][:most]

    def next_time(self) -> float:
        """When the next join is due; infinite where none is."""
        return min((join.due for join in self._open), default=math.inf)

    @staticmethod
    def leaving(joins: Iterable[Join]) -> None:
        """Joins are being asked for."""
        for join in joins:
            join.due = math.inf

    @staticmethod
    def hindered(join: Join) -> None:
        """A join was not carried out, for a reason that is not its own."""
        join.due = time.monotonic()

    def conclude(self, join: Join, outcome: Outcome) -> Change | bool:
        """What the answer to a join makes of its row.

        Returns:
            True: the row may be sent; False: the join is asked for again later; a change: the row has failed.
        """
        if outcome.verdict is Verdict.NOT_KNOWN:
            join.lost += 1
            if join.lost < MOST_LOST:
                join.due = time.monotonic() + FIRST_PAUSE * 2 ** (join.lost - 1)
                return False
        self._open.remove(join)
        if outcome.verdict is Verdict.DONE or outcome.code.upper() == ALREADY_A_MEMBER:
            return True
        said = (
            f"the portal did not let them join it ({outcome.code})"
            if outcome.verdict is Verdict.REFUSED
            else f"whether they joined it is not known, because the portal's answers were lost ({outcome.code})"
        )
        return Change(join.row.n, State.PENDING, State.FAILED, NOT_A_MEMBER, not_let_in(said))


def not_let_in(why: str) -> str:
    """The sentence on a row whose speaker could not be let into its chat."""
    return (
        f"The user who should speak is not a member of this chat, and {why}: add the user to the chat in the portal, "
        "or name another user in the sheet or with --user-id."
    )
