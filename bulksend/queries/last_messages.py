"""The last messages of one chat, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.errors import PortalError
from bulksend.locale import _
from bulksend.portal import methods
from bulksend.portal.outcomes import Verdict
from bulksend.queries.query import say

if TYPE_CHECKING:
    from bulksend.portal.methods import HistoryMessage
    from bulksend.queries.query import QueryRunner


def last_messages(queries: QueryRunner, chat_id: int) -> list[HistoryMessage]:
    """The messages of a chat's last session, oldest first.

    Raises:
        PortalError: the portal does not show them; the sentence says why.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    (outcome,) = queries.ask([methods.history_get(chat_id)], tries=2)
    if outcome.verdict is not Verdict.DONE:
        raise PortalError(say(outcome))
    try:
        return methods.read_history(outcome.result).messages
    except ValueError:
        raise PortalError(_("The portal's answer holds no history that can be read.")) from None
