"""The journal: what every campaign was asked to send, and what became of each row of it.

It is a database (SQLite on disk unless another address is given), and the one place where a row's state is kept.
Each method is one transaction, synced before it returns, so that what the world has seen is never ahead of what the
journal knows. A row's life::

    pending ─▶ sending ─▶ sent
                  │  ├──▶ failed                          the portal said no to this row
                  │  ├──▶ pending                         it surely did not arrive
                  │  └──▶ in_doubt ─▶ sent | pending | unknown | failed
    a row found in `sending` when its process is gone is in doubt

The journal knows nothing of portals' ways or of files: what pace and budgets mean is its callers' business, and it
keeps them as text for all processes that share it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from bulksend.errors import JournalError, UsageError
from bulksend.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

SCHEMA: Final = 1
"""Raised whenever the tables change shape; a journal of another number is refused, never guessed at."""

BUSY_SECONDS: Final = 60
"""How long a write waits for another process's write."""

_IN_ONE_STATEMENT: Final = 500
"""Row numbers in one statement: databases take only so many."""

HEARTBEAT_SECONDS: Final = 5.0
"""How often a process that holds a campaign gives a sign of life."""

ABANDONED_SECONDS: Final = 90.0
"""A holder on another machine that has given no sign of life for so long is taken for dead."""


class State(StrEnum):
    """Where a row is in its life."""

    PENDING = "pending"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    SKIPPED = "skipped"


OPEN: Final = frozenset({State.PENDING, State.SENDING, State.IN_DOUBT})

MOVES: Final[Mapping[State, frozenset[State]]] = {
    # failed: not let into its chat; invalid: the portal said before sending that it would refuse
    State.PENDING: frozenset({State.SENDING, State.SKIPPED, State.FAILED, State.INVALID}),
    State.SENDING: frozenset({State.SENT, State.FAILED, State.PENDING, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.SENT, State.PENDING, State.UNKNOWN, State.FAILED}),
    State.SENT: frozenset(),
    State.FAILED: frozenset({State.PENDING}),  # `retry`
    State.UNKNOWN: frozenset({State.PENDING}),  # `retry --resend-unknown`
    State.INVALID: frozenset({State.PENDING}),  # `retry` of what only the portal found wrong
    State.SKIPPED: frozenset({State.PENDING}),  # a canary's limit lifted, or "send them again"
}
"""Every change of state there is. Nothing leaves `sent`."""


class Stage(StrEnum):
    """Where a campaign is in its life."""

    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


class NewRow(NamedTuple):
    """A row as it enters the journal. ``user_id`` 0 means: whoever speaks for the campaign."""

    number: int
    cells: Sequence[str]
    entity_type: str
    entity_id: int
    chat_id: int
    user_id: int
    message: str
    fingerprint: int
    state: State = State.PENDING
    error_code: str = ""
    error_description: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is still to be sent or settled."""

    n: int
    number: int
    state: State
    entity_type: str
    entity_id: int
    chat_id: int
    user_id: int
    message: str
    fingerprint: int
    attempts: int
    lost: int
    left_at: float | None
    began: float | None
    floor_id: int | None
    doubt_since: float | None
    error_code: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a row: its next state and what the results sheet is to say of it.

    ``uncounted`` takes back the attempt that was counted when the row left, for a call that was surely not carried out.
    """

    n: int
    before: State
    after: State
    error_code: str = ""
    error_description: str = ""
    message_id: int | None = None
    sent_at: float | None = None
    doubt_since: float | None = None
    uncounted: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a campaign are in each state."""

    pending: int = 0
    sending: int = 0
    in_doubt: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    invalid: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """All rows of the sheet."""
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def left(self) -> int:
        """Rows whose fate is still open: to be sent, on their way or in doubt."""
        return self.pending + self.sending + self.in_doubt

    def moved(self, moves: Mapping[tuple[State, State], int]) -> Counts:
        """The counts after so many rows moved from one state to another."""
        tally = Counter({State(field.name): getattr(self, field.name) for field in fields(self)})
        for (before, after), rows in moves.items():
            tally[before] -= rows
            tally[after] += rows
        return Counts(**{state.value: tally[state] for state in State})


@dataclass(frozen=True, slots=True)
class Run:
    """A campaign: one sheet sent to one portal. Times are Unix seconds, by this machine's clock."""

    id: int
    created_at: float
    ended_at: float | None
    stage: Stage
    reason: str
    file: str
    sheet: Mapping[str, Any]
    headings: tuple[str, ...]
    portal: str
    portal_name: str
    portal_address: str
    identity: str
    content: str
    user_id: int
    again: bool
    results_path: str
    settings: Mapping[str, Any]
    counts: Counts
    holder: Holder | None


@dataclass(frozen=True, slots=True)
class Departure:
    """What came of asking to leave: how many of the rows may, and which may not because they were sent elsewhere.

    ``until`` is the time (Unix seconds) before which asking again is useless, where no row may leave now, and ``why``
    says what is being waited for (empty for the ordinary pace).
    """

    granted: int
    until: float = 0.0
    why: str = ""
    already: frozenset[int] = frozenset()
    floor_id: int | None = None


metadata = sa.MetaData()

_meta = sa.Table("journal", metadata, sa.Column("schema", sa.Integer, nullable=False))

_runs = sa.Table(
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
    sa.Index("runs_by_content", "portal", "content"),
)

