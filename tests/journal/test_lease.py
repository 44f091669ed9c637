"""Who holds a campaign: no clock and no slowness takes one from a living process, and no remains stand in the way.

Other machines are imitated by programs that believe to run on one: with a name and a clock of their own.
"""

import dataclasses
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.errors import JournalError, UsageError
from bulksend.journal import Change, Counts, Held, Journal, Stage, State, TakenOver
from tests.journal.test_journal import PORTAL, begin, leave, new_row, pending
from tests.processes import Commands, PortalProcess, end, rows, write_sheet

CLOCK_SET = """
import psutil._pslinux as platform, sys
true = platform.boot_time
platform.boot_time = lambda: true() + 3600.0
from bulksend.cli import main
main(sys.argv[1:])
"""
"""A command on a computer whose clock was set forward after an earlier one was started: the time at which the system
started, as Linux gives it, moves with the clock."""

ONE_BY_ONE = ("--max-in-flight", 1, "--rate", 0, "--yes")

ELSEWHERE = """
import platform, sys, time
true, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: true() + ahead
platform.node = lambda: "elsewhere"
from bulksend.cli import main
main(sys.argv[1:])
"""
"""A command on another machine whose clock is ahead by as many seconds as its first argument says."""


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalProcess]:
    """A portal that takes half a second for a call."""
    with PortalProcess(tmp_path / "portal") as process:
        process.turn("dials", latency=0.5)
        yield process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "journal.db"


def load(journal: Journal, *, content: str = "c1", portal: str = PORTAL) -> int:
    """A campaign whose rows are still to be entered."""
    return journal.begin(
        file="sheet.csv",
        sheet={"format": "csv"},
        headings=["MESSAGE"],
        message_column=0,
        portal=portal,
        portal_name="",
        portal_address="",
        identity="",
        content=content,
        user_id=27,
        again=False,
        results_path="",
        settings={},
    )


def move_elsewhere(journal: Journal) -> None:
    """Let a journal's user be a process of another machine, which the system of this one cannot be asked about."""
    journal._me = dataclasses.replace(journal._me, host="elsewhere")
    journal._my_name = journal._me.to_text()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's start does not move")
def test_clock_set_while_it_runs(tmp_path: Path, portal: PortalProcess) -> None:
    """Nobody takes over the campaign of a living process because the clock was set since it was started."""
    sheet = write_sheet(tmp_path / "sheet.csv", rows(60, chats=60))
    send = ("send", sheet, "--portal", portal.webhook, *ONE_BY_ONE)
    first = Commands(tmp_path).start(*send)
    portal.wait_for_calls(1)
    assert_not_taken_over(portal, first, Commands(tmp_path, ("-c", CLOCK_SET)).start(*send))


def test_clocks_that_differ(tmp_path: Path, portal: PortalProcess, database: str) -> None:
    """Nobody takes over from a machine whose clock is behind: on a shared database the server's clock counts."""
    sheet = write_sheet(tmp_path / "sheet.csv", rows(60, chats=60))
    send = ("send", sheet, "--portal", portal.webhook, "--journal", database, *ONE_BY_ONE)
    (tmp_path / "elsewhere").mkdir()
    other = Commands(tmp_path / "elsewhere", ("-c", ELSEWHERE, "120"))
    first = Commands(tmp_path).start(*send)
    portal.wait_for_calls(1)
    assert_not_taken_over(portal, first, other.start(*send))


def test_pace_of_machines_whose_clocks_differ(tmp_path: Path, portal: PortalProcess, database: str) -> None:
    """Two campaigns share the rate of one portal evenly, though the clock of one machine is half a minute ahead."""
    processes = []
    for name, program in (("here", ("-m", "bulksend")), ("ahead", ("-c", ELSEWHERE, "30"))):
        (tmp_path / name).mkdir()
        sheet = write_sheet(tmp_path / name / "sheet.csv", rows(12, chats=12, text=name))
        send = ("send", sheet, "--portal", portal.webhook, "--journal", database, "--rate", 8, "--yes")
        processes.append(Commands(tmp_path / name, program).start(*send))
    assert [end(process).code for process in processes] == [0, 0]
    first = [entry["text"] for entry in portal.ledger][6:18]  # one of them begins a little earlier
    assert {"here", "ahead"} == {text.split()[0] for text in first}
    sent = [entry["at"] for entry in portal.ledger]
    assert len(sent) == 24
    assert max(sent) - min(sent) < 25  # not by half a minute


def assert_not_taken_over(portal: PortalProcess, first: subprocess.Popen[str], second: subprocess.Popen[str]) -> None:
    """Of two commands that send the same, one is refused; the other is then ended in good order."""
    refused = end(second)
    first.send_signal(signal.SIGINT)
    assert end(first).code == 130
    assert refused.code in {2, 3}, refused.said
    assert "is being sent by process" in refused.err
    texts = [entry["text"] for entry in portal.ledger]
    assert len(texts) == len(set(texts))


