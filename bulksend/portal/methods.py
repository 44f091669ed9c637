"""The portal's methods that this tool calls: their names, their parameters, and how their results are read.

Parameters are flat and named as the vendor's REST documentation of the open-channel methods has them.
"""

import contextlib
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

MESSAGE_ADD = "imopenlines.crm.message.add"
HISTORY_GET = "imopenlines.session.history.get"
CHAT_GET = "imopenlines.crm.chat.get"
DIALOG_GET = "imopenlines.dialog.get"
USER_ADD = "imopenlines.crm.chat.user.add"
SESSION_START = "imopenlines.session.start"
PROFILE = "profile"
SCOPE = "scope"
APP_INFO = "app.info"
BATCH = "batch"

LONGEST_MESSAGE = 20_000
"""Characters; the messenger cuts a longer text and adds `CUT_MARK`."""
CUT_MARK = " (...)"
LONGEST_BATCH = 50
"""Calls in one batch; the portal refuses those beyond."""

Call = tuple[str, dict[str, Any]]
"""A method's name and its parameters, as `Client.call` takes them."""

_REFERENCE = re.compile(r"\$(?:result|next|total|time|error)", re.IGNORECASE)
_MARKUP = re.compile(r"<[a-z/!?]|script\s*:|\bon[a-z]+\s*=|expression\s*\(", re.IGNORECASE)
_LARGEST_ID = 2**63 - 1
_LINE_END = re.compile(r"\r\n|\r|<br\s*/?>|\[br\]", re.IGNORECASE)
_ENTITY_ROUNDS = 4


def message_add(entity_type: str, entity_id: int, user_id: int, chat_id: int, message: str) -> Call:
    """Send one message. Not idempotent: the same call made twice puts two messages in front of a customer."""
    return MESSAGE_ADD, {
        "CRM_ENTITY_TYPE": entity_type,
        "CRM_ENTITY": entity_id,
        "USER_ID": user_id,
        "CHAT_ID": chat_id,
        "MESSAGE": message,
    }


def batch_may_change(text: str) -> bool:
    """Whether the portal may change a text in a batch, so that it has to be sent by a call of its own.

    It puts what earlier calls gave in place of references such as ``$result[r1]``, and its protection filter breaks up
    what looks like a tag or a script.
    """
    # Most texts hold none of these signs, and to see that takes far less time than a regular expression does.
    if "$" in text and "[" in text and (reference := _REFERENCE.search(text)) and "[" in text[reference.end() :]:
        return True
    signs = "<" in text or "=" in text or "(" in text or "script" in text.lower()
    return signs and _MARKUP.search(text) is not None


def read_message_id(result: Any) -> int:
    """Read what `message_add` gave: the new message's id, a number or a numeric string.

    Raises:
        ValueError: it is not an id.
    """
    return _id(result)


def history_get(chat_id: int) -> Call:
    """Read back the messages of a chat's last session."""
    return HISTORY_GET, {"CHAT_ID": chat_id}


class HandOver(Enum):
    """Whether a message was handed over to the channel, as its ``params`` say."""

    NOT_TOLD = auto()
    HIDDEN = auto()
    """Written in silent mode, and never handed over."""
    SENDING = auto()
    """Handed over, and not confirmed."""
    TAKEN = auto()
    """The channel has given it an id of its own."""


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """One message of a chat's history.

    Attributes:
        id: rises over the portal's life.
        sender_id: who spoke; 0 is the system.
        date: when, with its offset; None where the portal gave none that can be read.
        text: as the portal shows it.
        legacy: its older form, which some portals fill instead.
        hand_over: what became of it after the portal had taken it.
    """

    id: int
    sender_id: int
    date: datetime | None
    text: str = field(repr=False)
    legacy: str = field(repr=False)
    hand_over: HandOver = HandOver.NOT_TOLD

    def shows(self, stored: str) -> bool:
        """Whether this is a message whose `stored_text` is the one given."""
        return any(stored in (_plain(text), stored_text(text)) for text in (self.text, self.legacy) if text)


@dataclass(frozen=True, slots=True)
class History:
    """The messages of a chat's last session, oldest first.

    Attributes:
        messages: may be empty.
        chat_id: whose it is, None where the portal does not say.
    """

    messages: list[HistoryMessage]
    chat_id: int | None = None


