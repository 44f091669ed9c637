"""One chunk of work against another that does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.measure import in_turn
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from tests.benchmarks.measure import Job
    from tests.benchmarks.scale import Scale


def against(what: str, ours: Job, alternative: str, theirs: Job, *, most: float, full: int, scale: Scale) -> Line:
    """Do both in turn and compare their seconds.

    Args:
        what: what is measured, in words.
        ours: our way of doing it.
        alternative: the other's name.
        theirs: the other way.
        most: how many times as long as the other ours may take.
        full: from how many rows on that is judged.
        scale: how large and how often.
    """
    mine, other = in_turn(scale.rounds, ours, theirs)
    ratio = mine.seconds / other.seconds
    return Line(
        what,
        Quantity(mine.seconds, "s"),
        alternative,
        Quantity(other.seconds, "s"),
        ratio,
        f"<= {most:g} x",
        scale.judged(full, met=ratio <= most),
        mine.peak,
        (mine.all_seconds, other.all_seconds),
    )
