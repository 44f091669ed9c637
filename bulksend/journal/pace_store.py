"""What processes that call the same portal share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from bulksend.journal.holder import ABANDONED_SECONDS
from bulksend.journal.store import Store
from bulksend.journal.tables import PORTALS, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulksend.journal.model import SlotGrant

UNDER_WAY = sa.select(sa.func.sum(RUNS.c.count_sending)).where(
    RUNS.c.portal == sa.bindparam("b_portal"),
    RUNS.c.count_sending > 0,
    RUNS.c.seen_at > sa.bindparam("b_alive", type_=sa.Float),
)

PORTAL = (
    sa.select(
        PORTALS.c.pace,
        PORTALS.c.newest_message_id,
        UNDER_WAY.scalar_subquery(),
        sa.select(sa.func.max(RUNS.c.seen_at))
        .where(RUNS.c.id != sa.bindparam("b_run"), RUNS.c.portal == sa.bindparam("b_portal"))
        .scalar_subquery(),
    )
    .where(PORTALS.c.portal == sa.bindparam("b_portal"))
    .with_for_update(of=PORTALS)
)
"""All that letting rows leave needs to know of a portal: this is asked for each call."""

SET_PORTAL = (
    sa.update(PORTALS)
    .where(PORTALS.c.portal == sa.bindparam("b_portal"))
    .values(pace=sa.bindparam("b_pace"), newest_message_id=sa.bindparam("b_newest"))
)
"""Made once: a statement takes longer to make than to carry out, and this one is carried out for each call."""

NOBODY: Final = -1
"""The number of no campaign."""


@dataclass(slots=True)
class PortalRecord:
    """What processes know together of a portal.

    Attributes:
        pace: its pace's shared state.
        newest_message_id: the highest message id that is known.
        under_way: rows of all campaigns that have left and are not answered.
        others_at: when another campaign could have sent something last.
        changed: whether it is still to be written.
    """

    pace: str = ""
    newest_message_id: int | None = None
    under_way: int = 0
    others_at: float = math.inf
    changed: bool = False

    def set_pace(self, pace: str) -> None:
        """Change the pace's shared state."""
        self.changed = self.changed or pace != self.pace
        self.pace = pace

    def see(self, message_id: int) -> None:
        """A message has this id."""
        if self.newest_message_id is None or message_id > self.newest_message_id:
            self.newest_message_id, self.changed = message_id, True


class PaceStore(Store):
    """Keeps the pace of each portal, whatever it is.

    In a transaction a portal's record is read once, which locks it, and written once, at the end.
    """

    def __init__(self, address: str | Path) -> None:
        super().__init__(address)
        self._portals: dict[str, PortalRecord] = {}
        self._database.before_commit(self._write_portals)
        self._database.on_rollback(self._portals.clear)

    def take_slot(self, portal: str, take: Callable[[str, int], SlotGrant]) -> SlotGrant:
        """Take a slot for a call that sends nothing; ``take`` as in `leave`."""
        with self._transaction(gathers=True) as connection:
            known = self._portal(connection, portal)
            grant = take(known.pace, 0)
            known.set_pace(grant.state)
            return grant

    def pace(self, portal: str) -> str:
        """The pace's shared state."""
        with self._transaction(gathers=True) as connection:
            return self._portal(connection, portal).pace

    def update_pace(self, portal: str, update: Callable[[str], str]) -> None:
        """Change the pace's shared state."""
        with self._transaction(gathers=True) as connection:
            known = self._portal(connection, portal)
            known.set_pace(update(known.pace))

    def _portal(self, connection: sa.Connection, portal: str, run_id: int = NOBODY) -> PortalRecord:
        """A portal's record, for a campaign of it."""
        known = self._portals.get(portal)
        if known is None:
            values = {"b_portal": portal, "b_run": run_id, "b_alive": self.now() - ABANDONED_SECONDS}
            record = connection.execute(PORTAL, values).first()
            known = self._portals[portal] = PortalRecord()
            if record is not None:
                pace, newest, under_way, others_at = record
                known = self._portals[portal] = PortalRecord(pace, newest, int(under_way or 0), others_at or 0.0)
        return known

    def _write_portals(self, connection: sa.Connection) -> None:
        while self._portals:
            portal, known = self._portals.popitem()
            values = {"b_portal": portal, "b_pace": known.pace, "b_newest": known.newest_message_id}
            if known.changed and not connection.execute(SET_PORTAL, values).rowcount:
                connection.execute(
                    sa.insert(PORTALS).values(portal=portal, pace=known.pace, newest_message_id=known.newest_message_id)
                )
