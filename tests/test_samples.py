"""The sample sheets: what each is made of."""

import csv
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from bulksend.sandbox import Limits, Sandbox, read_world
from bulksend.sandbox.special import CHATS, FORBIDDEN_DEAL
from bulksend.template import MessageTemplate, load_template
from tests.processes import Commands

SAMPLES = Path(__file__).parents[1] / "samples"
SPECIAL = {str(number) for number in (FORBIDDEN_DEAL, *CHATS)}
"""Ids that stand for something in the sandbox."""


def rows(name: str, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    """Return a sample's rows by their headings."""
    with (SAMPLES / name).open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


def test_a_campaign_that_all_arrives() -> None:
    """All four kinds of entity, and nothing that is special to the sandbox."""
    campaign = rows("campaign.csv")
    assert {row["CRM_ENTITY_TYPE"].lower() for row in campaign} == {"lead", "deal", "contact", "company"}
    assert not SPECIAL & {row[heading] for row in campaign for heading in ("CRM_ENTITY_ID", "CHAT_ID")}
    assert all(row["MESSAGE"].strip() for row in campaign)


def test_the_same_campaign_in_excel() -> None:
    """Has the same rows, its ids as numbers and its texts as texts, the one that begins with = too."""
    sheet = openpyxl.load_workbook(SAMPLES / "campaign.xlsx").worksheets[0]
    headings, *cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert [dict(zip(headings, map(str, row), strict=True)) for row in cells] == rows("campaign.csv")
    assert {type(row[headings.index("CHAT_ID")]) for row in cells} == {int}
    assert {cell.data_type for cell in sheet["F"]} == {"s"}


def test_a_russian_campaign() -> None:
    """Is as Excel saves it: semicolons, Windows-1251, line ends of Windows."""
    content = (SAMPLES / "campaign.ru.csv").read_bytes()
    assert content.count(b"\r\n") == 1 + len(rows("campaign.ru.csv", "cp1251", ";")) == 11
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    assert content.decode("cp1251").startswith("Клиент;Тип сущности;ID сущности;ID чата;")


def test_invalid_rows() -> None:
    """Each says itself what is wrong with it; two have nothing wrong."""
    invalid = rows("invalid.csv")
    wrong = [row["What is wrong"] for row in invalid]
    assert wrong.count("nothing") == 2
    assert len(set(wrong)) == len(wrong) - 1
    assert max(len(row["MESSAGE"]) for row in invalid) == 20_001


def test_refused_rows_and_dialogs() -> None:
    """Each of the sandbox's special ids stands in one of them, between rows that arrive; dialogs in its own words."""
    refused, dialogs = rows("refused.csv"), rows("dialogs.csv")
    for sheet in (refused, dialogs):
        said = [row["What the portal says"] for row in sheet]
        assert said[0].startswith("sent")
        assert said[-1].startswith("sent")
    used = {row[heading] for row in refused + dialogs for heading in ("CRM_ENTITY_ID", "CHAT_ID")}
    assert used >= SPECIAL
    chats = {str(chat_id): f"{chat.answer}: {chat.words}" for chat_id, chat in CHATS.items()}
    assert all(row["What the portal says"] == chats[row["CHAT_ID"]] for row in dialogs[1:-1])


@pytest.mark.parametrize("name", ["refused.csv", "dialogs.csv"])
def test_a_rehearsal_meets_what_the_sample_says(tmp_path: Path, name: str) -> None:
    """Row by row: sent, or refused with the code."""
    sent = ("send", SAMPLES / name, "--portal", "sandbox", "--rate", 0, "--yes", "--results", "out.csv")
    assert Commands(tmp_path).run(*sent).code == 1
    results = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    met = results["error_code"].where(results["status"] == "failed", results["status"])
    assert met.tolist() == [said.split(":")[0] for said in results["What the portal says"]]


def test_a_world_file(tmp_path: Path) -> None:
    """Is a portal that knows what it describes and nothing else."""
    world = read_world(SAMPLES / "world.json")
    with Sandbox(world=world, limits=Limits.none()) as portal:
        sheet = tmp_path / "sheet.csv"
        told = {8773: "sent", 8774: "sent", 8780: "CHAT_NOT_IN_CRM", 8791: "sent"}
        lines = [row for row in rows("campaign.csv") if int(row["CHAT_ID"]) in told]
        pd.DataFrame(lines).to_csv(sheet, index=False)
        sent = ("send", sheet, "--portal", portal.webhook, "--rate", 0, "--yes", "--results", "out.csv")
        Commands(tmp_path).run(*sent)
    results = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    met = results["error_code"].where(results["status"] == "failed", results["status"])
    assert dict(zip(results["CHAT_ID"], met, strict=True)) == told


def test_deals_without_chats() -> None:
    """Have entities and messages, and nothing else to go by."""
    assert set(rows("deals.csv")[0]) == {"Client", "CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "MESSAGE"}


def test_reminders_without_messages() -> None:
    """Are filled in by a ready template, every one of them."""
    reminders = pd.DataFrame(rows("reminders.csv"))
    assert "MESSAGE" not in reminders
    template = MessageTemplate(load_template("payment-reminder.en.txt"), [str(heading) for heading in reminders])
    rendered = template.render(reminders)
    assert rendered.problems == {}
    assert "invoice INV-1043 for 14,300.00 USD is due on 4 December 2026" in rendered.messages[2]


def test_the_list_of_samples() -> None:
    """The README names every sample; results that somebody's rehearsal left beside them are none."""
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in SAMPLES.iterdir() if path.is_file() and ".results" not in path.suffixes}
    assert [name for name in there - {"README.md", "README.ru.md"} if f"`{name}`" not in readme] == []
