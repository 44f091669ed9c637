"""What processes that call the same portal share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.journal.holder import ABANDONED_SECONDS, HEARTBEAT_SECONDS
from bulksend.journal.store import Store
from bulksend.journal.tables import PORTALS, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.journal.model import SlotGrant

PORTAL = sa.select(PORTALS).where(PORTALS.c.portal == sa.bindparam("b_portal")).with_for_update()

SET_PORTAL: Final[dict[tuple[str, ...], sa.Update]] = {
    names: sa.update(PORTALS)
    .where(PORTALS.c.portal == sa.bindparam("b_portal"))
    .values({name: sa.bindparam(f"b_{name}") for name in names})
    for names in (("pace",), ("pace", "newest_message_id"))
}
"""Made once: a statement takes longer to make than to carry out, and this one is carried out for each call."""

UNDER_WAY = sa.select(sa.func.sum(RUNS.c.count_sending)).where(
    RUNS.c.portal == sa.bindparam("b_portal"),
    RUNS.c.count_sending > 0,
    RUNS.c.seen_at > sa.bindparam("b_alive", type_=sa.Float),
)


DEPARTING = (
    sa.select(
        PORTALS.c.pace,
        PORTALS.c.newest_message_id,
        UNDER_WAY.scalar_subquery(),
        sa.exists(
            sa.select(RUNS.c.id).where(
                RUNS.c.id != sa.bindparam("b_run"),
                RUNS.c.portal == sa.bindparam("b_portal"),
                RUNS.c.seen_at > sa.bindparam("b_since", type_=sa.Float) - HEARTBEAT_SECONDS,
            )
        ),
    )
    .where(PORTALS.c.portal == sa.bindparam("b_portal"))
    .with_for_update(of=PORTALS)
)
"""All that letting rows leave needs to know of a portal: this is asked for each call."""


@dataclass(frozen=True, slots=True)
class PortalRecord:
    """What processes know together of a portal.

    Attributes:
        pace: its pace's shared state.
        newest_message_id: the highest message id that is known.
        under_way: rows of all campaigns that have left and are not answered.
        others: whether another campaign could have sent anything lately.
    """

    pace: str = ""
    newest_message_id: int | None = None
    under_way: int = 0
    others: bool = True


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
        known = {f"b_{name}": value for name, value in values.items()}
        if not connection.execute(SET_PORTAL[tuple(values)], {"b_portal": portal, **known}).rowcount:
            connection.execute(sa.insert(PORTALS).values(portal=portal, **values))

    def _departing(self, connection: sa.Connection, portal: str, run_id: int, since: float) -> PortalRecord:
        values = {"b_portal": portal, "b_run": run_id, "b_since": since, "b_alive": self.now() - ABANDONED_SECONDS}
        record = connection.execute(DEPARTING, values).first()
        if record is None:
            return PortalRecord()
        pace, newest, under_way, others = record
        return PortalRecord(pace, newest, int(under_way or 0), bool(others))
