"""What other campaigns sent: no text goes to a chat twice because two sheets hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bulksend.journal.lease import HEARTBEAT_SECONDS
from bulksend.journal.model import State
from bulksend.journal.tables import HAS_ID, IN_ONE_STATEMENT, ROWS, RUNS, by_no_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.journal.model import Row


def portal_of(connection: sa.Connection, run_id: int) -> str:
    """The portal of a campaign."""
    return str(connection.scalar(sa.select(RUNS.c.portal).where(RUNS.c.id == run_id)))


def others_active(run_id: int, portal: str, since: float) -> sa.Select[tuple[int]]:
    """The other campaigns on the portal that could have sent anything since: rows of older ones need no look."""
    return sa.select(RUNS.c.id).where(
        RUNS.c.id != run_id, RUNS.c.portal == portal, RUNS.c.seen_at > since - HEARTBEAT_SECONDS
    )


def left_since(other: sa.FromClause, others: sa.Select[tuple[int]], since: float) -> tuple[sa.ColumnElement[bool], ...]:
    """What holds of a row of one of the ``others`` that left after ``since`` and may have arrived."""
    under_way = [State.SENDING.value, State.IN_DOUBT.value]
    return (
        other.c.left_at.is_not(None),
        by_no_index(other.c.run_id).in_(others),
        sa.or_(
            sa.and_(other.c.state == State.SENT.value, other.c.sent_at > since),
            other.c.state.in_(under_way),  # whenever their first attempt was
            sa.and_(other.c.state == State.UNKNOWN.value, other.c.left_at > since),
        ),
    )


def rival(connection: sa.Connection, run_id: int, since: float) -> sa.ColumnElement[bool]:
    """What holds of a row whose text another campaign sent to the same chat after ``since``."""
    other = ROWS.alias("other")
    others = others_active(run_id, portal_of(connection, run_id), since)
    return sa.exists(
        sa.select(sa.literal(1)).where(other.c.fingerprint == ROWS.c.fingerprint, *left_since(other, others, since))
    )


def elsewhere(connection: sa.Connection, run_id: int, rows: Sequence[Row], portal: str, since: float) -> frozenset[int]:
    """Which of these rows (their ``n``) another campaign has sent after ``since``, or may have."""
    others = others_active(run_id, portal, since)
    if connection.execute(others.limit(1)).first() is None:
        return frozenset()
    statement = sa.select(ROWS.c.fingerprint).where(
        ROWS.c.fingerprint.in_([row.fingerprint for row in rows]), *left_since(ROWS, others, since)
    )
    found = set(connection.scalars(statement))
    return frozenset(row.n for row in rows if row.fingerprint in found)


def claimed_ids(connection: sa.Connection, portal: str, message_ids: Sequence[int]) -> set[int]:
    """Which of these message ids belong to a row of any campaign on the portal."""
    claimed: set[int] = set()
    for first in range(0, len(message_ids), IN_ONE_STATEMENT):
        statement = sa.select(ROWS.c.message_id).where(
            ROWS.c.message_id.in_(message_ids[first : first + IN_ONE_STATEMENT]),
            HAS_ID,
            by_no_index(ROWS.c.run_id).in_(sa.select(RUNS.c.id).where(RUNS.c.portal == portal)),
        )
        claimed |= {int(found) for found in connection.scalars(statement)}
    return claimed
