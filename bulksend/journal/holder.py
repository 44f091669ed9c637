"""Which process holds a campaign, whether it still lives, and what the others are told."""

from __future__ import annotations

import json
import os
import platform
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from bulksend.errors import JournalError, UsageError
from bulksend.locale import _
from bulksend.locale.formats import moment

HEARTBEAT_SECONDS: Final = 5.0
"""How often a process that holds a campaign gives a sign of life."""

ABANDONED_SECONDS: Final = 30.0
"""A holder that has given no sign of life for so long is taken for dead; in a file's journal only one on another
machine. A call leaves within `LATEST_DEPARTURE` of being allowed to, or not at all, so by then all have left."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its machine, its number, and when it started, since numbers are used again.

    Attributes:
        started: for people, and to tell processes apart where the system knows no ``ticks`` (Unix seconds).
        space: tells containers apart that share a machine's name but not its process numbers.
        token: tells several holders in one process apart, as a server may have them.
        boot: which start of the machine's system the process belongs to (Linux).
        ticks: the system's age when the process started (Linux): unlike ``started`` it does not move when the clock is
            set.
        leased: whether it has to give signs of life also while its process runs, since that may be stopped for long.
    """

    host: str
    pid: int
    started: float
    space: str = ""
    token: str = ""
    boot: str = ""
    ticks: int = 0
    leased: bool = False

    @classmethod
    def this_process(cls, *, leased: bool = False) -> Holder:
        """The process that asks, as a holder of its own each time."""
        pid = os.getpid()
        started, ticks = psutil.Process().create_time(), _ticks(pid) or 0
        return cls(platform.node(), pid, started, _space(), uuid.uuid4().hex, _boot() if ticks else "", ticks, leased)

    @classmethod
    def from_text(cls, text: str) -> Holder:
        """The holder that `to_text` wrote."""
        return cls(**json.loads(text))

    def to_text(self) -> str:
        """The holder as text for the journal."""
        return json.dumps(asdict(self))

    @property
    def since_text(self) -> str:
        """When the process started, in this machine's time, for people."""
        return moment(self.started)

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine, since its last start."""
        return (self.host, self.space) == (platform.node(), _space()) and self.boot in {"", _boot()}

    def alive(self, seen_at: float, now: float) -> bool:
        """Whether the process still runs.

        On this machine the system is asked. Of another machine only the last sign of life is known (``seen_at``, by the
        journal's clock, as ``now``): after `ABANDONED_SECONDS` without one its process is taken for dead. A leased
        holder has to give them here too.
        """
        if not self.is_here or self.leased:
            if now - seen_at >= ABANDONED_SECONDS:
                return False
            if not self.is_here:
                return True
        if self.ticks:
            return _ticks(self.pid) == self.ticks
        try:
            process = psutil.Process(self.pid)
            # The start time is read with a resolution of 10 ms on some systems.
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


class Held(UsageError):
    """Another process holds the campaign."""

    def __init__(self, run_id: int, holder: Holder) -> None:
        self.run_id = run_id
        super().__init__(
            _(
                "Campaign {run} is being sent by process {pid} on {host} since {since}; wait until it "
                "ends, or stop it there, then run this again."
            ).format(run=run_id, pid=holder.pid, host=holder.host, since=holder.since_text)
        )


class Paused(UsageError):
    """Somebody has paused the campaign."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        super().__init__(_("Campaign {run} is paused.").format(run=run_id))


class TakenOver(JournalError):
    """A campaign was taken by another process, because its holder gave no sign of life for long."""

    def __init__(self, run_id: int) -> None:
        super().__init__(
            _(
                "Campaign {run} was taken over by another process, because this one gave no sign of life "
                "for long (a computer that slept?); nothing more is sent here."
            ).format(run=run_id),
            code="TAKEN_OVER",
        )


def _space() -> str:
    """The name of the space in which this process's number is unique, where the system has several (Linux)."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot() -> str:
    """The name of this start of the system (Linux)."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _ticks(pid: int) -> int | None:
    """How old the system was when a process that still runs started, in its own unit (Linux); else None."""
    # The program's name, in parentheses, may hold anything; behind it come the state and, as the 20th, the start.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] not in {"Z", "X"} else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
