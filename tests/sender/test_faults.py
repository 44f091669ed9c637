"""Whatever goes wrong on the way: each row is delivered once, in order, and its status is true."""

from dataclasses import replace

import pytest

from bulksend.journal import State
from bulksend.portal.methods import MESSAGE_ADD
from bulksend.sandbox import FaultKind, Faults
from bulksend.sender.options import StopReason
from tests.faults import parameters
from tests.processes import assert_exactly_once, rows
from tests.sender.conftest import SWIFT, Desk

ENDS_IT = {FaultKind.OVERLOAD, FaultKind.NO_AUTH, FaultKind.EXPIRED_TOKEN}
"""Refusals that meet every call (a webhook that ran out cannot be renewed)."""

LOSES_THE_ANSWER = [
    *(kind for kind in FaultKind if kind.loses_answer),
    *(FaultKind.CLOSE_BEFORE, FaultKind.SILENT_BEFORE, FaultKind.ERROR500_BEFORE, FaultKind.HTML502_BEFORE),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon where nobody tells when the execution time comes back, and where a history cannot be read."""
    monkeypatch.setattr("bulksend.sender.doubts.LONGEST_PAUSE", 2.0)
    monkeypatch.setattr("bulksend.ratelimit.execution_time.UNTOLD_RESET", 0.5)


def faults(kind: FaultKind, *calls: int, methods: set[str] | None = None) -> Faults:
    """The kind of fault at these calls, with short waits."""
    return Faults(at=dict.fromkeys(calls, kind), methods=methods, silent_seconds=1.5, late_seconds=0.2)


@pytest.mark.parametrize(("kind", "batch"), parameters(kind for kind in FaultKind if kind is not FaultKind.NEW_SESSION))
def test_each_fault(desk: Desk, kind: FaultKind, batch: int) -> None:
    """Each kind of fault, at the first call and in the middle: every row arrives once, whether alone or in a batch."""
    lines = rows(8, chats=3)
    desk.portal.faults = faults(kind, 1, 3)
    ending, run = desk.send(lines, batch=batch)
    while ending.how in {StopReason.REFUSED, StopReason.NEVER_REACHED}:
        assert kind in ENDS_IT | {FaultKind.HTML200}
        assert ending.sentence
        assert not run.counts.failed + run.counts.unknown
        ending, run = desk.resume(run)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("batch", [1, 50])
def test_new_session_after_a_lost_answer(desk: Desk, batch: int, empty: bool) -> None:
    """Where the customer begins a new session before the history is read, the row is unknown, and not sent again."""
    desk.portal.world.empty_history = empty
    desk.portal.faults = faults(FaultKind.NEW_SESSION, 2, methods={MESSAGE_ADD})
    lines = rows(8, chats=3)
    ending, run = desk.send(lines, batch=batch, max_in_flight=1)
    assert ending.how is StopReason.ENDED
    assert_exactly_once(lines, [entry._asdict() for entry in desk.portal.ledger])
    assert run.counts.unknown == (1 if batch == 1 else 3)
    assert run.counts.sent == 8 - run.counts.unknown


@pytest.mark.parametrize(("kind", "batch"), parameters(LOSES_THE_ANSWER))
def test_each_fault_where_histories_are_refused(desk: Desk, kind: FaultKind, batch: int) -> None:
    """Where the portal shows no history, a row whose answer was lost is unknown: never failed, never sent again."""
    lines = rows(6, chats=6)
    desk.portal.world.history_refused = True
    desk.portal.faults = faults(kind, 1, methods={MESSAGE_ADD})
    _, run = desk.send(lines, batch=batch, max_in_flight=1, settle=0.2)
    assert desk.portal.faults.happened[kind] == 1
    desk.portal.drain()
    texts = [entry.text for entry in desk.portal.ledger]
    assert len(texts) == len(set(texts))
    assert not run.counts.failed
    assert not run.counts.left
    for row, message_id in zip(desk.rows(run), desk.ids(run), strict=True):
        assert (row.state is State.SENT) == (message_id is not None)
        assert row.state in {State.SENT, State.UNKNOWN}
        if row.state is State.SENT:
            assert row.message in texts
    assert run.counts.unknown


def test_many_faults_at_once(desk: Desk) -> None:
    """A portal that loses or fails a quarter of the calls in every way gets every message once, in order."""
    lines = rows(40, chats=12)
    kinds = [*(kind for kind in LOSES_THE_ANSWER if kind is not FaultKind.NEW_SESSION), FaultKind.HTML200]
    desk.portal.faults = Faults(
        {str(kind): 0.25 / len(kinds) for kind in kinds},
        seed=11,
        silent_seconds=1.5,
        late_seconds=0.2,
        at={1: FaultKind.CLOSE_AFTER},
    )
    ending, run = desk.send(lines)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_a_row_whose_answers_are_all_lost(desk: Desk) -> None:
    """It is given up after eight attempts, of which the history shows that none arrived; the chat's other rows go out.

    Another run of the program tries as often again.
    """
    lines = [("deal", 288, 8773, "", "Not this one"), ("deal", 288, 8773, "", "But this one")]
    lost = dict.fromkeys([*range(1, 9), *range(10, 17)], FaultKind.CLOSE_BEFORE)
    desk.portal.faults = Faults(at=lost, methods={MESSAGE_ADD})
    ending, run = desk.send(lines, settle=0.05)
    assert ending.how is StopReason.ENDED
    assert desk.states(run) == [State.FAILED, State.SENT]
    ending, run = desk.resume(run, replace(SWIFT, settle=0.05), retry=True)
    assert ending.how is StopReason.ENDED
    assert desk.states(run) == [State.SENT, State.SENT]
    assert [entry.text for entry in desk.portal.ledger] == ["But this one", "Not this one"]


def test_same_text_twice_in_a_chat(desk: Desk) -> None:
    """Two rows with one text for one chat are told apart by count, whichever of their answers is lost."""
    lines = [("deal", 288, 8773, "", "Reminder")] * 4
    desk.portal.faults = Faults(at={1: "close_after", 3: "close_before", 5: "cut_body"})
    ending, run = desk.send(lines)
    assert ending.how is StopReason.ENDED
    assert len(desk.portal.ledger) == 4
    assert sorted(filter(None, desk.ids(run))) == [entry.message_id for entry in desk.portal.ledger]