def read_history(result: Any) -> History:
    """Read what `history_get` gave; ids may be strings, and the messages an object, a list or ``[]``.

    Raises:
        ValueError: it is not a history. (An empty one is; nothing may be concluded from an unreadable one.)
    """
    if not isinstance(result, Mapping) or "message" not in result:
        raise ValueError("no history")
    found = result["message"]
    if isinstance(found, Mapping):
        items: Iterable[Any] = found.values()
    elif isinstance(found, list):
        items = found
    else:
        raise ValueError("no messages")  # noqa: TRY004 - unreadable is one thing for the caller
    messages = sorted((_message(item) for item in items), key=lambda message: message.id)
    try:
        chat_id: int | None = _id(result.get("chatId"))
    except ValueError:
        chat_id = None
    return History(messages, chat_id)


def _message(item: Any) -> HistoryMessage:
    if not isinstance(item, Mapping):
        raise ValueError("no message")  # noqa: TRY004 - unreadable is one thing for the caller
    sender = item.get("senderid")
    return HistoryMessage(
        id=_id(item.get("id")),
        sender_id=0 if sender in (0, "0", "", None) else _id(sender),
        date=_date(item.get("date")),
        text=_string(item.get("text")),
        legacy=_string(item.get("textlegacy")),
        hand_over=_hand_over(item.get("params")),
    )


def _hand_over(params: Any) -> HandOver:
    if not isinstance(params, Mapping):  # an empty PHP array is a list
        return HandOver.NOT_TOLD
    told = {str(name).replace("_", "").lower(): value for name, value in params.items()}
    if told.get("componentid") == "HiddenMessage":
        return HandOver.HIDDEN
    ids = told.get("connectormid")
    if any(ids.values() if isinstance(ids, Mapping) else ids if isinstance(ids, list) else [ids]):
        return HandOver.TAKEN
    return HandOver.SENDING if told.get("sending") in ("Y", ["Y"]) else HandOver.NOT_TOLD


def dialog_get(chat_id: int) -> Call:
    """Ask how a chat's dialog stands and who has read what."""
    return DIALOG_GET, {"CHAT_ID": chat_id}


@dataclass(frozen=True, slots=True)
class Dialog:
    """How a chat's last dialog stands.

    Attributes:
        silent: whether silent mode is on: what the operator writes is not handed over to the customer.
        closes_at: when its channel stops to take messages, or has stopped (Unix seconds); None where it does not.
        forbidden: whether the channel takes no messages because the customer has forbidden them.
        customer_has_read: the id of the last message that the customer has read; 0 where none is named.
        entity: the kind and the id of the CRM entity that it is bound to; None where it is bound to none.
    """

    silent: bool = False
    closes_at: int | None = None
    forbidden: bool = False
    customer_has_read: int = 0
    entity: tuple[str, int] | None = None


def read_dialog(result: Any) -> Dialog:
    """Read what `dialog_get` gave.

    Raises:
        ValueError: it is not a dialog.
    """
    if not isinstance(result, Mapping) or "entity_data_1" not in result:
        raise ValueError("no dialog")
    # connector|line|external chat|external user
    customer = _string(result.get("entity_id")).split("|")[3:4]
    # crm|type|id|pause|wait|session|created|line|block date|block reason; the last two may be missing
    data = [*_string(result["entity_data_1"]).split("|"), *[""] * 10]
    block_date, block_reason = data[8:10]
    closes_at = int(block_date) if block_date.isascii() and block_date.isdecimal() else 0
    return Dialog(
        silent=_string(result.get("entity_data_3")).startswith("Y"),
        closes_at=closes_at or None,
        forbidden=bool(closes_at) and block_reason.strip().upper() == "USER",
        customer_has_read=_last_read(result.get("readed_list"), customer[0] if customer else ""),
        entity=_entity(*data[:3]),
    )


def _entity(bound: str, kind: str, number: str) -> tuple[str, int] | None:
    with contextlib.suppress(ValueError):
        if bound == "Y" and kind:
            return kind.lower(), _id(number)
    return None


def _last_read(readers: Any, customer: str) -> int:
    """The last message that a user has read, in a list of who has read what; 0 where it names none."""
    listed = readers.values() if isinstance(readers, Mapping) else readers if isinstance(readers, list) else []
    read = [0]
    for reader in listed:
        if isinstance(reader, Mapping) and customer and _string(reader.get("user_id")) == customer:
            with contextlib.suppress(ValueError):
                read.append(_id(reader.get("message_id")))
    return max(read)


def chat_get(entity_type: str, entity_id: int, *, active_only: bool = True) -> Call:
    """List the open-channel chats of a CRM entity; `message_add` accepts those that are listed as active."""
    return CHAT_GET, {
        "CRM_ENTITY_TYPE": entity_type,
        "CRM_ENTITY": entity_id,
        "ACTIVE_ONLY": "Y" if active_only else "N",
    }


