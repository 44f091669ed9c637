"""How the portal shows a chat, its dialog and its messages."""

import html
from typing import Any

from bulksend.sandbox import php
from bulksend.sandbox.chats import SYSTEM, Chat, Dialog, Message
from bulksend.sandbox.clock import iso

_BY_SYSTEM = {"class": "bx-messenger-content-item-system"}
_SPOKEN = "bx-messenger-content-item-ol-output"
_SENT_BY_ITSELF = {"id": 1, "blocks": [{"message": "Sent automatically"}], "description": "", "color": "#df532d"}


def history(chat: Chat, of: Dialog, *, now: float, escaped: bool) -> dict[str, Any]:
    """The answer of ``imopenlines.session.history.get``."""
    newest_first = list(reversed(of.messages))
    speakers = dict.fromkeys(message.sender_id for message in of.messages)
    messages = {str(message.id): _message(message, chat, now, escaped=escaped) for message in newest_first}
    in_history = {
        "id": str(chat.id),
        "owner": str(chat.operator),
        "call": "0",
        "callNumber": "",
        "muteList": php.array({str(user_id): False for user_id in speakers}),
    }
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
        "chat": {str(chat.id): _in_camel_case(_chat(chat, of)) | in_history},
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
    last = next((message.id for message in chat.newest_first()), 0)
    views = {"message_id": last, "first_viewers": [_viewer(reader) for reader in read], "count_of_viewers": 0}
    own = {"id": chat.id, "dialog_id": f"chat{chat.id}", "owner": chat.operator}
    ids = {"last_message_id": last, "last_id": last, "last_message_views": views}
    return _chat(chat, of) | _DIALOG | own | ids | {"readed_list": read}


def _viewer(reader: dict[str, Any]) -> dict[str, Any]:
    return {name: reader[name] for name in ("user_id", "user_name", "date")}


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
    """What both methods show of a chat, under the keys of ``imopenlines.dialog.get``."""
    entity_type, entity_id = chat.entity or ("", 0)
    crm = f"Y|{entity_type.upper()}|{entity_id}" if chat.entity else "N|NONE|0"
    line, closes_at = chat.channel.line, int(chat.closes_at or 0)
    address = f"{chat.channel.connector}|{line}|{chat.id}|{chat.customer_id}"
    bound = (f"{kind.upper()}|{entity_id if kind == entity_type else 0}" for kind in _BOUND)
    return _CHAT | {
        "name": f"Customer {chat.customer_id} - {chat.channel.title}",
        "entity_id": address,
        "entity_data_1": f"{crm}|N|N|{of.id}|{int(chat.created_at)}|{line}|{closes_at}|{chat.block_reason}",
        "entity_data_2": "|".join(bound),
        "entity_data_3": "Y" if chat.silent else "N",
        "entity_link": {"type": "LINES", "url": "", "id": address},
        "message_count": sum(len(each.messages) for each in chat.dialogs),
        "date_create": iso(chat.created_at),
        "manager_list": [chat.operator] if chat.operator else [],
    }


_BOUND = ("lead", "company", "contact", "deal")

_CHAT: dict[str, Any] = {
    "parent_chat_id": 0,
    "parent_message_id": 0,
    "extranet": False,
    "avatar": "",
    "color": "#58cc47",
    "type": "lines",
    "entity_type": "LINES",
    "message_type": "L",
    "public": "",
    "text_field_enabled": True,
    "background_id": None,
    "permissions": {
        "manage_users_add": "member",
        "manage_users_delete": "manager",
        "manage_ui": "member",
        "manage_settings": "owner",
        "manage_messages": "member",
        "can_post": "member",
    },
    "is_new": False,
}
"""What is the same of every chat; here and below nobody's program looks at it, but a portal has it."""

_DIALOG: dict[str, Any] = {
    "description": None,
    "counter": 0,
    "user_counter": 2,
    "unread_id": 0,
    "restrictions": dict.fromkeys(
        ("avatar", "rename", "extend", "call", "mute", "leave", "leave_owner", "send", "user_list"), True
    ),
    "marked_id": 0,
    "disk_folder_id": 0,
    "mute_list": [],
    "role": "owner",
}

_USER: dict[str, Any] = {
    "active": True,
    "firstName": "User",
    "workPosition": "",
    "color": "#4ba984",
    "avatar": "",
    "avatarId": None,
    "birthday": "",
    "gender": "F",
    "phoneDevice": False,
    "phones": False,
    "extranet": False,
    "network": False,
    "bot": False,
    "connector": False,
    "externalAuthId": "default",
    "status": "online",
    "idle": False,
    "lastActivityDate": iso(0),
    "mobileLastDate": False,
    "desktopLastDate": False,
    "departments": [1],
    "absent": False,
    "type": "user",
    "services": None,
    "botData": None,
}


def _user(user_id: int) -> dict[str, Any]:
    own = {"id": str(user_id), "name": f"User {user_id}", "lastName": str(user_id)}
    return _USER | own | {"profile": f"/company/personal/user/{user_id}/"}


def _in_camel_case(shown: Any) -> Any:
    if isinstance(shown, dict):
        return {_camel(name): _in_camel_case(value) for name, value in shown.items()}
    return shown


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
