"""Commands in processes that are forked from one that has imported all they need, so that they start at once.

For drills that start thousands of them. Such a process is a real one in all else: it can be killed at any moment, and
nothing of it is shared with another.
"""

import multiprocessing
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.processes import Commands, environment

IMPORTED = (
    "pandas",
    "python_calamine",
    "requests",
    "sqlalchemy.dialects.sqlite",
    "bulksend.cli.send",
    "bulksend.cli.run_campaign",
    "bulksend.campaign",
    "bulksend.plan",
    "bulksend.results",
    "bulksend.sender.sender",
)
"""What commands that send import as they go."""


class ForkedCommands(Commands):
    """Runs ``bulksend`` in processes that have imported it already.

    Args:
        prepare: called in each process before the command.
    """

    def __init__(self, folder: Path, prepare: Callable[[], None] | None = None) -> None:
        super().__init__(folder)
        self._prepare = prepare

    def start(self, *arguments: object, changes: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Start a command and do not wait for it."""
        assert not options
        return Forked(self.folder, list(map(str, arguments)), environment(self.home, changes), self._prepare)


class Forked:
    """As much of a `subprocess.Popen` as drills use; what it says goes to files."""

    _CONTEXT = multiprocessing.get_context("forkserver") if sys.platform != "win32" else None

    def __init__(
        self, folder: Path, arguments: list[str], changes: dict[str, str], prepare: Callable[[], None] | None
    ) -> None:
        assert self._CONTEXT, "there is no fork here"
        self._CONTEXT.set_forkserver_preload(list(IMPORTED))
        self._said = (folder / "said.out", folder / "said.err")
        self._process = self._CONTEXT.Process(target=_carry_out, args=(folder, arguments, changes, self._said, prepare))
        self._process.start()

    @property
    def returncode(self) -> int:
        assert self._process.exitcode is not None
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self.returncode

    def poll(self) -> int | None:
        # not `exitcode` alone, which asks a clock that may stand still
        ended, _, _ = select.select([self._process.sentinel], [], [], 0)
        return self._process.exitcode if ended else None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("bulksend", timeout or 0)
        out, err = (said.read_text(encoding="utf-8", errors="replace") if said.exists() else "" for said in self._said)
        return out, err


def _carry_out(
    folder: Path,
    arguments: list[str],
    changes: dict[str, str],
    said: tuple[Path, Path],
    prepare: Callable[[], None] | None,
) -> None:
    """Be the command."""
    from bulksend.cli import main  # noqa: PLC0415 - only in the new process

    os.environ.clear()
    os.environ.update(changes)
    os.chdir(folder)
    for stream, path in zip((1, 2), said, strict=True):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))
    if prepare is not None:
        prepare()
    main(arguments)
