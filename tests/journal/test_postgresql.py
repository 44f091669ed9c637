"""A journal that a team shares on PostgreSQL: what holds of the file holds of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bulksend.errors import JournalError
from bulksend.journal import Journal
from tests.ports import unused_port
from tests.processes import (
    Commands,
    PortalProcess,
    TestRow,
    assert_exactly_once,
    end,
    read_results,
    rows,
    until,
    write_sheet,
)


@dataclass
class Team:
    """Colleagues who send through one portal and share a journal."""

    commands: Commands
    portal: PortalProcess
    journal: str

    def sending(self, sheet: Path) -> list[object]:
        """The command that sends a sheet."""
        options = ["--timeout", 1, "--settle", 1, "--rate", 0, "--yes"]
        return ["send", sheet, "--portal", self.portal.webhook, "--journal", self.journal, *options]

    def assert_all_sent(self, sheet: Path, lines: list[TestRow]) -> None:
        """Every row was delivered once, and the results sheet has the ledger's own ids."""
        ledger = self.portal.ledger
        assert_exactly_once(lines, ledger)
        told = {row["MESSAGE"]: (row["status"], row["message_id"]) for row in read_results(sheet)}
        assert told == {entry["text"]: ("sent", str(entry["message_id"])) for entry in ledger}


@pytest.fixture
def team(database: str, tmp_path: Path) -> Iterator[Team]:
    """A team with a database of its own."""
    with PortalProcess(tmp_path / "portal") as portal:
        yield Team(Commands(tmp_path), portal, database)


def test_killed_and_gone_on_with(team: Team) -> None:
    """Answers are lost and the command is killed: every row arrives once, and the results say so."""
    lines = rows(40, chats=20)
    sheet = write_sheet(team.commands.folder / "sheet.csv", lines)
    team.portal.turn("faults", probability={"close_before": 0.1, "close_after": 0.1}, seed=1)
    team.portal.turn("dials", latency=0.4)  # it is to be killed before it is over
    process = team.commands.start(*team.sending(sheet))
    team.portal.wait_for_calls(10)
    process.kill()
    process.communicate()
    team.portal.turn("dials", latency=0.1)
    ended = team.commands.run(*team.sending(sheet))
    assert ended.code == 0, ended.said
    team.assert_all_sent(team.commands.folder / "sheet.results.csv", lines)


def test_two_at_the_same_moment(team: Team) -> None:
    """Two processes on one file: one sends it, the other is refused; every row arrives once."""
    lines = rows(40, chats=10)
    sheet = write_sheet(team.commands.folder / "sheet.csv", lines)
    team.portal.turn("dials", latency=0.1)
    both = [team.commands.start(*team.sending(sheet)) for _ in range(2)]
    codes = sorted(end(process).code for process in both)
    assert codes in ([0, 2], [0, 3])
    team.assert_all_sent(team.commands.folder / "sheet.results.csv", lines)


def test_work_of_the_server_grows_with_the_rows_alone(team: Team) -> None:
    """A server that knows nothing yet of the rows' number does not look at all open ones for each batch."""
    sheet = write_sheet(team.commands.folder / "sheet.csv", rows(2_000, chats=2_000))
    with psycopg.connect(team.journal, autocommit=True) as connection:
        assert team.commands.run("runs", "--journal", team.journal).code == 0  # makes the tables
        connection.execute("ALTER TABLE rows SET (autovacuum_enabled = off)")
        ended = team.commands.run(*team.sending(sheet), "--fast")
        assert ended.code == 0, ended.said
        for _ in until(10):
            read, sent = connection.execute(
                "SELECT idx_tup_read, (SELECT sum(count_sent) FROM runs) FROM pg_stat_user_indexes"
                " WHERE indexrelname = 'rows_open'"
            ).fetchone() or (0, 0)
            if read:
                break
        assert sent == 2_000
        assert 0 < read < 5 * 2_000


def test_server_that_is_not_there(tmp_path: Path) -> None:
    """One sentence, without the password, and nothing is sent."""
    with unused_port() as port:
        address = f"postgresql://team:hunter2@127.0.0.1:{port}/journal"
        ended = Commands(tmp_path).run("runs", "--journal", address)
    assert ended.code == 2
    assert ended.err.startswith(f"Error: The journal postgresql+psycopg://team:…@127.0.0.1:{port}/journal cannot")
    assert ": see that its server can be reached, then resume the campaign. " in ended.err
    assert ended.err.rstrip().endswith(" To do so: `bulksend resume`.")
    assert len(ended.err.splitlines()) == 1
    assert "hunter2" not in ended.said


def test_other_databases() -> None:
    """A database that is neither is refused."""
    with pytest.raises(JournalError, match="an SQLite file or a PostgreSQL database"):
        Journal("mysql://team@127.0.0.1/journal")
