"""What the tests over HTTP share: sheets, `send` processes, and what the portal saw of them."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bulksend.sandbox import Sandbox


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """What ``--json`` printed."""
        summary: dict[str, Any] = json.loads(self.out)
        return summary


class Running:
    """A command that runs in a process of its own."""

    def __init__(self, arguments: Sequence[str], home: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bulksend", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "BULKSEND_HOME": str(home), "BULKSEND_NO_KEYRING": "1", "PYTHONUTF8": "1"} | environment,
        )

    def wait(self) -> Finished:
        """Wait until it has ended."""
        out, err = self.process.communicate()
        return Finished(self.process.returncode, out, err)


def write_sheet(path: Path, rows: int, *, first_chat: int = 1) -> Path:
    """A sheet of so many rows, each to a chat of its own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"])
        writer.writerows(
            ["deal", 1000 + chat, 1000 + chat, f"Good day, customer {chat}"]
            for chat in range(first_chat, first_chat + rows)
        )
    return path


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Running]:
    """Start `send` on a portal with a new sheet of so many rows, all from one data folder."""

    def start(portal: Sandbox, rows: int, *options: str, name: str = "sheet", first_chat: int = 1) -> Running:
        sheet = write_sheet(tmp_path / f"{name}.csv", rows, first_chat=first_chat)
        return Running(
            ["send", str(sheet), "--portal", portal.webhook, "--yes", "--json", *options], tmp_path / "home"
        )

    return start


class Seen(NamedTuple):
    """What the portal saw of a campaign: calls that sent, and how they went."""

    arrivals: list[float]
    refused: list[str]
    seconds: float

    @property
    def rate(self) -> float:
        """Calls a second, from the first to the last."""
        return (len(self.arrivals) - 1) / (self.arrivals[-1] - self.arrivals[0])


def seen(portal: Sandbox) -> Seen:
    """What the portal saw of everything that was sent to it."""
    calls = list(portal.calls)
    return Seen(
        [call.arrived_at for call in calls],
        [call.error for call in calls if call.error],
        max(call.finished_at for call in calls) - calls[0].arrived_at,
    )


def each_once(portal: Sandbox, rows: int, *, first_chat: int = 1) -> bool:
    """Whether every row of a sheet was delivered exactly once."""
    return sorted(delivery.chat_id for delivery in portal.ledger) == list(
        range(1000 + first_chat, 1000 + first_chat + rows)
    )