def test_the_servers_clock(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's time is the server's, whatever this machine's clock shows."""
    with Journal(database) as journal:
        before = journal.now()
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert 0 <= journal.now() - before < 10
        journal.runs()
        assert 0 <= journal.now() - before < 10


def test_holders_of_older_versions(path: Path) -> None:
    """What an older version wrote of its process is still understood."""
    with Journal(path) as journal:
        run_id = begin(journal)
        with sqlite3.connect(path) as file:
            file.execute("UPDATE runs SET holder = json_remove(holder, '$.boot', '$.ticks')")
        with Journal(path) as second, pytest.raises(Held):
            second.acquire(run_id, {})
        with sqlite3.connect(path) as file:
            file.execute("UPDATE runs SET holder = json_set(holder, '$.started', 1.0)")
        with Journal(path) as second:
            second.acquire(run_id, {})


def test_entering_takes_long(path: Path) -> None:
    """A campaign whose rows are still being entered on another machine is not erased as long as rows come."""
    with Journal(path) as slow, Journal(path) as other:
        move_elsewhere(slow)
        run_id = load(slow)
        for n in range(3):
            with sqlite3.connect(path) as file:
                file.execute("UPDATE runs SET seen_at = seen_at - 80, created_at = created_at - 80")
            slow.add_rows(run_id, n, [new_row(n)], 0)
        begin(other, content="c2")
        slow.entered(run_id, 3)
        assert slow.run(run_id).counts == Counts(pending=3)


def test_entering_given_up(path: Path) -> None:
    """One that gave no sign of life for long is erased, and leaves no rows: neither then nor when it wakes up."""
    with Journal(path) as slow, Journal(path) as other:
        move_elsewhere(slow)
        run_id = load(slow)
        slow.add_rows(run_id, 0, [new_row(0)], 0)
        with sqlite3.connect(path) as file:
            file.execute("UPDATE runs SET seen_at = seen_at - 100")
        assert begin(other, 2, "c2") == run_id  # the number is free again
        with pytest.raises(TakenOver):
            slow.add_rows(run_id, 1, [new_row(1)], 0)
        with pytest.raises(TakenOver):
            slow.entered(run_id, 2)
        slow.forget(run_id)
        assert other.run(run_id).counts == Counts(pending=2)
        with sqlite3.connect(path) as file:
            assert file.execute("SELECT run_id, count(*) FROM rows GROUP BY 1").fetchall() == [(run_id, 2)]


def test_not_all_rows_entered(path: Path) -> None:
    """A campaign that does not have all of its rows cannot be sent."""
    with Journal(path) as journal:
        run_id = load(journal)
        journal.add_rows(run_id, 0, [new_row(0)], 0)
        with pytest.raises(JournalError, match="Of the 2 rows of campaign 1 the journal has 1"):
            journal.entered(run_id, 2)
        assert journal.runs() == []


def test_an_older_one_of_the_same_sheet_is_not_finished(path: Path) -> None:
    """It is the one that is gone on with; where it cannot be, what is said of it is true."""
    with Journal(path) as journal:
        older = begin(journal, 1)
        leave(journal, older, pending(journal, older))
        journal.apply(older, [failed := _change(State.SENDING, State.FAILED)])
        journal.release(older, "")
        newer = begin(journal, 1, again=True)
        leave(journal, newer, pending(journal, newer))
        journal.apply(newer, [failed])
        journal.release(newer, "")
        journal.acquire(older, {})
        journal.reopen(older, State.FAILED)
        journal.release(older, "")
        found = journal.same(PORTAL, "c1")
        assert found is not None
        assert (found.id, found.stage) == (older, Stage.STOPPED)
        with pytest.raises(UsageError, match=f"^Campaign {older} .* is not finished: go on with that one"):
            begin(journal, 1)


def _change(before: State, after: State) -> Change:
    return Change(0, before, after, "X")


@pytest.mark.parametrize("message", ["a\0b", "\0", "\uffffa", '\uffff"a"', 'plain "quoted" \\0 text'])
@pytest.mark.parametrize("shared", [False, True], ids=["file", "database"])
def test_any_message(request: pytest.FixtureRequest, path: Path, message: str, shared: bool) -> None:
    """A message is kept character for character, whatever characters it has."""
    with Journal(request.getfixturevalue("database") if shared else path) as journal:
        run_id = load(journal)
        journal.add_rows(run_id, 0, [new_row(0)._replace(message=message)], 0)
        journal.entered(run_id, 1)
        assert [row.message for row in pending(journal, run_id)] == [message]
