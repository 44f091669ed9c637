"""A campaign's results sheet: what it says of each row, out of the journal."""

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from bulksend.campaign import Campaign
from bulksend.journal import Change, Journal, NewRow, State
from bulksend.plan import examine, fingerprint
from bulksend.portal.authorisation import parse_webhook
from bulksend.ratelimit.limiter import RateLimit
from bulksend.results import write_run_results
from bulksend.sandbox import Limits, Sandbox
from bulksend.sender.options import Options
from bulksend.target import Target


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "journal.db")


def _begin(journal: Journal, results: Path, count: int) -> int:
    run_id = journal.begin(
        file="sheet.csv",
        sheet={"format": "csv"},
        headings=["MESSAGE"],
        message_column=0,
        portal="portal.example",
        portal_name="",
        portal_address="https://portal.example/rest/27/…",
        identity="webhook 27",
        content="c1",
        user_id=27,
        again=False,
        results_path=str(results),
        settings={},
    )
    texts = [f"Message {n}" for n in range(count)]
    rows = [NewRow(n + 2, [text], "deal", 288, 8773, 0, text, fingerprint(8773, text)) for n, text in enumerate(texts)]
    journal.add_rows(run_id, 0, rows, 0)
    journal.entered(run_id, count)
    journal.acquire(run_id, {})
    return run_id


def _described(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["error_description"] for row in csv.DictReader(file)]


def test_what_the_portal_said_stays_as_it_was_but_for_secrets(journal: Journal, tmp_path: Path) -> None:
    """Whatever the words are; only where addresses have their secrets nothing is repeated."""
    run_id = _begin(journal, tmp_path / "out.csv", 2)
    said = ["The portal says: TEST RUN is over.", "The portal says: https://portal.example/rest/27/s3cret/ is over."]
    journal.apply(run_id, [Change(n, State.PENDING, State.FAILED, "ERROR_CORE", text) for n, text in enumerate(said)])
    written = write_run_results(journal, journal.run(run_id))
    assert _described(written) == [said[0], said[1].replace("s3cret", "…")]


HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"]


@pytest.mark.parametrize("name", ["sheet.xlsx", "sheet.csv"])
def test_the_copy_with_the_problems_has_every_row_under_its_number(tmp_path: Path, name: str) -> None:
    """Below its titles, with its blank rows, on a worksheet of the same name; warnings stand in it too."""
    lines: list[list[Any]] = [
        ["Customers of November"],
        [],
        HEADINGS,
        ["deal", 1, 11, "Hi"],
        [],
        ["deal", 2, "x", "Yo"],
    ]
    lines += [[], [], ["deal", 1, 11, "Hi"], ["deal", 3, 13, "Dear {name}"]]
    path = tmp_path / name
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        assert isinstance(book.active, Worksheet)
        book.active.title = "November"
        for line in lines:
            book.active.append(line)
        book.save(path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    copy = examine(path).write_problems(tmp_path / f"problems{path.suffix}")
    if copy.suffix == ".xlsx":
        sheet = openpyxl.load_workbook(copy)["November"]
        found = [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]
        assert sheet.freeze_panes == "A4"
        assert sheet.auto_filter.ref == "A3:K10"
    else:
        with copy.open(encoding="utf-8", newline="") as file:
            found = list(csv.reader(file))
    assert [list(filter(None, row[:4])) for row in found] == [[str(cell) for cell in line] for line in lines]
    beside = {number: row[4:8] for number, row in enumerate(found, 1) if any(row[4:]) and number > 3}
    assert [(number, row[0], row[2]) for number, row in beside.items()] == [
        (6, "invalid", "INVALID_CHAT_ID"),
        (9, "", "DUPLICATE_MESSAGE"),
        (10, "", "UNFILLED_PLACEHOLDER"),
    ]
    assert beside[9][3].startswith("Warning: The chat gets the same text as in an earlier row (row 4).")
    again = examine(copy).report
    assert [problem.rows for problem in (*again.problems, *again.warnings)] == [[6], [10], [9]]


def test_a_hidden_row_stays_hidden(tmp_path: Path) -> None:
    """Also in the copy with the problems: corrected and uploaded, it would be sent to somebody who was left out."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"])
    for n in range(3):
        sheet.append(["deal", n + 1, 5001 + n, f"Message {n}"])
    sheet.row_dimensions[3].hidden = True
    book.save(tmp_path / "sheet.xlsx")
    plan = examine(tmp_path / "sheet.xlsx")
    assert plan.report.hidden == 1
    assert examine(plan.write_problems(tmp_path / "problems.xlsx")).report.hidden == 1
    with Sandbox(limits=Limits.none()) as portal, Journal(tmp_path / "journal.db") as journal:
        caller = parse_webhook(portal.webhook)
        target = Target(caller.portal, "", caller, 27)
        with Campaign.enter(journal, plan, target) as campaign:
            campaign.send(Options(rate_limit=RateLimit(rate=0), same_refusals=None))
            results = write_run_results(journal, campaign.run)
    assert examine(results).report.hidden == 1
