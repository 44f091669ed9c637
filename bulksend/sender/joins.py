"""Rows whose speaker is not a member of their chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.portal import methods
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.sender.repairs import Repairs

if TYPE_CHECKING:
    from bulksend.journal import Row

_ALREADY_A_MEMBER = "WRONG_REQUEST"


class Joins(Repairs):
    """Lets the speakers of rows join their chats: each speaker each chat once."""

    method = methods.USER_ADD
    code = "CANCELED"

    def key(self, row: Row) -> tuple[int, ...]:
        """Who joins what."""
        return row.chat_id, self._context.run.speaker(row)

    def call_for(self, row: Row) -> methods.Call:
        """Make the speaker a member."""
        return methods.user_add(row.entity_type, row.entity_id, self._context.run.speaker(row), row.chat_id)

    def done(self, outcome: Outcome) -> bool:
        """Whether the speaker is a member now."""
        return outcome.verdict is Verdict.DONE or outcome.code.upper() == _ALREADY_A_MEMBER

    def sentence(self, outcome: Outcome | None) -> str:
        """Why the speaker may not write in the chat, and what to do."""
        if outcome is None:
            why = "was refused again after joining it"
        elif outcome.verdict is Verdict.REFUSED:
            why = f"the portal did not let them join it ({outcome.code})"
        else:
            why = f"whether they joined it is not known, because the portal's answers were lost ({outcome.code})"
        return (
            f"The user who should speak is not a member of this chat, and {why}: add the user to the chat in the "
            "portal, or let another user speak."
        )
