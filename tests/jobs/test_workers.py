"""Campaigns that are left to workers: sent, handed over, taken over, paused, and every row of them exactly once."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.processes import Commands, PortalProcess, TestRow, assert_exactly_once, rows, wait_until, write_sheet
from tests.team import Team


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalProcess]:
    """A portal whose calls take a little."""
    with PortalProcess(tmp_path / "portal") as portal:
        portal.turn("dials", latency=0.1)
        yield portal


@pytest.fixture
def team(database: str, tmp_path: Path, portal: PortalProcess) -> Iterator[Team]:
    """A team that has saved it."""
    with Team(tmp_path, database) as team:
        team.save("crm", portal)
        yield team


def assert_all_sent(team: Team, portal: PortalProcess, *sheets: list[TestRow]) -> None:
    """Every row was delivered exactly once and in order, and the journal says so."""
    assert_exactly_once([line for sheet in sheets for line in sheet], portal.ledger)
    assert [run.counts.sent for run in team.runs()] == [len(sheet) for sheet in sheets]


def test_entered_and_sent(team: Team, portal: PortalProcess) -> None:
    """Whoever enters a campaign goes home; a worker sends it, and ends in good order."""
    lines = rows(12, chats=6)
    sheet = write_sheet(team.commands.folder / "sheet.csv", lines)
    options = ("--journal", team.journal, "--queue", "--yes", "--rate", 0, "--timeout", 1, "--settle", 1)
    entered = team.commands.run("send", sheet, "--portal", "crm", *options)
    assert (entered.code, entered.out.splitlines()[0]) == (0, "Campaign 1: 12 of 12 rows are left to the workers.")
    assert not portal.calls()
    listed = team.commands.run("runs", "--journal", team.journal)
    assert "  queued " in listed.out
    worker = team.worker()
    team.wait_until_finished()
    assert worker.hand_over() == 0
    assert_all_sent(team, portal, lines)
    written = team.commands.run("results", 1, "--journal", team.journal)
    assert (written.code, written.out.splitlines()[0]) == (0, "Campaign 1: 12 of 12 rows sent.")


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_several_processes(team: Team, portal: PortalProcess, end: str) -> None:
    """Many campaigns are divided among processes, which end with the one that started them, however that ends."""
    lines = rows(6, chats=3)
    team.enter("sheet", lines, "crm")
    worker = team.worker("--campaigns", 100)
    team.wait_until_finished()
    process = psutil.Process(worker.process.pid)
    children = process.children(recursive=True)
    assert len(children) >= 2
    number = getattr(signal, end)
    process.send_signal(number)
    assert worker.process.wait(30) == (0 if end == "SIGTERM" else -number)
    assert not psutil.wait_procs(children, 30)[1]
    assert_all_sent(team, portal, lines)


@pytest.mark.slow
def test_handed_over(team: Team, portal: PortalProcess) -> None:
    """A worker that is stopped politely leaves nothing in doubt, and another goes on at once."""
    lines = rows(60, chats=60)
    team.enter("sheet", lines, "crm", max_in_flight=2)
    first = team.worker()
    portal.wait_for_calls(5)
    assert first.hand_over() == 0
    (run,) = team.runs()
    assert run.holder is None
    assert not run.counts.sending + run.counts.in_doubt
    assert 0 < run.counts.sent < 60
    team.worker()
    team.wait_until_finished()
    assert_all_sent(team, portal, lines)


@pytest.mark.parametrize("end", [pytest.param("kill", marks=pytest.mark.slow), "freeze"])
def test_taken_over(team: Team, portal: PortalProcess, end: str) -> None:
    """A worker is killed, or its machine sleeps: another goes on, and the one that wakes up sends nothing more."""
    portal.turn("dials", latency=0.5)  # until somebody else has it: the campaign must not be over before
    lines = rows(80, chats=20)
    team.enter("sheet", lines, "crm", max_in_flight=2, timeout=3.0)
    first = team.worker()
    portal.wait_for_calls(8)
    second = team.worker()
    first.kill() if end == "kill" else first.freeze()
    died = time.monotonic()
    second.wait_until_said("Campaign 1: sending", 60)
    assert time.monotonic() - died < 40  # a few seconds where nothing else runs
    portal.turn("dials", latency=0)
    if end == "freeze":
        first.thaw()
        first.wait_until_said("another worker has taken it over")
    team.wait_until_finished()
    assert_all_sent(team, portal, lines)


def test_paused_from_anywhere(team: Team, portal: PortalProcess) -> None:
    """Whoever sends it stops, nobody else takes it up, and a decision lets it go on."""
    portal.turn("dials", latency=0.5)
    lines = rows(60, chats=60)
    team.enter("sheet", lines, "crm", max_in_flight=2, timeout=10.0)
    worker = team.worker()
    portal.wait_for_calls(5)
    assert team.commands.run("pause", 1, "--journal", team.journal).code == 0
    worker.wait_until_said("Campaign 1: ")
    wait_until(lambda: team.runs()[0].holder is None)
    portal.turn("dials", latency=0)
    sent = len(portal.ledger)
    assert team.states() == ["paused"]
    time.sleep(1.5)
    assert len(portal.ledger) == sent < 60
    went_on = team.commands.run("resume", 1, "--journal", team.journal, "--queue", "--yes")
    assert went_on.code == 0, went_on.said
    team.wait_until_finished()
    assert_all_sent(team, portal, lines)


@pytest.mark.slow
def test_waiting_holds_no_place(team: Team, portal: PortalProcess) -> None:
    """A campaign for tomorrow gives the only place back, and another is sent meanwhile."""
    team.enter("later", rows(3, chats=3, text="Later"), "crm", at="tomorrow 10:00")
    worker = team.worker("--campaigns", 1)
    worker.wait_until_said("wait for their hours")
    lines = rows(3, chats=3)
    team.enter("now", lines, "crm")
    worker.wait_until_said("Campaign 2: 3 of 3 rows sent.")
    assert_exactly_once(lines, portal.ledger)
    assert team.states() == ["waiting", "finished"]


@pytest.mark.slow
def test_long_campaign_lets_short_one_pass(team: Team, portal: PortalProcess) -> None:
    """With one place, a campaign that has had it for long gives it to one that waits, and goes on behind it."""
    long, short = rows(100, chats=100), rows(3, chats=3, text="Short")
    team.enter("long", long, "crm", rate=8.0)
    worker = team.worker("--campaigns", 1)
    portal.wait_for_calls(3)
    team.enter("short", short, "crm")
    worker.wait_until_said("Campaign 1: gives its place to another.", 60)
    worker.wait_until_said("Campaign 2: 3 of 3 rows sent.")
    assert team.runs()[0].counts.left
    team.wait_until_finished()
    assert [run.counts.sent for run in team.runs()] == [100, 3]
    assert len(portal.ledger) == 103


@pytest.mark.slow
def test_portal_that_is_not_saved_here(team: Team, portal: PortalProcess, tmp_path: Path) -> None:
    """It is left to a worker that has it, and said."""
    team.enter("sheet", rows(3, chats=3), "crm")
    (tmp_path / "elsewhere").mkdir()
    other = Team(tmp_path / "elsewhere", team.journal)
    with other:
        worker = other.worker()
        worker.wait_until_said("Left to other workers, because their portals are not saved here: campaigns 1.")
    assert not portal.calls()


def test_what_cannot_be_left_to_workers(team: Team, tmp_path: Path) -> None:
    """Journals in files, addresses, and waiting for the end are refused in a sentence, and nothing is entered."""
    sheet = write_sheet(tmp_path / "sheet.csv", rows(2, chats=2))
    queue = ("send", sheet, "--yes", "--queue", "--no-preflight")
    for refused, options in (
        ("Workers share a journal on PostgreSQL", ("--portal", "crm")),
        ("Workers know portals by the names", ("--portal", "sandbox", "--journal", team.journal)),
        ("--verify waits until all is sent", ("--portal", "crm", "--verify", "--journal", team.journal)),
    ):
        ended = team.commands.run(*queue, *options)
        assert (ended.code, ended.err.splitlines()[-1].startswith(f"Error: {refused}")) == (2, True), ended.said
    ended = Commands(tmp_path).run("worker")
    assert ended.code == 2
    assert ended.err.startswith("Error: Workers share a journal on PostgreSQL")
    assert not team.runs()


@pytest.mark.slow
def test_database_user_that_may_only_send(team: Team, portal: PortalProcess) -> None:
    """What the documentation grants is enough for a worker, and not enough to enter or delete anything."""
    lines = rows(6, chats=6)
    team.enter("sheet", lines, "crm")
    text = (Path(__file__).parents[2] / "docs" / "team.md").read_text(encoding="utf-8")
    grants = text.split("```sql\n")[1].split("```")[0]
    with psycopg.connect(team.journal, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS sender")
        connection.execute(grants.encode())
    address = team.journal.replace("team@", "sender@")
    team.worker(journal=address)
    team.wait_until_finished()
    assert_all_sent(team, portal, lines)
    with psycopg.connect(address, autocommit=True) as connection:
        for forbidden in ("DELETE FROM runs", "SELECT * FROM users", "INSERT INTO rows SELECT * FROM rows"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())
    with psycopg.connect(team.journal, autocommit=True) as connection:
        connection.execute("DROP OWNED BY sender")
        connection.execute("DROP ROLE sender")


def test_looking_makes_no_queue(database: str, tmp_path: Path) -> None:
    """The list of campaigns makes no tables, which its user may not be allowed to."""
    assert Commands(tmp_path).run("runs", "--journal", database).code == 0
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchall() == [(None,)]
