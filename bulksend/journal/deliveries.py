"""What became of sent messages afterwards: whether they reached the customer, as far as the portal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bulksend.journal.model import Delivery, SentMessage, State
from bulksend.journal.records import undamaged
from bulksend.journal.store import Store
from bulksend.journal.tables import HAS_DELIVERY, ROWS, RUNS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NOTE = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n == sa.bindparam("b_n"),
        ROWS.c.state == State.SENT.value,
    )
    .values(delivery=sa.bindparam("b_delivery"))
)


class Deliveries(Store):
    """Keeps the delivery of sent rows; their state stays what it is."""

    def deliveries(self, run_id: int) -> dict[Delivery | None, int]:
        """How many sent rows of a campaign have each delivery; None where nobody has asked yet."""
        # By the index of rows that have one, which only sent rows do: the others are counted with the campaign.
        statement = (
            sa.select(ROWS.c.delivery, sa.func.count())
            .where(ROWS.c.run_id == run_id, HAS_DELIVERY)
            .group_by(ROWS.c.delivery)
        )
        with self._transaction() as connection, undamaged():
            sent = connection.scalar(sa.select(RUNS.c.count_sent).where(RUNS.c.id == run_id)) or 0
            counts = {_delivery(word): int(rows) for word, rows in connection.execute(statement)}
        if left := sent - sum(counts.values()):
            counts[None] = left
        return counts

    def sent_messages(
        self, run_id: int, deliveries: Collection[Delivery | None], after: tuple[int, int] = (0, -1), limit: int = 5_000
    ) -> list[SentMessage]:
        """Up to ``limit`` sent rows that have one of these deliveries, by chat, behind ``after`` (chat, ``n``)."""
        chat, n = after
        statement = (
            sa.select(ROWS.c.n, ROWS.c.chat_id, ROWS.c.message_id, ROWS.c.delivery)
            .where(
                _having(run_id, deliveries),
                sa.or_(ROWS.c.chat_id > chat, sa.and_(ROWS.c.chat_id == chat, ROWS.c.n > n)),
            )
            .order_by(ROWS.c.chat_id, ROWS.c.n)
            .limit(limit)
        )
        with self._transaction() as connection, undamaged():
            return [
                SentMessage(n, chat_id, message_id or 0, _delivery(word))
                for n, chat_id, message_id, word in connection.execute(statement)
            ]

    def chats_of_sent(self, run_id: int, deliveries: Collection[Delivery | None]) -> int:
        """In how many chats the rows are that `sent_messages` gives."""
        statement = sa.select(sa.func.count(ROWS.c.chat_id.distinct())).where(_having(run_id, deliveries))
        with self._transaction() as connection:
            return int(connection.scalar(statement) or 0)

    def note_deliveries(self, run_id: int, deliveries: Mapping[int, Delivery]) -> None:
        """Write down the delivery of sent rows, given by their ``n``."""
        rows = [{"b_run": run_id, "b_n": n, "b_delivery": delivery.value} for n, delivery in deliveries.items()]
        if rows:
            with self._transaction() as connection:
                connection.execute(NOTE, rows)


def _having(run_id: int, deliveries: Collection[Delivery | None]) -> sa.ColumnElement[bool]:
    words = [delivery.value for delivery in deliveries if delivery is not None]
    one_of = sa.or_(ROWS.c.delivery.in_(words), *([ROWS.c.delivery.is_(None)] if None in deliveries else []))
    return sa.and_(ROWS.c.run_id == run_id, ROWS.c.state == State.SENT.value, one_of)


def _delivery(word: str | None) -> Delivery | None:
    return None if word is None else Delivery(word)
