"""How many rows of a campaign are in each state, changed in the same transaction as the rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.journal.model import State
from bulksend.journal.tables import RUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETERS: Final = {state: f"b_{state.value}" for state in State}

COUNT = (
    sa.update(RUNS)
    .where(RUNS.c.id == sa.bindparam("b_run"))
    .values(
        {
            f"count_{state.value}": RUNS.c[f"count_{state.value}"] + sa.bindparam(name)
            for state, name in _PARAMETERS.items()
        }
    )
)

COUNT_MINE = COUNT.where(RUNS.c.holder == sa.bindparam("b_me")).values(seen_at=sa.bindparam("b_now", type_=sa.Float))


def count(connection: sa.Connection, run_id: int, moves: Mapping[tuple[State | None, State], int]) -> None:
    """Bring a campaign's counts up to date."""
    connection.execute(COUNT, counted(run_id, tally(moves)))


def tally(moves: Mapping[tuple[State | None, State], int]) -> Counter[State]:
    """What to add to a campaign's counts."""
    added: Counter[State] = Counter()
    for (before, after), rows in moves.items():
        added[after] += rows
        if before is not None:
            added[before] -= rows
    return added


def counted(run_id: int, added: Counter[State]) -> dict[str, Any]:
    """The same as parameters of the statement that does it."""
    return {"b_run": run_id, **{name: added[state] for state, name in _PARAMETERS.items()}}
