"""The special ids of an open world: a chat for each thing that a real sheet's rows meet, for samples and rehearsals.

This is the only list of them. An id stands for its chat whatever entity a sheet names beside it.
"""

from typing import Any, NamedTuple

FORBIDDEN_DEAL = 403
STRAY_CHAT = 404


class Special(NamedTuple):
    """What a special chat is like: for a reader, and as :meth:`World.add_chat` takes it."""

    is_what: str
    description: dict[str, Any]


CHATS: dict[int, Special] = {
    STRAY_CHAT: Special("another entity's chat", {"stray": True}),
    405: Special("the speaker is not a member, and may be added", {"members": ()}),
    406: Special("the messenger refuses every message", {"refuses": "MESSAGE_ADD_ERROR"}),
    407: Special("its dialog is finished", {"status": 60}),
    408: Special("the portal does not take the request", {"refuses": "ERROR_ARGUMENT"}),
    409: Special("the speaker is not a member, and may not be added", {"members": (), "joinable": False}),
    410: Special("new: nobody has taken its dialog yet", {"status": 0}),
    411: Special("an operator skipped its dialog", {"status": 5}),
    412: Special("an operator has taken its dialog", {"status": 10}),
    413: Special("the customer waits for an answer", {"status": 20}),
    414: Special("the customer waits for another answer", {"status": 25}),
    415: Special("the operator has answered", {"status": 40}),
    416: Special("open, and waits for the customer", {"status": 50}),
    417: Special("finished as spam", {"status": 65}),
    418: Special("finished as a duplicate", {"status": 69}),
    419: Special("finished without a word", {"status": 75}),
    420: Special("finished, and the caller has no access to it", {"status": 60, "joinable": False}),
    421: Special("finished, and the speaker is not a member", {"status": 60, "members": ()}),
    422: Special("over a channel that is switched off", {"connector": "viber"}),
    423: Special("finished, over a channel that is switched off", {"connector": "viber", "status": 60}),
    424: Special("over a line that is switched off", {"connector": "vkgroup"}),
    425: Special("silent mode is on", {"silent": True}),
    426: Special("live chat, and the customer reads at once", {"read_after": 0}),
    427: Special("Telegram, which confirms after two seconds", {"connector": "telegrambot"}),
    428: Special("Telegram, and the customer reads a second later", {"connector": "telegrambot", "read_after": 1}),
    429: Special("WhatsApp, whose window closes in 20 hours", {"connector": "whatsapp", "closes_in": 72_000}),
    430: Special("WhatsApp, whose window closes in a minute", {"connector": "whatsapp", "closes_in": 60}),
    431: Special("WhatsApp, whose window closed an hour ago", {"connector": "whatsapp", "closes_in": -3600}),
    432: Special(
        "the customer has forbidden messages",
        {"connector": "whatsapp", "closes_in": -86_400, "block_reason": "USER"},
    ),
    433: Special("a channel whose hand-over fails", {"connector": "avito"}),
    434: Special(
        "finished, over WhatsApp, whose window closed an hour ago",
        {"connector": "whatsapp", "closes_in": -3600, "status": 60},
    ),
    435: Special("a chat of colleagues, no open channel", {"group": True}),
}

CHANNELS: tuple[dict[str, Any], ...] = (
    {"connector": "livechat", "title": "Live Chat"},
    {"connector": "telegrambot", "title": "Telegram", "line": 2, "confirms_after": 2},
    {"connector": "whatsapp", "title": "WhatsApp", "line": 3, "confirms_after": 1},
    {"connector": "viber", "title": "Viber", "line": 4, "on": False},
    {"connector": "vkgroup", "title": "VK", "line": 5, "line_on": False},
    {"connector": "avito", "title": "Avito", "line": 6, "confirms_after": "never"},
)
"""The channels that every world begins with."""
