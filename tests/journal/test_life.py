"""The row's life against a model: whatever is asked of the journal in whatever order, it holds what the model holds."""

import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bulksend.errors import JournalError
from bulksend.journal import Change, Counts, Journal, State
from tests.journal.test_journal import PORTAL, begin, leave, pending

ROWS = 4
WENT = (State.SENT, State.FAILED, State.PENDING, State.IN_DOUBT)
SETTLED = (State.SENT, State.PENDING, State.UNKNOWN)


class Life(RuleBasedStateMachine):
    """One campaign, driven as the sender, its crashes and its users would; ``states`` is what must be true."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.path = Path(self.folder.name) / "journal.db"
        self.journal = Journal(self.path)
        self.run = begin(self.journal, ROWS)
        self.states = dict.fromkeys(range(ROWS), State.PENDING)
        self.attempts = dict.fromkeys(range(ROWS), 0)
        self.messages: dict[int, int] = {}
        self.next_id = 100

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()

    def those(self, state: State) -> list[int]:
        """The rows in a state."""
        return [n for n, its in self.states.items() if its is state]

    @precondition(lambda self: self.those(State.PENDING))
    @rule(most=st.integers(1, ROWS))
    def leaves(self, most: int) -> None:
        rows = pending(self.journal, self.run)[:most]
        assert [row.n for row in rows] == self.those(State.PENDING)[:most]
        assert leave(self.journal, self.run, rows).grant.granted == len(rows)
        for row in rows:
            self.states[row.n] = State.SENDING
            self.attempts[row.n] += 1

    def moves(self, n: int, before: State, after: State, *, message_id: int | None = None) -> None:
        """Write one change down, here and there."""
        uncounted = (before, after) == (State.SENDING, State.PENDING)
        lost = (before, after) == (State.IN_DOUBT, State.PENDING)
        change = Change(n, before, after, "X", message_id=message_id, uncounted=uncounted, lost=lost)
        assert not self.journal.apply(self.run, [change], portal=PORTAL)
        self.states[n] = after
        self.attempts[n] -= uncounted
        if message_id is not None:
            self.messages[n] = message_id

    @precondition(lambda self: self.those(State.SENDING))
    @rule(data=st.data(), after=st.sampled_from(WENT))
    def answer_comes(self, data: st.DataObject, after: State) -> None:
        n = data.draw(st.sampled_from(self.those(State.SENDING)))
        self.next_id += 1
        self.moves(n, State.SENDING, after, message_id=self.next_id if after is State.SENT else None)

    @precondition(lambda self: self.those(State.IN_DOUBT))
    @rule(data=st.data(), after=st.sampled_from(SETTLED))
    def history_tells(self, data: st.DataObject, after: State) -> None:
        n = data.draw(st.sampled_from(self.those(State.IN_DOUBT)))
        self.next_id += 1
        self.moves(n, State.IN_DOUBT, after, message_id=self.next_id if after is State.SENT else None)

    @precondition(lambda self: self.those(State.IN_DOUBT) and self.messages)
    @rule(data=st.data())
    def history_shows_another_rows_message(self, data: st.DataObject) -> None:
        n = data.draw(st.sampled_from(self.those(State.IN_DOUBT)))
        taken = data.draw(st.sampled_from(sorted(self.messages.values())))
        change = Change(n, State.IN_DOUBT, State.SENT, message_id=taken)
        assert self.journal.apply(self.run, [change], portal=PORTAL) == {n}

    @rule(state=st.sampled_from(State), after=st.sampled_from(State), data=st.data())
    def change_from_a_wrong_state(self, state: State, after: State, data: st.DataObject) -> None:
        n = data.draw(st.sampled_from(range(ROWS)))
        if self.states[n] is not state:
            with pytest.raises((JournalError, AssertionError)):
                self.journal.apply(self.run, [Change(n, state, after)])

    @rule(state=st.sampled_from([State.FAILED, State.UNKNOWN]))
    def retried(self, state: State) -> None:
        assert self.journal.reopen(self.run, state) == len(self.those(state))
        for n in self.those(state):
            self.states[n] = State.PENDING

    @rule()
    def killed_and_taken_up(self) -> None:
        self.journal.close()  # nothing is released
        self.journal = Journal(self.path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bulksend.journal.holder.Holder.alive", lambda *_: False)
            self.journal.acquire(self.run, {})
        for n in self.those(State.SENDING):
            self.states[n] = State.IN_DOUBT

    @rule()
    def ended_and_taken_up(self) -> None:
        self.journal.release(self.run, "")
        self.journal.acquire(self.run, {})
        for n in self.those(State.SENDING):
            self.states[n] = State.IN_DOUBT

    @invariant()
    def journal_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "states"):
            return
        with contextlib.closing(Journal(self.path)) as other:
            rows = list(other.all_rows(self.run))
            assert {row.n: row.state for row in rows} == self.states
            assert {row.n: row.attempts for row in rows} == self.attempts
            tally = Counter(state.value for state in self.states.values())
            assert other.run(self.run).counts == Counts(**tally)
            ids = {record.n: record.message_id for record in other.outcomes(self.run) if record.message_id is not None}
            assert ids == {n: self.messages[n] for n in self.those(State.SENT)}
            assert all(row.left_at is not None and row.left_at <= time.time() for row in rows if row.state in WENT[:1])


Life.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
