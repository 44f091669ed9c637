"""Times, hours, days and durations as people write them, in English and Russian."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from bulksend.errors import UsageError
from bulksend.locale import _, language
from bulksend.schedule.zones import zone_in_words, zone_name, zone_of

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RUSSIAN_DAYS: Final = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")
_LONG_DAYS: Final = (
    ("monday", "понедельник"),
    ("tuesday", "вторник"),
    ("wednesday", "среда"),
    ("thursday", "четверг"),
    ("friday", "пятница"),
    ("saturday", "суббота"),
    ("sunday", "воскресенье"),
)
_DAYS: Final = {
    name: day
    for day, names in enumerate(zip(DAY_NAMES, _RUSSIAN_DAYS, *zip(*_LONG_DAYS, strict=True), strict=True))
    for name in names
}
_FROM_TODAY: Final = {"today": 0, "сегодня": 0, "tomorrow": 1, "завтра": 1, "послезавтра": 2}

_TIME: Final = re.compile(
    r"(?:(?P<day>[a-zа-я]+|\d{4}-\d{1,2}-\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4})(?:\s+(?:at|в)\s+|\s+|(?<=\d)t))?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<zone>[^\d\s:].*)?",
    re.IGNORECASE,
)
_HOURS: Final = re.compile(r"(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?")
_DASHES: Final = str.maketrans("−–—‑", "----")
_UNITS: Final = {
    1: ("s", "sec", "second", "seconds", "с", "сек", "секунда", "секунды", "секунд"),
    60: ("m", "min", "minute", "minutes", "м", "мин", "минута", "минуты", "минут"),
    3600: ("h", "hour", "hours", "ч", "час", "часа", "часов"),
    86400: ("d", "day", "days", "д", "день", "дня", "дней", "сутки", "суток"),
}
_SECONDS: Final = {name: seconds for seconds, names in _UNITS.items() for name in names}

LONGEST: Final = 366 * 86400.0
"""Seconds; a duration beyond a year is a slip of the pen."""


def parse_time(text: str, zone: tzinfo, now: float, code: str) -> float:
    """The moment (Unix seconds) that a text names by the clock of ``zone``, unless it names its own.

    A time without a day is the next one. A time that the clock shows twice, when summer time ends, is the first of the
    two; one that it leaves out, when summer time begins, is the moment of the change.

    Raises:
        UsageError: it names none, or one that has passed; ``code`` is the error's, and says what the time is for.
    """
    found = _TIME.fullmatch(" ".join(text.translate(_DASHES).split()))
    moments: list[float] = []
    try:
        if found is not None:
            zone = _zone_in(found["zone"]) or zone
            clock = time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
            seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
            today = datetime.fromtimestamp(now, zone).date()
            moments = [wall_time(day, seconds, zone) for day in _days_in(found["day"], today)]
    except (ValueError, OverflowError, OSError):
        pass
    if not moments:
        raise UsageError(
            _("A time is given as 10:00, 'tomorrow 10:00' or '2026-11-24 10:00+03:00', not {text!r}.").format(
                text=text
            ),
            code=code,
        )
    ahead = [moment for moment in moments if moment >= now]
    if not ahead:
        raise UsageError(
            _("The time {text!r} has passed: it was {time}.").format(text=text, time=time_in_full(moments[-1], zone)),
            code=code,
        )
    return ahead[0]


def wall_time(day: date, seconds: int, zone: tzinfo) -> float:
    """The first moment at which the clock of a zone shows so many seconds after midnight of a day, or goes past it."""
    naive = datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)  # noqa: DTZ001 - the zone comes next
    first, second = (naive.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    # Fold 0 is the first of two, but in a gap it is the later reckoning: by the offset that ends there.
    return first if first <= second else clock_change(second, first, zone)


def clock_change(low: float, high: float, zone: tzinfo) -> float:
    """The moment between two at which the clock of a zone was changed; ``high``, where it was not."""

    def offset(moment: float) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    before = offset(low)
    if offset(high) == before:
        return high
    low, high = int(low), int(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return float(high)


def time_in_full(moment: float, zone: tzinfo) -> str:
    """A moment by the clock of a zone, with the zone: ``Tue 2026-11-24 10:00 Europe/Moscow (+03:00)``."""
    from bulksend.locale.formats import day, weekday  # noqa: PLC0415 - most commands show no time

    there = datetime.fromtimestamp(moment, zone)
    clock = f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}"
    offset, name = f"{there:%z}", zone_name(zone)
    offset = f"{offset[:3]}:{offset[3:5]}"
    words = zone_in_words(name)
    shown = words if words == "UTC" or name == offset else f"{name} ({offset})"
    return f"{weekday(there.weekday())} {day(there)} {clock} {shown}"


def iso(moment: float, zone: tzinfo) -> str:
    """A moment by the clock of a zone as `datetime.fromisoformat` reads it."""
    return datetime.fromtimestamp(moment, zone).isoformat()


def parse_hours(text: str) -> tuple[int, int]:
    """Seconds after midnight from which and until which messages may leave; over midnight where the first is later.

    Raises:
        UsageError: the text is no such hours.
    """
    found = _HOURS.fullmatch("".join(text.translate(_DASHES).split()))
    if found:
        first, first_minute, last, last_minute = (int(part or 0) for part in found.groups())
        start, end = first * 3600 + first_minute * 60, last * 3600 + last_minute * 60
        if max(first_minute, last_minute) < 60 and start < 86400 >= end and start != end:
            return start, end
    raise UsageError(_("Hours are given as 09:00-20:00, not {text!r}.").format(text=text), code="HOURS")


def parse_days(text: str) -> frozenset[int]:
    """The days of the week that a text names, Monday being 0: ``mon-fri``, ``пн-пт``, ``mon,wed,sat-sun``.

    Raises:
        UsageError: it names none.
    """
    days: set[int] = set()
    for part in text.translate(_DASHES).casefold().replace(";", ",").split(","):
        first, *more = (_DAYS.get(name.strip()) for name in part.split("-"))
        last = more[0] if more else first
        if first is None or last is None or len(more) > 1:
            raise UsageError(
                _("Days are given as mon-fri or mon,wed,sat, not {text!r}.").format(text=text), code="DAYS"
            )
        days |= {day % 7 for day in range(first, last + (7 if last < first else 0) + 1)}
    return frozenset(days)


def hours_in_words(hours: tuple[int, int]) -> str:
    """``09:00-20:00``."""
    return "-".join(f"{seconds // 3600:02}:{seconds // 60 % 60:02}" for seconds in hours)


def days_in_words(days: frozenset[int]) -> str:
    """``mon,tue,wed``; nothing where it is all of them."""
    names = _RUSSIAN_DAYS if language() == "ru" else DAY_NAMES
    return "" if len(days) == 7 else ",".join(names[day] for day in sorted(days))


def parse_duration(text: str) -> float:
    """Seconds: ``6h``, ``10m``, ``1h30m``, ``90 min``, ``6 ч``.

    Raises:
        UsageError: the text is no duration.
    """
    whole = "".join(text.casefold().split())
    parts = re.findall(r"(\d+(?:[.,]\d+)?)([a-zа-я]+)", whole)
    if parts and "".join(map("".join, parts)) == whole and all(unit in _SECONDS for _, unit in parts):
        seconds = sum(float(number.replace(",", ".")) * _SECONDS[unit] for number, unit in parts)
        if 0 < seconds <= LONGEST:
            return float(seconds)
    raise UsageError(_("A duration is given as 6h or 10m, not {text!r}.").format(text=text), code="DURATION")


def _zone_in(text: str | None) -> tzinfo | None:
    if not text:
        return None
    try:
        return zone_of("UTC" if text.upper() == "Z" else text)
    except UsageError:
        raise ValueError(text) from None


def _days_in(text: str | None, today: date) -> list[date]:
    """The days that a time may be of, the soonest first."""
    if text is None:
        return [today, today + timedelta(days=1), today + timedelta(days=2)]
    ahead = _FROM_TODAY.get(text.casefold())
    if ahead is not None:
        return [today + timedelta(days=ahead)]
    if "." in text:
        day, month, year = map(int, text.split("."))
        return [date(year, month, day)]
    year, month, day = map(int, text.split("-"))
    return [date(year, month, day)]
