"""Time zones as people write them: IANA names, offsets from UTC, and hours from Moscow."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Final

from bulksend.errors import UsageError
from bulksend.locale import _

MOSCOW: Final = "Europe/Moscow"

_OFFSET: Final = re.compile(r"(UTC|GMT|МСК|MSK)?\s*(?:([+-])(\d{1,2})(?::?([0-5]\d))?)?", re.IGNORECASE)
_DASHES: Final = str.maketrans("−–—‑", "----")


def zone_of(text: str) -> tzinfo:
    """The zone that a text names: ``Europe/Moscow``, ``+05:00``, ``UTC+5``, ``МСК+2``.

    Raises:
        UsageError: it names none.
    """
    name = " ".join(text.translate(_DASHES).split())
    zone = _offset(name) or _iana(name)
    if zone is None:
        raise UsageError(
            _("There is no time zone {text!r}: write a name such as Europe/Moscow, or +05:00, or МСК+2.").format(
                text=text
            )
        )
    return zone


def zone_name(zone: tzinfo) -> str:
    """A text that `zone_of` reads as the same zone."""
    if isinstance(zone, zoneinfo.ZoneInfo):
        return zone.key
    minutes = round((zone.utcoffset(None) or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def zone_in_words(name: str) -> str:
    """What people are shown of what `zone_name` gives, which is also a part of what identifies a sheet."""
    return "UTC" if name in {zone_name(UTC_ZONE), "Etc/UTC"} else name


def local_zone_name() -> str:
    """The zone of this computer's clock."""
    import tzlocal  # noqa: PLC0415 - only where no zone is given

    try:
        return zone_name(zone_of(tzlocal.get_localzone_name()))
    except (UsageError, zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        offset = datetime.now(UTC).astimezone().utcoffset() or timedelta()
        return zone_name(timezone(offset))


def _offset(name: str) -> tzinfo | None:
    found = _OFFSET.fullmatch(name)
    if found is None or not name:
        return None
    base, sign, hours, minutes = found.groups()
    base = (base or "").upper()
    moscow = base in {"МСК", "MSK"}
    if not sign:
        return zoneinfo.ZoneInfo(MOSCOW) if moscow else UTC_ZONE
    size = timedelta(hours=int(hours), minutes=int(minutes or 0))
    # Regions of Russia keep their distance from Moscow, which has had no summer time since 2014.
    offset = (-size if sign == "-" else size) + timedelta(hours=3 if moscow else 0)
    return timezone(offset) if abs(offset) <= timedelta(hours=14) else None


@cache
def _iana(name: str) -> tzinfo | None:
    if not re.fullmatch(r"[A-Za-z][\w+/-]*", name, re.ASCII):
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        exact = _names().get(name.casefold())
        return None if exact is None else zoneinfo.ZoneInfo(exact)


@cache
def _names() -> dict[str, str]:
    return {name.casefold(): name for name in zoneinfo.available_timezones()}


UTC_ZONE: Final = timezone(timedelta())
