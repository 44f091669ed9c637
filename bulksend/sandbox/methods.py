"""The REST methods of the portal: what each checks, in which order, and what it answers."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bulksend.sandbox import php, refusal
from bulksend.sandbox.authorisation import Caller
from bulksend.sandbox.clock import ZONE, iso
from bulksend.sandbox.refusal import Refused
from bulksend.sandbox.world import Chat, Message, World

Parameters = Mapping[str, Any]

OPEN_LINES = "imopenlines"
_LICENSE = "ru_ent250"
_LINE = "1"
_SPOKEN = "bx-messenger-content-item-ol-output"


class Call(NamedTuple):
    """One call of a method."""

    world: World
    caller: Caller
    scopes: Sequence[str]
    parameters: Parameters


class Method(NamedTuple):
    """A method: the scope it needs (empty: none) and what carries it out."""

    scope: str
    carry_out: Callable[[Call], Any]


def message_add(call: Call) -> int:
    """``imopenlines.crm.message.add``: send a message; answers its id."""
    given = call.parameters
    entity_type, entity_id = _entity(given)
    user_id = _positive(given, "USER_ID")
    chat_id = _positive(given, "CHAT_ID")
    message = given.get("MESSAGE")
    if php.is_empty(message):
        raise Refused(refusal.empty_argument("MESSAGE"))
    text = php.text(message)
    if text is None:
        raise Refused(refusal.wrong_argument("MESSAGE"))
    return call.world.deliver(entity_type, entity_id, chat_id, user_id, text, caller=call.caller.user_id)


def chat_get(call: Call) -> list[dict[str, str]]:
    """``imopenlines.crm.chat.get``: the chats of an entity, the most recently changed first, without finished ones."""
    entity_type, entity_id = _entity(call.parameters)
    active_only = call.parameters.get("ACTIVE_ONLY") != "N"
    chats = call.world.chats_of(entity_type, entity_id, call.caller.user_id, active_only=active_only)
    return [
        {"CHAT_ID": str(chat.id), "CONNECTOR_ID": chat.connector_id, "CONNECTOR_TITLE": chat.connector_title}
        for chat in chats
    ]


def chat_get_last_id(call: Call) -> int:
    """``imopenlines.crm.chat.getLastId``: the id of the entity's last chat."""
    given = call.parameters
    if php.is_empty(given.get("CRM_ENTITY_TYPE")) or php.is_empty(given.get("CRM_ENTITY")):
        raise Refused(refusal.EMPTY_CRM_DATA)
    entity_type, entity_id = _entity(given)
    try:
        chats = call.world.chats_of(entity_type, entity_id, call.caller.user_id, active_only=False)
    except Refused:
        chats = []
    if not chats:
        raise Refused(refusal.NO_CRM_ENTITY)
    return chats[0].id


def chat_user_add(call: Call) -> int:
    """``imopenlines.crm.chat.user.add``: make a user a member of a chat; answers the chat's id, or 0."""
    given = call.parameters
    entity_type, entity_id = _entity(given)
    chat_id = None if php.is_empty(given.get("CHAT_ID")) else php.number(given["CHAT_ID"]) or 0
    user_id = php.number(given.get("USER_ID")) or 0
    return call.world.join(entity_type, entity_id, chat_id, user_id, call.caller.user_id)


def session_history_get(call: Call) -> dict[str, Any]:
    """``imopenlines.session.history.get``: the messages of a chat's last session, or of a session."""
    given, world = call.parameters, call.world
    chat_id, session_id = php.number(given.get("CHAT_ID")) or 0, php.number(given.get("SESSION_ID")) or 0
    if chat_id <= 0 and session_id <= 0:
        raise Refused(refusal.NO_SESSION_NAMED)
    if world.history_refused:
        raise Refused(refusal.HISTORY_DENIED)
    found = world.session(max(chat_id, 0), max(session_id, 0))
    if found is None:
        raise Refused(refusal.INVALID_SESSION)
    chat, session_id, messages = found
    speakers = dict.fromkeys(message.sender_id for message in messages)
    shown = php.array({str(item.id): _shown(item, chat, world) for item in reversed(messages)})
    return {
        "chatId": chat.id,
        "canJoin": "Y",
        "canVoteHead": "Y",
        "sessionId": session_id,
        "sessionVoteHead": 0,
        "sessionCommentHead": None,
        "userId": f"chat{chat.id}",
        "message": shown,
        "usersMessage": {f"chat{chat.id}": [str(item.id) for item in reversed(messages)]},
        "users": php.array({str(user_id): _user(user_id) for user_id in speakers}),
        "openlines": {"canvoteashead": {_LINE: True}},
        "userInGroup": [],
        "woUserInGroup": [],
        "chat": {str(chat.id): {_camel(name): value for name, value in _dialog(chat, session_id).items()}},
        "userBlockChat": {str(chat.id): php.array({str(user_id): False for user_id in speakers})},
        "userInChat": {str(chat.id): list(speakers)},
        "files": [],
    }


