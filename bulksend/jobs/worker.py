"""A worker: carries out the campaigns of a queue, several at once, and takes over those of workers that died.

Who does what, and when, is procrastinate's to say: its jobs wait until their time, one of a campaign is done at a time,
and workers give signs of life. What a job may send is the journal's to say, row by row, so that a job that is done
twice sends nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker as Session
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bulksend.campaign import Campaign
from bulksend.entry.refusals import CampaignChanged
from bulksend.errors import BulksendError, JournalError
from bulksend.jobs.portals import SavedPortals
from bulksend.jobs.queue import TASK, connection_settings, entry_of, moment, prepare, queue_of
from bulksend.journal import Held, Journal, Paused, TakenOver
from bulksend.journal.engines import IN_SESSION
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.options import StopReason
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from procrastinate import JobContext
    from procrastinate.connector import Notify
    from procrastinate.jobs import Job

    from bulksend.journal import Run
    from bulksend.sender.options import Progress, RunResult

_log: Final = logging.getLogger(__name__)

HEARTBEAT: Final = 5.0
"""Seconds between two signs of life of a worker."""

DEAD: Final = 20.0
"""Seconds without one after which others take over what a worker did."""

FORGOTTEN: Final = 24 * 3600.0
"""Seconds after which nothing more is known of a worker that gives none."""

ROUND: Final = 5.0
"""Seconds between two looks for what dead workers have left, and for new campaigns if nobody tells of them."""

SHORT_WAIT: Final = 60.0
"""Seconds for which a campaign keeps its place though none of its messages may leave; for longer it gives it back."""

TURN: Final = 300.0
"""Seconds after which a campaign gives its place to another that waits for one."""

SOON: Final = 5.0
"""Seconds after which a campaign is tried again that another process still holds."""

PATIENCE: Final = 600.0
"""Seconds for which what is written to the queue waits for its server."""

RECONNECT: Final = 2.0
"""Seconds after which attempts to connect to the server begin anew: the pause between them grows with each."""


class _AgainError(Exception):
    """The job is not done: somebody is to go on with it, from a time on and perhaps after others."""

    def __init__(self, at: float = 0.0, *, behind: bool = False) -> None:
        super().__init__()
        self.at, self.behind = at, behind


class _Again(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, _AgainError):
            return None
        priority = job.priority - 1 if exception.behind else job.priority
        return RetryDecision(retry_at=moment(exception.at or time.time()), priority=priority)


class _Connector(PsycopgConnector):
    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen; while the server cannot be reached, campaigns that are under way are not to be given up for that."""
        while True:
            with contextlib.suppress(ConnectorException, OSError):
                await super().listen_notify(on_notification, channels)
            await asyncio.sleep(1.0)


