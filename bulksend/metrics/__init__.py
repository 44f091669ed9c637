"""How the campaigns of a journal stand, as metrics for Prometheus and the like.

Everything is read from the journal when somebody asks, so whoever serves it, the page or a worker, says the same of all
campaigns of that journal.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bulksend.journal import Counts, Journal, Stage
from bulksend.ratelimit.limiter import RateLimit, execution_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bulksend.journal import Run

SHORTEST: Final = 5.0
"""Seconds over which a pace is reckoned at the least."""


def metrics_registry(address: str | Path) -> CollectorRegistry:
    """What `prometheus_client` serves or writes: the metrics of the journal at that address."""
    made = CollectorRegistry()
    made.register(_Campaigns(address))
    return made


class _Campaigns(Collector):
    """Reads the journal each time it is asked."""

    def __init__(self, address: str | Path) -> None:
        self._address = address
        self._pace = _Pace()
        self._lock = threading.Lock()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing beforehand: a registry need not read the journal to know the names."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All metrics as they are now."""
        with self._lock, Journal(self._address) as journal:
            runs = journal.runs()
            now, oldest = journal.now(), journal.oldest_doubt()
            states = {portal: journal.pace(portal) for portal in {run.portal for run in runs}}
            pace = self._pace.of(runs)
        rows = Counter(Counts().by_status())
        for run in runs:
            rows.update(run.counts.by_status())
        yield _family("bulksend_rows", "Rows of all campaigns by what became of them.", "status", rows)
        campaigns = Counter({"sending": 0, "waiting": 0, "paused": 0, "finished": 0})
        campaigns.update(map(_state, runs))
        yield _family("bulksend_campaigns", "Campaigns by where they are.", "state", campaigns)
        yield _family(
            "bulksend_pace_rows_per_second",
            "Rows settled a second on each portal, since it was last asked for.",
            "portal",
            pace,
        )
        left = GaugeMetricFamily(
            "bulksend_execution_time_left_seconds",
            "Execution time that a portal still grants a method of a webhook or application.",
            labels=["portal", "caller", "method"],
        )
        for portal, state in states.items():
            for caller, method, used in execution_times(state, now):
                left.add_metric([portal, caller, method], max(0.0, RateLimit().operating_limit - used))
        yield left
        yield GaugeMetricFamily(
            "bulksend_oldest_doubt_seconds",
            "Age of the oldest row that left and of which it is not known whether it arrived; 0 where there is none.",
            value=0.0 if oldest is None else max(0.0, now - oldest),
        )


def _family(name: str, about: str, label: str, values: dict[str, int] | dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _state(run: Run) -> str:
    if run.stage is Stage.FINISHED:
        return "finished"
    return "sending" if run.holder is not None else "paused" if run.paused else "waiting"


class _Pace:
    """Rows settled a second, between two moments at which it was asked for."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._settled: dict[int, int] = {}
        self._known: dict[str, float] = {}

    def of(self, runs: Iterable[Run]) -> dict[str, float]:
        """The pace on each portal; 0 at first."""
        settled = {run.id: run.counts.total - run.counts.left for run in runs}
        passed = time.monotonic() - self._at
        if passed >= SHORTEST or not self._settled:
            done: Counter[str] = Counter()
            for run in runs:
                done[run.portal] += settled[run.id] - self._settled.get(run.id, settled[run.id])
            self._known = {portal: max(0, rows) / passed for portal, rows in done.items()} if passed else {}
            self._at, self._settled = time.monotonic(), settled
        return {run.portal: self._known.get(run.portal, 0.0) for run in runs}
