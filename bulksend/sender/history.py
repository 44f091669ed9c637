"""Whether a row in doubt arrived: what the portal's own history of its chat says.

A call whose answer was lost may have been carried out or not. Its message can be recognised in the history of the chat:
same sender, same text as the portal stores it, newer than the attempt, and not the message of another row. "Newer" is
told by the message's id (ids rise over the portal's life, so it lies above every id known before the attempt) and by
its date, which is the portal's clock and so is only compared with that clock.
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
"""Seconds by which a message's date may lie before its attempt: history dates are cut to whole seconds, and the servers
of one portal do not all show the same time. Taking a message for an old one would lead to a second."""

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


def look_for(
    row: Row,
    speaker: int,
    history: History,
    earliest_portal_time: float | None,
    claimed: Callable[[list[int]], set[int]],
) -> Sighting:
    """Look for a row's message in the history of its chat.

    Args:
        row: the row in doubt; its ``min_message_id`` is the highest message id known before its first attempt.
        speaker: the id of the user who sent it.
        history: the last session's messages.
        earliest_portal_time: a time by the portal's clock that surely was not after the first attempt, or None.
        claimed: which of some message ids already belong to a row of any campaign.
    """
    text = stored_text(row.message)
    spoken = [message for message in history.messages if message.sender_id == speaker]
    newer = [message for message in spoken if not _older(message, row.min_message_id, earliest_portal_time)]
    taken = claimed([message.id for message in newer]) if newer else set()
    unclaimed = [message for message in newer if message.id not in taken]
    free = [message for message in unclaimed if message.shows(text)]
    if free:
        if row.min_message_id is None and earliest_portal_time is None:
            return Sighting(Finding.UNCLEAR)  # it may be last month's
        first = min(free, key=lambda message: message.id)
        return Sighting(Finding.ARRIVED, first.id, first.date.timestamp() if first.date else None)
    if any(_alike(message, text) for message in unclaimed):
        return Sighting(Finding.UNCLEAR)
    fallen = [m.id for m in spoken if _fallen(m, row.min_message_id, earliest_portal_time) and m.shows(text)]
    if set(fallen) - (claimed(fallen) if fallen else set()):
        return Sighting(Finding.UNCLEAR)
    # A session that began after the attempt hides the one in which the message may stand. One that has anything older
    # was already there, and so would be the message.
    reaches_back = (row.min_message_id is None and earliest_portal_time is None) or any(
        _older(message, row.min_message_id, earliest_portal_time) for message in history.messages
    )
    return Sighting(Finding.ABSENT if reaches_back or not history.messages else Finding.UNCLEAR)


def _older(message: HistoryMessage, min_message_id: int | None, earliest_portal_time: float | None) -> bool:
    if min_message_id is not None and message.id <= min_message_id:
        return True
    if earliest_portal_time is None or message.date is None:
        return False
    return message.date.timestamp() < math.floor(earliest_portal_time) - DATE_SLACK


def _fallen(message: HistoryMessage, min_message_id: int | None, earliest_portal_time: float | None) -> bool:
    """Whether a message is older by its id and surely newer by its date: the portal was restored from a copy."""
    if min_message_id is None or earliest_portal_time is None or message.date is None:
        return False
    return message.id <= min_message_id and message.date.timestamp() >= math.floor(earliest_portal_time)


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