@dataclass(slots=True)
class _Sending:
    """A campaign that is being sent here."""

    run_id: int
    since: float = field(default_factory=time.monotonic)
    give_place: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Carries out what is in the queue of a journal until it is stopped.

    Args:
        address: the journal's.
        home: the data folder, with the saved portals.
        campaigns: how many are sent at once.
        say: called with each sentence on what happens, from any thread.
    """

    def __init__(self, address: str | Path, home: Path, campaigns: int, say: Callable[[str], None]) -> None:
        self._address, self._campaigns, self._say = address, campaigns, say
        self._settings = connection_settings(address)
        self._portals = SavedPortals(home)
        self._queues: list[str] = []
        self._at_work: dict[int, _Sending] = {}
        self._left: set[int] = set()
        self._looked_at: float | None = None
        self._take_over_from = 0.0
        self._strays: set[int] = set()
        self._stopping = False
        self._session: Any = None  # the class is not typed
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            BulksendError: it cannot begin; the sentence says why.
        """
        Journal(self._address).close()  # its errors are a sentence, and its tables are brought up to date
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # what psycopg needs on Windows
            runner.run(self._main())

    def stop(self) -> None:
        """End in good order: no new calls, those under way are waited for, others go on. Safe in a signal handler."""
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_session)

    def _stop_session(self) -> None:
        if self._session is not None:
            self._session.stop()

    # The queue

    async def _main(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        threads = ThreadPoolExecutor(self._campaigns + 4, "bulksend-campaign")
        loop.set_default_executor(threads)
        loop.set_exception_handler(lambda _, context: _log.info("In the queue: %s", context.get("exception")))
        while not self._stopping:
            app = self._app()
            try:
                async with app.open_async():
                    await asyncio.to_thread(prepare, app, self._address)
                    await self._work(app)
            except (ConnectorException, PoolTimeout, OSError, JournalError) as error:
                _log.warning("The queue cannot be used (%s); trying again.", error)
                await asyncio.sleep(SOON)

    def _app(self) -> App:
        connector = _Connector(
            **self._settings,
            timeout=PATIENCE,
            configure=_configure,
            reconnect_timeout=RECONNECT,
            reconnect_failed=AsyncConnectionPool.check,  # which begins to connect again
        )
        app = App(connector=connector)
        app.task(name=TASK, pass_context=True, retry=_Again())(self._carry_out)
        return app

    async def _work(self, app: App) -> None:
        await self._look_for_portals(app)
        session: Any = Session(
            app,
            self._queues,
            concurrency=self._campaigns,
            fetch_job_polling_interval=ROUND,
            shutdown_graceful_timeout=0,  # campaigns are told at once
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=FORGOTTEN,
            delete_jobs="always",
            install_signal_handlers=False,
        )
        self._session = session
        watch = asyncio.create_task(self._watch(app, session))
        try:
            if not self._stopping:
                await session.run()
        finally:
            self._session = None
            while not watch.done():  # a cancellation can be lost: `asyncio.wait_for` swallows some before Python 3.12
                watch.cancel()
                await asyncio.wait([watch], timeout=0.5)
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _watch(self, app: App, session: Any) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(ROUND)
            rounds += 1
            try:
                await self._take_over(app, session)
                if len(self._at_work) >= self._campaigns:
                    await self._give_turns(app)
                if rounds % 6 == 0:
                    await self._look_for_portals(app)
            except (ConnectorException, PoolTimeout, BulksendError) as error:
                _log.info("The queue cannot be looked at now: %s", error)

    async def _take_over(self, app: App, session: Any) -> None:
        """Put back what dead workers have left, and what this one was given without hearing of it."""
        manager = app.job_manager
        dead = list(await manager.get_stalled_jobs(task_name=TASK, seconds_since_heartbeat=DEAD))
        now = time.monotonic()
        before, self._looked_at = self._looked_at or now, now
        if now - before > ROUND + HEARTBEAT:  # the server was away, so nobody could give a sign of life
            self._take_over_from = now + DEAD
        if now < self._take_over_from:
            return
        mine = await manager.list_jobs_async(task=TASK, status="doing", worker_id=session.worker_id or -1)
        strays = {job.id: job for job in mine if job.id is not None and job.id not in self._at_work}
        dead += [job for job_id, job in strays.items() if job_id in self._strays]
        self._strays = set(strays)
        for job in dead:
            if job.id is None:
                continue
            entry = entry_of(job)
            # As a new job: whoever had the old one, and wakes up, has no word in it any more.
            with contextlib.suppress(AlreadyEnqueued):
                await app.configure_task(
                    TASK,
                    queue=job.queue,
                    lock=job.lock,
                    queueing_lock=job.queueing_lock,
                    priority=job.priority,
                ).defer_async(**job.task_kwargs)
            with contextlib.suppress(ConnectorException):  # another worker was faster
                await manager.finish_job_by_id_async(job.id, status=Status.FAILED, delete_job=True)
                self._say(_("Campaign {run}: its worker has died; another continues it.").format(run=entry.run_id))

    async def _give_turns(self, app: App) -> None:
        """Where campaigns wait for a place, let those have one that had none for long."""
        waiting = [entry for entry in await self._todo(app) if entry.queue in self._queues and _due(entry.at)]
        ready = [one for one in self._at_work.values() if time.monotonic() - one.since > TURN]
        for sending, _waiting in zip(sorted(ready, key=lambda one: one.since), waiting, strict=False):
            sending.give_place.set()

    async def _look_for_portals(self, app: App) -> None:
        """See for which portals this worker can work, and say what is left to others."""
        known = await asyncio.to_thread(self._portals.load)
        queues = sorted(map(queue_of, known))
        if queues != self._queues:
            names = sorted(name for names in known.values() for name in names)
            self._say(
                _("Sending through the portals {names}.").format(names=", ".join(names))
                if names
                else _("No portal is saved here, so nothing can be sent.")
            )
        self._queues[:] = queues
        left = {entry.run_id for entry in await self._todo(app) if entry.queue not in queues}
        if left - self._left:
            numbers = ", ".join(map(str, sorted(left - self._left)))
            self._say(
                _("Left to other workers, because their portals are not saved here: campaigns {numbers}.").format(
                    numbers=numbers
                )
            )
        self._left = left

    @staticmethod
    async def _todo(app: App) -> list[Any]:
        return [entry_of(job) for job in await app.job_manager.list_jobs_async(task=TASK, status="todo")]

    # A campaign

    def _carry_out(self, context: JobContext, run_id: int, *, late: bool = False) -> None:
        """Send a campaign as far as it may be sent now. It is called in a thread of its own."""
        sending = _Sending(run_id)
        job_id = context.job.id or 0
        self._at_work[job_id] = sending
        try:
            with Journal(self._address) as journal:
                self._send(journal, journal.run(run_id), context, sending, late=late)
        except (Held, CampaignChanged):
            raise _AgainError(time.time() + SOON) from None
        except Paused:
            self._say(_("Campaign {run}: paused.").format(run=run_id))
        except TakenOver:
            self._say(_("Campaign {run}: another worker has taken it over.").format(run=run_id))
        except JournalError as error:
            self._say(_("Campaign {run}: {sentence}").format(run=run_id, sentence=error))
            raise _AgainError(time.time() + SOON) from None
        except BulksendError as error:
            self._say(_("Campaign {run}: not sent. {sentence}").format(run=run_id, sentence=error))
        except _AgainError:
            raise
        except Exception as error:
            self._say(
                _("Campaign {run}: something went wrong inside bulksend ({error}).").format(
                    run=run_id, error=type(error).__name__
                )
            )
            _log.exception("Campaign %d broke off", run_id)
            raise
        finally:
            del self._at_work[job_id]

    def _send(self, journal: Journal, run: Run, context: JobContext, sending: _Sending, *, late: bool) -> None:
        name = self._portals.name_for(run)
        if name is None:  # it was saved here until a moment ago
            raise _AgainError(time.time() + SHORT_WAIT)
        settings = Sending.kept(run.settings)
        timeout = settings.options(run.counts.total).timeout
        with (
            self._portals.connected(name, run, timeout) as (target, client),
            Campaign.resume(journal, run, target, unpause=False) as campaign,
        ):

            def look(_progress: Progress) -> None:
                if context.should_abort() or sending.give_place.is_set():
                    campaign.stop()

            settings = Sending.kept(campaign.run.settings)
            options = settings.options(run.counts.total, target.settle)
            options = replace(options, late=late, longest_wait=SHORT_WAIT)
            left = run.counts.left
            self._say(
                ngettext(
                    "Campaign {run}: sending {rows} row through {portal}.",
                    "Campaign {run}: sending {rows} rows through {portal}.",
                    left,
                ).format(run=run.id, rows=number(left), portal=name)
            )
            result = campaign.send(options, look, client=client)
        self._conclude(journal.run(run.id), result, gives_place=sending.give_place.is_set())

    def _conclude(self, run: Run, result: RunResult, *, gives_place: bool) -> None:
        """Say how it ended, and put it back into the queue where it is to go on.

        Raises:
            _AgainError: that.
        """
        counts, how = run.counts, result.how
        if how is StopReason.WAITING:
            said = _("Campaign {run}: its rows wait for their hours.")
        elif how is StopReason.INTERRUPTED and gives_place:
            said = _("Campaign {run}: gives its place to another.")
        elif how is StopReason.INTERRUPTED:
            said = _("Campaign {run}: handed over.")
        elif result.sentence:
            said = _("Campaign {run}: {sent} of {total} rows sent. Stopped: {sentence}")
        else:
            said = _("Campaign {run}: {sent} of {total} rows sent.")
        sent, total = number(counts.sent), number(counts.total)
        self._say(said.format(run=run.id, sent=sent, total=total, sentence=result.sentence))
        if how in {StopReason.WAITING, StopReason.INTERRUPTED}:
            raise _AgainError(result.until, behind=gives_place)


def _due(at: float | None) -> bool:
    return at is None or at <= time.time()


async def _configure(connection: Any) -> None:
    before, _ = connection.autocommit, await connection.set_autocommit(True)
    for statement in IN_SESSION:
        await connection.execute(statement)
    await connection.set_autocommit(before)
