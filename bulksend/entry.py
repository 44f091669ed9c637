"""How a sheet becomes a campaign in the journal, and how one that is there is taken up: as a whole or not at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from bulksend.errors import UsageError
from bulksend.journal import Counts, NewRow, Repeat, Row, Run, Stage, State, ZoneRows
from bulksend.locale import _, ngettext
from bulksend.locale.formats import moment, number
from bulksend.portal.codes import ACCESS_DENIED, CHAT_NOT_IN_CRM, DIALOG_FINISHED
from bulksend.portal.error_help import advice
from bulksend.results import default_path, free_path
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bulksend.journal import Journal
    from bulksend.plan import Plan
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList

BEYOND_LIMIT: Final = "BEYOND_LIMIT"
ALREADY_SENT: Final = "ALREADY_SENT"
TOO_LATE: Final = "TOO_LATE"
STOP_LISTED: Final = "STOP_LISTED"

RETRIED: Final[Mapping[State, Sequence[str]]] = MappingProxyType(
    {State.INVALID: (CHAT_NOT_IN_CRM, DIALOG_FINISHED, ACCESS_DENIED), State.SKIPPED: (TOO_LATE,)}
)
"""What is sent again besides all that failed, by state and error code."""

Repeats = Literal["skip", "send", "refuse"]
"""What becomes of rows whose text another campaign sent to the same chat in the last 24 hours."""

NOTHING_REFUSED: Final[Mapping[int, tuple[str, str]]] = MappingProxyType({})


class AlreadyDone(UsageError):
    """The sheet was sent to this portal before.

    Attributes:
        run: that campaign.
        sent_before: how many of its rows were left out, because yet another campaign had sent them.
    """

    def __init__(self, run: Run, sent_before: int = 0) -> None:
        self.run, self.sent_before = run, sent_before
        if sent_before:
            sentence = _(
                "This sheet was already sent to this portal as campaign {run} on {when} (sent: {sent}, left out as "
                "sent before: {sent_before})."
            )
        else:
            sentence = _("This sheet was already sent to this portal as campaign {run} on {when} (sent: {sent}).")
        super().__init__(
            sentence.format(
                run=run.id,
                when=moment(run.created_at),
                sent=number(run.counts.sent),
                sent_before=number(sent_before),
            )
        )


class SentBefore(UsageError):
    """Other campaigns sent some of the rows in the last 24 hours: ``repeats``."""

    def __init__(self, repeats: Sequence[Repeat]) -> None:
        self.repeats = repeats
        sentence = ngettext(
            "{count} row ({rows}) was sent to the same chat with the same text in the last 24 hours by campaign "
            "{runs}.",
            "{count} rows ({rows}) were sent to the same chat with the same text in the last 24 hours by campaign "
            "{runs}.",
            len(repeats),
        )
        super().__init__(
            sentence.format(
                count=number(len(repeats)),
                rows=", ".join(str(row) for row, _run in repeats[:10]) + (" …" if len(repeats) > 10 else ""),
                runs=", ".join(map(str, sorted({run for _row, run in repeats}))),
            )
        )


class CampaignChanged(UsageError):
    """The campaign is no longer what it was when somebody decided to send it."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Another process has worked on this campaign in the meantime. Nothing was changed or "
                "sent: look at it again first."
            )
        )


class Preview:
    """The first messages that would be sent."""

    LENGTH = 3

    def __init__(self) -> None:
        self._rows: list[tuple[NewRow | Row, bool]] = []

    def add(self, rows: Iterable[NewRow | Row], repeats: Sequence[Repeat]) -> bool:
        """Take in the next rows, and say whether more are needed."""
        repeated = {repeat.number for repeat in repeats}
        for row in rows:
            if self._full():
                break
            if row.state is State.PENDING:
                self._rows.append((row, row.number in repeated))
        return not self._full()

    def rows(self, *, without_repeats: bool = False) -> Sequence[NewRow | Row]:
        """The first of all rows, or of those that no other campaign has sent."""
        return [row for row, repeated in self._rows if not (repeated and without_repeats)][: self.LENGTH]

    def _full(self) -> bool:
        return len(self.rows(without_repeats=True)) == self.LENGTH


@dataclass(frozen=True, slots=True)
class Forecast:
    """What sending a sheet would begin with.

    Attributes:
        run: the campaign as it would be: its pending rows would be sent. Its number is 0 where it would be a new one.
        repeats: the rows among them that other campaigns have sent.
        preview: the first of them.
        newest: the newest campaign of the same sheet in the journal.
        written: the sheet that says what would become of each row, where one was asked for.
        zones: the pending rows of each time zone.
        stopped: how many rows a stop list leaves out.
    """

    run: Run
    repeats: Sequence[Repeat]
    preview: Preview
    newest: Run | None
    written: Path | None = None
    zones: Mapping[str, ZoneRows] = field(default_factory=dict)
    stopped: int = 0

    @property
    def known(self) -> bool:
        """Whether a campaign that is in the journal would be resumed."""
        return self.run.id != 0


