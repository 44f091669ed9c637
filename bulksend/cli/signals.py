"""Handles SIGINT, SIGTERM and the like for a command."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Ctrl-C, a polite kill, a terminal that is closed, Ctrl-Break: those of them that the system has."""

INTERRUPTED: Final = 130

UNWINDING_SECONDS: Final = 3.0
"""A command that was interrupted has so long to say so, undisturbed by further signals."""


class Interrupt:
    """A signal handler that ends the command as Ctrl-C does, once: of what comes in a burst, the rest is ignored.

    Whoever insists later ends the process at once, where nothing can be said any more.
    """

    def __init__(self) -> None:
        self._ignored_until: float | None = None

    def __call__(self, _number: int, _frame: object) -> None:
        """Handle a signal."""
        if self._ignored_until is None:
            self._ignored_until = time.monotonic() + UNWINDING_SECONDS
            raise KeyboardInterrupt
        if time.monotonic() > self._ignored_until:
            os._exit(INTERRUPTED)


def handle(handler: Callable[[int, object], None] | signal.Handlers) -> Mapping[int, Any]:
    """Let ``handler`` have the signals that are to end the command, and return what had them before.

    A terminal's closing that is ignored, as under nohup, stays ignored. Ctrl-C does not: shells have programs in the
    background ignore it, and a script that sends it all the same means it.
    """
    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    hangup = getattr(signal, "SIGHUP", None)
    return {
        number: signal.signal(number, handler)
        for number in numbers
        if number != hangup or signal.getsignal(number) is not signal.SIG_IGN
    }


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first signal that is to end the command; a second one ends it at once."""
    stopping = False

    def handler(number: int, frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            stop()
        elif callable(before[number]):
            before[number](number, frame)
        else:
            raise KeyboardInterrupt

    with handled(handler) as before:
        yield


@contextmanager
def handled(handler: Callable[[int, object], None]) -> Iterator[Mapping[int, Any]]:
    """As `handle`, as long as the context lasts; it gives what had the signals before."""
    before = handle(handler)
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
