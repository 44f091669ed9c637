"""Recovers the campaigns of processes that died."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bulksend.errors import JournalError
from bulksend.journal.counting import count
from bulksend.journal.model import Stage, State
from bulksend.journal.records import holder_of
from bulksend.journal.tables import PORTALS, ROWS, RUNS, open_places

if TYPE_CHECKING:
    from bulksend.journal.database import Database
    from bulksend.journal.holder import Holder


def put_in_doubt(connection: sa.Connection, record: Any) -> None:
    """Rows on their way, which nobody waits for any more, are in doubt."""
    _doubt(connection, record.id, State.SENDING, open_places(record.id, State.SENDING))


def stop_dead(connection: sa.Connection, now: float, *, me: Holder | None = None, torn: bool = False) -> None:
    """Stop the campaigns of processes of this machine that are dead, and those of ``me``.

    Where the file is ``torn`` from its write-ahead log, the newest that such a process wrote is lost: any row that it
    may have sent is in doubt, with the newest message of the portal that is known as what its own is newer than.
    """
    for record in connection.execute(sa.select(RUNS).where(RUNS.c.stage == Stage.RUNNING.value)).all():
        holder = holder_of(record)
        if holder is not None and holder != me and (not holder.is_here or holder.alive(0.0, now)):
            continue
        put_in_doubt(connection, record)
        if torn:
            newest = sa.select(PORTALS.c.newest_message_id).where(PORTALS.c.portal == record.portal).scalar_subquery()
            may_have_left = open_places(
                record.id, State.PENDING, up_to=-1 if record.may_leave_to is None else record.may_leave_to
            )
            _doubt(
                connection,
                record.id,
                State.PENDING,
                may_have_left,
                left_at=sa.func.coalesce(ROWS.c.left_at, record.seen_at),
                min_message_id=sa.func.coalesce(ROWS.c.min_message_id, newest),
            )
        connection.execute(
            sa.update(RUNS)
            .where(RUNS.c.id == record.id)
            .values(holder=None, stage=Stage.STOPPED.value, ended_at=record.seen_at)
        )


def stop_and_close(database: Database, me: Holder) -> None:
    """Let go of a database, and of the campaigns that are still held here."""
    with contextlib.suppress(JournalError), database.transaction() as connection:
        if database.files is not None:
            stop_dead(connection, database.now(), me=me)
    database.close()


def _doubt(connection: sa.Connection, run_id: int, before: State, places: sa.Select[tuple[int]], **values: Any) -> None:
    moved = connection.execute(
        sa.update(ROWS)
        .where(ROWS.c.run_id == run_id, ROWS.c.n.in_(places))
        .values(state=State.IN_DOUBT.value, error_code="INTERRUPTED", **values)
    ).rowcount
    count(connection, run_id, {(before, State.IN_DOUBT): moved})
