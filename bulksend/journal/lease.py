"""Who may move the rows of a campaign, and what becomes of those that a dead process had under way."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.errors import JournalError, UsageError
from bulksend.journal.model import Stage, State
from bulksend.journal.tables import COUNT, PORTALS, ROWS, RUNS, holder_of, open_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulksend.journal.database import Database
    from bulksend.journal.holder import Holder

HEARTBEAT_SECONDS: Final = 5.0
"""How often a process that holds a campaign gives a sign of life."""


class Held(UsageError):
    """Another process holds the campaign."""

    def __init__(self, run_id: int, holder: Holder) -> None:
        self.run_id = run_id
        super().__init__(
            f"Campaign {run_id} is being sent by process {holder.pid} on {holder.host} since {holder.since_text}; wait "
            "until it ends, or stop it there, then run this again."
        )


class TakenOver(JournalError):
    """A campaign was taken by another process, because its holder gave no sign of life for long."""

    def __init__(self, run_id: int) -> None:
        super().__init__(
            f"Campaign {run_id} was taken over by another process, because this one gave no sign of life for long (a "
            "computer that slept?); nothing more is sent here: `bulksend runs` shows how it goes on."
        )


def count(connection: sa.Connection, run_id: int, moves: Mapping[tuple[State | None, State], int]) -> None:
    """Bring a campaign's counts up to date."""
    connection.execute(COUNT, counted(run_id, moves))


def counted(run_id: int, moves: Mapping[tuple[State | None, State], int]) -> dict[str, Any]:
    """What to add to a campaign's counts, as parameters of the statement that does it."""
    tally: Counter[State] = Counter()
    for (before, after), rows in moves.items():
        tally[after] += rows
        if before is not None:
            tally[before] -= rows
    return {"b_run": run_id, **{f"b_{state.value}": tally[state] for state in State}}


def put_in_doubt(connection: sa.Connection, record: Any, now: float) -> None:
    """Rows on their way, which nobody waits for any more, are in doubt.

    The clock of their doubt starts at the last sign of life of the process that sent them, since it could send until
    then.
    """
    last_sign = min(now, (record.seen_at or now) + HEARTBEAT_SECONDS)
    since = sa.case((ROWS.c.left_at > last_sign, ROWS.c.left_at), else_=last_sign)
    _doubt(connection, record.id, State.SENDING, open_places(record.id, State.SENDING), doubt_since=since)


def stop_dead(database: Database, connection: sa.Connection, *, me: Holder | None = None) -> None:
    """Stop the campaigns of processes of this machine that are dead, and those of ``me``.

    Where the file was opened without its write-ahead log, the newest that such a process wrote is lost: any row that it
    may have sent is in doubt, with the newest message of the portal that is known as what its own is newer than.
    """
    now = database.now()
    for record in connection.execute(sa.select(RUNS).where(RUNS.c.stage == Stage.RUNNING.value)).all():
        holder = holder_of(record)
        if holder is not None and holder != me and (not holder.is_here or holder.alive(0.0, now)):
            continue
        put_in_doubt(connection, record, now)
        if database.files is not None and database.files.torn and holder != me:
            newest = sa.select(PORTALS.c.newest_message_id).where(PORTALS.c.portal == record.portal).scalar_subquery()
            may_have_left = open_places(
                record.id, State.PENDING, up_to=-1 if record.may_leave_to is None else record.may_leave_to
            )
            _doubt(
                connection,
                record.id,
                State.PENDING,
                may_have_left,
                doubt_since=now,
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
            stop_dead(database, connection, me=me)
    database.close()


def _doubt(connection: sa.Connection, run_id: int, before: State, places: sa.Select[tuple[int]], **values: Any) -> None:
    moved = connection.execute(
        sa.update(ROWS)
        .where(ROWS.c.run_id == run_id, ROWS.c.n.in_(places))
        .values(state=State.IN_DOUBT.value, error_code="INTERRUPTED", **values)
    ).rowcount
    count(connection, run_id, {(before, State.IN_DOUBT): moved})
