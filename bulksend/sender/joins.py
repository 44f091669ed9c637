"""Rows whose speaker is not a member of their chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.locale import _
from bulksend.portal import methods
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.sender.repairs import Failure, Repairs

if TYPE_CHECKING:
    from bulksend.journal import Row

_ALREADY_A_MEMBER = "WRONG_REQUEST"


class Joins(Repairs):
    """Lets the speakers of rows join their chats: each speaker each chat once."""

    method = methods.USER_ADD
    code = "CANCELED"

    def key(self, row: Row) -> tuple[object, ...]:
        """Who joins what."""
        return row.chat_id, self._context.run.speaker(row)

    def call_for(self, row: Row) -> methods.Call:
        """Make the speaker a member."""
        return methods.user_add(row.entity_type, row.entity_id, self._context.run.speaker(row), row.chat_id)

    def conclude(self, row: Row, outcome: Outcome) -> None:
        """Send the row once its speaker is a member."""
        if outcome.verdict is Verdict.DONE or outcome.code.upper() == _ALREADY_A_MEMBER:
            self._tried[self.key(row)] = _failure(
                _(
                    "The user who should speak joined this chat, and was refused again: let another user speak, or see "
                    "in the portal why."
                )
            )
            self._context.chats.put_back(row)
            return
        if outcome.verdict is Verdict.NOT_KNOWN:
            why = _(
                "The user who should speak is not a member of this chat, and whether they joined it is not known, "
                "because the portal's answers were lost ({code}): add the user to the chat in the portal, or let "
                "another user speak."
            )
            self.give_up(row, _failure(why.format(code=outcome.code)))
            return
        why = _(
            "The user who should speak is not a member of this chat, and the portal did not let them join it ({code}): "
            "add the user to the chat in the portal, or let another user speak."
        )
        failure = self._tried[self.key(row)] = _failure(why.format(code=outcome.code))
        self.give_up(row, failure)


def _failure(sentence: str) -> Failure:
    return Failure(Joins.code, sentence)
