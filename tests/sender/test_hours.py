"""Messages leave in their hours and in no others, whatever happens to the process and the clock."""

import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from bulksend.campaign import Campaign
from bulksend.errors import UsageError
from bulksend.journal import Journal, State
from bulksend.plan import SheetOptions, examine
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Sandbox
from bulksend.schedule.schedule import Schedule
from bulksend.sender.options import StopReason
from bulksend.sender.settings import Sending
from tests.clocks import PROGRAM, Clock
from tests.processes import SLOWEST, Commands, assert_exactly_once, end, read_results, rows, until, write_sheet
from tests.sender.conftest import SWIFT, Desk

BUSY = 1.0
"""Seconds by which a busy machine may be late, and so may a message arrive that left in time."""

ZONED = "CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE,TIMEZONE"


def seconds_of_day(moment: float) -> int:
    """Seconds after midnight, in UTC."""
    there = datetime.fromtimestamp(moment, UTC)
    return there.hour * 3600 + there.minute * 60 + there.second


def window(first: float, last: float, now: float | None = None) -> Schedule:
    """Hours that begin and end so many seconds from now, to the second."""
    now = time.time() if now is None else now
    return Schedule(hours=(seconds_of_day(now + first), seconds_of_day(now + last)), timezone="UTC")


def zoned_sheet(path: Path, zones: list[str], chats: list[int] | None = None) -> Path:
    """A sheet of one row for each zone, each to a chat of its own unless told."""
    lines = [
        f"deal,{n + 1},{(chats or range(5000, 5000 + len(zones)))[n]},Message {n},{zone}"
        for n, zone in enumerate(zones)
    ]
    path.write_text("\n".join([ZONED, *lines]), encoding="utf-8")
    return path


def test_rows_wait_for_their_hours_and_say_until_when(desk: Desk) -> None:
    """Nothing leaves before the hours begin; what is waited for is said with its time."""
    lines = rows(6, chats=6)
    now = time.time()
    opens = int(now) + 2
    _, run = desk.send(lines, schedule=window(2, 60, now))
    desk.assert_each_once(lines, run)
    assert min(entry.at for entry in desk.portal.ledger) >= opens
    waits = [progress for progress in desk.progress if progress.waiting]
    assert waits[0].waiting.startswith("the hours of UTC, ")
    assert waits[0].until == opens


@pytest.mark.parametrize("batch", [1, 5])
def test_nothing_slips_past_the_end_of_the_hours(desk: Desk, batch: int) -> None:
    """Not over slow answers, nor in batches: once the hours end the rest waits, and Ctrl-C ends the waiting at once."""
    lines = rows(100, chats=100)
    desk.portal.latency = 0.2
    now = time.time()
    closes = int(now) + 6  # a busy machine takes a while to enter the rows
    schedule = window(0, 6, now)
    stopped: list[float] = []

    def stop(campaign: Campaign, progress: object) -> None:
        if time.time() > closes + 2 and not stopped:
            stopped.append(time.monotonic())
            campaign.stop()

    result, run = desk.send(
        lines, schedule=schedule, batch=batch, rate_limit=RateLimit(rate=8 / batch), timeout=5.0, meanwhile=stop
    )
    assert result.how is StopReason.INTERRUPTED
    assert time.monotonic() - stopped[0] < 20
    assert 0 < run.counts.sent < 100
    assert run.counts.pending == 100 - run.counts.sent
    assert max(entry.at for entry in desk.portal.ledger) < closes + 0.2 + BUSY


def test_rows_of_closed_zones_wait_while_others_go_and_chats_stay_in_order(desk: Desk, tmp_path: Path) -> None:
    """Also where a chat has rows in several zones: a later row of it waits for the earlier one."""
    opens = int(time.time()) + 3
    behind = 0 if seconds_of_day(opens) < 20 * 3600 else 12  # zones in which the day is not over soon
    here, ahead = f"{-behind:+03}:00", f"{1 - behind:+03}:00"
    start = seconds_of_day(opens - behind * 3600)
    # An hour ahead it is an hour later: there those hours are open now.
    schedule = Schedule(hours=(start, start + 3900), timezone=here)
    zones = [here, ahead, "", ahead, here, ahead]
    path = zoned_sheet(tmp_path / "zones.csv", zones, [1, 2, 3, 1, 2, 4])
    plan = examine(path, SheetOptions())
    assert {zone: rows.rows for zone, rows in plan.zones.items()} == {here: 2, ahead: 3, "": 1}
    with Journal(desk.journal_path) as journal, Campaign.enter(journal, plan, desk.target) as campaign:
        assert campaign.send(replace(SWIFT, schedule=schedule, timeout=5.0)).how is StopReason.ENDED
        assert campaign.run.counts.sent == 6
    at = {entry.text: entry.at for entry in desk.portal.ledger}
    assert max(at["Message 1"], at["Message 5"]) < opens
    assert min(at[f"Message {n}"] for n in (0, 2, 3, 4)) >= opens
    assert [entry.text for entry in desk.portal.ledger if entry.chat_id == 1] == ["Message 0", "Message 3"]


