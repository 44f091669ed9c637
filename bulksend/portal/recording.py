"""Keeps what a portal answers, without anything that is somebody's, so that it can be shown to others.

The shape stays: keys, kinds of values, and which id is the same as which. Ids are numbered anew, in their order and
alike everywhere. Of texts only words stay that Bitrix24 itself uses; names, messages, addresses and secrets go.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bulksend import __version__
from bulksend.portal.authorisation import Authorisation
from bulksend.portal.codes import ACCESS_DENIED, about_the_plan
from bulksend.portal.transport import Answer

TEXT: Final = "…"
"""What stands for a text."""

_FIRST_ID: Final = 1001
_CLOCKS: Final = frozenset(
    {"start", "finish", "duration", "processing", "operating", "operating_reset_at", "sendingts", "expires_in"}
)
"""Keys, in lower case, of numbers that are times."""
_VOCABULARY: Final = frozenset(
    {
        *("error", "language_id", "license", "license_family", "license_type", "status", "scope"),
        *("type", "entity_type", "entitytype", "message_type", "messagetype", "role", "componentid", "class"),
        *("active_only", "crm_entity_type"),
    }
)
"""Keys of values that are words of Bitrix24's own."""
_BARRED: Final = re.compile(r"entity_?(?:id|data_?\d)|id")
"""Keys, in lower case, of several values with bars between them."""
_CLOCK_PLACES: Final = {"entity_data_1": {6, 8}, "entitydata1": {6, 8}}
"""Where among values with bars between them there are times: the dialog's beginning, and when the channel closes."""
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,47}")
_IN_BARS: Final = frozenset({"", "0", "1", "Y", "N", "LEAD", "DEAL", "CONTACT", "COMPANY", "NONE", "USER"})
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_CHAT: Final = re.compile(r"chat(\d+)")
_SAID: Final = "error_description"
_PLAN: Final = "REST API is available only on commercial plans"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as they were; ``body`` is None where it was no JSON."""

    method: str
    params: Mapping[str, Any]
    status: int | None
    body: Any


class Recorder:
    """Collects exchanges; `Client` calls `take` for each."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []

    def take(self, method: str, params: Mapping[str, Any], answer: Answer) -> None:
        """Keep a request and its answer. No credentials are among ``params``."""
        try:
            body = json.loads(answer.body or b"")
        except ValueError:
            body = None
        self._exchanges.append(Exchange(method, params, answer.status, body))

    def write(self, path: Path, authorisation: Authorisation) -> None:
        """Write what was collected, cleaned, as one JSON object.

        Raises:
            OSError: the file cannot be written.
        """
        kept = {
            "bulksend": __version__,
            "sign_in": authorisation.identity.split()[0],
            "exchanges": clean(self._exchanges),
        }
        text = authorisation.conceal(json.dumps(kept, indent=2, ensure_ascii=False))
        path.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def clean(exchanges: list[Exchange]) -> list[dict[str, Any]]:
    """Exchanges without anything that is somebody's."""
    plain = [_as_values(exchange) for exchange in exchanges]
    ids = sorted({found for value in plain for found in _ids(value, "")})
    numbers = {found: _FIRST_ID + place for place, found in enumerate(ids)}
    return [_cleaned(value, "", numbers) for value in plain]


def _as_values(exchange: Exchange) -> dict[str, Any]:
    params = dict(exchange.params)
    if isinstance(params.get("cmd"), Mapping):
        # The parameters stand in a text, and an answer shows what was asked for.
        params["cmd"] = {key: str(command).partition("?")[0] for key, command in params["cmd"].items()}
    body = exchange.body
    if isinstance(body, dict) and body.get("error") == ACCESS_DENIED and about_the_plan(str(body.get(_SAID))):
        body = body | {_SAID: _PLAN}  # the one description that is decided on
    return {"method": exchange.method, "params": params, "status": exchange.status, "body": body}


def _ids(value: Any, key: str) -> Iterator[int]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _ids_in_text(str(name), "")
            yield from _ids(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item, key)
    elif isinstance(value, str):
        yield from _ids_in_text(value, key)
    elif _is_id(value, key):
        yield value


def _is_id(value: Any, key: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value > 1 and key.lower() not in _CLOCKS and key != "status"


def _ids_in_text(text: str, key: str) -> Iterator[int]:
    if key.lower() in _CLOCKS:
        return
    for place, part in enumerate(text.split("|") if _BARRED.fullmatch(key.lower()) else [text]):
        number = _number(part)
        if number and place not in _CLOCK_PLACES.get(key.lower(), ()):
            yield number


def _number(text: str) -> int:
    """The id in a text that is one: ``1763`` or ``chat1763``; 0 where it is none, or one that says nothing."""
    digits = match[1] if (match := _CHAT.fullmatch(text)) else text
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 32 else 0
    return number if number > 1 else 0


def _cleaned(value: Any, key: str, numbers: Mapping[int, int]) -> Any:
    if isinstance(value, Mapping):
        return {_clean_key(str(name), numbers): _cleaned(item, str(name), numbers) for name, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, key, numbers) for item in value]
    if isinstance(value, str):
        return _clean_text(value, key, numbers)
    if _is_id(value, key):
        return numbers[value]
    return 0.0 if isinstance(value, float) and key.lower() not in _CLOCKS else value


def _clean_key(name: str, numbers: Mapping[int, int]) -> str:
    if number := _number(name):
        return name.replace(name.removeprefix("chat"), str(numbers[number]))
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*|[01]", name) else TEXT


def _clean_text(text: str, key: str, numbers: Mapping[int, int]) -> str:
    name = key.lower()
    if key == "method" or (text and name in _CLOCKS) or text == _PLAN:
        return text
    if "|" in text and _BARRED.fullmatch(name):
        places = _CLOCK_PLACES.get(key.lower(), set())
        parts = enumerate(text.split("|"))
        return "|".join(part if place in places else _clean_part(part, numbers) for place, part in parts)
    if text in {"", "0", "1", "Y", "N"} or _MOMENT.fullmatch(text):
        return text
    if number := _number(text):
        return f"chat{numbers[number]}" if text.startswith("chat") else str(numbers[number])
    if name == "connector_id":
        return text if text in _CONNECTORS else TEXT  # others may bear their maker's name
    known = name in _VOCABULARY
    # Scopes and commands stand in lists without a key of their own.
    listed = key in {"result", "cmd"} or re.fullmatch(r"r\d+", key)
    if (known and _WORD.fullmatch(text)) or (listed and re.fullmatch(r"[a-z][a-z0-9_.]{1,40}", text)):
        return text
    return TEXT


def _clean_part(part: str, numbers: Mapping[int, int]) -> str:
    if number := _number(part):
        return str(numbers[number])
    return part if part in _IN_BARS or part in _CONNECTORS else TEXT


_CONNECTORS: Final = frozenset(
    {
        *("livechat", "telegrambot", "whatsapp", "whatsappbytwilio", "whatsappbyedna", "viber", "vkgroup", "avito"),
        *("facebook", "facebookcomments", "facebookmessenger", "fbinstagram", "fbinstagramdirect", "notifications"),
        *("imessage", "wechat", "network", "ok", "olx"),
    }
)
