"""What is chosen before sending, and what the portal is asked afterwards: hours, dialogs, stop lists, deliveries."""

import re
from datetime import UTC, datetime, timedelta

from bulksend.journal import Stage
from bulksend.sandbox import Sandbox
from tests.processes import SLOWEST, rows, until
from tests.web.conftest import PageProcess, Portal, Visitor, csv_of, saved, wait_for
from tests.web.test_campaigns import _results as results_of

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")


def _facts(text: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", text)
    return {name: re.sub(r"<[^>]+>", "", value).strip() for name, value in found}


def _choose(visitor: Visitor, sheet: str, **choices: str | list[str]) -> str:
    """Make choices and give the page that shows what they come to."""
    assert visitor.post(f"{sheet}/confirm", {"do": "choose", **choices}).status_code == 303
    return visitor.settled(f"{sheet}/confirm")


def _texts(portal: Sandbox) -> list[str]:
    return [delivery.text for delivery in portal.ledger]


def test_dialogs_that_are_not_active_are_started_again_where_that_is_chosen(visitor: Visitor, portal: Portal) -> None:
    """It is said how many and who becomes their operator; unless chosen, their rows are left out."""
    lines = rows(3, 3, "Reopened")
    served = portal(lines)
    served.world.add_chat(5001, status=60)
    sheet = visitor.upload_rows(lines)
    confirm = visitor.confirm_page(sheet, saved(visitor, "reopened", served))
    assert _facts(confirm)["Left out, the portal would refuse them"] == "1"
    assert "its dialog is not active" in confirm
    assert "This concerns 1 dialog" in re.sub(r"\s+", " ", confirm)
    assert "User 27 (Sandbox Operator), to whom the webhook or application belongs, becomes the operator" in confirm
    assert "Send 2 messages" in confirm
    confirm = _choose(visitor, sheet, reopen="yes")
    assert _facts(confirm)["Dialogs started again"] == "Up to 1"
    assert "Send 3 messages" in confirm
    number = visitor.send(sheet, "reopened", reopen="yes")
    visitor.wait(number)
    assert sorted(_texts(served)) == sorted(text for *_, text in lines)
    assert [start.chat_id for start in served.world.starts] == [5001]


def test_messages_that_would_not_reach_the_customer_are_said(visitor: Visitor, portal: Portal) -> None:
    """Silent mode, a closed channel, and one that closes before the row's turn: warnings, with what to do."""
    lines = rows(4, 4, "Unreached")
    served = portal(lines)
    served.world.add_chat(5000, silent=True)
    served.world.add_chat(5001, connector="whatsapp", closes_in=-3600)
    served.world.add_chat(5003, connector="whatsapp", closes_in=1800)
    sheet = visitor.upload_rows(lines)
    confirm = visitor.confirm_page(sheet, saved(visitor, "unreached", served))
    assert "These messages might not reach the customer" in confirm
    assert "The operator’s silent mode is on".replace("’", "&#39;") in confirm
    assert "its reply window is closed" in confirm
    assert "takes none any more" not in confirm
    assert "Send 4 messages" in confirm
    later = f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%dT%H:%M}"
    assert "1 message would leave when its channel takes none any more" in re.sub(
        r"\s+", " ", _choose(visitor, sheet, at=later, timezone="UTC")
    )


