"""Measurements, each in a process of its own: seconds as the work itself counts them, memory as the system does."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT: Final = Path(__file__).resolve().parents[2]

Measured = tuple[float, dict[str, Any]]
"""What a work returns: its seconds, without imports and preparations, and facts about it as plain values."""


class Stopwatch:
    """Seconds that pass inside ``with``."""

    seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began


@dataclass(frozen=True, slots=True)
class Job:
    """A function of this package, by which a fresh process is to be kept busy, and what it is handed (plain values)."""

    work: Callable[..., Measured]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a job done several times: the median's seconds, the highest peak of memory, the last facts."""

    seconds: float
    peak: int
    facts: Mapping[str, Any]
    all_seconds: tuple[float, ...]


def once(job: Job, environment: Mapping[str, str] | None = None) -> Result:
    """Do a job in a process of its own."""
    place = f"{job.work.__module__}:{job.work.__qualname__}"
    arguments = json.dumps(dict(job.arguments), default=str)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.child", place, arguments],
        cwd=ROOT,
        env=None if environment is None else dict(environment),
        stdout=subprocess.PIPE,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        raise RuntimeError(f"{place} ended with {done.returncode}.")
    figures = json.loads(done.stdout.splitlines()[-1])
    return Result(figures["seconds"], figures["peak"], figures["facts"], (figures["seconds"],))


def in_turn(rounds: int, *jobs: Job) -> list[Result]:
    """Do jobs in turn (A B A B …), each time in a fresh process; one result for each."""
    by_job: list[list[Result]] = [[] for _ in jobs]
    for _ in range(rounds):
        for job, results in zip(jobs, by_job, strict=True):
            results.append(once(job))
    return [together(results) for results in by_job]


def together(results: list[Result]) -> Result:
    """Several results of the same job as one."""
    seconds = tuple(result.seconds for result in results)
    return Result(statistics.median(seconds), max(result.peak for result in results), results[-1].facts, seconds)
