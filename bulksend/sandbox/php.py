"""The habits of PHP that a portal's callers can see: nested query strings, ``empty()``, array shapes."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yarl import URL

LARGEST_INTEGER = 2**63 - 1

_DEEPEST = 64
"""Names nested deeper than this are ignored (PHP's ``max_input_nesting_level``)."""
_LONGEST_INTEGER = 20
_WRITTEN_OUT = 1e15
_NUMERIC = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def parse_query(text: str) -> dict[str, Any]:
    """Read ``a=1&cmd[r1]=profile&list[]=x`` into nested dictionaries of strings, as PHP does."""
    return nested(URL.build(query_string=text, encoded=True).query.items())


def nested(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nest fields by their names as PHP does.

    A repeated name takes the last value; ``[]`` appends under the next free number.
    """
    values: dict[str, Any] = {}
    for name, value in fields:
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
    if len(keys) > _DEEPEST:
        return
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
    if isinstance(value, str):
        return _number_of(value.strip()) if _NUMERIC.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    whole = int(value) if math.isfinite(value) else 0
    return (whole + LARGEST_INTEGER + 1) % 2**64 - LARGEST_INTEGER - 1


def _number_of(text: str) -> int:
    """A numeric text's whole part; beyond the largest integer, that one."""
    whole = len(text) <= _LONGEST_INTEGER and text.lstrip("+-").isdigit()
    number = int(text) if whole else float(text)
    return int(max(-LARGEST_INTEGER - 1, min(number, LARGEST_INTEGER)))


def text(value: object) -> str | None:
    """A scalar as PHP's text; ``None`` for arrays, which have no text."""
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, float) and value.is_integer() and abs(value) < _WRITTEN_OUT:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping | Sequence):
        return None
    return str(value)
