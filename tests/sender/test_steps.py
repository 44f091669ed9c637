"""What came back and what leaves because of it are one step of the journal: what holds when that step fails."""

import contextlib
from typing import Any

import pytest

from bulksend.errors import JournalError
from bulksend.journal import Journal, State
from tests.processes import rows
from tests.sender.conftest import Desk


@pytest.mark.parametrize("in_flight", [1, 4])
def test_the_next_departure_cannot_be_written(desk: Desk, monkeypatch: pytest.MonkeyPatch, in_flight: int) -> None:
    """Nothing leaves that the journal does not know of; what came back is written nevertheless; the rest goes later."""
    lines = rows(12, chats=12)
    leave = Journal.leave
    left = 0

    def fail_at_last(journal: Journal, *arguments: Any, **options: Any) -> Any:
        nonlocal left
        left += 1
        if left > 6:
            raise JournalError("The disk is full.")
        return leave(journal, *arguments, **options)

    monkeypatch.setattr(Journal, "leave", fail_at_last)
    with contextlib.suppress(JournalError):  # raised only where nothing else is under way
        desk.send(lines, max_in_flight=in_flight)
    with Journal(desk.journal_path) as journal:
        run = journal.runs()[0]
    desk.portal.drain()
    delivered = len(desk.portal.ledger)
    states = desk.states(run)
    assert 0 < delivered <= 6
    assert states.count(State.SENT) == run.counts.sent == delivered
    assert states.count(State.PENDING) == 12 - delivered
    monkeypatch.setattr(Journal, "leave", leave)
    _, run = desk.resume(run)
    desk.assert_each_once(lines, run)
