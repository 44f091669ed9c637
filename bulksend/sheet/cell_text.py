"""Cell values as the text a person sees: ``8773`` and never ``8773.0``, ``2026-11-30``, no ``nan``."""

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

_ODS_DURATION = re.compile(r"PT(\d+)H(\d+)M(\d+)(?:[.,]\d+)?S")
_EXACT = 1e15  # Excel keeps 15 digits; below this a whole number is exact


def cell_text(value: object) -> str:
    """One cell's value as text.

    Numbers have no exponent and no ``.0`` and at most the 15 digits that Excel keeps; dates are ISO, with the time
    only where there is one; durations are hours, minutes and seconds.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return _number(value)
        case dt.datetime():
            return (
                value.date().isoformat()
                if value.time() == dt.time()
                else f"{value.date().isoformat()} {_clock(value.time())}"
            )
        case dt.date():
            return value.isoformat()
        case dt.time():
            return _clock(value)
        case dt.timedelta():
            return _duration(value)
        case _:
            return str(value)


def column_texts(values: Sequence[object]) -> list[str]:
    """The texts of one column's cells; columns of one kind, as most are, take a short way."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return list(values)  # type: ignore[arg-type]
    if kinds == {float}:
        numbers = np.array(values, dtype=np.float64)
        if (np.abs(numbers) < _EXACT).all():
            whole = numbers.astype(np.int64)
            if (whole == numbers).all():
                return list(map(str, whole.tolist()))
    return [
        value
        if type(value) is str
        else str(int(value))
        if type(value) is float and value.is_integer()
        else cell_text(value)
        for value in values
    ]


def duration_texts(texts: list[str]) -> list[str]:
    """A column of an .ods sheet, in which the reader leaves a day and more as the file has it: ``PT36H05M00S``."""
    return [
        f"{int(found[1]):02}:{int(found[2]):02}:{int(found[3]):02}"
        if text.startswith("PT") and (found := _ODS_DURATION.fullmatch(text))
        else text
        for text in texts
    ]


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    if value == int(value):
        return str(int(value))
    return format(Decimal(format(value, ".15g")), "f")


def _clock(time: dt.time) -> str:
    return time.isoformat("seconds" if time.second else "minutes")


def _duration(length: dt.timedelta) -> str:
    seconds = round(length.total_seconds())
    hours, rest = divmod(abs(seconds), 3600)
    return f"{'-' if seconds < 0 else ''}{hours}:{rest // 60:02}:{rest % 60:02}"
