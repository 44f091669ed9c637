"""Several doings as one synced step, and several processes that begin at once."""

import sqlite3
import threading
from pathlib import Path

import pytest

from bulksend.errors import JournalError
from bulksend.journal import Journal


def test_what_is_done_together_happens_together(tmp_path: Path) -> None:
    """Another reader sees nothing of a step before its end, and all of it then."""
    with Journal(tmp_path / "journal.db") as journal, sqlite3.connect(tmp_path / "journal.db") as other:
        with journal.transaction():
            journal.update_pace("a.example", lambda _: "one")
            journal.update_pace("b.example", lambda _: "two")
            assert other.execute("SELECT count(*) FROM portals").fetchone() == (0,)
        assert other.execute("SELECT pace FROM portals ORDER BY portal").fetchall() == [("one",), ("two",)]
    other.close()


def test_a_step_that_fails_has_not_happened(tmp_path: Path) -> None:
    """Nothing of it is kept, and the journal can be used on."""
    with Journal(tmp_path / "journal.db") as journal:
        with pytest.raises(JournalError):
            _half_a_step(journal)
        seen = []
        journal.update_pace("a.example", lambda pace: (seen.append(pace), "two")[1])  # type: ignore[func-returns-value]
        assert seen == [""]


def _half_a_step(journal: Journal) -> None:
    with journal.transaction():
        journal.update_pace("a.example", lambda _: "one")
        raise JournalError("The disk is full.")


def test_processes_that_make_the_journal_at_once(tmp_path: Path) -> None:
    """None of them fails because the other one is at it."""
    failed: list[Exception] = []

    def begin(path: Path, start: threading.Barrier) -> None:
        start.wait()
        try:
            with Journal(path) as journal:
                journal.runs()
        except JournalError as error:
            failed.append(error)

    for number in range(30):
        start = threading.Barrier(3)
        path = tmp_path / f"{number}.db"
        threads = [threading.Thread(target=begin, args=(path, start)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
