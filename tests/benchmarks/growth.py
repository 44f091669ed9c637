"""How cost grows with the number of rows: time a row and peak memory at each size, of each part by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.benchmarks.journals import Instant, enter
from tests.benchmarks.measure import Job, Measured, Stopwatch, once
from tests.benchmarks.reading import check_sheet
from tests.benchmarks.sheets import make_csv
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from bulksend.portal.client import Client
    from tests.benchmarks.scale import Scale

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def growth(scale: Scale) -> list[Line]:
    """Check, journaling, sending (batches of 50, a portal that answers at once) and results at each size.

    One campaign for each size goes through all of them, each in a process of its own.
    """
    lines_of: dict[str, list[Line]] = {"check": [], "journaling": [], "sending": [], "results": [], "journal": []}
    for size in SIZES:
        if size > scale.most_rows:
            break
        sheet = make_csv(scale.folder, size)
        journal = scale.folder / f"growth-{size}.db"
        results = scale.folder / f"growth-{size}.results.csv"
        jobs = {
            "check": Job(check_sheet, {"path": sheet}),
            "journaling": Job(journal_sheet, {"path": sheet, "journal": journal, "results": results}),
            "sending": Job(send_campaign, {"journal": journal}),
            "results": Job(account_campaign, {"journal": journal}),
        }
        for name, job in jobs.items():
            done = once(job)
            each = Quantity(done.seconds / size * 1e6, "µs a row")
            lines_of[name].append(Line(f"growth: {name}, {size:,} rows", each, peak=done.peak))
            if name == "journaling":
                lines_of["journal"].append(_size(size, done.facts["bytes"], sheet.stat().st_size))
        journal.unlink()
        results.unlink()
    return [line for lines in lines_of.values() for line in lines]


def _size(rows: int, journal: int, sheet: int) -> Line:
    return Line(
        f"growth: journal on disk, {rows:,} rows",
        Quantity(journal / rows, "bytes a row"),
        "the sheet itself",
        Quantity(sheet / rows, "bytes a row"),
        journal / sheet,
    )


def journal_sheet(path: str, journal: str, results: str) -> Measured:
    """Enter a sheet that has been checked as a campaign: it is read once more, and every row synced to the disk."""
    from bulksend.journal import Journal  # noqa: PLC0415 - the process that measures others need not hold this

    with Journal(journal) as opened:
        _, seconds = enter(opened, Path(path), Path(results))
    return seconds, {"bytes": Path(journal).stat().st_size}


def send_campaign(journal: str) -> Measured:
    """Send the journal's campaign in batches of 50 to a portal that answers at once."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.ratelimit.limiter import RateLimit  # noqa: PLC0415
    from bulksend.sender.options import Options  # noqa: PLC0415
    from bulksend.sender.sender import Sender  # noqa: PLC0415

    with Journal(journal) as opened:
        opened.acquire(1, {})
        options = Options(rate_limit=RateLimit(rate=0), batch=50, max_in_flight=8)
        sender = Sender(opened, opened.run(1), cast("Client", Instant()), options, lambda _: None)
        with Stopwatch() as watch:
            sender.run()
        opened.release(1, "")
        counts = opened.run(1).counts
    if counts.sent != counts.total:
        raise RuntimeError(f"Not everything was sent: {counts}.")
    return watch.seconds, {"sent": counts.sent}


def account_campaign(journal: str) -> Measured:
    """Write the results sheet of the journal's campaign, as the text file that its sheet was."""
    import bulksend.plan  # noqa: F401, PLC0415 - imports are no part of what is measured
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.results import write_run_results  # noqa: PLC0415

    with Journal(journal) as opened, Stopwatch() as watch:
        written = write_run_results(opened, opened.run(1))
    return watch.seconds, {"bytes": written.stat().st_size}
