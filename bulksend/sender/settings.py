"""How a campaign is to be sent, as people say it: the form in which the journal remembers it.

Nothing but the standard library is loaded before `Sending.options` is asked for, so that help answers at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from bulksend.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulksend.sender.options import Options

BATCH_LIMIT: Final = 50
"""Rows in one batch at the most: the portal refuses those beyond."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send, as a person says it; None: not said."""

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

    @classmethod
    def take(cls, params: dict[str, Any]) -> Sending:
        """Take these options out of a command's parameters."""
        return cls(**{field.name: params.pop(field.name) for field in fields(cls)})

    def over(self, earlier: Mapping[str, Any]) -> Sending:
        """These options, and what was said earlier where these say nothing."""
        known = {field.name for field in fields(self)}
        said = {
            name: value
            for name, value in asdict(self).items()
            if value is not None and not (name == "fast" and value is False)
        }
        return Sending(**{name: value for name, value in {**earlier, **said}.items() if name in known})

    def settings(self) -> dict[str, Any]:
        """What was said, for the journal."""
        return {name: value for name, value in asdict(self).items() if value is not None}

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
            f"The failures that may happen are a number of rows or a percentage, such as 20 or 5%, not {text!r}.",
            code="MAX_FAILURES",
        )
    return int(rows * value / 100) if text.strip().endswith("%") else int(value)
