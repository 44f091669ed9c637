"""What a chat's history is believed, and what not."""

import time
from collections.abc import Callable, Iterable
from functools import partial

import pytest

from bulksend.journal import Row, State
from bulksend.portal.methods import HISTORY_GET, MESSAGE_ADD, Call
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import FaultKind, Faults, Limits, Operating
from bulksend.sender.options import StopReason
from bulksend.sender.outbox import Outbox
from tests.processes import rows
from tests.sender.conftest import Desk

LINE = ("deal", 288, 8773, "", "See you tomorrow at ten")
TEXT = LINE[4]


class LostAnswer(Faults):
    """The first message's answer is lost, and something happens before anybody looks at a history after it."""

    def __init__(self, kind: FaultKind, meanwhile: Callable[[], object]) -> None:
        super().__init__(at={1: kind}, methods={MESSAGE_ADD})
        self._meanwhile = [meanwhile]

    def pick(self, method: str, calls: Iterable[str]) -> FaultKind | None:
        if self.happened and HISTORY_GET in {method, *calls} and self._meanwhile:
            self._meanwhile.pop()()
        return super().pick(method, calls)


@pytest.mark.parametrize("skew", [0.0, -3 * 3600.0, 5 * 3600.0])
@pytest.mark.parametrize("ago", [60.0, 30 * 24 * 3600.0])
@pytest.mark.parametrize("kind", [FaultKind.CLOSE_BEFORE, FaultKind.CLOSE_AFTER])
def test_same_text_from_before(desk: Desk, kind: FaultKind, ago: float, skew: float) -> None:
    """A text that stood in the chat a minute or a month before is not taken for today's, whatever the clocks show."""
    desk.portal.clock_skew = skew
    before = desk.portal.world.say(8773, 27, TEXT, at=time.time() + skew - ago)
    desk.portal.faults = Faults(at={1: kind}, methods={MESSAGE_ADD})
    ending, run = desk.send([LINE])
    assert ending.how is StopReason.ENDED
    desk.assert_each_once([LINE], run)
    assert desk.ids(run) != [before]


def test_history_of_another_chat(desk: Desk) -> None:
    """A batch that gives every look the history of one chat says nothing of the other chats' rows."""
    lines = rows(6, 6)
    lost = dict.fromkeys(range(2, 8), FaultKind.CLOSE_AFTER)
    desk.portal.faults = Faults({FaultKind.ONE_ID: 1.0}, at=lost, methods={MESSAGE_ADD, "batch"})
    ending, run = desk.send(lines)
    assert desk.portal.faults.happened[FaultKind.ONE_ID] > 1
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


@pytest.mark.parametrize("sent_at_portal", [True, False])
def test_same_text_by_others(desk: Desk, sent_at_portal: bool) -> None:
    """The same words from the customer or from a colleague after the attempt are not the row's message."""

    def meanwhile() -> None:
        desk.portal.world.say(8773, 0, TEXT)
        desk.portal.world.say(8773, 31, TEXT)

    desk.portal.faults = LostAnswer(FaultKind.CLOSE_AFTER if sent_at_portal else FaultKind.CLOSE_BEFORE, meanwhile)
    ending, run = desk.send([LINE])
    assert ending.how is StopReason.ENDED
    desk.assert_each_once([LINE], run)


def test_late_delivery(desk: Desk) -> None:
    """A call that the portal carries out after the sender gave up, inside --settle, is not made again."""
    lines = rows(6, chats=2)
    desk.portal.faults = Faults(at={2: FaultKind.LATE, 4: FaultKind.LATE}, late_seconds=0.5, methods={MESSAGE_ADD})
    ending, run = desk.send(lines, settle=1.2)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_text_as_the_portal_stores_it(desk: Desk) -> None:
    """A text that the portal trims, cuts, or shows with entities is recognised."""
    texts = ["  spaces around \n", "Tom & Jerry <b>\"say\"</b> 'hi'", "line\r\nends", "х" * 20_500, "&amp; as typed"]
    lines = [("deal", 300 + n, 8800 + n, "", text) for n, text in enumerate(texts)]
    desk.portal.world.escape_history = True
    desk.portal.faults = Faults(at=dict.fromkeys(range(1, 6), FaultKind.CUT_BODY), methods={MESSAGE_ADD})
    ending, run = desk.send(lines, max_in_flight=1, settle=0.2)
    assert ending.how is StopReason.ENDED
    assert len(desk.portal.ledger) == len(lines)
    assert set(desk.states(run)) == {State.SENT}


def test_text_changed_beyond_recognition(desk: Desk) -> None:
    """Where the history shows a text that may be the row's, changed by the portal, nothing is sent again."""
    changed = partial(desk.portal.world.say, 8773, 27, "See you tomorrow at 🕙 ten!")
    desk.portal.faults = LostAnswer(FaultKind.CLOSE_BEFORE, changed)
    _, run = desk.send([LINE])
    assert desk.states(run) == [State.UNKNOWN]
    assert not desk.portal.ledger


