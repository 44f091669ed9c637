"""Times, zones, hours and days as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bulksend.errors import UsageError
from bulksend.schedule.parsing import parse_days, parse_duration, parse_hours, parse_time, time_in_full
from bulksend.schedule.zones import local_zone_name, zone_name, zone_of

MOSCOW = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=MOSCOW).timestamp()


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("10:00", "2026-11-24T07:00Z"),
        ("13:30", "2026-11-23T10:30Z"),
        ("12:00", "2026-11-23T09:00Z"),
        ("завтра 10:00", "2026-11-24T07:00Z"),
        ("Завтра в 10:00", "2026-11-24T07:00Z"),
        ("tomorrow at 9:05", "2026-11-24T06:05Z"),
        ("сегодня 18:00", "2026-11-23T15:00Z"),
        ("послезавтра 00:00", "2026-11-24T21:00Z"),
        ("2026-11-24 10:00", "2026-11-24T07:00Z"),
        ("2026-11-24T10:00:30", "2026-11-24T07:00:30Z"),
        ("24.11.2026 10:00", "2026-11-24T07:00Z"),
        ("2026-11-24 10:00+05:00", "2026-11-24T05:00Z"),
        ("2026-11-24T10:00Z", "2026-11-24T10:00Z"),
        ("tomorrow 10:00 МСК+2", "2026-11-24T05:00Z"),
        ("10:00 Asia/Vladivostok", "2026-11-24T00:00Z"),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, means: str) -> None:
    """A time is read as people write it."""
    assert datetime.fromtimestamp(parse_time(text, MOSCOW, NOW, "AT"), UTC) == datetime.fromisoformat(means)


@pytest.mark.parametrize("text", ["", "10", "25:00", "10:60", "someday 10:00", "2026-02-30 10:00", "10:00 Mars"])
def test_what_is_no_time_is_refused_in_a_sentence(text: str) -> None:
    """What is no time is refused in a sentence."""
    with pytest.raises(UsageError, match="A time is given as"):
        parse_time(text, MOSCOW, NOW, "AT")


def test_a_time_that_has_passed_is_refused_and_said_in_full() -> None:
    """A time that has passed is refused and said in full."""
    with pytest.raises(UsageError, match=r"Mon 2026-11-23 11:00 Europe/Moscow \(\+03:00\)"):
        parse_time("today 11:00", MOSCOW, NOW, "AT")


def test_a_time_is_shown_in_full_with_its_zone() -> None:
    """A time is shown in full with its zone."""
    assert time_in_full(NOW, MOSCOW) == "Mon 2026-11-23 12:00 Europe/Moscow (+03:00)"
    assert time_in_full(NOW, zone_of("+05:30")) == "Mon 2026-11-23 14:30 +05:30"


def test_a_time_that_summer_time_leaves_out_is_the_moment_of_the_change() -> None:
    """A time that summer time leaves out is the moment of the change."""
    moment = parse_time("2027-03-28 02:30", ZoneInfo("Europe/Berlin"), NOW, "AT")
    assert datetime.fromtimestamp(moment, UTC) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


def test_a_time_that_comes_twice_is_the_first_of_the_two() -> None:
    """A time that comes twice is the first of the two."""
    moment = parse_time("2027-10-31 02:30", ZoneInfo("Europe/Berlin"), NOW, "AT")
    assert datetime.fromtimestamp(moment, UTC) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Moscow", "Europe/Moscow"),
        ("asia/yekaterinburg", "Asia/Yekaterinburg"),
        ("МСК", "Europe/Moscow"),
        ("МСК+2", "+05:00"),
        ("msk−1", "+02:00"),
        ("MSK+0", "+03:00"),
        ("+05:00", "+05:00"),
        ("+5", "+05:00"),
        ("-03:30", "-03:30"),
        ("UTC", "+00:00"),
        ("GMT +7", "+07:00"),
    ],
)
def test_a_zone_is_read_as_people_write_it_and_its_name_reads_as_the_same(text: str, name: str) -> None:
    """A zone is read as people write it and its name reads as the same."""
    assert zone_name(zone_of(text)) == name
    assert zone_name(zone_of(name)) == name


@pytest.mark.parametrize("text", ["", "5", "05:00", "+15", "+5:75", "Москва", "../etc/passwd", "Europe", "МСК+"])
def test_what_is_no_zone_is_refused_rather_than_guessed(text: str) -> None:
    """What is no zone is refused rather than guessed."""
    with pytest.raises(UsageError, match="no time zone"):
        zone_of(text)


def test_this_computer_has_a_zone() -> None:
    """This computer has a zone."""
    zone_of(local_zone_name())


def test_hours_are_read_as_people_write_them() -> None:
    """Hours are read as people write them."""
    assert parse_hours("09:00-20:00") == (32400, 72000)
    assert parse_hours("9 – 20:30") == (32400, 73800)
    assert parse_hours("22:00-06:00") == (79200, 21600)
    assert parse_hours("00:00-24:00") == (0, 86400)
    for text in ("", "9", "09:00-09:00", "9-25", "24:00-6:00", "9:70-10"):
        with pytest.raises(UsageError, match="Hours are given as"):
            parse_hours(text)


def test_days_are_read_in_english_and_russian() -> None:
    """Days are read in english and russian."""
    assert parse_days("mon-fri") == parse_days("пн-пт") == parse_days("Monday – friday") == {0, 1, 2, 3, 4}
    assert parse_days("сб, вс") == {5, 6}
    assert parse_days("sat-mon,wed") == {5, 6, 0, 2}
    for text in ("", "mon-", "1-5", "mon-wed-fri"):
        with pytest.raises(UsageError, match="Days are given as"):
            parse_days(text)


def test_durations_are_read_in_english_and_russian() -> None:
    """Durations are read in english and russian."""
    assert parse_duration("6h") == parse_duration("6 ч") == 21600
    assert parse_duration("10m") == parse_duration("10 мин") == 600
    assert parse_duration("1h30m") == 5400
    for text in ("", "10", "h", "0m", "10 parsecs", "9999d"):
        with pytest.raises(UsageError, match="A duration is given as"):
            parse_duration(text)
