"""Numbers and dates as they stand in a sheet, and as a message should show them.

Nothing here guesses: a text that two people could read differently raises ``ValueError``. Its text is the rest of a
sentence that begins with the cell, as in ``"30.13.2026" is not a date of the calendar``.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final, Literal

from bulksend.template.messages import CellFault

Language = Literal["en", "ru"]

# ---------------------------------------------------------------- numbers

LONGEST_NUMBER: Final = 40
"""Characters; nothing people count is longer, and arithmetic on it stays cheap."""

_SPACES: Final = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " ") | {"−": "-", "’": "'"})
_UNIT: Final = r"(?:[₽$€£¥₸₴₺%]|руб(?:л(?:ь|я|ей))?\.?|р\.?|тг\.?|RUB|RUR|USD|EUR|GBP|KZT|BYN|UAH|CNY)"
_NUMBER_WITH_UNIT: Final = re.compile(rf"(?:{_UNIT} ?)?([-+]?[\d][\d ,.']*)(?: ?{_UNIT})?", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_COULD_BE_THOUSANDS: Final = re.compile(r"[-+]?[1-9]\d{0,2}[.,]\d{3}")
_GROUPED: Final = {
    # the sign for decimals -> numbers whose thousands are set apart by something else
    ".": re.compile(r"[-+]?\d{1,3}(?:,\d{3})+\.\d+|[-+]?\d{1,3}(?:,\d{3}){2,}|[-+]?\d{1,3}(?:[ ']\d{3})+(?:\.\d+)?"),
    ",": re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+|[-+]?\d{1,3}(?:\.\d{3}){2,}|[-+]?\d{1,3}(?:[ ']\d{3})+(?:,\d+)?"),
}


@lru_cache(maxsize=10_000)
def parse_number(text: str, reads: str | None = None) -> Decimal:
    """Return the number that ``text`` holds, be it ``1250.5``, ``1 250,50 ₽`` or ``$1,250.50``.

    ``reads`` is the sheet's sign for decimals, ``"."`` or ``","``; without it ``1,250`` is refused, for it is 1250 to
    some and 1.25 to others.

    Raises:
        ValueError: there is no number in it, or not only one way to read it.
    """
    if reads not in {None, ".", ","}:
        raise ValueError(CellFault.NO_SUCH_READING.say(reads=reads))
    found = _NUMBER_WITH_UNIT.fullmatch(text.translate(_SPACES).strip()) if len(text) <= LONGEST_NUMBER else None
    if found is None:
        raise ValueError(CellFault.NO_NUMBER.say())
    digits = found[1].rstrip()
    if reads is not None:
        return _read_number_with(digits, reads)
    if _COULD_BE_THOUSANDS.fullmatch(digits):
        whole, broken = re.sub(r"[.,]", "", digits), digits.replace(",", ".")
        raise ValueError(CellFault.COMMA_OR_POINT.say(whole=whole, broken=broken))
    if _PLAIN.fullmatch(digits):
        return Decimal(digits.replace(",", "."))
    for sign, pattern in _GROUPED.items():
        if pattern.fullmatch(digits):
            return _read_number_with(digits, sign)
    raise ValueError(CellFault.NO_NUMBER.say())


def _read_number_with(digits: str, sign: str) -> Decimal:
    """Return the number, its decimals marked by ``sign`` and its thousands by anything else (or nothing)."""
    other = "," if sign == "." else "."
    shape = rf"[-+]?(?:\d+|\d{{1,3}}(?:[ '\{other}]\d{{3}})+)(?:\{sign}\d+)?"
    if not re.fullmatch(shape, digits):
        raise ValueError(CellFault.OTHER_DECIMALS.say(sign=sign))
    return Decimal(re.sub(rf"[ '\{other}]", "", digits).replace(sign, "."))


def format_number(value: Decimal, decimals: int | None, language: Language) -> str:
    """Return ``1,250.50`` in English and ``1 250,50`` in Russian; without ``decimals``, with as many as it has.

    The space is an ordinary one: a no-break space may come back from the portal's history as another character, and a
    message is known again by its text.
    """
    if decimals is None:
        exponent = value.as_tuple().exponent
        decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    rounded = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    text = f"{rounded:z,.{decimals}f}"
    return text.translate(str.maketrans(",.", " ,")) if language == "ru" else text


# ---------------------------------------------------------------- dates and times


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, a time of day, or both, from one cell."""

    day: date | None
    clock: time | None


_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?(?:\s*(?P<half>[ap]m))?"
_ZONE: Final = r"(?:\s*(?:Z|[+-]\d{2}:?\d{2}))?"
_YEAR_FIRST: Final = r"(?P<year>\d{4})(?P<mark>[-./])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
_DAY_FIRST: Final = r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|\d{2})"
_EITHER: Final = r"(?P<one>\d{1,2})(?P<mark>[-/])(?P<two>\d{1,2})(?P=mark)(?P<year>\d{4})"
_WHEN: Final = [
    re.compile(rf"{day}(?:(?:T|,?\s+){_CLOCK}{_ZONE})?", re.IGNORECASE) for day in (_YEAR_FIRST, _DAY_FIRST, _EITHER)
]
_CLOCK_ALONE: Final = re.compile(_CLOCK, re.IGNORECASE)


