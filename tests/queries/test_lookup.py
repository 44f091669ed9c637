"""From a sheet of deals to a sheet, or a campaign, with their chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openpyxl
import pytest
import xlsxwriter

from bulksend.campaign import Campaign
from bulksend.entry.refusals import AlreadyDone
from bulksend.errors import UsageError
from bulksend.journal import Counts
from bulksend.plan import Plan, SheetOptions, examine
from bulksend.queries.lookup import fill_chats, look_up
from bulksend.queries.preflight import rows_of_plan
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Faults, Limits, Sandbox, World
from bulksend.sender.options import Options
from bulksend.validation.messages import describe
from tests.queries.conftest import UNLIMITED, asking, read_sheet, target_of, write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from bulksend.queries.query import QueryRunner

WITHOUT = SheetOptions(without_chats=True)
NO_CHATS = ("CRM_ENTITY_TYPE", "CRM_ENTITY", "MESSAGE")
FAST = Options(rate_limit=UNLIMITED, batch=50)


def world() -> World:
    """Deals with one chat (1), several (2, through three channels), none (3), and one that may not be read (4)."""
    made = World.closed()
    made.add_chat(8773, "deal", 1)
    made.add_chat(8774, "deal", 2, connector="whatsapp")
    made.add_chat(8775, "deal", 2, connector="telegrambot")
    made.add_chat(8776, "deal", 2, connector="livechat")
    made.add_chat(8777, "deal", 2, status=60, connector="whatsapp")
    made.add_entity("deal", 3)
    made.add_entity("deal", 4, chats=[8780], forbidden=True)
    made.add_chat(8790, "contact", 1)
    return made


def four(folder: Path) -> Path:
    """A row for each of the four deals, and no column of chats."""
    return write_sheet(folder / "deals.csv", [("deal", deal, f"Hello {deal}") for deal in range(1, 5)], NO_CHATS)


# To a sheet


def test_one_chat_is_taken_of_several_the_latest_and_of_none_the_reason(tmp_path: Path) -> None:
    """Everything of the sheet is kept, and beside it stand the chat, why there is none, and the others."""
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(four(tmp_path), WITHOUT, queries)
    assert filled.path == tmp_path / "deals.filled.csv"
    assert (filled.rows, filled.filled, filled.had, filled.empty, filled.entities) == (4, 2, 0, 2, 4)
    rows = read_sheet(filled.path)
    assert list(rows[0]) == [*NO_CHATS, "CHAT_ID", "lookup_note", "other_chats"]
    assert [row["CHAT_ID"] for row in rows] == ["8773", "8776", "", ""]
    assert [row["other_chats"] for row in rows] == ["", "8775 Telegram, 8774 WhatsApp", "", ""]
    assert [row["lookup_note"] for row in rows] == ["", "", describe("NO_CHAT"), describe("ACCESS_DENIED")]
    assert [row["MESSAGE"] for row in rows] == [f"Hello {deal}" for deal in range(1, 5)]
    assert {(group.code, group.count) for group in filled.report.problems} == {("NO_CHAT", 1), ("ACCESS_DENIED", 1)}


def test_the_chat_that_changed_last_is_taken_whatever_its_id(tmp_path: Path) -> None:
    """The portal lists it first; the others follow in the portal's order."""
    talking = world()
    talking.say(8774, 0, "Hello?")
    talking.say(8775, 0, "Are you there?")
    with Sandbox(world=talking) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(four(tmp_path), WITHOUT, queries)
    row = read_sheet(filled.path)[1]
    assert (row["CHAT_ID"], row["other_chats"]) == ("8775", "8774 WhatsApp, 8776 Live Chat")


@pytest.mark.parametrize(
    ("prefer", "chat"), [("WhatsApp", 8774), ("whats", 8774), ("TELEGRAM", 8775), ("live", 8776), (" ", 8776)]
)
def test_a_preferred_channel_is_taken_where_there_is_one(tmp_path: Path, prefer: str, chat: int) -> None:
    """A part of the channel's id or title is enough, in any case; finished chats do not count."""
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(four(tmp_path), WITHOUT, queries, prefer=prefer)
    rows = read_sheet(filled.path)
    assert rows[1]["CHAT_ID"] == str(chat)
    assert rows[1]["lookup_note"] == ""


