"""Campaigns: entered with their rows, found again, described."""

from __future__ import annotations

import json
from collections import Counter
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from bulksend.errors import JournalError, UsageError
from bulksend.journal.holder import Held
from bulksend.journal.model import Stage
from bulksend.journal.records import counts_of, living_holder, message_to_keep, run_of
from bulksend.journal.store import Store
from bulksend.journal.tables import AUDIT, ROWS, RUNS
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.journal.model import NewRow, Run

NEW_COLUMNS: Final = (
    "run_id",
    "n",
    "number",
    "state",
    "cells",
    "entity_type",
    "entity_id",
    "chat_id",
    "user_id",
    "message",
    "fingerprint",
    "attempts",
    "lost",
    "error_code",
    "error_description",
    "timezone",
)

NEW_ROW = sa.insert(ROWS)

NEW_ROW_OF_SQLITE: Final = f"INSERT INTO rows ({', '.join(NEW_COLUMNS)}) VALUES ({', '.join('?' * len(NEW_COLUMNS))})"  # noqa: S608 - names


class Runs(Store):
    """Enters campaigns and finds them."""

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
                        _(
                            "Campaign {run} of the same sheet on the same portal is not finished: go on with that one."
                        ).format(run=other.id),
                        code="UNFINISHED",
                        run=other.id,
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
                    holder=self._my_name,
                    seen_at=now,
                )
            ).inserted_primary_key
        if run_id is None:  # pragma: no cover - every supported database returns it
            raise JournalError(_("The journal gave no number to the campaign."))
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
                row.timezone or None,
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
                raise JournalError(
                    _("Of the {rows} rows of campaign {run} the journal has {found}; enter it again.").format(
                        rows=rows, run=run_id, found=found
                    )
                )
            connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(stage=Stage.READY.value))

    def forget(self, run_id: int) -> None:
        """Take out a campaign of which nothing was ever sent, if it is held here."""
        mine = sa.select(RUNS.c.id).where(RUNS.c.id == run_id, RUNS.c.holder == self._my_name)
        with self._transaction() as connection:
            if connection.scalar(mine) is not None:
                self._erase(connection, run_id)

    def _erase(self, connection: sa.Connection, run_id: int) -> None:
        connection.execute(sa.delete(ROWS).where(ROWS.c.run_id == run_id))
        connection.execute(sa.delete(AUDIT).where(AUDIT.c.run_id == run_id))  # its number may be given again
        connection.execute(sa.delete(RUNS).where(RUNS.c.id == run_id))

    def run(self, run_id: int) -> Run:
        """The campaign with that number; `UsageError` where there is none."""
        found = self._find(RUNS.c.id == run_id)
        if found is None:
            raise UsageError(_("There is no campaign {run} in the journal.").format(run=run_id), code="NO_SUCH_RUN")
        return found

    def runs(self) -> list[Run]:
        """All campaigns, the oldest first."""
        with self._reading() as connection:
            statement = sa.select(RUNS).where(RUNS.c.stage != Stage.LOADING.value).order_by(RUNS.c.id)
            return [run_of(record, self.now()) for record in connection.execute(statement)]

    def latest(self, *, unfinished: bool = False) -> Run | None:
        """The newest campaign (that is not finished yet, if asked so)."""
        unwanted = [Stage.LOADING.value, *([Stage.FINISHED.value] if unfinished else [])]
        return self._find(RUNS.c.stage.not_in(unwanted))

    def of_content(self, content: str) -> list[Run]:
        """All campaigns with that content, on whichever portal; the newest first."""
        mine = sa.and_(RUNS.c.content == content, RUNS.c.stage != Stage.LOADING.value)
        with self._reading() as connection:
            found = connection.execute(sa.select(RUNS).where(mine).order_by(RUNS.c.id.desc()))
            return [run_of(record, self.now()) for record in found]

    def same(self, portal: str, content: str) -> Run | None:
        """The campaign with that content on that portal: one that is not finished, else the newest."""
        same = sa.and_(RUNS.c.portal == portal, RUNS.c.content == content, RUNS.c.stage != Stage.LOADING.value)
        return self._find(sa.and_(same, RUNS.c.stage != Stage.FINISHED.value)) or self._find(same)

    def _find(self, condition: sa.ColumnElement[bool]) -> Run | None:
        statement = sa.select(RUNS).where(condition).order_by(RUNS.c.id.desc()).limit(1)
        with self._reading() as connection:
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
