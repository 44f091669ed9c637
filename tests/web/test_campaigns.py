"""Campaigns on the page, without script: begun once, watched, paused, continued, settled, deleted."""

import contextlib
import csv
import html
import io
import re
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from bulksend.journal import Journal, Stage
from bulksend.sandbox import Faults, Sandbox
from bulksend.sandbox.refusal import MESSAGE_ADD_ERROR
from bulksend.sandbox.special import FORBIDDEN_DEAL
from tests.processes import SLOWEST, TestRow, assert_exactly_once, rows, write_sheet
from tests.web.conftest import PageProcess, Portal, Visitor, csv_of, saved, wait_for

if TYPE_CHECKING:
    import requests

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")
MESSAGE_ADD = "imopenlines.crm.message.add"


def _delivered(portal: Sandbox) -> Sequence[Mapping[str, Any]]:
    return [delivery._asdict() for delivery in portal.ledger]


def _plain_text(page: str) -> str:
    """What somebody reads on a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))


def _change(visitor: Visitor, *statements: str) -> None:
    """Make the journal what it would be after days or faults."""
    with contextlib.closing(sqlite3.connect(visitor.page.journal, timeout=60)) as file, file:
        for statement in statements:
            file.execute(statement)


def _rest_at_once(visitor: Visitor, number: int) -> None:
    """End soon what is sent slowly, so that much could be done meanwhile however slow the computer is."""
    visitor.post(f"/campaigns/{number}/pause")
    visitor.wait(number, "waiting")
    visitor.without_limit(number)
    visitor.post(f"/campaigns/{number}/continue", {"portal": ""})
    visitor.wait(number)


def _results(visitor: Visitor, number: int) -> list[dict[str, str]]:
    text = visitor.get(f"/campaigns/{number}/results.csv").content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_from_the_upload_to_the_results(visitor: Visitor, portal: Portal) -> None:
    """Every row is delivered once, as written and in order, and the results say so in both formats."""
    lines = rows(12, 5, "Whole")
    served = portal(lines)
    sheet = visitor.upload_rows(lines, "whole.csv")
    number = visitor.send(sheet, saved(visitor, "whole", served))
    text = visitor.wait(number)
    assert_exactly_once(lines, _delivered(served))
    assert [line["status"] for line in _results(visitor, number)] == ["sent"] * 12
    book = openpyxl.load_workbook(io.BytesIO(visitor.get(f"/campaigns/{number}/results.xlsx").content))
    assert book.worksheets[0].max_row == 13
    assert "Sent" in text
    assert "whole.csv" in text
    assert "The sheet as it was uploaded" in text


def test_before_the_button_all_is_said_that_will_happen(visitor: Visitor, portal: Portal) -> None:
    """Who speaks, how many rows to how many chats, what the portal would refuse, how long it takes; asked, not sent."""
    lines = rows(4, 4, "Said")
    served = portal(lines)
    sheet = visitor.upload_rows([*lines, ("deal", 77, 99, "", "to a chat that is not there")])
    confirm = visitor.confirm_page(sheet, saved(visitor, "said", served))
    assert "Send 4 messages" in confirm
    assert "User 27 (Sandbox Operator)" in confirm
    assert re.search(r"<summary>and 1 more</summary>.*?Row 5</a>, deal 1003, chat 5003: ", confirm, re.DOTALL)
    assert re.search(r"Left out, the portal would refuse them</dt><dd>1<", confirm)
    refused = r"The chat does not belong to this lead, deal, contact or company.*?row=6\">row 6</a> \(chat "
    assert re.search(refused, confirm, re.DOTALL)
    assert _delivered(served) == []
    number = visitor.send(sheet, "said")
    assert visitor.page.run_of(number).counts.invalid == 1
    # What is corrected then is uploaded where the link leads, and it is known there what was sent.
    assert f'{sheet}">correct the sheet and upload it again</a>' in visitor.wait(number)
    text = visitor.get(sheet).text
    assert "<strong>4 rows of this sheet were sent already:</strong>" in text
    assert f'action="{visitor.base.removeprefix(visitor.page.origin)}/sheets?like={sheet.rsplit("/", 1)[1]}"' in text


@pytest.mark.parametrize("way", ["twice at once", "once more with the same form", "from another tab"])
def test_however_often_the_button_is_pressed_there_is_one_campaign(visitor: Visitor, portal: Portal, way: str) -> None:
    """A double click, a reload or the back button, two tabs: nobody gets anything twice."""
    lines = rows(30, 3, f"Pressed {way}")
    served = portal(lines)
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, saved(visitor, f"pressed-{way.replace(' ', '-')}", served))
    visitor.post(f"{sheet}/confirm", {"do": "choose", "pace": "slow"})
    first = visitor.button(visitor.settled(f"{sheet}/confirm"), pace="slow")
    second = visitor.button(visitor.get(f"{sheet}/confirm").text, pace="slow") if "tab" in way else first
    answers: list[requests.Response] = []

    def press(form: dict[str, str]) -> None:
        answers.append(visitor.post(f"{sheet}/confirm", form))

    threads = [threading.Thread(target=press, args=(form,)) for form in (first, second)]
    for thread in threads:
        thread.start()
        if "once" not in way or "more" in way:
            thread.join()
    for thread in threads:
        thread.join()
    # Another tab is asked to wait while what was shown there is asked of the portal again: it begins nothing.
    places = {visitor.path(answer).partition("?")[0] for answer in answers if answer.status_code == 303}
    assert all(answer.ok for answer in answers)
    assert len(places) == 1
    _rest_at_once(visitor, int(places.pop().rsplit("/", 1)[1]))
    assert_exactly_once(lines, _delivered(served))


def test_the_button_does_what_was_shown_with_it(visitor: Visitor, portal: Portal) -> None:
    """Where something else was chosen meanwhile, nothing is sent until that was shown too."""
    lines = rows(5, 5, "Shown")
    served = portal(lines)
    sheet = visitor.upload_rows(lines)
    form = visitor.button(visitor.confirm_page(sheet, saved(visitor, "shown", served)), pace="usual")
    answer = visitor.post(f"{sheet}/confirm", {**form, "limit": "2"})
    assert visitor.path(answer).endswith("/confirm?note=changed")
    assert "Send the first 2 of 5 messages" in visitor.get(visitor.path(answer)).text
    assert visitor.path(visitor.post(f"{sheet}/confirm", form)).endswith("?note=changed")  # limit "" again: a change
    assert visitor.path(visitor.post(f"{sheet}/confirm", {**form, "pace": "slow"})).endswith("?note=changed")
    assert _delivered(served) == []


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "9" * 30, "9" * 5_000])
def test_a_choice_that_is_no_number_is_a_sentence(visitor: Visitor, limit: str) -> None:
    """Not an error page of the server's."""
    answer = visitor.post(f"{visitor.upload_rows(rows(1, 1))}/confirm", {"do": "choose", "limit": limit})
    assert answer.status_code == 400
    assert "whole number above zero" in answer.text


