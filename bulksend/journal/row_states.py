"""A row's life: every change of state there is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NoReturn

import sqlalchemy as sa

from bulksend.errors import JournalError
from bulksend.journal.counting import count
from bulksend.journal.holder import HEARTBEAT_SECONDS
from bulksend.journal.model import MOVES, Change, Departure, SlotGrant, State, ZoneRows
from bulksend.journal.other_runs import claimed_ids, elsewhere, portal_of, rival
from bulksend.journal.pace_store import PaceStore
from bulksend.journal.records import ROW_COLUMNS, rows_of
from bulksend.journal.tables import IN_ONE_STATEMENT, OPEN_ROWS, ROWS, RUNS, by_no_index, open_places
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bulksend.journal.model import Row

LEAD: Final = 5_000
"""Rows that may leave before the file's main part has to hold more of what was written: so many have to be looked for
in the portal's history where the newest part is lost after a kill."""

APPLY_SENT = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n == sa.bindparam("b_n"),
        ROWS.c.state == State.SENDING.value,
    )
    .values(
        state=State.SENT.value,
        error_code=None,
        error_description=None,
        message_id=sa.bindparam("b_message_id"),
        sent_at=sa.bindparam("b_sent_at"),
    )
)
"""What becomes of nearly every row; `APPLY` does the same and anything else, with three times the parameters."""

_DONE = (
    sa.func.unnest(
        sa.bindparam("b_places", type_=sa.ARRAY(sa.Integer)),
        sa.bindparam("b_message_ids", type_=sa.ARRAY(sa.BigInteger)),
        sa.bindparam("b_times", type_=sa.ARRAY(sa.Float)),
    )
    .table_valued("n", "message_id", "sent_at")
    .render_derived(name="done")
)

APPLY_SENT_TOGETHER = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"), ROWS.c.n == _DONE.c.n, by_no_index(ROWS.c.state) == State.SENDING.value
    )
    .values(
        state=State.SENT.value,
        error_code=None,
        error_description=None,
        message_id=_DONE.c.message_id,
        sent_at=_DONE.c.sent_at,
    )
)
"""The same of many rows in one statement, which spares a server most of its work; a file has no arrays."""

LEAVE = (
    sa.update(ROWS)
    .where(ROWS.c.run_id == sa.bindparam("b_run"), by_no_index(ROWS.c.state) == State.PENDING.value)
    .values(
        state=State.SENDING.value,
        attempts=ROWS.c.attempts + 1,
        # What marks the first attempt stays: a message found later may be any attempt's.
        left_at=sa.func.coalesce(ROWS.c.left_at, sa.bindparam("b_at", type_=sa.Float)),
        earliest_portal_time=sa.case(
            (ROWS.c.left_at.is_(None), sa.bindparam("b_portal_time", type_=sa.Float)),
            else_=ROWS.c.earliest_portal_time,
        ),
        min_message_id=sa.func.coalesce(ROWS.c.min_message_id, sa.bindparam("b_newest", type_=sa.BigInteger)),
    )
)

LEAVE_ALONE = LEAVE.where(ROWS.c.n == sa.bindparam("b_leaving"))
LEAVE_TOGETHER = LEAVE.where(ROWS.c.n.in_(sa.bindparam("b_leaving", expanding=True)))
"""A statement with a list is put together anew each time."""
LEAVE_TOGETHER_ON_SERVER = LEAVE.where(ROWS.c.n == sa.any_(sa.bindparam("b_leaving", type_=sa.ARRAY(sa.Integer))))
"""This one is not, and the server keeps it prepared."""

APPLY = (
    sa.update(ROWS)
    .where(
        ROWS.c.run_id == sa.bindparam("b_run"),
        ROWS.c.n == sa.bindparam("b_n"),
        ROWS.c.state == sa.bindparam("b_before"),
    )
    .values(
        state=sa.bindparam("b_after"),
        error_code=sa.bindparam("b_code"),
        error_description=sa.bindparam("b_description"),
        message_id=sa.bindparam("b_message_id"),
        sent_at=sa.bindparam("b_sent_at"),
        attempts=ROWS.c.attempts - sa.bindparam("b_uncounted"),
        lost=ROWS.c.lost + sa.bindparam("b_lost"),
        **{
            # No attempt can have arrived: what marked them must not make an older message look like this row's.
            mark.key: sa.case((sa.and_(sa.bindparam("b_unsent") == 1, ROWS.c.lost == 0), None), else_=mark)
            for mark in (ROWS.c.left_at, ROWS.c.earliest_portal_time, ROWS.c.min_message_id)
        },
    )
)


