"""``--reopen`` on the command line: kept with the campaign, from the environment, said before it is done."""

import sys
from pathlib import Path

import pytest

from bulksend.sandbox import Sandbox
from tests.cli.conftest import Command, Sheet, lines
from tests.terminal import Terminal

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
UNLIMITED = ("--rate", 0, "--batch", 50)


@pytest.fixture
def path(portal: Sandbox, sheet: Sheet) -> Path:
    """Deals 1 to 4: active, finished, finished, and with the chat of deal 1."""
    for deal in (1, 2, 3, 4):
        portal.world.add_chat(800 + deal, "deal", deal, status=40 if deal in {1, 4} else 60)
    chats = {1: 801, 2: 802, 3: 803, 4: 801}
    return sheet("deals.csv", HEADINGS, [("deal", deal, chat, f"Hello {deal}") for deal, chat in chats.items()])


def statuses(path: Path) -> list[str]:
    """What became of the rows."""
    return [line["status"] for line in lines(path.with_name("deals.results.csv"))]


def test_a_refused_row_is_told_of_it_and_a_retry_takes_it(command: Command, portal: Sandbox, path: Path) -> None:
    """The hint names the option while it was not used; what is left afterwards says why."""
    to = ("--portal", portal.webhook, *UNLIMITED, "--yes")
    sent = command("send", path, *to)
    assert statuses(path) == ["sent", "failed", "failed", "failed"]
    assert "--reopen starts finished dialogs again" in sent.err
    again = command("retry", 1, "--reopen", *to)
    assert "Starts:  finished dialogs again, as they are met" in again.err
    assert "--reopen" not in again.err
    assert statuses(path) == ["sent", "sent", "sent", "failed"]
    assert "does not belong to this" in lines(path.with_name("deals.results.csv"))[3]["error_description"]
    assert [start.chat_id for start in portal.starts] == [802, 803]


def test_a_resumed_campaign_remembers_it(
    command: Command, portal: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from BULKSEND_REOPEN as well, and a resume without either has it still."""
    monkeypatch.setenv("BULKSEND_REOPEN", "1")
    portal.refusal = "no_auth"
    assert command("send", path, "--portal", portal.webhook, "--user-id", 27, *UNLIMITED, "--yes").code == 3
    monkeypatch.delenv("BULKSEND_REOPEN")
    portal.refusal = None
    command("resume", 1, "--portal", portal.webhook, "--yes")
    assert statuses(path) == ["sent", "sent", "sent", "failed"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_the_question_says_how_many_dialogs_it_starts(portal: Sandbox, path: Path, tmp_path: Path) -> None:
    """The preflight counts them, leaves them in, and takes out the row of another deal's chat; nothing is started."""
    home, send = tmp_path / "home", ("send", path, "--portal", portal.webhook, *UNLIMITED, "--skip-invalid")
    with Terminal(home, *send, "--reopen") as terminal:
        terminal.read_until("[y/N]")
        assert "up to 2 dialogs again" in terminal.shown
        assert "becomes their operator" in " ".join(terminal.shown.split())
        assert "Send 3 messages?" in terminal.shown
        assert portal.starts == []
        terminal.type("y\n")
        terminal.end()
    assert statuses(path) == ["sent", "sent", "sent", "invalid"]


def test_check_online_tells_them_from_wrong_chats(command: Command, portal: Sandbox, path: Path) -> None:
    """Without it they refuse their rows, with it they are a warning."""
    asked = ("check", path, "--online", "--portal", portal.webhook, "--rate", 0)
    without = command(*asked)
    assert "1 of 4 rows can be sent" in without.out
    assert "--reopen starts finished dialogs" in without.out
    with_it = command(*asked, "--reopen")
    assert with_it.code == 1
    assert "3 of 4 rows can be sent" in with_it.out
    assert "--reopen" not in with_it.out
    assert portal.starts == []


def test_lookup_takes_finished_dialogs_too(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """The newest, only where none is active, and says so; then send it as it is."""
    world = portal.world
    world.add_chat(801, "deal", 1, status=60)
    world.add_chat(802, "deal", 1)
    world.add_chat(803, "deal", 1, status=60)
    world.add_chat(804, "deal", 2, status=60)
    world.add_chat(805, "deal", 2, status=60)
    world.add_entity("deal", 3)
    path = sheet("deals.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "MESSAGE"), [("deal", n, "Hi") for n in (1, 2, 3)])
    to = ("--portal", portal.webhook, "--rate", 0)
    assert command("lookup", path, *to, "--reopen").code == 1
    filled = lines(path.with_name("deals.filled.csv"))
    assert [line["CHAT_ID"] for line in filled] == ["802", "805", ""]
    assert "started again" in filled[1]["lookup_note"]
    assert filled[0]["lookup_note"] == ""
    command("send", path, *to, "--lookup", "--reopen", "--yes", "--skip-invalid")
    assert [delivery.chat_id for delivery in portal.ledger] == [802, 805]
