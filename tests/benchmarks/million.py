"""A million rows: rehearsing them, accounting for them, and finding one's way among ten such campaigns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.journals import copy_campaign, database, enter, settle
from tests.benchmarks.measure import ROOT, Job, Measured, Stopwatch, once
from tests.benchmarks.portal import Served, served
from tests.benchmarks.sheets import make_csv
from tests.benchmarks.startup import timed
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from tests.benchmarks.scale import Scale

FULL = 1_000_000
CAMPAIGNS = 10


def million(scale: Scale) -> list[Line]:
    """``send --dry-run``, ``results`` as text and as a workbook, ``runs`` and ``resume`` among ten campaigns.

    Nine campaigns were sent in the last days, the tenth was stopped half-way. ``resume`` is timed from the start of
    its process to the arrival of its first call at a portal.
    """
    count = scale.rows(FULL)
    sheet = make_csv(scale.folder, count)
    lines = [_timed(f"million: send --dry-run, CSV of {count:,} rows", Job(rehearse, {"sheet": sheet}))]
    journal = scale.folder / f"million-{count}.db"
    first = once(Job(fill, {"journal": journal, "sheet": sheet, "count": count})).facts["run"]
    for suffix in (".csv", ".xlsx"):
        path = scale.folder / f"million{suffix}"
        job = Job(account, {"journal": journal, "run": first, "path": path})
        lines.append(_timed(f"million: results, {suffix[1:].upper()} of {count:,} rows", job))
        path.unlink()
    runs = [timed(_command("runs", journal), {}) for _ in range(scale.rounds)]
    lines.append(_answer(f"million: runs, {CAMPAIGNS} campaigns of {count:,} rows", runs, scale))
    with served(rate=(50, 2)) as portal:
        with database(journal) as connection:
            address = portal.webhook.split("/")[2]
            connection.execute("UPDATE runs SET portal = ?", (address,))
        resumed = [_first_call(journal, portal) for _ in range(scale.rounds)]
    lines.append(_answer(f"million: resume to its first call, {CAMPAIGNS} campaigns", resumed, scale))
    lines.append(
        Line(
            f"million: journal of {CAMPAIGNS} campaigns of {count:,} rows",
            Quantity(journal.stat().st_size / 1e6, "MB"),
            "a row",
            Quantity(journal.stat().st_size / count / CAMPAIGNS, "bytes"),
        )
    )
    journal.unlink()
    return lines


def _timed(what: str, job: Job) -> Line:
    done = once(job)
    return Line(what, Quantity(done.seconds, "s"), peak=done.peak)


def _answer(what: str, seconds: list[float], scale: Scale) -> Line:
    middle = statistics.median(seconds)
    met = scale.judged(FULL, met=middle < 1)
    return Line(what, Quantity(middle, "s"), bar="< 1 s", met=met, samples=(tuple(seconds),))


def _command(name: str, journal: Path) -> list[str]:
    return [sys.executable, "-m", "bulksend", name, "--journal", str(journal)]


def _first_call(journal: Path, portal: Served) -> float:
    """Seconds from starting ``bulksend resume`` to its first message's arrival; it is stopped then."""
    known = len(portal.calls())
    began = time.monotonic()
    process = subprocess.Popen(
        [*_command("resume", journal), "--portal", portal.webhook, "--yes"],
        cwd=ROOT,
        env={**os.environ, "BULKSEND_HOME": str(journal.parent / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        while len(calls := portal.calls()) == known:
            if process.poll() is not None:
                said = process.stderr.read() if process.stderr else ""
                raise RuntimeError(f"`bulksend resume` ended before its first call: {said}")
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    return float(calls[known]["arrived_at"]) - began


def rehearse(sheet: str) -> Measured:
    """Everything that sending does but the calls."""
    from bulksend.cli import main  # noqa: PLC0415 - the process that measures others need not hold this

    place = Path(sheet)
    results = place.with_name("rehearsed.csv")
    arguments = ["send", sheet, "--portal", "http://127.0.0.1:9/rest/27/nobodylistenshere/", "--dry-run"]
    arguments += ["--results", str(results), "--journal", str(place.with_name("rehearsed.db"))]
    with Stopwatch() as watch:
        try:
            main(arguments)
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(f"`bulksend send --dry-run` ended with {ended.code}.") from None
    size = results.stat().st_size
    results.unlink()
    return watch.seconds, {"bytes": size}


def fill(journal: str, sheet: str, count: int) -> Measured:
    """Make a journal of ten campaigns of so many rows: nine sent, the last one half sent."""
    from bulksend.journal import Journal  # noqa: PLC0415

    place = Path(journal)
    with Journal(place) as opened:
        run_id, seconds = enter(opened, Path(sheet), place.with_suffix(".results.csv"))
    settle(place, run_id, 0, count - 1, 90.0)
    for number in range(2, CAMPAIGNS):
        settle(place, copy_campaign(place, run_id), 0, -1, 90.0 - number * 8)
    with database(place) as connection:
        connection.execute("UPDATE runs SET content = content || id")  # the last one is another sheet than these
    with Journal(place) as opened:
        last, _ = enter(opened, Path(sheet), place.with_suffix(".results.csv"))
    settle(place, last, 0, count // 2 - 1, 0.5)
    return seconds, {"run": run_id, "last": last}


def account(journal: str, run: int, path: str) -> Measured:
    """What ``bulksend results`` does."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.results import write_run_results  # noqa: PLC0415

    with Stopwatch() as watch, Journal(journal) as opened:
        written = write_run_results(opened, opened.run(run), Path(path))
    return watch.seconds, {"bytes": written.stat().st_size}
