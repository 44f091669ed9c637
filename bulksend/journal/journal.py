"""The journal's one door: a transaction a method.

Its promises are in the package's docstring.
"""

from __future__ import annotations

import json
import weakref
from collections import Counter
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa

from bulksend.errors import JournalError, UsageError
from bulksend.journal.database import Database
from bulksend.journal.holder import ABANDONED_SECONDS, Holder
from bulksend.journal.lease import (
    Held,
    TakenOver,
    count,
    counted,
    put_in_doubt,
    stop_and_close,
    stop_dead,
)
from bulksend.journal.model import MOVES, Change, Departure, NewRow, Row, RowOutcome, Run, Stage, State
from bulksend.journal.other_runs import claimed_ids, elsewhere, left_since, others_active, portal_of, rival
from bulksend.journal.tables import (
    APPLY,
    APPLY_SENT,
    COUNT_MINE,
    HAS_LEFT,
    IN_ONE_STATEMENT,
    LEAVE,
    NEW_COLUMNS,
    NEW_ROW,
    NEW_ROW_OF_SQLITE,
    OPEN_ROWS,
    OPEN_ROWS_OF_ROWS,
    OUTCOME_COLUMNS,
    PORTAL,
    PORTALS,
    ROW_COLUMNS,
    ROWS,
    RUNS,
    UNDER_WAY,
    by_no_index,
    counts_of,
    living_holder,
    message_to_keep,
    open_places,
    outcomes_of,
    rows_of,
    run_of,
    undamaged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

LEAD: Final = 5_000
"""Rows that may leave before the file's main part has to hold more of what was written: so many have to be looked for
in the portal's history where the newest part is lost after a kill."""


class Journal:
    """The journal at ``address``: a path (created if missing) or a database address as SQLAlchemy writes them.

    It is meant for one thread. Every method may raise `JournalError`, and then nothing of it has happened.
    """

    def __init__(self, address: str | Path) -> None:
        self._database = Database(address)
        self._transaction = self._database.transaction
        self._me = Holder.this_process()
        self._may_leave_to: dict[int, int] = {}
        self._database.on_rollback(self._may_leave_to.clear)
        if self._database.files is not None:
            with self._transaction() as connection:
                stop_dead(self._database, connection)
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

    def now(self) -> float:
        """The time (Unix seconds) by the clock that all who share the journal go by: the server's, where it has one."""
        return self._database.now()

    # Campaigns

    def begin(
        self,
        *,
        file: str,
        sheet: Mapping[str, Any],
        headings: Sequence[str],
        message_column: int | None,
        portal: str,
        portal_name: str,
        portal_address: str,
        identity: str,
        content: str,
        user_id: int,
        again: bool,
        results_path: str,
        settings: Mapping[str, Any],
    ) -> int:
        """Enter a new campaign, held by this process, and return its number; its rows follow with `add_rows`.

        Raises:
            Held: another process is entering or sending the same content to the same portal.
            UsageError: a campaign of the same content on the same portal is not finished.
        """
        with self._transaction() as connection:
            now = self.now()
            same = sa.and_(RUNS.c.portal == portal, RUNS.c.content == content)
            loading = RUNS.c.stage == Stage.LOADING.value
            for other in connection.execute(sa.select(RUNS).where(sa.or_(same, loading))).all():
                holder = living_holder(other, now)
                if other.stage == Stage.LOADING and holder is None:  # its process died: nothing of it was sent
                    self._erase(connection, other.id)
                elif (other.portal, other.content) != (portal, content):
                    continue
                elif holder is not None:
                    raise Held(other.id, holder)
                elif other.stage != Stage.FINISHED:
                    raise UsageError(
                        f"Campaign {other.id} of the same sheet on the same portal is not finished: go on with it by "
                        f"`bulksend resume {other.id}`."
                    )
            run_id = connection.execute(
                sa.insert(RUNS).values(
                    created_at=now,
                    stage=Stage.LOADING.value,
                    file=file,
                    sheet=json.dumps(dict(sheet), ensure_ascii=False),
                    headings=json.dumps(list(headings), ensure_ascii=False),
                    message_column=message_column,
                    portal=portal,
                    portal_name=portal_name,
                    portal_address=portal_address,
                    identity=identity,
                    content=content,
                    user_id=user_id,
                    again=again,
                    results_path=results_path,
                    settings=json.dumps(dict(settings)),
                    holder=self._me.to_text(),
                    seen_at=now,
                )
            ).inserted_primary_key
        if run_id is None:  # pragma: no cover - every supported database returns it
            raise JournalError("The journal gave no number to the campaign.")
        return int(run_id[0])

    def add_rows(self, run_id: int, start: int, rows: Sequence[NewRow], message_column: int | None) -> None:
        """Enter rows of a campaign that is being loaded; the first of them is the sheet's ``start``-th (from 0)."""
        if not rows:
            return
        values = [
            (
                run_id,
                n,
                row.number,
                row.state.value,
                f"[{','.join(map(encode_basestring, row.cells))}]",
                row.entity_type,
                row.entity_id,
                row.chat_id,
                row.user_id,
                None
                if message_column is not None and row.cells[message_column] == row.message
                else message_to_keep(row.message),
                row.fingerprint,
                0,
                0,
                row.error_code or None,
                row.error_description or None,
            )
            for n, row in enumerate(rows, start)
        ]
        tally = Counter(row.state for row in rows)
        with self._transaction() as connection:
            self._count_mine(connection, run_id, {(None, state): rows for state, rows in tally.items()})
            if self._database.sqlite:  # SQLAlchemy takes longer to look at each value than SQLite to write it
                connection.exec_driver_sql(NEW_ROW_OF_SQLITE, values)
            else:
                connection.execute(NEW_ROW, [dict(zip(NEW_COLUMNS, row, strict=True)) for row in values])

    def entered(self, run_id: int, rows: int) -> None:
        """All ``rows`` rows are in: from now on the campaign can be sent."""
        with self._transaction() as connection:
            self._count_mine(connection, run_id, {})
            run = sa.select(RUNS).where(RUNS.c.id == run_id)
            if (found := counts_of(connection.execute(run).one()).total) != rows:
                raise JournalError(f"Of the {rows} rows of campaign {run_id} the journal has {found}; enter it again.")
            connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(stage=Stage.READY.value))

    def forget(self, run_id: int) -> None:
        """Take out a campaign of which nothing was ever sent, if it is held here."""
        mine = sa.select(RUNS.c.id).where(RUNS.c.id == run_id, RUNS.c.holder == self._me.to_text())
        with self._transaction() as connection:
            if connection.scalar(mine) is not None:
                self._erase(connection, run_id)

    def _erase(self, connection: sa.Connection, run_id: int) -> None:
        connection.execute(sa.delete(ROWS).where(ROWS.c.run_id == run_id))
        connection.execute(sa.delete(RUNS).where(RUNS.c.id == run_id))

    def run(self, run_id: int) -> Run:
        """The campaign with that number; `UsageError` where there is none."""
        found = self._find(RUNS.c.id == run_id)
        if found is None:
            raise UsageError(f"There is no campaign {run_id} in the journal; `bulksend runs` lists them.")
        return found

    def runs(self) -> list[Run]:
        """All campaigns, the oldest first."""
        with self._transaction() as connection:
            statement = sa.select(RUNS).where(RUNS.c.stage != Stage.LOADING.value).order_by(RUNS.c.id)
            return [run_of(record, self.now()) for record in connection.execute(statement)]

    def latest(self, *, unfinished: bool = False) -> Run | None:
        """The newest campaign (that is not finished yet, if asked so)."""
        unwanted = [Stage.LOADING.value, *([Stage.FINISHED.value] if unfinished else [])]
        return self._find(RUNS.c.stage.not_in(unwanted))

    def same(self, portal: str, content: str) -> Run | None:
        """The campaign with that content on that portal: one that is not finished, else the newest."""
        same = sa.and_(RUNS.c.portal == portal, RUNS.c.content == content, RUNS.c.stage != Stage.LOADING.value)
        return self._find(sa.and_(same, RUNS.c.stage != Stage.FINISHED.value)) or self._find(same)

    def _find(self, condition: sa.ColumnElement[bool]) -> Run | None:
        statement = sa.select(RUNS).where(condition).order_by(RUNS.c.id.desc()).limit(1)
        with self._transaction() as connection:
            record = connection.execute(statement).first()
            return None if record is None else run_of(record, self.now())

    def _set(self, run_id: int, **values: Any) -> None:
        with self._transaction() as connection:
            connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**values))

    def sent_through(self, run_id: int, *, portal_name: str, portal_address: str, identity: str) -> None:
        """Remember by which name, address and credentials the campaign's portal is called from now on."""
        self._set(run_id, portal_name=portal_name, portal_address=portal_address, identity=identity)

    def send_again(self, run_id: int) -> None:
        """Let rows of the campaign leave although another campaign sent the same text to the same chat."""
        self._set(run_id, again=True)

    def keeps_results(self, path: str, *, but_for: str = "") -> bool:
        """Whether a campaign's results sheet is at ``path``; those of the portal ``but_for`` do not count."""
        statement = sa.select(RUNS.c.id).where(RUNS.c.results_path == path, RUNS.c.portal != but_for).limit(1)
        with self._transaction() as connection:
            return connection.execute(statement).first() is not None

    def note_results(self, run_id: int, path: str) -> None:
        """Remember where the campaign's results sheet is."""
        self._set(run_id, results_path=path)

    # Who holds a campaign

    def acquire(self, run_id: int, settings: Mapping[str, Any]) -> None:
        """Take the campaign for this journal's user; raise `Held` where another living one has it.

        Rows that a dead process left in `sending` are in doubt from then on.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
            now = self.now()
            other = living_holder(record, now)
            if other is not None and other != self._me:
                raise Held(run_id, other)
            put_in_doubt(connection, record, now)
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run_id)
                .values(
                    holder=self._me.to_text(),
                    seen_at=now,
                    stage=Stage.RUNNING.value,
                    reason="",
                    ended_at=None,
                    settings=json.dumps(dict(settings)),
                )
            )
            self._database.checkpoint()

    def heartbeat(self, run_id: int) -> None:
        """Give a sign of life for a held campaign.

        Raises:
            TakenOver: another process has taken it, because this one gave no sign of life for long.
        """
        with self._transaction() as connection:
            self._count_mine(connection, run_id, {})
            self._database.check_files()
            self._database.checkpoint()

    def release(self, run_id: int, reason: str) -> None:
        """Let go of a campaign; it is finished where no row of it is open any more.

        Nothing happens where another process has taken it in the meantime.
        """
        with self._transaction() as connection:
            record = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
            if record.holder != self._me.to_text():
                return
            left = counts_of(record).left
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run_id)
                .values(
                    holder=None,
                    seen_at=self.now(),
                    reason=reason,
                    ended_at=self.now(),
                    stage=Stage.STOPPED.value if left else Stage.FINISHED.value,
                )
            )

    # A row's life

    def open_rows(self, run_id: int, state: State, after: int, limit: int) -> list[Row]:
        """Up to ``limit`` rows in that open state, in the sheet's order, behind row ``after`` (-1 for all)."""
        places = open_places(run_id, state, after).limit(limit)
        statement = (
            sa.select(*ROW_COLUMNS)
            .join_from(ROWS, RUNS, RUNS.c.id == ROWS.c.run_id)
            .where(ROWS.c.run_id == run_id, ROWS.c.n.in_(places))
            .order_by(ROWS.c.n)
        )
        with self._transaction() as connection:
            return rows_of(connection.execute(statement))

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
        take: Callable[[str, int], tuple[str, int, float, str]],
        at: float,
        offset: float | None,
        again: bool,
        since: float,
    ) -> Departure:
        """Take a slot at the portal's pace and mark rows as leaving, in one synced step.

        ``take`` is handed the pace's shared state (text) and how many rows of all campaigns are under way on this
        portal; it answers the new state, how many rows may leave now, and if none, until when to wait and why. ``at``
        is now, and ``offset`` what to add to it for the portal's clock at the least, where that is known. Rows
        that another campaign sent to the same chat with the same text after ``since`` (Unix seconds), or that are
        under way or unknown there, stay: their ``n`` come back in `Departure.already` (unless ``again``).
        """
        with self._transaction() as connection:
            pace, newest = self._portal(connection, portal)
            already = frozenset() if again else elsewhere(connection, run_id, rows, portal, since)
            if already:
                return Departure(0, already=already)
            state, granted, until, why = take(pace, self._under_way(connection, portal))
            if state != pace:
                self._set_portal(connection, portal, pace=state)
            if granted:
                leaving = [row.n for row in rows[:granted]]
                self._database.check_files()
                self._count_mine(connection, run_id, {(State.PENDING, State.SENDING): granted})
                self._let_main_file_know(connection, run_id, max(leaving))
                changed = connection.execute(
                    LEAVE,
                    {"b_run": run_id, "b_leaving": leaving, "b_at": at, "b_offset": offset, "b_newest": newest},
                ).rowcount
                if changed != len(leaving):
                    raise JournalError(
                        f"Another process has changed the rows of campaign {run_id}; nothing more is sent here."
                    )
            return Departure(granted, until, why, min_message_id=newest)

    def take_slot(self, portal: str, take: Callable[[str, int], tuple[str, int, float, str]]) -> Departure:
        """Take a slot for a call that sends nothing; ``take`` as in `leave`."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            state, granted, until, why = take(pace, 0)
            if state != pace:
                self._set_portal(connection, portal, pace=state)
            return Departure(granted, until, why)

    def update_pace(self, portal: str, update: Callable[[str], str]) -> None:
        """Change the pace's shared state."""
        with self._transaction() as connection:
            pace, _ = self._portal(connection, portal)
            self._set_portal(connection, portal, pace=update(pace))

    def apply(
        self,
        run_id: int,
        changes: Sequence[Change],
        *,
        portal: str = "",
        update_pace: Callable[[str], str] | None = None,
    ) -> frozenset[int]:
        """Write down what became of rows, and what the answers taught of the portal's pace, in one synced step.

        Returns the ``n`` of rows in doubt that stay so, because the message found for them has become another row's
        in the meantime.
        """
        for change in changes:
            if change.after not in MOVES[change.before]:
                raise AssertionError(f"A row cannot go from {change.before} to {change.after}.")
        with self._transaction() as connection:
            claim_conflicts = self._claim_conflicts(connection, run_id, changes)
            changes = [change for change in changes if change.n not in claim_conflicts]
            ids = [change.message_id for change in changes if change.message_id]
            if changes:
                moves: Counter[tuple[State | None, State]] = Counter(
                    (change.before, change.after) for change in changes
                )
                self._count_mine(connection, run_id, moves)
                self._write(connection, run_id, changes)
            if portal and (ids or update_pace):
                pace, newest = self._portal(connection, portal)
                if ids and newest is None:
                    self._database.checkpoint()
                self._set_portal(
                    connection,
                    portal,
                    pace=update_pace(pace) if update_pace else pace,
                    newest_message_id=max([*ids, *([newest] if newest else [])], default=None),
                )
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
        self._change(
            connection,
            run_id,
            APPLY_SENT,
            [
                {"b_run": run_id, "b_n": change.n, "b_message_id": change.message_id, "b_sent_at": change.sent_at}
                for change in sent
            ],
        )
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
                    "b_doubt_since": change.doubt_since,
                    "b_uncounted": int(change.uncounted),
                    "b_unsent": int((change.before, change.after) == (State.SENDING, State.PENDING)),
                    "b_lost": int(change.lost),
                }
                for change in others
            ],
        )

    @staticmethod
    def _change(connection: sa.Connection, run_id: int, statement: sa.Update, rows: list[dict[str, Any]]) -> None:
        """Change each of these rows; all of them must be as they were left."""
        if not rows:
            return
        result = connection.execute(statement, rows)
        if result.rowcount not in {-1, len(rows)}:  # -1: the driver does not tell
            raise JournalError(f"Another process has changed the rows of campaign {run_id}; nothing more is sent here.")

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

    def invalidate(self, run_id: int, problems: Mapping[int, tuple[str, str]]) -> int:
        """Leave out rows that were found wrong after they had been entered, and say how many.

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
            changes = [Change(n, State.PENDING, State.INVALID, *problems[n]) for n in pending]
            if changes:
                self._write(connection, run_id, changes)
                count(connection, run_id, {(State.PENDING, State.INVALID): len(changes)})
        return len(changes)

    # What other campaigns sent

    def sent_elsewhere(self, run_id: int, since: float) -> list[tuple[int, int]]:
        """Pending rows that another campaign has sent to the same chat with the same text after ``since``.

        Rows that are under way, in doubt or unknown there count too: they may have arrived. Returns pairs of (the
        sheet's row number, the other campaign's number).
        """
        with self._transaction() as connection:
            others = others_active(run_id, portal_of(connection, run_id), since)
            if connection.execute(others.limit(1)).first() is None:
                return []
            other = ROWS.alias("other")
            statement = (
                sa.select(ROWS.c.number, sa.func.max(other.c.run_id))
                .join(other, other.c.fingerprint == ROWS.c.fingerprint)
                .where(
                    ROWS.c.run_id == run_id,
                    OPEN_ROWS_OF_ROWS,
                    ROWS.c.state == State.PENDING.value,
                    *left_since(other, others, since),
                )
                .group_by(ROWS.c.n, ROWS.c.number)
                .order_by(ROWS.c.n)
            )
            return [(int(number), int(rival)) for number, rival in connection.execute(statement)]

    def busy_since(self, portal: str, since: float) -> bool:
        """Whether any campaign on the portal could have sent anything after ``since``."""
        with self._transaction() as connection:
            return connection.execute(others_active(0, portal, since).limit(1)).first() is not None

    def sent_since(self, portal: str, fingerprints: Sequence[int], since: float) -> dict[int, int]:
        """Which of these texts (and chats) a campaign on the portal has sent after ``since``, and the newest such one.

        Rows that are under way, in doubt or unknown there count too, as in `sent_elsewhere`.
        """
        found: dict[int, int] = {}
        runs = others_active(0, portal, since)
        with self._transaction() as connection:
            for first in range(0, len(fingerprints), IN_ONE_STATEMENT):
                statement = (
                    sa.select(ROWS.c.fingerprint, sa.func.max(ROWS.c.run_id))
                    .where(
                        ROWS.c.fingerprint.in_(fingerprints[first : first + IN_ONE_STATEMENT]),
                        *left_since(ROWS, runs, since),
                    )
                    .group_by(ROWS.c.fingerprint)
                )
                found |= {int(text): int(run_id) for text, run_id in connection.execute(statement).all()}
        return found

    def rivals(self, run_id: int, row: Row, portal: str, since: float) -> bool:
        """Whether a row with the same text to the same chat is under way in another campaign.

        Campaigns that gave no sign of life after ``since`` (Unix seconds) do not count.
        """
        statement = (
            sa.select(ROWS.c.n)
            .where(
                ROWS.c.fingerprint == row.fingerprint,
                HAS_LEFT,
                ROWS.c.state == State.SENDING.value,
                by_no_index(ROWS.c.run_id).in_(others_active(run_id, portal, since)),
            )
            .limit(1)
        )
        with self._transaction() as connection:
            return connection.execute(statement).first() is not None

    def claimed(self, portal: str, message_ids: Iterable[int]) -> set[int]:
        """Which of these message ids already belong to a row of any campaign on this portal."""
        with self._transaction() as connection:
            return claimed_ids(connection, portal, list(message_ids))

    # What people are told

    def outcomes(self, run_id: int, chunk: int = 5_000) -> Iterator[list[RowOutcome]]:
        """What became of every row of the sheet, in order, in chunks."""
        after = -1
        while True:
            statement = sa.select(*OUTCOME_COLUMNS).where(ROWS.c.run_id == run_id, ROWS.c.n > after)
            with self._transaction() as connection:
                piece = outcomes_of(connection.execute(statement.order_by(ROWS.c.n).limit(chunk)))
            if not piece:
                return
            yield piece
            after = piece[-1].n

    def codes(self, run_id: int) -> dict[tuple[State, str], int]:
        """How many rows ended in each state with each error code."""
        statement = (
            sa.select(ROWS.c.state, ROWS.c.error_code, sa.func.count())
            .where(ROWS.c.run_id == run_id, ROWS.c.error_code.is_not(None))
            .group_by(ROWS.c.state, ROWS.c.error_code)
        )
        with self._transaction() as connection, undamaged():
            return {(State(state), code): int(rows) for state, code, rows in connection.execute(statement)}

    # Within a transaction

    @staticmethod
    def _portal(connection: sa.Connection, portal: str) -> tuple[str, int | None]:
        record = connection.execute(PORTAL, {"b_portal": portal}).first()
        return ("", None) if record is None else (record.pace, record.newest_message_id)

    @staticmethod
    def _set_portal(connection: sa.Connection, portal: str, **values: Any) -> None:
        changed = connection.execute(sa.update(PORTALS).where(PORTALS.c.portal == portal).values(**values)).rowcount
        if not changed:
            connection.execute(sa.insert(PORTALS).values(portal=portal, **values))

    def _under_way(self, connection: sa.Connection, portal: str) -> int:
        alive = self.now() - ABANDONED_SECONDS
        return int(connection.scalar(UNDER_WAY, {"b_portal": portal, "b_alive": alive}) or 0)

    def _count_mine(
        self, connection: sa.Connection, run_id: int, moves: Mapping[tuple[State | None, State], int]
    ) -> None:
        """Bring the campaign's counts up to date if it is still held from here, as a sign of life."""
        mine = {"b_me": self._me.to_text(), "b_now": self.now()}
        if not connection.execute(COUNT_MINE, counted(run_id, moves) | mine).rowcount:
            raise TakenOver(run_id)

    def _let_main_file_know(self, connection: sa.Connection, run_id: int, n: int) -> None:
        """Before a row leaves, the file's main part says that it may have, even if all the rest is lost."""
        if self._database.files is None or n <= self._may_leave_to.get(run_id, -1):
            return
        ahead = sa.func.max(sa.func.coalesce(RUNS.c.may_leave_to, -1), n + LEAD)
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(may_leave_to=ahead))
        self._may_leave_to[run_id] = n + LEAD
        self._database.checkpoint()
