"""What the journal promises: each state durable and true, whoever else uses it and whatever breaks."""

import multiprocessing
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.errors import JournalError, UsageError
from bulksend.journal import MOVES, Change, Counts, Departure, Held, Journal, NewRow, Row, SlotGrant, Stage, State
from bulksend.plan import fingerprint

PORTAL = "portal.example"
DAY = 24 * 3600.0


def new_row(n: int, chat: int = 8773, message: str = "") -> NewRow:
    """A row whose message stands in its only cell."""
    text = message or f"Message {n}"
    return NewRow(n + 2, [text], "deal", 288, chat, 0, text, fingerprint(chat, text))


def begin(journal: Journal, count: int = 3, content: str = "c1", *, portal: str = PORTAL, again: bool = False) -> int:
    """A campaign of so many rows in one chat, held from here."""
    run_id = journal.begin(
        file="sheet.csv",
        sheet={"format": "csv"},
        headings=["MESSAGE"],
        message_column=0,
        portal=portal,
        portal_name="",
        portal_address="https://portal.example/rest/27/…",
        identity="webhook 27",
        content=content,
        user_id=27,
        again=again,
        results_path="sheet.results.csv",
        settings={},
    )
    journal.add_rows(run_id, 0, [new_row(n) for n in range(count)], 0)
    journal.entered(run_id, count)
    journal.acquire(run_id, {})
    return run_id


def leave(journal: Journal, run_id: int, rows: list[Row], *, portal_time: float | None = None) -> Departure:
    """Let rows leave without any pace."""
    again = journal.run(run_id).again
    now = time.time()
    return journal.leave(
        run_id,
        rows,
        portal=PORTAL,
        take=lambda pace, _: SlotGrant(pace, len(rows)),
        at=now,
        portal_time=portal_time,
        again=again,
        since=now - DAY,
    )


def pending(journal: Journal, run_id: int) -> list[Row]:
    """The rows that are still to be sent."""
    return journal.open_rows(run_id, State.PENDING, -1, 100)


def row(journal: Journal, run_id: int, n: int = 0) -> Row:
    """One row as it stands."""
    return list(journal.all_rows(run_id))[n]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "home" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A new journal."""
    with Journal(path) as opened:
        yield opened


def test_every_commit_is_on_the_disk(journal: Journal) -> None:
    """The database is told to sync each commit, and readers do not block the writer."""
    with journal._database._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "fullfsync")
        }
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "fullfsync": 1}


def test_leaving_is_known_before_the_world_sees_it(journal: Journal, path: Path) -> None:
    """When `leave` has returned, another connection finds the row in `sending`, with its attempt counted."""
    run_id = begin(journal)
    assert leave(journal, run_id, pending(journal, run_id)[:1]).grant.granted == 1
    with sqlite3.connect(path) as other:
        found = other.execute("SELECT state, attempts FROM rows ORDER BY n").fetchall()
    assert found == [("sending", 1), ("pending", 0), ("pending", 0)]


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_moves(journal: Journal, before: State, after: State) -> None:
    """A change of state that is not in the row's life is refused, and so is one from a state the row is not in."""
    run_id = begin(journal, 1)
    change = Change(0, before, after, message_id=1 if after is State.SENT else None)
    if after not in MOVES[before]:
        with pytest.raises(AssertionError):
            journal.apply(run_id, [change])
    elif before is State.PENDING:
        journal.apply(run_id, [change])
        assert row(journal, run_id).state is after
        return
    else:
        with pytest.raises(JournalError):
            journal.apply(run_id, [change])
    assert row(journal, run_id).state is State.PENDING
    assert journal.run(run_id).counts == Counts(pending=1)


def test_one_wrong_change_undoes_all(journal: Journal) -> None:
    """Changes are written together or not at all."""
    run_id = begin(journal)
    leave(journal, run_id, pending(journal, run_id)[:1])
    with pytest.raises(JournalError):
        journal.apply(
            run_id, [Change(0, State.SENDING, State.SENT, message_id=7), Change(1, State.SENDING, State.FAILED, "X")]
        )
    assert journal.run(run_id).counts == Counts(pending=2, sending=1)


