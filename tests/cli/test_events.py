"""``--progress json`` and ``--log-file``: what happens, a JSON object a line, by the schema in the documentation."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bulksend.journal import WaitReason
from bulksend.sandbox import Faults, Sandbox
from tests.cli.conftest import Command, Said, Sheet

DOCS = Path(__file__).parents[2] / "docs"
HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
SCHEMA = json.loads((DOCS / "progress.schema.json").read_text(encoding="utf-8"))
TEXT = "A secret between us"


def events(said: Said) -> list[dict[str, Any]]:
    """What standard error had, every line of it by the schema."""
    found = [json.loads(line) for line in said.err.splitlines()]
    for event in found:
        jsonschema.validate(event, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert found[-1]["event"] == "ended"
    assert found[-1]["exit_code"] == said.code
    assert TEXT not in said.err
    return found


@pytest.fixture
def path(portal: Sandbox, sheet: Sheet) -> Path:
    """Three rows, of which the portal refuses one and the checks another."""
    portal.world.add_chat(11, "deal", 1)
    portal.world.add_chat(12, "deal", 2, status=60)
    rows = [("deal", 1, 11, TEXT), ("deal", 2, 12, TEXT), ("deal", 3, "x", TEXT)]
    return sheet("a.csv", HEADINGS, rows)


def test_a_campaign_from_its_checks_to_its_end(command: Command, portal: Sandbox, path: Path) -> None:
    """Checked, waiting, every row with --verbose, progress, ended; standard output is as ever."""
    portal.faults = Faults(at={2: "close_after"})
    said = command(
        *("send", path, "--portal", portal.webhook, "--yes", "--rate", 0, "--user-id", 27, "--skip-invalid"),
        *("--settle", 3, "--max-in-flight", 1, "--progress", "json", "--verbose", "--json", "--log-file", "log.jsonl"),
    )
    found = events(said)
    kinds = [event["event"] for event in found]
    assert kinds[0] == "checked"
    assert found[0]["problems"] == {"INVALID_CHAT_ID": 1}
    assert {"progress", "row"} <= set(kinds)
    states = [(event["row"], event["state"], event["error_code"]) for event in found if event["event"] == "row"]
    assert (3, "failed", "CHAT_NOT_IN_CRM") in states
    assert [state for row, state, _ in states if row == 2] == ["in_doubt", "sent"]
    assert [event["message_id"] for event in found if event.get("state") == "sent"] == [portal.ledger[0].message_id]
    del found[-1]["at"], found[-1]["event"]
    assert found[-1] == json.loads(said.out)
    log = Path("log.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "log"] == kinds
    assert {"level", "logger"} <= set(lines[0])
    assert TEXT not in log
    assert portal.webhook.split("/")[-2] not in log + said.err


def test_what_is_waited_for(command: Command, portal: Sandbox, path: Path) -> None:
    """Why, and until when; without --verbose no row is named."""
    portal.faults = Faults(at={2: "error500_before"})
    to = ("--portal", portal.webhook, "--yes", "--rate", 0, "--user-id", 27, "--skip-invalid", "--settle", 6)
    found = events(command("send", path, *to, "--progress", "json"))
    waits = [event for event in found if event["event"] == "waiting"]
    assert [wait["reason"] for wait in waits] == ["history"]
    began, until, ended = (datetime.fromisoformat(at) for at in (found[0]["at"], waits[0]["until"], found[-1]["at"]))
    assert began + timedelta(seconds=5) < until <= ended  # it has whole seconds
    assert not [event for event in found if event["event"] == "row"]


@pytest.mark.parametrize("words", [("--rate", "quick"), ("--swiftly",), (), ("--yes", "--limit", 0)])
def test_what_did_not_start_is_an_event_too(
    command: Command, portal: Sandbox, path: Path, words: tuple[object, ...]
) -> None:
    """Bad usage, and what would have had to be asked: one line that says so, exit 2."""
    said = command("send", "--progress", "json", path, "--portal", portal.webhook, *words)
    assert said.code == 2
    assert events(said)[-1]["ended"] == "not started"


def test_a_log_beside_what_people_read(command: Command, portal: Sandbox, path: Path) -> None:
    """--log-file alone changes nothing of what is shown; one that cannot be written is a sentence."""
    send = ("send", path, "--portal", portal.webhook, "--yes", "--rate", 0, "--user-id", 27, "--skip-invalid")
    said = command(*send, "--log-file", "log.jsonl")
    assert "To send the failed rows again" in said.err
    last = json.loads(Path("log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("ended", said.code)
    said = command(*send, "--log-file", "nowhere/log.jsonl")
    assert said.code == 2
    assert "The log file nowhere/log.jsonl cannot be written" in said.err


@pytest.mark.parametrize("folder", [".", "ru"])
def test_every_field_is_documented(folder: str) -> None:
    """The page names each event and each of its fields, in both languages."""
    page = (DOCS / folder / "watching.md").read_text(encoding="utf-8")
    for name, event in SCHEMA["$defs"].items():
        assert "event" not in event.get("properties", {}) or f"| `{name}` |" in page
        assert [field for field in event.get("properties", {}) if f"`{field}`" not in page] == []
    reasons = SCHEMA["$defs"]["waiting"]["properties"]["reason"]["enum"]
    assert reasons == [reason for reason in WaitReason if reason is not WaitReason.WORKER]  # nobody waits for one here
    assert [reason for reason in reasons if f"`{reason}`" not in page] == []
