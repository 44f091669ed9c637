"""The page, against the commands: the check, sending with somebody watching, long lists."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.against import against
from tests.benchmarks.measure import Job, Measured, Stopwatch, once
from tests.benchmarks.sheets import make_xlsx
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.scale import Scale

LIST_SECONDS: Final = 0.3
LAG_SECONDS: Final = 3.0
ROWS_OF_A_CHAT: Final = 10
"""Chats are asked for before sending, which is not what is measured: few of them are."""

READING_SECONDS: Final = 10.0
"""How long a person reads what will happen before pressing the button: what was asked before is forgotten then."""

POLL_SECONDS: Final = 2.0
"""How often the page's script asks."""


def page_check(scale: Scale) -> list[Line]:
    """A workbook of 10,000 rows uploaded to the page until its check is shown, against `bulksend check`."""
    count = scale.rows(10_000)
    sheet = make_xlsx(scale.folder, count)
    return [
        against(
            f"page: XLSX of {count:,} rows uploaded until its check is shown",
            Job(upload, {"sheet": sheet}),
            "bulksend check",
            Job(check, {"sheet": sheet}),
            most=1.5,
            full=10_000,
            scale=scale,
        )
    ]


def page_lists(scale: Scale) -> list[Line]:
    """The list of 1,000 campaigns, and a page of a campaign of 1,000,000 rows, each of its filters."""
    count = scale.rows(1_000_000)
    found = once(Job(lists, {"rows": count, "campaigns": 1_000}))
    return [
        Line(
            what.format(rows=f"{count:,}"),
            Quantity(found.facts[fact], "s"),
            "",
            None,
            None,
            f"<= {LIST_SECONDS:g} s",
            scale.judged(1_000_000, met=found.facts[fact] <= LIST_SECONDS),
            found.peak,
        )
        for fact, what in (("list", "page: list of 1,000 campaigns"), ("slowest", "page: a campaign of {rows} rows"))
    ]


def page_sending(scale: Scale) -> list[Line]:
    """Sending with the page open in a browser, against `bulksend send`; and how far progress is behind the journal."""
    count = scale.rows(4_000)
    line = against(
        f"page: {count:,} rows sent in batches with somebody watching",
        Job(send_on_page, {"rows": count}),
        "bulksend send --fast",
        Job(send_by_command, {"rows": count}),
        most=1 / 0.97,
        full=4_000,
        scale=scale,
    )
    found = once(Job(send_on_page, {"rows": count}))
    lag = Line(
        "page: progress behind the journal, at the most",
        Quantity(found.facts["lag"], "s"),
        "",
        None,
        None,
        f"<= {LAG_SECONDS:g} s",
        scale.judged(4_000, met=found.facts["lag"] <= LAG_SECONDS),
        found.peak,
    )
    return [line, lag]


def _page() -> Any:
    from tests.web.conftest import PageProcess  # noqa: PLC0415 - only the process that measures needs it

    return PageProcess(Path(tempfile.mkdtemp(prefix="bulksend-page-"))).start()


def upload(sheet: str) -> Measured:
    """Upload a workbook to a page that is there, and wait for its check."""
    content, page = Path(sheet).read_bytes(), _page()
    try:
        visitor = page.enter()
        with Stopwatch() as watch:
            text = visitor.settled(visitor.upload("sheet.xlsx", content))
        assert "rows can be sent" in text
    finally:
        page.kill()
    return watch.seconds, {}


def check(sheet: str) -> Measured:
    """The command, from its start to its end."""
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-m", "bulksend", "check", sheet], check=True, stdout=subprocess.DEVNULL)
    return watch.seconds, {}


