"""What ends a campaign, and that nothing is lost by it: refusals, failures, outages, others at the same time."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bulksend.campaign import Campaign
from bulksend.entry.refusals import AlreadyDone
from bulksend.errors import JournalError
from bulksend.journal import Held, Journal, State
from bulksend.plan import SheetOptions, examine
from bulksend.portal.methods import MESSAGE_ADD
from bulksend.sandbox import Faults, Sandbox
from bulksend.sandbox.refusal import CampaignRefusal
from bulksend.sender.options import Progress, StopReason
from tests.processes import rows
from tests.sender.conftest import SWIFT, Desk


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("refusal", [*CampaignRefusal, "no scope"])
def test_refusal_of_every_call(desk: Desk, refusal: str, batch: int) -> None:
    """What would meet every row ends the campaign after a handful of calls, all rows unsent; mended, all are sent."""
    lines = rows(40, chats=40)
    if refusal == "no scope":
        desk.portal.scopes = ["crm"]
    else:
        desk.portal.refusal = refusal
    ending, run = desk.send(lines, batch=batch)
    assert ending.how is StopReason.REFUSED
    assert ending.sentence
    assert run.counts.pending == 40
    assert len(desk.portal.calls) <= SWIFT.max_in_flight + 1
    desk.portal.refusal, desk.portal.scopes = None, ["imopenlines", "crm"]
    ending, run = desk.resume(run)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


@pytest.mark.parametrize("kind", ["html200", "html200_after", "html404_before", "html404_after", "html401_after"])
@pytest.mark.parametrize("batch", [1, 50])
def test_pages_in_place_of_answers(desk: Desk, kind: str, batch: int) -> None:
    """Where only pages come, delivered or not, the campaign soon stops; once the portal answers, each arrives once."""
    lines = rows(40, chats=40)
    desk.portal.faults = Faults({kind: 1.0})
    began = time.monotonic()
    ending, run = desk.send(lines, batch=batch, max_in_flight=1)
    assert ending.how is StopReason.REFUSED
    assert "page" in ending.sentence
    assert time.monotonic() - began < 10
    assert len(desk.portal.calls) <= 6
    assert not run.counts.failed
    desk.portal.faults = Faults()
    ending, run = desk.resume(run)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_pages_after_every_message(desk: Desk) -> None:
    """A portal whose PHP breaks after each message, but shows its histories, goes on: histories are answers."""
    lines = rows(12, chats=3)
    desk.portal.faults = Faults({"html200_after": 1.0}, methods={MESSAGE_ADD})
    ending, run = desk.send(lines, max_in_flight=1)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_same_refusal_from_the_first_row_on(desk: Desk) -> None:
    """When row after row is refused alike from the first on, the others are kept back; --resume sends them."""
    lines = rows(60, chats=60)
    for chat in range(60):
        desk.portal.world.add_chat(5000 + chat, status=60)
    ending, run = desk.send(lines, max_in_flight=1)
    assert ending.how is StopReason.REFUSED
    assert "CHAT_NOT_IN_CRM" in ending.sentence
    assert (run.counts.failed, run.counts.pending) == (20, 40)
    for chat in range(60):
        desk.portal.world.add_chat(5000 + chat, status=40)
    ending, run = desk.resume(run, retry=True)
    assert run.counts.sent == 60


def test_refusals_after_a_message_that_arrived(desk: Desk) -> None:
    """Once one message has arrived, refusals are the rows' own: they fail, and the campaign goes on."""
    lines = rows(40, chats=40)
    for chat in range(1, 40):
        desk.portal.world.add_chat(5000 + chat, status=60)
    ending, run = desk.send(lines, max_in_flight=1)
    assert ending.how is StopReason.ENDED
    assert (run.counts.sent, run.counts.failed) == (1, 39)


def test_too_many_failures(desk: Desk) -> None:
    """--max-failures stops the campaign once more rows have failed, the rest unsent."""
    for chat in range(1, 40):
        desk.portal.world.add_chat(5000 + chat, status=60)
    ending, run = desk.send(rows(40, chats=40), max_in_flight=1, max_failures=5)
    assert ending.how is StopReason.TOO_MANY_FAILURES
    assert (run.counts.sent, run.counts.failed, run.counts.pending) == (1, 6, 33)


