"""What other campaigns sent: no text goes to a chat twice because two sheets hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bulksend.journal.holder import HEARTBEAT_SECONDS
from bulksend.journal.model import Repeat, Stage, State
from bulksend.journal.store import Store
from bulksend.journal.tables import (
    HAS_ID,
    HAS_LEFT,
    IN_ONE_STATEMENT,
    NOT_SENT_ROWS_OF_ROWS,
    OPEN_ROWS_OF_ROWS,
    ROWS,
    RUNS,
    by_no_index,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

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


class OtherRuns(Store):
    """Says what other campaigns sent, or may have sent."""

    def sent_elsewhere(
        self, run_id: int, since: float, settled: Collection[tuple[State, str]] = (), *, first: int | None = None
    ) -> list[Repeat]:
        """Pending rows that another campaign has sent to the same chat with the same text after ``since``.

        Rows that are under way, in doubt or unknown there count too: they may have arrived. With ``settled`` it is
        asked of the rows that have one of these states and error codes, rather than of the pending ones; with ``first``
        of so many of them.
        """
        asked = sa.and_(OPEN_ROWS_OF_ROWS, ROWS.c.state == State.PENDING.value)
        if settled:
            each = [sa.and_(ROWS.c.state == state.value, ROWS.c.error_code == code) for state, code in settled]
            asked = sa.and_(NOT_SENT_ROWS_OF_ROWS, sa.or_(*each))
        own = sa.select(ROWS.c.n, ROWS.c.number, ROWS.c.fingerprint).where(ROWS.c.run_id == run_id, asked)
        mine = (own if first is None else own.order_by(ROWS.c.n).limit(first)).subquery("mine")
        with self._reading() as connection:
            others = others_active(run_id, portal_of(connection, run_id), since)
            if connection.execute(others.limit(1)).first() is None:
                return []
            other = ROWS.alias("other")
            statement = (
                sa.select(mine.c.number, sa.func.max(other.c.run_id))
                .join(other, other.c.fingerprint == mine.c.fingerprint)
                .where(*left_since(other, others, since))
                .group_by(mine.c.n, mine.c.number)
                .order_by(mine.c.n)
            )
            return [Repeat(int(number), int(other)) for number, other in connection.execute(statement)]

    def portals_since(self, since: float) -> list[str]:
        """The portals on which a campaign could have sent anything after ``since``."""
        statement = sa.select(RUNS.c.portal).where(RUNS.c.seen_at > since - HEARTBEAT_SECONDS).distinct()
        with self._reading() as connection:
            return list(connection.scalars(statement))

    def busy_since(self, portal: str, since: float) -> bool:
        """Whether any campaign on the portal could have sent anything after ``since``."""
        with self._reading() as connection:
            return connection.execute(others_active(0, portal, since).limit(1)).first() is not None

    def sent_since(
        self, portal: str, fingerprints: Sequence[int], since: float, *, arrived: bool = False
    ) -> dict[int, int]:
        """Which of these texts (and chats) a campaign on the portal has sent after ``since``, and the newest such one.

        Rows that are under way, in doubt or unknown there count too, as in `sent_elsewhere`, unless only those that
        ``arrived`` are wanted.
        """
        found: dict[int, int] = {}
        runs = others_active(0, portal, since)
        with self._reading() as connection:
            for first in range(0, len(fingerprints), IN_ONE_STATEMENT):
                statement = (
                    sa.select(ROWS.c.fingerprint, sa.func.max(ROWS.c.run_id))
                    .where(
                        ROWS.c.fingerprint.in_(fingerprints[first : first + IN_ONE_STATEMENT]),
                        *left_since(ROWS, runs, since),
                        *([ROWS.c.state == State.SENT.value] if arrived else []),
                    )
                    .group_by(ROWS.c.fingerprint)
                )
                found |= {int(text): int(run_id) for text, run_id in connection.execute(statement).all()}
        return found

    def waiting(self, wanted: Collection[int], *, but_for: str) -> dict[int, int]:
        """Which of these texts (and chats) are yet to be sent in a campaign that is not finished, and in which.

        Campaigns on the portal ``but_for`` do not count.
        """
        runs = sa.select(RUNS.c.id).where(RUNS.c.stage != Stage.FINISHED.value, RUNS.c.portal != but_for)
        statement = sa.select(ROWS.c.fingerprint, ROWS.c.run_id).where(
            ROWS.c.run_id.in_(runs), OPEN_ROWS_OF_ROWS, ROWS.c.state == State.PENDING.value
        )
        with self._reading() as connection:
            found = connection.execute(statement, execution_options={"yield_per": 5_000})
            return {int(text): int(run_id) for text, run_id in found if text in wanted}

    def chats_since(self, portal: str, since: float) -> dict[int, int]:
        """The chats to which a campaign on the portal sent anything after ``since``, or may have, and the newest one.

        Chats are few beside all rows of a journal, so they are read at once: no index finds rows by their chat.
        """
        runs = others_active(0, portal, since)
        statement = (
            sa.select(ROWS.c.chat_id, sa.func.max(ROWS.c.run_id))
            .where(ROWS.c.run_id.in_(runs), *left_since(ROWS, runs, since))
            .group_by(ROWS.c.chat_id)
        )
        with self._reading() as connection:
            return {int(chat): int(run_id) for chat, run_id in connection.execute(statement).all()}

    def rivals(self, run_id: int, row: Row, portal: str, since: float) -> bool:
        """Whether a row with the same text to the same chat is under way in another campaign.

        Campaigns that gave no sign of life after ``since`` (Unix seconds) do not count.
        """
        statement = (
            sa.select(ROWS.c.n)
            .where(
                ROWS.c.fingerprint == row.fingerprint,
                HAS_LEFT,
                ROWS.c.state == State.SENDING.value,
                by_no_index(ROWS.c.run_id).in_(others_active(run_id, portal, since)),
            )
            .limit(1)
        )
        with self._transaction() as connection:
            return connection.execute(statement).first() is not None

    def claimed(self, portal: str, message_ids: Iterable[int]) -> set[int]:
        """Which of these message ids already belong to a row of any campaign on this portal."""
        with self._transaction() as connection:
            return claimed_ids(connection, portal, list(message_ids))
