"""Time that passes only while everybody waits, so that a campaign of days is sent for real within seconds.

The sender, the limiter, the journal, the HTTP calls and the sandbox are the real ones; only the clock is not. It stands
still while anything is being done and goes on to the next moment that somebody waits for: the sender for its next
turn, or the portal for the end of a request's latency. A process of its own may share it, so that it can be killed.
"""

import asyncio
import asyncio.base_events
import mmap
import queue
import struct
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bulksend.sandbox import Sandbox
    from bulksend.sender.options import Progress

_FORM: Final = struct.Struct("=ddd")
_POLL: Final = 0.001
_real_sleep: Final = asyncio.sleep
_real_monotonic: Final = time.monotonic


def live_by(path: Path) -> None:
    """Let this whole process live by the clock in a file."""
    VirtualTime(path).install(setattr)


class VirtualTime:
    """A clock in a file that several processes map: the time, how many requests sleep in the portal, and until when.

    Args:
        path: the file; made where it is not there.
        start: the time to begin with (Unix seconds).
    """

    def __init__(self, path: Path, start: float | None = None) -> None:
        if start is not None:
            path.write_bytes(_FORM.pack(start, 0, 0))
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORM.size)
        self._lock = threading.Lock()
        self._busy = 0
        self._sleepers: list[float] = []

    def now(self) -> float:
        """The time."""
        return float(struct.unpack_from("=d", self._memory, 0)[0])

    def advance(self, until: float) -> None:
        """Go on to a moment, if it has not come yet."""
        with self._lock:
            if until > self.now():
                struct.pack_into("=d", self._memory, 0, until)

    def sleep_through(self, progress: "Progress", portal: "Sandbox") -> None:
        """Let a night pass in a moment: where nothing has left for a while, nothing will before what is waited for."""
        busy_at = portal.calls[-1].arrived_at if portal.calls else 0.0
        if progress.waiting and not progress.in_flight and self.now() > busy_at + 30.0:
            self.advance(progress.until - 5.0)

    def install(self, replace: Callable[[Any, str, Any], None]) -> None:
        """Let this process live by this clock; ``replace`` is `setattr`, or a fixture's that undoes it."""
        import bulksend.dispatch.workers  # noqa: PLC0415 - a process that is started has to install it first

        replace(asyncio.base_events, "time", types.SimpleNamespace(monotonic=_real_monotonic))
        replace(time, "time", self.now)
        replace(time, "monotonic", self.now)
        replace(time, "sleep", lambda seconds: self.advance(self.now() + seconds))
        replace(asyncio, "sleep", self._portal_sleeps)
        queues = types.SimpleNamespace(SimpleQueue=lambda: _Queue(self), Empty=queue.Empty)
        replace(bulksend.dispatch.workers, "queue", queues)

    def count(self, requests: int) -> None:
        """So many more requests are under way from here."""
        with self._lock:
            self._busy += requests

    def pass_by(self, until: float) -> bool:
        """Let time pass while nothing is being done; says whether anything is."""
        sleeping, earliest = struct.unpack_from("=dd", self._memory, 8)
        if sleeping >= self._busy:  # more, where the portal still has requests of a process that was killed
            self.advance(min(until, earliest) if self._busy else until)
        return self._busy > 0

    async def _portal_sleeps(self, seconds: float, result: Any = None) -> Any:
        if seconds <= 0:
            return await _real_sleep(0, result)
        until = self.now() + seconds
        self._sleepers.append(until)
        self._publish(min(self._sleepers), len(self._sleepers))
        while self.now() < until:
            await _real_sleep(_POLL / 2)
        self._sleepers.remove(until)
        self._publish(min(self._sleepers, default=0.0), len(self._sleepers))
        return result

    def _publish(self, earliest: float, sleeping: int) -> None:
        # Never a number of sleepers that is right together with a time that is not.
        struct.pack_into("=d", self._memory, 8, -1.0)
        struct.pack_into("=d", self._memory, 16, earliest)
        struct.pack_into("=d", self._memory, 8, sleeping)


class _Queue:
    """Stands for the queues between the thread that decides and those that make calls: its waits let time pass."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock = clock
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> None:
        done = isinstance(item, tuple)
        if item is not None and not done:
            self._clock.count(1)
        self._queue.put(item)
        if done:
            self._clock.count(-1)

    def get(self, timeout: float | None = None) -> Any:
        from bulksend.dispatch.workers import LONGEST_IDLE  # noqa: PLC0415 - as above

        if timeout in {None, LONGEST_IDLE}:  # a thread that has nothing to do is no reason for time to pass
            return self._queue.get()
        until = self._clock.now() + timeout
        busy = False
        while True:
            try:
                return self._queue.get(timeout=_POLL) if busy else self._queue.get_nowait()
            except queue.Empty:
                busy = self._clock.pass_by(until)
                if self._clock.now() >= until:
                    raise

    def get_nowait(self) -> Any:
        return self._queue.get_nowait()

    def empty(self) -> bool:
        return self._queue.empty()
