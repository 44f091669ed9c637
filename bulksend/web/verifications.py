"""Asks the portal which messages of a campaign reached the customers, in threads of its own."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from bulksend.errors import BulksendError
from bulksend.journal import Journal, Stage
from bulksend.locale import _
from bulksend.queries.verify import verify
from bulksend.results import write_run_results
from bulksend.target import find_target
from bulksend.web.preflights import asking

if TYPE_CHECKING:
    from pathlib import Path

    from bulksend.journal import Run
    from bulksend.queries.query import QueryProgress
    from bulksend.target import Target

_log: Final = logging.getLogger(__name__)

WAIT: Final = 60.0
"""Seconds for which messages that no channel has confirmed yet are asked for again."""


class Verification:
    """One campaign's messages that are asked about.

    Attributes:
        progress: how many answers have come.
        waiting: messages that no channel has confirmed yet, while they are waited for.
        stopped: whether a person or the end of the program has stopped it.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.progress: QueryProgress | None = None
        self.waiting = 0
        self.stopped = False

    def note(self, progress: QueryProgress) -> None:
        """Take up how far it is."""
        self.progress, self.waiting = progress, 0

    def wait(self, rows: int, _seconds: float) -> None:
        """Take up what is waited for."""
        self.waiting = rows


class Verifications:
    """Asks for one campaign after the other, at most two at once."""

    def __init__(self, home: Path, journal: str | Path) -> None:
        """Set up without asking anything."""
        self._home, self._journal = home, journal
        self._running: dict[int, Verification] = {}
        self._errors: dict[int, str] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2, "bulksend-web-verify")

    def of(self, run_id: int) -> Verification | None:
        """The asking that is at a campaign's messages now."""
        return self._running.get(run_id)

    def error_of(self, run_id: int) -> str:
        """What kept the last asking from its end; empty where nothing did."""
        return self._errors.get(run_id, "")

    def start(self, run: Run, portal: str) -> None:
        """Ask for a campaign's messages from now on, unless that is being done already."""
        with self._lock:
            if run.id in self._running:
                return
            found = self._running[run.id] = Verification()
        self._threads.submit(copy_context().run, self._run, run, portal, found)

    def at_the_end(self, journal: Journal, run_id: int, target: Target) -> None:
        """Ask in the thread that has just sent a campaign, if it got to its end."""
        run = journal.run(run_id)
        if run.stage is not Stage.FINISHED or not run.counts.sent:
            return
        with self._lock:
            if run_id in self._running:
                return
            found = self._running[run_id] = Verification()
        self._ask(journal, run_id, target, found)

    def stop(self, run_id: int) -> None:
        """Ask no more; what was answered is kept."""
        found = self.of(run_id)
        if found is not None:
            found.stopped = True

    def close(self) -> None:
        """Stop all, and wait for those in threads of their own."""
        for run_id in list(self._running):
            self.stop(run_id)
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, run: Run, portal: str, found: Verification) -> None:
        try:
            with find_target(portal, self._home, user_id=run.user_id) as target, Journal(self._journal) as journal:
                target.require_own(run)
                self._ask(journal, run.id, target, found)
        except BulksendError as error:
            self._ended(run.id, str(error))
        except Exception as error:  # noqa: BLE001 - a thread's error is nobody else's to show
            _log.error("Asking for deliveries broke off: %s", type(error).__name__)
            self._ended(run.id, _("Something went wrong inside bulksend while it asked the portal: ask again."))

    def _ask(self, journal: Journal, run_id: int, target: Target, found: Verification) -> None:
        error = ""
        try:
            with asking(journal, target, found.note) as queries:
                verify(run_id, queries, wait=WAIT, on_wait=found.wait, stopped=lambda: found.stopped)
        except BulksendError as broken:
            error = str(broken)
        finally:
            self._ended(run_id, error)
        write_run_results(journal, journal.run(run_id))

    def _ended(self, run_id: int, error: str) -> None:
        with self._lock:
            self._running.pop(run_id, None)
            self._errors[run_id] = error
            for old in list(self._errors)[:-100]:
                del self._errors[old]
