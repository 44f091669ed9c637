"""``--reopen``: a finished dialog is started again, then its rows are sent: once, in order, at the pace."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bulksend.journal import Run, State
from bulksend.portal.methods import CHAT_GET, HISTORY_GET, MESSAGE_ADD, SESSION_START
from bulksend.sandbox import FaultKind, Faults, Status
from bulksend.sandbox.special import CHATS
from bulksend.sender.options import StopReason
from bulksend.sender.reopening import PAUSE as UNHURRIED
from tests.processes import TestRow, assert_exactly_once, rows
from tests.sender.conftest import SWIFT, Desk

REOPEN = replace(SWIFT, reopen=True)
FINISHED = [Status.CLOSED, Status.SPAM, Status.DUPLICATE, Status.CLOSED_SILENTLY]
OPEN = [Status.NEW, Status.SKIPPED, Status.WAITING]
CAN_BE_STARTED = {407, 417, 418, 419, 421, 434}
"""The special chats whose dialogs are finished and may be started."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a new dialog's history at once, and ask again soon where answers are lost."""
    monkeypatch.setattr("bulksend.sender.reopening.PAUSE", 0.0)
    monkeypatch.setattr("bulksend.sender.repairs.LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("bulksend.ratelimit.execution_time.UNTOLD_RESET", 0.5)


def finish(desk: Desk, lines: list[TestRow], status: Status = Status.CLOSED, **described: Any) -> None:
    """Finish the dialogs of these rows' chats."""
    for _, _, chat, *_ in lines:
        desk.portal.world.add_chat(chat, status=status, **described)


def codes(desk: Desk, run: Run) -> list[str]:
    """What became of each row: sent, or its code."""
    return ["sent" if row.state is State.SENT else row.error_code for row in desk.rows(run)]


def made(desk: Desk, method: str) -> int:
    """How many calls of a method were made alone."""
    return sum(call.method == method for call in desk.portal.calls)


@pytest.mark.parametrize("batch", [1, 50])
def test_every_kind_of_dialog(desk: Desk, batch: int) -> None:
    """All that can be sent are; the others say why not; nothing is started that is not finished, open or forbidden."""
    lines = [("deal", 1000 + chat, chat, "", f"For {chat}") for chat in CHATS]
    _, run = desk.send(lines, REOPEN, batch=batch, same_refusals=None)
    answers = {chat: special.answer for chat, special in CHATS.items()}
    answers |= dict.fromkeys(CAN_BE_STARTED, "sent") | {420: "ACCESS_DENIED"}
    assert dict(zip(CHATS, codes(desk, run), strict=True)) == answers
    said = {chat: desk.sentence(run, n) for n, chat in enumerate(CHATS) if answers[chat] != "sent"}
    assert {chat for chat, words in said.items() if "open without being active" in words} == {410, 411, 416}
    assert {chat for chat, words in said.items() if "does not belong to this" in words} == {404, 422, 423, 435}
    assert "may not start it again" in said[420]
    assert {start.chat_id for start in desk.portal.starts if start.new} == CAN_BE_STARTED
    assert {start.chat_id for start in desk.portal.starts if not start.new} == {410, 411, 416}
    assert max(Counter(start.chat_id for start in desk.portal.starts).values()) == 1


@pytest.mark.parametrize("batch", [1, 50])
def test_several_rows_of_a_chat_need_one_start(desk: Desk, batch: int) -> None:
    """They arrive in order; chats whose dialogs are active are not touched."""
    lines = rows(12, chats=4)
    finish(desk, lines[:3])
    _, run = desk.send(lines, REOPEN, batch=batch)
    desk.assert_each_once(lines, run)
    assert sorted(start.chat_id for start in desk.portal.starts) == [5000, 5001, 5002]


@pytest.mark.parametrize("status", OPEN)
def test_an_open_dialog_is_joined_once_for_all_its_rows(desk: Desk, status: Status) -> None:
    """Each row fails and says that its dialog is open."""
    lines = rows(3, chats=1)
    finish(desk, lines, status=status)
    _, run = desk.send(lines, REOPEN)
    assert codes(desk, run) == ["CHAT_NOT_IN_CRM"] * 3
    assert all("nobody has taken it yet, or it waits" in desk.sentence(run, n) for n in range(3))
    assert len(desk.portal.starts) == 1


@pytest.mark.parametrize("status", FINISHED)
def test_without_it_nothing_is_started(desk: Desk, status: Status) -> None:
    """The refusal says what may be the reason and that a finished dialog can be started."""
    lines = rows(1, chats=1)
    finish(desk, lines, status=status)
    _, run = desk.send(lines)
    assert codes(desk, run) == ["CHAT_NOT_IN_CRM"]
    assert "finished" in desk.sentence(run, 0)
    assert "--" not in desk.sentence(run, 0)
    assert desk.portal.starts == []


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("kind", [FaultKind.CLOSE_BEFORE, FaultKind.CLOSE_AFTER])
def test_a_lost_answer_in_a_new_dialog_is_settled(
    desk: Desk, kind: FaultKind, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialog's own first entry shows that a message which is not there did not arrive: it is sent, and once."""
    monkeypatch.setattr("bulksend.sender.reopening.PAUSE", UNHURRIED)
    lines = rows(3, chats=3)
    finish(desk, lines)
    refused = 3 if batch == 1 else 1
    desk.portal.faults = Faults(at={refused + 1: kind}, methods={MESSAGE_ADD})
    _, run = desk.send(lines, REOPEN, batch=batch, max_in_flight=1)
    assert desk.portal.faults.happened[kind] == 1
    desk.assert_each_once(lines, run)


@pytest.mark.parametrize("batch", [1, 50])
def test_answers_to_a_start_are_lost(desk: Desk, batch: int) -> None:
    """It is repeated a few times; where it was carried out, the row is sent all the same."""
    lines = rows(3, chats=3)
    finish(desk, lines[:1])
    desk.portal.faults = Faults({FaultKind.ERROR500_AFTER: 1.0}, methods={SESSION_START})
    _, run = desk.send(lines, REOPEN, batch=batch)
    desk.assert_each_once(lines, run)
    assert [start.new for start in desk.portal.starts] == [True, *[False] * 7]


@pytest.mark.parametrize("method", [SESSION_START, CHAT_GET])
def test_a_start_is_not_tried_for_ever(desk: Desk, method: str) -> None:
    """Where it is never carried out, or the chats are never listed, the rows fail and say so; the others go on."""
    lines = rows(4, chats=2)
    finish(desk, lines[:1])
    desk.portal.faults = Faults({FaultKind.ERROR500_BEFORE: 1.0}, methods={method})
    ending, run = desk.send(lines, REOPEN)
    assert ending.how is StopReason.ENDED
    assert codes(desk, run) == ["CHAT_NOT_IN_CRM", "sent", "CHAT_NOT_IN_CRM", "sent"]
    assert "INTERNAL_SERVER_ERROR" in desk.sentence(run, 0)
    assert made(desk, method) <= 16  # eight times for each of the two rows
    assert desk.portal.starts == []


@pytest.mark.parametrize("kind", [FaultKind.QUERY_LIMIT, FaultKind.OPERATING_LIMIT])
def test_a_start_is_refused_for_the_pace(desk: Desk, kind: FaultKind) -> None:
    """It leaves again later, as any other call."""
    lines = rows(1, chats=1)
    finish(desk, lines)
    desk.portal.faults = Faults(at={1: kind}, methods=[SESSION_START])
    _, run = desk.send(lines, REOPEN)
    desk.assert_each_once(lines, run)
    refused, started = [call.arrived_at for call in desk.portal.calls if call.method == SESSION_START]
    assert started - refused > 0.3


def test_refusals_that_become_starts_do_not_stop_a_campaign(desk: Desk) -> None:
    """However many of them there are from the first row on."""
    lines = rows(25, chats=25)
    finish(desk, lines)
    ending, run = desk.send(lines, REOPEN, batch=50)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_starts_that_are_refused_do(desk: Desk) -> None:
    """When row after row fails because its dialog may not be started, the others are kept back."""
    lines = rows(30, chats=30)
    finish(desk, lines, joinable=False)
    ending, run = desk.send(lines, REOPEN, max_in_flight=1)
    assert ending.how is StopReason.REFUSED
    assert (run.counts.failed, run.counts.pending) == (20, 10)


def test_a_chat_named_beside_another_entity_is_not_started_for_it(desk: Desk) -> None:
    """The row of the right entity starts it; the others stay refused, and their entity is asked for twice."""
    world = desk.portal.world
    world.add_entity("deal", 1, chats=[8001])
    world.add_chat(8000, "deal", 2, status=Status.CLOSED)
    lines = [("deal", deal, 8000, "", f"Row {n}") for n, deal in enumerate([1, 1, 2, 1])]
    _, run = desk.send(lines, REOPEN)
    assert codes(desk, run) == ["CHAT_NOT_IN_CRM", "CHAT_NOT_IN_CRM", "sent", "CHAT_NOT_IN_CRM"]
    assert all("does not belong to this" in desk.sentence(run, n) for n in (0, 1, 3))
    assert len(desk.portal.starts) == 1
    assert made(desk, CHAT_GET) == 3


def test_a_batch_that_gives_all_entities_the_chats_of_one_fails_no_row(desk: Desk) -> None:
    """What is said not to belong to an entity is asked for once more."""
    lines = rows(3, chats=3)
    finish(desk, lines)
    desk.portal.faults = Faults(at={1: FaultKind.ONE_ID}, methods={CHAT_GET})
    _, run = desk.send(lines, REOPEN, batch=50, max_in_flight=1)
    assert desk.portal.faults.happened[FaultKind.ONE_ID] == 1
    desk.assert_each_once(lines, run)


def test_a_speaker_who_is_no_member_joins_the_new_dialog(desk: Desk) -> None:
    """Starting makes the caller a member; with ``--join`` another speaker follows."""
    lines = [("deal", 288, 8773, "31", f"Row {n}") for n in range(2)]
    finish(desk, lines, members=())
    _, run = desk.send(lines, REOPEN, join=True)
    desk.assert_each_once(lines, run)
    assert len(desk.portal.starts) == 1


def test_where_histories_are_refused_rows_are_sent_all_the_same(desk: Desk) -> None:
    """The look at a new dialog is an aid, not a condition."""
    lines = rows(2, chats=2)
    finish(desk, lines)
    desk.portal.world.history_refused = True
    _, run = desk.send(lines, REOPEN)
    assert_exactly_once(lines, [entry._asdict() for entry in desk.portal.ledger])
    assert run.counts.sent == 2
    assert made(desk, HISTORY_GET) <= 3


def test_it_is_remembered_with_the_campaign_and_tried_anew_by_a_retry(desk: Desk) -> None:
    """A retry without it in the first run starts what the first did not."""
    lines = rows(2, chats=2)
    finish(desk, lines[:1])
    _, run = desk.send(lines)
    assert codes(desk, run) == ["CHAT_NOT_IN_CRM", "sent"]
    _, run = desk.resume(run, REOPEN, retry=True)
    assert codes(desk, run) == ["sent", "sent"]
    assert len(desk.portal.starts) == 1