def test_nothing_leaves_twice(journal: Journal) -> None:
    """A row that has left may not leave again, even by a reader's old copy of it."""
    run_id = begin(journal)
    rows = pending(journal, run_id)
    leave(journal, run_id, rows[:1])
    with pytest.raises(JournalError):
        leave(journal, run_id, rows[:1])
    assert row(journal, run_id).attempts == 1


def test_marks_of_the_first_attempt_stay(journal: Journal) -> None:
    """A row sent again after its answer was lost keeps what marked the first attempt: its message may be that one's."""
    run_id = begin(journal)
    leave(journal, run_id, pending(journal, run_id)[:1], portal_time=100.0)
    journal.apply(run_id, [Change(1, State.PENDING, State.FAILED, "X")], portal=PORTAL)
    first = row(journal, run_id)
    journal.apply(run_id, [Change(0, State.SENDING, State.IN_DOUBT)])
    journal.apply(run_id, [Change(0, State.IN_DOUBT, State.PENDING, lost=True)])
    leave(journal, run_id, pending(journal, run_id)[:1], portal_time=500.0)
    again = row(journal, run_id)
    assert again.attempts == 2
    assert first.left_at is not None
    assert (again.left_at, again.earliest_portal_time) == (first.left_at, 100.0)


def test_a_portal_time_unknown_at_the_first_attempt(journal: Journal) -> None:
    """It stays unknown: that of a later attempt would make the first one's message look old."""
    run_id = begin(journal)
    leave(journal, run_id, pending(journal, run_id)[:1])
    journal.apply(run_id, [Change(0, State.SENDING, State.IN_DOUBT)])
    journal.apply(run_id, [Change(0, State.IN_DOUBT, State.PENDING, lost=True)])
    leave(journal, run_id, pending(journal, run_id)[:1], portal_time=500.0)
    assert row(journal, run_id).earliest_portal_time is None


def test_marks_go_where_nothing_can_have_arrived(journal: Journal) -> None:
    """A row that surely did not arrive is as if it had never left: what is said meanwhile is older than it."""
    run_id = begin(journal)
    leave(journal, run_id, pending(journal, run_id)[:1], portal_time=0.0)
    journal.apply(run_id, [Change(0, State.SENDING, State.PENDING, uncounted=True)])
    assert (row(journal, run_id).left_at, row(journal, run_id).earliest_portal_time, row(journal, run_id).attempts) == (
        None,
        None,
        0,
    )


@pytest.mark.parametrize("state", [State.FAILED, State.UNKNOWN])
def test_marks_on_retry(journal: Journal, state: State) -> None:
    """A failed row starts anew; of an unknown one the message of its earlier attempt can still be found."""
    run_id = begin(journal, 1)
    leave(journal, run_id, pending(journal, run_id), portal_time=0.0)
    journal.apply(run_id, [Change(0, State.SENDING, State.IN_DOUBT)])
    journal.apply(run_id, [Change(0, State.IN_DOUBT, state, "X")])
    assert journal.reopen(run_id, state) == 1
    assert (row(journal, run_id).left_at is None) == (state is State.FAILED)
    assert row(journal, run_id).lost == (state is State.UNKNOWN)


def test_one_message_for_one_row(journal: Journal, path: Path) -> None:
    """A message found in a history becomes one row's only, whoever writes it down first."""
    first, second = begin(journal, 1, "c1"), begin(journal, 1, "c2", again=True)
    for run_id in (first, second):
        leave(journal, run_id, pending(journal, run_id))
        journal.apply(run_id, [Change(0, State.SENDING, State.IN_DOUBT)])
    found = Change(0, State.IN_DOUBT, State.SENT, message_id=4711)
    assert journal.claimed(PORTAL, [4711]) == set()
    assert journal.apply(first, [found], portal=PORTAL) == frozenset()
    assert journal.apply(second, [found], portal=PORTAL) == {0}
    assert row(journal, second).state is State.IN_DOUBT
    assert journal.run(second).counts == Counts(in_doubt=1)
    assert journal.claimed(PORTAL, [4711, 4712]) == {4711}
    assert journal.claimed("other.example", [4711]) == set()


