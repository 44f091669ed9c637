"""Which process holds a campaign, and whether it still lives."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its machine, its number and when it started (Unix seconds), since numbers are used again.

    ``space`` tells containers apart that share a machine's name but not its process numbers; ``token`` tells apart
    several holders in one process, as a server may have them.
    """

    host: str
    pid: int
    started: float
    space: str = ""
    token: str = ""

    @classmethod
    def this_process(cls) -> Holder:
        """The process that asks, as a holder of its own each time."""
        return cls(platform.node(), os.getpid(), psutil.Process().create_time(), _space(), uuid.uuid4().hex)

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
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))

    def alive(self, seen_at: float, abandoned_after: float) -> bool:
        """Whether the process still runs.

        On this machine the system is asked. Of another machine only the last sign of life is known: after
        ``abandoned_after`` seconds without one its process is taken for dead.
        """
        if (self.host, self.space) != (platform.node(), _space()):
            return time.time() - seen_at < abandoned_after
        try:
            process = psutil.Process(self.pid)
            # The start time is read with a resolution of 10 ms on some systems.
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def _space() -> str:
    """The name of the space in which this process's number is unique, where the system has several (Linux)."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
