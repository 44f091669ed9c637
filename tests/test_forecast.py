"""The forecast of a campaign's end, against what then happens: whole campaigns on the sandbox, in virtual time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from bulksend.campaign import Campaign
from bulksend.forecast import dry_run, predict_end
from bulksend.journal import Journal
from bulksend.plan import SheetOptions, examine
from bulksend.portal.authorisation import parse_webhook
from bulksend.sandbox import Sandbox
from bulksend.sender.options import Progress
from bulksend.sender.prediction import Prediction
from bulksend.sender.settings import Sending
from bulksend.target import Target
from tests.virtual_time import VirtualTime

MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC).timestamp()
ELEVEN = [f"+{hours:02}:00" for hours in range(2, 13)]
CALL = 1.2
"""Seconds that a call takes, as in the vendor's example."""


@dataclass
class Office:
    """Somebody with a journal, a portal and a clock."""

    folder: Path
    clock: VirtualTime
    portal: Sandbox
    sheets: int = 0

    def sheet(self, zones: Sequence[str]) -> Path:
        """A sheet of a row for each zone, each to a chat of its own."""
        self.sheets += 1
        lines = [f"deal,{n + 1000},{50000 + n},Message {self.sheets} {n},{zone}" for n, zone in enumerate(zones)]
        path = self.folder / f"sheet{self.sheets}.csv"
        path.write_text("\n".join(["CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE,TIMEZONE", *lines]), encoding="utf-8")
        return path

    def send(self, zones: Sequence[str], sending: Sending, starts: int = 0) -> tuple[Prediction, float, int]:
        """What is foretold of sending to these zones; when the last message then left, and how many were too late."""
        plan = examine(self.sheet(zones), SheetOptions())
        caller = parse_webhook(self.portal.webhook)
        target = Target(caller.portal, "", caller, 27)
        before = len(self.portal.ledger)
        with Journal(self.folder / "journal.db") as journal:
            sending = sending.resolved(journal.now(), {})
            forecast = dry_run(journal, plan, target)
            options = sending.options(plan.report.good)
            options = replace(options, schedule=sending.spread(forecast.run.counts.pending).schedule())
            prediction = predict_end(journal, target, forecast.zones, options, starts=starts)
            with Campaign.enter(journal, plan, target, settings=sending.settings()) as campaign:
                campaign.send(options, self._show)
                counts = campaign.run.counts
        assert counts.sent == len(self.portal.ledger) - before
        assert counts.sent + counts.skipped == len(zones)
        return prediction, max(entry.at for entry in self.portal.ledger), counts.skipped

    def _show(self, progress: Progress) -> None:
        self.clock.sleep_through(progress, self.portal)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """An office in which time passes only while everybody waits."""
    clock = VirtualTime(tmp_path / "clock", MORNING)
    with Sandbox() as portal, monkeypatch.context() as patches:
        clock.install(patches.setattr)
        yield Office(tmp_path, clock, portal)


CAMPAIGNS: dict[str, tuple[list[str], Sending, dict[str, float], int]] = {
    # the zones of its rows, how it is sent, what the portal is like, and how many messages were sent just before
    "at the usual pace": ([""] * 150, Sending(), {"latency": CALL}, 0),
    "fast, in small bursts": ([""] * 3400, Sending(fast=True, burst=10), {"latency": CALL}, 0),
    "fast, on a portal that takes its time": ([""] * 6000, Sending(fast=True), {"call_time": 0.137}, 0),
    "fast, on a slow portal whose speed is known": ([""] * 6000, Sending(fast=True), {"call_time": 0.3}, 200),
    "in bursts": ([""] * 400, Sending(burst=51), {"latency": CALL}, 0),
    "in batches of ten": ([""] * 2000, Sending(batch=10), {"latency": 0.5}, 0),
    "more than the execution time allows": ([""] * 9000, Sending(fast=True), {"latency": 0.2}, 0),
    "with the execution time nearly used up": ([""] * 2500, Sending(fast=True), {"latency": 0.2}, 3400),
    "until the evening and on the next day": (
        [""] * 200,
        Sending(rate=0.5, hours="10:00-10:04", timezone="Europe/Moscow"),
        {"latency": CALL},
        0,
    ),
    "in eleven zones, mixed": (ELEVEN * 40, Sending(rate=0.2, hours="10:00-10:02"), {"latency": CALL}, 0),
    "in eleven zones, one after another": (
        sorted(ELEVEN * 40),
        Sending(rate=0.2, hours="09:00-09:02", days="tue,thu"),
        {"latency": CALL},
        0,
    ),
    "spread over half an hour": ([""] * 150, Sending(over="30m"), {"latency": CALL}, 0),
    "in batches, in two windows": (
        ["+03:00", "+05:00"] * 2000,
        Sending(batch=50, rate=0.5, hours="10:00-10:01", not_after="2026-11-28 00:00"),
        {"latency": CALL},
        0,
    ),
    "not all in time": ([""] * 900, Sending(at="07:00", not_after="07:05", timezone="UTC"), {"latency": CALL}, 0),
}


QUICK = ("fast, in small bursts", "with the execution time nearly used up", "in batches, in two windows")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in CAMPAIGNS]
)
def test_the_end_is_known_before_the_first_message(office: Office, kind: str) -> None:
    """Within five percent of how long it then takes, whatever holds the messages back."""
    zones, sending, portal, sent_before = CAMPAIGNS[kind]
    for name, value in portal.items():
        setattr(office.portal, name, value)
    if sent_before:
        office.send([""] * sent_before, Sending(fast=True))
    began = office.clock.now()
    prediction, ended, too_late = office.send(zones, sending)
    assert prediction.ends_at - began == pytest.approx(ended - began, rel=0.05)
    assert prediction.too_late == pytest.approx(too_late, rel=0.05)


@pytest.mark.parametrize("sending", [Sending(reopen=True), Sending(reopen=True, batch=10)])
def test_dialogs_that_are_started_again_are_counted(office: Office, sending: Sending) -> None:
    """A refused row is sent twice, and its dialog takes requests of its own."""
    for n in range(0, 200, 4):
        office.portal.world.add_chat(50000 + n, "deal", 1000 + n, status=60)
    began = office.clock.now()
    prediction, ended, _ = office.send([""] * 200, sending, starts=50)
    assert prediction.ends_at - began == pytest.approx(ended - began, rel=0.05)


def test_a_spread_that_one_row_a_call_could_not_keep_is_kept_in_batches(office: Office) -> None:
    """600 messages in two minutes, at two calls a second: three a call, evenly, and the forecast says so."""
    began = office.clock.now()
    prediction, ended, _ = office.send([""] * 600, Sending(over="2m", fast=True))
    assert prediction.ends_at - began == pytest.approx(120, rel=0.05)
    assert ended - began == pytest.approx(120, rel=0.05)
    at = [entry.at for entry in office.portal.ledger][::3]
    assert max(later - earlier for earlier, later in pairwise(at)) <= 0.6 * 1.2
