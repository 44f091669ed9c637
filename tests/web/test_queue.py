"""A page that leaves its campaigns to workers."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import requests

from bulksend.jobs.queued import FRESH
from bulksend.journal import Journal
from bulksend.journal.database import address_of_server
from tests.journal.conftest import server
from tests.postgres import Server
from tests.processes import SLOWEST, rows
from tests.web.conftest import PageProcess, Portal, Visitor, saved

__all__ = ["server"]


@pytest.fixture(scope="module")
def page(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    """One page for the tests of this module; there is no worker."""
    process = PageProcess(tmp_path_factory.mktemp("queue"))
    process.journal = server.make_database(f"queue_{time.time_ns()}")
    process.start("--queue", "--journal", process.journal)
    yield process
    process.kill()


def _entered(visitor: Visitor, portal: Portal, name: str) -> int:
    """A campaign that waits for a worker."""
    lines = rows(2, 2, name)
    saved(visitor, name, portal(lines))
    return visitor.send(visitor.upload_rows(lines, f"{name}.csv"), name)


def test_a_slow_queue_keeps_nobody_else_waiting(page: PageProcess, visitor: Visitor, portal: Portal) -> None:
    """Whatever is asked of a campaign: only who asks it waits for the database."""
    number = _entered(visitor, portal, "slow")
    address = address_of_server(page.journal)
    assert address
    for ask, place in (
        (visitor.get, "progress"),
        (visitor.post, "verify"),
        (visitor.post, "continue"),
        (visitor.post, "pause"),
        (visitor.post, "stop"),
    ):
        time.sleep(FRESH)
        with psycopg.connect(address) as locked:
            locked.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
            asked = threading.Thread(target=ask, args=(f"/campaigns/{number}/{place}",))
            asked.start()
            asked.join(0.3)
            assert asked.is_alive(), place
            assert requests.get(f"{page.origin}/static/style.css", timeout=SLOWEST).ok, place
            locked.rollback()
        asked.join()


def test_the_record_holds_what_was_changed_alone(page: PageProcess, visitor: Visitor, portal: Portal) -> None:
    """A button that is pressed once more, or too late, did nothing."""
    number = _entered(visitor, portal, "recorded")
    for step in ("pause", "pause", "continue", "pause", "stop", "stop", "pause", "delete", "delete"):
        assert visitor.post(f"/campaigns/{number}/{step}").status_code == 303, step
    with Journal(page.journal) as journal:
        recorded = [entry.action.value for entry in reversed(journal.audit(number))]
    assert recorded == ["entered", "confirmed", "paused", "continued", "paused", "stopped", "deleted"]


def test_nobody_is_promised_that_a_worker_verifies(page: PageProcess, visitor: Visitor, portal: Portal) -> None:
    """A worker only sends; a rehearsal is this process's own and verified as was chosen, also before."""
    lines = rows(2, 2, "promised")
    name = saved(visitor, "promised", portal(lines))
    sheet = visitor.upload_rows(lines, "promised.csv")
    assert 'name="verify"' in visitor.confirm_page(sheet)
    visitor.post(f"{sheet}/confirm", {"do": "choose", "verify": "yes"})
    assert "checked" in visitor.settled(f"{sheet}/confirm").partition('name="verify"')[2].partition(">")[0]
    shown = visitor.confirm_page(sheet, name)
    assert 'name="verify"' not in shown
    sent = visitor.post(f"{sheet}/confirm", visitor.button(shown, pace="usual"))
    assert visitor.path(sent).startswith("/campaigns/")
    other = rows(2, 2, "promised before")
    number = visitor.send(visitor.upload_rows(other), name, verify="yes")  # by a form that was open before
    with psycopg.connect(address_of_server(page.journal) or "") as database:  # as if a worker had sent one
        database.execute("UPDATE runs SET count_sent = 1, count_pending = 1 WHERE id = %s", (number,))
        database.execute("UPDATE rows SET state = 'sent' WHERE run_id = %s AND n = 0", (number,))
    shown = visitor.get(f"/campaigns/{number}").text
    assert "is known once you ask it" in shown
    assert "as you chose" not in shown


def test_it_ends_in_good_order_while_the_database_is_away(server: Server, own_page: PageProcess) -> None:
    """What it carries out itself is all that it has to stop."""
    database = server.make_database(f"ends_{time.time_ns()}")
    own_page.start("--queue", "--journal", database)
    server.stop()
    try:
        assert own_page.stop() == 0
    finally:
        server.start()
