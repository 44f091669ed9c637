"""When the last message of a campaign will have left: by its pace, the portal's limits, hours and zones together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bulksend.ratelimit.batch_size import BatchSize
from bulksend.sender.options import OPERATING_PER_MESSAGE, OPERATING_WINDOW
from bulksend.sender.reopening import PAUSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulksend.journal import ZoneRows
    from bulksend.ratelimit.limiter import Outlook
    from bulksend.sender.options import Options

BASKET: Final = 60.0
"""Seconds of a basket in which execution time falls out (REST documentation, limits)."""

UNLIMITED_CALL: Final = 0.05
"""Seconds that a call is taken to take where there is no rate to reckon with."""

FIRST_ANSWER: Final = 1.16
"""Seconds for which the histories that are read before the first message are waited for, and then the first batch where
the portal's speed is not known: as long as the vendor's example took."""

REPAIR_STEPS: Final = 3
"""Requests that start a dialog again: the entity's chats, the start, the history."""

LONGEST: Final = 400 * 86400.0
"""Seconds; a campaign that takes longer is not reckoned to its end."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """When the last message will have left (Unix seconds), reckoned ``now``, and how many will be too late."""

    now: float
    ends_at: float
    too_late: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same for programs: the end in ISO 8601, in UTC."""
        ends_at = datetime.fromtimestamp(round(self.ends_at), UTC).isoformat()
        return {"seconds": round(self.ends_at - self.now, 1), "ends_at": ends_at, "too_late": self.too_late}


@dataclass(slots=True)
class _Zone:
    """Rows of a zone, spread evenly over a part of the sheet; ``position`` is where the first that is left stands."""

    name: str
    rows: float
    position: float
    density: float


def predict(
    zones: Mapping[str, ZoneRows],
    options: Options,
    outlook: Outlook,
    now: float,
    *,
    starts: int = 0,
    only: int | None = None,
) -> Prediction:
    """Reckon through a campaign, minute by minute.

    Args:
        zones: the rows of each zone; "" are those without one of their own.
        options: how they are sent.
        outlook: what is left of the portal's limits now.
        now: the time.
        starts: dialogs that will have to be started again, where that is known.
        only: how many of these rows are sent, where not all are; of each zone then as large a part.
    """
    schedule = options.schedule
    if only is not None:
        part = only / max(1, sum(zone.rows for zone in zones.values()))
        zones = {name: zone._replace(rows=round(zone.rows * part)) for name, zone in zones.items()}
    left = [
        _Zone(name, rows.rows, rows.first, rows.rows / (rows.last - rows.first + 1))
        for name, rows in zones.items()
        if rows.rows
    ]
    rows = sum(zone.rows for zone in left)
    flow = _Flow(options, outlook, now, min(1.0, starts / rows) if rows and options.reopen else 0.0)
    moment = ends_at = now
    while left and moment < now + LONGEST:
        opens = {zone.name: schedule.opens_at(moment, zone.name) for zone in left}
        going = [zone for zone in left if opens[zone.name] == moment]
        later = [at for at in opens.values() if at is not None and at > moment]
        if not going:
            if not later:
                break
            moment = min(later)
            continue
        until = min([*(schedule.closes_at(moment, zone.name) for zone in going), *later])
        wanted = sum(zone.rows for zone in going)
        sent, moment = flow.send(wanted, moment, until)
        if sent:
            ends_at = flow.last_left + flow.last_repair
            _take(going, sent)
            left = [zone for zone in left if zone.rows > 1e-6]
    return Prediction(now, ends_at, round(sum(zone.rows for zone in left)))


def _take(zones: list[_Zone], rows: float) -> None:
    """Take so many rows in the sheet's order."""
    while rows > 1e-9 and (left := [zone for zone in zones if zone.rows > 1e-9]):
        lowest = min(zone.position for zone in left)
        first = [zone for zone in left if zone.position <= lowest + 1e-9]
        density = sum(zone.density for zone in first)
        # On to where one of these ends, or where another one begins.
        ends = [zone.position + zone.rows / zone.density for zone in first]
        ends += [zone.position for zone in left if zone not in first]
        way = min(min(ends) - lowest, rows / density)
        for zone in first:
            taken = min(zone.rows, way * zone.density)
            zone.rows -= taken
            zone.position = lowest + way
        rows -= way * density


