"""Predefined chats, one for each thing that a real sheet's rows may meet.

This is the only list of them. An id stands for its chat whatever entity a sheet names beside it.
"""

from typing import Any, NamedTuple

from bulksend.locale import N_

FORBIDDEN_DEAL = 403
STRAY_CHAT = 404


class Special(NamedTuple):
    """What a special chat answers to a message, and what it is: in words, and as :meth:`World.add_chat` takes it."""

    answer: str
    words: str
    description: dict[str, Any]


CHATS: dict[int, Special] = {
    STRAY_CHAT: Special("CHAT_NOT_IN_CRM", N_("another entity's chat"), {"stray": True}),
    405: Special("CANCELED", N_("the speaker is not a member, and may be added"), {"members": ()}),
    406: Special("MESSAGE_ADD_ERROR", N_("the messenger refuses every message"), {"refuses": "MESSAGE_ADD_ERROR"}),
    407: Special("CHAT_NOT_IN_CRM", N_("its dialog is finished"), {"status": 60}),
    408: Special("ERROR_ARGUMENT", N_("the portal does not take the request"), {"refuses": "ERROR_ARGUMENT"}),
    409: Special(
        "CANCELED", N_("the speaker is not a member, and may not be added"), {"members": (), "joinable": False}
    ),
    410: Special("CHAT_NOT_IN_CRM", N_("new: nobody has taken its dialog yet"), {"status": 0}),
    411: Special("CHAT_NOT_IN_CRM", N_("an operator skipped its dialog"), {"status": 5}),
    412: Special("sent", N_("an operator has taken its dialog"), {"status": 10}),
    413: Special("sent", N_("the customer waits for an answer"), {"status": 20}),
    414: Special("sent", N_("the customer waits for another answer"), {"status": 25}),
    415: Special("sent", N_("the operator has answered"), {"status": 40}),
    416: Special("CHAT_NOT_IN_CRM", N_("open, and waits for the customer"), {"status": 50}),
    417: Special("CHAT_NOT_IN_CRM", N_("finished as spam"), {"status": 65}),
    418: Special("CHAT_NOT_IN_CRM", N_("finished as a duplicate"), {"status": 69}),
    419: Special("CHAT_NOT_IN_CRM", N_("finished without a word"), {"status": 75}),
    420: Special(
        "CHAT_NOT_IN_CRM", N_("finished, and the caller has no access to it"), {"status": 60, "joinable": False}
    ),
    421: Special("CHAT_NOT_IN_CRM", N_("finished, and the speaker is not a member"), {"status": 60, "members": ()}),
    422: Special("CHAT_NOT_IN_CRM", N_("over a channel that is switched off"), {"connector": "viber"}),
    423: Special(
        "CHAT_NOT_IN_CRM", N_("finished, and its channel is switched off"), {"connector": "viber", "status": 60}
    ),
    424: Special("sent", N_("over a line that is switched off"), {"connector": "vkgroup"}),
    425: Special("sent", N_("silent mode is on"), {"silent": True}),
    426: Special("sent", N_("live chat, and the customer reads at once"), {"read_after": 0}),
    427: Special("sent", N_("Telegram, which confirms after two seconds"), {"connector": "telegrambot"}),
    428: Special("sent", N_("Telegram, and the customer reads it soon"), {"connector": "telegrambot", "read_after": 1}),
    429: Special(
        "sent", N_("WhatsApp, whose window closes in 20 hours"), {"connector": "whatsapp", "closes_in": 72_000}
    ),
    430: Special(
        "sent", N_("WhatsApp, whose window closes in ten seconds"), {"connector": "whatsapp", "closes_in": 10}
    ),
    431: Special(
        "sent", N_("WhatsApp, whose window closed an hour ago"), {"connector": "whatsapp", "closes_in": -3600}
    ),
    432: Special(
        "sent",
        N_("the customer has forbidden messages"),
        {"connector": "whatsapp", "closes_in": -86_400, "block_reason": "USER"},
    ),
    433: Special("sent", N_("a channel whose hand-over fails"), {"connector": "avito"}),
    434: Special(
        "CHAT_NOT_IN_CRM",
        N_("finished, over WhatsApp, whose window closed an hour ago"),
        {"connector": "whatsapp", "closes_in": -3600, "status": 60},
    ),
    435: Special("CHAT_NOT_IN_CRM", N_("a chat of colleagues, no open channel"), {"group": True}),
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