def test_what_has_not_left_in_time_is_skipped(desk: Desk) -> None:
    """Each such row says so, and a retry with another time sends it."""
    lines = rows(40, chats=3)
    last = time.time() + 2.5  # of about 4 that all would take
    result, run = desk.send(lines, schedule=Schedule(not_after=last), rate_limit=RateLimit(rate=10))
    assert result.how is StopReason.ENDED
    assert run.counts.sent + run.counts.skipped == 40
    assert min(run.counts.sent, run.counts.skipped) > 5
    assert max(entry.at for entry in desk.portal.ledger) < last + BUSY
    assert "time after which nothing was to be sent" in desk.sentence(run, 39)
    assert desk.states(run)[39] is State.SKIPPED
    _, run = desk.resume(run, retry=True)
    desk.assert_each_once(lines, run)


def test_messages_are_spread_evenly(desk: Desk) -> None:
    """15 rows over 6 s: the first at once, the others at even distances, the last at the end."""
    lines, interval = rows(15, chats=15), 0.4
    _, run = desk.send(lines, schedule=Schedule(interval=interval), rate_limit=RateLimit(rate=50, burst=10))
    desk.assert_each_once(lines, run)
    at = [entry.at for entry in desk.portal.ledger]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert median(gaps) == pytest.approx(interval, rel=0.2), gaps
    assert max(gaps) < interval + BUSY, gaps
    assert at[-1] - at[0] == pytest.approx(14 * interval, abs=BUSY)


def test_hours_that_are_over_here_may_be_open_elsewhere() -> None:
    """Refused is only what can leave in no zone at all: rows may have zones of their own."""
    evening = datetime(2026, 11, 23, 18, 30, tzinfo=UTC).timestamp()
    Sending(hours="9:00-18:00", not_after="23:00", timezone="UTC").resolved(evening, {})
    with pytest.raises(UsageError, match="Nothing could leave in time"):
        Sending(hours="9:00-18:00", days="sun", not_after="23:00", timezone="UTC").resolved(evening, {})


def test_a_campaign_does_not_begin_long_after_its_time_unasked(desk: Desk) -> None:
    """A computer that was off all night sends nothing when it is switched on, unless it is told to."""
    lines = rows(2, chats=2)
    schedule = Schedule(at=time.time() - 7200, timezone="Europe/Moscow")
    result, run = desk.send(lines, schedule=schedule)
    assert result.how is StopReason.LATE
    assert "Europe/Moscow (+03:00), which has long passed." in result.sentence
    assert not desk.portal.ledger
    _, run = desk.resume(run, replace(SWIFT, schedule=schedule, late=True))
    desk.assert_each_once(lines, run)


def wait_until_entered(commands: Commands, rows: int) -> None:
    """Wait until a command has entered so many rows and holds their campaign."""
    for _ in until(SLOWEST):
        if commands.journal.exists():
            with Journal(commands.journal) as journal:
                if any(run.counts.pending == rows and run.holder for run in journal.runs()):
                    return
    raise AssertionError("they were not entered")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a process that can be killed at once")
