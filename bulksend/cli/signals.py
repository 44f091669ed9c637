"""What a command does about signals while it is at something."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def heeding(names: tuple[str, ...], handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let ``handler`` have the signals of these names, where the system knows them, as long as the context lasts.

    A terminal's closing that is to be ignored, as under nohup, stays ignored. Ctrl-C does not: shells have programs in
    the background ignore it, and a script that sends it all the same means it.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    hangup = getattr(signal, "SIGHUP", None)
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if number != hangup or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
