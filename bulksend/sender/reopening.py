"""Rows whose chat has no active dialog: it is started again, if the chat is one of the entity's.

A row takes three steps, each a source of its own: the portal lists the entity's chats, starts the chat's dialog, and
shows its history. The history is what makes an answer to the message that may be lost afterwards no riddle. A new
dialog hides what was in the chat before, so whether a message is absent from it can be told only by something that
surely was there before the message left: the first entry that the portal itself makes in a new dialog, whose id is
known to be older by then. That is why no message leaves in the request that starts its dialog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulksend.locale import N_, _
from bulksend.portal import methods
from bulksend.portal.codes import ACCESS_DENIED, CHAT_NOT_IN_CRM
from bulksend.portal.error_help import advice
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.sender.doubts import hinders
from bulksend.sender.first_look import newest_id
from bulksend.sender.repairs import Failure, Repairs

if TYPE_CHECKING:
    from bulksend.journal import Row
    from bulksend.sender.context import Context

PAUSE: Final = 1.5
"""Seconds after a start until its history is read. Dates are whole seconds: a message has to leave in a later one than
that in which its dialog began, so that nobody can take the two for each other."""

MOST_LOST: Final = 8
"""How often the answer to a question or to a start may be lost: as often as that to a message."""

_OTHERS_CHAT: Final = N_(
    "The chat does not belong to this lead, deal, contact or company: it belongs to another "
    "one, or its channel is switched off. Check both numbers, and the channel in the portal."
)
_NOT_LISTED: Final = N_(
    "The dialog of this chat is not active, and it was not started again, because the portal "
    "did not list the chats of the lead, deal, contact or company ({code}). Send the row "
    "again."
)
_OPEN: Final = N_(
    "The chat is the right one, but its dialog is open without being active: nobody has "
    "taken it yet, or it waits for the customer. Take it or answer in it in the portal, then "
    "send the row again."
)
_NO_ACCESS: Final = N_(
    "The dialog of this chat is finished, and the user of the webhook or application may not "
    "start it again. Give them access to its open channel in the portal, or start the dialog "
    "there."
)
_LOST: Final = N_(
    "The dialog of this chat is not active, and whether it was started again is not known, "
    "because the portal's answers were lost ({code}). Send the row again."
)


class OwnChats(Repairs):
    """Rows whose chat has no active dialog, until the portal says whether it is one of the entity's chats."""

    method = methods.CHAT_GET
    code = CHAT_NOT_IN_CRM
    most_lost = MOST_LOST

    def __init__(self, context: Context, starts: Starts) -> None:
        super().__init__(context)
        self._starts = starts
        self._absent: set[tuple[object, ...]] = set()  # asked for once more: a batch may give all the first one's chats

    def key(self, row: Row) -> tuple[object, ...]:
        """The chat of an entity."""
        return row.entity_type, row.entity_id, row.chat_id

    def most(self) -> int:
        """As many as a batch holds: nothing is changed by them."""
        return methods.LONGEST_BATCH

    def call_for(self, row: Row) -> methods.Call:
        """List all chats of the entity."""
        return methods.chat_get(row.entity_type, row.entity_id, active_only=False)

    def conclude(self, row: Row, outcome: Outcome) -> None:
        """Start the chat's dialog, unless it is another entity's or its dialog was started before."""
        if outcome.verdict is not Verdict.DONE:
            if outcome.verdict is Verdict.REFUSED:
                failure = Failure(outcome.code, advice(outcome.code, outcome.description))
            else:
                failure = Failure(self.code, _(_NOT_LISTED).format(code=outcome.code))
            self.give_up(row, failure)
            return
        try:
            listed = any(chat.id == row.chat_id for chat in methods.read_chats(outcome.result))
        except ValueError:
            self.give_up(row, Failure(self.code, _(_NOT_LISTED).format(code="?")))
            return
        key = self.key(row)
        if not listed and key not in self._absent:
            self._absent.add(key)
            self.add(row)
            return
        if not listed:
            self._tried[key] = Failure(CHAT_NOT_IN_CRM, _(_OTHERS_CHAT))
        refused = self._starts.add(row) if listed else self._tried[key]
        if refused:
            self.give_up(row, refused)


class Starts(Repairs):
    """Rows whose chat's dialog is to be started: each once."""

    method = methods.SESSION_START
    most_lost = MOST_LOST

    def __init__(self, context: Context, first_entries: FirstEntries) -> None:
        super().__init__(context)
        self._first_entries = first_entries

    def key(self, row: Row) -> tuple[object, ...]:
        """The chat, whichever entity's row it is."""
        return (row.chat_id,)

    def call_for(self, row: Row) -> methods.Call:
        """Start the dialog, or join the one that is open."""
        return methods.session_start(row.chat_id)

    def conclude(self, row: Row, outcome: Outcome) -> None:
        """Send the row, even where all answers were lost: the portal says whether the dialog is active."""
        key = self.key(row)
        if outcome.verdict is Verdict.DONE:
            self._tried[key] = Failure(CHAT_NOT_IN_CRM, _(_OPEN))
        elif outcome.verdict is Verdict.NOT_KNOWN:
            self._lost[key] = Failure(CHAT_NOT_IN_CRM, _(_LOST).format(code=outcome.code))
        else:
            denied = outcome.code.upper() == ACCESS_DENIED
            sentence = _(_NO_ACCESS) if denied else advice(outcome.code, outcome.description)
            self._tried[key] = Failure(outcome.code, sentence)
            self.give_up(row, self._tried[key])
            return
        self._first_entries.add(row, PAUSE)


class FirstEntries(Repairs):
    """Rows whose chat's dialog was started, until the id of what it begins with is known."""

    method = methods.HISTORY_GET

    def key(self, row: Row) -> tuple[object, ...]:
        """The chat."""
        return (row.chat_id,)

    def most(self) -> int:
        """As many as a batch holds: nothing is changed by them."""
        return methods.LONGEST_BATCH

    def call_for(self, row: Row) -> methods.Call:
        """Read the history."""
        return methods.history_get(row.chat_id)

    def stops_all(self, outcome: Outcome) -> bool:
        """Not where it is only histories that may not be read."""
        return hinders(outcome)

    def conclude(self, row: Row, outcome: Outcome) -> None:
        """Send the row, whether the history could be read or not."""
        newest = newest_id(outcome)
        if newest is not None:
            self._context.changes.saw(newest)
        self._context.chats.put_back(row)


def reopening(context: Context) -> tuple[OwnChats, Starts, FirstEntries]:
    """The steps; the first takes refused rows in."""
    first_entries = FirstEntries(context)
    starts = Starts(context, first_entries)
    return OwnChats(context, starts), starts, first_entries
