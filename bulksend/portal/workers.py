"""Threads that carry calls while another thread decides."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Job = TypeVar("_Job")


class Workers(Generic[_Job]):
    """Threads that carry jobs. They are daemons, so that a second Ctrl-C need not wait for an answer."""

    def __init__(self, most: int, carry: Callable[[_Job], None]) -> None:
        self._most, self._carry = most, carry
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0

    def start(self, job: _Job, in_flight: int) -> None:
        """Have a job carried; ``in_flight`` is how many are under way with it."""
        if self._threads < min(self._most, in_flight):
            self._threads += 1
            threading.Thread(target=self._work, name=f"bulksend-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._carry(job)

    def stop(self) -> None:
        """Let the threads end once they have carried what they were given."""
        for _ in range(self._threads):
            self._jobs.put(None)
