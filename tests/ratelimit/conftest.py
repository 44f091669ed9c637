"""What the tests over HTTP share: `send` in processes of its own, and what the portal saw of it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bulksend.sandbox import Sandbox
from tests.processes import Commands, TestRow, end, write_sheet

FIRST_CHAT = 1001
LONGEST = 170.0
"""Seconds that the longest campaign here may take: 120 rows at 2 a second, on a busy machine."""


def rows(count: int, first: int = FIRST_CHAT) -> list[TestRow]:
    """So many rows, each to a chat of its own."""
    return [("deal", chat, chat, "", f"Good day, customer {chat}") for chat in range(first, first + count)]


class Sent(NamedTuple):
    """How `send` ended."""

    code: int
    said: str
    summary: dict[str, Any]


class Sending:
    """`send` while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def end(self) -> Sent:
        """Wait for it."""
        ended = end(self.process, LONGEST)
        return Sent(ended.code, ended.said, json.loads(ended.out) if ended.out else {})


Start = Callable[..., Sending]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The commands, with a data folder of their own."""
    return Commands(tmp_path)


@pytest.fixture
def start(commands: Commands) -> Start:
    """Start `send` with a sheet of so many rows; all that are started share a journal."""

    def start(portal: Sandbox | str, count: int, *options: object, first: int = FIRST_CHAT) -> Sending:
        sheet = write_sheet(commands.folder / f"sheet-{first}.csv", rows(count, first))
        address = portal if isinstance(portal, str) else portal.webhook
        return Sending(commands.start("send", sheet, "--portal", address, "--yes", "--json", *options))

    return start


class Seen:
    """What the portal saw: calls in the order they arrived, after the histories that `send` reads first."""

    def __init__(self, portal: Sandbox) -> None:
        self.calls = list(portal.calls)[1:]
        self.arrivals = [call.arrived_at for call in self.calls]
        self.errors = [call.error for call in self.calls if call.error]
        self.chats = sorted(delivery.chat_id for delivery in portal.ledger)

    @property
    def rate(self) -> float:
        """Calls a second, from the first to the last."""
        return (len(self.arrivals) - 1) / (self.arrivals[-1] - self.arrivals[0])

    @property
    def seconds(self) -> float:
        """From the first arrival to the last."""
        return self.arrivals[-1] - self.arrivals[0]

    @property
    def total_seconds(self) -> float:
        """From the first arrival to the last answer."""
        return max(call.finished_at for call in self.calls) - self.arrivals[0]

    def each_once(self, count: int, first: int = FIRST_CHAT) -> bool:
        """Whether so many chats got one message each, and nobody else anything."""
        return self.chats == list(range(first, first + count))