_OPEN_ROWS: Final = sa.text("state IN ('pending', 'sending', 'in_doubt')")
_OPEN_ROWS_OF_ROWS: Final = sa.text("rows.state IN ('pending', 'sending', 'in_doubt')")
_HAS_LEFT: Final = sa.text("left_at IS NOT NULL")
_HAS_ID: Final = sa.text("message_id IS NOT NULL")

_rows = sa.Table(
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
    sa.Column("began", sa.Float),
    sa.Column("floor_id", sa.BigInteger),
    sa.Column("doubt_since", sa.Float),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("sent_at", sa.Float),
    sa.Column("error_code", sa.Text),
    sa.Column("error_description", sa.Text),
    sa.Index("rows_open", "run_id", "state", "n", sqlite_where=_OPEN_ROWS, postgresql_where=_OPEN_ROWS),
    sa.Index("rows_that_left", "fingerprint", sqlite_where=_HAS_LEFT, postgresql_where=_HAS_LEFT),
    sa.Index("rows_with_id", "message_id", sqlite_where=_HAS_ID, postgresql_where=_HAS_ID),
    sqlite_with_rowid=False,
)

_portals = sa.Table(
    "portals",
    metadata,
    sa.Column("portal", sa.String(255), primary_key=True),
    sa.Column("pace", sa.Text, nullable=False, default=""),
    sa.Column("newest_message_id", sa.BigInteger),
)

