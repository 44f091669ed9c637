"""The database that a journal is: its address, its durability, its transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from bulksend.errors import JournalError
from bulksend.folders import make_private
from bulksend.journal.engines import engine_of_file, engine_of_server, give_back
from bulksend.journal.files import JournalFiles
from bulksend.journal.records import DamagedError
from bulksend.journal.tables import META, SCHEMA, metadata
from bulksend.locale import _
from bulksend.locale.formats import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSY_SECONDS: Final = 60
"""How long a write waits for another process's write."""

TURN: Final = 0x62756C6B
"""The number of the lock under which processes that share a PostgreSQL journal take turns."""

_Turn = tuple[str, tuple[int, ...]]
"""A statement that waits for a turn and asks for the time, and its parameters."""

_CLOCK: Final = "extract(epoch FROM clock_timestamp())::float8"

_NO_TURN: Final[_Turn] = (f"SELECT {_CLOCK}", ())

_TURN_OF_ALL: Final[_Turn] = (f"SELECT pg_advisory_xact_lock(%s), {_CLOCK}", (TURN,))
"""What begins a transaction that may touch anything: nobody else is in one, as with a file."""


def _turn_of(portal: str) -> _Turn:
    """What begins a transaction that touches one portal's campaigns: nobody else is in one that touches them."""
    number = zlib.crc32(portal.encode()) - 2**31
    # The number is a parameter: the server keeps only so many statements prepared.
    statement = f"SELECT pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s, %s), {_CLOCK}"
    return statement, (TURN, TURN, number)


_READS_ONLY: Final = "bulksend_reads_only"
"""The execution option of connections on which nothing is written."""

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class JournalAway(JournalError):
    """The server of the journal's database cannot be reached; it may be there again in a minute."""


