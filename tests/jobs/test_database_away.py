"""The database cannot be reached for longer than a worker may be silent: whoever is back first takes nothing over."""

import time
from pathlib import Path

import pytest

from tests.drills import Line
from tests.processes import PortalProcess, assert_exactly_once, rows
from tests.team import Team


@pytest.mark.slow
def test_nobody_is_taken_for_dead(database: str, tmp_path: Path) -> None:
    """No worker could give signs of life, so none is dead: a second later the other is back too."""
    lines = rows(60, chats=60)
    port = int(database.rpartition(":")[2].partition("/")[0])
    with PortalProcess(tmp_path / "portal") as portal, Team(tmp_path, database) as team:
        team.save("crm", portal)
        team.enter("sheet", lines, "crm", rate=8.0)
        ways = [Line(port), Line(port)]
        workers = []
        for way in ways:
            workers.append(team.worker(journal=database.replace(f":{port}/", f":{way.port}/")))
            workers[-1].wait_until_said("Sending through")
            portal.wait_for_calls(8)  # the first has it then
        for way in ways:
            way.cut()
        time.sleep(4.0)
        ways[1].mend()
        time.sleep(1.0)
        ways[0].mend()
        team.wait_until_finished()
        assert [worker.hand_over() for worker in workers] == [0, 0]
        assert not [line for worker in workers for line in worker.lines if "has died" in line]
        assert_exactly_once(lines, portal.ledger)
