"""When a message may leave: against a model that knows nothing but what the clock on the wall shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulksend.schedule.schedule import Schedule
from bulksend.schedule.zones import zone_of

STEP = 300
"""Seconds: windows and the clocks of these zones change at multiples of it."""

ZONES = [
    "Europe/Moscow",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Apia",  # one day of 2011 did not happen there
    "Asia/Beirut",  # the clock changes at midnight
    "+05:00",
    "-03:30",
]

CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
]

moments = st.builds(
    lambda near, steps, seconds: near.timestamp() + steps * STEP + seconds,
    st.sampled_from(CHANGES),
    st.integers(-900, 900),
    st.sampled_from([0, 0.001, 150, 299.9]),
)
hours = st.tuples(st.integers(0, 287), st.integers(0, 288)).filter(lambda pair: pair[0] != pair[1])
days = st.frozensets(st.integers(0, 6), min_size=1)


def shown_when_open(hours: tuple[int, int], days: frozenset[int]) -> set[tuple[int, int]]:
    """The weekdays and times (in steps) that the wall clock shows while the window is open."""
    start, end = hours
    steps = range(start, end if start < end else end + 288)
    return {((day + step // 288) % 7, step % 288) for day in days for step in steps}


@settings(max_examples=250, deadline=None)
@given(hours=hours, days=days, zone=st.sampled_from(ZONES), now=moments)
def test_messages_leave_while_the_clock_shows_the_hours_and_none_that_may_waits(
    hours: tuple[int, int], days: frozenset[int], zone: str, now: float
) -> None:
    """Messages leave while the clock shows the hours and none that may waits."""
    schedule = Schedule(hours=(hours[0] * STEP, hours[1] * STEP), days=days, timezone=zone)
    shown, there = shown_when_open(hours, days), zone_of(zone)

    def model(moment: float) -> bool:
        wall = datetime.fromtimestamp(moment, there)
        return (wall.weekday(), (wall.hour * 60 + wall.minute) // 5) in shown

    assert schedule.allows(now) == model(now)
    opens = now
    while not model(opens):
        opens = opens // STEP * STEP + STEP
    assert schedule.opens_at(now) == opens
    closes, horizon = opens, opens + 8 * 86400
    while model(closes) and closes < horizon:
        closes = closes // STEP * STEP + STEP
    if closes < horizon:
        assert schedule.closes_at(opens) == closes
    else:
        assert schedule.closes_at(opens) >= horizon


@settings(max_examples=100, deadline=None)
@given(at=moments, length=st.integers(1, 400), now=moments, hours=hours)
def test_nothing_leaves_before_the_beginning_nor_after_the_end(
    at: float, length: int, now: float, hours: tuple[int, int]
) -> None:
    """Nothing leaves before the beginning nor after the end."""
    window = Schedule(hours=(hours[0] * STEP, hours[1] * STEP))
    schedule = Schedule(hours=window.hours, at=at, not_after=at + length * STEP)
    assert schedule.allows(now) == (at <= now < at + length * STEP and window.allows(now))
    opens = schedule.opens_at(now)
    if opens is None:
        first = window.opens_at(max(at, now))
        assert first is not None
        assert first >= schedule.not_after
    else:
        assert opens >= max(at, now)
        assert schedule.allows(opens)
        assert schedule.closes_at(opens) <= schedule.not_after


def test_each_row_goes_by_the_clock_of_its_own_zone() -> None:
    """Each row goes by the clock of its own zone."""
    schedule = Schedule(hours=(9 * 3600, 20 * 3600), timezone="Europe/Moscow")
    now = datetime(2026, 11, 24, 8, 0, tzinfo=ZoneInfo("Europe/Moscow")).timestamp()
    assert not schedule.allows(now)
    assert schedule.allows(now, "Asia/Vladivostok")
    assert schedule.opens_at(now) == now + 3600
    assert schedule.closes_at(now, "Asia/Vladivostok") == now + timedelta(hours=5).total_seconds()


def test_without_hours_and_days_messages_leave_at_any_time() -> None:
    """Without hours and days messages leave at any time."""
    assert Schedule().allows(0.0)
    assert Schedule().opens_at(5.0) == 5.0
    assert Schedule().closes_at(5.0) == float("inf")


@pytest.mark.parametrize(("day", "zone"), [("2026-03-29", "Europe/Berlin"), ("2026-10-04", "Australia/Lord_Howe")])
def test_hours_that_summer_time_leaves_out_do_not_open_that_day(day: str, zone: str) -> None:
    """Hours that summer time leaves out do not open that day."""
    schedule = Schedule(hours=(2 * 3600, 2 * 3600 + 1800), timezone=zone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    opens = schedule.opens_at(midnight.timestamp())
    assert opens is not None
    assert datetime.fromtimestamp(opens, ZoneInfo(zone)).date() == midnight.date() + timedelta(days=1)
