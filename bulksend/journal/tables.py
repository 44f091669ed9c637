"""The journal's tables, and conditions on their rows that the indices are made for."""

from __future__ import annotations

from typing import Final, TypeVar

import sqlalchemy as sa

from bulksend.journal.model import State

SCHEMA: Final = 9
"""Raised whenever the tables change shape, with a step in `bulksend.journal.migrations`."""

IN_ONE_STATEMENT: Final = 500
"""Row numbers in one statement: databases take only so many."""

T = TypeVar("T")

metadata = sa.MetaData()


META = sa.Table("journal", metadata, sa.Column("schema", sa.Integer, nullable=False))

RUNS = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("sheet", sa.Text, nullable=False),
    sa.Column("headings", sa.Text, nullable=False),
    sa.Column("message_column", sa.Integer),
    sa.Column("portal", sa.String(255), nullable=False),
    sa.Column("portal_name", sa.Text, nullable=False),
    sa.Column("portal_address", sa.Text, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("again", sa.Boolean, nullable=False),
    sa.Column("results_path", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    *(sa.Column(f"count_{state.value}", sa.Integer, nullable=False, default=0) for state in State),
    sa.Column("holder", sa.Text),
    sa.Column("seen_at", sa.Float),
    sa.Column("may_leave_to", sa.Integer),  # the last row (its n) that may have left by what the file's main part says
    sa.Column("paused", sa.Boolean),  # whether somebody wants whoever sends it to stop
    sa.Index("runs_by_content", "portal", "content"),
)

OPEN_ROWS: Final = sa.text("state IN ('pending', 'sending', 'in_doubt')")

NOT_SENT_ROWS: Final = sa.text("state IN ('failed', 'unknown', 'invalid', 'skipped')")
NOT_SENT_ROWS_OF_ROWS: Final = sa.text("rows.state IN ('failed', 'unknown', 'invalid', 'skipped')")
OPEN_ROWS_OF_ROWS: Final = sa.text("rows.state IN ('pending', 'sending', 'in_doubt')")

HAS_LEFT: Final = sa.text("left_at IS NOT NULL")

HAS_ID: Final = sa.text("message_id IS NOT NULL")

HAS_DELIVERY: Final = sa.text("delivery IS NOT NULL")

ROWS = sa.Table(
    "rows",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("cells", sa.Text, nullable=False),
    sa.Column("entity_type", sa.String(8), nullable=False),
    sa.Column("entity_id", sa.BigInteger, nullable=False),
    sa.Column("chat_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("message", sa.Text),  # NULL: it is the cell in the campaign's message column
    sa.Column("fingerprint", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("lost", sa.Integer, nullable=False, default=0),
    sa.Column("left_at", sa.Float),
    sa.Column("earliest_portal_time", sa.Float),
    sa.Column("min_message_id", sa.BigInteger),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("sent_at", sa.Float),
    sa.Column("error_code", sa.Text),
    sa.Column("error_description", sa.Text),
    sa.Column("delivery", sa.String(9)),  # NULL: nobody has asked
    sa.Column("timezone", sa.Text),  # NULL: the campaign's
    sa.Index("rows_open", "run_id", "state", "n", "timezone", sqlite_where=OPEN_ROWS, postgresql_where=OPEN_ROWS),
    sa.Index("rows_not_sent", "run_id", "state", "n", sqlite_where=NOT_SENT_ROWS, postgresql_where=NOT_SENT_ROWS),
    sa.Index(
        "rows_by_code", "run_id", "state", "error_code", sqlite_where=NOT_SENT_ROWS, postgresql_where=NOT_SENT_ROWS
    ),
    sa.Index("rows_by_delivery", "run_id", "delivery", sqlite_where=HAS_DELIVERY, postgresql_where=HAS_DELIVERY),
    sa.Index("rows_that_left", "fingerprint", sqlite_where=HAS_LEFT, postgresql_where=HAS_LEFT),
    sa.Index("rows_with_id", "message_id", sqlite_where=HAS_ID, postgresql_where=HAS_ID),
    sqlite_with_rowid=False,
)

PORTALS = sa.Table(
    "portals",
    metadata,
    sa.Column("portal", sa.String(255), primary_key=True),
    sa.Column("pace", sa.Text, nullable=False, default=""),
    sa.Column("newest_message_id", sa.BigInteger),
)

USERS = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", sa.Text, nullable=False),  # its hash
    sa.Column("created_at", sa.Float, nullable=False),
)

SESSIONS = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # the hash of what the browser has
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Index("sessions_of_user", "name"),
)

SIGN_IN_FAILURES = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("origin", sa.String(128), primary_key=True),  # a user's name, or an address of the network
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
)

AUDIT = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("run_id", sa.Integer),  # NULL: it is about no campaign
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("audit_of_run", "run_id", "id"),
)


def open_places(
    run_id: int, state: State, after: int = -1, up_to: int | None = None, timezone: str | None = None
) -> sa.Select[tuple[int]]:
    """The places (``n``) of a campaign's rows in an open state, in order, behind ``after`` and not behind ``up_to``.

    With ``timezone`` only those of rows in that zone; "" are rows without one of their own. The index
    alone tells them, however many other rows there are.
    """
    open_row = ROWS.alias("open_row")
    mine = (open_row.c.run_id == run_id, OPEN_ROWS, open_row.c.state == state.value, open_row.c.n > after)
    places = sa.select(open_row.c.n).where(*mine).order_by(open_row.c.n)
    if timezone is not None:
        places = places.where(open_row.c.timezone == timezone if timezone else open_row.c.timezone.is_(None))
    return places if up_to is None else places.where(open_row.c.n <= up_to)


def by_no_index(column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
    """The column in a form that no index is used for.

    SQLite would otherwise walk over all rows of each campaign named rather than look up a few texts or ids in theirs,
    and a server that has not counted a new campaign's rows yet over all that are open rather than look up some by their
    places.
    """
    return column + ("" if isinstance(column.type, sa.String) else 0)
