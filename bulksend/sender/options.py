"""How to send, how far it is, how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.ratelimit.limiter import RateLimit
from bulksend.schedule.parsing import time_in_full
from bulksend.schedule.schedule import Schedule
from bulksend.schedule.zones import zone_in_words, zone_of

if TYPE_CHECKING:
    from bulksend.journal import Counts, WaitReason

SAME_TEXT_SECONDS: Final = 24 * 3600.0
"""A text that another campaign sent to the same chat within this time is not sent again unasked."""

SAME_REFUSALS: Final = 20
"""When so many rows in a row are refused with one code from the very first on, it is the campaign that is wrong."""

LATE: Final = 1800.0
"""Seconds after the time that was set for it, a campaign does not begin unasked any more."""


OPERATING_PER_MESSAGE: Final = 0.137
"""Seconds of execution time a message was charged in the vendor's own example (REST documentation)."""

OPERATING_WINDOW: Final = 600.0
"""Seconds over which execution time is summed (REST documentation, limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to send. Times are seconds.

    Attributes:
        rate_limit: how fast.
        batch: rows a call, 1 to 50; with 1 each row is a call of its own.
        max_in_flight: calls under way at once.
        timeout: how long an answer is waited for.
        settle: how long after an unanswered call the portal may still be carrying it out.
        outage: how long an unreachable portal is waited for in mid-campaign.
        max_failures: rows that may fail or end unknown before the campaign stops; None for any number.
        join: whether a speaker who is not a member of a chat is made one.
        reopen: whether the dialog of an entity's chat is started again where it is not active.
        schedule: when messages may leave.
        late: whether to begin also long after the time that was set for it.
        longest_wait: how long the hours of all messages may be waited for; where they begin later the sender ends with
            `StopReason.WAITING`.
        same_refusals: how many rows refused alike from the first on stop the campaign; None for any number.
    """

    rate_limit: RateLimit = field(default_factory=RateLimit)
    batch: int = 1
    max_in_flight: int = 32
    timeout: float = 65.0
    settle: float = 60.0
    outage: float = 900.0
    max_failures: int | None = None
    join: bool = False
    reopen: bool = False
    same_refusals: int | None = SAME_REFUSALS
    schedule: Schedule = field(default_factory=Schedule)
    late: bool = False
    longest_wait: float = math.inf

    @property
    def rows_a_call(self) -> int:
        """Rows of a call at the most: where messages are spread, no more than it takes to be through in time."""
        return min(self.batch, self.rows_to_keep_up) if self.schedule.interval else self.batch

    @property
    def rows_to_keep_up(self) -> int:
        """Rows that a call has to hold for messages to be spread as they should, at this rate."""
        calls = self.rate_limit.rate * self.schedule.interval
        return max(1, math.ceil(1 / calls - 1e-6)) if calls else 1


class StopReason(StrEnum):
    """How a run of the sender ended."""

    ENDED = "ended"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    WAITING = "waiting"
    JOURNAL_BACK = "journal back"
    REFUSED = "refused"
    TOO_MANY_FAILURES = "too many failures"
    OUT_OF_REACH = "out of reach"
    LATE = "late"
    NEVER_REACHED = "never reached"
    JOURNAL = "journal"
    SYSTEM = "system"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How it ended, and a sentence for people (empty where the counts say it all).

    ``until`` is when the next message may leave, where it is `StopReason.WAITING` (Unix seconds).
    """

    how: StopReason
    sentence: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known at a moment.

    Attributes:
        counts: the campaign's rows.
        in_flight: calls under way.
        reason: what is being waited for, for programs; see `waiting`.
        until: until when (Unix seconds).
        zone: whose hours those are, where it is hours.
        idle: whether nothing at all leaves until then; rows of other zones may, where it is hours.
    """

    counts: Counts
    in_flight: int
    reason: WaitReason | None = None
    until: float = 0.0
    zone: str = ""
    idle: bool = False

    @property
    def waiting(self) -> str:
        """What is being waited for, in the language of whoever asks; empty where nothing is."""
        if self.reason is None:
            return ""
        from bulksend.journal import WAITS  # noqa: PLC0415 - whoever shows the help needs no journal

        when = time_in_full(self.until, zone_of(self.zone)) if self.zone else ""
        return _(WAITS[self.reason]).format(zone=zone_in_words(self.zone), when=when)


def estimate(rows: int, options: Options) -> float:
    """About how many seconds a campaign takes: by its rate and batches, or by the portal's execution-time limit."""
    rule = options.rate_limit
    calls = rows / options.rows_a_call
    by_rate = max(0.0, calls - rule.burst) / rule.rate if rule.rate else calls * 0.05
    budget = rule.operating_limit / OPERATING_PER_MESSAGE
    by_budget = 0.0 if rows <= budget or not rule.rate else (rows - budget) / (budget / OPERATING_WINDOW)
    return max(by_rate, by_budget, 1.0)


def duration(seconds: float) -> str:
    """A time span for people: ``40 s``, ``3 min``, ``2 h 5 min``, ``3 days 4 h``."""
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{minutes} min").format(minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        text = _("{hours} h {minutes} min") if minutes else _("{hours} h")
        return text.format(hours=hours, minutes=minutes)
    days, hours = divmod(hours, 24)
    if hours:
        text = ngettext("{days} day {hours} h", "{days} days {hours} h", days)
    else:
        text = ngettext("{days} day", "{days} days", days)
    return text.format(days=number(days), hours=hours)


def late_sentence(at: float, timezone: str) -> str:
    """What to say of a campaign that would begin long after the time that was set for it."""
    return _("The campaign was to begin at {time}, which has long passed.").format(
        time=time_in_full(at, zone_of(timezone))
    )