def test_row_in_doubt_beyond_those_that_were_loaded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the history shows not to have arrived is sent once, however few rows are looked ahead."""
    lines = [*[("deal", 1000, 5000, "", f"Message {n}") for n in range(9)], ("deal", 1001, 5001, "", "Another chat")]
    desk.portal.faults = Faults(at={1: "close_before", 2: "close_before"}, methods={MESSAGE_ADD})

    def meanwhile(campaign: Campaign, progress: Progress) -> None:
        if progress.counts.in_doubt == 2:
            campaign.stop()

    _, run = desk.send(lines, meanwhile=meanwhile)
    assert run.counts.in_doubt == 2
    monkeypatch.setattr("bulksend.sender.chats.WINDOW", 2)
    ending, run = desk.resume(run, replace(SWIFT, max_in_flight=1))
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_outage_in_mid_campaign(desk: Desk) -> None:
    """A portal that goes out of reach is waited for, the display says so, and the campaign ends well."""
    lines = rows(120, chats=12)
    desk.portal.latency = 0.06
    outage: list[threading.Thread] = []

    def cut() -> None:
        desk.portal.stop()
        time.sleep(1.0)
        desk.portal.start()

    def meanwhile(_: Campaign, progress: Progress) -> None:
        if progress.counts.sent > 20 and not outage:
            outage.append(threading.Thread(target=cut))
            outage[0].start()

    ending, run = desk.send(lines, meanwhile=meanwhile)
    outage[0].join()
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)
    assert any("cannot be reached" in progress.waiting for progress in desk.progress)


def test_outage_that_does_not_end(desk: Desk) -> None:
    """After --outage the campaign stops with the rest unsent, and goes on later."""
    lines = rows(60, chats=6)
    desk.portal.latency = 0.02

    def meanwhile(_: Campaign, progress: Progress) -> None:
        if progress.counts.sent > 10 and desk.portal._thread is not None:
            desk.portal.stop()

    ending, run = desk.send(lines, meanwhile=meanwhile, outage=1.0)
    assert ending.how is StopReason.OUT_OF_REACH
    assert run.counts.pending > 0
    assert not run.counts.failed
    desk.portal.start()
    ending, run = desk.resume(run)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_portal_out_of_reach_from_the_start(desk: Desk) -> None:
    """A portal that was never reached is told of at once; no row is touched."""
    desk.portal.stop()
    began = time.monotonic()
    ending, run = desk.send(rows(10, chats=10))
    assert ending.how is StopReason.NEVER_REACHED
    assert time.monotonic() - began < 5
    assert run.counts.pending == 10
    assert {row.attempts for row in desk.rows(run)} == {0}
    desk.portal.start()


def test_two_campaigns_at_the_same_time(desk: Desk) -> None:
    """Rows that another campaign is sending at the same time are left out, not sent twice."""
    lines = rows(40, chats=40)
    desk.portal.latency = 0.02
    other = Desk(desk.folder / "other", desk.portal, desk.journal_path)
    other.folder.mkdir()
    both = threading.Thread(target=lambda: other.send([*lines, *rows(1, 1, "More")]))
    both.start()
    desk.send(lines)
    both.join()
    texts = [entry.text for entry in desk.portal.ledger]
    assert len(texts) == len(set(texts)) == 41
    with Journal(desk.journal_path) as journal:
        runs = journal.runs()
        codes = [journal.codes(each.id) for each in runs]
    assert sum(each.counts.sent for each in runs) == 41
    assert sum(each.counts.skipped for each in runs) == 40
    assert {code for each in codes for code in each} == {(State.SKIPPED, "ALREADY_SENT")}


def test_two_campaigns_in_doubt_about_one_message(desk: Desk) -> None:
    """Of two rows with one text for one chat, both in doubt, only one takes the one message that arrived."""
    line = ("deal", 288, 8773, "", "Reminder")
    desk.portal.faults = Faults(at={1: "close_after", 2: "close_before"}, methods={MESSAGE_ADD})
    first = threading.Thread(target=lambda: desk.send([line], again=True))
    first.start()
    other = Desk(desk.folder / "other", desk.portal, desk.journal_path)
    other.folder.mkdir()
    other.send([line, ("deal", 289, 8774, "", "More")], again=True, max_in_flight=1)
    first.join()
    desk.portal.drain()
    assert desk.portal.faults.happened.total() == 2
    with Journal(desk.journal_path) as journal:
        records = [record for run in journal.runs() for record in journal.outcomes(run.id)]
    taken = [record.message_id for record in records if record.state is State.SENT]
    assert sorted(taken, key=str) == sorted((entry.message_id for entry in desk.portal.ledger), key=str)
    assert {record.state for record in records} <= {State.SENT, State.UNKNOWN}  # unknown on a slow machine at most


def test_edited_sheet(desk: Desk) -> None:
    """A sheet of which three rows were changed is another campaign, and only the three are sent by --skip-sent."""
    lines = rows(30, chats=10)
    desk.send(lines)
    edited = [*lines[:27], *rows(3, chats=3, text="Mended")]
    with Journal(desk.journal_path) as journal:
        plan = examine(desk.sheet(edited), SheetOptions())
        with Campaign.enter(journal, plan, desk.target) as campaign:
            assert len(campaign.repeats) == campaign.run.counts.skipped == 27
            assert campaign.send(SWIFT).how is StopReason.ENDED
            assert campaign.run.counts.sent == 3
    assert len(desk.portal.ledger) == 33


def test_finished_campaign(desk: Desk) -> None:
    """A sheet that was sent is refused, under another name too, and sent once more only when told --again."""
    lines = rows(5, chats=5)
    desk.send(lines)
    with pytest.raises(AlreadyDone):
        desk.send(lines)
    assert len(desk.portal.ledger) == 5
    desk.send(lines, again=True)
    assert len(desk.portal.ledger) == 10


def test_canary(desk: Desk) -> None:
    """What --limit left out is sent by the next run without it, and never by `retry`."""
    lines = rows(10, chats=10)
    with Journal(desk.journal_path) as journal:
        plan = examine(desk.sheet(lines), SheetOptions())
        with Campaign.enter(journal, plan, desk.target, limit=3) as campaign:
            assert campaign.send(SWIFT).how is StopReason.ENDED
            run_id = campaign.id
        assert len(desk.portal.ledger) == 3
        with Campaign.resume(journal, journal.run(run_id), desk.target, retry=True) as campaign:
            assert campaign.run.counts.pending == 0
        with Campaign.enter(journal, plan, desk.target) as campaign:
            assert campaign.id == run_id
            campaign.send(SWIFT)
    assert len(desk.portal.ledger) == 10


def test_two_holders_in_one_process(desk: Desk, tmp_path: Path) -> None:
    """A campaign that one part of a program is sending is refused to another part of it."""
    lines = rows(5, chats=5)
    refused: list[Held] = []

    def meanwhile(*_: object) -> None:
        if not refused:
            with pytest.raises(Held) as caught:
                desk.send(lines)
            refused.append(caught.value)

    ending, run = desk.send(lines, meanwhile=meanwhile)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_campaign_taken_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender whose campaign another process has taken sends nothing more."""
    lines = rows(30, chats=30)
    desk.portal.latency = 0.05
    taken = False

    def meanwhile(campaign: Campaign, progress: Progress) -> None:
        nonlocal taken
        if progress.counts.sent >= 5 and not taken:
            taken = True
            with monkeypatch.context() as patch, Journal(desk.journal_path) as journal:
                patch.setattr("bulksend.journal.holder.Holder.alive", lambda *_: False)
                journal.acquire(campaign.id, {})

    with pytest.raises(JournalError, match="taken over"):
        desk.send(lines, meanwhile=meanwhile)
    assert len(desk.portal.ledger) <= 5 + 2 * SWIFT.max_in_flight
    with Journal(desk.journal_path) as journal:
        assert journal.run(1).reason == ""  # what the one that came too late would have said


def test_rate_of_calls_stays_small(portal: Sandbox, desk: Desk) -> None:
    """Where nothing goes wrong, a few histories are read first, and then there is one call for each row."""
    desk.send(rows(20, chats=5))
    first, *others = portal.calls
    assert (first.method, first.commands) == ("batch", 4)
    assert [call.method for call in others] == [MESSAGE_ADD] * 20