_NEW_COLUMNS: Final = (
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
_NEW_ROW = sa.insert(_rows)
_NEW_ROW_OF_SQLITE: Final = (
    f"INSERT INTO rows ({', '.join(_NEW_COLUMNS)}) VALUES ({', '.join('?' * len(_NEW_COLUMNS))})"  # noqa: S608 - names
)
_ROW_COLUMNS: Final = (*(_rows.c[field.name] for field in fields(Row)), _rows.c.cells, _runs.c.message_column)
"""What a `Row` is made from: its own fields in their order, and where its message is if it is not given by itself."""
_STATE, _MESSAGE, _CODE = (
    [field.name for field in fields(Row)].index(name) for name in ("state", "message", "error_code")
)

_APPLY_SENT = (
    sa.update(_rows)
    .where(
        _rows.c.run_id == sa.bindparam("b_run"),
        _rows.c.n == sa.bindparam("b_n"),
        _rows.c.state == State.SENDING.value,
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
"""What becomes of nearly every row; `_APPLY` does the same and anything else, with three times the parameters."""

_LEAVE = (
    sa.update(_rows)
    .where(
        _rows.c.run_id == sa.bindparam("b_run"),
        _rows.c.n.in_(sa.bindparam("b_leaving", expanding=True)),
        _rows.c.state == State.PENDING.value,
    )
    .values(
        state=State.SENDING.value,
        attempts=_rows.c.attempts + 1,
        # What marks the first attempt stays: a message found later may be any attempt's.
        left_at=sa.func.coalesce(_rows.c.left_at, sa.bindparam("b_at", type_=sa.Float)),
        began=sa.func.coalesce(
            _rows.c.began,
            sa.func.coalesce(_rows.c.left_at, sa.bindparam("b_at", type_=sa.Float))
            + sa.bindparam("b_offset", type_=sa.Float),
        ),
        floor_id=sa.func.coalesce(_rows.c.floor_id, sa.bindparam("b_newest", type_=sa.BigInteger)),
    )
)
_COUNT = (
    sa.update(_runs)
    .where(_runs.c.id == sa.bindparam("b_run"))
    .values(
        {f"count_{state.value}": _runs.c[f"count_{state.value}"] + sa.bindparam(f"b_{state.value}") for state in State}
    )
)
_COUNT_MINE = _COUNT.where(_runs.c.holder == sa.bindparam("b_me")).values(seen_at=sa.bindparam("b_now", type_=sa.Float))
_PORTAL = sa.select(_portals).where(_portals.c.portal == sa.bindparam("b_portal")).with_for_update()
_UNDER_WAY = sa.select(sa.func.sum(_runs.c.count_sending)).where(
    _runs.c.portal == sa.bindparam("b_portal"),
    _runs.c.count_sending > 0,
    _runs.c.seen_at > sa.bindparam("b_alive", type_=sa.Float),
)
_APPLY = (
    sa.update(_rows)
    .where(
        _rows.c.run_id == sa.bindparam("b_run"),
        _rows.c.n == sa.bindparam("b_n"),
        _rows.c.state == sa.bindparam("b_before"),
    )
    .values(
        state=sa.bindparam("b_after"),
        error_code=sa.bindparam("b_code"),
        error_description=sa.bindparam("b_description"),
        message_id=sa.bindparam("b_message_id"),
        sent_at=sa.bindparam("b_sent_at"),
        doubt_since=sa.bindparam("b_doubt_since"),
        attempts=_rows.c.attempts - sa.bindparam("b_uncounted"),
        lost=_rows.c.lost + sa.bindparam("b_lost"),
        **{
            # No attempt can have arrived: what marked them must not make an older message look like this row's.
            mark.name: sa.case((sa.and_(sa.bindparam("b_unsent") == 1, _rows.c.lost == 0), None), else_=mark)
            for mark in (_rows.c.left_at, _rows.c.began, _rows.c.floor_id)
        },
    )
)


def _as_url(address: str | Path) -> sa.URL:
    """The database's address: anything with ``://`` is taken as one, everything else is the path of an SQLite file."""
    if isinstance(address, str) and "://" in address:
        try:
            return sa.make_url(address)
        except (SQLAlchemyError, ValueError):
            # The address may hold a password, so it is not repeated.
            sentence = "The journal's address cannot be understood; give a file's path or a database address."
            raise JournalError(sentence) from None
    path = Path(address)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"The journal's folder {path.parent} cannot be made: {error.strerror}.") from None
    return sa.URL.create("sqlite", database=str(path))


class Journal:
    """The journal at ``address``: a path (created if missing) or a database address as SQLAlchemy writes them.

    It is meant for one thread. Every method may raise `JournalError`, and then nothing of it has happened.
    """

    def __init__(self, address: str | Path) -> None:
        self._step: sa.Connection | None = None
        url = _as_url(address)
        self._me = Holder.this_process()
        self._sqlite = url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {}
        if self._sqlite:
            options["connect_args"] = {"timeout": BUSY_SECONDS, "isolation_level": None}
        try:
            self._engine = sa.create_engine(url, **options)
        except (SQLAlchemyError, ImportError):
            raise JournalError(
                "The journal's address names a database for which the driver is not installed."
            ) from None
        self.shown = url.database if self._sqlite else url.render_as_string(hide_password=True)
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _durable)
            sa.event.listen(self._engine, "begin", _take_write_lock)
        with self._transaction() as connection:
            metadata.create_all(connection)
            found = connection.scalar(sa.select(_meta.c.schema))
            if found is None:
                connection.execute(sa.insert(_meta).values(schema=SCHEMA))
            elif found != SCHEMA:
                raise JournalError(
                    f"The journal {self.shown} was written by another version of bulksend (format {found}, this one "
                    f"reads {SCHEMA}); use that version, or name a new journal with --journal."
                )

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make all that is done inside one synced step: it has happened when the context ends, or none of it has."""
        with self._transaction() as connection:
            self._step = connection
            try:
                yield
            finally:
                self._step = None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """One write transaction: all of it happens, synced, or none of it and a `JournalError` says why."""
        try:
            if self._step is not None:
                yield self._step
                return
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = str(getattr(error, "orig", None) or type(error).__name__)
            raise JournalError(
                f"The journal {self.shown} cannot be used ({cause}). Nothing more is sent without it: free the disk "
                "or mend its permissions, then go on with `bulksend resume`."
            ) from None

    # Campaigns

    def begin(
        self,
        *,
        file: str,
        sheet: Mapping[str, Any],
        headings: Sequence[str],
        message_column: int | None,
        portal: str,
        portal_name: str,
        portal_address: str,
        identity: str,
        content: str,
        user_id: int,
        again: bool,
        results_path: str,
        settings: Mapping[str, Any],
    ) -> int:
        """Enter a new campaign, held by this process, and return its number; its rows follow with `add_rows`.

        Raises `Held` where another process is entering or sending the same content to the same portal.
        """
        with self._transaction() as connection:
            same = sa.and_(_runs.c.portal == portal, _runs.c.content == content)
            loading = _runs.c.stage == Stage.LOADING.value
            for rival in connection.execute(sa.select(_runs).where(sa.or_(same, loading))).all():
                held_by = _holder(rival)
                held = held_by is not None and held_by.alive(rival.seen_at or 0.0, ABANDONED_SECONDS)
                unfinished = rival.stage != Stage.FINISHED
                if rival.stage == Stage.LOADING and not held:  # its process died: nothing of it was sent
                    self._erase(connection, rival.id)
                elif (rival.portal, rival.content) == (portal, content) and (held or unfinished):
                    raise Held(rival.id, held_by)
            run_id = connection.execute(
                sa.insert(_runs).values(
                    created_at=time.time(),
                    stage=Stage.LOADING.value,
                    file=file,
                    sheet=json.dumps(dict(sheet), ensure_ascii=False),
                    headings=json.dumps(list(headings), ensure_ascii=False),
                    message_column=message_column,
                    portal=portal,
                    portal_name=portal_name,
                    portal_address=portal_address,
                    identity=identity,
                    content=content,
                    user_id=user_id,
                    again=again,
                    results_path=results_path,
                    settings=json.dumps(dict(settings)),
                    holder=self._me.to_text(),
                    seen_at=time.time(),
                )
            ).inserted_primary_key
        if run_id is None:  # pragma: no cover - every supported database returns it
            raise JournalError("The journal gave no number to the campaign.")
        return int(run_id[0])

    def add_rows(self, run_id: int, start: int, rows: Sequence[NewRow], message_column: int | None) -> None:
        """Enter rows of a campaign that is being loaded; the first of them is the sheet's ``start``-th (from 0)."""
        if not rows:
            return
        values = [
            (
                run_id,
                n,
                row.number,
                row.state.value,
                f"[{','.join(map(encode_basestring, row.cells))}]",
                row.entity_type,
                row.entity_id,
                row.chat_id,
                row.user_id,
                None if message_column is not None and row.cells[message_column] == row.message else row.message,
                row.fingerprint,
                0,
                0,
                row.error_code or None,
                row.error_description or None,
            )
            for n, row in enumerate(rows, start)
        ]
        with self._transaction() as connection:
            if self._sqlite:  # SQLAlchemy takes longer to look at each value than SQLite to write it
                connection.exec_driver_sql(_NEW_ROW_OF_SQLITE, values)
            else:
                connection.execute(_NEW_ROW, [dict(zip(_NEW_COLUMNS, row, strict=True)) for row in values])
            tally = Counter(row.state for row in rows)
            self._count(connection, run_id, {(None, state): rows for state, rows in tally.items()})

    def entered(self, run_id: int) -> None:
        """All rows are in: from now on the campaign can be sent."""
        self._set(run_id, stage=Stage.READY.value)

    def forget(self, run_id: int) -> None:
        """Take out a campaign of which nothing was ever sent."""
        with self._transaction() as connection:
            self._erase(connection, run_id)

    def _erase(self, connection: sa.Connection, run_id: int) -> None:
        connection.execute(sa.delete(_rows).where(_rows.c.run_id == run_id))
        connection.execute(sa.delete(_runs).where(_runs.c.id == run_id))

    def run(self, run_id: int) -> Run:
        """The campaign with that number; `UsageError` where there is none."""
        found = self._find(_runs.c.id == run_id)
        if found is None:
            raise UsageError(f"There is no campaign {run_id} in the journal; `bulksend runs` lists them.")
        return found

    def runs(self) -> list[Run]:
        """All campaigns, the oldest first."""
        with self._transaction() as connection:
            statement = sa.select(_runs).where(_runs.c.stage != Stage.LOADING.value).order_by(_runs.c.id)
            return [_run(record) for record in connection.execute(statement)]

    def latest(self, *, unfinished: bool = False) -> Run | None:
        """The newest campaign (that is not finished yet, if asked so)."""
        unwanted = [Stage.LOADING.value, *([Stage.FINISHED.value] if unfinished else [])]
        return self._find(_runs.c.stage.not_in(unwanted))

    def same(self, portal: str, content: str) -> Run | None:
        """The newest campaign with that content on that portal."""
        return self._find(
            sa.and_(_runs.c.portal == portal, _runs.c.content == content, _runs.c.stage != Stage.LOADING.value)
        )

    def _find(self, condition: sa.ColumnElement[bool]) -> Run | None:
        statement = sa.select(_runs).where(condition).order_by(_runs.c.id.desc()).limit(1)
        with self._transaction() as connection:
            record = connection.execute(statement).first()
        return None if record is None else _run(record)

    def _set(self, run_id: int, **values: Any) -> None:
        with self._transaction() as connection:
            connection.execute(sa.update(_runs).where(_runs.c.id == run_id).values(**values))

    def sent_through(self, run_id: int, *, portal_name: str, portal_address: str, identity: str) -> None:
        """Remember by which name, address and credentials the campaign's portal is called from now on."""
        self._set(run_id, portal_name=portal_name, portal_address=portal_address, identity=identity)

    def send_again(self, run_id: int) -> None:
        """Let rows of the campaign leave although another campaign sent the same text to the same chat."""
        self._set(run_id, again=True)

    def note_results(self, run_id: int, path: str) -> None:
        """Remember where the campaign's results sheet is."""
        self._set(run_id, results_path=path)

    # Who holds a campaign

    def hold(self, run_id: int, settings: Mapping[str, Any]) -> None:
        """Take the campaign for this journal's user; raise `Held` where another living one has it.

        Rows that a dead process left in `sending` are in doubt from then on. The clock of their doubt starts at that
        process's last sign of life, since it could send until then.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(_runs).where(_runs.c.id == run_id).with_for_update()).one()
            other = _holder(record)
            if other and other != self._me and other.alive(record.seen_at or 0.0, ABANDONED_SECONDS):
                raise Held(run_id, other)
            now = time.time()
            last_sign = min(now, (record.seen_at or now) + HEARTBEAT_SECONDS)
            orphans = _open_places(run_id, State.SENDING)
            moved = connection.execute(
                sa.update(_rows)
                .where(_rows.c.run_id == run_id, _rows.c.n.in_(orphans))
                .values(
                    state=State.IN_DOUBT.value,
                    doubt_since=sa.case((_rows.c.left_at > last_sign, _rows.c.left_at), else_=last_sign),
                    error_code="INTERRUPTED",
                )
            ).rowcount
            self._count(connection, run_id, {(State.SENDING, State.IN_DOUBT): moved})
            connection.execute(
                sa.update(_runs)
                .where(_runs.c.id == run_id)
                .values(
                    holder=self._me.to_text(),
                    seen_at=now,
                    stage=Stage.RUNNING.value,
                    reason="",
                    ended_at=None,
                    settings=json.dumps(dict(settings)),
                )
            )

    def alive(self, run_id: int) -> None:
        """Give a sign of life for a held campaign.

        Raises:
            TakenOver: another process has taken it, because this one gave no sign of life for long.
        """
        with self._transaction() as connection:
            self._count(connection, run_id, {}, mine=True)

    def release(self, run_id: int, reason: str) -> None:
        """Let go of a campaign; it is finished where no row of it is open any more.

        Nothing happens where another process has taken it in the meantime.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(_runs).where(_runs.c.id == run_id).with_for_update()).one()
            if record.holder != self._me.to_text():
                return
            left = _counts(record).left
            connection.execute(
                sa.update(_runs)
                .where(_runs.c.id == run_id)
                .values(
                    holder=None,
                    seen_at=time.time(),
                    reason=reason,
                    ended_at=time.time(),
                    stage=Stage.STOPPED.value if left else Stage.FINISHED.value,
                )
            )

    # A row's life

    def open_rows(self, run_id: int, state: State, after: int, limit: int) -> list[Row]:
        """Up to ``limit`` rows in that open state, in the sheet's order, behind row ``after`` (-1 for all)."""
        places = _open_places(run_id, state, after).limit(limit)
        statement = (
            sa.select(*_ROW_COLUMNS)
            .join_from(_rows, _runs, _runs.c.id == _rows.c.run_id)
            .where(_rows.c.run_id == run_id, _rows.c.n.in_(places))
            .order_by(_rows.c.n)
        )
        with self._transaction() as connection:
            return [_row(record) for record in connection.execute(statement).all()]

    def all_rows(self, run_id: int, chunk: int = 5_000) -> Iterator[Row]:
        """Every row of the campaign that could be sent or was, in the sheet's order."""
        after = -1
        while True:
            statement = (
                sa.select(*_ROW_COLUMNS)
                .join_from(_rows, _runs, _runs.c.id == _rows.c.run_id)
                .where(_rows.c.run_id == run_id, _rows.c.chat_id > 0, _rows.c.n > after)
                .order_by(_rows.c.n)
                .limit(chunk)
            )
            with self._transaction() as connection:
                piece = [_row(record) for record in connection.execute(statement)]
            if not piece:
                return
            yield from piece
            after = piece[-1].n

    def leave(
        self,
        run_id: int,
        rows: Sequence[Row],
        *,
        portal: str,
        take: Callable[[str, int], tuple[str, int, float, str]],
        at: float,
        offset: float | None,
        again: bool,
        since: float,
    ) -> Departure:
        """Take a slot at the portal's pace and mark rows as leaving, in one synced step.

        ``take`` is handed the pace's shared state (text) and how many rows of all campaigns are under way on this
        portal; it answers the new state, how many rows may leave now, and if none, until when to wait and why. ``at``
        is now, and ``offset`` what to add to it for the portal's clock at the least, where that is known. Rows
        that another campaign sent to the same chat with the same text after ``since`` (Unix seconds), or that are
        under way or unknown there, stay: their ``n`` come back in `Departure.already` (unless ``again``).
        """
        with self._transaction() as connection:
            pace, newest = self._portal(connection, portal)
            already = frozenset() if again else self._elsewhere(connection, run_id, rows, portal, since)
            if already:
                return Departure(0, already=already)
            state, granted, until, why = take(pace, self._under_way(connection, portal))
            if state != pace:
                self._set_portal(connection, portal, pace=state)
            if granted:
                leaving = [row.n for row in rows[:granted]]
                self._count(connection, run_id, {(State.PENDING, State.SENDING): granted}, mine=True)
                changed = connection.execute(
                    _LEAVE,
                    {"b_run": run_id, "b_leaving": leaving, "b_at": at, "b_offset": offset, "b_newest": newest},
                ).rowcount
                if changed != len(leaving):
                    raise JournalError(
                        f"Another process has changed the rows of campaign {run_id}; nothing more is sent here."
                    )
            return Departure(granted, until, why, floor_id=newest)

    def take_slot(self, portal: str, take: Callable[[str, int], tuple[str, int, float, str]]) -> Departure:
        """Take a slot for a call that sends nothing; ``take`` as in `leave`."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            state, granted, until, why = take(pace, 0)
            if state != pace:
                self._set_portal(connection, portal, pace=state)
            return Departure(granted, until, why)

    def update_pace(self, portal: str, update: Callable[[str], str]) -> None:
        """Change the pace's shared state."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            self._set_portal(connection, portal, pace=update(pace))

    def apply(
        self,
        run_id: int,
        changes: Sequence[Change],
        *,
        portal: str = "",
        update_pace: Callable[[str], str] | None = None,
    ) -> frozenset[int]:
        """Write down what became of rows, and what the answers taught of the portal's pace, in one synced step.

        Returns the ``n`` of rows in doubt that stay so, because the message found for them has become another row's
        in the meantime.
        """
        for change in changes:
            if change.after not in MOVES[change.before]:
                raise AssertionError(f"A row cannot go from {change.before} to {change.after}.")
        with self._transaction() as connection:
            beaten = self._beaten(connection, run_id, changes)
            changes = [change for change in changes if change.n not in beaten]
            ids = [change.message_id for change in changes if change.message_id]
            if changes:
                moves: Counter[tuple[State | None, State]] = Counter(
                    (change.before, change.after) for change in changes
                )
                self._count(connection, run_id, moves, mine=True)
                self._write(connection, run_id, changes)
            if portal and (ids or update_pace):
                pace, newest = self._portal(connection, portal)
                self._set_portal(
                    connection,
                    portal,
                    pace=update_pace(pace) if update_pace else pace,
                    newest_message_id=max([*ids, *([newest] if newest else [])], default=None),
                )
        return beaten

    def _beaten(self, connection: sa.Connection, run_id: int, changes: Sequence[Change]) -> frozenset[int]:
        """Rows whose message, found in a history, is written down as another row's by now."""
        found = {
            change.message_id: change.n
            for change in reversed(changes)
            if change.before is State.IN_DOUBT and change.message_id is not None
        }
        doubled = {change.n for change in changes if change.before is State.IN_DOUBT and change.message_id is not None}
        if not doubled:
            return frozenset()
        taken = self._claimed(connection, self._portal_of(connection, run_id), list(found))
        return frozenset((doubled - set(found.values())) | {found[message_id] for message_id in taken})

    def _write(self, connection: sa.Connection, run_id: int, changes: Sequence[Change]) -> None:
        sent = [change for change in changes if (change.before, change.after) == (State.SENDING, State.SENT)]
        others = [change for change in changes if (change.before, change.after) != (State.SENDING, State.SENT)]
        self._change(
            connection,
            run_id,
            _APPLY_SENT,
            [
                {"b_run": run_id, "b_n": change.n, "b_message_id": change.message_id, "b_sent_at": change.sent_at}
                for change in sent
            ],
        )
        self._change(
            connection,
            run_id,
            _APPLY,
            [
                {
                    "b_run": run_id,
                    "b_n": change.n,
                    "b_before": change.before.value,
                    "b_after": change.after.value,
                    "b_code": change.error_code or None,
                    "b_description": change.error_description or None,
                    "b_message_id": change.message_id,
                    "b_sent_at": change.sent_at,
                    "b_doubt_since": change.doubt_since,
                    "b_uncounted": int(change.uncounted),
                    "b_unsent": int((change.before, change.after) == (State.SENDING, State.PENDING)),
                    "b_lost": int(change.lost),
                }
                for change in others
            ],
        )

    @staticmethod
    def _change(connection: sa.Connection, run_id: int, statement: sa.Update, rows: list[dict[str, Any]]) -> None:
        """Change each of these rows; all of them must be as they were left."""
        if not rows:
            return
        result = connection.execute(statement, rows)
        if result.rowcount not in {-1, len(rows)}:  # -1: the driver does not tell
            raise JournalError(f"Another process has changed the rows of campaign {run_id}; nothing more is sent here.")

    def reopen(self, run_id: int, state: State, codes: Iterable[str] | None = None) -> int:
        """Make rows pending again (all in that state, or those with these error codes) and say how many.

        An unknown row keeps what marked its attempts, so that its message can still be found.
        """
        if State.PENDING not in MOVES[state]:
            raise AssertionError(f"A row cannot go from {state} to pending.")
        # What names no chat cannot be sent; it is invalid because its chat was looked up in vain.
        condition = sa.and_(_rows.c.run_id == run_id, _rows.c.state == state.value, _rows.c.chat_id > 0)
        if codes is not None:
            condition = sa.and_(condition, _rows.c.error_code.in_(list(codes)))
        marks: dict[str, Any] = {"lost": 1}
        if state is not State.UNKNOWN:
            marks = {"lost": 0, "left_at": None, "began": None, "floor_id": None}
        with self._transaction() as connection:
            moved = connection.execute(
                sa.update(_rows)
                .where(condition)
                .values(state=State.PENDING.value, error_code=None, error_description=None, **marks)
            ).rowcount
            self._count(connection, run_id, {(state, State.PENDING): moved})
        return moved

    def skip(
        self,
        run_id: int,
        code: str,
        description: str,
        *,
        beyond: int | None = None,
        since: float | None = None,
    ) -> int:
        """Leave pending rows out on purpose and say how many.

        Either all pending rows behind the first ``beyond`` rows of the sheet that can be sent, or those that another
        campaign sent to the same chat with the same text after ``since``.
        """
        with self._transaction() as connection:
            mine = sa.and_(_rows.c.run_id == run_id, _OPEN_ROWS, _rows.c.state == State.PENDING.value)
            if since is not None:
                condition = sa.and_(mine, self._rival(connection, run_id, since))
            else:
                settled = sa.and_(
                    _rows.c.run_id == run_id,
                    _rows.c.state.not_in([State.INVALID.value, State.SKIPPED.value]),
                )
                first_left_out = connection.scalar(
                    sa.select(_rows.c.n).where(settled).order_by(_rows.c.n).offset(beyond).limit(1)
                )
                if first_left_out is None:
                    return 0
                condition = sa.and_(mine, _rows.c.n >= first_left_out)
            moved = connection.execute(
                sa.update(_rows)
                .where(condition)
                .values(state=State.SKIPPED.value, error_code=code, error_description=description)
            ).rowcount
            self._count(connection, run_id, {(State.PENDING, State.SKIPPED): moved})
        return moved

    def invalidate(self, run_id: int, problems: Mapping[int, tuple[str, str]]) -> int:
        """Leave out rows that were found wrong after they had been entered, and say how many.

        ``problems`` is the row's ``n`` → (code, description). Rows that are not pending stay as they are.
        """
        wanted = sorted(problems)
        with self._transaction() as connection:
            pending: list[int] = []
            for first in range(0, len(wanted), _IN_ONE_STATEMENT):
                statement = sa.select(_rows.c.n).where(
                    _rows.c.run_id == run_id,
                    _OPEN_ROWS,
                    _rows.c.state == State.PENDING.value,
                    _rows.c.n.in_(wanted[first : first + _IN_ONE_STATEMENT]),
                )
                pending += connection.scalars(statement)
            changes = [Change(n, State.PENDING, State.INVALID, *problems[n]) for n in pending]
            if changes:
                self._write(connection, run_id, changes)
                self._count(connection, run_id, {(State.PENDING, State.INVALID): len(changes)})
        return len(changes)

    # What other campaigns sent

    def sent_elsewhere(self, run_id: int, since: float) -> list[tuple[int, int]]:
        """Pending rows that another campaign has sent to the same chat with the same text after ``since``.

        Rows that are under way, in doubt or unknown there count too: they may have arrived. Returns pairs of (the
        sheet's row number, the other campaign's number).
        """
        with self._transaction() as connection:
            others = self._others(run_id, self._portal_of(connection, run_id), since)
            if connection.execute(others.limit(1)).first() is None:
                return []
            other = _rows.alias("other")
            statement = (
                sa.select(_rows.c.number, sa.func.max(other.c.run_id))
                .join(other, other.c.fingerprint == _rows.c.fingerprint)
                .where(
                    _rows.c.run_id == run_id,
                    _OPEN_ROWS_OF_ROWS,
                    _rows.c.state == State.PENDING.value,
                    *self._left_since(other, others, since),
                )
                .group_by(_rows.c.n, _rows.c.number)
                .order_by(_rows.c.n)
            )
            return [(int(number), int(rival)) for number, rival in connection.execute(statement)]

    def busy_since(self, portal: str, since: float) -> bool:
        """Whether any campaign on the portal could have sent anything after ``since``."""
        with self._transaction() as connection:
            return connection.execute(self._others(0, portal, since).limit(1)).first() is not None

    def sent_since(self, portal: str, fingerprints: Sequence[int], since: float) -> dict[int, int]:
        """Which of these texts (and chats) a campaign on the portal has sent after ``since``, and the newest such one.

        Rows that are under way, in doubt or unknown there count too, as in `sent_elsewhere`.
        """
        found: dict[int, int] = {}
        runs = self._others(0, portal, since)
        with self._transaction() as connection:
            for first in range(0, len(fingerprints), _IN_ONE_STATEMENT):
                statement = (
                    sa.select(_rows.c.fingerprint, sa.func.max(_rows.c.run_id))
                    .where(
                        _rows.c.fingerprint.in_(fingerprints[first : first + _IN_ONE_STATEMENT]),
                        *self._left_since(_rows, runs, since),
                    )
                    .group_by(_rows.c.fingerprint)
                )
                found |= {int(text): int(run_id) for text, run_id in connection.execute(statement).all()}
        return found

    @staticmethod
    def _others(run_id: int, portal: str, since: float) -> sa.Select[tuple[int]]:
        """The other campaigns on the portal that could have sent anything since: rows of older ones need no look."""
        return sa.select(_runs.c.id).where(
            _runs.c.id != run_id, _runs.c.portal == portal, _runs.c.seen_at > since - HEARTBEAT_SECONDS
        )

    @staticmethod
    def _left_since(
        other: sa.FromClause, others: sa.Select[tuple[int]], since: float
    ) -> tuple[sa.ColumnElement[bool], ...]:
        under_way = [State.SENDING.value, State.IN_DOUBT.value]
        return (
            other.c.left_at.is_not(None),
            _by_no_index(other.c.run_id).in_(others),
            sa.or_(
                sa.and_(other.c.state == State.SENT.value, other.c.sent_at > since),
                other.c.state.in_(under_way),  # whenever their first attempt was
                sa.and_(other.c.state == State.UNKNOWN.value, other.c.left_at > since),
            ),
        )

    def _rival(self, connection: sa.Connection, run_id: int, since: float) -> sa.ColumnElement[bool]:
        other = _rows.alias("other")
        others = self._others(run_id, self._portal_of(connection, run_id), since)
        return sa.exists(
            sa.select(sa.literal(1)).where(
                other.c.fingerprint == _rows.c.fingerprint, *self._left_since(other, others, since)
            )
        )

    def _elsewhere(
        self, connection: sa.Connection, run_id: int, rows: Sequence[Row], portal: str, since: float
    ) -> frozenset[int]:
        others = self._others(run_id, portal, since)
        if connection.execute(others.limit(1)).first() is None:
            return frozenset()
        statement = sa.select(_rows.c.fingerprint).where(
            _rows.c.fingerprint.in_([row.fingerprint for row in rows]), *self._left_since(_rows, others, since)
        )
        found = set(connection.scalars(statement))
        return frozenset(row.n for row in rows if row.fingerprint in found)

    def rivals(self, run_id: int, row: Row, portal: str, since: float) -> bool:
        """Whether a row with the same text to the same chat is under way in another campaign.

        Campaigns that gave no sign of life after ``since`` (Unix seconds) do not count.
        """
        statement = (
            sa.select(_rows.c.n)
            .where(
                _rows.c.fingerprint == row.fingerprint,
                _HAS_LEFT,
                _rows.c.state == State.SENDING.value,
                _by_no_index(_rows.c.run_id).in_(self._others(run_id, portal, since)),
            )
            .limit(1)
        )
        with self._transaction() as connection:
            return connection.execute(statement).first() is not None

    def claimed(self, portal: str, message_ids: Iterable[int]) -> set[int]:
        """Which of these message ids already belong to a row of any campaign on this portal."""
        with self._transaction() as connection:
            return self._claimed(connection, portal, list(message_ids))

    @staticmethod
    def _claimed(connection: sa.Connection, portal: str, message_ids: Sequence[int]) -> set[int]:
        claimed: set[int] = set()
        for first in range(0, len(message_ids), _IN_ONE_STATEMENT):
            statement = sa.select(_rows.c.message_id).where(
                _rows.c.message_id.in_(message_ids[first : first + _IN_ONE_STATEMENT]),
                _HAS_ID,
                _by_no_index(_rows.c.run_id).in_(sa.select(_runs.c.id).where(_runs.c.portal == portal)),
            )
            claimed |= {int(found) for found in connection.scalars(statement)}
        return claimed

    # What people are told

    def outcomes(self, run_id: int, chunk: int = 5_000) -> Iterator[Sequence[Any]]:
        """Every row of the sheet in order, in pieces: ``cells`` (JSON text), state and the columns of the results."""
        columns = (
            _rows.c.n,
            _rows.c.cells,
            _rows.c.state,
            _rows.c.message_id,
            _rows.c.error_code,
            _rows.c.error_description,
            _rows.c.sent_at,
            _rows.c.attempts,
        )
        after = -1
        while True:
            statement = (
                sa.select(*columns).where(_rows.c.run_id == run_id, _rows.c.n > after).order_by(_rows.c.n).limit(chunk)
            )
            with self._transaction() as connection:
                piece = connection.execute(statement).all()
            if not piece:
                return
            yield piece
            after = piece[-1].n

    def codes(self, run_id: int) -> dict[tuple[State, str], int]:
        """How many rows ended in each state with each error code."""
        statement = (
            sa.select(_rows.c.state, _rows.c.error_code, sa.func.count())
            .where(_rows.c.run_id == run_id, _rows.c.error_code.is_not(None))
            .group_by(_rows.c.state, _rows.c.error_code)
        )
        with self._transaction() as connection:
            return {(State(state), code): int(rows) for state, code, rows in connection.execute(statement)}

    # Within a transaction

    @staticmethod
    def _portal_of(connection: sa.Connection, run_id: int) -> str:
        return str(connection.scalar(sa.select(_runs.c.portal).where(_runs.c.id == run_id)))

    @staticmethod
    def _portal(connection: sa.Connection, portal: str) -> tuple[str, int | None]:
        record = connection.execute(_PORTAL, {"b_portal": portal}).first()
        return ("", None) if record is None else (record.pace, record.newest_message_id)

    @staticmethod
    def _set_portal(connection: sa.Connection, portal: str, **values: Any) -> None:
        changed = connection.execute(sa.update(_portals).where(_portals.c.portal == portal).values(**values)).rowcount
        if not changed:
            connection.execute(sa.insert(_portals).values(portal=portal, **values))

    @staticmethod
    def _under_way(connection: sa.Connection, portal: str) -> int:
        alive = time.time() - ABANDONED_SECONDS
        return int(connection.scalar(_UNDER_WAY, {"b_portal": portal, "b_alive": alive}) or 0)

    def _count(
        self,
        connection: sa.Connection,
        run_id: int,
        moves: Mapping[tuple[State | None, State], int],
        *,
        mine: bool = False,
    ) -> None:
        """Bring the campaign's counts up to date; ``mine``: only if it is still held from here, as a sign of life."""
        tally: Counter[State] = Counter()
        for (before, after), rows in moves.items():
            tally[after] += rows
            if before is not None:
                tally[before] -= rows
        values: dict[str, Any] = {"b_run": run_id, **{f"b_{state.value}": tally[state] for state in State}}
        if not mine:
            connection.execute(_COUNT, values)
        elif not connection.execute(_COUNT_MINE, {**values, "b_me": self._me.to_text(), "b_now": time.time()}).rowcount:
            raise TakenOver(run_id)


