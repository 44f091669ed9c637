"""At the portal's pace, as fast as its bucket allows, and as fast as can be where there is no limit."""

from __future__ import annotations

import os
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulksend.schedule.parsing import DAY_NAMES
from tests.benchmarks.measure import Job, Measured, Result, Stopwatch, once, together
from tests.benchmarks.portal import served
from tests.benchmarks.sheets import make_csv, make_csv_with_zones, rows
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from tests.benchmarks.scale import Scale

METHOD = "imopenlines.crm.message.add"


def pace(scale: Scale) -> list[Line]:
    """The default pace, 2 calls a second, with calls that take 2 s: the messages that arrive at the portal.

    The rate is (messages - 1) / (last arrival - first arrival); before the first, histories have been read. The portal
    has the cloud's bucket (50, 2) and nothing may be refused.
    """
    count = scale.rows(120)
    sheet = make_csv(scale.folder, count)
    with served(rate=(50, 2), latency=2.0) as portal:
        done = once(Job(send, {"sheet": sheet, "webhook": portal.webhook, "folder": scale.folder, "settings": {}}))
        calls = portal.calls()
    arrived = [call["arrived_at"] for call in calls if call["method"] == METHOD]
    rate = (len(arrived) - 1) / (max(arrived) - min(arrived))
    refused = sum(call["status"] != 200 for call in calls)
    met = rate >= 2 * 0.98 and not refused and len(arrived) == count == len(calls) - 1
    return [
        Line(
            f"pace: {count} rows, calls of 2 s, {refused} refused",
            Quantity(rate, "calls/s"),
            "the limit",
            Quantity(2.0, "calls/s"),
            rate / 2,
            ">= 0.98 x, none refused",
            scale.judged(120, met=met),
            done.peak,
        )
    ]


