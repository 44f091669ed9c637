"""Numbers and dates as the reader's language writes them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from bulksend.locale import N_, _, language

if TYPE_CHECKING:
    from datetime import date


_OF_THE_SYSTEM: Final = (
    N_("Address already in use"),
    N_("Cannot assign requested address"),
    N_("Disk quota exceeded"),
    N_("File name too long"),
    N_("Input/output error"),
    N_("Is a directory"),
    N_("Name or service not known"),
    N_("No such file or directory"),
    N_("No space left on device"),
    N_("Not a directory"),
    N_("Operation not permitted"),
    N_("Permission denied"),
    N_("Read-only file system"),
)
"""What systems say of files and addresses in English, whatever language they are set to; here for the catalogues."""


def number(value: float) -> str:
    """A number with its thousands apart, as in ``1,204``; fractions have up to three digits."""
    if isinstance(value, int) and -1000 < value < 1000:
        return str(value)
    from babel.numbers import format_decimal  # noqa: PLC0415 - it takes a while to load

    return format_decimal(value, locale=language())


def day(date: date) -> str:
    """A date: in English ``2026-11-24``, which nobody takes for another."""
    if language() == "en":
        return f"{date:%Y-%m-%d}"
    from babel.dates import format_date  # noqa: PLC0415 - as above

    return format_date(date, "short", locale=language())


def moment(at: float) -> str:
    """A time by this computer's clock, to the minute."""
    local = datetime.fromtimestamp(at).astimezone()
    return f"{day(local)} {local:%H:%M}"


def weekday(number: int) -> str:
    """The short name of a day of the week, Monday being 0."""
    from babel.dates import get_day_names  # noqa: PLC0415 - as above

    return str(get_day_names("abbreviated", locale=language())[number])


def reason(error: OSError) -> str:
    """What the system says is wrong, in the reader's language where it is something common; may be empty."""
    said = (error.strerror or "").partition(" (")[0]  # Python adds places of its own in brackets
    return _(said) if said else ""