class Draft:
    """A sheet as a new campaign would have it.

    Attributes:
        counts: how many rows are in each state, once `rows` has been read to its end.
        repeats: the pending rows that other campaigns have sent, likewise.
        preview: the first pending rows, likewise.
        zones: the pending rows of each time zone, likewise.
        stopped: how many rows a stop list leaves out, likewise.
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
    ) -> None:
        self._stop_list = stop_list
        self.zones: dict[str, ZoneRows] = {}
        self.stopped = 0
        self._journal, self._plan, self._target = journal, plan, target
        self._again, self._choice, self._limit, self._refused = again or repeats == "send", repeats, limit, refused
        self.counts = Counts()
        self.repeats: list[Repeat] = []
        self.preview = Preview()

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
                _keep_interval(journal, run_id)
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
        tally: Counter[State] = Counter()
        within_limit, wanted = 0, True
        for rows in self._plan.new_rows(self._refused):
            self._skip_stopped(rows)
            within_limit = self._skip_beyond_limit(rows, within_limit)
            if compare:
                self._find_repeats(rows, since)
            wanted = wanted and self.preview.add(rows, self.repeats)
            self._count_zones(rows, tally.total())
            tally.update(row.state for row in rows)
            yield rows
        if self.repeats and self._choice == "refuse":
            raise SentBefore(self.repeats)
        self.counts = Counts(**{state.value: count for state, count in tally.items()})

    def _skip_stopped(self, rows: list[NewRow]) -> None:
        for index, row in enumerate(rows if self._stop_list else []):
            if row.state is State.PENDING and self._stop_list and self._stop_list.names(row):
                rows[index] = _skipped(row, STOP_LISTED)
                self.stopped += 1

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

    def _find_repeats(self, rows: list[NewRow], since: float) -> None:
        texts = [row.fingerprint for row in rows if row.state is State.PENDING]
        sent = self._journal.sent_since(self._target.portal, texts, since)
        for index, row in enumerate(rows if sent else []):
            if row.state is State.PENDING and row.fingerprint in sent:
                self.repeats.append(Repeat(row.number, sent[row.fingerprint]))
                if self._choice == "skip":
                    rows[index] = _skipped(row, ALREADY_SENT)


def _skipped(row: NewRow, code: str) -> NewRow:
    return row._replace(state=State.SKIPPED, error_code=code, error_description=advice(code))


def unfinished(journal: Journal, newest: Run | None, *, again: bool) -> Run | None:
    """Of a sheet's newest campaign: the campaign itself if entering the sheet resumes it; None if a new one begins.

    Raises:
        AlreadyDone: it was sent before and ``again`` is not set.
    """
    if newest is None or newest.stage is not Stage.FINISHED:
        return newest
    if again:
        return None
    skipped = journal.codes(newest.id) if newest.counts.skipped else {}
    if (State.SKIPPED, BEYOND_LIMIT) not in skipped:  # what only an earlier limit left out is yet to be sent
        raise AlreadyDone(newest, skipped.get((State.SKIPPED, ALREADY_SENT), 0))
    return newest


def take_up(
    journal: Journal,
    run: Run,
    target: Target,
    settings: dict[str, Any] | None,
    *,
    again: bool = False,
    repeats: Repeats | None = "skip",
    lift_limit: bool = False,
    limit: int | None = None,
    refused: Mapping[int, tuple[str, str]] = NOTHING_REFUSED,
    retry: bool = False,
    resend_unknown: bool = False,
    stop_list: StopList | None = None,
    unpause: bool = True,
) -> list[Repeat]:
    """Take a campaign for this process and reopen or leave out rows of it; to be called in a transaction.

    With ``lift_limit`` an earlier limit is replaced by ``limit``. ``repeats`` None leaves the rows that other campaigns
    have sent as they are. Returns these rows.
    """
    journal.acquire(run.id, settings or dict(run.settings), unpause=unpause)
    caller = target.authorisation
    journal.sent_through(run.id, portal_name=target.name, portal_address=caller.masked, identity=caller.identity)
    reopened = 0
    if lift_limit:
        reopened += journal.reopen(run.id, State.SKIPPED, [BEYOND_LIMIT])
    if retry:
        reopened += journal.reopen(run.id, State.FAILED)
        reopened += sum(journal.reopen(run.id, state, codes) for state, codes in RETRIED.items())
    if resend_unknown:
        reopened += journal.reopen(run.id, State.UNKNOWN)
    if again:
        journal.reopen(run.id, State.SKIPPED, [ALREADY_SENT])
        journal.send_again(run.id)
    journal.leave_out(run.id, refused)
    if stop_list:
        _stop(journal, run.id, stop_list)
    if limit is not None:
        journal.skip(run.id, BEYOND_LIMIT, advice(BEYOND_LIMIT), beyond=limit)
    _keep_interval(journal, run.id)
    if again or run.again:
        return []
    since = journal.now() - SAME_TEXT_SECONDS
    # What was sent before this campaign was entered was looked at then, for rows that were open then. Without this a
    # campaign of a million rows would be compared with all the others whenever it is resumed.
    found = journal.sent_elsewhere(run.id, since if reopened else max(since, run.created_at))
    if found and repeats == "refuse":
        raise SentBefore(found)
    if found and repeats == "skip":
        journal.skip(run.id, ALREADY_SENT, advice(ALREADY_SENT), since=since)
    if found and repeats == "send":
        journal.send_again(run.id)
    return found


def _stop(journal: Journal, run_id: int, stop_list: StopList) -> None:
    """Leave out the pending rows that a stop list names."""
    after, named = -1, (STOP_LISTED, advice(STOP_LISTED))
    while rows := journal.open_rows(run_id, State.PENDING, after, 5_000):
        journal.leave_out(run_id, {row.n: named for row in rows if stop_list.names(row)}, State.SKIPPED)
        after = rows[-1].n


def _keep_interval(journal: Journal, run_id: int) -> None:
    """Remember the interval between two messages of a campaign that are to be spread, as they are that many now."""
    run = journal.run(run_id)
    sending = Sending().over_earlier(run.settings)
    spread = sending.spread(run.counts.pending)
    if spread != sending:
        journal.acquire(run_id, spread.settings())


def require_unchanged(before: Run | None, now: Run | None) -> None:
    """Raise `CampaignChanged` where a campaign is another one than before, or has other counts."""
    if (before and (before.id, before.counts)) != (now and (now.id, now.counts)):
        raise CampaignChanged
