"""The method `imopenlines.crm.message.add`, as the portal's documentation and server have it."""

from typing import Any

import pytest

from bulksend.sandbox import Limits, Sandbox, World
from tests.sandbox.conftest import MESSAGE_ADD, call, message

EMPTY = "Argument '{}' is null or empty"
WRONG = "The value of an argument '{}' has an invalid type"


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"CRM_ENTITY_TYPE": None, "CRM_ENTITY": None}, EMPTY.format("CRM_ENTITY_TYPE")),
        ({"CRM_ENTITY": 0, "USER_ID": None}, EMPTY.format("CRM_ENTITY")),
        ({"CRM_ENTITY": "abc", "USER_ID": None}, WRONG.format("CRM_ENTITY")),
        ({"CRM_ENTITY": -5, "USER_ID": None}, WRONG.format("CRM_ENTITY")),
        ({"USER_ID": None, "CHAT_ID": None}, EMPTY.format("USER_ID")),
        ({"USER_ID": "x", "CHAT_ID": None}, WRONG.format("USER_ID")),
        ({"CHAT_ID": "", "MESSAGE": None}, EMPTY.format("CHAT_ID")),
        ({"CHAT_ID": "chat8773", "MESSAGE": None}, WRONG.format("CHAT_ID")),
        ({"MESSAGE": "", "CRM_ENTITY": 403}, EMPTY.format("MESSAGE")),
        ({"MESSAGE": "0"}, EMPTY.format("MESSAGE")),
        ({"MESSAGE": 0}, EMPTY.format("MESSAGE")),
    ],
)
def test_arguments_are_checked_in_the_portals_order(portal: Sandbox, changes: dict[str, Any], description: str) -> None:
    """The first thing wrong is what is told, with 400 and ERROR_ARGUMENT; nothing is delivered."""
    answer = call(portal, MESSAGE_ADD, message(**changes))
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "ERROR_ARGUMENT", "error_description": description},
    )
    assert portal.ledger == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"CRM_ENTITY": 403}, 403, "ACCESS_DENIED"),
        ({"CRM_ENTITY_TYPE": "invoice"}, 400, "CHAT_NOT_IN_CRM"),
        ({"CRM_ENTITY_TYPE": ["deal"]}, 400, "ERROR_ARGUMENT"),
        ({"MESSAGE": "  \n "}, 400, "MESSAGE_ADD_ERROR"),
        ({"CRM_ENTITY": 403, "CHAT_ID": 404}, 403, "ACCESS_DENIED"),
        ({"CHAT_ID": 404, "MESSAGE": " "}, 400, "CHAT_NOT_IN_CRM"),
    ],
)
def test_refusals_come_in_the_portals_order(portal: Sandbox, changes: dict[str, Any], status: int, code: str) -> None:
    """The entity, the chat, the text; nothing is delivered."""
    answer = call(portal, MESSAGE_ADD, message(**changes))
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert portal.ledger == []


def test_a_speaker_who_may_not_read_the_entity_is_refused_before_the_chat_is_looked_at(closed_world: World) -> None:
    """Caller's access, speaker's access, then the chat."""
    closed_world.add_entity("lead", 5, forbidden=[31])
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        refused = call(portal, MESSAGE_ADD, message(CRM_ENTITY_TYPE="lead", CRM_ENTITY=5, USER_ID=31))
        wrong_chat = call(portal, MESSAGE_ADD, message(CRM_ENTITY_TYPE="lead", CRM_ENTITY=5))
    assert (refused.status_code, refused.json()["error"]) == (403, "ACCESS_DENIED")
    assert wrong_chat.json()["error"] == "CHAT_NOT_IN_CRM"


@pytest.mark.parametrize("value", ["288", 288, 288.0, " 288"])
def test_numbers_are_taken_as_php_takes_them(portal: Sandbox, value: object) -> None:
    """An id may be an integer or a numeric text."""
    assert call(portal, MESSAGE_ADD, message(CRM_ENTITY=value)).ok
    assert portal.ledger[0].entity_id == 288


@pytest.mark.parametrize("spelling", ["deal", "DEAL", "Deal"])
def test_entity_types_are_taken_in_any_case(portal: Sandbox, spelling: str) -> None:
    """The documentation names them in upper and in lower case."""
    assert call(portal, MESSAGE_ADD, message(CRM_ENTITY_TYPE=spelling)).ok
    assert portal.ledger[0].entity_type == "deal"


def test_parameter_names_are_case_sensitive(portal: Sandbox) -> None:
    """A name in lower case is another parameter, so the real one is missing."""
    answer = call(portal, MESSAGE_ADD, message(MESSAGE=None) | {"message": "Hello"})
    assert answer.json()["error_description"] == EMPTY.format("MESSAGE")
