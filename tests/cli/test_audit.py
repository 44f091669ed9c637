"""What somebody did by commands is written down with their name in the system, and without texts and secrets."""

import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bulksend.journal import Action, Journal, system_user
from bulksend.sandbox import Limits, Sandbox, World
from tests.cli.conftest import Command, Sheet
from tests.processes import Commands, rows, until, write_sheet
from tests.terminal import Terminal

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")


def _done(home: Path, run: int | None) -> list[tuple[Action, str]]:
    """What was done with a campaign, the oldest first."""
    with Journal(home / "journal.db") as journal:
        entries = journal.audit(run)
    assert {entry.actor for entry in entries} == {system_user()}
    return [(entry.action, entry.detail) for entry in reversed(entries)]


def test_a_campaign_by_commands(command: Command, sheet: Sheet, portal: Sandbox, home: Path) -> None:
    """Entered, sent again, and sent again as a new one; the portal saved and removed."""
    portal.world.add_entity("deal", 1, chats=[5])
    portal.world.add_chat(5, refuses="MESSAGE_ADD_ERROR")
    assert command("portal", "add", "ours", "--webhook", portal.webhook).code == 0
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Between us")])
    assert command("send", path, "--portal", "ours", "--yes", "--rate", 0).code == 1
    assert command("retry", 1, "--yes").code == 1
    assert command("send", path, "--portal", "ours", "--yes", "--rate", 0, "--again").code == 1
    assert command("portal", "remove", "ours").code == 0
    assert _done(home, 1) == [(Action.ENTERED, ""), (Action.RETRIED, "1")]
    assert _done(home, 2) == [(Action.ENTERED, "")]
    assert _done(home, None) == [(Action.PORTAL_SAVED, "ours"), (Action.PORTAL_REMOVED, "ours")]
    with closing(sqlite3.connect(home / "journal.db")) as journal:
        kept = repr(journal.execute("SELECT * FROM audit").fetchall())
    assert "Between us" not in kept
    assert portal.gate.secret not in kept


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals and signals")
def test_confirmed_paused_and_continued(tmp_path: Path) -> None:
    """The answer to the question, Ctrl-C, and `resume`; what was not confirmed is not written down."""
    lines = rows(100, 4)
    world = World.from_rows((kind, entity, chat, 0) for kind, entity, chat, *_ in lines)
    with Sandbox(world=world, limits=Limits.none(), latency=0.2) as portal:
        path = write_sheet(tmp_path / "sheet.csv", lines)
        options = ("--portal", portal.webhook, "--rate", 0, "--max-in-flight", 1)
        for answer in ("n", "y"):
            with Terminal(tmp_path / "home", "send", path, *options) as terminal:
                terminal.read_until("Send 100 messages?")
                terminal.type(f"{answer}\r")
                if answer == "y":
                    for _ in until(20):
                        if portal.ledger:
                            break
                    terminal.signal(signal.SIGINT)
                assert terminal.end() == (130 if answer == "y" else 2)
        portal.latency = 0.0
        resumed = Commands(tmp_path).run("resume", "--yes", "--portal", portal.webhook, "--max-in-flight", 10)
        assert resumed.code == 0, resumed.said
    assert _done(tmp_path / "home", 1) == [
        (Action.ENTERED, ""),
        (Action.CONFIRMED, "100"),
        (Action.PAUSED, ""),
        (Action.CONTINUED, ""),
    ]
