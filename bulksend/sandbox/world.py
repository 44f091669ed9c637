"""The world behind the portal: CRM entities, their chats, what was said in them, and the ledger."""

import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

from bulksend.sandbox import refusal
from bulksend.sandbox.clock import server_ahead
from bulksend.sandbox.refusal import Refusal, Refused

TEXT_LIMIT = 20_000
"""Characters of a message; the messenger cuts what is longer (portal documentation: messages)."""

ENTITY_TYPES = {"lead": 1, "deal": 2, "contact": 3, "company": 4}

FORBIDDEN_DEAL = 403
STRAY_CHAT, CLOSED_CHAT, MUTE_CHAT, FINISHED_CHAT, BROKEN_CHAT, LOCKED_CHAT = 404, 405, 406, 407, 408, 409
"""Ids that always refuse in an open world, so that a sample sheet can show every refusal."""

_CUSTOMER_WROTE_BEFORE = 3600.0
_FIRST_CUSTOMER = 1_000_000
_FIRST_SESSION = 300
_UNSEEN_CHATS_FROM = 1_000_000

Members = set[int] | None


class Delivery(NamedTuple):
    """One message that reached a customer; ``text`` as it arrived, ``at`` in Unix seconds of the portal's clock."""

    message_id: int
    chat_id: int
    user_id: int
    text: str
    entity_type: str
    entity_id: int
    at: float


class Message(NamedTuple):
    """One message in a chat's history; ``text`` as the messenger keeps it."""

    id: int
    sender_id: int
    text: str
    at: float


@dataclass(slots=True)
class Chat:
    """An open-channel chat; ``members`` is ``None`` where everybody is one."""

    id: int
    number: int
    created_at: float
    active: bool = True
    members: Members = None
    connector_id: str = "livechat"
    connector_title: str = "Live Chat"
    joinable: bool = True
    stray: bool = False
    refuses: Refusal | None = None
    entity: tuple[str, int] | None = None
    changed: int = 0
    """A count that rises over all chats: the chat with the highest one changed last."""
    messages: list[Message] = field(default_factory=list)
    sessions: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of a session's id and the position of its first message in ``messages``."""

    @property
    def customer_id(self) -> int:
        """The user id under which the customer writes."""
        return _FIRST_CUSTOMER + self.number


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


