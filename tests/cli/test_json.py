"""``--json``: one value on standard output for programs, however a command ends."""

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.cli.conftest import Command, Said, Sheet
from tests.processes import Commands, PortalProcess, end, rows, write_sheet

SAMPLES = Path(__file__).parents[2] / "samples"
HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
NEVER = "http://127.0.0.1:9/rest/27/s3cr3tW3bh00kk3y/"


def _told(said: Said, code: int) -> dict[str, Any]:
    """The one object, of which the sentence is on standard error too."""
    value: dict[str, Any] = json.loads(said.out)
    assert said.code == value["exit_code"] == code
    assert value["reason"]
    assert value["reason"] in said.err
    return value


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("send", "none.csv", "--portal", "sandbox", "--yes"), "There is no file"),
        (("send", SAMPLES / "campaign.csv", "--yes"), "No portal is named"),
        (("send", SAMPLES / "campaign.csv", "--portal", "sandbox"), "no terminal"),
        (("send", SAMPLES / "invalid.csv", "--portal", "sandbox", "--yes"), "Nothing was sent: correct these rows"),
        (("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--yes", "--map", "x"), "FIELD=HEADING"),
        (("send", SAMPLES / "campaign.csv", "--rate", "quick"), "'--rate'"),
        (("send", SAMPLES / "campaign.csv", "--swiftly"), "--swiftly"),
        (("send",), "FILE"),
        (("resume",), "no unfinished campaign"),
        (("retry", 7), "no campaign 7"),
        (("send", SAMPLES / "campaign.csv", "--portal", NEVER, "--yes", "--preflight"), "could not be reached"),
        (("check", "none.csv"), "There is no file"),
        (("runs", "--journal", "nowhere://"), "A journal is"),
    ],
)
def test_what_did_not_start_says_why(command: Command, words: tuple[object, ...], reason: str) -> None:
    """Exit 2: `not started`, no campaign, and the sentence that is on standard error."""
    value = _told(command(*words, "--json"), 2)
    assert (value["ended"], value["run"]) == ("not started", None)
    assert reason in value["reason"]


def test_the_environment_asks_for_it_as_well(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """BULKSEND_JSON=1 is --json."""
    monkeypatch.setenv("BULKSEND_JSON", "1")
    assert _told(command("resume"), 2)["ended"] == "not started"
    for words in (("send", "--swiftly"), ("resume", "one"), ("portal", "list", "more")):
        assert _told(command(*words), 2)["ended"] == "not started"
    assert command("template").out == ""


def test_what_was_sent_before_says_so(command: Command, sheet: Sheet) -> None:
    """The same sheet, rows of another campaign's, and the forecast of a dry run."""
    with Sandbox(limits=Limits.none()) as portal:
        send = ("--portal", portal.webhook, "--yes", "--rate", 0, "--json")
        path = sheet("a.csv", HEADINGS, [("deal", 1, 11, "Hello"), ("deal", 1, 11, "again")])
        value = json.loads(command("send", path, *send).out)
        assert (value["run"], value["ended"], value["sent"], value["exit_code"]) == (1, "ended", 2, 0)
        assert "already sent" in _told(command("send", path, *send), 2)["reason"]
        path = sheet("b.csv", HEADINGS, [("deal", 1, 11, "Hello")])
        assert "sent to the same chat with the same text" in _told(command("send", path, *send), 2)["reason"]
        value = _told(command("send", path, *send, "--dry-run"), 2)
        assert (value["run"], value["ended"], value["not_sent"]) == (None, "dry run", 1)


def test_who_holds_a_campaign_is_told(tmp_path: Path) -> None:
    """While one process sends a sheet another one is `held`, exit 3; stopped by hand, the first is `interrupted`."""
    commands = Commands(tmp_path)
    sheet = write_sheet(tmp_path / "a.csv", rows(200, 4))
    with PortalProcess(tmp_path / "portal", "--latency", 0.2) as portal:
        send = ("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1, "--json")
        first = commands.start(*send)
        portal.wait_for_calls(2)
        second = commands.run(*send)
        value = _told(Said(second.code, second.out, second.err), 3)
        assert value["ended"] == "held"
        first.send_signal(signal.SIGINT)
        ended = end(first)
    value = json.loads(ended.out)
    assert (ended.code, value["ended"], value["exit_code"], value["run"]) == (130, "interrupted", 130, 1)


def test_a_journal_lost_in_mid_campaign_is_told(tmp_path: Path) -> None:
    """Its counts cannot be known, but which campaign it is, how it ended, and that rows are left."""
    commands = Commands(tmp_path)
    sheet = write_sheet(tmp_path / "a.csv", rows(40, 4))
    with PortalProcess(tmp_path / "portal", "--latency", 0.2) as portal:
        process = commands.start(
            "send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1, "--json"
        )
        portal.wait_for_calls(2)
        with sqlite3.connect(commands.journal) as journal:
            journal.execute("DROP TABLE runs")
        journal.close()
        ended = end(process)
    value = _told(Said(ended.code, ended.out, ended.err), 3)
    assert (value["run"], value["ended"]) == (1, "journal")
