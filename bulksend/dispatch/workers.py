"""Threads that make calls while another thread decides."""

from __future__ import annotations

import queue
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_JobT = TypeVar("_JobT")
_ReplyT = TypeVar("_ReplyT")

LONGEST_WAIT: Final = 0.5
"""Seconds; it bounds how late a signal is noticed where waiting cannot be interrupted."""


LONGEST_IDLE: Final = 20.0
"""Seconds without a job after which a thread ends: many campaigns are under way at once, and bursts pass."""


class Workers(Generic[_JobT, _ReplyT]):
    """Threads that carry jobs out. They are daemons, so that a second Ctrl-C need not wait for an answer.

    Args:
        most: how many threads there may be.
        carry_out: does a job, in a thread of its own.
    """

    def __init__(self, most: int, carry_out: Callable[[_JobT], _ReplyT]) -> None:
        self._most, self._carry_out = most, carry_out
        self._jobs: queue.SimpleQueue[_JobT | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[_JobT, _ReplyT | Exception] | None] = queue.SimpleQueue()
        self._taken: list[tuple[_JobT, _ReplyT | Exception]] = []
        self._threads = 0
        self._lock = threading.Lock()
        self.in_flight = 0
        """Jobs that have been started and not been taken back with `done`."""

    def start(self, job: _JobT) -> None:
        """Have a job carried out."""
        self.in_flight += 1
        with self._lock:
            self._jobs.put(job)
            if self._threads >= min(self._most, self.in_flight):
                return
            self._threads += 1
        thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name=f"bulksend-{self._threads}", daemon=True
        )
        thread.start()

    def _next(self) -> _JobT | None:
        """The next job for a thread; None where it is to end, since it has had none for long."""
        while True:
            try:
                return self._jobs.get(timeout=LONGEST_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._threads -= 1
                        return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._done.put((job, self._carry_out(job)))
            except Exception as error:  # noqa: BLE001 - raised again in the thread that decides
                self._done.put((job, error))

    @property
    def any_done(self) -> bool:
        """Whether there is something for `done`."""
        return bool(self._taken) or not self._done.empty()

    def done(self) -> Iterator[tuple[_JobT, _ReplyT]]:
        """Take back the jobs that have been carried out, one by one with what came of it; what one raised is raised."""
        while self.any_done:
            if not self._taken:
                self._take(0.0)
                continue
            job, reply = self._taken.pop(0)
            self.in_flight -= 1
            if isinstance(reply, Exception):
                raise reply
            yield job, reply

    def wait(self, until: float, *, gather: bool = False) -> None:
        """Wait for a job to be done, for `wake`, or until a time of the steady clock, but not for long.

        With ``gather`` jobs that are done do not end it.
        """
        end = min(until, time.monotonic() + LONGEST_WAIT)
        while (pause := end - time.monotonic()) > 0 and (gather or not self.any_done):
            if not self._take(pause):
                return

    def wake(self) -> None:
        """End a `wait`. May be called from a signal handler."""
        self._done.put(None)

    def _take(self, timeout: float) -> bool:
        """Take a job that is done, within a time; False where there was none in time, or `wake` was called."""
        try:
            came = self._done.get(timeout=timeout) if timeout else self._done.get_nowait()
        except queue.Empty:
            return False
        if came is None:
            return False
        self._taken.append(came)
        return True

    def stop(self) -> None:
        """Let the threads end once they have done what they were given."""
        for _ in range(self._threads):
            self._jobs.put(None)
