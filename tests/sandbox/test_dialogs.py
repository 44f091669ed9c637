"""A dialog's life: statuses, channels, starting it again, what becomes of a message, what the customer has read."""

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from bulksend.sandbox import FaultKind, Faults, Limits, Sandbox, Status, World
from tests.processes import Commands
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, call, message

CHAT_GET = "imopenlines.crm.chat.get"
DIALOG_GET = "imopenlines.dialog.get"
START = "imopenlines.session.start"
ACTIVE = {Status.ANSWERED, Status.CLIENT, Status.CLIENT_AGAIN, Status.OPERATOR}
FINISHED = {Status.CLOSED, Status.SPAM, Status.DUPLICATE, Status.CLOSED_SILENTLY}


def send(portal: Sandbox, chat_id: int = 8773) -> str:
    """Send a message and give the code of the refusal, or ``sent``."""
    return str(call(portal, MESSAGE_ADD, message(CHAT_ID=chat_id)).json().get("error", "sent"))


def start(portal: Sandbox, chat_id: object = 8773) -> Any:
    """Start the dialog of a chat: the answer's result or error."""
    answer = call(portal, START, {"CHAT_ID": chat_id}).json()
    return answer.get("result", answer.get("error"))


def listed(portal: Sandbox, *, active_only: str) -> bool:
    """Whether deal 288 has a chat."""
    deal = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 288, "ACTIVE_ONLY": active_only}
    return bool(call(portal, CHAT_GET, deal).json()["result"])


def params(portal: Sandbox, chat_id: int = 8773) -> list[Any]:
    """The params of a chat's messages, the newest first, by their sender."""
    entries = call(portal, HISTORY_GET, {"CHAT_ID": chat_id}).json()["result"]["message"].values()
    return [(entry["senderid"], entry["params"]) for entry in entries]


def dialog(portal: Sandbox, chat_id: int = 8773) -> dict[str, Any]:
    """What the portal shows of a chat's dialog."""
    found: dict[str, Any] = call(portal, DIALOG_GET, {"CHAT_ID": chat_id}).json()["result"]
    return found


@pytest.mark.parametrize("status", Status)
def test_an_active_dialog_takes_messages_and_a_finished_one_can_be_started_again(
    closed_world: World, status: Status
) -> None:
    """From 10 to 49; what is listed as active is what takes messages; an open dialog's status stays at a start."""
    closed_world.add_chat(8773, status=status)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        assert send(portal) == ("sent" if status in ACTIVE else "CHAT_NOT_IN_CRM")
        assert listed(portal, active_only="Y") == (status in ACTIVE)
        assert listed(portal, active_only="N")
        assert start(portal) is True
        assert send(portal) == ("sent" if status in ACTIVE | FINISHED else "CHAT_NOT_IN_CRM")
        assert [started.new for started in portal.starts] == [status in FINISHED]


@pytest.mark.parametrize(("channel", "listed_at_all"), [({"on": False}, False), ({"line_on": False}, True)])
def test_a_channel_that_is_switched_off_has_no_chats(
    closed_world: World, channel: dict[str, Any], listed_at_all: bool
) -> None:
    """Neither listed nor taken, whatever the dialog's status; a line that is off is noticed at the hand-over only."""
    closed_world.add_channel("livechat", **channel)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        assert listed(portal, active_only="N") == listed(portal, active_only="Y") == listed_at_all
        assert send(portal) == ("sent" if listed_at_all else "CHAT_NOT_IN_CRM")
        closed_world.add_chat(8773, status=60)
        assert start(portal) is True
        assert send(portal) == ("sent" if listed_at_all else "CHAT_NOT_IN_CRM")


def test_a_started_dialog_has_the_caller_as_operator_and_begins_with_a_word_of_the_systems(portal: Sandbox) -> None:
    """Its session is a new one; a second start changes nothing; older messages are in the older session."""
    portal.world.add_chat(8773, status=60, members=())
    before = call(portal, HISTORY_GET, {"CHAT_ID": 8773}).json()["result"]
    assert (start(portal), start(portal, "8773")) == (True, True)
    after = call(portal, HISTORY_GET, {"CHAT_ID": 8773}).json()["result"]
    assert after["sessionId"] > before["sessionId"]
    assert [entry["senderid"] for entry in after["message"].values()] == ["0"]
    assert dialog(portal)["owner"] == 27
    assert [(started.session_id, started.new) for started in portal.starts] == [
        (after["sessionId"], True),
        (after["sessionId"], False),
    ]
    assert requests.get(portal.control + "starts?since=1", timeout=30).json()[0]["chat_id"] == 8773
    assert send(portal) == "sent"