def test_another_channel_is_taken_where_the_preferred_one_is_not_there_and_said(tmp_path: Path) -> None:
    """The customer can be reached all the same; whoever reads the sheet is told."""
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(four(tmp_path), WITHOUT, queries, prefer="viber")
    rows = read_sheet(filled.path)
    assert rows[0]["CHAT_ID"] == "8773"
    assert rows[0]["lookup_note"] == "No open chat came through 'viber': 8773 Live Chat was taken."


def test_chats_that_are_named_stay_and_unreadable_cells_keep_their_problem(tmp_path: Path) -> None:
    """Only blank cells are filled in; a cell that cannot be read is a person's to mend."""
    rows = [
        ("deal", 1, "chat 555", "a"),
        ("deal", 1, "", "b"),
        ("deal", "x1", "", "c"),
        ("quote", 1, "", "d"),
        ("deal", 1, "8.8e3", "e"),
    ]
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(write_sheet(tmp_path / "some.csv", rows), WITHOUT, queries)
        assert [call.method for call in portal.calls] == ["imopenlines.crm.chat.get"]
    told = read_sheet(filled.path)
    assert [row["CHAT_ID"] for row in told] == ["chat 555", "8773", "", "", "8.8e3"]
    assert [row["lookup_note"] for row in told] == [
        "",
        "",
        describe("INVALID_ENTITY_ID", "x1", heading="CRM_ENTITY"),
        describe("INVALID_ENTITY_TYPE", "quote", heading="CRM_ENTITY_TYPE"),
        describe("INVALID_CHAT_ID", "8.8e3", heading="CHAT_ID"),
    ]
    assert (filled.rows, filled.filled, filled.had, filled.empty) == (5, 1, 1, 3)


def test_a_sheet_in_another_encoding_stays_in_it(tmp_path: Path) -> None:
    """Semicolons and Windows-1251 in, semicolons and Windows-1251 out."""
    sheet = tmp_path / "сделки.csv"
    sheet.write_text("ID сделки;Текст сообщения;Город\n1;Здравствуйте, Анна;Пермь\n", encoding="cp1251")
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(sheet, WITHOUT, queries)
    (row,) = read_sheet(filled.path, "cp1251", ";")
    assert row["CHAT_ID"] == "8773"
    assert (row["Текст сообщения"], row["Город"]) == ("Здравствуйте, Анна", "Пермь")


def test_a_workbook_stays_one_with_its_hidden_rows_hidden(tmp_path: Path) -> None:
    """Whom a filter left out is not asked for, and stays left out in the filled workbook."""
    path = tmp_path / "deals.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet("Май")
        for number, row in enumerate([NO_CHATS, ("deal", 1, "=1+1"), ("deal", 2, "Hello"), ("contact", 1, "Hi")]):
            for column, value in enumerate(row):
                (page.write_string if isinstance(value, str) else page.write_number)(number, column, value)
        page.set_row(2, None, None, {"hidden": True})
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(path, WITHOUT, queries)
    assert filled.path == tmp_path / "deals.filled.xlsx"
    page = openpyxl.load_workbook(filled.path)["Май"]
    cells = [[cell.value for cell in row] for row in page.iter_rows(min_row=2)]
    assert [row[3] for row in cells] == ["8773", None, "8790"]
    assert cells[0][2] == "=1+1"
    assert page["C2"].data_type == "s"
    assert page.row_dimensions[3].hidden
    plan = examine(filled.path, SheetOptions())
    assert (plan.report.good, plan.report.hidden, plan.report.errors) == (2, 1, 0)