def test_hours_by_the_command_over_a_kill_and_a_night(portal: Sandbox, tmp_path: Path) -> None:
    """Hours are kept with the campaign: it stops at their end, is killed, and is resumed the next morning."""
    commands, clock = Commands(tmp_path, PROGRAM), Clock(tmp_path)
    lines = rows(60, chats=20)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    clock.set(datetime(2027, 3, 1, 19, 30, tzinfo=UTC).timestamp() - time.time())
    options = ("--hours", "09:00-20:00", "--days", "пн-пт", "--timezone", "UTC", "--rate", 8, "--settle", 0.5)
    process = commands.start("send", sheet, "--portal", portal.webhook, "--yes", *options, changes=clock.changes)
    assert any(len(portal.ledger) >= 6 for _ in until(SLOWEST))
    clock.set(ahead := datetime(2027, 3, 1, 19, 59, 59, tzinfo=UTC).timestamp() - time.time())
    closes = datetime(2027, 3, 1, 20, tzinfo=UTC).timestamp() - ahead
    time.sleep(3)
    assert 0 < len(portal.ledger) < 60
    assert max(entry.at for entry in portal.ledger) < closes + BUSY
    process.kill()
    end(process)
    clock.set(ahead := datetime(2027, 3, 2, 8, 59, 57, tzinfo=UTC).timestamp() - time.time())
    before = len(portal.ledger)
    began = datetime(2027, 3, 2, 9, tzinfo=UTC).timestamp() - ahead
    ended = commands.run("resume", "--portal", portal.webhook, "--yes", "--rate", 50, changes=clock.changes)
    assert ended.code == 0, ended.said
    assert "Hours:   09:00-20:00 mon,tue,wed,thu,fri" in ended.err
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])
    assert min(entry.at for entry in portal.ledger[before:]) >= began - 0.01


def test_times_are_echoed_and_kept_and_a_stop_list_is_heeded(portal: Sandbox, tmp_path: Path) -> None:
    """The command shows the times in full, and rows on a stop list are left out, whatever else is asked for."""
    commands, clock = Commands(tmp_path, PROGRAM), Clock(tmp_path)
    clock.set(datetime(2027, 3, 1, 9, 59, 58, tzinfo=UTC).timestamp() - time.time())
    lines = rows(4, chats=4)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    (tmp_path / "stop.csv").write_text("id чата\nchat5002\n", encoding="utf-8")
    (tmp_path / "neither.csv").write_text("name,phone\nAnna,1\n", encoding="utf-8")
    send = ("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0)
    refused = commands.run(*send, "--stop-list", "neither.csv", changes=clock.changes)
    assert refused.code == 2
    assert "The stop list neither.csv names neither chats nor CRM entities" in refused.err
    clock.set(datetime(2027, 3, 1, 9, 30, tzinfo=UTC).timestamp() - time.time())
    process = commands.start(
        *send, "--at", "13:00", "--timezone", "МСК", "--stop-list", "stop.csv", "--again", changes=clock.changes
    )
    wait_until_entered(commands, 3)
    clock.set(datetime(2027, 3, 1, 9, 59, 58, tzinfo=UTC).timestamp() - time.time())
    ended = end(process)
    assert ended.code == 1, ended.said
    assert "Begins:  Mon 2027-03-01 13:00 Europe/Moscow (+03:00)" in ended.err
    results = read_results(tmp_path / "sheet.results.csv")
    assert [(row["status"], row["error_code"]) for row in results] == [
        ("sent", ""),
        ("sent", ""),
        ("skipped", "STOP_LISTED"),
        ("sent", ""),
    ]
    assert len(portal.ledger) == 3
    late = commands.run("check", sheet, "--stop-list", "stop.csv", "--hours", "09:00-20:00", changes=clock.changes)
    assert "Left out: 1 row on a stop list." in late.out


def test_a_forgotten_campaign_needs_late_without_a_terminal(portal: Sandbox, tmp_path: Path) -> None:
    """A laptop that was off: what was to begin long ago is not begun by `--yes`."""
    commands, clock = Commands(tmp_path, PROGRAM), Clock(tmp_path)
    lines = rows(3, chats=3)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    clock.set(datetime(2027, 3, 1, 9, 0, tzinfo=UTC).timestamp() - time.time())
    process = commands.start(
        "send", sheet, "--portal", portal.webhook, "--yes", "--at", "10:00", "--timezone", "UTC", changes=clock.changes
    )
    wait_until_entered(commands, 3)
    process.send_signal(signal.SIGINT)
    assert end(process).code == 130
    clock.set(datetime(2027, 3, 1, 15, 0, tzinfo=UTC).timestamp() - time.time())
    refused = commands.run("resume", "--portal", portal.webhook, "--yes", changes=clock.changes)
    assert refused.code == 2, refused.said
    assert "10:00 UTC, which has long passed. Give another --at, or add --late to begin now." in refused.err
    assert not portal.ledger
    ended = commands.run("resume", "--portal", portal.webhook, "--yes", "--late", changes=clock.changes)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])
