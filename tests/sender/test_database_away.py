"""The journal's server goes away in the middle of a campaign: nothing leaves meanwhile, and nothing is sent twice."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend import Campaign, Journal, RunResult, Sending, StopReason, examine, find_target
from bulksend.journal import holder
from tests.postgres import Server, serving_or_skip
from tests.processes import PortalProcess, TestRow, assert_exactly_once, rows, until, write_sheet


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that may be stopped."""
    with serving_or_skip() as server:
        yield server


class Sender(threading.Thread):
    """Sends a sheet in a thread of this process."""

    def __init__(
        self, journal: str, portal: PortalProcess, folder: Path, lines: list[TestRow], **sending: float
    ) -> None:
        super().__init__(daemon=True)
        self._journal, self._portal, self._folder = journal, portal, folder
        self._sheet = write_sheet(folder / "sheet.csv", lines)
        self._sending = Sending(**{"rate": 10.0, "timeout": 2.0, "settle": 1.0, **sending})  # type: ignore[arg-type]
        self.result: RunResult | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with (
                Journal(self._journal) as journal,
                find_target(self._portal.webhook, self._folder, user_id=27) as target,
                Campaign.enter(journal, examine(self._sheet), target) as campaign,
            ):
                self.result = campaign.send(self._sending.options(40))
        except Exception as error:  # noqa: BLE001 - the test says what it thinks of it
            self.error = error


def test_away_for_a_while(server: Server, tmp_path: Path) -> None:
    """What was under way comes back and is kept; once the server is there again the rest is sent, each row once."""
    journal, lines = server.make_database("away"), rows(40, chats=40)
    with PortalProcess(tmp_path / "portal") as portal:
        portal.turn("dials", latency=0.5)
        sender = Sender(journal, portal, tmp_path, lines)
        sender.start()
        portal.wait_for_calls(8)
        server.stop()
        time.sleep(1.0)  # what had left before has arrived
        arrived = len(portal.calls())
        time.sleep(3.0)
        assert len(portal.calls()) == arrived < 40
        server.start()
        sender.join(60)
        assert (sender.error, sender.result and sender.result.how) == (None, StopReason.ENDED)
        assert_exactly_once(lines, portal.ledger)
    with Journal(journal) as opened:
        assert opened.runs()[0].counts.sent == 40


def test_away_for_good(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the patience is over it ends with a sentence; resumed later, each row has been sent once."""
    monkeypatch.setattr(holder, "ABANDONED_SECONDS", 4.0)
    journal, lines = server.make_database("gone"), rows(40, chats=40)
    with PortalProcess(tmp_path / "portal") as portal:
        sender = Sender(journal, portal, tmp_path, lines, outage=0.03)
        sender.start()
        portal.wait_for_calls(8)
        server.stop()
        try:
            sender.join(60)
        finally:
            server.start()
        assert not sender.is_alive()
        assert "cannot be used" in str(sender.error)
        for _ in until(40, 1.0):  # the one that ended so is taken for dead only after a while, as it could not let go
            again = Sender(journal, portal, tmp_path, lines, rate=0.0)
            again.start()
            again.join(60)
            if again.error is None:
                break
        assert again.error is None
        assert_exactly_once(lines, portal.ledger)