def test_the_first_rows_then_the_rest(visitor: Visitor, portal: Portal) -> None:
    """A canary: two rows, a look, then the others from the campaign's page."""
    lines = rows(6, 6, "Canary")
    served = portal(lines)
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "canary", served), limit="2")
    text = visitor.wait(number)
    assert len(_delivered(served)) == 2
    assert "Send the other 4 messages" in text
    assert visitor.post(f"/campaigns/{number}/rest").status_code == 303
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 6)
    visitor.wait(number)
    assert_exactly_once(lines, _delivered(served))


def test_rows_another_campaign_sent_are_asked_about(visitor: Visitor, portal: Portal) -> None:
    """They are left out or sent once more, as is chosen; before that there is no button."""
    lines = rows(14, 14, "Repeated")
    served = portal(lines)
    name = saved(visitor, "repeated", served)
    visitor.wait(visitor.send(visitor.upload_rows(lines[:12]), name))
    sheet = visitor.upload_rows(lines)
    confirm = visitor.confirm_page(sheet, name)
    assert "12 rows have the same text for the same chat" in confirm
    assert re.search(r"Rows of the sheet: 2 \(deal 1000\), .*, 11 \(deal 1009\) and 2 more\.", _plain_text(confirm))
    assert re.search(r"<dt>Chats</dt><dd>14<", confirm)
    assert 'name="do" value="send"' not in confirm
    assert visitor.path(visitor.post(f"{sheet}/confirm", visitor.button(confirm, pace="usual"))).endswith("/confirm")
    visitor.wait(visitor.send(sheet, name, repeats="skip"))
    assert_exactly_once(lines, _delivered(served))


