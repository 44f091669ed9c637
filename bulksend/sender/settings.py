"""How a campaign is to be sent, as people say it: the form in which the journal remembers it.

Nothing but the standard library is loaded before `Sending.options` is asked for, so that help answers at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulksend.errors import UsageError
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.schedule.schedule import Schedule
    from bulksend.sender.options import Options

NEVER: Final = "never"
"""For --not-after: there is no such time any more."""

_SCHEDULE: Final = frozenset({"at", "hours", "days", "timezone", "over", "not_after", "interval", "stop_list"})

BATCH_LIMIT: Final = 50
"""Rows in one batch at the most: the portal refuses those beyond."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send, as a person says it; None: not said.

    ``interval`` is not said: it is what ``over`` comes to once the number of messages is known (`spread`).
    """

    rate: float | None = None
    batch: int | None = None
    burst: int | None = None
    fast: bool = False
    max_in_flight: int | None = None
    timeout: float | None = None
    settle: float | None = None
    outage: float | None = None
    operating_limit: float | None = None
    max_failures: str | None = None
    join: bool | None = None
    reopen: bool | None = None
    at: str | None = None
    hours: str | None = None
    days: str | None = None
    timezone: str | None = None
    over: str | None = None
    not_after: str | None = None
    late: bool = False
    interval: float | None = None
    stop_list: Sequence[str] | None = None

    @classmethod
    def take(cls, params: dict[str, Any]) -> Sending:
        """Take these options out of a command's parameters."""
        sending = cls(**{field.name: params.pop(field.name) for field in fields(cls) if field.name in params})
        stop_lists = [str(Path(path).absolute()) for path in sending.stop_list or ()]
        return replace(sending, stop_list=stop_lists or None)

    def resolved(self, now: float, earlier: Mapping[str, Any]) -> Sending:
        """The same with times in full, which mean the same another day; to be done once, when they are given.

        Args:
            now: the time.
            earlier: what was said when the campaign was last sent.

        Raises:
            UsageError: a time, hours, days or a zone cannot be read, or a time has passed.
        """
        if not any((self.at, self.hours, self.days, self.timezone, self.over, self.not_after)):
            return self
        from bulksend.schedule import parsing, zones  # noqa: PLC0415 - see the module's docstring

        name = self.timezone or earlier.get("timezone") or zones.local_zone_name()
        zone = zones.zone_of(name)

        def in_full(text: str | None, *, code: str) -> str | None:
            if text is None or text == NEVER:
                return text
            return parsing.iso(parsing.parse_time(text, zone, now, code), zone)

        if self.hours is not None:
            parsing.parse_hours(self.hours)
        if self.days is not None:
            parsing.parse_days(self.days)
        if self.over is not None:
            parsing.parse_duration(self.over)
        sending = replace(
            self,
            timezone=zones.zone_name(zone),
            at=in_full(self.at, code="AT"),
            not_after=in_full(self.not_after, code="NOT_AFTER"),
        )
        schedule = sending.over_earlier(earlier).schedule()
        anywhere = (None, *(f"{hours:+03d}:00" for hours in range(-12, 15)))  # rows may have zones of their own
        if schedule.not_after > now and all(schedule.opens_at(now, zone) is None for zone in anywhere):
            raise UsageError(_("Nothing could leave in time: no such hours or days lie before the end."))
        return sending

    def schedule(self) -> Schedule:
        """When messages may leave; the times are in full (`resolved`)."""
        from bulksend.schedule import parsing  # noqa: PLC0415 - see the module's docstring
        from bulksend.schedule.schedule import ALL_HOURS, EVERY_DAY, Schedule  # noqa: PLC0415 - likewise

        return Schedule(
            at=datetime.fromisoformat(self.at).timestamp() if self.at else 0.0,
            not_after=datetime.fromisoformat(self.not_after).timestamp()
            if self.not_after not in {None, NEVER}
            else math.inf,
            hours=parsing.parse_hours(self.hours) if self.hours else ALL_HOURS,
            days=parsing.parse_days(self.days) if self.days else EVERY_DAY,
            timezone=self.timezone or "UTC",
            interval=self.interval or 0.0,
        )

    def spread(self, rows: int) -> Sending:
        """The same with the interval between so many messages, where they are to be spread and none is known yet."""
        if self.over is None or self.interval is not None:
            return self
        from bulksend.schedule.parsing import parse_duration  # noqa: PLC0415 - see the module's docstring

        return replace(self, interval=parse_duration(self.over) / max(1, rows))

    def scheduled(self, earlier: Mapping[str, Any]) -> Sending:
        """These options, with the times, hours and zone that were said earlier where these say none."""
        return self.over_earlier({name: value for name, value in earlier.items() if name in _SCHEDULE})

    @classmethod
    def kept(cls, settings: Mapping[str, Any]) -> Sending:
        """What the journal keeps of a campaign."""
        return cls().over_earlier(settings)

    def over_earlier(self, earlier: Mapping[str, Any]) -> Sending:
        """These options, and what was said earlier where these say nothing."""
        if self.over is not None:
            earlier = {name: value for name, value in earlier.items() if name != "interval"}
        known = {field.name for field in fields(self)}
        said = {
            name: value
            for name, value in asdict(self).items()
            if value is not None and not (name in {"fast", "late"} and value is False)
        }
        return Sending(**{name: value for name, value in {**earlier, **said}.items() if name in known})

    def settings(self) -> dict[str, Any]:
        """What was said, for the journal."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "late"}

    def options(self, rows: int, settle: float | None = None) -> Options:
        """What it means for a campaign of so many rows; ``settle`` is what is remembered for the portal."""
        from bulksend.ratelimit.limiter import FULL_BUCKET, RateLimit  # noqa: PLC0415 - see the module's docstring
        from bulksend.sender.options import Options  # noqa: PLC0415 - likewise

        rate = 2.0 if self.rate is None else self.rate
        whole = FULL_BUCKET.get(rate, 1) if self.fast else 1
        burst = whole if self.burst is None else self.burst
        batch = (BATCH_LIMIT if self.fast else 1) if self.batch is None else self.batch
        usual = Options()
        return Options(
            rate_limit=RateLimit(
                rate, burst, usual.rate_limit.operating_limit if self.operating_limit is None else self.operating_limit
            ),
            batch=batch,
            max_in_flight=self.max_in_flight or _in_flight(rate, burst),
            timeout=usual.timeout if self.timeout is None else self.timeout,
            settle=next(time for time in (self.settle, settle, usual.settle) if time is not None),
            outage=usual.outage if self.outage is None else self.outage * 60,
            max_failures=_failures(self.max_failures, rows),
            join=bool(self.join),
            reopen=bool(self.reopen),
            schedule=self.schedule(),
            late=self.late,
        )


CALL_SECONDS: Final = 15
"""A call may take so long before calls in flight are too few to keep the pace."""

UNLIMITED_IN_FLIGHT: Final = 8
"""Calls in flight where no rate is set: more only wait for one another on the portal."""


def _in_flight(rate: float, burst: int) -> int:
    return min(500, burst + math.ceil(rate * CALL_SECONDS)) if rate > 0 else UNLIMITED_IN_FLIGHT


def _failures(text: str | None, rows: int) -> int | None:
    if text is None:
        return None
    number = text.strip().removesuffix("%").strip()
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf or (not text.strip().endswith("%") and value != int(value)):
        raise UsageError(
            _(
                "The failures that may happen are a number of rows or a percentage, such as 20 or 5%, not {text!r}."
            ).format(text=text),
            code="MAX_FAILURES",
        )
    return int(rows * value / 100) if text.strip().endswith("%") else int(value)
