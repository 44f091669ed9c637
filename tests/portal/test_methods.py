"""The portal's methods: what is sent, and how what they give is read."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.portal import methods
from bulksend.portal.methods import (
    Chat,
    Dialog,
    HandOver,
    HistoryMessage,
    read_chats,
    read_dialog,
    read_history,
    read_profile,
    read_scopes,
    stored_text,
)

ITEM = {
    "id": "85851",
    "chatid": "1763",
    "senderid": "103",
    "recipientid": "chat1763",
    "date": "2026-03-11T13:12:46+01:00",
    "text": "Hello",
    "textlegacy": "Hello!",
    "params": [],
}


def shown(text: str = "", legacy: str = "") -> HistoryMessage:
    """A message as a history shows it."""
    return HistoryMessage(1, 2, None, text, legacy)


def test_names_on_the_wire() -> None:
    """Parameters have the names that the server reads."""
    assert methods.message_add("deal", 288, 27, 8773, "x") == (
        "imopenlines.crm.message.add",
        {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 288, "USER_ID": 27, "CHAT_ID": 8773, "MESSAGE": "x"},
    )
    assert methods.chat_get("lead", 5, active_only=False)[1]["ACTIVE_ONLY"] == "N"
    assert methods.chat_get("lead", 5)[1]["ACTIVE_ONLY"] == "Y"
    assert methods.history_get(8773) == ("imopenlines.session.history.get", {"CHAT_ID": 8773})
    assert methods.user_add("deal", 1, 2, 3)[0] == "imopenlines.crm.chat.user.add"
    assert [call()[0] for call in (methods.profile, methods.scope)] == ["profile", "scope"]


def test_history() -> None:
    """A history is read oldest first, whatever order and types the portal gives."""
    later = ITEM | {"id": 85852, "senderid": "0", "date": "nonsense", "text": None}
    history = read_history({"message": {"85852": later, "85851": ITEM}, "chatId": "1763"})
    assert history.chat_id == 1763
    assert history.messages == [
        HistoryMessage(
            85851, 103, datetime(2026, 3, 11, 13, 12, 46, tzinfo=timezone(timedelta(hours=1))), "Hello", "Hello!"
        ),
        HistoryMessage(85852, 0, None, "", "Hello!"),
    ]
    assert read_history({"message": [ITEM]}).messages[0].id == 85851
    assert read_history({"message": []}).messages == []


@pytest.mark.parametrize(
    "result", [None, [], {}, "x", {"message": None}, {"message": ["x"]}, {"message": [{"id": "x"}]}]
)
def test_history_that_cannot_be_read(result: Any) -> None:
    """What is no history is not taken for an empty one."""
    with pytest.raises(ValueError, match="no "):
        read_history(result)


def test_date_without_an_offset() -> None:
    """A date that does not say where is no date."""
    assert read_history({"message": [ITEM | {"date": "2026-03-11T13:12:46"}]}).messages[0].date is None


def test_chats() -> None:
    """A list of chats, or PHP's idea of one."""
    item = {"CHAT_ID": "1763", "CONNECTOR_ID": "livechat", "CONNECTOR_TITLE": "Live Chat"}
    assert read_chats([item]) == [Chat(1763, "livechat", "Live Chat")] == read_chats({"0": item})
    assert read_chats([]) == []
    unreadable: list[Any] = [None, "x", ["x"], [{}]]
    for result in unreadable:
        with pytest.raises(ValueError, match="no "):
            read_chats(result)


def test_profile_and_scopes() -> None:
    """Who calls, and what they may."""
    profile = read_profile({"ID": "27", "ADMIN": True, "NAME": "Anna", "LAST_NAME": " Petrova "})
    assert (profile.id, profile.name, profile.admin) == (27, "Anna Petrova", True)
    assert (
        read_scopes(["CRM", "imopenlines"]) == ["crm", "imopenlines"] == read_scopes({"1": "crm", "2": "imopenlines"})
    )
    for read in (read_profile, read_scopes):
        with pytest.raises(ValueError, match="no "):
            read("x")