def test_a_sheet_that_was_sent_is_not_sent_again_unasked(visitor: Visitor, portal: Portal) -> None:
    """The page says which campaign it was, and there is no button."""
    lines = rows(3, 3, "Once")
    served = portal(lines)
    name = saved(visitor, "once", served)
    number = visitor.send(visitor.upload_rows(lines), name)
    visitor.wait(number)
    confirm = visitor.confirm_page(visitor.upload_rows(lines), name)
    assert "<h1>This sheet was sent already" in confirm
    assert f"campaign {number}</a>" in confirm
    assert 'name="do" value="send"' not in confirm
    assert len(_delivered(served)) == 3


def test_an_upload_says_at_once_what_was_sent_already(visitor: Visitor, portal: Portal) -> None:
    """Under another name or in another sheet: how many rows, by which campaign, and how many are new."""
    lines = rows(5, 5, "Uploaded again")
    served = portal(lines)
    name = saved(visitor, "uploaded-again", served)
    number = visitor.send(visitor.upload_rows(lines[:3], "first.csv"), name)
    visitor.wait(number)
    text = _plain_text(visitor.get(visitor.upload_rows(lines[:3], "other.csv")).text)
    assert f"3 rows of this sheet were sent already: campaign {number} (3). None is left to send." in text
    assert "other row" not in text
    text = _plain_text(visitor.get(visitor.upload_rows(lines, "longer.csv")).text)
    assert f"3 rows of this sheet were sent already: campaign {number} (3). 2 rows are new." in text
    assert "5 rows have no problems" in text
    assert "sent already" not in visitor.get(visitor.upload_rows(rows(2, 2, "Never seen"))).text


def test_what_a_sheet_sent_days_ago_counts_beside_what_it_sent_today(visitor: Visitor, portal: Portal) -> None:
    """As after a retry: a campaign's rows are its own, however long ago most of them were sent."""
    lines = rows(4, 4, "Days ago")
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "days-ago", portal(lines)))
    visitor.wait(number)
    _change(
        visitor,
        f"UPDATE runs SET created_at = created_at - 172800 WHERE id = {number}",
        f"UPDATE rows SET sent_at = sent_at - 172800, left_at = left_at - 172800 WHERE run_id = {number} AND n < 3",
    )
    text = _plain_text(visitor.get(visitor.upload_rows(lines, "days-later.csv")).text)
    assert f"4 rows of this sheet were sent already: campaign {number} (4). None is left to send." in text


def test_what_may_have_arrived_is_not_said_to_be_sent(visitor: Visitor, portal: Portal) -> None:
    """Nor to be new: it is counted apart, with the campaign that knows more."""
    lines = rows(4, 4, "May have arrived")
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "may-have-arrived", portal(lines)))
    visitor.wait(number)
    _change(
        visitor,
        f"UPDATE rows SET state = 'unknown', message_id = NULL, sent_at = NULL WHERE run_id = {number} AND n < 2",
        f"UPDATE rows SET state = 'failed', left_at = NULL, sent_at = NULL WHERE run_id = {number} AND n = 2",
        f"UPDATE runs SET count_sent = 1, count_unknown = 2, count_failed = 1 WHERE id = {number}",
    )
    text = _plain_text(visitor.get(visitor.upload_rows(lines, "not-known.csv")).text)
    assert f"1 row of this sheet was sent already: campaign {number} (1). 2 rows may have arrived: " in text
    assert f"may have arrived: campaign {number} (2). 1 row was not sent. You are asked" in text


def test_all_of_it_once_more_says_so_until_the_button(visitor: Visitor, portal: Portal) -> None:
    """How many customers get it twice stands in red, in the number and on the button."""
    lines = rows(3, 3, "Once more")
    served = portal(lines)
    name = saved(visitor, "once-more", served)
    visitor.wait(visitor.send(visitor.upload_rows(lines[:2]), name))
    visitor.wait(visitor.send(visitor.upload_rows(lines), name, repeats="skip"))
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, name)
    visitor.post(f"{sheet}/confirm", {"do": "choose", "again": "yes"})
    confirm = visitor.settled(f"{sheet}/confirm")
    text = _plain_text(confirm)
    assert "3 of these messages were sent already: their customers get them twice" in text
    assert "Messages3 3 of them once more" in text
    assert "None of them" not in text
    assert "Send 3 messages, 3 of them once more" in text
    visitor.post(f"{sheet}/confirm", {"do": "choose", "again": "yes", "limit": "2"})
    assert "Send the first 2 of 3 messages, 2 of them once more" in _plain_text(visitor.settled(f"{sheet}/confirm"))
    number = visitor.send(sheet, name, again="yes")
    visitor.wait(number)
    assert len(_delivered(served)) == 6