def dialog_get(call: Call) -> dict[str, Any]:
    """``imopenlines.dialog.get``: a chat, with its session in the sixth field of ``entity_data_1``."""
    given = {name.upper(): value for name, value in call.parameters.items()}
    dialog = given.get("DIALOG_ID")
    chat_id = php.number(given.get("CHAT_ID") or (dialog.removeprefix("chat") if isinstance(dialog, str) else None))
    found = call.world.session(chat_id, 0) if chat_id is not None and chat_id > 0 else None
    if found is None:
        raise Refused(refusal.NO_DIALOG)
    return _dialog(found[0], found[1])


def profile(call: Call) -> dict[str, Any]:
    """``profile``: who the caller is."""
    return {
        "ID": str(call.caller.user_id),
        "ADMIN": True,
        "NAME": "Sandbox",
        "LAST_NAME": "Operator",
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
        "TIME_ZONE_OFFSET": 0,
    }


def scope(call: Call) -> list[str]:
    """``scope``: what the caller may use; with ``full``, all that the portal knows."""
    return [OPEN_LINES, "crm", "im"] if not php.is_empty(call.parameters.get("full")) else list(call.scopes)


def server_time(call: Call) -> str:
    """``server.time``: the portal's clock."""
    return iso(call.world.now())


def app_info(call: Call) -> dict[str, Any]:
    """``app.info``: about the application, or about the webhook."""
    if not call.caller.application:
        return {"SCOPE": list(call.scopes), "LICENSE": _LICENSE}
    return {
        "ID": 1,
        "CODE": call.caller.key,
        "VERSION": 1,
        "STATUS": "L",
        "INSTALLED": True,
        "PAYMENT_EXPIRED": "N",
        "DAYS": None,
        "LANGUAGE_ID": "ru",
        "LICENSE": _LICENSE,
        "LICENSE_TYPE": "ent250",
        "LICENSE_FAMILY": "ent",
    }


METHODS: dict[str, Method] = {
    "imopenlines.crm.message.add": Method(OPEN_LINES, message_add),
    "imopenlines.crm.chat.get": Method(OPEN_LINES, chat_get),
    "imopenlines.crm.chat.getlastid": Method(OPEN_LINES, chat_get_last_id),
    "imopenlines.crm.chat.user.add": Method(OPEN_LINES, chat_user_add),
    "imopenlines.session.history.get": Method(OPEN_LINES, session_history_get),
    "imopenlines.dialog.get": Method(OPEN_LINES, dialog_get),
    "profile": Method("", profile),
    "scope": Method("", scope),
    "server.time": Method("", server_time),
    "app.info": Method("", app_info),
}
"""By name in lower case: the portal takes names in any case."""


def _positive(given: Parameters, name: str) -> int:
    value = given.get(name)
    if php.is_empty(value):
        raise Refused(refusal.empty_argument(name))
    figure = php.number(value)
    if figure is None or figure <= 0:
        raise Refused(refusal.wrong_argument(name))
    return figure


def _entity(given: Parameters) -> tuple[str, int]:
    entity_type = given.get("CRM_ENTITY_TYPE")
    if php.is_empty(entity_type):
        raise Refused(refusal.empty_argument("CRM_ENTITY_TYPE"))
    entity_id = _positive(given, "CRM_ENTITY")
    name = php.text(entity_type)
    if name is None:
        raise Refused(refusal.wrong_argument("CRM_ENTITY_TYPE"))
    return name, entity_id


def _shown(message: Message, chat: Chat, world: World) -> dict[str, Any]:
    escaped = html.escape(message.text)
    spoken = {"class": _SPOKEN, "connectorMid": [str(message.id)]}
    return {
        "id": str(message.id),
        "chatid": str(chat.id),
        "senderid": str(message.sender_id),
        "recipientid": f"chat{chat.id}",
        "date": iso(message.at),
        "text": escaped if world.escape_history else message.text,
        "textlegacy": escaped.replace("\n", "<br />"),
        "params": [] if message.sender_id == chat.customer_id else spoken,
    }


def _user(user_id: int) -> dict[str, Any]:
    return {"id": str(user_id), "name": f"User {user_id}", "active": True, "extranet": False}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _dialog(chat: Chat, session_id: int) -> dict[str, Any]:
    entity_type, entity_id = chat.entity or ("", 0)
    crm = f"Y|{entity_type.upper()}|{entity_id}" if chat.entity else "N|NONE|0"
    return {
        "id": chat.id,
        "dialog_id": f"chat{chat.id}",
        "name": f"Customer {chat.customer_id} - {chat.connector_title}",
        "type": "lines",
        "entity_type": "LINES",
        "entity_id": f"{chat.connector_id}|{_LINE}|{chat.id}|{chat.customer_id}",
        "entity_data_1": f"{crm}|N|N|{session_id}|{int(chat.created_at)}|0|0|0",
        "date_create": iso(chat.created_at),
        "owner": 0,
        "time_zone": str(ZONE),
    }
