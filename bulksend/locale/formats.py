"""Numbers as the reader's language writes them."""

from __future__ import annotations

from bulksend.locale import language


def number(value: float) -> str:
    """A number with its thousands apart, as in ``1,204``; fractions have up to three digits."""
    if isinstance(value, int) and -1000 < value < 1000:
        return str(value)
    from babel.numbers import format_decimal  # noqa: PLC0415 - it takes a while to load

    return format_decimal(value, locale=language())