def test_rows_without_a_chat_are_not_counted_as_not_sent(visitor: Visitor, portal: Portal) -> None:
    """Whether they were sent is known once the portal has been asked for their chats."""
    lines = rows(4, 4, "No chat yet")
    served = portal(lines)
    name = saved(visitor, "no-chat-yet", served)
    lines[3] = (*lines[3][:2], "", *lines[3][3:])  # type: ignore[assignment]
    sheet = visitor.upload_rows(lines)
    visitor.post(f"{sheet}/look-up")
    visitor.wait(visitor.send(sheet, name))
    again = visitor.upload_rows(lines)
    text = _plain_text(visitor.get(again).text)
    assert "3 rows of this sheet were sent already" in text
    assert "1 row has no chat yet: whether it was sent is known once the portal has been asked" in text
    assert "1 row was not" not in text


def test_rows_that_wait_in_another_campaign_are_not_new(visitor: Visitor, portal: Portal) -> None:
    """The check of a second upload says which campaign holds them."""
    lines = rows(32, 32, "Waits elsewhere")
    served = portal(lines)
    number = visitor.send(visitor.upload_rows(lines[:30]), saved(visitor, "waits-elsewhere", served), pace="slow")
    wait_for(lambda: len(served.ledger) >= 1)
    visitor.post(f"/campaigns/{number}/pause")
    visitor.wait(number, "waiting")
    sent = len(served.ledger)
    text = _plain_text(visitor.get(visitor.upload_rows(lines, "longer.csv")).text)
    assert f"{30 - sent} rows wait to be sent: campaign {number} ({30 - sent})." in text
    assert "2 rows are new." in text


def test_left_out_as_sent_before_names_the_campaign(visitor: Visitor, portal: Portal) -> None:
    """It is no reason why rows were not sent, and nobody is advised to send them again."""
    lines = rows(3, 3, "Sent before")
    served = portal(lines)
    name = saved(visitor, "sent-before", served)
    first = visitor.send(visitor.upload_rows(lines[:2]), name)
    visitor.wait(first)
    number = visitor.send(visitor.upload_rows(lines), name, repeats="skip")
    text = _plain_text(visitor.wait(number))
    assert f"2 rows were left out because they were sent before: campaign {first}." in text
    assert "Why rows were not sent" not in text


def test_where_a_sheet_was_sent_the_rest_can_be_sent(visitor: Visitor, portal: Portal) -> None:
    """Beside sending all of it again; what other campaigns have sent since is left out of the rest, and said."""
    lines = rows(4, 4, "The rest")
    served = portal(lines)
    name = saved(visitor, "the-rest", served)
    refusing = [chat for line in lines[2:] if (chat := served.world.chat(line[2]))]
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, name)
    for chat in refusing:
        chat.refuses = MESSAGE_ADD_ERROR
    number = visitor.send(sheet, name, reopen="yes")
    visitor.wait(number)
    for chat in refusing:
        chat.refuses = None
    again = visitor.upload_rows(lines, "again.csv")
    retry = f'/campaigns/{number}/retry">Go on with the 2 other rows</a>'
    assert retry in visitor.get(again).text
    served.world.add_chat(5003, status=60)
    visitor.confirm_page(again, name)
    visitor.post(f"{again}/confirm", {"do": "choose", "reopen": "yes"})
    confirm = visitor.settled(f"{again}/confirm")
    assert "2 of the 4 rows were sent already" in confirm
    assert "<div hidden>" in confirm  # how it is sent
    assert retry in confirm
    assert "Send all of it once more" in confirm
    assert "Dialogs started again" not in confirm
    served.world.add_chat(5003)
    other = visitor.send(visitor.upload_rows(lines[2:3], "one.csv"), name)
    visitor.wait(other)
    asked = _plain_text(visitor.get(f"/campaigns/{number}/retry").text)
    assert f"1 row is left out: campaign {other} has sent it since" in asked
    assert "Try 1 row again?" in asked
    assert "Send 1 message " in asked
    assert "Row 5, deal 1003, chat 5003" in asked
    assert "Row 4" not in asked
    visitor.post(f"/campaigns/{number}/retry", {"portal": ""})
    visitor.wait(number)
    assert_exactly_once(lines, _delivered(served))


