"""Commands on a terminal of their own: what a person sees, types and closes; not on Windows, which has none."""

import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Self

from tests.processes import SLOWEST, environment
from tests.untranslate import as_asserted

_SERVER = get_context("forkserver") if sys.platform != "win32" else None
"""Starts commands with everything imported already: a question is then asked after a tenth of a second."""
if _SERVER is not None:
    _SERVER.set_forkserver_preload(
        ["bulksend.cli.send", "bulksend.cli.resume", "bulksend.plan", "bulksend.campaign", "bulksend.forecast"]
    )

CTRL_C = "\x03"
CTRL_D = "\x04"


def _run(terminal: str, folder: str, variables: Mapping[str, str], arguments: list[str]) -> None:
    """Become a command on that terminal."""
    os.setsid()
    screen = os.open(terminal, os.O_RDWR)  # the first terminal that a session opens is the one that controls it
    for stream in (0, 1, 2):
        os.dup2(screen, stream)
    os.close(screen)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    from bulksend.cli import main  # noqa: PLC0415 - here it is loaded already

    main(arguments)


class Terminal:
    """A command on a terminal, from its start to its end."""

    def __init__(self, home: Path, *arguments: object, changes: Mapping[str, str] | None = None) -> None:
        assert _SERVER is not None
        self.shown = self._shown = ""
        self._keyboard, screen = os.openpty()
        variables = environment(home, {"COLUMNS": "80", "LINES": "24", **(changes or {})})
        words = (os.ttyname(screen), str(home.parent), variables, [str(argument) for argument in arguments])
        self._process = _SERVER.Process(target=_run, args=words)
        self._process.start()
        self._screen = screen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self.close()

    def read_until(self, text: str, timeout: float = 20.0) -> str:
        """Read what is shown until ``text`` is among it."""
        end_at = time.monotonic() + timeout
        while text not in self.shown:
            if not self._process.is_alive() and not self._readable(0):
                break
            assert time.monotonic() < end_at, f"{text!r} was not shown, but:\n{self.shown}"
            self._read()
        assert text in self.shown, f"{text!r} was not shown, but:\n{self.shown}"
        return self.shown

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        os.write(self._keyboard, text.encode())

    def signal(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def close(self) -> None:
        """Close the window."""
        for end in (self._screen, self._keyboard):
            if end >= 0:
                os.close(end)
        self._screen = self._keyboard = -1

    def end(self, timeout: float = SLOWEST) -> int | None:
        """Read on until the command has ended; its exit code."""
        end_at = time.monotonic() + timeout
        while self._process.is_alive():
            assert time.monotonic() < end_at, f"the command hung; it said:\n{self.shown}"
            self._read() if self._keyboard >= 0 else time.sleep(0.01)
        while self._keyboard >= 0 and self._readable(0):
            self._read()
        self._process.join()
        return self._process.exitcode

    def _readable(self, seconds: float) -> bool:
        return self._keyboard >= 0 and bool(select.select([self._keyboard], [], [], seconds)[0])

    def _read(self) -> None:
        if self._readable(0.02):
            self._shown += os.read(self._keyboard, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
            self.shown = as_asserted(self._shown)
