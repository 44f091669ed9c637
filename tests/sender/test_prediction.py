"""The forecast of a campaign's end, against the limits of the portal and of this program in simulated time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from bulksend.journal import ZoneRows
from bulksend.portal.methods import MESSAGE_ADD
from bulksend.ratelimit.execution_time import Observation
from bulksend.ratelimit.limiter import RateLimit, RateLimiter
from bulksend.sandbox.limits import Budget, Operating
from bulksend.schedule.schedule import Schedule
from bulksend.sender.options import Options
from bulksend.sender.prediction import predict

MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC).timestamp()
DAY = (9 * 3600, 20 * 3600)
ELEVEN = [f"+{hours:02}:00" for hours in range(2, 13)]


@dataclass
class World:
    """A portal and what this program knows of its limits, with a clock that only moves when it is waited for."""

    options: Options
    now: float = MORNING
    state: str = ""

    def __post_init__(self) -> None:
        self.limiter = RateLimiter(self.options.rate_limit, "webhook")
        self.portal = Budget(Operating(), 0.137)

    def zones(self, rows: Sequence[str]) -> dict[str, ZoneRows]:
        """The rows of each zone, as the journal counts them."""
        places: dict[str, list[int]] = {}
        for n, zone in enumerate(rows):
            places.setdefault(zone, []).append(n)
        return {zone: ZoneRows(len(of), of[0], of[-1]) for zone, of in places.items()}

    def send(self, rows: Sequence[str]) -> tuple[float, int]:
        """Send rows to these zones; when the last one left, and how many could not leave in time."""
        waiting = {zone: [n for n, of in enumerate(rows) if of == zone][::-1] for zone in dict.fromkeys(rows)}
        schedule, last, next_at, left = self.options.schedule, self.now, 0.0, len(rows)
        while left:
            closed = {zone: schedule.opens_at(self.now, zone) for zone, places in waiting.items() if places}
            going = [zone for zone, opens in closed.items() if opens == self.now]
            if not going:
                later = [opens for opens in closed.values() if opens is not None]
                if not later:
                    break
                self.now = min(later)
                continue
            if self.now < next_at:
                self.now = next_at
                continue
            wanted = min(1 if schedule.interval else self.options.batch, sum(len(waiting[zone]) for zone in going))
            grant = self.limiter.take(self.state, MESSAGE_ADD, wanted, 0, self.now)
            self.state = grant.state
            if not grant.granted:
                self.now += max(grant.wait, 1e-3)
                continue
            seen = []
            for _ in range(grant.granted):
                first = max((zone for zone in going if waiting[zone]), key=lambda zone: -waiting[zone][-1])
                waiting[first].pop()
                assert not self.portal.exhausted(self.now)
                self.portal.charge(self.now)
                reset_at = self.portal.reset_at(self.now)
                seen.append(Observation(MESSAGE_ADD, self.portal.used(self.now), reset_at, reset_at))
            left, last, next_at = left - grant.granted, self.now, self.now + schedule.interval
            self.state = self.limiter.learn(self.state, seen, self.now)
        return last, left


FAST = RateLimit(rate=2, burst=51)
CAMPAIGNS = {
    "at the usual pace": (["" for _ in range(900)], Options(), 0),
    "in a burst": ([""] * 400, Options(rate_limit=FAST), 0),
    "in batches": ([""] * 3000, Options(rate_limit=FAST, batch=50), 0),
    "more than the execution time allows": ([""] * 12000, Options(rate_limit=FAST, batch=50), 0),
    "with the execution time nearly used up": ([""] * 2500, Options(rate_limit=FAST, batch=50), 3400),
    "until the evening and on the next day": (
        [""] * 700,
        Options(rate_limit=RateLimit(rate=1 / 60), schedule=Schedule(hours=DAY, timezone="Europe/Moscow")),
        0,
    ),
    "in eleven zones, mixed": (
        ELEVEN * 150,
        Options(rate_limit=RateLimit(rate=1 / 20), schedule=Schedule(hours=(10 * 3600, 12 * 3600))),
        0,
    ),
    "in eleven zones, one after another": (
        sorted(ELEVEN * 100),
        Options(rate_limit=RateLimit(rate=1 / 20), schedule=Schedule(hours=DAY, days=frozenset({1, 3}))),
        0,
    ),
    "spread over six hours": ([""] * 300, Options(schedule=Schedule(interval=72.0)), 0),
    "not all in time": (
        [""] * 900,
        Options(schedule=Schedule(at=MORNING + 3600, not_after=MORNING + 3900)),
        0,
    ),
}


@pytest.mark.parametrize("kind", CAMPAIGNS)
def test_the_end_is_known_before_the_first_message(kind: str) -> None:
    """Within five percent of how long it then takes, whatever holds the messages back."""
    rows, options, sent_before = CAMPAIGNS[kind]
    world = World(options)
    if sent_before:
        world.send([""] * sent_before)
    outlook = world.limiter.outlook(world.state, MESSAGE_ADD, world.now)
    began, prediction = world.now, predict(world.zones(rows), options, outlook, world.now)
    ended, too_late = world.send(rows)
    assert prediction.ends_at - began == pytest.approx(ended - began, rel=0.05)
    assert prediction.too_late == pytest.approx(too_late, rel=0.05)
