"""The command with a clock of its own, which a test can set while it runs."""

from pathlib import Path

PROGRAM = (
    "-c",
    """
import os, pathlib, time

real, ahead = time.time, pathlib.Path(os.environ["CLOCK_AHEAD"])
time.time = lambda: real() + float(ahead.read_text() or 0) if ahead.exists() else real()

import bulksend.cli
bulksend.cli.main()
""",
)
"""`bulksend` for `Commands`, by whose clock it is as many seconds later as the file CLOCK_AHEAD says."""


class Clock:
    """The clock of commands that are started with `PROGRAM` and `changes`."""

    def __init__(self, folder: Path) -> None:
        self._ahead = folder / "clock-ahead"
        self.changes = {"CLOCK_AHEAD": str(self._ahead)}

    def set(self, ahead: float) -> None:
        """Show so many seconds more than the true time from now on."""
        written = self._ahead.with_suffix(".new")
        written.write_text(str(ahead))
        written.replace(self._ahead)