def test_a_thousand_deals_take_at_most_25_calls_and_the_filled_sheet_is_sent(tmp_path: Path) -> None:
    """In two commands: the sheet that a lookup writes passes the checks and arrives."""
    made = World.closed()
    for deal in range(1, 1001):
        made.add_entity("deal", deal, chats=[5000 + deal])
    rows = [("deal", deal, f"Hello {deal}") for deal in range(1, 1001)]
    sheet = write_sheet(tmp_path / "deals.csv", rows, NO_CHATS)
    with Sandbox(world=made, limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(sheet, WITHOUT, queries)
        assert len(portal.calls) <= 25
        plan = examine(filled.path, SheetOptions())
        assert plan.report.errors == 0
        assert send(queries, plan, portal) == Counts(sent=1000)
        assert {(sent.entity_id, sent.chat_id) for sent in portal.ledger} == {(n, 5000 + n) for n in range(1, 1001)}


def test_an_entity_is_asked_for_once_however_many_rows_it_has(tmp_path: Path) -> None:
    """Three hundred rows of one deal are one question."""
    sheet = write_sheet(tmp_path / "deals.csv", [("deal", 1, f"Hello {row}") for row in range(300)], NO_CHATS)
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(sheet, WITHOUT, queries)
        assert len(portal.calls) == 1
    assert (filled.filled, filled.entities) == (300, 1)


def test_a_filled_sheet_can_be_filled_again(tmp_path: Path) -> None:
    """A deal that has a chat by now gets it; no column is there twice, and what was found stays."""
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        first = fill_chats(four(tmp_path), WITHOUT, queries)
        portal.world.add_chat(8800, "deal", 3)
        second = fill_chats(first.path, WITHOUT, queries, to=tmp_path / "second.csv")
    rows = read_sheet(second.path)
    assert list(rows[0]) == [*NO_CHATS, "CHAT_ID", "lookup_note", "other_chats"]
    assert [row["CHAT_ID"] for row in rows] == ["8773", "8776", "8800", ""]
    assert (second.filled, second.had) == (1, 2)


def test_a_row_cut_at_a_separator_is_still_seen_in_the_filled_sheet(tmp_path: Path) -> None:
    """Text beyond the last heading shows that a message was cut; new headings must not hide it."""
    sheet = tmp_path / "cut.csv"
    sheet.write_text("CRM_ENTITY_TYPE,CRM_ENTITY,MESSAGE\ndeal,1,Hello\ndeal,2,Dear Anna, your order is here\n")
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(sheet, WITHOUT, queries)
    assert [group.code for group in examine(filled.path, SheetOptions()).report.problems] == ["TOO_MANY_CELLS"]


def test_the_sheet_itself_is_not_overwritten(tmp_path: Path) -> None:
    """A copy is a copy."""
    sheet = four(tmp_path)
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        with pytest.raises(UsageError, match="another name"):
            fill_chats(sheet, WITHOUT, queries, to=sheet)
        assert portal.calls == []


def test_what_the_portal_does_not_tell_is_left_empty_and_said(tmp_path: Path) -> None:
    """An answer that breaks every time leaves its row empty, and no other."""
    faults = Faults({"error500_after": 1.0}, methods=["imopenlines.crm.chat.get"])
    sheet = write_sheet(tmp_path / "one.csv", [("deal", 1, "Hello")], NO_CHATS)
    with Sandbox(world=world(), faults=faults) as portal, asking(portal, tmp_path) as queries:
        filled = fill_chats(sheet, WITHOUT, queries)
    assert read_sheet(filled.path)[0]["lookup_note"] == describe("CHATS_NOT_TOLD")


# To a campaign, without a file in between


def send(queries: QueryRunner, plan: Plan, portal: Sandbox) -> Counts:
    """Enter a plan as a campaign, or go on with it, and send it."""
    with Campaign.enter(queries.journal, plan, target_of(portal.webhook)) as campaign:
        campaign.send(FAST)
        return campaign.run.counts


def test_a_sheet_without_chats_is_sent_in_one_go(tmp_path: Path) -> None:
    """The rows get their chats on the way into the journal; those without one are invalid and say why."""
    plan = examine(four(tmp_path), WITHOUT)
    assert plan.to_look_up
    assert plan.report.errors == 0
    with Sandbox(world=world(), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        plan = look_up(plan, queries)
        assert not plan.to_look_up
        assert (plan.report.good, {group.code for group in plan.report.problems}) == (2, {"NO_CHAT", "ACCESS_DENIED"})
        assert all(row.active for row in rows_of_plan(plan))  # chats just found open need no second question
        with Campaign.enter(queries.journal, plan, target_of(portal.webhook)) as campaign:
            campaign.send(FAST)
            rows = read_sheet(campaign.write_results())
        assert {(sent.entity_id, sent.chat_id) for sent in portal.ledger} == {(1, 8773), (2, 8776)}
    assert [row["status"] for row in rows] == ["sent", "sent", "invalid", "invalid"]
    assert [row["error_code"] for row in rows] == ["", "", "NO_CHAT", "ACCESS_DENIED"]
    assert rows[2]["error_description"] == describe("NO_CHAT")


def test_the_same_sheet_is_the_same_campaign_whatever_chats_it_has_by_now(tmp_path: Path) -> None:
    """A chat finished, a newer one open, a channel preferred: nobody gets the message again."""
    sheet = four(tmp_path)
    with Sandbox(world=world(), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        first = look_up(examine(sheet, WITHOUT), queries)
        assert send(queries, first, portal) == Counts(sent=2, invalid=2)
        portal.world.add_chat(8773, status=60)
        portal.world.add_chat(8901, "deal", 1)
        portal.world.add_chat(8903, "deal", 3)
        second = look_up(examine(sheet, WITHOUT), queries, prefer="telegram")
        assert second.content == first.content == examine(sheet, WITHOUT).content
        with pytest.raises(AlreadyDone):
            send(queries, second, portal)
        assert len(portal.ledger) == 2


def test_an_interrupted_campaign_goes_on_with_the_chats_it_began_with(tmp_path: Path) -> None:
    """Nothing needs to be asked again: the journal has the chats."""
    sheet = four(tmp_path)
    with Sandbox(world=world(), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        with Campaign.enter(queries.journal, look_up(examine(sheet, WITHOUT), queries), target_of(portal.webhook)):
            pass
        portal.world.add_chat(8901, "deal", 1)
        asked = len(portal.calls)
        assert send(queries, examine(sheet, WITHOUT), portal) == Counts(sent=2, invalid=2)
        assert len(portal.calls) == asked + 2  # histories, then messages
        assert {sent.chat_id for sent in portal.ledger} == {8773, 8776}


def test_a_sheet_that_names_all_its_chats_is_the_same_campaign_with_a_lookup_and_without(tmp_path: Path) -> None:
    """An option that has nothing to do must not make another campaign of a sheet."""
    sheet = write_sheet(tmp_path / "all.csv", [("deal", 1, 8773, "Hello"), ("deal", 2, 8774, "Hi")])
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        found = look_up(examine(sheet, WITHOUT), queries)
        assert portal.calls == []
    assert found.content == examine(sheet, SheetOptions()).content
    assert found.report.good == 2


def test_other_deals_are_another_campaign(tmp_path: Path) -> None:
    """What the sheet itself says tells campaigns apart, chats or no chats."""
    first = examine(four(tmp_path), WITHOUT)
    second = examine(write_sheet(tmp_path / "other.csv", [("deal", 9, "Hello")], NO_CHATS), WITHOUT)
    assert first.content != second.content


def test_a_sheet_whose_chats_were_not_looked_up_is_not_sent(tmp_path: Path) -> None:
    """A row without a chat cannot even be entered."""
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        with pytest.raises(UsageError, match="looked up"):
            send(queries, examine(four(tmp_path), WITHOUT), portal)
        assert queries.journal.runs() == []


def test_two_rows_of_one_chat_with_one_text_are_told_once_their_chat_is_known(tmp_path: Path) -> None:
    """Different deals without chats are no duplicates of each other; those that share a chat are."""
    rows = [("deal", 1, "Hello"), ("deal", 2, "Hello"), ("deal", 1, "Hello")]
    plan = examine(write_sheet(tmp_path / "twice.csv", rows, NO_CHATS), WITHOUT)
    assert plan.report.warnings == []
    with Sandbox(world=world()) as portal, asking(portal, tmp_path) as queries:
        found = look_up(plan, queries)
    assert [(group.code, group.rows) for group in found.report.warnings] == [("DUPLICATE_MESSAGE", [4])]


def test_a_message_template_works_with_a_lookup(tmp_path: Path) -> None:
    """A sheet of deals and names alone becomes a campaign."""
    sheet = write_sheet(tmp_path / "names.csv", [("deal", 1, "Anna")], ("CRM_ENTITY_TYPE", "CRM_ENTITY", "name"))
    options = SheetOptions(without_chats=True, message="Dear {{ name }}!")
    with (
        Sandbox(world=world(), limits=Limits.none()) as portal,
        asking(portal, tmp_path, RateLimit(rate=0)) as queries,
    ):
        assert send(queries, look_up(examine(sheet, options), queries), portal) == Counts(sent=1)
        assert [sent.text for sent in portal.ledger] == ["Dear Anna!"]