class Database:
    """The database at an address: a path (an SQLite file, made if missing) or an address as SQLAlchemy writes them."""

    def __init__(self, address: str | Path) -> None:
        self._step: sa.Connection | None = None
        self._steps: contextlib.ExitStack | None = None
        self._forget: list[Callable[[], object]] = []
        self._write_gathered: list[Callable[[sa.Connection], object]] = []
        self._turn = _TURN_OF_ALL
        url = _as_url(address)
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            raise JournalError(_("A journal is an SQLite file or a PostgreSQL database: name one of those."))
        self.sqlite = url.get_backend_name() == "sqlite"
        self.files = JournalFiles(Path(str(url.database))) if self.sqlite and url.database != ":memory:" else None
        self._clock: tuple[float, float] | None = None
        self._to_checkpoint = False
        try:
            self._shared = engine_of_file(url, BUSY_SECONDS, _durable) if self.sqlite else engine_of_server(url)
        except (SQLAlchemyError, ImportError):
            raise JournalError(
                _("The driver for the journal's database is not installed: run `pip install 'psycopg[binary]'` first.")
            ) from None
        self._engine = self._shared.engine
        self.shown = str(url.database) if self.sqlite else url.set(query={}).render_as_string(hide_password=True)
        if self.sqlite:
            sa.event.listen(self._engine, "begin", _begin)
        try:
            with self._shared.preparing:
                if not self._shared.current:
                    with self.transaction() as connection:
                        self._bring_up_to_date(connection)
                    self._shared.current = True
        except BaseException:
            self.close()
            raise
        if self.files is not None:
            self.files.opened()

    def _bring_up_to_date(self, connection: sa.Connection) -> None:
        """Make the tables of a new journal; upgrade those of an older one."""
        if not sa.inspect(connection).has_table(META.name):
            metadata.create_all(connection)
            connection.execute(sa.insert(META).values(schema=SCHEMA))
            return
        found = connection.execute(sa.select(META.c.schema)).scalar_one()
        if found > SCHEMA:
            raise JournalError(
                _(
                    "The journal {journal} was written by a newer version of bulksend (format {found}, this "
                    "one reads up to {known}): use that version, or another journal."
                ).format(journal=self.shown, found=found, known=SCHEMA),
                code="NEWER_JOURNAL",
            )
        if found < SCHEMA:
            from bulksend.journal.migrations import upgrade  # noqa: PLC0415 - Alembic takes long to import

            upgrade(connection, found)
            connection.execute(sa.update(META).values(schema=SCHEMA))

    def on_rollback(self, forget: Callable[[], object]) -> None:
        """Call ``forget`` whenever a transaction has not happened."""
        self._forget.append(forget)

    def before_commit(self, write: Callable[[sa.Connection], object]) -> None:
        """Call ``write`` at the end of each transaction that may write, and before others rely on what it writes."""
        self._write_gathered.append(write)

    def close(self) -> None:
        """Let go of the database."""
        give_back(self._shared)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make all that is done inside one synced step: it has happened when the context ends, or none of it has.

        It begins with the first transaction inside; without one nothing is asked of the database.
        """
        with self._converted(), contextlib.ExitStack() as steps:
            self._steps = steps
            try:
                yield
            finally:
                self._step = self._steps = None
        self._checkpoint_if_due()

    @contextlib.contextmanager
    def transaction(self, *, gathers: bool = False) -> Iterator[sa.Connection]:
        """One write transaction: all of it happens, synced, or none of it and a `JournalError` says why.

        What others have gathered to write `before_commit` is written first, unless this one ``gathers`` too.
        """
        with self._converted():
            if self._steps is not None:
                if self._step is None:
                    self._step = self._steps.enter_context(self._begun())
                elif not gathers:
                    self._flush(self._step)
                yield self._step
                return
            with self._begun() as connection:
                yield connection
        self._checkpoint_if_due()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: it sees one moment of the database, and keeps no writer waiting."""
        if self._steps is not None:
            with self.transaction() as connection:
                yield connection
        elif self.sqlite:
            with self._converted(), self._engine.connect() as connection:
                connection.execution_options(**{_READS_ONLY: True})
                with connection.begin():
                    yield connection
        else:
            with self._converted(), self._connected(isolation="REPEATABLE READ") as connection:
                yield connection

    @contextlib.contextmanager
    def turns_of(self, portal: str) -> Iterator[None]:
        """Take turns only with those who work on the same portal, as long as the context lasts.

        Nothing that belongs to another portal may be changed meanwhile.
        """
        before, self._turn = self._turn, _turn_of(portal)
        try:
            yield
        finally:
            self._turn = before

    @contextlib.contextmanager
    def _converted(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError, DamagedError) as error:
            raise self.explained(error) from None

    @contextlib.contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        """A transaction that may write, from its beginning to its end."""
        try:
            with self._engine.begin() if self.sqlite else self._connected(self._turn) as connection:
                yield connection
                self._flush(connection)
        except BaseException:
            for forget in self._forget:
                forget()
            raise

    def _flush(self, connection: sa.Connection) -> None:
        for write in self._write_gathered:
            write(connection)

    @contextlib.contextmanager
    def _connected(self, turn: _Turn = _NO_TURN, isolation: str = "") -> Iterator[sa.Connection]:
        """A transaction on a server, begun by a statement that waits for its turn and asks for the time.

        Nothing has happened until then, so where a connection turns out to be dead another is tried, once.
        """
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self._at_its_turn(turn, isolation))
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                connection = stack.enter_context(self._at_its_turn(turn, isolation))
            yield connection

    @contextlib.contextmanager
    def _at_its_turn(self, turn: _Turn, isolation: str) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            if isolation:
                connection.execution_options(isolation_level=isolation, postgresql_readonly=True)
            with connection.begin():
                self._clock = connection.exec_driver_sql(*turn).one()[-1], time.monotonic()
                yield connection

    def _checkpoint_if_due(self) -> None:
        if self._to_checkpoint:
            self._to_checkpoint = False
            self._checkpoint()

    def explained(self, error: Exception) -> JournalError:
        """One sentence for what went wrong with the database, and what to do."""
        cause = getattr(error, "orig", None) or error
        if (
            isinstance(error, (UnicodeDecodeError, DamagedError))
            or (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE
        ):
            return JournalError(
                _(
                    "The journal {journal} is damaged, or not a journal: put back a copy of it with all its "
                    "files. Until then send nothing that it knows of: it cannot tell any more what was sent."
                ).format(journal=self.shown)
            )
        reason = str(cause).partition("\n")[0] if cause is not error else type(error).__name__
        remedy = (
            _("free the disk or correct its permissions") if self.sqlite else _("see that its server can be reached")
        )
        away = not self.sqlite and isinstance(error, (OperationalError, InterfaceError, NoConnectionFree))
        return (JournalAway if away else JournalError)(
            _(
                "The journal {journal} cannot be used ({reason}). Nothing more is sent without it: "
                "{remedy}, then resume the campaign."
            ).format(journal=self.shown, reason=reason, remedy=remedy),
            code="JOURNAL_UNUSABLE",
        )

    def now(self) -> float:
        """The time (Unix seconds) by the clock that all who share the journal go by: this machine's, or the server's.

        The server's is taken at the beginning of each transaction.
        """
        if self._clock is None:
            return time.time()
        told, at = self._clock
        return told + time.monotonic() - at

    def check_files(self) -> None:
        """Raise `JournalError` where the database's files are not the ones that were opened."""
        if self.files is not None:
            self.files.check()

    def checkpoint(self) -> None:
        """Have the file's main part hold all that is written, once the transaction under way has happened."""
        self._to_checkpoint = self.sqlite

    def _checkpoint(self) -> None:
        # What could not be copied is still where it was written to.
        with (
            contextlib.suppress(SQLAlchemyError, sqlite3.Error),
            contextlib.closing(self._engine.raw_connection()) as raw,
        ):
            raw.cursor().execute("PRAGMA wal_checkpoint(FULL)").fetchall()


def address_of_server(address: str | Path) -> str | None:
    """The address of a journal's PostgreSQL database, with its password, as other programs take it; None of a file."""
    if not isinstance(address, str) or "://" not in address:
        return None
    url = _as_url(address)
    if url.get_backend_name() != "postgresql":
        return None
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _as_url(address: str | Path) -> sa.URL:
    """The database's address: anything with ``://`` is taken as one, everything else is the path of an SQLite file."""
    if isinstance(address, str) and "://" in address:
        try:
            url = sa.make_url(address)
            if "@" in (url.host or ""):
                raise JournalError(_("The journal's address has an @ in its user name or password: write it as %40."))
            # Without a driver's name SQLAlchemy takes one that is older.
            return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
        except (SQLAlchemyError, ValueError):
            # The address may hold a password, so it is not repeated.
            sentence = _("The journal's address cannot be understood; give a file's path or a database address.")
            raise JournalError(sentence) from None
    path = Path(address)
    if str(address) == ":memory:":
        return sa.URL.create("sqlite", database=":memory:")
    try:
        make_private(path.parent)
        # The journal holds what is written to customers: it is for its owner alone, and SQLite's other files follow it.
        with contextlib.suppress(FileExistsError, PermissionError):
            path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise JournalError(
            _("The journal's folder {folder} cannot be made: {reason}.").format(
                folder=path.parent, reason=reason(error)
            )
        ) from None
    return sa.URL.create("sqlite", database=str(path))


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


def _begin(connection: sa.Connection) -> None:
    """Begin as a writer: a transaction that reads first and writes later could otherwise be refused half-way."""
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN" if connection.get_execution_options().get(_READS_ONLY) else "BEGIN IMMEDIATE")