class _Flow:
    """How many rows leave in a time: by rate, bursts and execution time; a part of them is ``refused`` at first."""

    def __init__(self, options: Options, outlook: Outlook, now: float, refused: float) -> None:
        limit, interval = options.rate_limit, options.schedule.interval
        size = BatchSize(options.rows_a_call, row_seconds=outlook.row_seconds)
        self._batch = size.rows() if size.known else options.rows_a_call
        # A refused row is sent twice, and the refused ones of a batch take a request for each step of their repair.
        a_call = self._batch / (1 + refused + REPAIR_STEPS * min(1.0, refused * self._batch))
        self._rate = (limit.rate or 1 / UNLIMITED_CALL) * a_call
        self._room = max(1, limit.burst) * a_call
        self._tokens = max(1, outlook.calls_at_once) * a_call
        if interval:
            self._rate = min(self._rate, 1 / interval / (1 + refused))
            self._room = self._tokens = float(self._batch)
        elif limit.rate:  # the first request reads histories
            self._tokens -= self._batch
        self._at = max(now, outlook.blocked_until)
        if limit.rate:
            self._at += FIRST_ANSWER
        if limit.rate and self._batch > 1:  # the first batch goes alone
            self._at += self._batch * outlook.row_seconds if outlook.row_seconds else FIRST_ANSWER
        self._cost = (outlook.cost or OPERATING_PER_MESSAGE) * (1 + refused) if limit.rate or outlook.cost else 0.0
        self._charged_after = (outlook.row_seconds or 0.0) * self._batch / 2
        self._limit = limit.operating_limit
        self._baskets: dict[float, float] = {}  # when it falls out → seconds
        if outlook.used:
            falls = [outlook.reset_at]
            while falls[-1] + BASKET < now + OPERATING_WINDOW:
                falls.append(falls[-1] + BASKET)
            self._baskets = dict.fromkeys(falls, outlook.used / len(falls))
        self.last_left = now
        self.last_repair = PAUSE + REPAIR_STEPS / limit.rate if refused and limit.rate else 0.0

    def send(self, wanted: float, moment: float, until: float) -> tuple[float, float]:
        """Let rows leave from a moment until another at the most, or for a minute; how many did, and until when."""
        moment = max(moment, self._at)
        if moment >= until:
            return 0.0, until
        self._refill(moment)
        self._baskets = {falls: seconds for falls, seconds in self._baskets.items() if falls > moment}
        room = math.inf
        if self._cost:
            room = max(0.0, self._limit - sum(self._baskets.values())) / self._cost
            if room < 1:
                return 0.0, min([until, *self._baskets])
        falls = self._basket(moment + self._charged_after)
        end = min([until, falls - OPERATING_WINDOW + BASKET - self._charged_after, *self._baskets])
        at_once = max(0.0, self._tokens)
        sent = min(wanted, room, at_once + self._rate * (end - moment))
        # The first of a batch leaves with the others: what is beyond the tokens waits for its own.
        took = max(0.0, sent - self._tokens) / self._rate
        self._tokens -= sent
        self._at = moment + took
        self._tokens += took * self._rate
        self.last_left = moment + took
        if self._cost:
            self._baskets[falls] = self._baskets.get(falls, 0.0) + sent * self._cost
        return sent, end if sent < wanted and sent < room else self._at

    def _basket(self, moment: float) -> float:
        """When the basket falls out to which calls of a moment are charged: the first of a minute begin one."""
        newest = max(self._baskets, default=0.0)
        return newest if moment < newest - OPERATING_WINDOW + BASKET else moment + OPERATING_WINDOW

    def _refill(self, moment: float) -> None:
        if moment > self._at:
            self._tokens = min(self._room, self._tokens + (moment - self._at) * self._rate)
            self._at = moment