def test_hours_are_chosen_and_waited_for(visitor: Visitor, portal: Portal) -> None:
    """The page says when the last message leaves, then what is waited for and until when; nothing leaves before."""
    lines = rows(3, 3, "Hours")
    served = portal(lines)
    opens = datetime.now(UTC) + timedelta(hours=2)
    hours = {"from": f"{opens:%H:00}", "to": f"{opens + timedelta(hours=2):%H:00}", "timezone": "Africa/Abidjan"}
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, saved(visitor, "hours", served))
    confirm = _choose(visitor, sheet, **hours)
    facts = _facts(confirm)
    assert facts["Sending hours"] == f"{hours['from']}–{hours['to']} (Africa/Abidjan)"
    assert facts["Takes about"].endswith("\N{NO-BREAK SPACE}s")  # once they leave
    times = re.findall(r'(?:first message leaves|last message leaves about)</dt><dd><time datetime="([^"]+)"', confirm)
    assert [f"{datetime.fromisoformat(at).astimezone(UTC):%H:00}" for at in times] == [hours["from"]] * 2
    assert f'name="from" value="{hours["from"]}"' in confirm
    number = visitor.send(sheet, "hours", **hours)
    wait_for(lambda: "nothing is sent before" in visitor.get(f"/campaigns/{number}/progress").text)
    text = visitor.get(f"/campaigns/{number}").text
    assert "The last message leaves about" in text
    badge = re.search(r'<span class="state scheduled">Waiting until <time datetime="([^"]+)"', text)
    assert badge is not None
    assert f"{datetime.fromisoformat(badge[1]).astimezone(UTC):%H:%M}" == hours["from"]
    assert badge[0] in visitor.get("/").text
    assert _facts(text)["Sending hours"] == facts["Sending hours"]
    visitor.post(f"/campaigns/{number}/pause")
    visitor.wait(number, "waiting")
    # Another program waits for the same hours.
    command = visitor.page.commands.start("resume", number, "--yes")
    try:
        wait_for(lambda: visitor.page.run_of(number).holder is not None)
        text = visitor.get(f"/campaigns/{number}").text
        again = re.search(r'<span class="state elsewhere">Waiting until <time datetime="([^"]+)".*?, in another', text)
        assert again is not None
        assert again[1] == badge[1]
        assert again[0] in visitor.get("/").text
    finally:
        command.terminate()
        command.wait(SLOWEST)
    assert not served.ledger


def test_days_a_spread_and_an_end_are_chosen(visitor: Visitor) -> None:
    """Each is shown in words before the button; what will not leave in time is counted."""
    sheet = visitor.upload_rows(rows(40, 40, "Spread"))
    visitor.confirm_page(sheet)
    soon = f"{datetime.now(UTC) + timedelta(minutes=31):%Y-%m-%dT%H:%M}"
    text = _choose(visitor, sheet, over="1h", not_after=soon, timezone="UTC")
    assert _facts(text)["Spread"] == "One message every 90 s"
    assert "Not sent after" in text
    assert re.findall(r"About (\d+) messages will not have left in time", text) in (["18"], ["19"], ["20"])
    text = _choose(visitor, sheet, day=["mon", "wed"], **{"from": "00:00", "to": "12:00"})
    assert "00:00–12:00, Monday, Wednesday (" in _facts(text)["Sending hours"]
    assert len(re.findall(r'name="day" value="\w+" checked', text)) == 2
    assert "Sending hours" not in _facts(_choose(visitor, sheet))


def test_a_time_that_cannot_be_is_a_sentence_beside_the_form(visitor: Visitor) -> None:
    """What was typed is still there, and nothing of it counts."""
    sheet = visitor.upload_rows(rows(2, 2, "Impossible"))
    visitor.confirm_page(sheet)
    for typed, sentence in (
        ({"at": "2020-01-01T10:00"}, "has passed"),
        ({"timezone": "Mars"}, "There is no time zone"),
        ({"from": "09:00"}, "Give both hours"),
        ({"over": "soon"}, "A duration is given as 6h"),
    ):
        answer = visitor.post(f"{sheet}/confirm", {"do": "send", **typed})
        assert answer.status_code == 400
        assert sentence in answer.text
        assert "Nothing was changed or sent" in answer.text
        assert all(f'value="{value}"' in answer.text for value in typed.values())
        assert sentence not in visitor.get(f"{sheet}/confirm").text