def test_crash(path: Path) -> None:
    """What a process left in `sending` when it died is in doubt for the next."""
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_leave, args=(path,))
    process.start()
    process.join()
    with Journal(path) as journal:
        assert (journal.run(1).stage, journal.run(1).holder) == (Stage.STOPPED, None)
        journal.acquire(1, {})
        doubt = row(journal, 1)
        assert (doubt.state, doubt.error_code) == (State.IN_DOUBT, "INTERRUPTED")
        assert journal.run(1).counts == Counts(in_doubt=1, pending=2)


def _hold_and_leave(path: Path) -> None:
    journal = Journal(path)
    run_id = begin(journal)
    leave(journal, run_id, pending(journal, run_id)[:1])


def test_held_by_another(journal: Journal, path: Path) -> None:
    """A campaign that a living process holds is refused, with who holds it and since when, also to begin it anew."""
    run_id = begin(journal)
    with Journal(path) as other:
        with pytest.raises(Held, match=r"process \d+ on .+ since \d{4}-\d\d-\d\d \d\d:\d\d"):
            other.acquire(run_id, {})
        with pytest.raises(Held):
            begin(other)
        journal.release(run_id, "")
        other.acquire(run_id, {})
        with pytest.raises(JournalError, match="taken over"):
            journal.heartbeat(run_id)
        with pytest.raises(JournalError, match="taken over"):
            leave(journal, run_id, pending(journal, run_id)[:1])
        journal.release(run_id, "too late")
        assert journal.run(run_id).holder is not None
    assert journal.run(run_id).reason == ""


def test_holder_on_another_machine(journal: Journal, path: Path) -> None:
    """Of a process on another machine its signs of life tell: for 90 s without one it is not disturbed."""
    run_id = begin(journal)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE runs SET holder = json_set(holder, '$.host', 'elsewhere')")
    with Journal(path) as second:
        with pytest.raises(Held, match="elsewhere"):
            second.acquire(run_id, {})
        with sqlite3.connect(path) as other:
            other.execute("UPDATE runs SET seen_at = seen_at - 120")
        second.acquire(run_id, {})


def test_campaign_that_was_not_loaded(journal: Journal, path: Path) -> None:
    """A campaign whose process died while its rows were entered is not seen, and its remains go with the next."""
    with sqlite3.connect(path) as other:
        begin(journal)
        other.execute("UPDATE runs SET stage = 'loading', holder = json_set(holder, '$.pid', 999999999)")
    assert journal.runs() == []
    assert journal.same(PORTAL, "c1") is None
    run_id = begin(journal)
    assert [run.id for run in journal.runs()] == [run_id]
    assert journal.run(run_id).counts == Counts(pending=3)


def test_stages(journal: Journal) -> None:
    """A campaign with open rows was stopped; one without is finished."""
    run_id = begin(journal, 1)
    assert journal.run(run_id).stage is Stage.RUNNING
    journal.release(run_id, "why")
    assert (journal.run(run_id).stage, journal.run(run_id).reason) == (Stage.STOPPED, "why")
    journal.acquire(run_id, {})
    leave(journal, run_id, pending(journal, run_id))
    journal.apply(run_id, [Change(0, State.SENDING, State.SENT, message_id=1, sent_at=1.0)])
    journal.release(run_id, "")
    assert journal.run(run_id).stage is Stage.FINISHED


@pytest.mark.parametrize(
    ("state", "ago", "counts"),
    [
        (State.SENDING, 0.0, True),
        (State.SENT, 23 * 3600.0, True),
        (State.SENT, 25 * 3600.0, False),
        (State.FAILED, 0.0, False),
        (State.UNKNOWN, 0.0, True),
        (State.UNKNOWN, 25 * 3600.0, False),
    ],
)
def test_sent_by_another_campaign(journal: Journal, path: Path, state: State, ago: float, counts: bool) -> None:
    """Rows that another campaign sent to the chat with the text within 24 hours, or may have, stay; others go."""
    first = begin(journal, 1, "c1")
    leave(journal, first, pending(journal, first))
    if state is State.UNKNOWN:
        journal.apply(first, [Change(0, State.SENDING, State.IN_DOUBT)])
        journal.apply(first, [Change(0, State.IN_DOUBT, State.UNKNOWN, "X")])
    elif state is not State.SENDING:
        journal.apply(first, [Change(0, State.SENDING, state, message_id=1, sent_at=time.time())])
    with sqlite3.connect(path) as other:
        other.execute("UPDATE rows SET left_at = left_at - ?, sent_at = sent_at - ?", (ago, ago))
    second = begin(journal, 2, "c2")
    assert journal.sent_elsewhere(second, time.time() - DAY) == ([(2, first)] if counts else [])
    departure = leave(journal, second, pending(journal, second))
    assert departure.already == ({0} if counts else frozenset())
    assert departure.grant.granted == (0 if counts else 2)