@lru_cache(maxsize=10_000)
def parse_moment(text: str, reads: str | None = None) -> Moment:
    """Return the date, time or both of a text: ``2026-11-30``, ``30.11.2026 14:00``, ``11/30/2026``, ``9:30``.

    ``reads`` is the sheet's own pattern (``%d/%m/%Y``), for what is not one of these; without it ``03/04/2026`` is
    refused, for it is in March to some and in April to others. A time zone is dropped: the time is the cell's.

    Raises:
        ValueError: there is no date in it, or not only one way to read it.
    """
    text = text.strip()
    if reads is not None:
        try:
            moment = datetime.strptime(text, reads)  # noqa: DTZ007 - a cell's date has no zone
        except (ValueError, re.error):  # the second where the pattern has a part twice
            raise ValueError(CellFault.OTHER_DATE.say(reads=reads)) from None
        return Moment(moment.date(), moment.time() if re.search("%[HIXcTR]", reads) else None)
    found = next((match for pattern in _WHEN if (match := pattern.fullmatch(text))), None)
    if found is not None:
        parts = found.groupdict()
        return Moment(_read_day(parts), _read_clock(parts))
    if alone := _CLOCK_ALONE.fullmatch(text):
        return Moment(None, _read_clock(alone.groupdict()))
    raise ValueError(CellFault.NO_DATE.say())


def _read_day(parts: dict[str, str | None]) -> date:
    """Return the date of a match's parts, the order of day and month settled."""
    year, month, day = (int(parts.get(name) or 0) for name in ("year", "month", "day"))
    if parts.get("one"):
        one, two = int(parts["one"] or 0), int(parts["two"] or 0)
        if one <= 12 and two <= 12 and one != two:
            raise ValueError(CellFault.DAY_OR_MONTH.say())
        day, month = (one, two) if one > 12 else (two, one)
    try:
        return date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        raise ValueError(CellFault.NOT_IN_CALENDAR.say()) from None


def _read_clock(parts: dict[str, str | None]) -> time | None:
    """Return the time of day of a match's parts, if it has one."""
    if parts["hour"] is None:
        return None
    hour, half = int(parts["hour"]), (parts["half"] or "").lower()
    if half and not 1 <= hour <= 12:
        raise ValueError(CellFault.NO_TIME.say())
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return time(hour, int(parts["minute"] or 0), int(parts["second"] or 0))
    except ValueError:
        raise ValueError(CellFault.NO_TIME.say()) from None


DEFAULT_DATE: Final[dict[Language, str]] = {"en": "%-d %B %Y", "ru": "%d.%m.%Y"}

_OF_DAY: Final = {
    # in a template's pattern -> in Unicode's
    "%d": "dd", "%-d": "d", "%m": "MM", "%-m": "M", "%Y": "yyyy", "%y": "yy", "%B": "MMMM", "%b": "MMM",
    "%A": "EEEE", "%a": "EEE",
}  # fmt: skip
_OF_CLOCK: Final = {"%H": "HH", "%-H": "H", "%I": "hh", "%-I": "h", "%M": "mm", "%S": "ss", "%p": "a"}
_DIRECTIVE: Final = re.compile(r"%-?.?", re.DOTALL)


def unknown_directive(pattern: str) -> str | None:
    """Return the first part of a date pattern that means nothing (``%Q``), if there is one."""
    known = {*_OF_DAY, *_OF_CLOCK, "%%"}
    return next((found for found in _DIRECTIVE.findall(pattern) if found not in known), None)


def known_directives() -> list[str]:
    """Return all that a date pattern may hold, dates first."""
    return [*_OF_DAY, *_OF_CLOCK]


@lru_cache(maxsize=10_000)
def format_moment(moment: Moment, pattern: str, language: Language) -> str:
    """Return the moment as ``pattern`` puts it (``%d.%m.%Y``, ``%-d %B``, ``%H:%M``).

    The names of months and days are the language's, in the form that dates take, whatever the system's locale is.

    Raises:
        ValueError: the pattern asks for a date and the cell has only a time, or the other way round.
    """
    from babel.dates import format_datetime  # noqa: PLC0415 - most sheets have no template, and it takes time to load

    when = datetime.combine(moment.day or date.min, moment.clock or time.min)

    def formatted(found: re.Match[str]) -> str:
        part = found[0]
        if part == "%%":
            return "%"
        if part in _OF_DAY and moment.day is None:
            raise ValueError(CellFault.NO_DATE_IN_IT.say(part=part))
        if part in _OF_CLOCK and moment.clock is None:
            raise ValueError(CellFault.NO_CLOCK_IN_IT.say(part=part))
        unicode_part = _OF_DAY.get(part) or _OF_CLOCK.get(part)
        if unicode_part is None:
            raise ValueError(CellFault.UNKNOWN_PART.say(part=part, known=" ".join(known_directives())))
        return format_datetime(when, unicode_part, locale=language)

    return _DIRECTIVE.sub(formatted, pattern)
