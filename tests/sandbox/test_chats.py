"""Reading back what was said, looking up chats, joining them."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from bulksend.sandbox import Limits, Sandbox, World
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, call, message

CHAT_GET = "imopenlines.crm.chat.get"
LAST_ID = "imopenlines.crm.chat.getLastId"
USER_ADD = "imopenlines.crm.chat.user.add"


def history(portal: Sandbox, **parameters: Any) -> dict[str, Any]:
    """The messages of a chat's last session by their ids."""
    found: dict[str, Any] = call(portal, HISTORY_GET, parameters or {"CHAT_ID": 8773}).json()["result"]["message"]
    return found


def test_a_chat_begins_with_its_customers_own_message(portal: Sandbox) -> None:
    """Dated before, with an id below all that are sent, in a chat nobody has written to as well."""
    ((message_id, entry),) = history(portal).items()
    sent = call(portal, MESSAGE_ADD, message()).json()["result"]
    assert int(message_id) < sent
    assert entry["senderid"] != "27"
    assert datetime.fromisoformat(entry["date"]).timestamp() < time.time() - 60
    assert list(history(portal)) == [str(sent), message_id]


def test_a_chat_begins_with_an_empty_history_where_the_dial_says_so(portal: Sandbox) -> None:
    """PHP's empty array, before anything was sent."""
    portal.world.empty_history = True
    assert not history(portal)
    sent = call(portal, MESSAGE_ADD, message()).json()["result"]
    assert list(history(portal)) == [str(sent)]


def test_things_said_elsewhere_stand_in_the_history_and_not_in_the_ledger(portal: Sandbox) -> None:
    """A colleague's words, from any time."""
    month_ago = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
    said = portal.world.say(8773, 27, "Hello", at=month_ago)
    assert datetime.fromisoformat(history(portal)[str(said)]["date"]) == month_ago
    assert portal.ledger == []


def test_texts_are_kept_trimmed_with_plain_line_ends_and_cut_at_twenty_thousand(portal: Sandbox) -> None:
    """As the messenger keeps them; the ledger has them as they came."""
    call(portal, MESSAGE_ADD, message(MESSAGE="  a\r\nb\rc  "))
    call(portal, MESSAGE_ADD, message(MESSAGE="x" * 20_001))
    texts = [entry["text"] for entry in history(portal).values()][:-1]
    assert texts == ["x" * 20_000 + " (...)", "a\nb\nc"]
    assert portal.ledger[0].text == "  a\r\nb\rc  "


def test_histories_can_show_html_entities(portal: Sandbox) -> None:
    """With the dial on, as some versions of the messenger do; `textlegacy` always has them."""
    call(portal, MESSAGE_ADD, message(MESSAGE="<a> & 'b'"))
    assert next(iter(history(portal).values()))["textlegacy"] == "&lt;a&gt; &amp; &#x27;b&#x27;"
    portal.world.escape_history = True
    assert next(iter(history(portal).values()))["text"] == "&lt;a&gt; &amp; &#x27;b&#x27;"


def test_a_new_session_hides_what_was_said_before(portal: Sandbox) -> None:
    """The last session is shown; the one before it by its own id."""
    call(portal, MESSAGE_ADD, message(MESSAGE="old"))
    first = call(portal, HISTORY_GET, {"CHAT_ID": 8773}).json()["result"]["sessionId"]
    second = portal.world.new_session(8773)
    call(portal, MESSAGE_ADD, message(MESSAGE="new"))
    assert [entry["text"] for entry in history(portal).values()][:-1] == ["new"]
    assert [entry["text"] for entry in history(portal, SESSION_ID=first).values()][:-1] == ["old"]
    assert list(history(portal, SESSION_ID=second)) == list(history(portal))


def test_histories_refuse_with_their_codes(closed_world: World) -> None:
    """No chat named, an unknown one, and a portal that shows nobody anything: 400 each."""
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        answers = [call(portal, HISTORY_GET), call(portal, HISTORY_GET, {"CHAT_ID": 1})]
        closed_world.history_refused = True
        answers.append(call(portal, HISTORY_GET, {"CHAT_ID": 8773}))
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "MISSING_REQUIRED_PARAM"),
        (400, "INVALID_SESSION_ID"),
        (400, "ACCESS_DENIED"),
    ]


def test_an_entitys_active_chats_are_listed(closed_world: World) -> None:
    """The most recently changed first; ids as strings, channel, title; finished ones only with ACTIVE_ONLY N."""
    closed_world.add_chat(9001, "deal", 288, connector="telegrambot")
    closed_world.add_chat(9002, "deal", 288, status=60)
    closed_world.add_entity("lead", 7)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        deal = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 288}
        assert call(portal, CHAT_GET, deal).json()["result"] == [
            {"CHAT_ID": "9001", "CONNECTOR_ID": "telegrambot", "CONNECTOR_TITLE": "Telegram"},
            {"CHAT_ID": "8773", "CONNECTOR_ID": "livechat", "CONNECTOR_TITLE": "Live Chat"},
        ]
        call(portal, MESSAGE_ADD, message())
        assert [chat["CHAT_ID"] for chat in call(portal, CHAT_GET, deal).json()["result"]] == ["8773", "9001"]
        assert len(call(portal, CHAT_GET, deal | {"ACTIVE_ONLY": "N"}).json()["result"]) == 3
        assert call(portal, CHAT_GET, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 7}).json()["result"] == []
        assert call(portal, LAST_ID, deal).json()["result"] == 8773
        closed_world.add_chat(9002, status=60)
        assert call(portal, LAST_ID, deal).json()["result"] == 9002