def test_sent_on_another_portal(journal: Journal) -> None:
    """What was sent on another portal keeps nothing back here."""
    first = begin(journal, 1, "c1", portal="other.example")
    leave(journal, first, pending(journal, first))
    second = begin(journal, 1, "c2")
    assert journal.sent_elsewhere(second, time.time() - DAY) == []


def test_counts_are_true(journal: Journal) -> None:
    """The counts of a campaign are those of its rows."""
    run_id = begin(journal, 6)
    leave(journal, run_id, pending(journal, run_id)[:4])
    journal.apply(
        run_id,
        [
            Change(0, State.SENDING, State.SENT, message_id=1, sent_at=1.0),
            Change(1, State.SENDING, State.FAILED, "CHAT_NOT_IN_CRM"),
            Change(2, State.SENDING, State.PENDING, uncounted=True),
        ],
    )
    journal.skip(run_id, "BEYOND_LIMIT", "left out", beyond=5)
    states = Counter(each.state.value for each in journal.all_rows(run_id))
    assert journal.run(run_id).counts == Counts(**states)


def test_content(journal: Journal) -> None:
    """A sheet's campaign is found by portal and content, the newest of several."""
    first = begin(journal, 1, "c1")
    assert journal.same(PORTAL, "c2") is None
    assert journal.same("other.example", "c1") is None
    found = journal.same(PORTAL, "c1")
    assert found is not None
    assert found.id == first


def test_no_such_campaign(journal: Journal) -> None:
    """A number that is not there is named."""
    with pytest.raises(UsageError, match="There is no campaign 99"):
        journal.run(99)


def test_not_a_journal(tmp_path: Path) -> None:
    """A file that is no database is told so in a sentence."""
    file = tmp_path / "journal.db"
    file.write_text("no database" * 100, encoding="utf-8")
    with pytest.raises(JournalError, match="damaged, or not a journal"):
        Journal(file)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be made is told so."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be made"):
        Journal(tmp_path / "file" / "deep" / "journal.db")


def test_address_that_makes_no_sense() -> None:
    """A database address that cannot be understood is not repeated: it may hold a password."""
    for address in ("postgresql://user:hunter2@host:port/x", "nosuchdb://user:hunter2@host/x"):
        with pytest.raises(JournalError) as caught:
            Journal(address)
        assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_full_disk(path: Path) -> None:
    """What cannot be written did not happen: the row has not left, and a sentence says what to do."""
    process = multiprocessing.get_context("spawn").Process(target=_fill, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0


def _fill(path: Path) -> None:
    import resource  # noqa: PLC0415 - Windows has none

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(path)
    run_id = begin(journal, 100)
    size = path.with_name("journal.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    rows = pending(journal, run_id)
    gone: list[Row] = []

    def all_leave() -> None:
        for each in rows:
            leave(journal, run_id, [each])
            gone.append(each)

    with pytest.raises(JournalError, match="free the disk"):
        all_leave()
    assert len(gone) < 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with Journal(path) as again:
        assert again.run(run_id).counts == Counts(pending=100 - len(gone), sending=len(gone))


def test_two_processes(path: Path) -> None:
    """Two processes write at the same time: nothing is lost, nothing is counted twice."""
    with Journal(path) as journal:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=_work, args=(path, f"c{each}")) for each in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert [run.counts for run in journal.runs()] == [Counts(sent=30)] * 2


def _work(path: Path, content: str) -> None:
    with Journal(path) as journal:
        run_id = begin(journal, 30, content, again=True)
        for n, each in enumerate(pending(journal, run_id)):
            leave(journal, run_id, [each])
            journal.apply(run_id, [Change(n, State.SENDING, State.SENT, message_id=n + 1, sent_at=time.time())])
        journal.release(run_id, "")
