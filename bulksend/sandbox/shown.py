"""How the portal shows a chat, its dialog and its messages."""

import html
from typing import Any

from bulksend.sandbox import php
from bulksend.sandbox.chats import SYSTEM, Chat, Dialog, Message
from bulksend.sandbox.clock import ZONE, iso

_BY_SYSTEM = {"class": "bx-messenger-content-item-system"}
_SPOKEN = "bx-messenger-content-item-ol-output"
_SENT_BY_ITSELF = {"id": 1, "blocks": [{"message": "Sent automatically"}], "description": "", "color": "#df532d"}


def history(chat: Chat, of: Dialog, *, now: float, escaped: bool) -> dict[str, Any]:
    """The answer of ``imopenlines.session.history.get``."""
    newest_first = list(reversed(of.messages))
    speakers = dict.fromkeys(message.sender_id for message in of.messages)
    messages = {str(message.id): _message(message, chat, now, escaped=escaped) for message in newest_first}
    return {
        "chatId": chat.id,
        "canJoin": "Y",
        "canVoteHead": "Y",
        "sessionId": of.id,
        "sessionVoteHead": 0,
        "sessionCommentHead": None,
        "userId": f"chat{chat.id}",
        "message": php.array(messages),
        "usersMessage": {f"chat{chat.id}": list(messages)},
        "users": php.array({str(user_id): _user(user_id) for user_id in speakers}),
        "openlines": {"canvoteashead": {str(chat.channel.line): True}},
        "userInGroup": [],
        "woUserInGroup": [],
        "chat": {str(chat.id): {_camel(name): value for name, value in _chat(chat, of).items()}},
        "userBlockChat": {str(chat.id): php.array({str(user_id): False for user_id in speakers})},
        "userInChat": {str(chat.id): list(speakers)},
        "files": [],
    }


def dialog(chat: Chat, of: Dialog, *, now: float) -> dict[str, Any]:
    """The answer of ``imopenlines.dialog.get``."""
    read = [
        {"user_id": user_id, "user_name": f"User {user_id}", "message_id": message.id, "date": iso(message.at)}
        for user_id, message in chat.last_read(now).items()
    ]
    return _chat(chat, of) | {"readed_list": read}


def _message(message: Message, chat: Chat, now: float, *, escaped: bool) -> dict[str, Any]:
    with_entities = html.escape(message.text)
    return {
        "id": str(message.id),
        "chatid": str(chat.id),
        "senderid": str(message.sender_id),
        "recipientid": f"chat{chat.id}",
        "date": iso(message.at),
        "text": with_entities if escaped else message.text,
        "textlegacy": with_entities.replace("\n", "<br />"),
        "params": _params(message, chat, now),
    }


def _params(message: Message, chat: Chat, now: float) -> dict[str, Any] | list[Any]:
    """What is known of a message; an empty PHP array where nothing is."""
    if message.sender_id == chat.customer_id:
        return []
    if message.sender_id == SYSTEM:
        return _BY_SYSTEM
    params: dict[str, Any] = {"attach": [_SENT_BY_ITSELF], "class": _SPOKEN}
    if message.hidden:
        return params | {"componentId": "HiddenMessage"}
    if message.taken_at <= now:
        return params | {"connectorMid": [str(message.id)]}
    return params | {"sending": "Y", "sendingTs": str(int(message.at))}


def _chat(chat: Chat, of: Dialog) -> dict[str, Any]:
    entity_type, entity_id = chat.entity or ("", 0)
    crm = f"Y|{entity_type.upper()}|{entity_id}" if chat.entity else "N|NONE|0"
    line, closes_at = chat.channel.line, int(chat.closes_at or 0)
    return {
        "id": chat.id,
        "dialog_id": f"chat{chat.id}",
        "name": f"Customer {chat.customer_id} - {chat.channel.title}",
        "type": "lines",
        "entity_type": "LINES",
        "entity_id": f"{chat.channel.connector}|{line}|{chat.id}|{chat.customer_id}",
        "entity_data_1": f"{crm}|N|N|{of.id}|{int(chat.created_at)}|{line}|{closes_at}|{chat.block_reason}",
        "entity_data_3": "Y" if chat.silent else "N",
        "date_create": iso(chat.created_at),
        "owner": chat.operator,
        "time_zone": str(ZONE),
    }


def _user(user_id: int) -> dict[str, Any]:
    return {"id": str(user_id), "name": f"User {user_id}", "active": True, "extranet": False}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
