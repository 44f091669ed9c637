"""What a portal keeps of its open channels: entities, chats, their dialogs one after another, messages."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from bulksend.sandbox.refusal import Refusal

TEXT_LIMIT = 20_000
"""Characters of a message; the messenger cuts what is longer (portal documentation: messages)."""

NEVER = math.inf
SYSTEM = 0
"""The sender of the portal's own messages."""

_FIRST_CUSTOMER = 1_000_000


class Status(IntEnum):
    """Where a dialog stands; from ``CLOSED`` on it is finished."""

    NEW = 0
    SKIPPED = 5
    ANSWERED = 10
    CLIENT = 20
    CLIENT_AGAIN = 25
    OPERATOR = 40
    WAITING = 50
    CLOSED = 60
    SPAM = 65
    DUPLICATE = 69
    CLOSED_SILENTLY = 75


class Delivery(NamedTuple):
    """One message that was carried out; ``text`` as it arrived, ``at`` in Unix seconds of the portal's clock."""

    message_id: int
    chat_id: int
    user_id: int
    text: str
    entity_type: str
    entity_id: int
    at: float


class Start(NamedTuple):
    """One ``imopenlines.session.start`` that was carried out; ``new``: a dialog began, else the caller joined one."""

    chat_id: int
    session_id: int
    user_id: int
    new: bool
    at: float


@dataclass(slots=True)
class Channel:
    """What a chat goes over; ``confirms_after`` are the seconds until it has taken a message (0: at once)."""

    connector: str
    title: str
    line: int = 1
    on: bool = True
    """Whether it is switched on: chats over another one are neither listed nor active."""
    line_on: bool = True
    """Whether its open line is switched on: messages over another one are accepted and fail at the hand-over."""
    confirms_after: float = 0.0


@dataclass(slots=True)
class Message:
    """One message in a chat's history; ``text`` as the messenger keeps it."""

    id: int
    sender_id: int
    text: str
    at: float
    taken_at: float = NEVER
    """When the channel takes it, of what is handed over."""
    hidden: bool = False
    """Whether it was written in silent mode and is never handed over."""


@dataclass(slots=True)
class Dialog:
    """A session of a chat."""

    id: int
    status: Status
    messages: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class Chat:
    """A chat; the last one of its dialogs counts."""

    id: int
    number: int
    created_at: float
    channel: Channel
    dialogs: list[Dialog] = field(default_factory=list)
    members: set[int] | None = None
    """Who may speak in it; ``None``: everybody."""
    operator: int = 0
    joinable: bool = True
    """Whether users may be added to it, and the caller may start its dialog."""
    stray: bool = False
    """Whether it belongs to an entity that nobody asks about."""
    group: bool = False
    """Whether it is a chat of colleagues and no open channel."""
    refuses: Refusal | None = None
    silent: bool = False
    """Whether its operator has switched silent mode on."""
    closes_at: float | None = None
    """When its channel stops to take messages; ``None``: never."""
    block_reason: str = ""
    read_after: float = NEVER
    """Seconds after which the customer has read what the channel has taken."""
    entity: tuple[str, int] | None = None
    changed: int = 0
    """A count that rises over all chats: the chat with the highest one changed last."""

    @property
    def customer_id(self) -> int:
        """The user id under which the customer writes."""
        return _FIRST_CUSTOMER + self.number

    @property
    def dialog(self) -> Dialog:
        """Its last dialog."""
        return self.dialogs[-1]

    @property
    def active(self) -> bool:
        """Whether it takes messages: somebody has taken its dialog, and its channel is on."""
        return Status.ANSWERED <= self.dialog.status < Status.WAITING and self.channel.on and not self.group

    def takes_at(self, now: float) -> float:
        """When its channel takes a message that is handed over now."""
        closed = self.closes_at is not None and self.closes_at <= now
        return NEVER if closed or not self.channel.line_on else now + self.channel.confirms_after

    def newest_first(self) -> Iterator[Message]:
        """All its messages."""
        for dialog in reversed(self.dialogs):
            yield from reversed(dialog.messages)

    def last_read(self, now: float) -> dict[int, Message]:
        """The last message that each user has read: their own at least, and what the customer was shown in time."""
        read: dict[int, Message] = {}
        for message in self.newest_first():
            if self.customer_id not in read and message.taken_at + self.read_after <= now:
                read[self.customer_id] = message
            if message.sender_id != SYSTEM:
                read.setdefault(message.sender_id, message)
        return read


@dataclass(slots=True)
class Entity:
    """A CRM entity; ``forbidden`` is true for all users, or the ids of those who may not read it."""

    chats: tuple[int, ...] = ()
    forbidden: bool | frozenset[int] = False
    listed: bool = False
    """Whether its chats were given explicitly: then no other chat is ever taken for one of its own."""

    def readable_by(self, user_id: int) -> bool:
        """Tell whether this user may read the entity."""
        return user_id not in self.forbidden if isinstance(self.forbidden, frozenset) else not self.forbidden


def kept_text(text: str) -> str:
    """A text as the messenger keeps it: trimmed, line ends made one kind, cut at 20,000 characters."""
    kept = text.strip()
    if "\r" in kept:
        kept = kept.replace("\r\n", "\n").replace("\r", "\n")
    return kept if len(kept) <= TEXT_LIMIT else kept[:TEXT_LIMIT] + " (...)"