class Held(UsageError):
    """Another process holds the campaign."""

    def __init__(self, run_id: int, holder: Holder | None) -> None:
        self.run_id = run_id
        who = f"process {holder.pid} on {holder.host} since {holder.since_text}" if holder else "another process"
        super().__init__(
            f"Campaign {run_id} is being sent by {who}; wait until it ends, or stop it there, then run this again."
        )


class TakenOver(JournalError):
    """A campaign was taken by another process, because its holder gave no sign of life for long."""

    def __init__(self, run_id: int) -> None:
        super().__init__(
            f"Campaign {run_id} was taken over by another process, because this one gave no sign of life for long (a "
            "computer that slept?); nothing more is sent here: `bulksend runs` shows how it goes on."
        )


def _durable(connection: sqlite3.Connection, _: object) -> None:
    """Every commit is on the disk before it returns; readers and a writer do not block each other."""
    cursor = connection.cursor()
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            # Where two processes make a journal at once, SQLite does not wait for the other one by itself.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.02)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA fullfsync=ON")  # macOS: past the drive's own cache, so that a power cut loses nothing
    cursor.close()


def _take_write_lock(connection: sa.Connection) -> None:
    """Begin as a writer: a transaction that reads first and writes later could otherwise be refused half-way."""
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE")


def _open_places(run_id: int, state: State, after: int = -1) -> sa.Select[tuple[int]]:
    """The places (``n``) of a campaign's rows in an open state, in order, behind ``after``.

    The index alone tells them, however many other rows there are.
    """
    open_row = _rows.alias("open_row")
    mine = (open_row.c.run_id == run_id, _OPEN_ROWS, open_row.c.state == state.value, open_row.c.n > after)
    return sa.select(open_row.c.n).where(*mine).order_by(open_row.c.n)


def _by_no_index(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The column in a form that no index is used for.

    SQLite would otherwise walk over all rows of each campaign named rather than look up a few texts or ids in theirs.
    """
    return column + 0


def _holder(record: Any) -> Holder | None:
    return Holder.from_text(record.holder) if record.holder else None


def _counts(record: Any) -> Counts:
    return Counts(**{state.value: getattr(record, f"count_{state.value}") for state in State})


def _run(record: Any) -> Run:
    return Run(
        id=record.id,
        created_at=record.created_at,
        ended_at=record.ended_at,
        stage=Stage(record.stage),
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
        counts=_counts(record),
        holder=_holder(record),
    )


def _row(record: Any) -> Row:
    *row, cells, message_column = record  # by position: by name it takes three times as long
    row[_STATE], row[_CODE] = State(row[_STATE]), row[_CODE] or ""
    if row[_MESSAGE] is None:
        row[_MESSAGE] = json.loads(cells)[message_column]
    return Row(*row)
