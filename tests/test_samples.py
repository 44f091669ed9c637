"""The sample sheets: what each is made of."""

import csv
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from bulksend.template import MessageTemplate, load_template

SAMPLES = Path(__file__).parents[1] / "samples"
RESERVED = {str(number) for number in range(403, 410)}
"""Ids that the sandbox always refuses."""


def rows(name: str, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    """Return a sample's rows by their headings."""
    with (SAMPLES / name).open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


def test_a_campaign_that_all_arrives() -> None:
    """All four kinds of entity, and nothing that the sandbox refuses."""
    campaign = rows("campaign.csv")
    assert {row["CRM_ENTITY_TYPE"].lower() for row in campaign} == {"lead", "deal", "contact", "company"}
    assert not RESERVED & {row[heading] for row in campaign for heading in ("CRM_ENTITY_ID", "CHAT_ID")}
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


def test_refused_rows() -> None:
    """Each of the sandbox's reserved ids once, with a row that arrives before and after them."""
    refused = rows("refused.csv")
    said = [row["What the portal says"] for row in refused]
    assert said[0] == said[-1] == "sent"
    assert {text.split(":")[0] for text in said[1:-1]} == {
        "ACCESS_DENIED", "CHAT_NOT_IN_CRM", "CANCELED", "MESSAGE_ADD_ERROR", "ERROR_ARGUMENT",
    }  # fmt: skip
    used = [row["CRM_ENTITY_ID"] if row["CRM_ENTITY_ID"] in RESERVED else row["CHAT_ID"] for row in refused[1:-1]]
    assert used == sorted(RESERVED)


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
    assert [name for name in there - {"README.md"} if f"`{name}`" not in readme] == []
