"""Whether a row in doubt arrived: what the portal's own history of its chat says.

A call whose answer was lost may have been carried out or not. Its message can be recognised in the history of the chat:
same sender, same text as the portal stores it, newer than the attempt, and not the message of another row. What is
newer is decided by the message's id: ids rise over the portal's life, so it lies above every id that was known before
the attempt. Dates are the portal's clock, which may be set and may differ between its servers: they decide only where
no id was known, and where they contradict the ids nothing is proved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bulksend.portal.methods import stored_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.journal import Row
    from bulksend.portal.methods import History, HistoryMessage

DATE_SLACK: Final = 10.0
"""Seconds by which the date of a row's message may lie before its attempt: dates are cut to whole seconds, and the
servers of one portal do not all show the same time."""

CLEARLY: Final = 60.0
"""Seconds from which on a date before the attempt contradicts an id from after it."""

ALIKE: Final = 0.6
"""From this likeness on (0 to 1) a text may be the row's own as the portal changed it."""


LOOKED_AT: Final = 400
"""Characters of a text that are compared for likeness."""


class Finding(StrEnum):
    """What a history says of a row in doubt."""

    ARRIVED = "arrived"
    ABSENT = "absent"
    """Not there; to be believed only once the portal can no longer be working on the call."""
    UNCLEAR = "unclear"
    """The history does not reach back to the attempt, or old and new cannot be told apart, or there is a message that
    may be the row's with its text changed by the portal."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A finding, with the message where it arrived and its date (Unix seconds, portal's clock)."""

    finding: Finding
    message_id: int | None = None
    date: float | None = None


def look_for(row: Row, speaker: int, history: History, claimed: Callable[[list[int]], set[int]]) -> Sighting:
    """Look for a row's message in the history of its chat.

    Args:
        row: the row in doubt, with the highest message id known before its first attempt and a time by the portal's
            clock that surely was not after it, if they are known.
        speaker: the id of the user who sent it.
        history: the last session's messages.
        claimed: which of some message ids already belong to a row of any campaign.
    """
    text = stored_text(row.message)
    spoken = [message for message in history.messages if message.sender_id == speaker]
    taken = claimed([message.id for message in spoken]) if spoken else set()
    free = [message for message in spoken if message.id not in taken]
    possible = [message for message in free if _newer(message, row) or _contradictory(message, row)]
    own = [message for message in possible if message.shows(text) and not _contradictory(message, row)]
    if own:
        first = min(own, key=lambda message: message.id)
        return Sighting(Finding.ARRIVED, first.id, first.date.timestamp() if first.date else None)
    if any(message.shows(text) or _alike(message, text) for message in possible):
        return Sighting(Finding.UNCLEAR)
    # A session that began after the attempt hides the one in which the message may stand. One that has anything older
    # was already there, and so would be the message.
    reaches_back = any(_older(message, row) and not _contradictory(message, row) for message in history.messages)
    return Sighting(Finding.ABSENT if reaches_back else Finding.UNCLEAR)


def _older(message: HistoryMessage, row: Row) -> bool:
    """Whether a message surely is from before the attempt: a date alone does not prove it."""
    return row.min_message_id is not None and message.id <= row.min_message_id


def _newer(message: HistoryMessage, row: Row) -> bool:
    if row.min_message_id is not None:
        return message.id > row.min_message_id
    if row.earliest_portal_time is None or message.date is None:
        return False
    return message.date.timestamp() >= math.floor(row.earliest_portal_time) - DATE_SLACK


def _contradictory(message: HistoryMessage, row: Row) -> bool:
    """Whether id and date of a message disagree on whether it is from before the attempt.

    Older by its id and newer by its date: the portal may have been restored from a copy. Newer by its id and clearly
    older by its date: no message of the portal was known that was recent enough, or a clock was set.
    """
    if row.min_message_id is None or row.earliest_portal_time is None or message.date is None:
        return False
    after = message.date.timestamp() - math.floor(row.earliest_portal_time)
    return after >= 0 if message.id <= row.min_message_id else after < -CLEARLY


def _alike(message: HistoryMessage, text: str) -> bool:
    """Whether a message may show the text with something added, left out or replaced, such as its emoji."""
    ours = _bare(text)
    return any(
        SequenceMatcher(None, ours, _bare(shown), autojunk=False).ratio() >= ALIKE
        for shown in (message.text, message.legacy)
        if shown
    )


def _bare(text: str) -> str:
    letters = "".join(filter(str.isalnum, text[:LOOKED_AT]))
    return letters.casefold()
