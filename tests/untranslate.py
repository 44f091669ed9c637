"""What the commands say in Russian, in English again, so that one suite of tests reads them in either language.

It goes by the catalogue, so a sentence that lost a word or a place on the way is not found again.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING

from tests import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD = re.compile(r"\{(\w+)[^{}]*\}|%\((\w+)\)s|%([sd])")
_TITLES = "Sheet|Portal|Speaks|Begins|Hours|Spread|Slower|Takes|Late|Starts|Sent|Unclear"


def as_asserted(text: str) -> str:
    """What a command has written, in the language of the tests' assertions, whichever it spoke."""
    return text if os.environ.get("BULKSEND_TEST_LANG", "en") == "en" else english(text)


def english(text: str) -> str:
    """A text that a command has written, with all that the catalogue knows put back into English."""
    text = re.sub(r"(?<=\d)\xa0(?=\d{3})", ",", text)
    text = re.sub(r"\b(\d\d)\.(\d\d)\.(20\d\d)\b", r"\3-\2-\1", text)
    for _round in range(4):
        before = text
        for piece, pattern, replace in _patterns():
            if piece in text:
                text = pattern.sub(replace, text)
        if text == before:
            break
    text = re.sub(r"(?<=[\w'…)&]) и (?=[\w'])", " and ", text)
    return re.sub(rf"^({_TITLES}): +", lambda match: f"{match[0].strip():<8} ", text, flags=re.MULTILINE)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]]]:
    """The longest first; each with a piece of it that has to be in a text."""
    found = []
    for message in catalogue.read("ru"):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string or "",)
        for form in dict.fromkeys(map(str, forms)):
            literal = _FIELD.sub("", form)
            if (message.id and len(re.sub(r"\W", "", literal)) > 2) or "«" in literal:
                piece = max(_FIELD.sub("\0", form.replace("{{", "{").replace("}}", "}")).split("\0"), key=len)
                pattern = _pattern(form, str(ids[-1]))
                found.append((len(literal), piece, pattern, _replacement(tuple(map(str, ids)))))
    found.sort(key=lambda entry: -entry[0])
    return [(piece, pattern, replace) for _length, piece, pattern, replace in found]


def _names(text: str) -> list[str]:
    return [match[1] or match[2] or f"p{place}" for place, match in enumerate(_FIELD.finditer(text))]


def _pattern(form: str, original: str) -> re.Pattern[str]:
    """Finds a sentence; what is filled in may be anything on the line."""
    form = form.replace("{{", "\0").replace("}}", "\1")
    names, last = _names(form), _FIELD.split(original.replace("{{", "").replace("}}", ""))[-1] == ""
    places = list(_FIELD.finditer(form))
    parts, seen, at = [], set[str](), 0
    for name, place in zip(names, places, strict=True):
        parts.append(re.escape(form[at : place.start()]))
        greedy = place.end() == len(form) and not last
        parts.append(f"(?P={name})" if name in seen else rf"(?P<{name}>[^\n]+{'' if greedy else '?'})")
        seen.add(name)
        at = place.end()
    parts.append(re.escape(form[at:]))
    pattern = "".join(parts).replace("\0", "{").replace("\1", "}")
    begins = r"(?<!\w)" if re.match(r"\w", form) else ""
    ends = r"(?!\w)" if re.search(r"\w$", form) else ""
    return re.compile(f"{begins}{pattern}{ends}")


def _replacement(ids: tuple[str, ...]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        original = ids[-1]
        if len(ids) > 1:
            one, many = ids[0].split(), ids[-1].split()
            changed = next((n for n, words in enumerate(zip(one, many, strict=False)) if words[0] != words[1]), 0)
            counts = _names(" ".join(one[:changed]))
            original = ids[0] if counts and match.groupdict().get(counts[-1]) == "1" else ids[-1]
        values = match.groupdict()
        names = iter(_names(original))
        filled = _FIELD.sub(
            lambda _field: values.get(next(names), "") or "", original.replace("{{", "\0").replace("}}", "\1")
        )
        return filled.replace("\0", "{").replace("\1", "}")

    return replace