def test_what_else_was_chosen_stays_where_one_choice_cannot_be_read(visitor: Visitor) -> None:
    """It is shown as it was chosen, and counts once all can be read."""
    sheet = visitor.upload_rows(rows(2, 2, "Posted"))
    visitor.confirm_page(sheet)
    posted = {"do": "choose", "pace": "slow", "verify": "yes", "limit": "1", "user_id": "7", "over": "soon"}
    text = visitor.post(f"{sheet}/confirm", posted).text
    assert '<option value="slow" selected>' in text
    assert 'name="verify" value="yes" checked' in text
    assert re.search(r'name="limit"[^>]* value="1"', text)
    assert re.search(r'name="user_id"[^>]* value="7"', text)
    text = visitor.post(f"{sheet}/confirm", {**posted, "over": "3 минуты", "limit": "many"}).text
    assert 'value="3 минуты"' in text
    assert re.search(r'name="limit"[^>]* value="many"', text)
    assert '<option value="slow" selected>' in text
    assert visitor.post(f"{sheet}/confirm", {**posted, "over": "3 минуты"}).status_code == 303


def test_a_corrected_sheet_is_not_limited_as_the_first_was(visitor: Visitor) -> None:
    """How many rows are tried first is chosen anew."""
    sheet = visitor.upload_rows(rows(3, 3, "Limited"))
    visitor.wait(visitor.send(sheet, limit="2"))
    other = visitor.upload("other.csv", csv_of([HEADINGS, *rows(3, 3, "All")]), like=sheet.rsplit("/", 1)[1])
    assert "Rehearse 3 messages" in visitor.confirm_page(other)


def test_the_first_messages_are_named_and_chats_that_got_another_text(visitor: Visitor, portal: Portal) -> None:
    """Rows that are left out as sent already are counted; a second message to a chat is said, and sent all the same."""
    lines = rows(4, 4, "Named")
    served = portal(lines)
    name = saved(visitor, "named", served)
    confirm = visitor.confirm_page(visitor.upload_rows(lines[:3]), name)
    assert "Row 2</a>, deal 1000, chat 5000: Named 0" in confirm
    assert "another text" not in confirm
    number = visitor.send(visitor.upload_rows(lines[:3]), name)
    visitor.wait(number)
    sheet = visitor.upload_rows([*lines[:3], (*lines[0][:4], "Corrected"), lines[3]], "corrected.csv")
    assert "Up to 5" in visitor.confirm_page(sheet, name)
    confirm = _choose(visitor, sheet, repeats="skip")
    facts = _facts(confirm)
    assert (facts["Messages"], facts["Left out, already sent in the last 24 hours"]) == ("2", "3")
    assert facts["Chats"] == "Up to 2"
    assert re.findall(r"Row (\d+)</a>, deal \d+, chat (\d+): (.*?)<", confirm) == [
        ("5", "5000", "Corrected"),
        ("6", "5003", "Named 3"),
    ]
    assert "1 message goes to a chat that got another text" in confirm
    assert "It is sent all the same: see whether a second message is meant." in confirm
    assert (
        f'row 5</a> (deal 1000, <a href="{visitor.base.removeprefix(visitor.page.origin)}/campaigns/{number}">'
        in confirm
    )


def test_a_chat_gets_a_text_once_unless_chosen_otherwise(visitor: Visitor, portal: Portal) -> None:
    """Repeats within the sheet are left out, and counted, unless they are to be sent too."""
    lines = rows(3, 3, "Once")
    served = portal(lines)
    sheet = visitor.upload_rows([*lines, lines[0], lines[0]])
    confirm = visitor.confirm_page(sheet, saved(visitor, "once", served))
    assert _facts(confirm)["Left out, repeated in the sheet"] == "2"
    assert "Send 3 messages" in confirm
    assert "Send 5 messages" in _choose(visitor, sheet, twice="yes")
    assert "Send 3 messages" in _choose(visitor, sheet)
    number = visitor.send(sheet, "once")
    visitor.wait(number)
    assert sorted(_texts(served)) == sorted(text for *_, text in lines)
    left_out = [(line["status"], line["error_code"]) for line in results_of(visitor, number)][3:]
    assert left_out == [("skipped", "DUPLICATE_MESSAGE")] * 2


