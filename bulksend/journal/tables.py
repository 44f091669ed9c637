"""The journal's tables, and the statements that are run for every call."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.journal.holder import Holder
from bulksend.journal.model import Counts, Row, RowOutcome, Run, Stage, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA: Final = 3
"""Raised whenever the tables change shape, with a step in `bulksend.journal.migrations`."""

IN_ONE_STATEMENT: Final = 500
"""Row numbers in one statement: databases take only so many."""

MARK: Final = "\uffff"
"""What begins a message that is kept as JSON: PostgreSQL holds no text with NUL in it."""


class DamagedError(Exception):
    """What the journal holds is not what was written there."""


@contextlib.contextmanager
def undamaged() -> Iterator[None]:
    """Read what the journal holds; raise `DamagedError` where it makes no sense."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedError from error


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
    sa.Index("runs_by_content", "portal", "content"),
)

OPEN_ROWS: Final = sa.text("state IN ('pending', 'sending', 'in_doubt')")
OPEN_ROWS_OF_ROWS: Final = sa.text("rows.state IN ('pending', 'sending', 'in_doubt')")
HAS_LEFT: Final = sa.text("left_at IS NOT NULL")
HAS_ID: Final = sa.text("message_id IS NOT NULL")

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
    sa.Column("doubt_since", sa.Float),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("sent_at", sa.Float),
    sa.Column("error_code", sa.Text),
    sa.Column("error_description", sa.Text),
    sa.Index("rows_open", "run_id", "state", "n", sqlite_where=OPEN_ROWS, postgresql_where=OPEN_ROWS),
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

NEW_COLUMNS: Final = (
    "run_id",
    "n",
    "number",
    "state",
    "cells",
    "entity_type",
    "entity_id",
    "chat_id",
    "user_id",
    "message",
    "fingerprint",
    "attempts",
    "lost",
    "error_code",
    "error_description",
)
NEW_ROW = sa.insert(ROWS)
NEW_ROW_OF_SQLITE: Final = f"INSERT INTO rows ({', '.join(NEW_COLUMNS)}) VALUES ({', '.join('?' * len(NEW_COLUMNS))})"  # noqa: S608 - names
ROW_COLUMNS: Final = (*(ROWS.c[field.name] for field in fields(Row)), ROWS.c.cells, RUNS.c.message_column)
"""What a `Row` is made from: its own fields in their order, and where its message is if it is not given by itself."""
OUTCOME_COLUMNS: Final = tuple(ROWS.c[name] for name in RowOutcome._fields)
_cells: Final = json.JSONDecoder().decode
_STATE, _MESSAGE, _CODE = (
    [field.name for field in fields(Row)].index(name) for name in ("state", "message", "error_code")
)

APPLY_SENT = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n == sa.bindparam("b_n"),
        ROWS.c.state == State.SENDING.value,
    )
    .values(
        state=State.SENT.value,
        error_code=None,
        error_description=None,
        message_id=sa.bindparam("b_message_id"),
        sent_at=sa.bindparam("b_sent_at"),
        doubt_since=None,
    )
)
"""What becomes of nearly every row; `APPLY` does the same and anything else, with three times the parameters."""

LEAVE = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n.in_(sa.bindparam("b_leaving", expanding=True)),
        ROWS.c.state == State.PENDING.value,
    )
    .values(
        state=State.SENDING.value,
        attempts=ROWS.c.attempts + 1,
        # What marks the first attempt stays: a message found later may be any attempt's.
        left_at=sa.func.coalesce(ROWS.c.left_at, sa.bindparam("b_at", type_=sa.Float)),
        earliest_portal_time=sa.func.coalesce(
            ROWS.c.earliest_portal_time,
            sa.func.coalesce(ROWS.c.left_at, sa.bindparam("b_at", type_=sa.Float))
            + sa.bindparam("b_offset", type_=sa.Float),
        ),
        min_message_id=sa.func.coalesce(ROWS.c.min_message_id, sa.bindparam("b_newest", type_=sa.BigInteger)),
    )
)
COUNT = (
    sa.update(RUNS)
    .where(RUNS.c.id == sa.bindparam("b_run"))
    .values(
        {f"count_{state.value}": RUNS.c[f"count_{state.value}"] + sa.bindparam(f"b_{state.value}") for state in State}
    )
)
COUNT_MINE = COUNT.where(RUNS.c.holder == sa.bindparam("b_me")).values(seen_at=sa.bindparam("b_now", type_=sa.Float))
PORTAL = sa.select(PORTALS).where(PORTALS.c.portal == sa.bindparam("b_portal")).with_for_update()
UNDER_WAY = sa.select(sa.func.sum(RUNS.c.count_sending)).where(
    RUNS.c.portal == sa.bindparam("b_portal"),
    RUNS.c.count_sending > 0,
    RUNS.c.seen_at > sa.bindparam("b_alive", type_=sa.Float),
)
APPLY = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n == sa.bindparam("b_n"),
        ROWS.c.state == sa.bindparam("b_before"),
    )
    .values(
        state=sa.bindparam("b_after"),
        error_code=sa.bindparam("b_code"),
        error_description=sa.bindparam("b_description"),
        message_id=sa.bindparam("b_message_id"),
        sent_at=sa.bindparam("b_sent_at"),
        doubt_since=sa.bindparam("b_doubt_since"),
        attempts=ROWS.c.attempts - sa.bindparam("b_uncounted"),
        lost=ROWS.c.lost + sa.bindparam("b_lost"),
        **{
            # No attempt can have arrived: what marked them must not make an older message look like this row's.
            mark.key: sa.case((sa.and_(sa.bindparam("b_unsent") == 1, ROWS.c.lost == 0), None), else_=mark)
            for mark in (ROWS.c.left_at, ROWS.c.earliest_portal_time, ROWS.c.min_message_id)
        },
    )
)