@dataclass(frozen=True, slots=True)
class Chat:
    """An open-channel chat of a CRM entity, and the channel it came through."""

    id: int
    connector_id: str
    connector_title: str


def read_chats(result: Any) -> list[Chat]:
    """Read what `chat_get` gave, in the portal's order.

    Raises:
        ValueError: it is not a list of chats.
    """
    items: Iterable[Any]
    if isinstance(result, Mapping):
        items = result.values()
    elif isinstance(result, list):
        items = result
    else:
        raise ValueError("no list of chats")  # noqa: TRY004 - unreadable is one thing for the caller
    chats = []
    for item in items:
        if not isinstance(item, Mapping):
            raise ValueError("no chat")  # noqa: TRY004 - likewise
        chats.append(
            Chat(_id(item.get("CHAT_ID")), _string(item.get("CONNECTOR_ID")), _string(item.get("CONNECTOR_TITLE")))
        )
    return chats


def user_add(entity_type: str, entity_id: int, user_id: int, chat_id: int) -> Call:
    """Make a user a member of a chat; refused with ``WRONG_REQUEST`` when already one."""
    return USER_ADD, {
        "CRM_ENTITY_TYPE": entity_type,
        "CRM_ENTITY": entity_id,
        "USER_ID": user_id,
        "CHAT_ID": chat_id,
    }


def session_start(chat_id: int) -> Call:
    """Start a chat's dialog again, with the caller as its operator; one that is open the caller only joins."""
    return SESSION_START, {"CHAT_ID": chat_id}


def profile() -> Call:
    """Ask who the credentials belong to; needs no scope."""
    return PROFILE, {}


@dataclass(frozen=True, slots=True)
class Profile:
    """Whom the portal takes the caller for."""

    id: int
    name: str
    admin: bool


def read_profile(result: Any) -> Profile:
    """Read what `profile` gave.

    Raises:
        ValueError: it is not a profile.
    """
    if not isinstance(result, Mapping):
        raise ValueError("no profile")  # noqa: TRY004 - unreadable is one thing for the caller
    names = (_string(result.get(key)).strip() for key in ("NAME", "LAST_NAME"))
    return Profile(
        id=_id(result.get("ID")),
        name=" ".join(name for name in names if name),
        admin=result.get("ADMIN") in (True, "Y", "true", "1", 1),
    )


def scope() -> Call:
    """Ask what the credentials may use."""
    return SCOPE, {}


def read_scopes(result: Any) -> list[str]:
    """Read what `scope` gave, in lower case.

    Raises:
        ValueError: it is not a list of scopes.
    """
    items = list(result.values()) if isinstance(result, Mapping) else result
    if not isinstance(items, list):
        raise ValueError("no list of scopes")  # noqa: TRY004 - unreadable is one thing for the caller
    return [_string(item).strip().lower() for item in items]


def app_info() -> Call:
    """Ask about the application; to a webhook a portal says of itself what it says to everybody, or nothing."""
    return APP_INFO, {}


def read_plan(result: Any) -> str:
    """Read the portal's plan out of what `app_info` gave, such as ``ru_ent250``; empty where it is not told."""
    return _string(result.get("LICENSE")) if isinstance(result, Mapping) else ""


def stored_text(text: str) -> str:
    """The form in which a text that was sent can be compared with what a history shows (`HistoryMessage.shows`).

    The portal trims a text, cuts it at `LONGEST_MESSAGE` characters, and may show it with HTML entities and other
    line ends.
    """
    trimmed = _LINE_END.sub("\n", text).strip()
    # The messenger counts the characters that were sent, so the cut comes before the entities are read.
    if len(trimmed) > LONGEST_MESSAGE and not trimmed.endswith(CUT_MARK):
        trimmed = trimmed[:LONGEST_MESSAGE] + CUT_MARK
    return _plain(trimmed)


def _plain(text: str) -> str:
    # Until nothing changes: a text that was sent with entities in it may come back with them encoded once more.
    for _ in range(_ENTITY_ROUNDS):
        decoded = html.unescape(text)
        if decoded == text:
            break
        text = decoded
    return _LINE_END.sub("\n", text).strip()


def _id(value: Any) -> int:
    """A positive id out of a number or a numeric string; ValueError for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 32:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST_ID:
        raise ValueError("no id")
    return value


def _string(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _date(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    return date if date.tzinfo is not None else None
