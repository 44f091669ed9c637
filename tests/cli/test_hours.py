"""Hours, a spread and a late beginning on the command line: what is said, what is asked, what is kept."""

import json
import sys
import time
from pathlib import Path

import pytest

from bulksend.campaign import Campaign
from bulksend.journal import Journal
from bulksend.plan import SheetOptions, examine
from bulksend.portal.authorisation import parse_webhook
from bulksend.sandbox import Limits, Sandbox
from bulksend.target import Target
from tests.cli.conftest import Command, Sheet
from tests.processes import rows, write_sheet
from tests.terminal import Terminal

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")

terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")


def entered(folder: Path, portal: Sandbox, **settings: object) -> Path:
    """The sheet of a campaign that was entered with these settings, and of which nothing was sent."""
    sheet = write_sheet(folder / "sheet.csv", rows(2, 2))
    caller = parse_webhook(portal.webhook)
    (folder / "home").mkdir()
    with (
        Journal(folder / "home" / "journal.db") as journal,
        Campaign.enter(
            journal, examine(sheet, SheetOptions()), Target(caller.portal, "", caller, 27), settings=settings
        ),
    ):
        pass
    return sheet


@terminals
@pytest.mark.parametrize(("key", "code", "sent"), [("n", 2, 0), ("y", 0, 2)])
def test_a_campaign_asks_before_it_begins_late(tmp_path: Path, key: str, code: int, sent: int) -> None:
    """At a terminal a campaign whose time has long passed is begun only after a yes."""
    with Sandbox(limits=Limits.none()) as portal:
        entered(tmp_path, portal, at="2026-01-01T10:00:00+03:00", timezone="Europe/Moscow")
        command = ("resume", 1, "--portal", portal.webhook, "--rate", 0)
        with Terminal(tmp_path / "home", *command) as terminal:
            terminal.read_until("Begin now? [y/N]")
            assert "Thu 2026-01-01 10:00 Europe/Moscow (+03:00), which has" in " ".join(terminal.shown.split())
            assert not portal.calls
            terminal.type(f"{key}\n")
            assert terminal.end() == code, terminal.shown
        assert len(portal.ledger) == sent


@terminals
def test_hours_go_by_the_campaign_s_own_zone(tmp_path: Path) -> None:
    """`send FILE --hours` of a campaign that is not finished: its zone stays, whatever the computer's is."""
    with Sandbox(limits=Limits.none()) as portal:
        sheet = entered(tmp_path, portal, hours="09:00-20:00", timezone="Asia/Vladivostok")
        command = ("send", sheet, "--portal", portal.webhook, "--hours", "10:00-12:00")
        shown = "Hours:   10:00-12:00, Asia/Vladivostok where a row has no time zone"
        for more in (("--dry-run",), ("--no-preflight",)):
            with Terminal(tmp_path / "home", *command, *more, changes={"TZ": "Europe/Berlin"}) as terminal:
                terminal.read_until("row 2, chat 5000")
                assert shown in terminal.shown


def test_check_gives_programs_the_forecast(command: Command, sheet: Sheet) -> None:
    """`check --json` says when the last message would have left, and what would be too late or is left out."""
    path = sheet("a.csv", HEADINGS, [("deal", n, 10 + n, f"Hello {n}") for n in range(1, 121)])
    stop = sheet("stop.csv", ("CHAT_ID",), [(11,), (12,)])
    report = json.loads(command("check", path, "--stop-list", stop, "--json").out)
    assert report["stop_listed"] == 2
    forecast = report["forecast"]
    assert forecast["seconds"] == pytest.approx(60, abs=2)
    assert forecast["too_late"] == 0
    assert forecast["ends_at"].startswith("20")
    rehearsed = json.loads(command("send", path, "--portal", "sandbox", "--dry-run", "--json").out)
    assert rehearsed["forecast"]["seconds"] == pytest.approx(61, abs=2)
    report = json.loads(command("check", path, "--not-after", "23:59:59", "--rate", 0.0001, "--json").out)
    assert report["forecast"]["too_late"] > 100
    assert json.loads(command("check", sheet("b.csv", HEADINGS, [("x", 1, 1, "")]), "--json").out)["forecast"] is None


def test_a_spread_takes_as_few_rows_a_call_as_the_pace_allows(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """`--over` with `--fast`: rows leave together only where one a call would not be through in time; it is said."""
    for n in range(1, 61):
        portal.world.add_chat(10 + n, "deal", n)
    path = sheet("a.csv", HEADINGS, [("deal", n, 10 + n, f"Hello {n}") for n in range(1, 61)])
    send = ("send", path, "--portal", portal.webhook, "--rate", 5, "--fast", "--user-id", 27)
    assert "Spread:  a message every 6 s" in command(*send, "--over", "6m", "--dry-run").err
    slow = command(*send[:-3], "--user-id", 27, "--over", "3s", "--dry-run").err
    assert "Slower:  at this pace it takes longer; with --batch 4 it would not" in slow
    began = time.monotonic()
    said = command(*send, "--over", "3s", "--yes")
    assert said.code == 0, said.err
    assert "Spread:  4 messages every 0.2 s" in said.err
    assert time.monotonic() - began < 8
    calls = [call for call in portal.calls if call.method == "batch"][1:]
    assert {call.commands for call in calls} == {4}
