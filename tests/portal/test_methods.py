"""The portal's methods: what is sent, and how what they give is read."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.portal import methods
from bulksend.portal.methods import (
    Chat,
    HistoryMessage,
    read_chats,
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
    history = read_history({"message": {"85852": later, "85851": ITEM}, "sessionId": "321"})
    assert history.session_id == 321
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