def test_the_speaker_has_to_be_a_member_of_a_started_dialog_too(portal: Sandbox) -> None:
    """Starting makes the caller one, and nobody else."""
    portal.world.add_chat(8773, status=60, members=())
    assert start(portal) is True
    assert call(portal, MESSAGE_ADD, message(USER_ID=31)).json()["error"] == "CANCELED"


@pytest.mark.parametrize(
    ("chat_id", "code"),
    [(0, "CHAT_ID"), ("chat8773", "CHAT_ID"), (1, "CHAT_ID"), (435, "CHAT_TYPE"), (420, "ACCESS_DENIED")],
)
def test_starting_refuses_with_its_codes(portal: Sandbox, chat_id: object, code: str) -> None:
    """Chat, kind of chat, access; 400 each; nothing is started."""
    portal.world.add_chat(420)
    portal.world.add_chat(435)
    portal.world.is_open = False
    answer = call(portal, START, {"CHAT_ID": chat_id})
    assert (answer.status_code, answer.json()["error"], portal.starts) == (400, code, [])


def test_a_caller_who_may_not_read_the_entity_or_left_starts_nothing(portal: Sandbox) -> None:
    """ACCESS_DENIED, and USER_ID."""
    portal.world.add_entity("lead", 5, chats=[900], forbidden=True)
    assert start(portal, 900) == "ACCESS_DENIED"
    portal.world.inactive_users.add(27)
    assert start(portal) == "USER_ID"


def test_a_start_and_its_message_go_in_one_batch(portal: Sandbox) -> None:
    """In their order; the start's result is true."""
    portal.world.add_chat(8773, status=60)
    query = "&".join(f"{name}={value}" for name, value in message().items())
    commands = {"s1": f"{START}?CHAT_ID=8773", "r1": f"{MESSAGE_ADD}?{query}"}
    result = call(portal, "batch", {"cmd": commands}).json()["result"]["result"]
    assert result == {"s1": True, "r1": portal.ledger[0].message_id}


@pytest.mark.parametrize("kind", ["close_before", "close_after", "late", "html502_after", "cut_body", "new_session"])
def test_a_lost_answer_to_a_start_starts_no_second_dialog(portal: Sandbox, kind: str) -> None:
    """Whichever side of carrying it out the answer was lost on: the next start joins what there is."""
    portal.world.add_chat(8773, status=60)
    portal.faults = Faults(at={1: kind}, methods=[START], late_seconds=0.05)
    with contextlib.suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        assert call(portal, START, {"CHAT_ID": 8773}).status_code == 502
    portal.drain()
    assert len(portal.starts) == FaultKind(kind).carried_out
    assert start(portal) is True
    assert [started.new for started in portal.starts].count(True) == 1
    assert send(portal) == "sent"


def test_a_dialog_shows_where_it_goes_and_how_it_stands(closed_world: World) -> None:
    """entity_id has four fields, entity_data_1 ten; by chat and by dialog id; silent mode in entity_data_3."""
    closed_world.add_chat(8773, connector="whatsapp", closes_in=600, silent=True)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        told = dialog(portal)
        assert call(portal, DIALOG_GET, {"DIALOG_ID": "chat8773"}).json()["result"] == told
    connector, line, _chat, customer = told["entity_id"].split("|")
    session, created, line_again, closes, reason = told["entity_data_1"].removeprefix("Y|DEAL|288|N|N|").split("|")
    assert (connector, line, line_again, reason) == ("whatsapp", "3", "3", "")
    assert int(session) > 0
    assert int(created) == pytest.approx(time.time(), abs=30)
    assert int(closes) == pytest.approx(time.time() + 600, abs=30)
    assert int(customer) > 0
    assert told["entity_data_3"].startswith("Y")


@pytest.mark.parametrize(
    ("described", "closes_in", "reason"),
    [
        ({}, None, ""),
        ({"closes_in": 72_000}, 72_000, ""),
        ({"closes_in": -60}, -60, ""),
        ({"closes_in": -60, "block_reason": "USER"}, -60, "USER"),
    ],
)
def test_a_reply_window_shows_in_the_last_two_fields(
    portal: Sandbox, described: dict[str, Any], closes_in: float | None, reason: str
) -> None:
    """The time at which it closes, or 0; the reason where the customer forbade messages. A closed one fails."""
    portal.world.add_chat(8773, **described)
    *_, closes, told = dialog(portal)["entity_data_1"].split("|")
    assert told == reason
    assert int(closes) == pytest.approx(0 if closes_in is None else time.time() + closes_in, abs=30)
    assert send(portal) == "sent"
    assert ("0" in dict(params(portal))) == (closes_in is not None and closes_in < 0)


