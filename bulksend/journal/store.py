"""What all parts of a journal share: its database, who uses it, and the count of rows."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import TYPE_CHECKING, Self

from bulksend.journal.counting import COUNT_MINE, counted, tally
from bulksend.journal.database import Database
from bulksend.journal.holder import Holder, TakenOver
from bulksend.journal.interruption import stop_and_close, stop_dead

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import sqlalchemy as sa

    from bulksend.journal.model import State


class Store:
    """A database that is open, used by one holder."""

    def __init__(self, address: str | Path) -> None:
        self._database = Database(address)
        self._transaction = self._database.transaction
        self._reading = self._database.reading
        self._me = Holder.this_process(leased=not self._database.sqlite)
        self._my_name = self._me.to_text()
        self._tallies: dict[int, Counter[State]] = {}
        self._database.before_commit(self._write_tallies)
        self._database.on_rollback(self._tallies.clear)
        self._may_leave_to: dict[int, int] = {}
        self._database.on_rollback(self._may_leave_to.clear)
        if self._database.files is not None:
            with self._transaction() as connection:
                stop_dead(connection, self.now(), torn=self._database.files.torn)
        # Also where nobody closes it: SQLite deletes its write-ahead log then, as if nothing had been under way.
        self._finalizer = weakref.finalize(self, stop_and_close, self._database, self._me)

    def close(self) -> None:
        """Let go of the database; a campaign that is still held here is stopped."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shown(self) -> str:
        """Where it is, as it may be shown."""
        return self._database.shown

    def transaction(self) -> AbstractContextManager[None]:
        """Make all that is done inside one synced step: it has happened when the context ends, or none of it has."""
        return self._database.together()

    def turns_of(self, portal: str) -> AbstractContextManager[None]:
        """Take turns only with those who work on the same portal, as long as the context lasts.

        For a journal in a file it makes no difference. Nothing of another portal's campaigns may be changed meanwhile.
        """
        return self._database.turns_of(portal)

    def now(self) -> float:
        """The time (Unix seconds) by the clock that all who share the journal go by: the server's, where it has one."""
        return self._database.now()

    def _count_mine(
        self, connection: sa.Connection, run_id: int, moves: Mapping[tuple[State | None, State], int]
    ) -> None:
        """Bring the campaign's counts up to date if it is still held from here, as a sign of life."""
        self._count_together(run_id, moves)
        self._write_tallies(connection)

    def _count_together(self, run_id: int, moves: Mapping[tuple[State | None, State], int]) -> None:
        """The same once for all that is done in a transaction, at its end: nothing has happened if it fails."""
        self._tallies.setdefault(run_id, Counter()).update(tally(moves))

    def _counted_here(self, run_id: int, state: State) -> int:
        """By how much this transaction changes a count that is not written yet."""
        return self._tallies[run_id][state] if run_id in self._tallies else 0

    def _write_tallies(self, connection: sa.Connection) -> None:
        mine = {"b_me": self._my_name, "b_now": self.now()}
        while self._tallies:
            run_id, moved = self._tallies.popitem()
            if not connection.execute(COUNT_MINE, counted(run_id, moved) | mine).rowcount:
                raise TakenOver(run_id)
