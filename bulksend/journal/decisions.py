"""What a person decides about a campaign that nobody is sending: unknown rows, its end, its texts."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from bulksend.errors import UsageError
from bulksend.journal.counting import count
from bulksend.journal.holder import Held
from bulksend.journal.model import Counts, Stage, State
from bulksend.journal.other_runs import claimed_ids, portal_of
from bulksend.journal.records import counts_of, living_holder
from bulksend.journal.store import Store
from bulksend.journal.tables import OPEN_ROWS, ROWS, RUNS
from bulksend.locale import N_, _, ngettext
from bulksend.locale.formats import number

ERASED_AT_ONCE: Final = 20_000
"""Rows whose texts are erased in one transaction: campaigns under way wait for it."""

SEEN_BY_A_PERSON: Final = N_("Seen in the chat by a person.")
"""What is said of an unknown row once a person has found its message."""


class Decisions(Store):
    """Takes what a person decides."""

    def settle(self, run_id: int, n: int, *, arrived: bool, message_id: int | None = None) -> bool:
        """Take what a person decided about an unknown row, having looked into its chat.

        It is sent (as the message with that id, if the person found it), or it is to be sent again. False where the
        row is no longer unknown.

        Raises:
            Held: a process is sending the campaign.
            UsageError: the message is another row's.
        """
        mine = sa.and_(ROWS.c.run_id == run_id, ROWS.c.n == n, ROWS.c.state == State.UNKNOWN.value)
        with self._transaction() as connection:
            self._not_held(connection, run_id)
            if message_id is not None and claimed_ids(connection, portal_of(connection, run_id), [message_id]):
                raise UsageError(_("That message belongs to another row: choose the one that is this row's."))
            after = State.PENDING
            values: dict[str, Any] = {"error_code": None, "error_description": None, "lost": 1}
            if arrived:
                after = State.SENT
                values |= {
                    "message_id": message_id,
                    "sent_at": ROWS.c.left_at,
                    "error_description": _(SEEN_BY_A_PERSON),
                }
            moved = connection.execute(sa.update(ROWS).where(mine).values(state=after.value, **values)).rowcount
            count(connection, run_id, {(State.UNKNOWN, after): moved})
            if moved and not arrived:
                finished = sa.and_(RUNS.c.id == run_id, RUNS.c.stage == Stage.FINISHED.value)
                connection.execute(sa.update(RUNS).where(finished).values(stage=Stage.STOPPED.value))
        return bool(moved)

    def finish(self, run_id: int) -> None:
        """Count a campaign as finished although rows of it were not sent: nobody is asked to continue it any more.

        The rows stay as they are, so that they can still be sent if somebody wants it after all.

        Raises:
            Held: a process is sending it.
            UsageError: it is not known yet of some rows whether they arrived.
        """
        with self._transaction() as connection:
            self._settled(connection, run_id)
            connection.execute(
                sa.update(RUNS).where(RUNS.c.id == run_id).values(stage=Stage.FINISHED.value, holder=None)
            )

    def erase(self, run_id: int) -> None:
        """Erase the texts of a campaign; its counts and what became of each row stay. It cannot be sent any more.

        Raises:
            Held: a process is sending it.
            UsageError: it is not known yet of some rows whether they arrived.
        """
        with self._transaction() as connection:
            counts = self._settled(connection, run_id)
            connection.execute(
                sa.update(ROWS)
                .where(ROWS.c.run_id == run_id, OPEN_ROWS)
                .values(state=State.SKIPPED.value, error_code="DELETED")
            )
            count(connection, run_id, {(State.PENDING, State.SKIPPED): counts.pending})
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run_id)
                # its content stays known, so that the same sheet is not sent once more unasked
                .values(headings="[]", message_column=None, stage=Stage.FINISHED.value, holder=None)
            )
        after: int | None = -1
        while after is not None:
            after = self._erase_texts(run_id, after)

    def _erase_texts(self, run_id: int, after: int) -> int | None:
        """Erase the cells and messages of some rows behind row ``after``; the last of them, None where none is left."""
        some = sa.and_(ROWS.c.run_id == run_id, ROWS.c.n > after, ROWS.c.n <= after + ERASED_AT_ONCE)
        with self._transaction() as connection:
            last: int | None = connection.scalar(sa.select(sa.func.max(ROWS.c.n)).where(some))
            if last is not None:
                connection.execute(sa.update(ROWS).where(some).values(cells="[]", message=""))
        return last

    def _settled(self, connection: sa.Connection, run_id: int) -> Counts:
        """The counts of a campaign that nobody is sending and none of whose rows may be on their way.

        Raises:
            Held, UsageError: it is not such a one.
        """
        counts = counts_of(self._not_held(connection, run_id))
        if rows := counts.sending + counts.in_doubt:
            sentence = ngettext(
                "Whether {rows} row of campaign {run} arrived is not known yet: continue it until that is settled, "
                "then try again.",
                "Whether {rows} rows of campaign {run} arrived is not known yet: continue it until that is settled, "
                "then try again.",
                rows,
            )
            raise UsageError(sentence.format(rows=number(rows), run=run_id))
        return counts

    def _not_held(self, connection: sa.Connection, run_id: int) -> sa.Row[Any]:
        """The record of a campaign that nobody is sending, locked; raises `Held` otherwise."""
        record = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
        holder = living_holder(record, self.now())
        if holder is not None:
            raise Held(run_id, holder)
        return record
