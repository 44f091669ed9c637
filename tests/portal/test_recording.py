"""What a recording keeps: the shape of answers, and nothing that is anybody's."""

import json
from typing import Any

import pytest

from bulksend.portal.recording import Exchange, clean

PERSONAL = (
    *("Priya Nair", "Иван", "+7 999 123-45-67", "79991234567", "priya@example.com", "https://portal.example/x?y=1"),
    *("acme_bot", "IVAN|PETROV", "[b]Your code is 4711[/b]", "2001-02-03", "chat of Priya"),
)
KEYS = (
    "name",
    "text",
    "textlegacy",
    "user_name",
    "lastName",
    "avatar",
    "entity_id",
    "CONNECTOR_ID",
    "title",
    "birthday",
)


def cleaned(result: Any) -> Any:
    """A result as a recording has it."""
    ((exchange),) = clean([Exchange("profile", {}, 200, {"result": result})])
    return exchange["body"]["result"]


@pytest.mark.parametrize("value", PERSONAL)
@pytest.mark.parametrize("key", KEYS)
def test_nothing_personal_stays(key: str, value: str) -> None:
    """Under whatever key it stands, alone, in a list, or among values with bars between them."""
    text = json.dumps(
        cleaned({key: value, "list": [value], "inner": {key: {"more": value}}, "entity_data_2": f"LEAD|{value}|0"}),
        ensure_ascii=False,
    )
    assert value not in text
    assert all(part not in text for part in value.split() if len(part) > 3 and part != "chat")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"entity_type": "LINES", "type": "lines"}, {"entity_type": "LINES", "type": "lines"}),
        ({"CONNECTOR_ID": "livechat"}, {"CONNECTOR_ID": "livechat"}),
        (
            {"active": True, "none": None, "empty": "", "list": []},
            {"active": True, "none": None, "empty": "", "list": []},
        ),
        (["imopenlines", "crm"], ["imopenlines", "crm"]),
        ({"date": "2026-09-24T01:10:51+03:00"}, {"date": "2026-09-24T01:10:51+03:00"}),
        ({"LICENSE": "ru_ent250"}, {"LICENSE": "ru_ent250"}),
    ],
)
def test_what_bitrix24_itself_says_stays(value: Any, kept: Any) -> None:
    """Kinds of things, channels, rights, plans, moments, flags, and what is empty."""
    assert cleaned(value) == kept


def test_ids_are_numbered_anew_in_their_order() -> None:
    """Alike as numbers, as texts, as keys, and among bars; 0 and 1 say nothing and stay."""
    result = {
        "id": 8773,
        "dialog_id": "chat8773",
        "message": {"99001": {"id": "99001"}, "98000": {"id": "98000"}},
        "entity_data_1": "Y|DEAL|288|N|N|301|1790198000|0|1790300000|USER",
        "owner": 1,
    }
    assert cleaned(result) == {
        "id": 1003,
        "dialog_id": "chat1003",
        "message": {"1005": {"id": "1005"}, "1004": {"id": "1004"}},
        "entity_data_1": "Y|DEAL|1001|N|N|1002|1790198000|0|1790300000|USER",
        "owner": 1,
    }


def test_a_page_in_place_of_an_answer_is_not_kept() -> None:
    """Only that there was none."""
    (exchange,) = clean([Exchange("profile", {}, 502, None)])
    assert exchange == {"method": "profile", "params": {}, "status": 502, "body": None}
