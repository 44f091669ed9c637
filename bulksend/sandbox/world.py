"""What the portal behind the sandbox knows."""

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Self

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.sandbox import refusal, special
from bulksend.sandbox.chats import (
    NEVER,
    SYSTEM,
    Channel,
    Chat,
    Delivery,
    Dialog,
    Entity,
    Message,
    Start,
    Status,
    kept_text,
)
from bulksend.sandbox.clock import server_ahead
from bulksend.sandbox.refusal import Refusal, Refused

ENTITY_TYPES = {"lead": 1, "deal": 2, "contact": 3, "company": 4}

_CUSTOMER_WROTE_BEFORE = 3600.0
_FIRST_SESSION = 300
_UNSEEN_CHATS_FROM = 1_000_000


class World:
    """Everything the portal knows. Safe to use from several threads.

    An open world takes any entity with any chat at first sight and remembers the pair, until it is asked for the
    entity's chats; only the special ids differ.
    A closed one knows what was added and nothing else.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.clock_skew = 0.0
        """Seconds by which the portal's clock is ahead of this computer's."""
        self.history_refused = False
        """Refuse to show any chat's history (ACCESS_DENIED)."""
        self.empty_history = False
        """Begin dialogs without any message."""
        self.escape_history = False
        """Show texts in histories with HTML entities, as some versions of the messenger do."""
        self.inactive_users: set[int] = set()
        """Users who left the company: nobody can add them to a chat."""
        self.ledger: list[Delivery] = []
        self.starts: list[Start] = []
        self._lock = threading.RLock()
        self._entities: dict[tuple[str, int], Entity] = {
            ("deal", special.FORBIDDEN_DEAL): Entity(forbidden=True, listed=True)
        }
        self._channels: dict[str, Channel] = {}
        for channel in special.CHANNELS:
            self.add_channel(**channel)
        self._usual: dict[str, Any] = {}
        self._chats: dict[int, Chat] = {}
        self._sessions: dict[int, Chat] = {}
        self._changes = 0
        self._first_id = self._next_id = int(time.time() * 1000)
        self._next_session = _FIRST_SESSION

    @classmethod
    def closed(cls) -> Self:
        """Make a world that knows only what is added to it; no ids are special."""
        world = cls()
        world.is_open = False
        world._entities.clear()
        return world

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, int, int, int]], **usual: Any) -> Self:
        """Make an open world from rows of (entity type, entity id, chat id, user id); special ids stay special.

        ``usual`` is what the other chats are like, as :meth:`add_chat` takes it.
        """
        world = cls()
        world.set_usual(**usual)
        for entity_type, entity_id, chat_id, _user_id in rows:
            if (entity_type, entity_id) != ("deal", special.FORBIDDEN_DEAL):
                world.add_entity(entity_type, entity_id, chats=() if chat_id == special.STRAY_CHAT else (chat_id,))
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

    def add_channel(self, connector: str, **described: Any) -> None:
        """Add a channel, or change what is named of one that is there.

        Args:
            connector: Its id, such as ``livechat`` or ``telegrambot``.
            described: ``title``; ``line``, its number; ``on`` and ``line_on``, whether the channel and its open line
                are switched on; ``confirms_after``, the seconds until it has taken a message, or ``"never"``: then
                the hand-over fails.
        """
        with self._lock:
            channel = self._channels.setdefault(connector, Channel(connector, connector))
            for name, value in described.items():
                match name:
                    case "title" | "line" | "on" | "line_on":
                        setattr(channel, name, value)
                    case "confirms_after":
                        channel.confirms_after = _seconds(value)
                    case _:
                        raise UsageError(_("A channel has no {name!r}.").format(name=name))

    def add_chat(self, chat_id: int, entity_type: str = "", entity_id: int = 0, **described: Any) -> None:
        """Add a chat, or change what is named of one that is there.

        Args:
            chat_id: The numeric id.
            entity_type: The entity it belongs to, where it belongs to one.
            entity_id: That entity's id.
            described: ``status`` of its last dialog; ``connector``, its channel's id; ``members``, who may speak in it
                (``None``: everybody); ``joinable``, whether users may be added to it and its dialog be started;
                ``refuses``, the code with which the messenger refuses every message; ``silent``, whether silent mode
                is on; ``closes_in``, the seconds until its channel stops to take messages (below 0: it has;
                ``None``: it never does), and ``block_reason``; ``read_after``, the seconds after which the customer
                has read a message, or ``"never"``; ``stray``, another entity's; ``group``, no open channel.
        """
        with self._lock:
            chat = self._chat(chat_id)
            self._touch(chat)
            self._describe(chat, described)
            if entity_type:
                self.add_entity(entity_type, entity_id, chats=(chat_id,))

    def set_usual(self, **described: Any) -> None:
        """Say what chats that are not there yet are like, as :meth:`add_chat` takes it."""
        with self._lock:
            trial = Chat(0, 0, 0.0, self._channels["livechat"], [Dialog(0, Status.OPERATOR)])
            self._describe(trial, described)
            self._usual = described

    def _describe(self, chat: Chat, described: Mapping[str, Any]) -> None:
        for name, value in described.items():
            match name:
                case "joinable" | "silent" | "block_reason" | "stray" | "group":
                    setattr(chat, name, value)
                case "status":
                    chat.dialog.status = Status(value)
                case "connector":
                    self.add_channel(value)
                    chat.channel = self._channels[value]
                case "members":
                    chat.members = None if value is None else set(value)
                case "refuses":
                    chat.refuses = _refusal(value) if value else None
                case "closes_in":
                    chat.closes_at = None if value is None else self.now() + float(value)
                case "read_after":
                    chat.read_after = _seconds(value)
                case _:
                    raise UsageError(_("A chat has no {name!r}.").format(name=name))

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
            return self._write(chat, user_id or chat.customer_id, text, when, taken_at=when).id

    def new_session(self, chat_id: int, status: int | None = None) -> int:
        """Begin a new dialog in a chat: the customer writes again, and older messages leave its last history.

        Its status is that of the dialog before, where none is given.
        """
        with self._lock:
            chat = self._chat(chat_id)
            self._greet(chat)
            dialog = self._open_dialog(chat, chat.dialog.status if status is None else Status(status))
            if not self.empty_history:
                self._write(chat, chat.customer_id, "Hello again!", self.now())
            return dialog.id

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
            message_id = self._hand_over(chat, user_id, text, now)
            self.ledger.append(Delivery(message_id, chat_id, user_id, text, key[0], entity_id, now))
            return message_id

    def _hand_over(self, chat: Chat, user_id: int, text: str, now: float) -> int:
        """Write a message and hand it to the channel; where that fails, a message of the system's follows."""
        if chat.silent:
            return self._write(chat, user_id, text, now, hidden=True).id
        message = self._write(chat, user_id, text, now, taken_at=chat.takes_at(now))
        if message.taken_at == NEVER:
            self._write(chat, SYSTEM, "The message was not delivered to the customer.", now)
        return message.id

    def start(self, chat_id: int, caller: int) -> None:
        """Begin a new dialog after a finished one, with the caller as its operator, or join the open one.

        Raises:
            Refused: CHAT_ID, CHAT_TYPE, ACCESS_DENIED, USER_ID.
        """
        with self._lock:
            chat = self.chat(chat_id) if chat_id > 0 else None
            if chat is None:
                raise Refused(refusal.NO_CHAT)
            if chat.group:
                raise Refused(refusal.NO_OPEN_CHANNEL)
            entity = self._entities.get(chat.entity or ("", 0), Entity())
            if not chat.joinable or not entity.readable_by(caller):
                raise Refused(refusal.DIALOG_DENIED)
            if caller in self.inactive_users:
                raise Refused(refusal.NO_OPERATOR)
            new = chat.dialog.status >= Status.CLOSED
            if new:
                self._greet(chat)
                dialog = self._open_dialog(chat, Status.ANSWERED)
                chat.operator = caller
                if not self.empty_history:
                    self._write(chat, SYSTEM, f"Start a new dialog #{dialog.id}", self.now())
            if chat.members is not None:
                chat.members.add(caller)
            self.starts.append(Start(chat_id, chat.dialog.id, caller, new, self.now()))

    def chats_of(self, entity_type: str, entity_id: int, caller: int, *, active_only: bool) -> list[Chat]:
        """List an entity's chats over channels that are switched on, the most recently changed first.

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
            entity.listed = True  # what it has said holds: a message goes to no other chat
            chats = sorted((self._chats[chat_id] for chat_id in entity.chats), key=lambda chat: -chat.changed)
            return [chat for chat in chats if chat.active or (not active_only and chat.channel.on and not chat.group)]

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
            return self._chat(chat_id) if self.is_open else self._chats.get(chat_id)

    def session(self, chat_id: int, session_id: int) -> tuple[Chat, Dialog] | None:
        """One dialog of a chat (0: its last one); by the dialog's id alone where chat_id is 0."""
        with self._lock:
            chat = self.chat(chat_id) if chat_id else self._sessions.get(session_id)
            if chat is None or chat.group:
                return None
            self._greet(chat)
            known = (dialog for dialog in chat.dialogs if dialog.id == session_id)
            dialog = next(known, None) if session_id else chat.dialog
            return None if dialog is None else (chat, dialog)

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
        channel = self._channels["livechat"]
        chat = self._chats[chat_id] = Chat(chat_id, len(self._chats), self.now(), channel)
        self._open_dialog(chat, Status.OPERATOR)
        known = special.CHATS.get(chat_id) if self.is_open else None
        self._describe(chat, known.description if known else self._usual)
        return chat

    def _touch(self, chat: Chat) -> None:
        self._changes += 1
        chat.changed = self._changes

    def _greet(self, chat: Chat) -> None:
        """Put in what an open-channel chat begins with: the customer's own first message.

        Its id lies below those of all messages sent, whenever the chat is looked at for the first time.
        """
        messages = chat.dialogs[0].messages
        if not messages and not self.empty_history:
            wrote_at = chat.created_at - _CUSTOMER_WROTE_BEFORE
            messages.append(Message(self._first_id - 1 - chat.number, chat.customer_id, "Hello!", wrote_at))

    def _open_dialog(self, chat: Chat, status: Status) -> Dialog:
        self._touch(chat)
        self._next_session += 1
        dialog = Dialog(self._next_session, status)
        chat.dialogs.append(dialog)
        self._sessions[dialog.id] = chat
        return dialog

    def _write(
        self, chat: Chat, sender_id: int, text: str, at: float, *, taken_at: float = NEVER, hidden: bool = False
    ) -> Message:
        self._greet(chat)
        self._touch(chat)
        message = Message(self._next_id, sender_id, kept_text(text), at, taken_at, hidden)
        self._next_id += 1
        chat.dialog.messages.append(message)
        return message


def _refusal(code: str) -> Refusal:
    known = (refusal.MESSAGE_ADD_ERROR, refusal.CANCELED, refusal.wrong_argument("CHAT_ID"))
    return next((no for no in known if no.code == code), Refusal(400, code, "The message was refused"))


def _seconds(value: float | str) -> float:
    return NEVER if value == "never" else float(value)
