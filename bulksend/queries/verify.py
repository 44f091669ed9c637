"""Which sent messages reached the customer: the portal's yes comes before the message is handed to the channel.

What became of a message stands in its chat's history, and what the customer has read in the chat's dialog. Both are
asked for once a chat, however many rows it has, and written into the journal as they come, so that a look that was
interrupted is continued.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bulksend.journal import Delivery
from bulksend.portal import methods
from bulksend.portal.methods import HandOver
from bulksend.portal.outcomes import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from bulksend.journal import Journal, SentMessage
    from bulksend.portal.methods import Call
    from bulksend.queries.query import QueryRunner

TOGETHER: Final = methods.LONGEST_BATCH
"""Chats that are asked about together: so many histories, then so many dialogs. A request's calls are of one method,
since the portal counts execution time by method."""

CHANGEABLE: Final = frozenset({None, Delivery.SENDING, Delivery.DELIVERED, Delivery.NOT_TOLD})
"""What a later look may find changed."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two looks at messages on their way: from the first to the longest, half as long again each time."""


def verify(
    run_id: int,
    queries: QueryRunner,
    *,
    wait: float = 0.0,
    on_wait: Callable[[int, float], None] = lambda _rows, _seconds: None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[Delivery, int]:
    """Ask what became of every sent message of a campaign, and say how many have each delivery.

    The journal has each delivery as soon as it is known, and no row's status changes. Where an earlier look did not get
    to the end, this one asks for the rest, and again for the messages that were on their way; else for all that may
    have changed.

    Args:
        run_id: the campaign's number in the runner's journal.
        queries: asks the portal.
        wait: seconds for which messages that are on their way are asked for again, after the first look.
        on_wait: called twice a second between two looks, with the messages on their way and the seconds left.
        stopped: whether to ask for no more; what was asked for is still waited for and written down.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        JournalError: the journal cannot be used.
    """
    journal = queries.journal
    unfinished = None in journal.deliveries(run_id)
    _look(run_id, queries, {None, Delivery.SENDING} if unfinished else CHANGEABLE, stopped)
    until, pause = time.monotonic() + wait, FIRST_PAUSE
    while (counts := journal.deliveries(run_id)).get(Delivery.SENDING) and time.monotonic() < until and not stopped():
        again_at = min(until, time.monotonic() + pause)
        while (now := time.monotonic()) < again_at and not stopped():
            on_wait(counts[Delivery.SENDING], until - now)
            time.sleep(min(0.5, again_at - now))
        _look(run_id, queries, {Delivery.SENDING}, stopped, until)
        pause = min(LONGEST_PAUSE, pause * 1.5)
    return {delivery: counts.get(delivery, 0) for delivery in Delivery}


def _look(
    run_id: int,
    queries: QueryRunner,
    which: Collection[Delivery | None],
    stopped: Callable[[], bool],
    until: float | None = None,
) -> None:
    """Ask about the rows with these deliveries, and write down what is found; after ``until`` ask for no more."""
    journal = queries.journal
    asked: deque[list[list[SentMessage]]] = deque()

    def calls() -> Iterator[Call]:
        by_chat = (
            list(rows) for _, rows in itertools.groupby(_messages(journal, run_id, which), attrgetter("chat_id"))
        )
        while not stopped() and (chats := list(itertools.islice(by_chat, TOGETHER))):
            asked.append(chats)
            yield from (methods.history_get(rows[0].chat_id) for rows in chats)
            yield from (methods.dialog_get(rows[0].chat_id) for rows in chats)
            if until is not None and time.monotonic() >= until:
                return

    outcomes = queries.ask(calls(), total=2 * journal.chats_of_sent(run_id, which), stopped=stopped)
    for first in outcomes:
        chats = asked.popleft()
        histories = [first, *itertools.islice(outcomes, len(chats) - 1)]
        dialogs = list(itertools.islice(outcomes, len(chats)))
        if len(dialogs) < len(chats):  # it was stopped: the next look asks for these chats again
            return
        found: dict[int, Delivery] = {}
        for rows, history, dialog in zip(chats, histories, dialogs, strict=True):
            hand_overs, has_read = _hand_overs(history, rows), _has_read(dialog)
            for row in rows:
                if hand_overs is None:  # no answer: what was known holds
                    found[row.n] = row.delivery or Delivery.NOT_TOLD
                else:
                    found[row.n] = delivery_of(row, hand_overs.get(row.message_id), has_read)
        journal.note_deliveries(run_id, found)


def delivery_of(row: SentMessage, hand_over: HandOver | None, customer_has_read: int) -> Delivery:
    """What became of a message.

    Args:
        row: the message, and what was known of it before.
        hand_over: what the history of its chat's last dialog says of it; None where it is not there.
        customer_has_read: the id of the last message that the customer has read.
    """
    read = 0 < row.message_id <= customer_has_read
    if hand_over is HandOver.HIDDEN:
        return Delivery.HIDDEN
    if hand_over is HandOver.SENDING:  # also where the customer has read a later message
        return Delivery.SENDING
    if hand_over is HandOver.TAKEN or row.delivery is Delivery.DELIVERED:
        return Delivery.READ if read else Delivery.DELIVERED
    return Delivery.READ if hand_over is HandOver.NOT_TOLD and read else Delivery.NOT_TOLD


def _messages(journal: Journal, run_id: int, which: Collection[Delivery | None]) -> Iterator[SentMessage]:
    after = (0, -1)
    while rows := journal.sent_messages(run_id, which, after):
        yield from rows
        after = rows[-1].chat_id, rows[-1].n


def _hand_overs(outcome: Outcome, rows: list[SentMessage]) -> Mapping[int, HandOver] | None:
    """What a history says of these messages; None where no answer came that can be read."""
    if outcome.verdict is Verdict.REFUSED:
        return {}
    if outcome.verdict is not Verdict.DONE:
        return None
    wanted = {row.message_id for row in rows}
    try:
        history = methods.read_history(outcome.result)
    except ValueError:
        return None
    return {message.id: message.hand_over for message in history.messages if message.id in wanted}


def _has_read(outcome: Outcome) -> int:
    """The id of the last message that the customer has read; 0 where the portal does not say."""
    if outcome.verdict is not Verdict.DONE:
        return 0
    try:
        return methods.read_dialog(outcome.result).customer_has_read
    except ValueError:
        return 0
