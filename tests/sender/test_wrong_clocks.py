"""Whatever this computer's clock and the portal's show, nobody is messaged twice, and no old message is taken for new.

The real command runs by a clock that the test sets; the portal's clock is set on the portal.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bulksend.portal.methods import HISTORY_GET, MESSAGE_ADD
from bulksend.sandbox import FaultKind, Faults, Sandbox
from tests.clocks import PROGRAM, Clock
from tests.processes import Commands, TestRow, assert_exactly_once, end, read_results, rows, until, write_sheet

ONE_HOUR = 3600.0
ONE_DAY = 24 * ONE_HOUR
SILENT = 60.0


class Office:
    """A person who sends a sheet of six rows to six chats, and sends it again."""

    def __init__(self, folder: Path, portal: Sandbox, lines: Sequence[TestRow]) -> None:
        self.portal, self.lines = portal, lines
        self.clock = Clock(folder)
        self.results = folder / "out.csv"
        self._commands = Commands(folder, PROGRAM)
        self._sheet = write_sheet(folder / "sheet.csv", lines)

    def start(self, *options: object) -> subprocess.Popen[str]:
        """Start to send it, or to go on with it."""
        return self._commands.start(
            *("send", self._sheet, "--portal", self.portal.webhook, "--user-id", 27, "--yes", "--results"),
            *(self.results, *options),
            changes=self.clock.changes,
        )

    def start_and_kill(self, kind: FaultKind, *calls: int) -> None:
        """Start to send it, and kill that while these messages are under way, all at once."""
        self.portal.faults = Faults(at=dict.fromkeys(calls, kind), methods={MESSAGE_ADD}, silent_seconds=SILENT)
        process = self.start("--rate", 0, "--max-in-flight", len(calls))
        for _ in until(20):
            carried_out = kind is FaultKind.SILENT_BEFORE or len(self.portal.ledger) == max(calls)
            if self.portal.faults.seen == max(calls) and carried_out:
                break
        process.kill()
        end(process)
        self.portal.faults = Faults()

    def assert_each_once(self, unknown: int = 0) -> None:
        """Every row was delivered once; the results say so with the ids of these messages, or do not know of a few."""
        ledger = [delivery._asdict() for delivery in self.portal.ledger]
        assert_exactly_once(self.lines, ledger)
        known = [line for line in read_results(self.results) if line["status"] != "unknown"]
        assert len(known) >= len(self.lines) - unknown
        ids = {(str(delivery["chat_id"]), delivery["text"]): str(delivery["message_id"]) for delivery in ledger}
        assert all(line["message_id"] == ids[line["CHAT_ID"], line["MESSAGE"]] for line in known)


@pytest.fixture
def office(tmp_path: Path, portal: Sandbox) -> Office:
    """Six rows, each to a chat of its own."""
    return Office(tmp_path, portal, rows(6, chats=6))


@pytest.mark.parametrize(("ahead", "arrived"), [(-30 * ONE_DAY, True), (-30 * ONE_DAY, False), (ONE_HOUR, True)])
def test_computer_clock_put_right_after_a_kill(office: Office, ahead: float, arrived: bool) -> None:
    """The clock was wrong while the first messages left, none was answered, and the same texts stand in the chats."""
    for _, _, chat, _, text in office.lines:
        office.portal.world.say(chat, 27, text, at=time.time() - 20 * ONE_DAY)
    office.clock.set(ahead)
    office.start_and_kill(FaultKind.SILENT_AFTER if arrived else FaultKind.SILENT_BEFORE, 1, 2, 3)
    office.clock.set(0.0)
    ended = end(office.start("--rate", 0, "--settle", 0.5))
    assert ended.code == 0, ended.said
    office.assert_each_once()


def test_clock_set_forward_while_a_call_may_be_carried_out(office: Office) -> None:
    """The portal is given its time to carry out what was under way, however late it seems to be."""
    office.start_and_kill(FaultKind.SILENT_BEFORE, 4, 5, 6)
    office.clock.set(ONE_HOUR)
    before = len(office.portal.calls)
    process = office.start("--rate", 0, "--settle", 3)
    for _ in until(20):
        if any(call.finished_at for call in office.portal.calls[before:]):
            break
    time.sleep(0.2)
    for entity_type, entity_id, chat, _, text in office.lines[3:]:
        office.portal.world.deliver(entity_type, entity_id, chat, 27, text, caller=27)
    ended = end(process)
    assert ended.code == 0, ended.said
    office.assert_each_once()


@pytest.mark.parametrize(("ahead", "batch"), [(13.0, 1), (13.0, 3), (ONE_HOUR, 1)])
def test_portal_clock_is_set_right_in_mid_campaign(tmp_path: Path, portal: Sandbox, ahead: float, batch: int) -> None:
    """Answers that are lost after it are settled by ids, unless a message that was under way then has another hour."""
    office = Office(tmp_path, portal, rows(24, chats=24))
    portal.clock_skew = ahead
    lost = dict.fromkeys((10, 13, 16, 20) if batch == 1 else (4, 6, 8), FaultKind.CLOSE_AFTER)
    portal.faults = Faults(at=lost, methods={MESSAGE_ADD})
    process = office.start("--rate", 15, "--max-in-flight", 2, "--settle", 0.5, "--batch", batch)
    for _ in until(20, 0.002):
        if len(portal.ledger) >= 6:
            break
    portal.clock_skew = 0.0
    ended = end(process)
    assert ended.code in {0, 1}, ended.said
    assert sum(portal.faults.happened.values()) == len(lost)
    office.assert_each_once(unknown=2 if ahead == ONE_HOUR else 0)


@pytest.mark.parametrize(
    ("kind", "ahead"),
    [(FaultKind.NONSENSE_START, 0.0), (FaultKind.SERVER_AHEAD, 13.0), (FaultKind.SERVER_AHEAD, ONE_HOUR)],
)
def test_servers_that_show_other_times(tmp_path: Path, portal: Sandbox, kind: FaultKind, ahead: float) -> None:
    """Where some answers show another time, the others are settled by ids, unless the only answer yet was ahead."""
    office = Office(tmp_path, portal, rows(24, chats=24))
    faults = {1: kind, 2: kind, 3: kind, 5: FaultKind.CLOSE_AFTER, 9: kind, 10: FaultKind.CLOSE_AFTER}
    portal.faults = Faults(at=faults | {14: FaultKind.CLOSE_BEFORE}, ahead_seconds=ahead)
    ended = end(office.start("--rate", 0, "--max-in-flight", 2, "--settle", 0.5))
    assert ended.code in {0, 1}, ended.said
    assert sum(portal.faults.happened.values()) == 7
    office.assert_each_once(unknown=1 if ahead == ONE_HOUR else 0)


def test_nothing_leaves_before_histories_were_read(office: Office) -> None:
    """The first request of every process reads the chats of its first messages; those of rows in doubt are others."""
    office.start_and_kill(FaultKind.SILENT_AFTER, 1, 2, 3)
    first, *_ = office.portal.calls
    assert (first.method, first.commands, first.status) == ("batch", 3, 200)
    again = len(office.portal.calls)
    assert end(office.start("--rate", 0, "--settle", 0.5, "--limit", 4)).code == 1
    methods = [call.method for call in office.portal.calls[again:]]
    assert HISTORY_GET in methods[: methods.index(MESSAGE_ADD)]
    assert methods.count(MESSAGE_ADD) == 1
