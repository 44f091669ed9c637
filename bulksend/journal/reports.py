"""What became of a campaign's rows, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bulksend.journal.model import State
from bulksend.journal.records import OUTCOME_COLUMNS, DamagedError, outcomes_of, undamaged
from bulksend.journal.store import Store
from bulksend.journal.tables import OPEN_ROWS, ROWS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend.journal.model import RowOutcome


class Reports(Store):
    """Tells of rows in the sheet's order."""

    def outcomes(self, run_id: int, chunk: int = 5_000) -> Iterator[RowOutcome]:
        """What became of every row of the sheet, in order; they are read in chunks."""
        after = -1
        while True:
            statement = sa.select(*OUTCOME_COLUMNS).where(ROWS.c.run_id == run_id, ROWS.c.n > after)
            with self._reading() as connection:
                records = connection.execute(statement.order_by(ROWS.c.n).limit(chunk)).all()
            if not records:
                return
            try:
                yield from outcomes_of(records)  # outside the transaction: writing them takes its time
            except DamagedError as error:
                raise self._database.explained(error) from None
            after = records[-1].n

    def oldest_doubt(self) -> float | None:
        """When the first of all rows left of which it is not known whether they arrived; None where there is none."""
        doubtful = sa.select(RUNS.c.id).where(RUNS.c.count_in_doubt + RUNS.c.count_sending > 0)
        not_known = ROWS.c.state.in_([State.IN_DOUBT.value, State.SENDING.value])
        mine = sa.and_(ROWS.c.run_id.in_(doubtful), OPEN_ROWS, not_known)
        with self._reading() as connection:
            oldest: float | None = connection.scalar(sa.select(sa.func.min(ROWS.c.left_at)).where(mine))
        return oldest

    def codes(self, run_id: int) -> dict[tuple[State, str], int]:
        """How many rows ended in each state with each error code."""
        statement = (
            sa.select(ROWS.c.state, ROWS.c.error_code, sa.func.count())
            .where(ROWS.c.run_id == run_id, ROWS.c.error_code.is_not(None))
            .group_by(ROWS.c.state, ROWS.c.error_code)
        )
        with self._reading() as connection, undamaged():
            return {(State(state), code): int(rows) for state, code, rows in connection.execute(statement)}