@pytest.mark.parametrize("arrived", [True, False])
def test_new_session_hides_the_attempt(desk: Desk, arrived: bool) -> None:
    """A dialog that began anew after the attempt hides whether it arrived: unknown, and not sent again."""
    kind = FaultKind.CLOSE_AFTER if arrived else FaultKind.CLOSE_BEFORE
    desk.portal.faults = LostAnswer(kind, partial(desk.portal.world.new_session, 8773))
    _, run = desk.send([LINE])
    assert desk.states(run) == [State.UNKNOWN]
    assert len(desk.portal.ledger) == arrived


@pytest.mark.parametrize(("kind", "state"), [("close_before", State.UNKNOWN), ("close_after", State.SENT)])
def test_chats_that_begin_empty(desk: Desk, kind: str, state: State) -> None:
    """A history without any message does not prove that a row's did not arrive; one that holds it proves it did."""
    desk.portal.world.empty_history = True
    lines = rows(8, chats=8)
    desk.portal.faults = Faults({kind: 1.0}, methods={MESSAGE_ADD})
    ending, run = desk.send(lines)
    assert ending.how is StopReason.ENDED
    assert desk.states(run) == [state] * 8
    assert len(desk.portal.ledger) == (8 if state is State.SENT else 0)


@pytest.mark.parametrize("batch", [1, 50])
def test_same_texts_in_more_chats_than_are_read_first(desk: Desk, batch: int) -> None:
    """Only so many rows leave before anything is known of the portal's newest message; for all others that is new."""
    lines = rows(24, chats=24)
    for _, _, chat, _, text in lines:
        desk.portal.world.say(chat, 27, text, at=time.time() - 30 * 24 * 3600.0)
    lost = {14, 20, 24} if batch == 1 else {2}
    desk.portal.faults = Faults(at=dict.fromkeys(lost, FaultKind.CLOSE_BEFORE), methods={MESSAGE_ADD})
    ending, run = desk.send(lines, max_in_flight=24, batch=batch, rate_limit=RateLimit(rate=0, operating_limit=60))
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_histories_that_cannot_be_read_first(desk: Desk) -> None:
    """Messages leave nevertheless once the portal answers anything; it is not asked for ever."""
    desk.portal.faults = Faults({"error500_before": 1.0}, methods={HISTORY_GET})
    lines = rows(2, chats=1)
    ending, run = desk.send(lines)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)
    methods = [call.method for call in desk.portal.calls]
    assert methods == [HISTORY_GET] * 3 + ["profile"] + [MESSAGE_ADD] * 2


def test_clock_set_in_between(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting this computer's clock neither shortens the wait for a late call nor hides its message."""
    real = time.time
    ahead = [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    lines = rows(6, chats=6)
    desk.portal.faults = Faults(at={5: FaultKind.LATE}, late_seconds=0.4, methods={MESSAGE_ADD})

    def meanwhile(_: object, progress: object) -> None:
        if len(desk.portal.calls) >= 4:
            ahead[0] = 3600.0
            desk.portal.clock_skew = -3600.0

    ending, run = desk.send(lines, max_in_flight=1, meanwhile=meanwhile, settle=1.0)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)


def test_call_that_may_leave_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was allowed to leave before the computer slept does not leave after it."""
    real = time.time
    slept = [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + slept[0])
    call = Outbox.call

    def sleepy(self: Outbox, row: Row) -> Call:
        if not slept[0]:
            slept[0] = 7200.0
        return call(self, row)

    monkeypatch.setattr(Outbox, "call", sleepy)
    ending, run = desk.send([LINE], max_in_flight=1)
    assert ending.how is StopReason.ENDED
    assert [row.attempts for row in desk.rows(run)] == [1]
    assert len([call for call in desk.portal.calls if call.method.endswith("add")]) == 1


def test_messages_have_to_wait(desk: Desk) -> None:
    """While messages wait for execution time of theirs, histories are looked at nevertheless."""
    desk.portal.limits = Limits(rate=None, operating=Operating(limit=1, window=3, cost=0.6))
    desk.portal.faults = Faults(at={1: FaultKind.CLOSE_AFTER}, methods={MESSAGE_ADD})
    lines = rows(3, chats=3)
    ending, run = desk.send(lines, rate_limit=RateLimit(rate=0, operating_limit=1), max_in_flight=1)
    assert ending.how is StopReason.ENDED
    desk.assert_each_once(lines, run)
    *_, look, last = desk.portal.calls
    assert look.method.endswith("history.get")
    assert last.arrived_at - look.arrived_at > 1.0


def test_portal_that_was_restored(desk: Desk) -> None:
    """Where ids have fallen, as after a portal was restored from a copy, a message that arrived is not sent again."""
    desk.send([("deal", 289, 8774, "", "Before")])
    desk.portal.world.start_ids_at(1000)
    desk.portal.faults = Faults(at={1: FaultKind.CLOSE_AFTER}, methods={MESSAGE_ADD})
    _, run = desk.send([LINE])
    assert desk.states(run) == [State.UNKNOWN]
    assert [delivery.chat_id for delivery in desk.portal.ledger] == [8774, 8773]