def test_rows_whose_chats_were_looked_up_in_vain_are_not_offered_to_be_tried_again(
    visitor: Visitor, portal: Portal
) -> None:
    """Nothing can be sent to them: they are neither counted nor listed, and where they are all, there is no button."""
    lines = rows(2, 2, "In vain")
    served = portal(lines)
    name = saved(visitor, "in-vain", served)
    sheet = visitor.upload_rows([*lines, ("deal", FORBIDDEN_DEAL, "", "", "Nobody may look")])  # type: ignore[list-item]
    visitor.post(f"{sheet}/look-up")
    visitor.confirm_page(sheet, name)
    refusing = served.world.chat(lines[1][2])
    assert refusing is not None
    refusing.refuses = MESSAGE_ADD_ERROR
    number = visitor.send(sheet, name, reopen="yes")
    assert "Try 1 row again" in visitor.wait(number)
    asked = _plain_text(visitor.get(f"/campaigns/{number}/retry").text)
    assert "Try 1 row again?" in asked
    assert "Send 1 message " in asked
    assert "Row 4" not in asked
    assert "ACCESS_DENIED" not in asked
    refusing.refuses = None
    visitor.post(f"/campaigns/{number}/retry", {"portal": ""})
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 2)
    assert "Try 1 row again" not in visitor.wait(number)
    assert visitor.get(f"/campaigns/{number}/retry").url.endswith(f"/campaigns/{number}")


def test_pause_and_continue(visitor: Visitor, portal: Portal) -> None:
    """What was sent stays sent; the rest goes on where it stopped."""
    lines = rows(30, 30, "Paused")
    served = portal(lines)
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "paused", served), pace="slow")
    wait_for(lambda: len(served.ledger) >= 1)
    progress = visitor.get(f"/campaigns/{number}/progress")
    assert progress.headers["X-State"] == "sending"
    assert " of 30</label>" in progress.text
    assert visitor.post(f"/campaigns/{number}/pause").status_code == 303
    text = visitor.wait(number, "waiting")
    assert re.search(r"Continue with the \d+ rows that are left", text)
    assert len(served.ledger) < 30
    visitor.without_limit(number)
    assert f"Campaign {number} is not finished" in visitor.get("/").text
    form = {"portal": ""}
    assert visitor.post(f"/campaigns/{number}/continue", form).status_code == 303
    assert visitor.post(f"/campaigns/{number}/continue", form).status_code == 303  # pressed twice
    visitor.wait(number)
    assert_exactly_once(lines, _delivered(served))


def test_failed_rows_are_sent_again(visitor: Visitor, portal: Portal) -> None:
    """Once what kept them from arriving has been changed."""
    lines = rows(3, 3, "Failed")
    served = portal(lines)
    name = saved(visitor, "failed", served)
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, name)
    chat = served.world.chat(lines[1][2])
    assert chat is not None
    chat.refuses = MESSAGE_ADD_ERROR
    number = visitor.send(sheet, name)
    text = visitor.wait(number)
    assert re.search(rf'href="[^"]*/campaigns/{number}/retry">\s*Try 1 row again', text)
    # The sentence comes first, the code after it, and of a long sentence nothing is cut off.
    why = re.findall(r'<tr class="why">.*?<p>(.*?)</p>', text)
    assert len(why) == 1
    assert why[0].startswith("The portal&#39;s messenger did not take the message")
    assert why[0].endswith("then send the row again. <code>MESSAGE_ADD_ERROR</code>")
    assert re.search(r"<strong>1</strong>: The portal&#39;s messenger did not[^<]*<code>MESSAGE_ADD_ERROR</code>", text)
    assert "5001<br>" in text
    asked = visitor.get(f"/campaigns/{number}/retry").text
    assert "Row 3</a>, deal 1001, chat 5001: Failed 1" in asked
    assert "User 27" in asked
    assert re.search(r"<button[^>]*>\s*Send 1 message\s*</button>", asked)
    assert "refused because of its chat" not in asked
    assert visitor.page.run_of(number).counts.failed == 1
    chat.refuses = None
    visitor.post(f"/campaigns/{number}/retry", {"portal": ""})
    visitor.wait(number)
    assert visitor.page.run_of(number).counts.sent == 3
    assert visitor.path(visitor.get(f"/campaigns/{number}/retry", allow_redirects=False)) == f"/campaigns/{number}"
    assert sorted(delivery.text for delivery in served.ledger) == sorted(text for *_, text in lines)