def test_looking_up_refuses_with_its_codes(closed_world: World) -> None:
    """403 for entities one may not read, 400 for arguments; getLastId has one code for all but a wrong argument."""
    closed_world.add_entity("lead", 5, forbidden=True)
    closed_world.add_entity("lead", 7)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        answers = [
            call(portal, CHAT_GET, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 5}),
            call(portal, CHAT_GET, {"CRM_ENTITY_TYPE": "lead"}),
            call(portal, LAST_ID, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 7}),
            call(portal, LAST_ID),
            call(portal, LAST_ID, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 5}),
            call(portal, LAST_ID, {"CRM_ENTITY_TYPE": "invoice", "CRM_ENTITY": 5}),
            call(portal, LAST_ID, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": "abc"}),
        ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (403, "ACCESS_DENIED"),
        (400, "ERROR_ARGUMENT"),
        *[(400, "CRM_CHAT_EMPTY_CRM_DATA")] * 4,
        (400, "ERROR_ARGUMENT"),
    ]


def test_an_unknown_entity_type_has_no_chats_for_an_administrator(portal: Sandbox) -> None:
    """An empty list, not a refusal; no message and nobody gets into a chat of it."""
    invoice = message(CRM_ENTITY_TYPE="invoice")
    assert call(portal, CHAT_GET, invoice).json()["result"] == []
    for method in (MESSAGE_ADD, USER_ADD):
        assert call(portal, method, invoice).json()["error"] == "CHAT_NOT_IN_CRM"


def test_an_open_world_finds_a_chat_for_every_entity_and_always_the_same(portal: Sandbox) -> None:
    """So that a look-up can be rehearsed; the chat found takes messages."""
    lead = {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 12}
    (chat,) = call(portal, CHAT_GET, lead).json()["result"]
    assert call(portal, CHAT_GET, lead).json()["result"] == [chat]
    assert call(portal, MESSAGE_ADD, message(**lead, CHAT_ID=chat["CHAT_ID"])).ok
    with Sandbox(limits=Limits.none()) as another:
        assert call(another, CHAT_GET, lead).json()["result"] == [chat]


def test_without_a_chat_named_the_entitys_last_chat_is_joined(closed_world: World) -> None:
    """CHAT_ID is optional; an entity without chats gets 0, whoever is to join."""
    closed_world.add_chat(9001, "deal", 288, members=[])
    closed_world.add_entity("lead", 7)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        asked = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 288, "USER_ID": 31}
        assert call(portal, USER_ADD, asked).json()["result"] == 9001
        assert call(portal, USER_ADD, {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 7}).json()["result"] == 0


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"CHAT_ID": 409}, 403, "ACCESS_DENIED"),
        ({"CRM_ENTITY": 403}, 403, "ACCESS_DENIED"),
        ({"CHAT_ID": 404}, 400, "CHAT_NOT_IN_CRM"),
        ({"USER_ID": 99, "CHAT_ID": 405}, 400, "CRM_CHAT_USER_NOT_ACTIVE"),
        ({"USER_ID": None}, 400, "ERROR_ARGUMENT"),
    ],
)
def test_joining_refuses_with_its_codes(portal: Sandbox, changes: dict[str, Any], status: int, code: str) -> None:
    """Entity first, then the chat, then the user."""
    portal.world.inactive_users.add(99)
    answer = call(portal, USER_ADD, message(**changes))
    assert (answer.status_code, answer.json()["error"]) == (status, code)


@pytest.mark.parametrize("parameters", [{}, {"CHAT_ID": "abc"}, {"DIALOG_ID": "8773x"}, {"CHAT_ID": -1}])
def test_a_dialog_that_is_not_there_is_refused(portal: Sandbox, parameters: dict[str, Any]) -> None:
    """ACCESS_ERROR, whatever is wrong."""
    answer = call(portal, "imopenlines.dialog.get", parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, "ACCESS_ERROR")


def test_a_history_looks_as_the_documentation_shows_it(portal: Sandbox) -> None:
    """All keys in their order, the newest message first, names in camelCase, ids as texts but for the chat's own."""
    first, second = (call(portal, MESSAGE_ADD, message(MESSAGE=text)).json()["result"] for text in "ab")
    told = call(portal, HISTORY_GET, {"CHAT_ID": 8773}).json()["result"]
    assert list(told) == [
        *("chatId", "canJoin", "canVoteHead", "sessionId", "sessionVoteHead", "sessionCommentHead", "userId"),
        *("message", "usersMessage", "users", "openlines", "userInGroup", "woUserInGroup", "chat", "userBlockChat"),
        *("userInChat", "files"),
    ]
    assert (told["chatId"], told["userId"], told["sessionVoteHead"], told["sessionCommentHead"]) == (
        8773,
        "chat8773",
        0,
        None,
    )
    assert list(told["message"])[:2] == told["usersMessage"]["chat8773"][:2] == [str(second), str(first)]
    assert list(told["message"][str(first)]) == [
        *("id", "chatid", "senderid", "recipientid", "date", "text", "textlegacy", "params"),
    ]
    assert told["message"][str(first)]["params"]["connectorMid"]
    assert list(told["message"].values())[-1]["params"] == []
    assert told["chat"]["8773"]["entityData1"].split("|")[5] == str(told["sessionId"])
    assert 27 in told["userInChat"]["8773"]
