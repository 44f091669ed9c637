"""The processes of ``bulksend worker``, among which many campaigns are divided.

A process makes use of one core, and with a hundred campaigns half of that goes into their threads' waiting for each
other: Python lets one of them run at a time.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final

from bulksend.cli.console import say
from bulksend.cli.hints import with_hint
from bulksend.cli.signals import handle, stopped_by_signals
from bulksend.errors import BulksendError
from bulksend.locale import Language, _, language, use_language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    from bulksend.jobs.worker import Worker

EACH: Final = 50
"""Campaigns of a process; only with more of them there is a second one."""

PROCESSES_A_CORE: Final = 2
"""At the most: each takes 100 MB of memory, and connections to the database."""


def shares(campaigns: int) -> Sequence[int]:
    """How many campaigns each process sends at once."""
    processes = min(PROCESSES_A_CORE * (os.cpu_count() or 1), math.ceil(campaigns / EACH))
    return [campaigns // processes + (place < campaigns % processes) for place in range(processes)]


def work(address: str | Path, home: Path, campaigns: Sequence[int]) -> int:
    """Work in as many processes until a signal stops them; where one ends by itself, the others are stopped too."""
    context = multiprocessing.get_context("spawn")
    children: list[tuple[SpawnProcess, Any]] = []  # Windows has another class of connections
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        for _child, end in children:
            with suppress(OSError):
                end.send(None)

    with stopped_by_signals(announced(stop)):
        for share in campaigns:
            end, other_end = context.Pipe()
            child = context.Process(target=_work, args=(other_end, language(), address, home, share), daemon=True)
            child.start()
            other_end.close()
            children.append((child, end))
        while not (stopping or wait([child.sentinel for child, _end in children], 0.5)):
            pass
        stop()
        for child, _end in children:
            child.join()
    return max(abs(child.exitcode or 0) for child, _end in children)


def announced(stop: Callable[[], None]) -> Callable[[], None]:
    """Say what stopping means, and do it."""

    def say_and_stop() -> None:
        say(_("Handing over: waiting for the calls under way. Once more to stop at once; nothing is lost either way."))
        stop()

    return say_and_stop


def make_worker(address: str | Path, home: Path, campaigns: int) -> Worker:
    """A worker that says here what it does."""
    from bulksend.jobs.worker import Worker

    # What it has to say of connections that were lost is said here in words of ours.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    return Worker(address, home, campaigns, say)


def _work(end: Connection, chosen: Language, address: str | Path, home: Path, campaigns: int) -> None:
    """Work in this process, until the one that started it says that it is over, or ends."""
    handle(signal.SIG_IGN)  # a terminal, or systemd, sends them to all processes: the first decides
    with use_language(chosen):
        made = make_worker(address, home, campaigns)

        def listen() -> None:
            with suppress(EOFError, OSError):
                end.recv()
            made.stop()

        threading.Thread(target=listen, daemon=True).start()
        try:
            made.run()
        except BulksendError as error:
            say(_("Error: {message}").format(message=with_hint(error)))
            raise SystemExit(1) from None