def test_people_on_a_stop_list_get_nothing(visitor: Visitor, portal: Portal) -> None:
    """Their rows are counted before the button and left out; a list that cannot be read is a sentence."""
    lines = rows(4, 4, "Stopped")
    served = portal(lines)
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, saved(visitor, "stopped", served))

    def upload(content: bytes) -> str:
        answer = visitor.post(f"{sheet}/stop-list", files={"file": ("../no more.csv", content)})
        return answer.text if answer.status_code != 303 else visitor.settled(f"{sheet}/confirm")

    assert "names neither chats nor CRM entities" in upload(csv_of([("NAME",), ("Anna",)]))
    text = upload(csv_of([("CHAT_ID",), (5001,)]))
    assert _facts(text)["Left out, on the stop list"] == "1"
    assert "no more.csv" in text
    assert visitor.post(f"{sheet}/stop-list/remove").status_code == 303
    assert "Send 4 messages" in visitor.settled(f"{sheet}/confirm")
    assert "Send 3 messages" in upload(csv_of([("Чат",), (5001,)]))
    assert "Send 2 messages" in upload(csv_of([("Deal ID", "CHAT_ID"), (1000, ""), ("", 5003)]))
    corrected = visitor.upload("again.csv", csv_of([HEADINGS, *lines]), like=sheet.rsplit("/", 1)[1])
    assert "Send 2 messages" in visitor.confirm_page(corrected, "stopped")
    number = visitor.send(sheet, "stopped")
    visitor.wait(number)
    assert sorted(_texts(served)) == ["Stopped 1", "Stopped 2"]
    assert [line["error_code"] for line in results_of(visitor, number)] == ["STOP_LISTED", "", "", "STOP_LISTED"]


def test_the_portal_is_asked_which_messages_arrived(visitor: Visitor, portal: Portal) -> None:
    """By a button: counts, a column of the table, and one of the results; in parts where it is stopped."""
    lines = rows(3, 3, "Arrived")
    served = portal(lines)
    served.world.add_chat(5000, read_after=0)
    served.world.add_chat(5001, silent=True)
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "arrived", served))
    text = visitor.wait(number)
    assert "The portal has accepted 3 of 3 messages." in text
    assert "is known once you ask it" in text
    assert visitor.post(f"/campaigns/{number}/verify").status_code == 303
    wait_for(lambda: "Ask the portal again" in visitor.get(f"/campaigns/{number}").text)
    text = visitor.wait(number)
    assert re.findall(r"<li>(Read|Delivered|Hidden by silent mode) <strong>1</strong>", text)
    assert '<th scope="col">Reached</th>' in text
    assert [line["delivery"] for line in results_of(visitor, number)] == ["read", "hidden", "delivered"]
    served.close()
    visitor.post(f"/campaigns/{number}/verify")
    visitor.post(f"/campaigns/{number}/verify", {"do": "stop"})
    visitor.wait(number)
    assert visitor.page.run_of(number).counts.sent == 3


def test_it_is_asked_at_the_end_where_that_was_chosen(visitor: Visitor) -> None:
    """In the sandbox too, which ends with the campaign."""
    number = visitor.send(visitor.upload_rows(rows(3, 3, "Asked at the end")), verify="yes")
    text = visitor.wait(number)
    assert "<li>Delivered <strong>3</strong>" in text
    assert [line["delivery"] for line in results_of(visitor, number)] == ["delivered"] * 3
    refused = visitor.post(f"/campaigns/{number}/verify")
    assert refused.status_code == 400
    assert "its sandbox has ended" in refused.text


def test_the_rest_is_asked_for_at_the_end_too(visitor: Visitor, portal: Portal) -> None:
    """That it is to be asked holds for the whole campaign, and until then the page does not say that nobody asks."""
    lines = rows(3, 3, "The rest too")
    number = visitor.send(
        visitor.upload_rows(lines), saved(visitor, "rest-too", portal(lines)), limit="1", verify="yes"
    )
    visitor.wait(number)
    visitor.post(f"/campaigns/{number}/rest")
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 3)
    text = visitor.wait(number)
    assert "Not asked for yet" not in text
    assert [line["delivery"] for line in results_of(visitor, number)] == ["delivered"] * 3


