"""``check`` says everything that is wrong, and sends nothing."""

import json
from pathlib import Path

import pytest

from bulksend.sandbox import Sandbox
from tests.cli.conftest import Command, Sheet, lines

SAMPLES = Path(__file__).parents[2] / "samples"
HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")


def test_a_good_sheet_exits_0_and_shows_the_first_messages(command: Command) -> None:
    """Nothing wrong: exit 0, how many rows, and what the first of them will say."""
    said = command("check", SAMPLES / "campaign.csv")
    assert said.code == 0
    assert "No problems: 12 of 12 rows can be sent" in said.out
    assert "row 2, chat 8773 (deal 288): Hello Harriet!" in said.out


def test_every_problem_of_every_row_is_told_at_once(command: Command) -> None:
    """Problems: exit 1, grouped, each with the sheet's own row numbers and what to do."""
    said = command("check", SAMPLES / "invalid.csv")
    assert said.code == 1
    for code in ("INVALID_ENTITY_TYPE", "INVALID_ENTITY_ID", "INVALID_CHAT_ID", "INVALID_USER_ID", "EMPTY_MESSAGE"):
        assert f"{code}: " in said.out
    assert "Warning: MESSAGE_CUT" in said.out


def test_the_report_comes_as_json(command: Command) -> None:
    """``--json``: one object on standard output for programs."""
    said = command("check", SAMPLES / "invalid.csv", "--json")
    report = json.loads(said.out)
    assert said.code == 1
    assert report["good"] < report["rows"]
    assert {"code", "count", "rows", "example", "says", "advice"} <= set(report["problems"][0])


def test_a_copy_has_each_problem_beside_its_row(command: Command, tmp_path: Path) -> None:
    """``--results``: the sheet again with code and sentence beside each row, to mend in Excel."""
    command("check", SAMPLES / "invalid.csv", "--results", tmp_path / "mend.csv")
    found = lines(tmp_path / "mend.csv")
    assert len(found) == 25
    assert [line["status"] for line in found[:2]] == ["", "invalid"]
    assert found[1]["error_code"] == "INVALID_ENTITY_TYPE"
    assert "lead, deal, contact or company" in found[1]["error_description"]


@pytest.mark.parametrize("between", [";", "; ", "\n", "\r\n"])
def test_the_environment_names_columns_as_well(
    command: Command, sheet: Sheet, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    """BULKSEND_MAP: headings with spaces, one pair a line or with semicolons."""
    path = sheet("a.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "Where to", "What to say"), [("deal", 1, 11, "Hello")])
    assert command("check", path).code == 2
    monkeypatch.setenv("BULKSEND_MAP", between.join(["CHAT_ID=Where to", "MESSAGE=What to say", ""]))
    assert "row 2, chat 11 (deal 1): Hello" in command("check", path).out


def test_a_heading_with_a_semicolon_fits_on_a_line(
    command: Command, sheet: Sheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where BULKSEND_MAP has lines, they alone tell pairs apart."""
    path = sheet("a.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "Chat; number", "MESSAGE"), [("deal", 1, 11, "Hello")])
    monkeypatch.setenv("BULKSEND_MAP", "CHAT_ID=Chat; number\n")
    assert command("check", path).code == 0


@pytest.mark.parametrize("name", ["none.csv", "folder", "empty.csv", "picture.xlsx", "open-quote.csv"])
def test_what_is_no_sheet_is_refused_in_one_sentence(command: Command, tmp_path: Path, name: str) -> None:
    """Unreadable: exit 2 and one sentence, never a traceback."""
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name != "none.csv":
        content = {"empty.csv": b"", "picture.xlsx": b"\x89PNG\r\n\x1a\n" + bytes(64)}
        path.write_bytes(content.get(name, b'CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE\ndeal,1,2,"x\n'))
    for words in (("check", path), ("send", path, "--portal", "sandbox", "--yes")):
        said = command(*words)
        assert said.code == 2
        assert said.err.startswith("Error: ")
        assert said.err.count("\n") == 1
        assert not said.out


def test_online_names_exactly_the_rows_that_the_portal_would_refuse(
    command: Command, sheet: Sheet, portal: Sandbox
) -> None:
    """10 finished dialogs, 5 chats of other entities, 3 forbidden entities: those 18 rows, and nothing is sent."""
    rows = _world(portal)
    path = sheet("deals.csv", HEADINGS, rows)
    said = command("check", path, "--online", "--portal", portal.webhook, "--rate", 0, "--json")
    report = json.loads(said.out)
    found = {problem["code"]: problem["count"] for problem in report["problems"]}
    assert said.code == 1
    assert found == {"DIALOG_FINISHED": 10, "CHAT_NOT_IN_CRM": 5, "ACCESS_DENIED": 3}
    assert report["good"] == len(rows) - 18
    assert not portal.ledger


def test_a_preflight_keeps_those_rows_back_and_says_why(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """``send --preflight --skip-invalid`` sends the others; the results sheet says why for the 18."""
    rows = _world(portal)
    path = sheet("deals.csv", HEADINGS, rows)
    send = ("send", path, "--portal", portal.webhook, "--rate", 0, "--yes", "--preflight")
    refused = command(*send)
    assert refused.code == 2
    assert not portal.ledger
    said = command(*send, "--skip-invalid")
    assert said.code == 1
    found = lines(path.with_name("deals.results.csv"))
    invalid = [line for line in found if line["status"] == "invalid"]
    assert len(invalid) == 18
    assert {line["error_code"] for line in invalid} == {"DIALOG_FINISHED", "CHAT_NOT_IN_CRM", "ACCESS_DENIED"}
    assert all(line["error_description"] for line in invalid)
    assert sum(line["status"] == "sent" for line in found) == len(portal.ledger) == len(rows) - 18


def _world(portal: Sandbox) -> list[tuple[str, int, int, str]]:
    """60 deals with a chat each; of the first 18 none can be written to."""
    for deal in range(1, 61):
        portal.world.add_entity("deal", deal, forbidden=15 < deal <= 18)
        owner = deal if not 10 < deal <= 15 else deal + 100
        if owner != deal:
            portal.world.add_entity("deal", owner)
        portal.world.add_chat(5000 + deal, "deal", owner, status=40 if deal > 10 else 60)
    return [("deal", deal, 5000 + deal, f"Hello {deal}") for deal in range(1, 61)]
