"""What people write into cells, read safely or not at all."""

import contextlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bulksend.errors import UsageError
from bulksend.schedule.zones import zone_name, zone_of
from bulksend.sheet.headings import LOOKALIKES

_TYPE_WORDS = {
    "lead": ("lead", "leads", "лид", "лиды", "лида", "лидов", "лиду", "1", "l", "crm_lead"),
    "deal": ("deal", "deals", "сделка", "сделки", "сделок", "сделке", "сделку", "2", "d", "crm_deal"),
    "contact": ("contact", "contacts", "контакт", "контакты", "контакта", "контактов", "контакту", "3", "c",
                "crm_contact"),
    "company": ("company", "companies", "компания", "компании", "компаний", "компанию", "4", "co", "crm_company"),
}  # fmt: skip
ENTITY_TYPES = tuple(_TYPE_WORDS)
_TYPES = {word: kind for kind, words in _TYPE_WORDS.items() for word in words}

ROW_IN_TEXT = re.compile(
    rf"""\n(?:[^\n]*[;,\t|])?"?(?:{"|".join(word for word in _TYPES if len(word) > 2)})"?[;,\t|]"?[0-9]+"?[;,\t|]""",
    re.IGNORECASE,
)
"""A line after the first that reads like a row of a text file: the type and the number of an entity, and more."""

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))
_DIGITS = r"(?P<digits>[0-9]+|[0-9]{1,3}(?: [0-9]{3})+)"
_ID = re.compile(rf"(?:№|#|n ?°|no\.? |n )? ?(?![0-9]{{1,3}}[.,]000$){_DIGITS}(?:[.,]0{{1,6}})?")
_CHAT_ID = re.compile(r"chat ?(?P<digits>[0-9]+)")
_QUOTED_FORMULA = re.compile(r'="?([0-9]+)"?')  # how some programs keep Excel's hands off an id in a text file

LONGEST_ID = 15
"""Digits: Excel rounds longer numbers, so what stands there may not be what was meant."""

UNREADABLE, BLANK = -1, 0
NO_ZONE = "?"


def entity_type(text: str) -> str:
    """lead, deal, contact or company, as the cell says it in English, Russian, by CRM number or short code; else ""."""
    word = _plain(text).casefold().replace("ё", "е").strip(" .:;")
    if word.endswith((".0", ",0")):
        word = word[:-2]
    if re.search("[a-z]", word):
        # a Cyrillic letter in a Latin word is an invisible mistake; alone, "С" could be anything
        word = word.translate(LOOKALIKES)
    return _TYPES.get(word, "")


def entity_types(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """`entity_type` of every cell, each different text read once."""
    places, words = pd.factorize(texts)
    types = np.array([entity_type(word) for word in words], dtype=object)
    return np.asarray(types[places])


def time_zones(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """The name of the time zone in every cell, "" where it is blank, `NO_ZONE` where it cannot be read."""
    places, words = pd.factorize(texts)
    zones = np.array([_time_zone(word) for word in words], dtype=object)
    return np.asarray(zones[places])


def _time_zone(text: str) -> str:
    plain = _plain(text)
    try:
        return zone_name(zone_of(plain)) if plain else ""
    except UsageError:
        return NO_ZONE


def identifier(text: str, *, chat: bool = False) -> int:
    """The number a cell holds: above zero, `BLANK` (0) for nothing, `UNREADABLE` (-1) for what is not surely one.

    Read are spaces around it and between thousands, ``.0`` after it, ``№`` or ``#`` before it and, for chats, the
    portal's dialog ids (``chat8773``). Not read are fractions, signs, exponents, footnotes, more than 15 digits, and
    ``8,000``, which is 8000 where commas or points set thousands apart.
    """
    plain = _plain(text)
    if not plain:
        return BLANK
    if not text.isascii() and any(character.isnumeric() and not character.isdecimal() for character in text):
        return UNREADABLE  # 5¹ is a five with a footnote, not 51
    lower = plain.casefold().removeprefix("'").strip()
    found = _ID.fullmatch(lower) or (_CHAT_ID.fullmatch(lower) if chat else None)
    if found:
        digits = found["digits"].replace(" ", "")
    elif quoted := _QUOTED_FORMULA.fullmatch(plain):
        digits = quoted[1]
    else:
        return UNREADABLE
    digits = digits.lstrip("0")
    return int(digits) if digits and len(digits) <= LONGEST_ID else UNREADABLE


def identifiers(texts: Sequence[str], *, chat: bool = False) -> npt.NDArray[np.int64]:
    """`identifier` of every cell; columns of plain numbers, as most are, take a short way."""
    joined = "".join(texts)
    if joined.isascii() and joined.isdigit():
        with contextlib.suppress(ValueError, OverflowError):  # an empty cell, or far too many digits
            numbers = np.fromiter(map(int, texts), dtype=np.int64, count=len(texts))
            numbers[(numbers == 0) | (numbers >= 10**LONGEST_ID)] = UNREADABLE
            return numbers
    known: dict[str, int] = {}
    numbers = np.empty(len(texts), dtype=np.int64)
    for position, text in enumerate(texts):
        number = known.get(text)
        if number is None:
            number = identifier(text, chat=chat)
            if len(known) < 10_000:
                known[text] = number
        numbers[position] = number
    return numbers


def _plain(text: str) -> str:
    """Text with every kind of blank made a space, and nothing invisible in it."""
    if text.isascii() and text.isalnum():
        return text
    normal = unicodedata.normalize("NFKC", text.replace("№", "#")).translate(_INVISIBLE)
    return " ".join(normal.split())
