"""The journal's files deleted, replaced, torn apart or damaged: nothing is sent twice, a sentence says what to do."""

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bulksend.errors import BulksendError, JournalError
from bulksend.journal import Journal, State
from tests.journal.test_journal import begin, leave, pending
from tests.processes import Commands, PortalProcess, assert_exactly_once, end, read_results, rows, until, write_sheet

SENDING = ("--timeout", 1, "--settle", 1, "--rate", 0, "--yes")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalProcess]:
    """A portal that takes 0.1 s for a call."""
    with PortalProcess(tmp_path / "portal") as process:
        process.turn("dials", latency=0.1)
        yield process


def delete(path: Path) -> None:
    """Delete a file."""
    path.unlink()


def replace(path: Path) -> None:
    """Put another file in a file's place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize(
    ("name", "happens"), [("journal.db", delete), ("journal.db", replace), ("journal.db-wal", delete)]
)
def test_while_in_use(tmp_path: Path, portal: PortalProcess, name: str, happens: Callable[[Path], None]) -> None:
    """Nothing more leaves once a file is not the one that was opened, and the results sheet knows what was sent."""
    commands = Commands(tmp_path)
    sheet = write_sheet(tmp_path / "sheet.csv", rows(600, chats=600))  # more than leave while the test is not looking
    process = commands.start("send", sheet, "--portal", portal.webhook, "--max-in-flight", 2, *SENDING)
    portal.wait_for_calls(6)
    happens(commands.home / name)
    arrived = len(portal.calls())
    ended = end(process)
    assert ended.code == 3, ended.said
    journal, ledger = commands.home / name, portal.ledger
    assert f"Stopped: {journal} was deleted or replaced while it was in use" in ended.err
    assert len(portal.calls()) < arrived + 14
    told = Counter(row["status"] for row in read_results(tmp_path / "sheet.results.csv"))
    assert told == {"sent": len(ledger), "not_sent": 600 - len(ledger)}


@pytest.mark.parametrize("batch", [1, 5])
def test_write_ahead_log_lost_after_a_kill(tmp_path: Path, portal: PortalProcess, batch: int) -> None:
    """What was sent last is found in the chats' histories: no row arrives twice."""
    commands, lines = Commands(tmp_path), rows(40 * batch, chats=10)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    portal.turn("dials", latency=0.2)  # it is to be killed before it is over
    send = ("send", sheet, "--portal", portal.webhook, "--batch", batch, "--max-in-flight", 2, *SENDING)
    process = commands.start(*send)
    for _ in until(20):
        if len(portal.ledger) >= 16:
            break
    process.kill()
    process.communicate()
    assert commands.journal.stat().st_size > 4096, "the main file holds nothing"
    commands.journal.with_name("journal.db-wal").unlink()
    assert len(portal.ledger) < len(lines)
    portal.turn("dials", latency=0)
    ended = commands.run(*send)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, portal.ledger)


def test_write_ahead_log_lost(tmp_path: Path) -> None:
    """Without it, rows that may have left are in doubt, with the newest message known as their floor; no others."""
    path = tmp_path / "journal.db"
    journal = Journal(path)
    run_id = begin(journal, 8_000)
    first = journal.open_rows(run_id, State.PENDING, -1, 1)
    leave(journal, run_id, first)
    journal.heartbeat(run_id)
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())  # as a kill and the loss of the other file would leave it
    with sqlite3.connect(copy) as file:
        file.execute("UPDATE runs SET holder = json_set(holder, '$.pid', 999999999)")
    file.close()
    with Journal(copy) as found:
        counts = found.run(run_id).counts
        assert counts.sending == 0
        assert 1 < counts.in_doubt <= 5_001
        assert counts.pending == 8_000 - counts.in_doubt
        assert {row.left_at is not None for row in found.open_rows(run_id, State.IN_DOUBT, -1, 10_000)} == {True}
    with Journal(copy) as found:
        assert found.run(run_id).counts == counts
    journal.close()


def test_nothing_lost(tmp_path: Path) -> None:
    """Where a command that only looked has closed the journal of a process that was killed, nothing is missing."""
    path = tmp_path / "journal.db"
    journal = Journal(path)
    run_id = begin(journal, 10)
    leave(journal, run_id, pending(journal, run_id)[:2])
    with sqlite3.connect(path) as file:
        file.execute("UPDATE runs SET holder = json_set(holder, '$.pid', 999999999)")
    file.close()
    journal.close()
    for _ in range(2):
        with Journal(path) as found:
            assert found.run(run_id).counts.pending == 8
            assert found.run(run_id).counts.in_doubt == 2


def test_only_the_write_ahead_log_is_left(tmp_path: Path) -> None:
    """A journal whose main file is gone is not begun anew beside what is left of it."""
    path = tmp_path / "journal.db"
    log = tmp_path / "journal.db-wal"
    log.write_bytes(b"x" * 100)
    with pytest.raises(JournalError, match=r"journal.db is missing, though .*journal.db-wal is there; .*: put it back"):
        Journal(path)
    assert log.read_bytes() == b"x" * 100


def damage(path: Path, offset: int, value: bytes) -> None:
    """Write bytes into a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(value)


def test_damaged(tmp_path: Path) -> None:
    """Bytes flipped in a campaign's record: one sentence says so, and what to do."""
    path = tmp_path / "home" / "journal.db"
    with Journal(path) as journal:
        begin(journal, 3)
    damage(path, path.read_bytes().index(b'{"format": "csv"}'), b"\x00" * 4)
    for command in (["runs"], ["resume", "--yes"], ["results", 1]):
        ended = Commands(tmp_path).run(*command)
        assert ended.code == 2
        assert ended.err == (
            f"Error: The journal {path} is damaged, or not a journal: put back a copy of it with all its files. Until "
            "then send nothing that it knows of: it cannot tell any more what was sent.\n"
        )


def test_damaged_anywhere(tmp_path: Path) -> None:
    """Wherever bytes are flipped, what cannot be read is told so, never by a traceback."""
    whole = tmp_path / "whole.db"
    with Journal(whole) as journal:
        run_id = begin(journal, 40)
        leave(journal, run_id, pending(journal, run_id)[:30])
    content, chance, told = whole.read_bytes(), random.Random(1), Counter[str]()
    for number in range(60):
        path = tmp_path / f"{number}.db"
        path.write_bytes(content)
        for _ in range(4):
            damage(path, chance.randrange(len(content)), bytes([chance.randrange(256)]))
        try:
            with Journal(path) as journal:
                for run in journal.runs():
                    journal.acquire(run.id, {})
                    list(journal.outcomes(run.id))
                    journal.open_rows(run.id, State.IN_DOUBT, -1, 100)
                    journal.release(run.id, "")
        except BulksendError as error:
            told["damaged" if "is damaged" in str(error) else str(error).replace(str(path), "")] += 1
    assert told["damaged"] > 5, told


def test_journals_of_one_process_do_not_take_each_others_locks(tmp_path: Path) -> None:
    """Closing any descriptor of a file lets go of all locks that the process has on it: SQLite's must outlast that.

    A server has several journals of one file open; another process must not take the file for one that nobody uses,
    and delete the write-ahead log that they go on writing to.
    """
    path = tmp_path / "journal.db"
    close = "import sys; from bulksend import Journal; Journal(sys.argv[1]).close()"
    with Journal(path) as first, Journal(path) as second:
        number = begin(first)
        subprocess.run([sys.executable, "-c", close, path], check=True, cwd=Path(__file__).parents[2])
        first.heartbeat(number)
        assert second.run(number).id == number
    with Journal(path) as later:
        assert later.run(number).id == number