def test_dialogs_are_started_again_where_that_is_chosen_afterwards(visitor: Visitor, portal: Portal) -> None:
    """Beside the button that sends the refused rows again."""
    lines = rows(3, 3, "Late choice")
    served = portal(lines)
    served.world.add_chat(5001, status=60)
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "late-choice", served))
    assert "Try 1 row again" in visitor.wait(number)
    asked = visitor.get(f"/campaigns/{number}/retry").text
    assert "Start dialogs that are not active again first" in asked
    assert "1 row was refused because of its chat" in asked
    visitor.post(f"/campaigns/{number}/retry", {"portal": "", "reopen": "yes"})
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 3)
    assert_exactly_once(lines, _delivered(served))


def make_unknown(page: PageProcess, visitor: Visitor, served: Sandbox, lines: Sequence[TestRow], name: str) -> int:
    """A campaign, begun by a command, one row of which left without anybody knowing whether it arrived."""
    saved(visitor, name, served)
    served.world.history_refused = True
    sheet = write_sheet(page.commands.folder / f"{name}.csv", lines)
    ended = page.commands.run("send", sheet, "--portal", name, "--yes", "--settle", "0")
    served.world.history_refused = False
    assert ended.code == 1, ended.said
    with Journal(page.journal) as journal:
        return journal.runs()[-1].id


@pytest.mark.parametrize("arrived", [True, False])
def test_an_unknown_row_is_settled_beside_its_chat(
    page: PageProcess, visitor: Visitor, portal: Portal, *, arrived: bool
) -> None:
    """The person sees the chat's last messages, decides, and what was decided happens: a campaign of the command's."""
    lines = rows(2, 2, f"Unknown {arrived}")
    served = portal(lines)
    served.faults = Faults(at={2: "close_after" if arrived else "close_before"}, methods={MESSAGE_ADD})
    number = make_unknown(page, visitor, served, lines, f"unknown-{arrived}")
    assert "whether it arrived is not known" in visitor.get(f"/campaigns/{number}").text
    row = visitor.get(f"/campaigns/{number}/rows/1").text
    assert ("The same text" in row) == arrived
    if arrived:
        message = re.findall(r'name="message" value="(\d+)" checked', row)
        contradiction = visitor.post(f"/campaigns/{number}/rows/1", {"decision": "resend", "message": message[0]})
        assert "nothing was changed" in contradiction.text
        answer = visitor.post(f"/campaigns/{number}/rows/1", {"decision": "arrived", "message": message[0]})
        assert visitor.path(answer).endswith("note=settled")
        assert _results(visitor, number)[1]["message_id"] == message[0]
    else:
        assert "Nothing is sent yet" in row
        answer = visitor.post(f"/campaigns/{number}/rows/1", {"decision": "resend"})
        text = visitor.get(visitor.path(answer)).text
        assert "Nothing is sent until you press “Continue” below." in text
        assert "Continue with the 1 row that is left" in text
        assert page.run_of(number).stage is Stage.STOPPED
        visitor.post(f"/campaigns/{number}/continue", {"portal": ""})
        visitor.wait(number)
    assert [line["status"] for line in _results(visitor, number)] == ["sent", "sent"]
    assert_exactly_once(lines, _delivered(served))
    late = visitor.post(f"/campaigns/{number}/rows/1", {"decision": "resend"})
    assert visitor.path(late).endswith("note=late")  # another tab, or the back button: a row that is sent stays sent
    assert len(served.ledger) == 2


def test_another_rows_message_does_not_settle_a_row(page: PageProcess, visitor: Visitor, portal: Portal) -> None:
    """A forged or stale choice cannot make two rows of one message."""
    lines = rows(2, 2, "Claimed")
    served = portal(lines)
    served.faults = Faults(at={2: "close_before"}, methods={MESSAGE_ADD})
    number = make_unknown(page, visitor, served, lines, "claimed")
    other = str(served.ledger[0].message_id)
    answer = visitor.post(f"/campaigns/{number}/rows/1", {"decision": "arrived", "message": other})
    assert answer.status_code == 400
    assert "belongs to another row" in answer.text
    assert page.run_of(number).counts.unknown == 1


