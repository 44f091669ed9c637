"""Campaigns carried out by threads of this process, a thread and a journal for each."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from bulksend.errors import BulksendError
from bulksend.journal import Journal
from bulksend.locale import N_, _

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulksend.campaign import Campaign
    from bulksend.sender.options import Options, Progress, RunResult

_log: Final = logging.getLogger(__name__)

_BROKEN: Final = N_(
    "Something went wrong inside bulksend. What was sent is in the journal, so the campaign can be continued safely."
)


class ThreadJob:
    """See `bulksend.jobs.CampaignJob`."""

    here = True

    def __init__(
        self,
        journal: str | Path,
        prepare: Callable[[Journal, ExitStack], tuple[Campaign, Options]],
        name: str,
        leave: Callable[[Campaign, Options], bool],
    ) -> None:
        """Begin at once; ``leave`` is asked whether others carry the campaign out, once it is entered."""
        self.run_id: int | None = None
        self.progress: Progress | None = None
        self.result: RunResult | None = None
        self.error = ""
        self.cause: Exception | None = None
        self._journal, self._prepare, self._leave = journal, prepare, leave
        self._campaign: Campaign | None = None
        self._stop = threading.Event()
        self._entered = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name=name, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """See `bulksend.jobs.CampaignJob`."""
        return not self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """See `bulksend.jobs.CampaignJob`."""
        return self._stop.is_set() and not self.ended

    def wait_until_entered(self, timeout: float) -> bool:
        """See `bulksend.jobs.CampaignJob`."""
        return self._entered.wait(timeout)

    def stop(self) -> None:
        """End it in good order: no new calls, those under way are waited for."""
        self._stop.set()
        campaign = self._campaign
        if campaign is not None:
            campaign.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False where the time ran out first."""
        self._thread.join(timeout)
        return self.ended

    def _run(self) -> None:
        try:
            with Journal(self._journal) as journal, ExitStack() as stack:
                campaign, options = self._prepare(journal, stack)
                self._campaign, self.run_id = campaign, campaign.id
                if self._leave(campaign, options):
                    return
                if self._stop.is_set():
                    campaign.stop()
                self._entered.set()
                self.result = campaign.send(options, self._note)
                campaign.write_results()
        except BulksendError as error:
            self.error, self.cause = str(error), error
        except Exception as error:  # noqa: BLE001 - a thread's error is nobody else's to show
            _log.error("A campaign broke off: %s", type(error).__name__)
            self.error, self.cause = _(_BROKEN), error
        finally:
            self._entered.set()

    def _note(self, progress: Progress) -> None:
        self.progress = progress


def _leave_none(_campaign: Campaign, _options: Options) -> bool:
    return False


class Threads:
    """See `bulksend.jobs.Jobs`."""

    def __init__(self, journal: str | Path, leave: Callable[[Campaign, Options], bool] = _leave_none) -> None:
        """Set up without starting anything.

        Args:
            journal: the journal's address; each thread opens its own.
            leave: asked of each campaign once it is entered, whether others carry it out.
        """
        self._journal, self._leave = journal, leave
        self._jobs: list[ThreadJob] = []
        self._lock = threading.Lock()

    def start(self, prepare: Callable[[Journal, ExitStack], tuple[Campaign, Options]]) -> ThreadJob:
        """See `bulksend.jobs.Jobs`."""
        with self._lock:
            # The newest that ended are kept: what they ended by is still to be shown.
            ended = [job for job in self._jobs if job.ended]
            self._jobs = [job for job in self._jobs if not job.ended] + ended[-100:]
            job = ThreadJob(self._journal, prepare, f"bulksend-campaign-{len(self._jobs) + 1}", self._leave)
            self._jobs.append(job)
        return job

    def of(self, run_id: int) -> ThreadJob | None:
        """See `bulksend.jobs.Jobs`."""
        with self._lock:
            at_work = [job for job in self._jobs if job.run_id == run_id and not job.ended]
        return at_work[-1] if at_work else None

    def last_of(self, run_id: int) -> ThreadJob | None:
        """The newest job that was at a campaign, ended or not."""
        with self._lock:
            return next((job for job in reversed(self._jobs) if job.run_id == run_id), None)

    def running(self) -> list[ThreadJob]:
        """See `bulksend.jobs.Jobs`."""
        with self._lock:
            return [job for job in self._jobs if not job.ended]

    def leaves(self, portal: str) -> bool:  # noqa: ARG002 - none is
        """See `bulksend.jobs.Jobs`."""
        return False

    def stop(self, run_id: int) -> bool:
        """See `bulksend.jobs.Jobs`."""
        job = self.of(run_id)
        if job is None or job.stopping:
            return False
        job.stop()
        return True

    def close(self) -> int:
        """See `bulksend.jobs.Jobs`."""
        jobs = self.running()
        for job in jobs:
            job.stop()
        for job in jobs:
            job.wait()
        return len(jobs)
