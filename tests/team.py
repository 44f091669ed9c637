"""A team for tests: a journal on PostgreSQL, workers in processes of their own, and portals that they have saved."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from bulksend import Campaign, Journal, PortalStore, Queue, Run, Sending, examine, find_target, parse_webhook
from bulksend.cli.queued import entries_of, standing
from tests.processes import Commands, PortalProcess, until, write_sheet

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.processes import TestRow

QUICK = """
import sys
if sys.argv[1] == "worker":
    import bulksend.jobs.worker as worker, bulksend.sender.hours as hours, bulksend.sender.sender as sender
    import bulksend.journal.holder as holder, bulksend.journal.pace_store as pace
    worker.TURN = 3.0
    worker.HEARTBEAT, worker.DEAD, worker.ROUND, worker.SOON, worker.SHORT_WAIT = 0.5, 2.0, 0.5, 0.5, 1.0
    holder.ABANDONED_SECONDS = pace.ABANDONED_SECONDS = 4.0
    sender.HEARTBEAT_SECONDS, hours.LATEST_DEPARTURE = 0.5, 2.0
import bulksend.cli
bulksend.cli.main()
"""
PROGRAM = ("-c", QUICK)
"""The command, with a worker's times made a tenth or so of what they are."""


@dataclass
class WorkerProcess:
    """``bulksend worker`` in a process, and what it has said."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):
            self.lines.extend(line.rstrip() for line in iter(self.process.stderr.readline, ""))

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def hand_over(self, timeout: float = 30.0) -> int:
        """End it in good order, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def freeze(self) -> None:
        """Stop it where it is, as a computer does that sleeps."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def wait_until_said(self, text: str, timeout: float = 30.0) -> None:
        """Wait until a line holds a text."""
        for _ in until(timeout):
            if any(text in line for line in list(self.lines)):
                return
        raise AssertionError(f"not said: {text}\n" + "\n".join(self.lines))


class Team:
    """Colleagues who share a journal."""

    def __init__(self, folder: Path, journal: str, *, quick: bool = True) -> None:
        self.commands = Commands(folder, PROGRAM) if quick else Commands(folder)
        self.journal = journal
        self._workers: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()

    def save(self, name: str, portal: PortalProcess | str) -> None:
        """Save a portal on the machine that all of the team's processes are on."""
        webhook = portal if isinstance(portal, str) else portal.webhook
        os.environ["BULKSEND_NO_KEYRING"] = "1"
        PortalStore(self.commands.home).add(name, parse_webhook(webhook))

    def enter(self, name: str, lines: list[TestRow], portal: str, **sending: Any) -> int:
        """Enter a sheet and leave it to workers, as `bulksend send --queue` does; its number."""
        sheet = write_sheet(self.commands.folder / f"{name}.csv", lines)
        settings = Sending(**{"rate": 0.0, "timeout": 1.0, "settle": 1.0, **sending}).resolved(time.time(), {})
        with Journal(self.journal) as journal, Queue(self.journal) as queue:
            with (
                find_target(portal, self.commands.home, user_id=27) as target,
                Campaign.enter(journal, examine(sheet), target, settings=settings.settings()) as campaign,
            ):
                pass
            queue.put(journal.run(campaign.id))
        return campaign.id

    def states(self) -> list[str]:
        """What `bulksend runs` says of the campaigns."""
        entries = entries_of(self.journal)
        return [str(standing(run, entries.get(run.id))["state"]) for run in self.runs()]

    def worker(self, *options: object, journal: str | None = None) -> WorkerProcess:
        """Start a worker."""
        process = self.commands.start("worker", "--journal", journal or self.journal, *options)
        worker = WorkerProcess(process)
        self._workers.append(worker)
        return worker

    def runs(self) -> list[Run]:
        """The campaigns as the journal has them."""
        with Journal(self.journal) as journal:
            return journal.runs()

    def wait_until_finished(self, timeout: float = 60.0) -> None:
        """Wait until no campaign has rows left."""
        for _ in until(timeout, 0.2):
            if all(not run.counts.left for run in self.runs()):
                return
        said = "\n".join(line for worker in self._workers for line in worker.lines)
        raise AssertionError(f"not finished: {[run.counts for run in self.runs()]}\n{said}")
