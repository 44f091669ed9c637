"""A sheet that is entered as a campaign: as a whole or not at all."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from bulksend.entry.codes import ALREADY_SENT, BEYOND_LIMIT, DUPLICATE_MESSAGE, STOP_LISTED
from bulksend.entry.preview import Preview
from bulksend.entry.refusals import SentBefore
from bulksend.errors import UsageError
from bulksend.journal import Counts, NewRow, Repeat, State, ZoneRows
from bulksend.locale import _
from bulksend.portal.error_help import advice
from bulksend.results import default_path, free_path
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bulksend.journal import Journal
    from bulksend.plan import Plan
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList

Repeats = Literal["skip", "send", "refuse"]
"""What becomes of rows whose text another campaign sent to the same chat in the last 24 hours."""

NOTHING_REFUSED: Final[Mapping[int, tuple[str, str]]] = MappingProxyType({})


class Draft:
    """A sheet as a new campaign would have it.

    Attributes:
        counts: how many rows are in each state, once `rows` has been read to its end.
        repeats: the pending rows that other campaigns have sent, likewise.
        other_texts: the pending rows whose chat another campaign sent another text to, likewise, where that is wanted.
        once_more: of a sheet that is sent once more, the places among all pending rows of those sent before, likewise.
        preview: the first pending rows, likewise.
        zones: the pending rows of each time zone, likewise.
        stopped: how many rows a stop list leaves out, likewise.
        duplicates: how many rows are left out because an earlier one has the same text for the same chat, likewise.
    """

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        target: Target,
        *,
        again: bool,
        repeats: Repeats | None,
        limit: int | None,
        refused: Mapping[int, tuple[str, str]],
        stop_list: StopList | None = None,
        with_other_texts: bool = False,
        once: bool = False,
        preview: Preview | None = None,
    ) -> None:
        self._stop_list = stop_list
        self._seen: set[int] | None = set() if once else None
        self.duplicates = 0
        self.zones: dict[str, ZoneRows] = {}
        self.stopped = 0
        self._journal, self._plan, self._target = journal, plan, target
        self._again, self._choice, self._limit, self._refused = again or repeats == "send", repeats, limit, refused
        self.counts = Counts()
        self.repeats: list[Repeat] = []
        self.other_texts: list[Repeat] = []
        self.once_more: list[int] = []
        self._with_other_texts = with_other_texts
        self.preview = preview or Preview()

    def described(self, results: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
        """What the journal is to know of the campaign besides its rows."""
        plan, target = self._plan, self._target
        path = plan.sheet.path.absolute()
        return {
            "file": str(path),
            "sheet": plan.form,
            "headings": tuple(plan.headings),
            "portal": target.portal,
            "portal_name": target.name,
            "portal_address": target.authorisation.masked,
            "identity": target.authorisation.identity,
            "content": plan.content,
            "user_id": target.speaker,
            "again": self._again,
            "results_path": str(results or free_path(self._journal, default_path(path, plan.sheet.format))),
            "settings": settings,
        }

    def load(self, run_id: int, settings: dict[str, Any]) -> list[Repeat]:
        """Enter the rows of a campaign that was begun, and take it; or take all of it out of the journal again."""
        journal, start = self._journal, 0
        try:
            for rows in self.rows():
                journal.add_rows(run_id, start, rows, self._plan.message_column)
                start += len(rows)
            with journal.transaction():
                journal.entered(run_id, start)
                journal.acquire(run_id, settings)
                keep_interval(journal, run_id)
        except BaseException:
            journal.forget(run_id)
            raise
        return self.repeats

    def rows(self) -> Iterator[list[NewRow]]:
        """Read the sheet again, in chunks.

        Raises:
            UsageError: its chats have to be looked up first.
            SentBefore: other campaigns have sent some of them, and that is to be refused.
            SheetError: the file has changed since it was checked.
        """
        if self._plan.to_look_up:
            raise UsageError(_("The sheet's chats have not been looked up."))
        since = self._journal.now() - SAME_TEXT_SECONDS
        compare = not self._again and self._journal.busy_since(self._target.portal, since)
        before = self._first_sent() if self._again and self._with_other_texts else None
        chats = self._journal.chats_since(self._target.portal, since) if compare and self._with_other_texts else {}
        tally: Counter[State] = Counter()
        within_limit, wanted = 0, True
        for rows in self._plan.new_rows(self._refused):
            self._skip_stopped(rows)
            self._skip_duplicates(rows)
            within_limit = self._skip_beyond_limit(rows, within_limit)
            if compare:
                self._find_repeats(rows, since, chats)
            if before is not None:
                self._find_once_more(rows, before, tally[State.PENDING])
            wanted = wanted and self.preview.add(rows, self.repeats)
            self._count_zones(rows, tally.total())
            tally.update(row.state for row in rows)
            yield rows
        if self.repeats and self._choice == "refuse":
            raise SentBefore(self.repeats)
        self.counts = Counts(**{state.value: count for state, count in tally.items()})

    def _first_sent(self) -> float | None:
        """When the first campaign that this sheet was began (Unix seconds), or what is long enough ago, if earlier."""
        if self._target.is_ephemeral:
            return None
        earlier = [run.created_at for run in self._journal.of_content(self._plan.content)]
        return min([*earlier, self._journal.now() - SAME_TEXT_SECONDS])

    def _find_once_more(self, rows: list[NewRow], since: float, place: int) -> None:
        texts = [row.fingerprint for row in rows if row.state is State.PENDING]
        sent = self._journal.sent_since(self._target.portal, texts, since)
        self.once_more += [place + n for n, text in enumerate(texts) if text in sent]

    def _skip_stopped(self, rows: list[NewRow]) -> None:
        for index, row in enumerate(rows if self._stop_list else []):
            if row.state is State.PENDING and self._stop_list and self._stop_list.names(row):
                rows[index] = _skipped(row, STOP_LISTED)
                self.stopped += 1

    def _skip_duplicates(self, rows: list[NewRow]) -> None:
        for index, row in enumerate(rows if self._seen is not None else []):
            if row.state is State.PENDING and self._seen is not None:
                if row.fingerprint in self._seen:
                    rows[index] = _skipped(row, DUPLICATE_MESSAGE)
                    self.duplicates += 1
                self._seen.add(row.fingerprint)

    def _count_zones(self, rows: Iterable[NewRow], start: int) -> None:
        for n, row in enumerate(rows, start):
            if row.state is State.PENDING:
                known = self.zones.get(row.timezone)
                self.zones[row.timezone] = ZoneRows(known.rows + 1, known.first, n) if known else ZoneRows(1, n, n)

    def _skip_beyond_limit(self, rows: list[NewRow], within_limit: int) -> int:
        """Skip rows once ``within_limit`` has reached the limit, and return it with those of these rows."""
        if self._limit is not None:
            for index, row in enumerate(rows):
                if row.state is State.PENDING:
                    within_limit += 1
                    if within_limit > self._limit:
                        rows[index] = _skipped(row, BEYOND_LIMIT)
        return within_limit

    def _find_repeats(self, rows: list[NewRow], since: float, chats: Mapping[int, int]) -> None:
        texts = [row.fingerprint for row in rows if row.state is State.PENDING]
        sent = self._journal.sent_since(self._target.portal, texts, since)
        for index, row in enumerate(rows if sent or chats else []):
            if row.state is State.PENDING and row.fingerprint in sent:
                self.repeats.append(Repeat(row.number, sent[row.fingerprint]))
                if self._choice == "skip":
                    rows[index] = _skipped(row, ALREADY_SENT)
            elif row.state is State.PENDING and row.chat_id in chats:
                self.other_texts.append(Repeat(row.number, chats[row.chat_id]))


def _skipped(row: NewRow, code: str) -> NewRow:
    return row._replace(state=State.SKIPPED, error_code=code, error_description=advice(code))


def keep_interval(journal: Journal, run_id: int) -> None:
    """Remember the interval between two messages of a campaign that are to be spread, as they are that many now."""
    run = journal.run(run_id)
    sending = Sending.kept(run.settings)
    spread = sending.spread(run.counts.pending)
    if spread != sending:
        journal.acquire(run_id, spread.settings())
