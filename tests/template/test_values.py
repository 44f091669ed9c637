"""How the numbers and dates of a sheet are read, and how a message says them."""

from datetime import date, time
from decimal import Decimal

import pytest

from bulksend.template.values import Language, Moment, format_moment, format_number, parse_moment, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1250", "1250"),
        ("1250.5", "1250.5"),
        ("1250,50", "1250.50"),
        ("1 250,50", "1250.50"),
        ("1\u00a0250\u202f000,5 ₽", "1250000.5"),
        ("1,250.50", "1250.50"),
        ("1.250,50 EUR", "1250.50"),
        ("$1,250.50", "1250.50"),
        ("1,250,000", "1250000"),
        ("1'250'000", "1250000"),
        ("12 500 руб.", "12500"),
        ("0,125", "0.125"),
        ("−3", "-3"),
        ("15%", "15"),
        ("007", "7"),
    ],
)
def test_a_number_that_can_be_read_in_one_way(text: str, number: str) -> None:
    """Is read, whatever sets its thousands and decimals apart."""
    assert parse_number(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["1,250", "1.250", "12 50", "1,25,0", "", "-", "soon", "INV-5", "8.77E+03", "1 2", "1" * 41, "nan", "inf"]
)
def test_a_number_that_cannot_be_read_safely(text: str) -> None:
    """Is refused, never guessed."""
    with pytest.raises(ValueError, match="can be read"):
        parse_number(text)


def test_a_number_read_as_the_template_says() -> None:
    """The sign for decimals settles what could be read in two ways, and refuses what it does not fit."""
    assert parse_number("1,250", ".") == 1250
    assert parse_number("1,250", ",") == Decimal("1.25")
    with pytest.raises(ValueError, match="decimals"):
        parse_number("1.250,50", ".")
    with pytest.raises(ValueError, match="reads"):
        parse_number("1", ";")


@pytest.mark.parametrize(
    ("number", "decimals", "language", "text"),
    [
        ("1250.5", 2, "en", "1,250.50"),
        ("1250.5", 2, "ru", "1 250,50"),
        ("1250.50", None, "en", "1,250.50"),
        ("1250", None, "ru", "1 250"),
        ("0.125", 2, "en", "0.13"),
        ("-0.001", 2, "en", "0.00"),
        ("-1250", 0, "ru", "-1 250"),
    ],
)
def test_a_number_is_said_as_people_write_it(number: str, decimals: int | None, language: Language, text: str) -> None:
    """Thousands apart, halves rounded up, no minus before nothing."""
    assert format_number(Decimal(number), decimals, language) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-30", Moment(date(2026, 11, 30), None)),
        ("2026-11-30T14:05:00+03:00", Moment(date(2026, 11, 30), time(14, 5))),
        ("30.11.2026", Moment(date(2026, 11, 30), None)),
        ("3.4.26", Moment(date(2026, 4, 3), None)),
        ("30.11.2026 9:30", Moment(date(2026, 11, 30), time(9, 30))),
        ("11/30/2026", Moment(date(2026, 11, 30), None)),
        ("30/11/2026", Moment(date(2026, 11, 30), None)),
        ("04/04/2026", Moment(date(2026, 4, 4), None)),
        ("9:30", Moment(None, time(9, 30))),
        ("12:05 am", Moment(None, time(0, 5))),
        ("2:05 PM", Moment(None, time(14, 5))),
    ],
)
def test_a_date_that_can_be_read_in_one_way(text: str, moment: Moment) -> None:
    """Is read, with its time of day where it has one."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["03/04/2026", "soon", "", "45990", "31.02.2026", "25:00", "13:00 pm", "2026-13-01", "30 November", "9:75"]
)
def test_a_date_that_cannot_be_read_safely(text: str) -> None:
    """Is refused, never guessed."""
    with pytest.raises(ValueError, match=r"read|calendar|time of the day"):
        parse_moment(text)


def test_a_date_read_as_the_template_says() -> None:
    """A pattern settles which is the day and which the month."""
    assert parse_moment("03/04/2026", "%d/%m/%Y") == Moment(date(2026, 4, 3), None)
    assert parse_moment("20260403 1405", "%Y%m%d %H%M") == Moment(date(2026, 4, 3), time(14, 5))
    with pytest.raises(ValueError, match="look like"):
        parse_moment("2026-04-03", "%d/%m/%Y")


@pytest.mark.parametrize(
    ("pattern", "language", "text"),
    [
        ("%d.%m.%Y", "ru", "05.01.2026"),
        ("%-d %B %Y", "en", "5 January 2026"),
        ("%-d %B", "ru", "5 января"),
        ("%A, %a, %b %y", "en", "Monday, Mon, Jan 26"),
        ("%A (%a)", "ru", "понедельник (пн)"),
        ("%H:%M:%S", "ru", "15:07:00"),
        ("%-I:%M %p", "en", "3:07 PM"),
        ("%-H h, %I, %-m/%d, 100 %%", "en", "15 h, 03, 1/05, 100 %"),
    ],
)
def test_a_date_is_said_as_the_pattern_puts_it(pattern: str, language: Language, text: str) -> None:
    """The same on every system: names of months and days do not come from its locale."""
    assert format_moment(Moment(date(2026, 1, 5), time(15, 7)), pattern, language) == text


def test_a_date_that_lacks_what_the_pattern_asks_for() -> None:
    """A day without a time is not at midnight, and a time without a day is not today."""
    with pytest.raises(ValueError, match="no time of day"):
        format_moment(Moment(date(2026, 1, 5), None), "%H:%M", "en")
    with pytest.raises(ValueError, match="no date"):
        format_moment(Moment(None, time(9, 30)), "%d.%m.", "en")
