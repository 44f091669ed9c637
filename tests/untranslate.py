"""What the commands say in Russian, in English again, so that one suite of tests reads them in either language.

It goes by the catalogue, so a sentence that lost a word or a place on the way is not found again.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from tests import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD = re.compile(r"\{(\w+)[^{}]*\}|%\((\w+)\)s|%([sd])")
_DAYS = dict(
    zip(["пн", "вт", "ср", "чт", "пт", "сб", "вс"], ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], strict=True)
)
_NUMBERS = {"all", "chats", "count", "days", "done", "good", "hours", "minutes", "read", "seconds", "total"}
LONG = 40
"""Letters of a sentence that a terminal may wrap at any place, also within what is filled in."""
_TITLES = "Sheet|Portal|Speaks|Begins|Hours|Spread|Slower|Takes|Late|Starts|Sent|Unclear"


def as_asserted(text: str) -> str:
    """What a command has written, in the language of the tests' assertions, whichever it spoke."""
    if os.environ.get("BULKSEND_TEST_LANG", "en") == "en":
        return text
    try:
        read = [json.loads(line) for line in text.splitlines()] if text.startswith(("{", "[")) else None
    except ValueError:
        read = None
    if read is None:
        return english(text)
    return "".join(f"{json.dumps(_in_json(value), ensure_ascii=False)}\n" for value in read)


def _in_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_json(each) for each in value]
    return english(value) if isinstance(value, str) else value


def english(text: str) -> str:
    """A text that a command has written, with all that the catalogue knows put back into English."""
    text = re.sub(r"(?<=\d)\xa0(?=\d{3})", ",", text)
    text = re.sub(r"(?<=\b\d),(?=\d{1,2} )", ".", text)
    text = re.sub(r"\b(\d\d)\.(\d\d)\.(20\d\d)\b", r"\3-\2-\1", text)
    for russian, short in _DAYS.items():
        text = re.sub(rf"\b{russian}\b(?= 20\d\d-)", short, text)
        text = re.sub(rf"(?<![\w «']){russian}(?![\w»'])|(?<=\d ){russian}(?=,)", short.lower(), text)
    for _round in range(4):
        before = text
        for piece, pattern, replace in _patterns():
            if piece in text.replace("\n", " "):
                text = pattern.sub(replace, text)
        if text == before:
            break
    text = re.sub(r"(?<=\d )[сч](?!\w)", lambda unit: {"с": "s", "ч": "h"}[unit[0]], text)
    text = re.sub(r"(?<=[\w'…)&]) и (?=[\w'])", " and ", text)
    return re.sub(rf"^({_TITLES}): +", lambda match: f"{match[0].strip():<8} ", text, flags=re.MULTILINE)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]]]:
    """The longest first; each with a piece of it that has to be in a text."""
    found = []
    for message in catalogue.read("ru"):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string or "",)
        for place, form in enumerate(dict.fromkeys(map(str, forms))):
            literal = _FIELD.sub("", form)
            if (message.id and len(re.sub(r"\W", "", literal)) > 2) or "«" in literal:
                piece = max(_FIELD.sub("\0", form.replace("{{", "{").replace("}}", "}")).split("\0"), key=len)
                pattern = _pattern(form, str(ids[-1]))
                replace = _replacement(tuple(map(str, ids)), first=not place)
                found.append((len(literal), piece, pattern, replace))
                if form[0].islower():  # it begins a sentence too
                    capital = f"{form[0].upper()}{form[1:]}"
                    start = tuple(f"{each[0].upper()}{each[1:]}" for each in map(str, ids))
                    piece = f"{piece[0].upper()}{piece[1:]}" if form.startswith(piece) else piece
                    found.append(
                        (len(literal), piece, _pattern(capital, start[-1]), _replacement(start, first=not place))
                    )
    found.sort(key=lambda entry: -entry[0])
    return [(piece, pattern, replace) for _length, piece, pattern, replace in found]


def _names(text: str) -> list[str]:
    return [match[1] or match[2] or f"p{place}" for place, match in enumerate(_FIELD.finditer(text))]


def _pattern(form: str, original: str) -> re.Pattern[str]:
    """Finds a sentence; what is filled in may be anything on the line."""
    wrapped = "(?:\n[^\n]+?)??" if len(_FIELD.sub("", form)) > LONG else ""
    form = form.replace("{{", "\0").replace("}}", "\1")
    names, last = _names(form), _FIELD.split(original.replace("{{", "").replace("}}", ""))[-1] == ""
    places = list(_FIELD.finditer(form))
    parts, seen, at = [], set[str](), 0
    for name, place in zip(names, places, strict=True):
        parts.append(re.escape(form[at : place.start()]))
        greedy = place.end() == len(form) and not last
        anything = r"\d[\d,.]*" if name in _NUMBERS else f"[^\\n]+{'' if greedy else f'?{wrapped}'}"
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{anything})")
        seen.add(name)
        at = place.end()
    parts.append(re.escape(form[at:]))
    pattern = "".join(parts).replace("\0", "{").replace("\1", "}").replace("\\ ", "[ \n]")  # a terminal wraps
    begins = r"(?<!\w)" if re.match(r"\w", form) else ""
    ends = r"(?!\w)" if re.search(r"\w$", form) else ""
    return re.compile(f"{begins}{pattern}{ends}")


def _replacement(ids: tuple[str, ...], *, first: bool) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        original = ids[-1]
        if len(ids) > 1:
            one, many = ids[0].split(), ids[-1].split()
            changed = next((n for n, words in enumerate(zip(one, many, strict=False)) if words[0] != words[1]), 0)
            counts = _names(" ".join(one[:changed])) or _names(" ".join(many[: changed + 1]))
            number = (match.groupdict().get(counts[-1]) or "").split()[-1:] if counts else []
            original = ids[0] if number == ["1"] or (first and not (number and number[0].isdigit())) else ids[-1]
        values = match.groupdict()
        names = iter(_names(original))
        filled = _FIELD.sub(
            lambda _field: values.get(next(names), "") or "", original.replace("{{", "\0").replace("}}", "\1")
        )
        return filled.replace("\0", "{").replace("\1", "}")

    return replace