def lists(rows: int, campaigns: int) -> Measured:
    """Time pages of a journal with a very long campaign and very many."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from tests.benchmarks.journals import database, enter  # noqa: PLC0415
    from tests.benchmarks.sheets import make_csv  # noqa: PLC0415

    page = _page()
    try:
        visitor = page.enter()
        seed = min(rows, 20_000)
        with Journal(page.journal) as journal:
            run_id, _ = enter(journal, make_csv(page.commands.folder, seed), page.commands.folder / "results.csv")
        with database(page.journal) as connection:
            columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(rows)")]
            others = ", ".join(name for name in columns if name != "n")
            for start in range(seed, rows, seed):
                connection.execute(
                    f"INSERT INTO rows (n, {others}) SELECT n + {start}, {others} FROM rows WHERE run_id = ? AND n < ?",
                    (run_id, min(seed, rows - start)),
                )
            connection.execute(
                "UPDATE rows SET state = CASE n % 1000 WHEN 0 THEN 'failed' WHEN 1 THEN 'unknown' ELSE 'sent' END, "
                "error_code = CASE n % 1000 WHEN 0 THEN 'CANCELED' WHEN 1 THEN 'ANSWER_LOST' END "
                "WHERE run_id = ? AND n < ? * 0.6",
                (run_id, rows),
            )
            connection.execute(
                "UPDATE rows SET state = 'skipped', error_code = 'BEYOND_LIMIT' WHERE run_id = ? AND n >= ? * 0.6",
                (run_id, rows),
            )
            counts = dict(
                connection.execute("SELECT state, count(*) FROM rows WHERE run_id = ? GROUP BY state", (run_id,))
            )
            connection.execute(
                "UPDATE runs SET count_pending = 0, count_sent = ?, count_failed = ?, count_unknown = ?, "
                "count_skipped = ?, stage = 'finished' WHERE id = ?",
                (*(counts.get(state, 0) for state in ("sent", "failed", "unknown", "skipped")), run_id),
            )
            fields = [name for _, name, *_ in connection.execute("PRAGMA table_info(runs)") if name != "id"]
            for number in range(campaigns):
                listed = ", ".join(f"'{number}'" if name == "content" else name for name in fields)
                connection.execute(
                    f"INSERT INTO runs ({', '.join(fields)}) SELECT {listed} FROM runs WHERE id = ?", (run_id,)
                )
        seconds = {}
        visitor.get("/portals")  # what every page needs is there
        for path in ("/", *(f"/campaigns/{run_id}{query}" for query in _filters())):
            with Stopwatch() as watch:
                assert visitor.get(path).ok
            seconds[path] = watch.seconds
    finally:
        page.kill()
    slowest = max(value for path, value in seconds.items() if path != "/")
    return slowest, {"list": seconds["/"], "slowest": slowest, **seconds}


def _filters() -> Iterator[str]:
    yield ""
    yield "?show=all&after=599000"
    for status in ("sent", "failed", "unknown", "skipped", "invalid"):
        yield f"?show={status}"
    yield "?show=failed&after=590000"


def send_on_page(rows: int) -> Measured:
    """Send a campaign from the page, looked at every two seconds; by the journal's clock, from its entry to its end."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.sandbox import Limits, Sandbox, World  # noqa: PLC0415
    from tests.processes import rows as rows_of  # noqa: PLC0415
    from tests.web.conftest import saved  # noqa: PLC0415

    lines = rows_of(rows, max(1, rows // ROWS_OF_A_CHAT))
    world = World.from_rows((kind, entity, chat, 0) for kind, entity, chat, *_ in lines)
    page = _page()
    with Sandbox(world=world, limits=Limits.none(), latency=0.2) as portal:
        try:
            visitor = page.enter()
            sheet, name = visitor.upload_rows(lines), saved(visitor, "crm", portal)
            visitor.confirm_page(sheet, name)
            time.sleep(READING_SECONDS)
            number = visitor.send(sheet, name)
            lag, done = [0.0], threading.Event()

            def watch() -> None:
                with Journal(page.journal) as journal:
                    while not done.is_set():
                        before, asked = journal.run(number).counts.sent, time.monotonic()
                        text = visitor.get(f"/campaigns/{number}/progress").text
                        shown = re.search(r"<label for=\"bar\">([\d,]+) of", text)
                        # What is shown is as new as the question, and stays for as long as the script waits then.
                        assert shown is None or int(shown[1].replace(",", "")) >= before
                        lag[0] = max(lag[0], time.monotonic() - asked + POLL_SECONDS)
                        done.wait(POLL_SECONDS)

            watcher = threading.Thread(target=watch)
            watcher.start()
            # Who looked at the page more often than its script does would be measured too.
            with Journal(page.journal) as journal:
                while journal.run(number).ended_at is None:
                    time.sleep(0.2)
            done.set()
            watcher.join()
            run = page.run_of(number)
        finally:
            page.kill()
    return (run.ended_at or 0.0) - run.created_at, {"lag": lag[0]}


def send_by_command(rows: int) -> Measured:
    """The same by the command."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.sandbox import Limits, Sandbox, World  # noqa: PLC0415
    from tests.processes import Commands, write_sheet  # noqa: PLC0415
    from tests.processes import rows as rows_of  # noqa: PLC0415

    lines = rows_of(rows, max(1, rows // ROWS_OF_A_CHAT))
    world = World.from_rows((kind, entity, chat, 0) for kind, entity, chat, *_ in lines)
    commands = Commands(Path(tempfile.mkdtemp(prefix="bulksend-command-")))
    with Sandbox(world=world, limits=Limits.none(), latency=0.2) as portal:
        sheet = write_sheet(commands.folder / "sheet.csv", lines)
        ended = commands.run("send", sheet, "--portal", portal.webhook, "--fast", "--yes")
        assert ended.code == 0, ended.said
    with Journal(commands.journal) as journal:
        run = journal.run(1)
    return (run.ended_at or 0.0) - run.created_at, {}
