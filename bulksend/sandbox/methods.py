"""The REST methods of the portal: what each checks, in which order, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bulksend.sandbox import php, refusal, shown
from bulksend.sandbox.authorisation import Caller
from bulksend.sandbox.clock import iso
from bulksend.sandbox.refusal import Refused
from bulksend.sandbox.world import World

Parameters = Mapping[str, Any]

OPEN_LINES = "imopenlines"
_LICENSE = "ru_ent250"


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
        {"CHAT_ID": str(chat.id), "CONNECTOR_ID": chat.channel.connector, "CONNECTOR_TITLE": chat.channel.title}
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
    return shown.history(*found, now=world.now(), escaped=world.escape_history)


def dialog_get(call: Call) -> dict[str, Any]:
    """``imopenlines.dialog.get``: a chat, how its dialog stands, and who has read what."""
    given = {name.upper(): value for name, value in call.parameters.items()}
    dialog = given.get("DIALOG_ID")
    chat_id = php.number(given.get("CHAT_ID") or (dialog.removeprefix("chat") if isinstance(dialog, str) else None))
    found = call.world.session(chat_id, 0) if chat_id is not None and chat_id > 0 else None
    if found is None:
        raise Refused(refusal.NO_DIALOG)
    return shown.dialog(*found, now=call.world.now())


def session_start(call: Call) -> bool:
    """``imopenlines.session.start``: begin a new dialog in a chat, or join the one that is open."""
    given = {name.upper(): value for name, value in call.parameters.items()}
    call.world.start(php.number(given.get("CHAT_ID")) or 0, call.caller.user_id)
    return True


def profile(call: Call) -> dict[str, Any]:
    """``profile``: who the caller is."""
    return {
        "ID": str(call.caller.user_id),
        "ADMIN": True,
        "NAME": "Sandbox",
        "LAST_NAME": "Operator",
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
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
    "imopenlines.session.start": Method(OPEN_LINES, session_start),
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