def fast(scale: Scale) -> list[Line]:
    """``--fast`` through the cloud's bucket (50, 2), 0.2 s a call: the time from the first call to the last answer.

    The bucket's own minimum for 3,000 rows: 60 calls of 50 rows, 50 of them at once and the other 10 at 2 a second,
    so 5 s, and the last call's 0.2 s. The histories that are read first are one call more.
    """
    count = scale.rows(3_000)
    sheet = make_csv(scale.folder, count)
    calls_needed = -(-count // 50)
    least = max(0, calls_needed - 50) / 2 + 0.2
    with served(rate=(50, 2), latency=0.2) as portal:
        settings = {"fast": True}
        done = once(
            Job(send, {"sheet": sheet, "webhook": portal.webhook, "folder": scale.folder, "settings": settings})
        )
        calls = portal.calls()
    refused = sum(call["status"] != 200 for call in calls)
    met = done.seconds <= 1.1 * least and not refused and done.facts["sent"] == count
    return [
        Line(
            f"fast: {count:,} rows, bucket (50, 2), 0.2 s a call, {refused} refused",
            Quantity(done.seconds, "s"),
            "the bucket's own minimum",
            Quantity(least, "s"),
            done.seconds / least,
            "<= 1.1 x, none refused",
            scale.judged(3_000, met=met),
            done.peak,
            (done.all_seconds,),
        )
    ]


def unlimited(scale: Scale) -> list[Line]:
    """``--fast --rate 0`` on a portal without limits, against other clients sending the same messages.

    Ours is entering the campaign in the journal and sending it, every row synced to the disk before and after it
    leaves; the others keep no account. Each has a fresh portal. A plain loop of `requests` sends a tenth of the rows.
    """
    count = scale.rows(20_000)
    sheet = make_csv(scale.folder, count)
    settings = {"fast": True, "rate": 0.0}
    contenders: list[tuple[str, bool, Job]] = [
        ("bulksend", False, Job(send, {"sheet": sheet, "folder": scale.folder, "settings": settings})),
        ("fast-bitrix24 call()", False, Job(send_with_fast_bitrix24, {"count": count})),
        ("b24pysdk call_batches()", True, Job(send_with_sdk, {"count": count})),
        ("a loop of requests.post()", False, Job(send_with_requests, {"count": max(1, count // 10)})),
    ]
    by_job: dict[str, list[Result]] = {name: [] for name, _, _ in contenders}
    for _ in range(scale.rounds):
        for name, tls, job in contenders:
            with served(tls=tls) as portal:
                environment = {**os.environ, **({"REQUESTS_CA_BUNDLE": portal.certificate} if tls else {})}
                result = once(Job(job.work, {**job.arguments, "webhook": portal.webhook}), environment)
                if portal.delivered() != result.facts["sent"]:
                    raise RuntimeError(f"{name}: the portal has not got what was sent.")
            by_job[name].append(result)
    results = {name: together(measured) for name, measured in by_job.items()}
    rates = {
        name: statistics.median(result.facts["sent"] / result.seconds for result in by_job[name]) for name in results
    }
    ours = results["bulksend"]
    lines = []
    for name in list(results)[1:]:
        ratio = rates["bulksend"] / rates[name]
        judged = name.startswith("fast-bitrix24")
        lines.append(
            Line(
                f"unlimited: {count:,} rows, no limits",
                Quantity(rates["bulksend"], "rows/s"),
                name,
                Quantity(rates[name], "rows/s"),
                ratio,
                ">= 1 x, journaled" if judged else "",
                scale.judged(20_000, met=ratio >= 1) if judged else None,
                ours.peak,
                (ours.all_seconds, results[name].all_seconds),
            )
        )
    return lines


def zones(scale: Scale) -> list[Line]:
    """A campaign in eleven time zones that are open all day, against the same rows without zones and hours.

    Whole commands, from the sheet to the results sheet, in turn and each with a fresh portal without limits.
    """
    count = scale.rows(100_000)
    today = datetime.now(UTC).weekday()
    days = ",".join(DAY_NAMES[(today + ahead) % 7] for ahead in (-1, 0, 1))
    options: dict[str, list[str]] = {"zones": ["--days", days, "--timezone", "UTC"], "none": []}
    sheets = {name: make_csv_with_zones(scale.folder, count, zones=name == "zones") for name in options}
    results: dict[str, list[Result]] = {name: [] for name in options}
    for _ in range(scale.rounds):
        for name, more in options.items():
            with served() as portal:
                job = {"sheet": sheets[name], "webhook": portal.webhook, "folder": scale.folder, "options": more}
                results[name].append(once(Job(send_by_command, job)))
                if portal.delivered() != count:
                    raise RuntimeError("The portal has not got what was sent.")
    ours, theirs = together(results["zones"]), together(results["none"])
    cpu = {name: statistics.median(result.facts["cpu"] for result in results[name]) for name in results}
    compared = (
        ("time", ours.seconds, theirs.seconds, "s"),
        ("processor time", cpu["zones"], cpu["none"], "s"),
        ("peak memory", ours.peak / 1e6, theirs.peak / 1e6, "MB"),
    )
    return [
        Line(
            f"zones: {count:,} rows in eleven zones, {what}",
            Quantity(mine, unit),
            "without zones and hours",
            Quantity(other, unit),
            mine / other,
            "<= 1.05 x",
            scale.judged(100_000, met=mine <= 1.05 * other),
            ours.peak,
            (ours.all_seconds, theirs.all_seconds) if what == "time" else (),
        )
        for what, mine, other, unit in compared
    ]


def send_by_command(sheet: str, webhook: str, folder: str, options: list[str]) -> Measured:
    """What ``bulksend send`` does, from the sheet to the results sheet, as fast as can be."""
    from bulksend.cli import run  # noqa: PLC0415 - the process that measures others need not hold this

    home = Path(folder) / f"home-{os.getpid()}"
    os.environ["BULKSEND_HOME"] = str(home)
    arguments = ["send", sheet, "--portal", webhook, "--fast", "--rate", "0", "--yes", "--no-preflight"]
    began = time.process_time()
    with Stopwatch() as watch:
        code = run([*arguments, "--results", str(home.with_suffix(".csv")), *options])
    if code:
        raise RuntimeError(f"`bulksend send` ended with {code}.")
    return watch.seconds, {"cpu": time.process_time() - began}


def send(sheet: str, webhook: str, folder: str, settings: dict[str, Any]) -> Measured:
    """Check a sheet, then (timed) enter it as a campaign and send it."""
    import bulksend  # noqa: PLC0415 - the process that measures others need not hold this
    from bulksend.sender.settings import Sending  # noqa: PLC0415

    plan = bulksend.examine(Path(sheet), bulksend.SheetOptions())
    journal_path = Path(folder) / f"journal-{os.getpid()}.db"
    with (
        bulksend.Journal(journal_path) as journal,
        bulksend.find_target(webhook, Path(folder) / "home") as target,
    ):
        options = Sending(**settings).options(plan.report.good)
        with (
            Stopwatch() as watch,
            bulksend.Campaign.enter(journal, plan, target, results=Path(folder) / "results.csv") as campaign,
        ):
            with Stopwatch() as sending:
                ending = campaign.send(options)
            sent = campaign.run.counts.sent
    seconds = sending.seconds if options.rate_limit.rate else watch.seconds
    return seconds, {"sent": sent, "ending": ending.how.value, "sending": sending.seconds}


def _parameters(row: list[str]) -> dict[str, Any]:
    return {
        "CRM_ENTITY_TYPE": row[0],
        "CRM_ENTITY": int(row[1]),
        "USER_ID": int(row[3]),
        "CHAT_ID": int(row[2]),
        "MESSAGE": row[4],
    }


def send_with_fast_bitrix24(webhook: str, count: int) -> Measured:
    """The same messages by fast-bitrix24, with its own throttling off."""
    from fast_bitrix24 import Bitrix  # noqa: PLC0415

    items = [_parameters(row) for row in rows(count)]
    client = Bitrix(webhook, verbose=False, respect_velocity_policy=False)
    with Stopwatch() as watch:
        answers = client.call(METHOD, items)
    return watch.seconds, {"sent": len(answers)}


def send_with_sdk(webhook: str, count: int) -> Measured:
    """The same messages by the vendor's SDK, which insists on HTTPS, in its batches."""
    from b24pysdk.client import Client  # noqa: PLC0415
    from b24pysdk.credentials import BitrixWebhook  # noqa: PLC0415

    host, _, path = webhook.removeprefix("https://").partition("/")
    client = Client(BitrixWebhook(domain=host, webhook_token=path.strip("/").removeprefix("rest/")))
    add = client.imopenlines.crm.message.add
    with Stopwatch() as watch:
        calls = [add(**{name.lower(): value for name, value in _parameters(row).items()}) for row in rows(count)]
        answers = client.call_batches(calls).result.result
    return watch.seconds, {"sent": len(answers)}


def send_with_requests(webhook: str, count: int) -> Measured:
    """The same messages one by one over one connection."""
    import requests  # noqa: PLC0415

    sent = 0
    with requests.Session() as session, Stopwatch() as watch:
        for row in rows(count):
            answer = session.post(f"{webhook}{METHOD}", json=_parameters(row), timeout=60)
            sent += int(answer.json()["result"] > 0)
    return watch.seconds, {"sent": sent}
