"""The page leaves campaigns to workers; rehearsals it carries out itself."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bulksend import Campaign, Journal, Options, Sending, examine, find_target
from bulksend.jobs import Jobs
from bulksend.jobs.queued import QueuedJobs
from tests.processes import PortalProcess, assert_exactly_once, environment, rows, wait_until, write_sheet
from tests.team import Team


@pytest.fixture
def team(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team whose page runs in this process."""
    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setitem(os.environ, name, value)
    with Team(tmp_path, database) as team:
        yield team


@pytest.fixture
def jobs(team: Team) -> Iterator[Jobs]:
    """What the page leaves its campaigns to."""
    jobs = QueuedJobs(team.journal)
    yield jobs
    jobs.close()


Prepare = Callable[[Journal, ExitStack], tuple[Campaign, Options]]


def sending(sheet: Path, portal: str, home: Path) -> Prepare:
    """What the page does to enter a sheet."""

    def prepare(journal: Journal, stack: ExitStack) -> tuple[Campaign, Options]:
        plan = examine(sheet)
        target = stack.enter_context(find_target(portal, home, user_id=27, sandbox_rows=plan.sandbox_rows()))
        settings = Sending(rate=4.0, timeout=10.0, settle=1.0)
        campaign = stack.enter_context(Campaign.enter(journal, plan, target, settings=settings.settings()))
        return campaign, settings.options(plan.report.good)

    return prepare


def test_left_to_a_worker(team: Team, jobs: Jobs, tmp_path: Path) -> None:
    """It waits for a worker, can be paused while one has it, and goes on when it is put back."""
    lines = rows(12, chats=12)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    with PortalProcess(tmp_path / "portal") as portal:
        team.save("crm", portal)
        job = jobs.start(sending(sheet, "crm", team.commands.home))
        assert job.wait(30)
        assert job.run_id == 1
        waiting = jobs.of(1)
        assert waiting is not None
        assert (waiting.here, waiting.ended) == (False, False)
        assert waiting.progress is not None
        assert waiting.progress.waiting == "a worker that is free"
        portal.turn("dials", latency=0.8)  # until it is paused
        team.worker()
        portal.wait_for_calls(3)
        jobs.stop(1)
        assert waiting.wait(60)
        (run,) = team.runs()
        assert 0 < run.counts.sent < 12
        wait_until(lambda: jobs.of(1) is None)
        portal.turn("dials", latency=0)
        jobs.start(sending(sheet, "crm", team.commands.home))
        team.wait_until_finished()
        assert_exactly_once(lines, portal.ledger)


def test_rehearsed_here(team: Team, jobs: Jobs, tmp_path: Path) -> None:
    """The sandbox ends with the process, so no worker could reach it."""
    sheet = write_sheet(tmp_path / "sheet.csv", rows(3, chats=3))
    job = jobs.start(sending(sheet, "sandbox", team.commands.home))
    assert job.wait_until_entered(30)
    assert job.here
    assert job.wait(30)
    assert team.runs()[0].counts.sent == 3
