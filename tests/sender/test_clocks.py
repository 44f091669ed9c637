"""Setting the computer's clock, or sending it to sleep, neither stops a campaign nor hurries it."""

import signal
import sys
import time
from pathlib import Path

import pytest

from bulksend.sandbox import Sandbox
from tests.clocks import PROGRAM, Clock
from tests.processes import Commands, assert_exactly_once, end, rows, until, write_sheet

ONE_HOUR = 3600.0
OUTAGE = ("--yes", "--rate", 20, "--settle", 1)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The commands' clock."""
    return Clock(tmp_path)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The commands, whose clock can be set."""
    return Commands(tmp_path, PROGRAM)


def wait_for_messages(portal: Sandbox, count: int) -> None:
    """Wait until so many messages have been delivered."""
    for _ in until(20):
        if len(portal.ledger) >= count:
            return
    raise AssertionError(f"only {len(portal.ledger)} messages were delivered")


@pytest.mark.parametrize("pace", [("--rate", 5), ("--rate", 5, "--batch", 2)])
def test_clock_set_back(portal: Sandbox, commands: Commands, clock: Clock, pace: tuple[object, ...]) -> None:
    """Sending goes on at its pace after the clock was set back by an hour."""
    lines = rows(16, chats=16)
    sheet = write_sheet(commands.folder / "sheet.csv", lines)
    process = commands.start("send", sheet, "--portal", portal.webhook, "--yes", *pace, changes=clock.changes)
    wait_for_messages(portal, 4)
    clock.set(-ONE_HOUR)
    ended = end(process, 45)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])


def test_outage_during_which_the_computer_slept(portal: Sandbox, commands: Commands, clock: Clock) -> None:
    """A portal that went out of reach before a night's sleep is asked once more before it is given up."""
    lines = rows(60, chats=60)
    portal.latency = 0.05
    sheet = write_sheet(commands.folder / "sheet.csv", lines)
    process = commands.start("send", sheet, "--portal", portal.webhook, *OUTAGE, changes=clock.changes)
    wait_for_messages(portal, 4)
    portal.stop()
    time.sleep(1.0)
    clock.set(8 * ONE_HOUR)
    portal.start()
    ended = end(process)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a process that can be halted")
def test_outage_whose_patience_ran_out_in_sleep(portal: Sandbox, commands: Commands, clock: Clock) -> None:
    """Where the steady clock goes on while nothing runs, the portal is asked once more after waking, too."""
    lines = rows(60, chats=60)
    portal.latency = 0.05
    sheet = write_sheet(commands.folder / "sheet.csv", lines)
    options = (*OUTAGE, "--outage", 0.03)
    process = commands.start("send", sheet, "--portal", portal.webhook, *options, changes=clock.changes)
    wait_for_messages(portal, 4)
    portal.stop()
    time.sleep(0.7)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    portal.start()
    process.send_signal(signal.SIGCONT)
    ended = end(process)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])
