"""What ``batch`` makes of the text of each of its calls before it carries the call out."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bulksend.sandbox import php

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REFERENCE = re.compile(r"\$(result|next|total|time|error)(\S+)", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"\[([^\]]+)\]")
_SCRIPT = re.compile(
    r"(</?)(script|iframe|object|embed|style|form|meta|link|base)\b|()(javascript:|vbscript:)", re.IGNORECASE
)

Answers = Mapping[str, Mapping[str, Any]]
"""What earlier calls of the batch gave: ``result``, ``error``, ``total``, ``next`` and ``time``, by the calls' keys."""


class Command(NamedTuple):
    """One call: a method's name in lower case, and its parameters as they were written."""

    method: str
    query: str


def take_apart(text: str) -> Command:
    """Take a call apart as ``parse_url`` does: what follows ``#`` is dropped, control characters become ``_``."""
    address, _, _fragment = text.partition("#")
    method, _, query = _CONTROL.sub("_", address).partition("?")
    return Command(method.lower(), query)


def parameters(query: str, answers: Answers, *, filter_scripts: bool) -> dict[str, Any]:
    """Read a call's parameters: references are replaced, then the protection filter breaks up scripts."""
    given = {name: _resolved(value, answers) for name, value in php.parse_query(query).items()}
    return {name: _filtered(value) for name, value in given.items()} if filter_scripts else given


def _resolved(value: Any, answers: Answers) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(item, answers) for name, item in value.items()}
    text: str = value
    for match in _REFERENCE.finditer(text):
        keys = _KEY.findall(match[2])
        if not keys:
            continue
        found = _follow(answers[match[1].lower()], keys)
        if match[0] == text:
            return found
        written = php.text(found)
        text = text.replace(match[0], "Array" if written is None else written)
    return text


def _follow(found: Any, keys: list[str]) -> Any:
    """Go down as far as the keys lead: what is reached last is what counts."""
    for key in keys:
        inner = (php.as_mapping(found) or {}).get(key)
        if inner is None:
            break
        found = inner
    return found


def _filtered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filtered(item) for name, item in value.items()}
    return _SCRIPT.sub(_broken_up, value) if isinstance(value, str) else value


def _broken_up(match: re.Match[str]) -> str:
    bracket, word = (match[1], match[2]) if match[2] else ("", match[4])
    return f"{bracket}{word[:2]} {word[2:]}"
