"""``send --dry-run``: everything but the calls, and no trace of it."""

import json
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.cli.conftest import Command, Sheet, lines

HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"]
GOOD = [["deal", number, 8000 + number, f"Hello {number}"] for number in range(1, 6)]


@pytest.fixture
def open_portal() -> Sandbox:
    """A portal without limits on which everything arrives."""
    return Sandbox(limits=Limits.none())


def test_nothing_is_sent_asked_or_remembered(command: Command, sheet: Sheet, open_portal: Sandbox) -> None:
    """The portal gets no request, the journal knows no campaign, and no results sheet appears beside the file."""
    path = sheet("a.csv", HEADINGS, GOOD)
    with open_portal as portal:
        said = command("send", path, "--portal", portal.webhook, "--dry-run")
        assert said.code == 0
        assert "nothing was sent. 5 of 5 rows would be sent" in said.out
        assert "row 2, chat 8001 (deal 1): Hello 1" in said.err
        assert not portal.calls
    assert json.loads(command("runs", "--json").out or "[]") == []
    assert not path.with_name("a.results.csv").exists()


def test_the_real_run_afterwards_is_the_first(command: Command, sheet: Sheet, open_portal: Sandbox) -> None:
    """A dry run neither counts as having sent the sheet nor as having begun to."""
    path = sheet("a.csv", HEADINGS, GOOD)
    with open_portal as portal:
        for _ in range(2):
            assert command("send", path, "--portal", portal.webhook, "--dry-run").code == 0
        assert command("send", path, "--portal", portal.webhook, "--rate", 0, "--yes").code == 0
        assert len(portal.ledger) == 5
        assert command("send", path, "--portal", portal.webhook, "--dry-run").code == 2


def test_what_would_become_of_each_row(command: Command, sheet: Sheet, tmp_path: Path) -> None:
    """With --results: not_sent where it would be sent, else the status that the results sheet would have."""
    path = sheet("a.csv", HEADINGS, [*GOOD, ["deal", 7, "", "No chat"]])
    told = command(
        *("send", path, "--portal", "sandbox", "--dry-run", "--skip-invalid", "--limit", 3, "--results"),
        tmp_path / "told.csv",
    )
    assert told.code == 1
    found = [(line["status"], line["error_code"]) for line in lines(tmp_path / "told.csv")]
    assert found == [*[("not_sent", "DRY_RUN")] * 3, *[("skipped", "BEYOND_LIMIT")] * 2, ("invalid", "INVALID_CHAT_ID")]


def test_rows_that_would_be_refused_keep_it_back(command: Command, sheet: Sheet) -> None:
    """As in sending, invalid rows are told and end it with 2."""
    said = command("send", sheet("a.csv", HEADINGS, [["deal", 7, "", "No chat"]]), "--portal", "sandbox", "--dry-run")
    assert said.code == 2
    assert "INVALID_CHAT_ID" in said.err


def test_rows_that_another_campaign_sent_are_named(
    command: Command, sheet: Sheet, open_portal: Sandbox, tmp_path: Path
) -> None:
    """They are found in the real journal, and --skip-sent leaves them out."""
    first = sheet("a.csv", HEADINGS, GOOD[:2])
    second = sheet("b.csv", HEADINGS, GOOD)
    results = tmp_path / "told.csv"
    with open_portal as portal:
        assert command("send", first, "--portal", portal.webhook, "--rate", 0, "--yes").code == 0
        arguments = ("send", second, "--portal", portal.webhook, "--dry-run")
        said = command(*arguments)
        assert said.code == 2
        assert "2 rows (2 and 3) were sent to the same chat with the same text" in said.err
        assert command(*arguments, "--skip-sent", "--results", results).code == 1
        assert [line["error_code"] for line in lines(results)] == [*["ALREADY_SENT"] * 2, *["DRY_RUN"] * 3]
        assert command(*arguments, "--again").code == 0


def test_an_unfinished_campaign_would_be_gone_on_with(
    command: Command, sheet: Sheet, open_portal: Sandbox, tmp_path: Path
) -> None:
    """Its number is told, and that campaign stays as it is."""
    path = sheet("a.csv", HEADINGS, [["deal", 403, 8000, "Hello"], *GOOD])
    with open_portal as portal:
        sent = command(
            "send", path, "--portal", portal.webhook, "--rate", 0, "--yes", "--max-failures", 0, "--max-in-flight", 1
        )
        assert sent.code == 3
        before = json.loads(command("runs", "--json").out)
        said = command("send", path, "--portal", portal.webhook, "--dry-run", "--json")
        told = json.loads(said.out)
        assert told["run"] == 1
        assert told["not_sent"] == before[0]["not_sent"] > 0
        assert json.loads(command("runs", "--json").out) == before


def test_it_cannot_ask_the_portal(command: Command, sheet: Sheet) -> None:
    """--lookup needs the portal, so the two contradict each other."""
    said = command("send", sheet("a.csv", HEADINGS, GOOD), "--portal", "sandbox", "--dry-run", "--lookup")
    assert said.code == 2
    assert "asks the portal nothing" in said.err