def test_a_campaign_that_a_command_sends_is_watched_and_left_alone(
    page: PageProcess, visitor: Visitor, portal: Portal
) -> None:
    """With its progress, and no button that could take it."""
    lines = rows(30, 30, "Elsewhere")
    served = portal(lines)
    saved(visitor, "elsewhere", served)
    sheet = write_sheet(page.commands.folder / "elsewhere.csv", lines)
    command = page.commands.start("send", sheet, "--portal", "elsewhere", "--yes", "--rate", 0.5)
    try:
        wait_for(lambda: len(served.ledger) >= 1)
        number = int(re.findall(r"/campaigns/(\d+)\">\d+\. elsewhere", visitor.get("/").text)[0])
        text = visitor.get(f"/campaigns/{number}").text
        assert "state elsewhere" in text
        assert " of 30</label>" in text
        assert "/continue" not in text
        refused = visitor.post(f"/campaigns/{number}/continue", {"portal": ""})
        assert refused.status_code == 409
        assert "is being sent by process" in refused.text
        visitor.post(f"/campaigns/{number}/pause")
        assert visitor.post(f"/campaigns/{number}/delete").status_code == 409
        assert page.run_of(number).holder is not None
    finally:
        command.terminate()
        command.communicate(timeout=SLOWEST)
    ended = page.commands.run("resume", number, "--yes", "--rate", 0)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, _delivered(served))


def test_killed_then_started_it_says_what_waits_and_continues(own_page: PageProcess, portal: Portal) -> None:
    """Nothing is lost by a power cut, and nothing goes on unasked; a command could continue it as well."""
    lines = rows(30, 30, "Killed")
    served = portal(lines)
    visitor = own_page.start().enter()
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "killed", served), pace="slow")
    wait_for(lambda: len(served.ledger) >= 1)
    own_page.kill()
    time.sleep(1.0)
    before = len(served.ledger)
    visitor = own_page.start().enter()
    assert f"Campaign {number} is not finished" in visitor.get("/").text
    time.sleep(0.7)
    assert len(served.ledger) == before
    visitor.without_limit(number)
    visitor.post(f"/campaigns/{number}/continue", {"portal": ""})
    visitor.wait(number)
    assert_exactly_once(lines, _delivered(served))


def test_stopped_politely_it_pauses_and_the_command_continues(own_page: PageProcess, portal: Portal) -> None:
    """Ending the program pauses its campaigns in good order; they are the same campaigns for the commands."""
    lines = rows(30, 30, "Polite")
    served = portal(lines)
    visitor = own_page.start().enter()
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "polite", served), pace="slow")
    wait_for(lambda: len(served.ledger) >= 1)
    assert own_page.stop() == 0
    assert own_page.run_of(number).stage is Stage.STOPPED
    assert own_page.run_of(number).counts.in_doubt == 0
    ended = own_page.commands.run("resume", number, "--yes", "--rate", 0)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, _delivered(served))


def test_texts_are_deleted_and_counts_stay(visitor: Visitor, portal: Portal) -> None:
    """Rows, messages, results and the upload go; what became of how many rows stays, and nothing is sent twice."""
    lines = rows(3, 3, "Private words")
    served = portal(lines)
    name = saved(visitor, "deleted", served)
    sheet = visitor.upload_rows(lines, "private.csv")
    number = visitor.send(sheet, name)
    visitor.wait(number)
    folder = visitor.page.home / "uploads" / sheet.rsplit("/", 1)[1]
    assert folder.exists()
    assert "each row’s number, chat, CRM entity and state" in visitor.get(f"/campaigns/{number}/delete").text
    assert visitor.post(f"/campaigns/{number}/delete").status_code == 303
    assert not folder.exists()
    text = visitor.get(f"/campaigns/{number}").text
    assert "Private words" not in text
    assert "The texts of this campaign were deleted" in text
    assert '<th scope="col">Message</th>' not in text
    assert f"/campaigns/{number}/rows/" not in text
    assert visitor.page.run_of(number).counts.sent == 3
    assert visitor.get(f"/campaigns/{number}/results.csv").status_code == 400
    assert visitor.post(f"/campaigns/{number}/retry").status_code == 400
    assert "This sheet was sent already" in visitor.confirm_page(visitor.upload_rows(lines), name)


def test_a_portal_that_cannot_be_used_is_a_sentence(visitor: Visitor) -> None:
    """What is wrong and what to do, before anything is sent."""
    form = {"name": "nowhere", "webhook": "http://127.0.0.1:9/rest/1/abc/"}
    assert visitor.post("/portals", form).status_code == 303
    confirm = visitor.confirm_page(visitor.upload_rows(rows(1, 1)), "nowhere")
    assert "Portal nowhere cannot be used now" in confirm
    assert "be reached" in confirm


