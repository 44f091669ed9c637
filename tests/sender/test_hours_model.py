"""Hours against a model that knows only what the clock on the wall shows: the real sender on the sandbox, and kills."""

import math
import random
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bulksend.campaign import Campaign
from bulksend.journal import Journal, Stage, State
from bulksend.plan import SheetOptions, examine
from bulksend.portal.authorisation import parse_webhook
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import FaultKind, Faults, Limits, Sandbox
from bulksend.schedule.parsing import DAY_NAMES
from bulksend.schedule.schedule import Schedule
from bulksend.schedule.zones import zone_of
from bulksend.sender.options import Options, StopReason
from bulksend.target import Target
from tests.processes import Commands, end
from tests.schedule.test_schedule import CHANGES, ZONES
from tests.virtual_time import VirtualTime, live_by

MINUTE = 60
SLACK = 0.6
"""Seconds by which a message may leave later than the model has it: half of one, between two looks at the clock."""

LOST = (FaultKind.CLOSE_BEFORE, FaultKind.CLOSE_AFTER, FaultKind.ERROR500_BEFORE, FaultKind.CUT_BODY)

real_sleep = time.sleep


@dataclass(frozen=True)
class Case:
    """A campaign. Times are Unix seconds, hours minutes after midnight.

    Attributes:
        rows: the chat and the zone of each.
        downtimes: how long nobody sends after each kill.
    """

    start: float
    rows: tuple[tuple[int, str], ...]
    hours: tuple[int, int]
    days: frozenset[int]
    timezone: str
    at: float
    not_after: float
    rate: float
    batch: int
    interval: float
    latency: float
    seed: int

    @cached_property
    def schedule(self) -> Schedule:
        """The same for the sender."""
        hours = self.hours[0] * MINUTE, self.hours[1] * MINUTE
        return Schedule(self.at, self.not_after, hours, self.days, self.timezone, self.interval)

    @cached_property
    def shown(self) -> set[tuple[int, int]]:
        """The weekdays and minutes that the wall clock shows during the hours."""
        first, last = self.hours
        minutes = range(first, last if first < last else last + 1440)
        return {((day + minute // 1440) % 7, minute % 1440) for day in self.days for minute in minutes}

    def open(self, moment: float, zone: str) -> bool:
        """Whether a message may leave then."""
        wall = datetime.fromtimestamp(moment, zone_of(zone or self.timezone))
        return self.at <= moment < self.not_after and (wall.weekday(), wall.hour * 60 + wall.minute) in self.shown

    def windows(self, zone: str, begin: float, finish: float) -> Iterator[tuple[float, float]]:
        """When messages may leave between two moments, piece by piece."""
        marks = {begin, finish, self.at, self.not_after}
        marks |= {float(minute) for minute in range(int(begin // MINUTE + 1) * MINUTE, int(finish) + 1, MINUTE)}
        opened = None
        for mark in sorted(mark for mark in marks if begin <= mark <= finish):
            is_open = mark < finish and self.open(mark, zone)
            if is_open and opened is None:
                opened = mark
            elif not is_open and opened is not None:
                yield opened, mark
                opened = None

    def heads(self, sent: Container[int] = ()) -> set[str]:
        """The zones of the rows that are the next ones of their chats."""
        first: dict[int, str] = {}
        for n, (chat, zone) in enumerate(self.rows):
            if n not in sent:
                first.setdefault(chat, zone)
        return set(first.values())

    def next_opening(self, moment: float, sent: Container[int]) -> float:
        """When the next row may leave, or the end comes; within a week or so."""
        zones, minute = self.heads(sent), moment
        while minute < moment + 9 * 86400 and not any(self.open(minute, zone) for zone in zones):
            minute = float(minute // MINUTE + 1) * MINUTE
        return min(minute, max(moment, self.not_after))

    def sheet(self, folder: Path) -> Path:
        """Its sheet."""
        lines = [f"deal,{1000 + chat},{5000 + chat},Message {n},{zone}" for n, (chat, zone) in enumerate(self.rows)]
        path = folder / "sheet.csv"
        path.write_text("\n".join(["CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE,TIMEZONE", *lines]), encoding="utf-8")
        return path


@st.composite
def cases(draw: Callable[[st.SearchStrategy[object]], object]) -> Case:
    """Campaigns near changes of clocks, with chats whose rows are in several zones."""
    dice = random.Random(draw(st.integers(0, 10**9)))  # type: ignore[arg-type]
    near = dice.choice(CHANGES).timestamp()
    start = near + dice.randrange(-3 * 1440, 1440) * MINUTE + dice.choice([0.0, 0.001, 29.5])
    zones = ["", *dice.sample(ZONES, dice.randint(1, 3))]
    first = dice.randrange(1440)
    last = (first + dice.choice([1, 2, 30, 600, 1200])) % 1440
    at = start + dice.randrange(600) * MINUTE if dice.random() < 0.3 else 0.0
    not_after = max(at, start) + dice.randrange(1, 3000) * MINUTE if dice.random() < 0.3 else math.inf
    batch = dice.choice([1, 1, 5])
    return Case(
        start,
        tuple((dice.randrange(8), dice.choice(zones)) for _ in range(dice.randint(3, 16))),
        (first, last),
        frozenset(dice.sample(range(7), dice.choice([1, 3, 7]))),
        dice.choice(ZONES),
        at,
        not_after,
        dice.choice([0.2, 2.0, 5.0]),
        batch,
        dice.choice([0.0, 0.0, 7.0]) if batch == 1 else 0.0,
        dice.choice([0.0, 0.4, 2.0]),
        dice.randrange(10**6),
    )


@dataclass
class Life:
    """A process that sends: from when to when, and the chats whose fate it had to find out first."""

    began: float
    ended: float = math.inf
    in_doubt: frozenset[int] = frozenset()


@dataclass
class World:
    """What a case is sent in."""

    folder: Path
    clock: VirtualTime
    portal: Sandbox
    lives: list[Life] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "home" / "journal.db"

    def judge(self, case: Case) -> None:
        """Nothing left outside its window, nothing that could leave waited, and each chat's rows are in order."""
        half = case.latency / 2
        left: dict[int, float] = {}
        order = defaultdict(list)
        for entry in self.portal.ledger:
            n = int(entry.text.split()[1])
            assert n not in left, "sent twice"
            left[n] = entry.at - half
            order[entry.chat_id].append(n)
            assert case.open(left[n] + 1e-6, case.rows[n][1]), f"row {n} left outside its hours"
        assert all(numbers == sorted(numbers) for numbers in order.values())
        assert len(left) == len(case.rows) or case.not_after < math.inf
        leaves = sorted(call.arrived_at for call in self.portal.calls)
        pause = max(1 / case.rate, case.interval) + SLACK
        free: dict[int, float] = {}
        for n, (chat, zone) in enumerate(case.rows):
            may_leave = free.get(chat, case.start)
            for life in self.lives:
                mine = [moment for moment in left.values() if life.began <= moment < life.ended]
                # The first answer teaches what the others wait for.
                begin = max(may_leave, min(mine, default=life.ended) + case.latency)
                finish = min(life.ended, left.get(n, life.ended))
                if begin >= finish or 5000 + chat in life.in_doubt:
                    continue
                for opens, closes in case.windows(zone, begin, finish):
                    between = leaves[bisect_left(leaves, opens) : bisect_right(leaves, closes)]
                    points = [opens, *between, closes]
                    waited = max(later - earlier for earlier, later in pairwise(points))
                    assert waited <= pause + case.latency * (case.batch > 1), f"row {n} waited {waited} s from {opens}"
            free[chat] = left.get(n, math.inf) + case.latency


@contextmanager
def world(case: Case) -> Iterator[World]:
    """A folder, a clock that stands at the case's beginning, and a portal that goes by it."""
    with (
        tempfile.TemporaryDirectory() as name,
        Sandbox(limits=Limits.none(), latency=case.latency) as portal,
        pytest.MonkeyPatch.context() as patches,
    ):
        folder = Path(name)
        (folder / "home").mkdir()
        clock = VirtualTime(folder / "clock", case.start)
        clock.install(patches.setattr)
        for chat, _zone in case.rows:  # they have dialogs already, or else their histories could prove nothing
            portal.world.add_entity("deal", 1000 + chat, chats=[5000 + chat])
        yield World(folder, clock, portal)


def in_one_go(case: Case) -> None:
    """Send it in this process."""
    with world(case) as there:
        caller = parse_webhook(there.portal.webhook)
        target = Target(caller.portal, "", caller, 27)
        options = Options(rate_limit=RateLimit(case.rate), batch=case.batch, schedule=case.schedule, late=True)
        plan = examine(case.sheet(there.folder), SheetOptions())
        there.lives.append(life := Life(case.start))
        with Journal(there.journal) as journal, Campaign.enter(journal, plan, target) as campaign:
            result = campaign.send(options, lambda progress: there.clock.sleep_through(progress, there.portal))
            counts = campaign.run.counts
        life.ended = there.clock.now()
        assert result.how is StopReason.ENDED
        assert (counts.sent, counts.sent + counts.skipped) == (len(there.portal.ledger), len(case.rows))
        there.judge(case)
        asked = [call.arrived_at for call in there.portal.calls]
        opened = (next((a for a, _ in case.windows(zone, case.start, life.ended)), math.inf) for zone in case.heads())
        first = min(opened)
        assert min(asked, default=math.inf) <= first + SLACK


@settings(max_examples=6, deadline=None)
@given(case=cases())
def test_what_may_leave_leaves_and_nothing_else(case: Case) -> None:
    """Whatever the hours, days, zones, pace and batches, and wherever the clocks are changed."""
    in_one_go(case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_what_may_leave_leaves_and_nothing_else_many_times(case: Case) -> None:
    """The same with many more."""
    in_one_go(case)


def over_kills(case: Case, *, faults: bool) -> None:
    """Send it with the command, which is killed again and again, and not started again at once."""
    dice = random.Random(case.seed)
    with world(case) as there:
        commands = Commands(there.folder, prepare=partial(live_by, there.clock.path))
        first = ("send", case.sheet(there.folder), "--portal", there.portal.webhook, "--yes", "--late", "--settle", 5)
        command: tuple[object, ...] = (*first, *options_of(case))
        if faults:
            there.portal.faults = Faults(dict.fromkeys(LOST, 0.05), seed=case.seed)
        kill_at = 0
        while True:
            there.lives.append(life := Life(there.clock.now(), in_doubt=in_doubt(there)))
            process = commands.start(*command)
            kill_at += dice.randint(1, 5)
            killed = watch(process, there, case, kill_at if len(there.lives) < 6 else 10**6, dice)
            ended = end(process)
            life.ended = there.clock.now()
            if not killed:
                assert ended.code == int(len(there.portal.ledger) < len(case.rows)), ended.said
                break
            settle(there)
            if finished(there):  # killed when all was done
                break
            there.clock.advance(there.clock.now() + dice.choice([0.0, 3.0, 700.0, 40_000.0]))
            command = ("resume", "--portal", there.portal.webhook, "--yes", "--late")
        if faults:
            there.lives = []
        there.judge(case)


def options_of(case: Case) -> tuple[object, ...]:
    """How it is sent, as a person says it."""
    clocks = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in case.hours)
    days = ",".join(DAY_NAMES[day] for day in case.days)
    said: list[object] = ["--rate", case.rate, "--batch", case.batch, "--hours", clocks, "--days", days]
    said += ["--timezone", case.timezone]
    if case.interval:
        said += ["--over", f"{case.interval * len(case.rows)}s"]
    for option, moment in (("--at", case.at), ("--not-after", case.not_after)):
        if 0 < moment < math.inf:
            said += [option, datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")]
    return tuple(said)


def watch(process: subprocess.Popen[str], there: World, case: Case, kill_at: int, dice: random.Random) -> bool:
    """Let nights pass in a moment, until the process ends or has made so many calls and is killed."""
    calls = there.portal.calls
    while process.poll() is None:
        real_sleep(0.002)
        now = there.clock.now()
        if len(calls) >= kill_at:
            real_sleep(dice.uniform(0, 0.02))
            process.kill()
            return process.wait() < 0
        busy_at = max(calls[-1].arrived_at if calls else 0.0, there.lives[-1].began)
        if now > busy_at + 90.0:
            sent = {int(entry.text.split()[1]) for entry in there.portal.ledger}
            there.clock.advance(case.next_opening(now, sent) - 5.0)
    return False


def settle(there: World) -> None:
    """Let the portal end what it was asked for by a process that is no more."""
    real_sleep(0.05)
    while not there.portal.drain(0.0):
        there.clock.advance(there.clock.now() + 0.5)
        real_sleep(0.005)


def finished(there: World) -> bool:
    """Whether there is nothing left to go on with."""
    with Journal(there.journal) as journal:
        run = journal.latest()
        return run is not None and run.stage is Stage.FINISHED


def in_doubt(there: World) -> frozenset[int]:
    """The chats of rows that were under way."""
    if not there.journal.exists():
        return frozenset()
    with Journal(there.journal) as journal:
        run = journal.latest()
        rows = journal.all_rows(run.id) if run else ()
        return frozenset(row.chat_id for row in rows if row.state in {State.SENDING, State.IN_DOUBT})


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="needs a process that can be killed at once")
@pytest.mark.parametrize("faults", [False, True])
@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_what_may_leave_leaves_and_nothing_else_over_kills(faults: bool, case: Case) -> None:
    """Also where processes are killed; where answers are lost too, the rest still leaves in its hours alone."""
    # Options are given to the second, and what could not leave at all is not entered.
    not_after = case.not_after if case.not_after == math.inf else float(math.floor(case.not_after))
    case = replace(case, start=float(int(case.start)), at=float(int(case.at)), not_after=not_after)
    assume(case.schedule.opens_at(case.start) is not None)
    over_kills(case, faults=faults)
