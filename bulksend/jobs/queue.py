"""Campaigns that are left to workers: a queue in the journal's own database, which procrastinate keeps."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from bulksend.errors import JournalError, UsageError
from bulksend.journal import Journal
from bulksend.journal.database import address_of_server
from bulksend.journal.engines import IN_SESSION, TO_SERVER
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from procrastinate import App
    from procrastinate.jobs import Job

    from bulksend.journal import Run

TASK: Final = "bulksend.send"
"""What workers are asked to do: to send a campaign."""

PLACES: Final = 4
"""Connections to the queue that a process holds at the most."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A campaign in the queue.

    Attributes:
        run_id: which.
        queue: the queue of its portal.
        taken: whether a worker has taken it.
        at: when it may be taken, if that is not yet (Unix seconds).
    """

    run_id: int
    queue: str
    taken: bool
    at: float | None


def queue_of(portal: str) -> str:
    """The queue of a portal's campaigns; workers listen to those of the portals that they have saved."""
    # Names of channels in PostgreSQL are short.
    return f"portal-{hashlib.blake2s(portal.encode(), digest_size=8).hexdigest()}"


def entry_of(job: Job) -> QueueEntry:
    """A job as what it means."""
    at = job.scheduled_at.timestamp() if job.scheduled_at and job.status == "todo" else None
    return QueueEntry(int(str(job.task_kwargs["run_id"])), job.queue, job.status == "doing", at)


def settings_of(run_id: int, portal: str) -> dict[str, Any]:
    """What procrastinate has to know of a campaign's job: it waits once at the most, and is done once at a time."""
    return {"queue": queue_of(portal), "lock": _lock_of(run_id), "queueing_lock": _lock_of(run_id)}


def _lock_of(run_id: int) -> str:
    return f"campaign-{run_id}"


def connection_settings(address: str | Path) -> dict[str, Any]:
    """How to connect to the database of a journal, for procrastinate.

    Raises:
        UsageError: it is a file, or procrastinate is not installed.
    """
    server = address_of_server(address)
    if server is None:
        raise UsageError(
            _(
                "Workers share a journal on PostgreSQL, and this one is a file: name the address of a database, or "
                "send without a queue."
            ),
            code="QUEUE_NEEDS_SERVER",
        )
    try:
        import procrastinate  # noqa: F401, PLC0415 - only teams have it
    except ImportError:
        raise UsageError(_("What workers need is not installed: run `pip install 'bulksend[team]'` first.")) from None
    return {"conninfo": server, "kwargs": TO_SERVER, "min_size": 1, "max_size": PLACES}


class Queue:
    """The queue of a journal, for those who put campaigns there."""

    def __init__(self, address: str | Path, *, make: bool = True) -> None:
        """Connect.

        Args:
            address: the journal's.
            make: whether to make the queue's tables where there are none; else nothing is in the queue then.

        Raises:
            UsageError: the journal is a file, or procrastinate is not installed.
            JournalError: the database cannot be reached, or its user may not make the queue.
        """
        settings = connection_settings(address)
        from procrastinate import App, SyncPsycopgConnector  # noqa: PLC0415 - only teams have it

        self._app: App = App(connector=SyncPsycopgConnector(**settings, configure=_configure))
        with explained():
            self._app.open()
        try:
            if make:
                prepare(self._app, address)
            with explained():
                self._there = self._app.check_connection()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        self._app.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, run: Run, *, late: bool = False) -> None:
        """Have workers send a campaign, as the journal has it when they take it.

        Args:
            run: the campaign; whether it waits in the queue already makes no difference.
            late: whether to begin also long after the time that was set for it.
        """
        from procrastinate.exceptions import AlreadyEnqueued  # noqa: PLC0415 - only teams have it

        self.remove(run.id)  # it may wait for hours that are others now
        with explained(), contextlib.suppress(AlreadyEnqueued):
            task = self._app.configure_task(TASK, **settings_of(run.id, run.portal))
            task.defer(run_id=run.id, late=late)

    def remove(self, run_id: int) -> None:
        """Take a campaign out that waits; one that a worker has taken stays with it."""
        if not self._there:
            return
        with explained():
            for job in self._app.job_manager.list_jobs(task=TASK, status="todo", lock=_lock_of(run_id)):
                if job.id is not None:
                    self._app.job_manager.cancel_job_by_id(job.id, delete_job=True)

    def entries(self) -> dict[int, QueueEntry]:
        """The campaigns in the queue, by their numbers."""
        if not self._there:
            return {}
        with explained():
            jobs = [
                job for status in ("todo", "doing") for job in self._app.job_manager.list_jobs(task=TASK, status=status)
            ]
        return {entry.run_id: entry for entry in map(entry_of, jobs)}


def prepare(app: App, address: str | Path) -> None:
    """Make the queue's tables where there are none."""
    with explained():
        if app.check_connection():
            return
    with Journal(address) as journal, journal.transaction(), explained():
        journal.pace("")  # from here on it is nobody else's turn
        if not app.check_connection():
            app.schema_manager.apply_schema()


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of the queue's database into a sentence."""
    from procrastinate.exceptions import ConnectorException  # noqa: PLC0415 - only teams have it
    from psycopg_pool import PoolTimeout  # noqa: PLC0415 - likewise

    try:
        yield
    except (ConnectorException, PoolTimeout) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise JournalError(
            _(
                "The queue in the journal's database cannot be used ({reason}): see that its server can be reached, "
                "and that its user may use the tables of procrastinate, or make them where there are none."
            ).format(reason=reason)
        ) from None


def moment(at: float) -> datetime:
    """A time as procrastinate takes it."""
    return datetime.fromtimestamp(at, UTC)


def _configure(connection: Any) -> None:
    connection.autocommit = True
    for statement in IN_SESSION:
        connection.execute(statement)
    connection.autocommit = False
