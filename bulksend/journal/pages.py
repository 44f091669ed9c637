"""A screenful of a campaign's rows at a time, for a person to read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.errors import UsageError
from bulksend.journal.model import Delivery, Row, State
from bulksend.journal.records import ROW_COLUMNS, rows_of, undamaged
from bulksend.journal.store import Store
from bulksend.journal.tables import NOT_SENT_ROWS, OPEN_ROWS, ROWS, RUNS
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class RowRecord(Row):
    """A row with all that can be shown of it; the message is empty where it was erased."""

    message_id: int | None
    error_description: str
    sent_at: float | None
    delivery: Delivery | None


_ALL = sa.select(*ROW_COLUMNS, ROWS.c.message_id, ROWS.c.error_description, ROWS.c.sent_at, ROWS.c.delivery).join_from(
    ROWS, RUNS, RUNS.c.id == ROWS.c.run_id
)


_INDEXED: Final = {
    **dict.fromkeys((State.FAILED, State.UNKNOWN, State.INVALID, State.SKIPPED), NOT_SENT_ROWS),
    **dict.fromkeys((State.PENDING, State.SENDING, State.IN_DOUBT), OPEN_ROWS),
}
"""What an index's rows are, in the words by which the database knows that it may be used."""


class Pages(Store):
    """Shows rows to a person."""

    def page(self, run_id: int, states: Collection[State] = (), *, after: int = -1, limit: int = 50) -> list[RowRecord]:
        """Up to ``limit`` rows in these states (none named: in any), in the sheet's order, behind row ``after``."""
        with self._reading() as connection:
            if not states:
                mine = sa.and_(ROWS.c.run_id == run_id, ROWS.c.n > after)
                return _records(connection.execute(_ALL.where(mine).order_by(ROWS.c.n).limit(limit)).all())
            # State by state, for each has its index, and then only what is shown is read.
            places: list[int] = []
            for state in states:
                some = sa.select(ROWS.c.n).where(ROWS.c.run_id == run_id, ROWS.c.state == state.value, ROWS.c.n > after)
                some = some.where(_INDEXED[state]) if state in _INDEXED else some
                places += connection.scalars(some.order_by(ROWS.c.n).limit(limit))
            mine = sa.and_(ROWS.c.run_id == run_id, ROWS.c.n.in_(sorted(places)[:limit]))
            return _records(connection.execute(_ALL.where(mine).order_by(ROWS.c.n)).all())

    def reasons(self, run_id: int) -> dict[tuple[State, str], int]:
        """How many rows that were settled without being sent have each state and error code."""
        statement = (
            sa.select(ROWS.c.state, ROWS.c.error_code, sa.func.count())
            .where(ROWS.c.run_id == run_id, NOT_SENT_ROWS, ROWS.c.error_code.is_not(None))
            .group_by(ROWS.c.state, ROWS.c.error_code)
        )
        with self._reading() as connection, undamaged():
            return {(State(state), code): int(rows) for state, code, rows in connection.execute(statement)}

    def without_chat(self, run_id: int, state: State, code: str) -> int:
        """How many rows of such a reason name no chat: `reopen` leaves them as they are."""
        mine = sa.and_(ROWS.c.run_id == run_id, NOT_SENT_ROWS, ROWS.c.state == state.value, ROWS.c.error_code == code)
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).where(mine, ROWS.c.chat_id == 0)) or 0

    def row(self, run_id: int, n: int) -> RowRecord:
        """The row at place ``n`` of the sheet (from 0); `UsageError` where there is none."""
        with self._reading() as connection:
            found = _records(connection.execute(_ALL.where(ROWS.c.run_id == run_id, ROWS.c.n == n)).all())
        if not found:
            raise UsageError(_("Campaign {run} has no such row.").format(run=run_id))
        return found[0]


def _records(found: Sequence[Any]) -> list[RowRecord]:
    rows = rows_of(record[:-4] for record in found)
    return [
        RowRecord(
            **{field.name: getattr(row, field.name) for field in fields(Row)},
            message_id=record[-4],
            error_description=record[-3] or "",
            sent_at=record[-2],
            delivery=None if record[-1] is None else Delivery(record[-1]),
        )
        for record, row in zip(found, rows, strict=True)
    ]
