"""Which process may send a campaign."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bulksend.journal.holder import Held, Paused
from bulksend.journal.interruption import put_in_doubt
from bulksend.journal.model import Stage
from bulksend.journal.records import counts_of, living_holder
from bulksend.journal.store import Store
from bulksend.journal.tables import RUNS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Lease(Store):
    """Takes campaigns, keeps them and lets go of them."""

    def acquire(self, run_id: int, settings: Mapping[str, Any], *, unpause: bool = True) -> None:
        """Take the campaign for this journal's user; raise `Held` where another living one has it.

        Rows that a dead process left in `sending` are in doubt from then on. Unless it is to be unpaused by that,
        `Paused` is raised where somebody has paused it.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
            now = self.now()
            other = living_holder(record, now)
            if other is not None and other != self._me:
                raise Held(run_id, other)
            if record.paused and not unpause:
                raise Paused(run_id)
            put_in_doubt(connection, record)
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run_id)
                .values(
                    holder=self._my_name,
                    seen_at=now,
                    stage=Stage.RUNNING.value,
                    reason="",
                    ended_at=None,
                    settings=json.dumps(dict(settings)),
                    paused=None,
                )
            )
            self._database.checkpoint()

    def heartbeat(self, run_id: int) -> bool:
        """Give a sign of life for a held campaign, and return whether somebody has paused it.

        Raises:
            TakenOver: another process has taken it, because this one gave no sign of life for long.
        """
        with self._transaction(gathers=True) as connection:
            self._count_together(run_id, {})
            self._database.check_files()
            self._database.checkpoint()
            return bool(connection.scalar(sa.select(RUNS.c.paused).where(RUNS.c.id == run_id)))

    def pause(self, run_id: int) -> bool:
        """Have whoever sends the campaign stop within `HEARTBEAT_SECONDS`, and nobody take it up but by a decision.

        False where that changes nothing: it is finished, or paused already.
        """
        with self._transaction() as connection:
            unpaused = sa.and_(RUNS.c.id == run_id, RUNS.c.stage != Stage.FINISHED.value, RUNS.c.paused.is_not(True))
            return connection.execute(sa.update(RUNS).where(unpaused).values(paused=True)).rowcount > 0

    def release(self, run_id: int, reason: str) -> None:
        """Let go of a campaign; it is finished where no row of it is open any more.

        Nothing happens where another process has taken it in the meantime.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
            if record.holder != self._my_name:
                return
            left = counts_of(record).left
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run_id)
                .values(
                    holder=None,
                    seen_at=self.now(),
                    reason=reason,
                    ended_at=self.now(),
                    stage=Stage.STOPPED.value if left else Stage.FINISHED.value,
                )
            )