def test_live_chat_takes_a_message_at_once(portal: Sandbox) -> None:
    """connectorMid, without `sending`; nothing is known of the customer's own message."""
    send(portal)
    (_, sent), (_, first) = params(portal)
    assert sent["connectorMid"]
    assert not {"sending", "componentId"} & sent.keys()
    assert first == []


def test_a_channel_may_confirm_later(portal: Sandbox) -> None:
    """`sending` with its time at first, then the channel's id instead."""
    portal.world.add_channel("telegrambot", confirms_after=600)
    portal.world.add_chat(8773, connector="telegrambot")
    send(portal)
    (_, at_first), _ = params(portal)
    assert at_first["sending"] == "Y"
    assert int(at_first["sendingTs"]) == pytest.approx(time.time(), abs=30)
    assert "connectorMid" not in at_first
    portal.clock_skew = 600
    (_, later), _ = params(portal)
    assert "sending" not in later
    assert later["connectorMid"]


@pytest.mark.parametrize(
    "described",
    [{"connector": "avito"}, {"connector": "vkgroup"}, {"closes_in": -60}, {"closes_in": -60, "block_reason": "USER"}],
)
def test_a_hand_over_that_fails_leaves_the_message_sending(portal: Sandbox, described: dict[str, Any]) -> None:
    """The id was given all the same; the system says so in the chat."""
    portal.world.add_chat(8773, **described)
    assert send(portal) == "sent"
    (system, _), (speaker, sent), _ = params(portal)
    assert (system, speaker, sent["sending"]) == ("0", "27", "Y")
    assert "connectorMid" not in sent


def test_silent_mode_hides_what_is_sent(portal: Sandbox) -> None:
    """Until it is switched off; what was hidden stays so."""
    portal.world.add_chat(8773, silent=True)
    send(portal)
    portal.world.add_chat(8773, silent=False)
    send(portal)
    (_, shown), (_, hidden), _ = params(portal)
    assert hidden["componentId"] == "HiddenMessage"
    assert not {"sending", "connectorMid"} & hidden.keys()
    assert shown["connectorMid"]


@pytest.mark.parametrize(
    ("described", "reads"),
    [({"read_after": 0}, True), ({"read_after": 60}, False), ({}, False), ({"read_after": 0, "silent": True}, False)],
)
def test_the_list_of_readers_names_the_last_message_that_the_customer_was_shown(
    portal: Sandbox, described: dict[str, Any], reads: bool
) -> None:
    """At once, later or never; their own first message at least; the speaker has read what they wrote."""
    portal.world.add_chat(8773, **described)
    send(portal)
    told = dialog(portal)
    read = {str(user["user_id"]): user["message_id"] for user in told["readed_list"]}
    customer, sent = told["entity_id"].split("|")[3], portal.ledger[0].message_id
    assert read["27"] == sent
    assert (read[customer] == sent) == reads
    assert read[customer] <= sent


def test_dials_on_the_command_line(tmp_path: Path) -> None:
    """What chats are like, and channels; special chats and what a sheet says stay."""
    dials = ("--chats", "status=60", "--chats", "silent=true", "--channel", "telegrambot=off", "--channel", "avito=0")
    process = Commands(tmp_path).start("sandbox", *dials)
    try:
        assert process.stdout is not None
        webhook = process.stdout.readline().strip()
        codes = []
        for chat_id in (8773, 412, 427, 433):
            answer = requests.post(webhook + MESSAGE_ADD, json=message(CHAT_ID=chat_id), timeout=30)
            codes.append(answer.json().get("error", "sent"))
        assert codes == ["CHAT_NOT_IN_CRM", "sent", "CHAT_NOT_IN_CRM", "sent"]
        told = requests.post(webhook + HISTORY_GET, json={"CHAT_ID": 433}, timeout=30).json()["result"]["message"]
        assert "connectorMid" in next(iter(told.values()))["params"]
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--world", "none.json"), "none.json cannot be read"),
        (("--world", "world.json"), "world.json does not describe a world"),
        (("--chats", "colour=red"), "A chat has no 'colour'"),
        (("--chats", "status=61"), "makes no sense"),
        (("--chats", "status"), "needs a name and a value"),
        (("--channel", "viber=loud"), "makes no sense"),
    ],
)
def test_a_world_that_makes_no_sense_is_told_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, str], says: str
) -> None:
    """Exit 2, and what is wrong."""
    (tmp_path / "world.json").write_text('{"chats": [{"chat_id": 1, "status": 61}]}', encoding="utf-8")
    ended = Commands(tmp_path).run("sandbox", *arguments)
    assert ended.code == 2
    assert says in ended.err