class World:
    """Everything the portal knows. Safe to use from several threads.

    An open world takes any entity with any chat at first sight and remembers the pair; only the reserved ids refuse.
    A closed one knows what was added and nothing else.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.clock_skew = 0.0
        """Seconds by which the portal's clock is ahead of this computer's."""
        self.history_refused = False
        """Refuse to show any chat's history (ACCESS_DENIED)."""
        self.empty_history = False
        """Begin sessions without a word of the customer's."""
        self.escape_history = False
        """Show texts in histories with HTML entities, as some versions of the messenger do."""
        self.inactive_users: set[int] = set()
        """Users who left the company: nobody can add them to a chat."""
        self.ledger: list[Delivery] = []
        self._lock = threading.RLock()
        self._entities: dict[tuple[str, int], Entity] = {("deal", FORBIDDEN_DEAL): Entity(forbidden=True, listed=True)}
        self._chats: dict[int, Chat] = {}
        self._sessions: dict[int, Chat] = {}
        self._changes = 0
        self._first_id = self._next_id = int(time.time() * 1000)
        self._next_session = _FIRST_SESSION

    @classmethod
    def closed(cls) -> Self:
        """Make a world that knows only what is added to it; no ids are reserved."""
        world = cls()
        world.is_open = False
        world._entities.clear()
        return world

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, int, int, int]]) -> Self:
        """Make an open world from rows of (entity type, entity id, chat id, user id); reserved ids still refuse."""
        world = cls()
        for entity_type, entity_id, chat_id, _user_id in rows:
            if (entity_type, entity_id) != ("deal", FORBIDDEN_DEAL):
                world.add_entity(entity_type, entity_id, chats=() if chat_id == STRAY_CHAT else (chat_id,))
        return world

    def start_ids_at(self, first_message_id: int) -> None:
        """Give the next message this id; later ones rise from it."""
        with self._lock:
            self._first_id = self._next_id = first_message_id

    def now(self) -> float:
        """The portal's clock, Unix seconds."""
        return time.time() + self.clock_skew + server_ahead.get()

    def add_entity(
        self,
        entity_type: str,
        entity_id: int,
        *,
        chats: Iterable[int] = (),
        forbidden: bool | Iterable[int] | None = None,
    ) -> None:
        """Add an entity, or more chats to it; ``forbidden``: to everybody, or the users who may not read it.

        From then on the entity has the chats that were added and no others, in an open world too.
        """
        with self._lock:
            entity = self._entities.setdefault((entity_type.lower(), entity_id), Entity())
            entity.listed = True
            if forbidden is not None:
                entity.forbidden = forbidden if isinstance(forbidden, bool) else frozenset(forbidden)
            for chat_id in chats:
                self._link(entity_type.lower(), entity_id, entity, self._chat(chat_id))

    def add_chat(
        self,
        chat_id: int,
        entity_type: str = "",
        entity_id: int = 0,
        *,
        active: bool = True,
        members: Iterable[int] | None = None,
        connector: str = "livechat",
        connector_title: str = "",
        joinable: bool = True,
        refuses: str = "",
    ) -> None:
        """Add a chat, or change the one that is there.

        Args:
            chat_id: The numeric id.
            entity_type: The entity it belongs to, where it belongs to one.
            entity_id: That entity's id.
            active: Whether its dialog is going on.
            members: Who may speak in it; ``None``: everybody.
            connector: The channel's id, such as ``livechat`` or ``telegrambot``.
            connector_title: The channel's name; the id where empty.
            joinable: Whether users may be added to it.
            refuses: The code with which the messenger refuses every message, where it does.
        """
        with self._lock:
            chat = self._chat(chat_id)
            self._touch(chat)
            chat.active = active
            chat.stray = False
            chat.members = None if members is None else set(members)
            chat.connector_id = connector
            chat.connector_title = connector_title or ("Live Chat" if connector == "livechat" else connector)
            chat.joinable = joinable
            chat.refuses = _refusal(refuses) if refuses else None
            if entity_type:
                self.add_entity(entity_type, entity_id, chats=(chat_id,))

    def set_active(self, chat_id: int, *, active: bool) -> None:
        """Finish the dialog in a chat, or open it again."""
        with self._lock:
            chat = self._chat(chat_id)
            self._touch(chat)
            chat.active = active

    def say(self, chat_id: int, user_id: int, text: str, at: datetime | float | None = None) -> int:
        """Put a message into a chat's history (not into the ledger) and give its id.

        Args:
            chat_id: The chat; made where it is not there.
            user_id: Who speaks; 0 is the customer.
            text: What is said.
            at: When, Unix seconds or an aware datetime; the portal's now where ``None``.
        """
        with self._lock:
            chat = self._chat(chat_id)
            when = self.now() if at is None else at.timestamp() if isinstance(at, datetime) else at
            return self._write(chat, user_id or chat.customer_id, text, when)

    def new_session(self, chat_id: int) -> int:
        """Begin a new session in a chat: the customer writes again, and older messages leave its last history."""
        with self._lock:
            chat = self._chat(chat_id)
            session_id = self._open_session(chat)
            if not self.empty_history:
                self._write(chat, chat.customer_id, "Hello again!", self.now())
            return session_id

    def begin_sessions_after(self, message_ids: Collection[int]) -> None:
        """Begin a new session in each chat that one of these messages was delivered to."""
        with self._lock:
            for chat_id in {delivery.chat_id for delivery in self.ledger if delivery.message_id in message_ids}:
                self.new_session(chat_id)

    def deliver(self, entity_type: str, entity_id: int, chat_id: int, user_id: int, text: str, *, caller: int) -> int:
        """Carry out a message: check who may speak where, write it into the chat and the ledger, give its id.

        Raises:
            Refused: ACCESS_DENIED, CHAT_NOT_IN_CRM, CANCELED, MESSAGE_ADD_ERROR, in the portal's order of checks.
        """
        with self._lock:
            key = (entity_type.lower(), entity_id)
            entity = self._readable(key, caller)
            if not entity.readable_by(user_id):
                raise Refused(refusal.ACCESS_DENIED)
            chat = self._active_chat(key, entity, chat_id)
            if chat.members is not None and user_id not in chat.members:
                raise Refused(refusal.CANCELED)
            if chat.refuses:
                raise Refused(chat.refuses)
            if not text.strip():
                raise Refused(refusal.MESSAGE_ADD_ERROR)
            now = self.now()
            message_id = self._write(chat, user_id, text, now)
            self.ledger.append(Delivery(message_id, chat_id, user_id, text, key[0], entity_id, now))
            return message_id

    def chats_of(self, entity_type: str, entity_id: int, caller: int, *, active_only: bool) -> list[Chat]:
        """List an entity's chats, the most recently changed first.

        Raises:
            Refused: ACCESS_DENIED.
        """
        with self._lock:
            key = (entity_type.lower(), entity_id)
            unseen = key not in self._entities and key[0] in ENTITY_TYPES
            entity = self._readable(key, caller)
            if unseen and self.is_open:
                made = _UNSEEN_CHATS_FROM + entity_id * 10 + ENTITY_TYPES[key[0]]
                self._link(*key, entity, self._chat(made))
            chats = sorted((self._chats[chat_id] for chat_id in entity.chats), key=lambda chat: -chat.changed)
            return [chat for chat in chats if chat.active or not active_only]

    def join(self, entity_type: str, entity_id: int, chat_id: int | None, user_id: int, caller: int) -> int:
        """Make a user a member of an entity's chat (``None``: of its last chat); give the chat's id, or 0.

        Raises:
            Refused: ACCESS_DENIED, CHAT_NOT_IN_CRM, ERROR_ARGUMENT, CRM_CHAT_USER_NOT_ACTIVE, WRONG_REQUEST.
        """
        with self._lock:
            key = (entity_type.lower(), entity_id)
            entity = self._readable(key, caller)
            if chat_id is None:
                chats = self.chats_of(entity_type, entity_id, caller, active_only=False)
                chat_id = chats[0].id if chats else 0
            if chat_id <= 0:
                return chat_id
            chat = self._active_chat(key, entity, chat_id)
            if not chat.joinable:
                raise Refused(refusal.ACCESS_DENIED)
            if user_id <= 0:
                raise Refused(refusal.empty_argument("USER_ID"))
            if user_id in self.inactive_users:
                raise Refused(refusal.USER_NOT_ACTIVE)
            if not entity.readable_by(user_id):
                raise Refused(refusal.ACCESS_DENIED)
            if chat.members is None or user_id in chat.members:
                raise Refused(refusal.ALREADY_MEMBER)
            chat.members.add(user_id)
            return chat_id

    def chat(self, chat_id: int) -> Chat | None:
        """A chat by its id; ``None`` where the world is closed and does not know it."""
        with self._lock:
            known = self._chats.get(chat_id)
            return known if known or not self.is_open else self._new_chat(chat_id)

    def session(self, chat_id: int, session_id: int) -> tuple[Chat, int, list[Message]] | None:
        """One session of a chat (0: its last one) with its messages; by the session's id alone where chat_id is 0."""
        with self._lock:
            chat = self.chat(chat_id) if chat_id else self._sessions.get(session_id)
            if chat is None:
                return None
            self._begin(chat)
            starts = dict(chat.sessions)
            session_id = session_id or chat.sessions[-1][0]
            if session_id not in starts:
                return None
            ends = [start for start in starts.values() if start > starts[session_id]]
            return chat, session_id, chat.messages[starts[session_id] : ends[0] if ends else None]

    def _readable(self, key: tuple[str, int], caller: int) -> Entity:
        if key[0] not in ENTITY_TYPES:
            return Entity(listed=True)  # the caller is an administrator, whom nothing is forbidden
        entity = self._entities.get(key)
        if entity is None:
            if not self.is_open:
                raise Refused(refusal.ACCESS_DENIED)
            entity = self._entities[key] = Entity()
        if not entity.readable_by(caller):
            raise Refused(refusal.ACCESS_DENIED)
        return entity

    def _active_chat(self, key: tuple[str, int], entity: Entity, chat_id: int) -> Chat:
        chat = self.chat(chat_id)
        if chat is None or chat.stray:
            raise Refused(refusal.CHAT_NOT_IN_CRM)
        if chat_id not in entity.chats:
            if entity.listed or not self.is_open:
                raise Refused(refusal.CHAT_NOT_IN_CRM)
            self._link(*key, entity, chat)
        if not chat.active:
            raise Refused(refusal.CHAT_NOT_IN_CRM)
        return chat

    def _link(self, entity_type: str, entity_id: int, entity: Entity, chat: Chat) -> None:
        if chat.id not in entity.chats:
            entity.chats += (chat.id,)
        if chat.entity is None:
            chat.entity = (entity_type, entity_id)

    def _chat(self, chat_id: int) -> Chat:
        return self._chats.get(chat_id) or self._new_chat(chat_id)

    def _new_chat(self, chat_id: int) -> Chat:
        chat = self._chats[chat_id] = Chat(chat_id, number=len(self._chats), created_at=self.now())
        self._touch(chat)
        if self.is_open:
            _reserve(chat)
        return chat

    def _touch(self, chat: Chat) -> None:
        self._changes += 1
        chat.changed = self._changes

    def _begin(self, chat: Chat) -> None:
        """Put in what an open-channel chat begins with: a session and the customer's own first message.

        Its id lies below those of all messages sent, whenever the chat is looked at for the first time.
        """
        if not chat.sessions:
            self._open_session(chat)
            if self.empty_history:
                return
            first = Message(self._first_id - 1 - chat.number, chat.customer_id, "Hello!", chat.created_at)
            chat.messages.append(first._replace(at=chat.created_at - _CUSTOMER_WROTE_BEFORE))

    def _open_session(self, chat: Chat) -> int:
        self._touch(chat)
        self._next_session += 1
        chat.sessions.append((self._next_session, len(chat.messages)))
        self._sessions[self._next_session] = chat
        return self._next_session

    def _write(self, chat: Chat, sender_id: int, text: str, at: float) -> int:
        self._begin(chat)
        self._touch(chat)
        message_id = self._next_id
        self._next_id += 1
        chat.messages.append(Message(message_id, sender_id, kept_text(text), at))
        return message_id


def kept_text(text: str) -> str:
    """A text as the messenger keeps it: trimmed, line ends made one kind, cut at 20,000 characters."""
    kept = text.strip()
    if "\r" in kept:
        kept = kept.replace("\r\n", "\n").replace("\r", "\n")
    return kept if len(kept) <= TEXT_LIMIT else kept[:TEXT_LIMIT] + " (...)"


def _refusal(code: str) -> Refusal:
    known = (refusal.MESSAGE_ADD_ERROR, refusal.CANCELED, refusal.wrong_argument("CHAT_ID"))
    return next((no for no in known if no.code == code), Refusal(400, code, "The message was refused"))


def _reserve(chat: Chat) -> None:
    """Give a reserved id its way of refusing."""
    if chat.id == STRAY_CHAT:
        chat.stray = True
    elif chat.id in {CLOSED_CHAT, LOCKED_CHAT}:
        chat.members = set()
        chat.joinable = chat.id == CLOSED_CHAT
    elif chat.id == MUTE_CHAT:
        chat.refuses = refusal.MESSAGE_ADD_ERROR
    elif chat.id == FINISHED_CHAT:
        chat.active = False
    elif chat.id == BROKEN_CHAT:
        chat.refuses = refusal.wrong_argument("CHAT_ID")
