"""The habits of PHP that a portal's callers can see: nested query strings, ``empty()``, array shapes."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from yarl import URL

_NUMERIC = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def parse_query(text: str) -> dict[str, Any]:
    """Read ``a=1&cmd[r1]=profile&list[]=x`` into nested dictionaries of strings, as PHP does.

    A repeated name takes the last value; ``[]`` appends under the next free number.
    """
    values: dict[str, Any] = {}
    for name, value in URL.build(query_string=text, encoded=True).query.items():
        if "[" in name:
            _put(values, name, value)
        else:
            values[name] = value
    return values


def _put(values: dict[str, Any], name: str, value: str) -> None:
    head, _, rest = name.partition("[")
    if not head or not rest.endswith("]"):
        values[name] = value
        return
    keys = [head, *rest[:-1].split("][")]
    place = values
    for key in keys[:-1]:
        slot = key or _next_number(place)
        inner = place.get(slot)
        if not isinstance(inner, dict):
            inner = place[slot] = {}
        place = inner
    place[keys[-1] or _next_number(place)] = value


def _next_number(place: Mapping[str, Any]) -> str:
    return str(max((int(key) for key in place if key.isdecimal()), default=-1) + 1)


def as_mapping(value: object) -> dict[str, Any] | None:
    """A PHP array as a dictionary: a JSON object, or a JSON list keyed by position; else ``None``."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(position): item for position, item in enumerate(value)}
    return None


def array(items: Mapping[str, Any]) -> dict[str, Any] | list[Any]:
    """Encode as ``json_encode`` does: a list where the keys are 0..n-1 in order (so also where empty)."""
    if all(key == str(position) for position, key in enumerate(items)):
        return list(items.values())
    return dict(items)


def is_empty(value: object) -> bool:
    """Tell what PHP's ``empty()`` tells: nothing, zero, the text ``0``, an empty array."""
    return not value or value == "0"


def number(value: object) -> int | None:
    """The whole part of a value that PHP calls numeric; ``None`` for anything else."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        if value.isascii() and value.isdigit():
            return int(value)
        value = float(value) if _NUMERIC.fullmatch(value) else None
    return int(value) if isinstance(value, float) and math.isfinite(value) else None


def is_true(value: object) -> bool:
    """Tell whether PHP's ``(bool)`` would be true, with ``N`` and ``false`` as REST callers mean them."""
    return not is_empty(value) and str(value).strip().lower() not in {"n", "false"}


def text(value: object) -> str | None:
    """A scalar as PHP's text; ``None`` for arrays, which have no text."""
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping | Sequence):
        return None
    return str(value)
