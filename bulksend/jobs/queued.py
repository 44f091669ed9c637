"""Campaigns that the page leaves to workers; what only this process can do is carried out by threads here."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from bulksend.jobs.queue import Queue, QueueEntry
from bulksend.jobs.threads import Threads
from bulksend.journal import Journal, WaitReason
from bulksend.sender.options import Progress
from bulksend.sender.settings import Sending
from bulksend.target import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from bulksend.campaign import Campaign
    from bulksend.jobs import CampaignJob
    from bulksend.journal import Run
    from bulksend.sender.options import Options

FRESH: Final = 1.0
"""Seconds for which what was read of the queue is believed."""


class QueuedJob:
    """A campaign in the queue; see `bulksend.jobs.CampaignJob`."""

    cause: Exception | None = None
    error = ""
    ended = False
    here = False

    def __init__(self, journal: str | Path, entry: QueueEntry, run: Run) -> None:
        self.run_id: int | None = entry.run_id
        self.stopping = run.paused
        self.progress: Progress | None = None
        self._journal = journal
        if not entry.taken:
            if entry.at is not None and entry.at > time.time():
                schedule = Sending.kept(run.settings).schedule()
                reason = WaitReason.BEGIN if abs(entry.at - schedule.at) < 1 else WaitReason.HOURS
                self.progress = Progress(run.counts, 0, reason, entry.at, schedule.timezone, idle=True)
            else:
                self.progress = Progress(run.counts, 0, WaitReason.WORKER)

    def wait(self, timeout: float | None = None) -> bool:
        """See `bulksend.jobs.CampaignJob`."""
        end = time.monotonic() + (3600.0 if timeout is None else timeout)
        while time.monotonic() < end:
            with Journal(self._journal) as journal:
                if journal.run(self.run_id or 0).holder is None:
                    return True
            time.sleep(0.5)
        return False

    def wait_until_entered(self, timeout: float) -> bool:  # noqa: ARG002 - it is entered
        """See `bulksend.jobs.CampaignJob`."""
        return True


class QueuedJobs:
    """See `bulksend.jobs.Jobs`."""

    def __init__(self, journal: str | Path) -> None:
        """Connect to the queue.

        Raises:
            UsageError: the journal is a file, or procrastinate is not installed.
            JournalError: the database cannot be reached, or its user may not make the queue.
        """
        self._journal, self._queue = journal, Queue(journal)
        self._here = Threads(journal, self._leave)
        self._known: tuple[float, dict[int, QueueEntry]] = (0.0, {})
        self._reading = threading.Lock()

    def start(self, prepare: Callable[[Journal, ExitStack], tuple[Campaign, Options]]) -> CampaignJob:
        """See `bulksend.jobs.Jobs`."""
        return self._here.start(prepare)

    def of(self, run_id: int) -> CampaignJob | None:
        """See `bulksend.jobs.Jobs`."""
        here, entry = self._here.of(run_id), self._entries().get(run_id)
        if here or entry is None:
            return here
        with Journal(self._journal) as journal:
            return QueuedJob(self._journal, entry, journal.run(run_id))

    def last_of(self, run_id: int) -> CampaignJob | None:
        """See `bulksend.jobs.Jobs`."""
        return self._here.last_of(run_id)

    def running(self) -> Sequence[CampaignJob]:
        """See `bulksend.jobs.Jobs`."""
        entries = self._entries()
        with Journal(self._journal) as journal:
            runs = [run for run in journal.runs() if run.id in entries]
        return [*self._here.running(), *(QueuedJob(self._journal, entries[run.id], run) for run in runs)]

    def leaves(self, portal: str) -> bool:
        """See `bulksend.jobs.Jobs`; workers know neither rehearsals nor portals that are not saved."""
        return portal not in {"", SANDBOX}

    def stop(self, run_id: int) -> bool:
        """See `bulksend.jobs.Jobs`."""
        if self._here.of(run_id) is not None:
            return self._here.stop(run_id)
        with Journal(self._journal) as journal:
            paused = journal.pause(run_id)
        self._queue.remove(run_id)
        self._forget()
        return paused

    def close(self) -> int:
        """Stop in good order what is carried out here; workers go on with the rest."""
        stopped = self._here.close()
        self._queue.close()
        return stopped

    def _leave(self, campaign: Campaign, options: Options) -> bool:
        run = campaign.run
        if not self.leaves(run.portal_name):
            return False
        campaign.release()
        self._queue.put(run, late=options.late)
        self._forget()
        return True

    def _entries(self) -> dict[int, QueueEntry]:
        with self._reading:
            at, entries = self._known
            if time.monotonic() > at + FRESH:
                entries = self._queue.entries()
                self._known = time.monotonic(), entries
            return entries

    def _forget(self) -> None:
        # Whoever reads the queue at this moment may have read what it was before.
        with self._reading:
            self._known = (0.0, {})
