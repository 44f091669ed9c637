"""Commands on a terminal of their own: what a person sees, types and closes; not on Windows, which has none."""

import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Self

from tests.forked import Forked
from tests.processes import SLOWEST, environment
from tests.untranslate import as_asserted

CTRL_C = "\x03"
CTRL_D = "\x04"


def _take(terminal: str) -> None:
    """Make a terminal the one that controls this process: the first that a session opens."""
    os.setsid()
    os.close(os.open(terminal, os.O_RDWR))


class Terminal:
    """A command on a terminal, from its start to its end."""

    def __init__(self, home: Path, *arguments: object, changes: Mapping[str, str] | None = None) -> None:
        self.shown = self._shown = ""
        self._keyboard, self._screen = os.openpty()
        self._process = Forked(
            [sys.executable, "-m", "bulksend", *map(str, arguments)],
            partial(_take, os.ttyname(self._screen)),
            env=environment(home, {"COLUMNS": "80", "LINES": "24", **(changes or {})}),
            cwd=home.parent,
            **dict.fromkeys(("stdin", "stdout", "stderr"), self._screen),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.close()

    def read_until(self, text: str, timeout: float = 20.0) -> str:
        """Read what is shown until ``text`` is among it."""
        end_at = time.monotonic() + timeout
        while text not in self.shown:
            if self._process.poll() is not None and not self._readable(0):
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
        self._process.send_signal(number)

    def close(self) -> None:
        """Close the window."""
        for end in (self._screen, self._keyboard):
            if end >= 0:
                os.close(end)
        self._screen = self._keyboard = -1

    def end(self, timeout: float = SLOWEST) -> int:
        """Read on until the command has ended; its exit code."""
        end_at = time.monotonic() + timeout
        while self._process.poll() is None:
            assert time.monotonic() < end_at, f"the command hung; it said:\n{self.shown}"
            self._read() if self._keyboard >= 0 else time.sleep(0.01)
        while self._keyboard >= 0 and self._readable(0):
            self._read()
        return self._process.wait()

    def _readable(self, seconds: float) -> bool:
        return self._keyboard >= 0 and bool(select.select([self._keyboard], [], [], seconds)[0])

    def _read(self) -> None:
        if self._readable(0.02):
            self._shown += os.read(self._keyboard, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
            self.shown = as_asserted(self._shown)
