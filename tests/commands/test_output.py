"""What becomes of a command whose output cannot be written, or that this computer refuses something."""

import os
import sys
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.processes import Commands, rows, write_sheet


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands in processes of their own, whose output a test may send anywhere."""
    return Commands(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_results_that_find_no_room_are_told(commands: Commands) -> None:
    """A workbook that cannot be finished: exit 2, where and why, and nothing half-written is left."""
    sheet = write_sheet(commands.folder / "a.csv", [(*row[:4], os.urandom(2000).hex()) for row in rows(100, 5)])

    def limit() -> None:
        import resource  # noqa: PLC0415 - Windows has none
        import signal  # noqa: PLC0415

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (160_000, resource.RLIM_INFINITY))

    with Sandbox(limits=Limits.none()) as portal:
        assert commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0).code == 0
    said = commands.run("results", 1, "--results", "out.xlsx", preexec_fn=limit)
    assert said.code == 2
    assert "out.xlsx (File too large)" in said.err
    assert not (commands.folder / "out.xlsx").exists()
