"""What processes that call the same portal share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bulksend.journal.holder import ABANDONED_SECONDS
from bulksend.journal.store import Store
from bulksend.journal.tables import PORTALS, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.journal.model import SlotGrant

PORTAL = sa.select(PORTALS).where(PORTALS.c.portal == sa.bindparam("b_portal")).with_for_update()

UNDER_WAY = sa.select(sa.func.sum(RUNS.c.count_sending)).where(
    RUNS.c.portal == sa.bindparam("b_portal"),
    RUNS.c.count_sending > 0,
    RUNS.c.seen_at > sa.bindparam("b_alive", type_=sa.Float),
)


class PaceStore(Store):
    """Keeps the pace of each portal, whatever it is."""

    def take_slot(self, portal: str, take: Callable[[str, int], SlotGrant]) -> SlotGrant:
        """Take a slot for a call that sends nothing; ``take`` as in `leave`."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            grant = take(pace, 0)
            if grant.state != pace:
                self._set_portal(connection, portal, pace=grant.state)
            return grant

    def pace(self, portal: str) -> str:
        """The pace's shared state."""
        with self._transaction() as connection:
            return self._portal(connection, portal)[0]

    def update_pace(self, portal: str, update: Callable[[str], str]) -> None:
        """Change the pace's shared state."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            self._set_portal(connection, portal, pace=update(pace))

    @staticmethod
    def _portal(connection: sa.Connection, portal: str) -> tuple[str, int | None]:
        record = connection.execute(PORTAL, {"b_portal": portal}).first()
        return ("", None) if record is None else (record.pace, record.newest_message_id)

    @staticmethod
    def _set_portal(connection: sa.Connection, portal: str, **values: Any) -> None:
        changed = connection.execute(sa.update(PORTALS).where(PORTALS.c.portal == portal).values(**values)).rowcount
        if not changed:
            connection.execute(sa.insert(PORTALS).values(portal=portal, **values))

    def _under_way(self, connection: sa.Connection, portal: str) -> int:
        alive = self.now() - ABANDONED_SECONDS
        return int(connection.scalar(UNDER_WAY, {"b_portal": portal, "b_alive": alive}) or 0)