def open_places(run_id: int, state: State, after: int = -1, up_to: int | None = None) -> sa.Select[tuple[int]]:
    """The places (``n``) of a campaign's rows in an open state, in order, behind ``after`` and not behind ``up_to``.

    The index alone tells them, however many other rows there are.
    """
    open_row = ROWS.alias("open_row")
    mine = (open_row.c.run_id == run_id, OPEN_ROWS, open_row.c.state == state.value, open_row.c.n > after)
    places = sa.select(open_row.c.n).where(*mine).order_by(open_row.c.n)
    return places if up_to is None else places.where(open_row.c.n <= up_to)


def by_no_index(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The column in a form that no index is used for.

    SQLite would otherwise walk over all rows of each campaign named rather than look up a few texts or ids in theirs.
    """
    return column + 0


def counts_of(record: Any) -> Counts:
    """The counts of a campaign's record."""
    return Counts(**{state.value: getattr(record, f"count_{state.value}") for state in State})


def holder_of(record: Any) -> Holder | None:
    """Who holds the campaign of a record, dead or alive."""
    with undamaged():
        return Holder.from_text(record.holder) if record.holder else None


def living_holder(record: Any, now: float) -> Holder | None:
    """The process that holds the campaign of a record, if it still runs."""
    holder = holder_of(record)
    return holder if holder is not None and holder.alive(record.seen_at or 0.0, now) else None


def run_of(record: Any, now: float) -> Run:
    """The campaign of a record."""
    holder = living_holder(record, now)
    with undamaged():
        stage = Stage(record.stage)
        return Run(
            id=record.id,
            created_at=record.created_at,
            ended_at=record.ended_at,
            stage=Stage.STOPPED if stage is Stage.RUNNING and holder is None else stage,
            reason=record.reason,
            file=record.file,
            sheet=json.loads(record.sheet),
            headings=tuple(json.loads(record.headings)),
            portal=record.portal,
            portal_name=record.portal_name,
            portal_address=record.portal_address,
            identity=record.identity,
            content=record.content,
            user_id=record.user_id,
            again=bool(record.again),
            results_path=record.results_path,
            settings=json.loads(record.settings),
            counts=counts_of(record),
            holder=holder,
        )


def outcomes_of(records: Iterable[Any]) -> list[RowOutcome]:
    """What became of the rows of records that hold `OUTCOME_COLUMNS`."""
    with undamaged():
        return [
            RowOutcome(n, _cells(cells), State(state), message_id, code or "", description or "", sent_at, attempts)
            for n, cells, state, message_id, code, description, sent_at, attempts in records
        ]


def message_to_keep(message: str) -> str:
    """A message as the journal keeps it."""
    return MARK + json.dumps(message) if "\0" in message or message.startswith(MARK) else message


def rows_of(records: Iterable[Any]) -> list[Row]:
    """The rows of records that hold `ROW_COLUMNS`."""
    with undamaged():
        return [_row_of(record) for record in records]


def _row_of(record: Any) -> Row:
    *row, cells, message_column = record  # by position: by name it takes three times as long
    row[_STATE], row[_CODE] = State(row[_STATE]), row[_CODE] or ""
    message = row[_MESSAGE]
    if message is None:
        row[_MESSAGE] = json.loads(cells)[message_column]
    elif message.startswith(MARK):
        row[_MESSAGE] = json.loads(message[1:])
    return Row(*row)
