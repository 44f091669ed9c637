"""A dry run: everything that sending does but the calls, in a journal that is thrown away afterwards."""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulksend.campaign import ALREADY_SENT, Campaign, find_same
from bulksend.journal import Change, Journal, State
from bulksend.portal.error_help import advice
from bulksend.results import write_run_results
from bulksend.sender.options import SAME_TEXT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend.journal import Run
    from bulksend.plan import Plan
    from bulksend.target import Target

WOULD_BE_SENT = ("DRY_RUN", "This was a dry run: the row would have been sent.")
"""What the sheet of a dry run says of a row that nothing keeps from being sent."""

_PIECE = 5_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """What sending would begin with.

    Attributes:
        run: the campaign as it would be: its pending rows would be sent. It is in no journal, unless ``known``.
        known: whether an unfinished campaign of the same sheet would be gone on with.
        repeats: rows that another campaign sent to the same chat in the last 24 hours: (row number, campaign).
        written: the sheet that says what would become of each row, where one was asked for.
    """

    run: Run
    known: bool
    repeats: list[tuple[int, int]]
    written: Path | None = None


def dry_run(
    journal: Journal,
    plan: Plan,
    target: Target,
    *,
    again: bool = False,
    limit: int | None = None,
    skip_sent: bool = False,
    results: Path | None = None,
) -> Forecast:
    """Do everything that sending a sheet does but the calls.

    ``journal`` is only read: afterwards the sheet can be sent as if there had been no dry run. The other arguments are
    those of sending it; ``results`` is where to write what would become of each row.

    Raises:
        AlreadyDone: it was sent before and ``again`` is not set.
        UsageError: the sheet at ``results`` cannot be written.
    """
    again = again or target.is_ephemeral
    same = find_same(journal, plan, target, again=again)
    if same is not None:
        written = (
            None if results is None else write_run_results(journal, same, results, not_sent=WOULD_BE_SENT, note=False)
        )
        return Forecast(same, known=True, repeats=[], written=written)
    with _passing_journal() as passing, Campaign.enter(passing, plan, target, results=results) as campaign:
        campaign.limit(limit)
        repeats = [] if again else list(_sent_before(journal, passing, campaign.run))
        if skip_sent:
            skipped = [
                Change(place, State.PENDING, State.SKIPPED, ALREADY_SENT, advice(ALREADY_SENT))
                for place, _, _ in repeats
            ]
            passing.apply(campaign.id, skipped)
        run = replace(campaign.run, settings={})
        written = None if results is None else write_run_results(passing, run, results, not_sent=WOULD_BE_SENT)
    numbers = [] if skip_sent else [(number, other) for _, number, other in repeats]
    return Forecast(run, known=False, repeats=numbers, written=written)


@contextlib.contextmanager
def _passing_journal() -> Iterator[Journal]:
    with (
        tempfile.TemporaryDirectory(prefix="bulksend-", ignore_cleanup_errors=True) as folder,
        Journal(Path(folder) / "journal.db") as journal,
    ):
        yield journal


def _sent_before(journal: Journal, passing: Journal, run: Run) -> Iterator[tuple[int, int, int]]:
    """Rows whose text another campaign of the real journal sent lately: (place, row number, that campaign)."""
    since = time.time() - SAME_TEXT_SECONDS
    if not journal.busy_since(run.portal, since):
        return
    after = -1
    while rows := passing.open_rows(run.id, State.PENDING, after, _PIECE):
        found = journal.sent_since(run.portal, [row.fingerprint for row in rows], since)
        yield from ((row.n, row.number, found[row.fingerprint]) for row in rows if row.fingerprint in found)
        after = rows[-1].n