def test_rows_are_shown_a_screenful_at_a_time(visitor: Visitor) -> None:
    """However many a campaign has."""
    number = visitor.send(visitor.upload_rows(rows(120, 120, "Many")))
    visitor.wait(number)
    first = visitor.get(f"/campaigns/{number}?show=sent").text
    assert len(re.findall(r"/rows/\d+\"", first)) == 50
    onward = re.findall(r'rel="next" href="[^"]*(\?show=sent&amp;after=\d+)', first)[0].replace("&amp;", "&")
    second = visitor.get(f"/campaigns/{number}{onward}").text
    assert re.findall(r"/rows/(\d+)\"", second)[0] == "50"
    assert visitor.get(f"/campaigns/{number}?show=failed").text.count("/rows/") == 0


@pytest.mark.parametrize(
    "path", ["/campaigns/999", "/campaigns/x", "/campaigns/1/rows/999999", "/campaigns/-1", "/nothing"]
)
def test_an_address_of_nothing_is_a_page(visitor: Visitor, path: str) -> None:
    """With a way back."""
    answer = visitor.get(path)
    assert answer.status_code in {400, 404}
    assert "Back to the campaigns" in answer.text


def test_a_port_that_is_taken_is_a_sentence(page: PageProcess) -> None:
    """Said before anything else happens, in the reader's language."""
    words = "web", "--no-open", "--port", page.host.partition(":")[2]
    for language, said in {"en": "cannot be served on port", "ru": "нельзя запустить на порту"}.items():
        ended = page.commands.run(*words, changes={"BULKSEND_LANG": language})
        assert ended.code == 2
        assert said in ended.err
        assert "Traceback" not in ended.said


def test_a_portal_is_removed_with_its_secret(visitor: Visitor) -> None:
    """After asking."""
    visitor.post("/portals", {"name": "gone", "webhook": "https://portal.invalid/rest/27/abc/"})
    assert "Remove gone?" in visitor.get("/portals/gone/remove").text
    assert visitor.post("/portals/gone/remove").status_code == 303
    assert "<h2>gone</h2>" not in visitor.get("/portals").text


def test_chats_that_the_sheet_does_not_have_are_looked_up(visitor: Visitor, portal: Portal) -> None:
    """Before the button, so that the portal's answer is known when it is pressed."""
    lines = rows(3, 3, "Looked up")
    served = portal(lines)
    name = saved(visitor, "looked-up", served)
    content = csv_of([("Deal ID", "Text"), *((entity, text) for _, entity, _, _, text in lines)])
    sheet = visitor.upload("deals.csv", content)
    assert "see whether they are right" in visitor.get(sheet).text
    form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "ask", "USER_ID": "", "MESSAGE": "1"}
    visitor.post(f"{sheet}/columns", form)
    assert re.search(r"\d+ rows? ha(s|ve) no chat yet: the portal is asked for it later", visitor.get(sheet).text)
    confirm = visitor.confirm_page(sheet, name)
    assert "The portal found all 3 chats" in confirm
    assert "Send 3 messages" in confirm
    row = visitor.get(f"{sheet}/row?row=2").text
    assert "Chat 5000" in row
    assert f'{sheet}/confirm">Back to confirming</a>' in row
    visitor.wait(visitor.send(sheet, name))
    assert_exactly_once(lines, _delivered(served))


def test_what_the_portal_knows_of_missing_chats_is_said(visitor: Visitor, portal: Portal) -> None:
    """How many it found; which rows have none, and what to do about them."""
    lines = rows(3, 3, "Missing")
    served = portal(lines)
    served.world.add_chat(5001, status=60)
    content = csv_of([HEADINGS, lines[0], *((kind, entity, "", "", text) for kind, entity, _, _, text in lines[1:])])
    sheet = visitor.upload("some.csv", content + b"wat,1,2,,Wrong\r\n")
    assert "Ask the portal for missing chats" in visitor.get(sheet).text
    assert visitor.post(f"{sheet}/look-up").status_code == 303
    assert "Then you see which chats were found" in visitor.get(sheet).text
    text = visitor.confirm_page(sheet, saved(visitor, "missing", served))
    assert "The portal found 1 of 2 chats" in text
    assert re.search(r"has no chat with an active dialog</strong>:\s*<a[^>]*>row 3</a>", text)
    assert "Take or start a dialog in the portal" in text
    assert "Send 2 messages" in text