def _chats_in_several_zones(run_id: int) -> sa.Select[tuple[int]]:
    row = ROWS.alias("row")
    zone = sa.func.coalesce(row.c.timezone, "")
    return (
        sa.select(row.c.chat_id)
        .where(row.c.run_id == run_id, sa.text("row.state IN ('pending', 'sending', 'in_doubt')"))
        .group_by(row.c.chat_id)
        .having(sa.func.min(zone) != sa.func.max(zone))
    )


class RowStates(PaceStore):
    """Gives rows out, lets them leave, and writes down what became of them."""

    def open_rows(
        self, run_id: int, state: State, after: int, limit: int, timezone: str | None = None, *, mixed: bool = False
    ) -> list[Row]:
        """Up to ``limit`` rows in that open state, in the sheet's order, behind row ``after`` (-1 for all).

        With ``timezone`` only rows of that zone ("": those without); with ``mixed`` only those of `mixed_chats`.
        """
        places = open_places(run_id, state, after, timezone=timezone)
        if mixed:
            chat = ROWS.alias("chat")
            of_several = chat.c.chat_id.in_(_chats_in_several_zones(run_id))
            places = sa.select(chat.c.n).where(chat.c.run_id == run_id, chat.c.n.in_(places), of_several)
            places = places.order_by(chat.c.n)
        places = places.limit(limit)
        statement = (
            sa.select(*ROW_COLUMNS)
            .join_from(ROWS, RUNS, RUNS.c.id == ROWS.c.run_id)
            .where(ROWS.c.run_id == run_id, ROWS.c.n.in_(places))
            .order_by(ROWS.c.n)
        )
        with self._transaction() as connection:
            return rows_of(connection.execute(statement))

    def open_zones(self, run_id: int) -> dict[str, ZoneRows]:
        """The open rows of each time zone; "" are those without one of their own."""
        zone = sa.func.coalesce(ROWS.c.timezone, "")
        statement = (
            sa.select(zone, sa.func.count(), sa.func.min(ROWS.c.n), sa.func.max(ROWS.c.n))
            .where(ROWS.c.run_id == run_id, OPEN_ROWS)
            .group_by(zone)
        )
        with self._reading() as connection:
            return {name: ZoneRows(*rows) for name, *rows in connection.execute(statement)}

    def mixed_chats(self, run_id: int) -> frozenset[int]:
        """The chats that have open rows in several time zones."""
        with self._transaction() as connection:
            return frozenset(connection.scalars(_chats_in_several_zones(run_id)))

    def all_rows(self, run_id: int, chunk: int = 5_000) -> Iterator[Row]:
        """Every row of the campaign that could be sent or was, in the sheet's order."""
        after = -1
        while True:
            statement = (
                sa.select(*ROW_COLUMNS)
                .join_from(ROWS, RUNS, RUNS.c.id == ROWS.c.run_id)
                .where(ROWS.c.run_id == run_id, ROWS.c.chat_id > 0, ROWS.c.n > after)
                .order_by(ROWS.c.n)
                .limit(chunk)
            )
            with self._transaction() as connection:
                piece = rows_of(connection.execute(statement))
            if not piece:
                return
            yield from piece
            after = piece[-1].n

    def leave(
        self,
        run_id: int,
        rows: Sequence[Row],
        *,
        portal: str,
        take: Callable[[str, int], SlotGrant],
        at: float,
        portal_time: float | None,
        again: bool,
        since: float,
    ) -> Departure:
        """Take a slot at the portal's pace and mark rows as leaving, in one synced step.

        ``take`` is handed the pace's shared state (text) and how many rows of all campaigns are under way on this
        portal. ``at`` is now, and ``portal_time`` what the portal's clock shows at the least, where that is known.
        Rows that another campaign sent to the same chat with the same text after ``since`` (Unix seconds), or that are
        under way or unknown there, stay: their ``n`` come back in `Departure.already` (unless ``again``).
        """
        with self._transaction(gathers=True) as connection:
            known = self._portal(connection, portal, run_id)
            compare = known.others_at > since - HEARTBEAT_SECONDS and not again
            already = elsewhere(connection, run_id, rows, portal, since) if compare else frozenset()
            if already:
                return Departure(SlotGrant(known.pace, 0), already)
            grant = take(known.pace, known.under_way + self._counted_here(run_id, State.SENDING))
            known.set_pace(grant.state)
            if grant.granted:
                leaving = [row.n for row in rows[: grant.granted]]
                self._database.check_files()
                self._count_together(run_id, {(State.PENDING, State.SENDING): len(leaving)})
                self._let_main_file_know(connection, run_id, max(leaving))
                alone = len(leaving) == 1
                together = LEAVE_TOGETHER if self._database.sqlite else LEAVE_TOGETHER_ON_SERVER
                changed = connection.execute(
                    LEAVE_ALONE if alone else together,
                    {
                        "b_run": run_id,
                        "b_leaving": leaving[0] if alone else leaving,
                        "b_at": at,
                        "b_portal_time": portal_time,
                        "b_newest": known.newest_message_id,
                    },
                ).rowcount
                if changed != len(leaving):
                    self._raise_changed(connection, run_id)
            return Departure(grant, min_message_id=known.newest_message_id)

    def apply(
        self,
        run_id: int,
        changes: Sequence[Change],
        *,
        portal: str = "",
        update_pace: Callable[[str], str] | None = None,
        seen_message_id: int | None = None,
    ) -> frozenset[int]:
        """Write down what became of rows, and what the answers taught of the portal, in one synced step.

        ``update_pace`` changes the pace's shared state, and ``seen_message_id`` is the highest id in any history.
        Returns the ``n`` of rows in doubt that stay so, because the message found for them has become another row's
        in the meantime.
        """
        for change in changes:
            if change.after not in MOVES[change.before]:
                raise AssertionError(f"A row cannot go from {change.before} to {change.after}.")
        with self._transaction(gathers=True) as connection:
            claim_conflicts = self._claim_conflicts(connection, run_id, changes)
            changes = [change for change in changes if change.n not in claim_conflicts]
            ids = [change.message_id for change in changes if change.message_id]
            if seen_message_id is not None:
                ids.append(seen_message_id)
            if changes:
                moves: Counter[tuple[State | None, State]] = Counter(
                    (change.before, change.after) for change in changes
                )
                self._count_together(run_id, moves)
                self._write(connection, run_id, changes)
            if portal and (ids or update_pace):
                known = self._portal(connection, portal, run_id)
                if ids and known.newest_message_id is None:
                    self._database.checkpoint()
                for message_id in ids:
                    known.see(message_id)
                if update_pace:
                    known.set_pace(update_pace(known.pace))
        return claim_conflicts

    def _claim_conflicts(self, connection: sa.Connection, run_id: int, changes: Sequence[Change]) -> frozenset[int]:
        """Rows whose message, found in a history, is written down as another row's by now."""
        found = {
            change.message_id: change.n
            for change in reversed(changes)
            if change.before is State.IN_DOUBT and change.message_id is not None
        }
        doubled = {change.n for change in changes if change.before is State.IN_DOUBT and change.message_id is not None}
        if not doubled:
            return frozenset()
        taken = claimed_ids(connection, portal_of(connection, run_id), list(found))
        return frozenset((doubled - set(found.values())) | {found[message_id] for message_id in taken})

    def _write(self, connection: sa.Connection, run_id: int, changes: Sequence[Change]) -> None:
        sent = [change for change in changes if (change.before, change.after) == (State.SENDING, State.SENT)]
        others = [change for change in changes if (change.before, change.after) != (State.SENDING, State.SENT)]
        if self._database.sqlite:
            self._change(
                connection,
                run_id,
                APPLY_SENT,
                [
                    {"b_run": run_id, "b_n": change.n, "b_message_id": change.message_id, "b_sent_at": change.sent_at}
                    for change in sent
                ],
            )
        elif sent:
            arrays = {
                "b_places": [change.n for change in sent],
                "b_message_ids": [change.message_id for change in sent],
                "b_times": [change.sent_at for change in sent],
            }
            if connection.execute(APPLY_SENT_TOGETHER, {"b_run": run_id} | arrays).rowcount != len(sent):
                self._raise_changed(connection, run_id)
        self._change(
            connection,
            run_id,
            APPLY,
            [
                {
                    "b_run": run_id,
                    "b_n": change.n,
                    "b_before": change.before.value,
                    "b_after": change.after.value,
                    "b_code": change.error_code or None,
                    "b_description": change.error_description or None,
                    "b_message_id": change.message_id,
                    "b_sent_at": change.sent_at,
                    "b_uncounted": int(change.uncounted),
                    "b_unsent": int((change.before, change.after) == (State.SENDING, State.PENDING)),
                    "b_lost": int(change.lost),
                }
                for change in others
            ],
        )

    def _change(self, connection: sa.Connection, run_id: int, statement: sa.Update, rows: list[dict[str, Any]]) -> None:
        """Change each of these rows; all of them must be as they were left."""
        if not rows:
            return
        result = connection.execute(statement, rows)
        if result.rowcount not in {-1, len(rows)}:  # -1: the driver does not tell
            self._raise_changed(connection, run_id)

    def _raise_changed(self, connection: sa.Connection, run_id: int) -> NoReturn:
        """Rows are not as they were left."""
        self._write_tallies(connection)  # raises `TakenOver` where that is why
        raise JournalError(
            _("Another process has changed the rows of campaign {run}; nothing more is sent here.").format(run=run_id)
        )

    def reopen(self, run_id: int, state: State, codes: Iterable[str] | None = None) -> int:
        """Make rows pending again (all in that state, or those with these error codes) and say how many.

        An unknown row keeps what marked its attempts, so that its message can still be found.
        """
        if State.PENDING not in MOVES[state]:
            raise AssertionError(f"A row cannot go from {state} to pending.")
        # What names no chat cannot be sent; it is invalid because its chat was looked up in vain.
        condition = sa.and_(ROWS.c.run_id == run_id, ROWS.c.state == state.value, ROWS.c.chat_id > 0)
        if codes is not None:
            condition = sa.and_(condition, ROWS.c.error_code.in_(list(codes)))
        marks: dict[str, Any] = {"lost": 1}
        if state is not State.UNKNOWN:
            marks = {"lost": 0, "left_at": None, "earliest_portal_time": None, "min_message_id": None}
        with self._transaction() as connection:
            moved = connection.execute(
                sa.update(ROWS)
                .where(condition)
                .values(state=State.PENDING.value, error_code=None, error_description=None, **marks)
            ).rowcount
            count(connection, run_id, {(state, State.PENDING): moved})
            self._database.checkpoint()
        return moved

    def skip(
        self,
        run_id: int,
        code: str,
        description: str,
        *,
        beyond: int | None = None,
        since: float | None = None,
    ) -> int:
        """Leave pending rows out on purpose and say how many.

        Either all pending rows behind the first ``beyond`` rows of the sheet that can be sent, or those that another
        campaign sent to the same chat with the same text after ``since``.
        """
        with self._transaction() as connection:
            mine = sa.and_(ROWS.c.run_id == run_id, OPEN_ROWS, ROWS.c.state == State.PENDING.value)
            if since is not None:
                condition = sa.and_(mine, rival(connection, run_id, since))
            else:
                settled = sa.and_(
                    ROWS.c.run_id == run_id,
                    ROWS.c.state.not_in([State.INVALID.value, State.SKIPPED.value]),
                )
                first_left_out = connection.scalar(
                    sa.select(ROWS.c.n).where(settled).order_by(ROWS.c.n).offset(beyond).limit(1)
                )
                if first_left_out is None:
                    return 0
                condition = sa.and_(mine, ROWS.c.n >= first_left_out)
            moved = connection.execute(
                sa.update(ROWS)
                .where(condition)
                .values(state=State.SKIPPED.value, error_code=code, error_description=description)
            ).rowcount
            count(connection, run_id, {(State.PENDING, State.SKIPPED): moved})
        return moved

    def leave_out(self, run_id: int, problems: Mapping[int, tuple[str, str]], state: State = State.INVALID) -> int:
        """Leave out rows that were found wrong after they had been entered, or that are to be skipped; say how many.

        ``problems`` is the row's ``n`` → (code, description). Rows that are not pending stay as they are.
        """
        wanted = sorted(problems)
        with self._transaction() as connection:
            pending: list[int] = []
            for first in range(0, len(wanted), IN_ONE_STATEMENT):
                statement = sa.select(ROWS.c.n).where(
                    ROWS.c.run_id == run_id,
                    OPEN_ROWS,
                    ROWS.c.state == State.PENDING.value,
                    ROWS.c.n.in_(wanted[first : first + IN_ONE_STATEMENT]),
                )
                pending += connection.scalars(statement)
            changes = [Change(n, State.PENDING, state, *problems[n]) for n in pending]
            if changes:
                self._write(connection, run_id, changes)
                count(connection, run_id, {(State.PENDING, state): len(changes)})
        return len(changes)

    def _let_main_file_know(self, connection: sa.Connection, run_id: int, n: int) -> None:
        """Before a row leaves, the file's main part says that it may have, even if all the rest is lost."""
        if self._database.files is None or n <= self._may_leave_to.get(run_id, -1):
            return
        ahead = sa.func.max(sa.func.coalesce(RUNS.c.may_leave_to, -1), n + LEAD)
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(may_leave_to=ahead))
        self._may_leave_to[run_id] = n + LEAD
        self._database.checkpoint()
