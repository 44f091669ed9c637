"""Which process holds a campaign, and whether it still lives."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its machine, its number and when it started (Unix seconds), since numbers are used again."""

    host: str
    pid: int
    started: float

    @classmethod
    def this_process(cls) -> Holder:
        """The process that asks."""
        return cls(platform.node(), os.getpid(), psutil.Process().create_time())

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
        if self.host != platform.node():
            return time.time() - seen_at < abandoned_after
        try:
            process = psutil.Process(self.pid)
            # The start time is read with a resolution of 10 ms on some systems.
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True