def test_stopped_for_good_nobody_is_asked_to_continue(own_page: PageProcess, portal: Portal) -> None:
    """What was not sent stays so until somebody wants it after all; the same sheet does not begin it again."""
    lines = rows(30, 30, "For good")
    served = portal(lines)
    visitor = own_page.start().enter()
    sheet = visitor.upload_rows(lines)
    number = visitor.send(sheet, saved(visitor, "good", served), pace="slow")
    wait_for(lambda: len(served.ledger) >= 1)
    assert "cannot be called back" in visitor.get(f"/campaigns/{number}/stop").text
    for _ in until(SLOWEST):
        answer = visitor.post(f"/campaigns/{number}/stop")
        assert answer.status_code == 303
        if not visitor.path(answer).endswith("note=pausing"):  # it is, where answers take their time
            break
    text = visitor.wait(number, "stopped")
    run = own_page.run_of(number)
    assert run.stage is Stage.FINISHED
    assert run.counts.pending == 30 - len(served.ledger)
    assert "was stopped for good" in text
    assert "Not sent yet" not in text
    assert "is not finished" not in visitor.get("/").text
    statuses = [line["status"] for line in results_of(visitor, number)]
    assert statuses.count("not_sent") == run.counts.pending
    confirm = visitor.confirm_page(visitor.upload_rows(lines), "good")
    assert "This sheet was stopped for good" in confirm
    assert "of the 30 rows" in confirm
    assert 'name="do" value="send"' not in confirm
    visitor.without_limit(number)
    assert visitor.post(f"/campaigns/{number}/continue", {"portal": ""}).status_code == 303
    visitor.wait(number)
    assert sorted(_texts(served)) == sorted(text for *_, text in lines)


def test_sending_once_more_is_chosen_for_one_portal_and_one_sheet(visitor: Visitor, portal: Portal) -> None:
    """For another portal, and for the corrected sheet, it is asked again."""
    lines = rows(3, 3, "Once more")
    for name in ("more-a", "more-b"):
        visitor.wait(visitor.send(visitor.upload_rows(lines[:2]), saved(visitor, name, portal(lines))))
    sheet = visitor.upload_rows([*lines, lines[0]])
    visitor.confirm_page(sheet, "more-a")
    confirm = _choose(visitor, sheet, repeats="send", twice="yes", user_id="31")
    assert "Send 4 messages, 3 of them once more" in re.sub(r"\s+", " ", confirm)
    corrected = visitor.upload("more.csv", csv_of([HEADINGS, *lines, lines[2]]), like=sheet.rsplit("/", 1)[1])
    assert 'value="31"' in confirm
    assert 'value="31"' not in visitor.confirm_page(sheet, "more-b")  # nor who speaks: somebody else has that number
    for text in (visitor.confirm_page(sheet, "more-b"), visitor.confirm_page(corrected, "more-a")):
        assert "First choose above what becomes of the rows" in text
        assert not re.search(r'name="repeats"[^>]* checked', text)
    assert 'name="twice" value="yes" checked' not in text


def test_rows_marked_as_sent_are_sent_again_in_one_sheet_alone(visitor: Visitor) -> None:
    """Not in the corrected one."""
    results = ("status", "message_id", "error_code", "error_description", "sent_at", "attempts", "delivery")
    sent, not_sent = (("sent", 7, "", "", "", 1, ""), ("not_sent", "", "", "", "", 0, ""))
    lines = rows(2, 2, "Marked")
    marked = csv_of([(*HEADINGS, *results), (*lines[0], *sent), (*lines[1], *not_sent)])
    sheet = visitor.upload("marked.csv", marked)
    assert visitor.post(f"{sheet}/sent", {"sent": "send"}).status_code == 303
    assert "Rehearse 2 messages" in visitor.confirm_page(sheet)
    corrected = visitor.upload("marked.csv", marked, like=sheet.rsplit("/", 1)[1])
    assert "Rehearse 1 message" in visitor.confirm_page(corrected)