@pytest.mark.parametrize(
    ("text", "text_shown"),
    [
        ("  Hello \r\n", "Hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\nb", "a<br />b"),
        ("a\nb", "a[BR]b"),
        ("a < b & 'c' \"d\"", "a &lt; b &amp; &#039;c&#039; &quot;d&quot;"),
        ("&amp;", "&amp;amp;"),
        ("&amp;", "&"),
        ("Привет 🙂", "Привет 🙂"),
        ("x" * 20_001, "x" * 20_000 + " (...)"),
        ("x" * 20_001, "x" * 20_001),
        ("&" * 20_010, "&amp;" * 20_000 + " (...)"),
        ("&amp;" * 4_002, "&amp;" * 4_000 + " (...)"),
        ("<" * 19_000, "&lt;" * 19_000),
    ],
)
def test_text_as_the_portal_shows_it(text: str, text_shown: str) -> None:
    """A text is known again though the portal trimmed, cut or encoded it."""
    assert shown(text_shown).shows(stored_text(text))
    assert shown("something else", text_shown).shows(stored_text(text))


def test_another_text() -> None:
    """Another text is another text, and none is none."""
    assert not shown("Hello").shows(stored_text("hello"))
    assert not shown("Hello, Anna").shows(stored_text("Hello"))
    assert not shown().shows(stored_text("Hello"))


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_text_shown_as_it_was_sent(text: str) -> None:
    """Whatever was sent is known again when it is shown unchanged, and its stored form is stable."""
    assert shown(text).shows(stored_text(text))
    assert stored_text(stored_text(text)) == stored_text(text)


@pytest.mark.parametrize(
    ("params", "hand_over"),
    [
        ([], HandOver.NOT_TOLD),
        (None, HandOver.NOT_TOLD),
        ({"class": "bx-messenger-content-item-ol-output"}, HandOver.NOT_TOLD),
        ({"componentId": "HiddenMessage", "sending": "Y"}, HandOver.HIDDEN),
        ({"sending": "Y", "sendingTs": "1790202052"}, HandOver.SENDING),
        ({"sending": "N"}, HandOver.NOT_TOLD),
        ({"connectorMid": ["85853"]}, HandOver.TAKEN),
        ({"connectorMid": {"0": "85853"}, "sending": "Y"}, HandOver.TAKEN),
        ({"connectorMid": [], "sending": "Y"}, HandOver.SENDING),
        ({"CONNECTOR_MID": ["85853"]}, HandOver.TAKEN),
    ],
)
def test_hand_over(params: Any, hand_over: HandOver) -> None:
    """What the portal knows of a message after it has given the id; an empty PHP array is a list."""
    assert read_history({"message": [ITEM | {"params": params}]}).messages[0].hand_over is hand_over


DIALOG = {
    "id": 1763,
    "entity_id": "whatsapp|22|1775|599",
    "entity_data_1": "Y|LEAD|1205|N|N|321|1790202052|22|1790300000|",
    "entity_data_3": "N",
    "readed_list": [{"user_id": 599, "message_id": "85853"}, {"user_id": 1, "message_id": 85860}],
}
LEAD = ("lead", 1205)


@pytest.mark.parametrize(
    ("changes", "dialog"),
    [
        ({}, Dialog(closes_at=1790300000, customer_has_read=85853, entity=LEAD)),
        ({"entity_data_1": "Y|LEAD|1205|N|N|321"}, Dialog(customer_has_read=85853, entity=LEAD)),
        ({"entity_data_1": "Y|LEAD|1205|N|N|321|1790202052|22|0|"}, Dialog(customer_has_read=85853, entity=LEAD)),
        (
            {"entity_data_1": "Y|LEAD|1|N|N|3|1|22|17|USER", "readed_list": []},
            Dialog(closes_at=17, forbidden=True, entity=("lead", 1)),
        ),
        ({"entity_data_3": "Y|N", "readed_list": None}, Dialog(silent=True, closes_at=1790300000, entity=LEAD)),
        ({"entity_id": "", "entity_data_1": None, "entity_data_3": None}, Dialog()),
    ],
)
def test_dialog(changes: dict[str, Any], dialog: Dialog) -> None:
    """Silent mode, the end of the reply window, and what the customer (not a colleague) has read."""
    assert read_dialog(DIALOG | changes) == dialog


@pytest.mark.parametrize("result", [None, [], {}, "x", {"id": 1763}])
def test_dialog_that_cannot_be_read(result: Any) -> None:
    """Nothing is concluded from it."""
    with pytest.raises(ValueError, match="no dialog"):
        read_dialog(result)
