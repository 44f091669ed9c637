"""A campaign from its sheet to its results: entered in the journal, sent, gone on with, accounted for.

This is the door for programs; the commands are a thin shell over it::

    plan = examine(Path("reminders.xlsx"), SheetOptions())
    with Journal(path) as journal, find_target("crm", home, None) as target:
        with Campaign.enter(journal, plan, target) as campaign:
            ending = campaign.send(Options())
            campaign.write_results()
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

from bulksend.errors import JournalError, UsageError
from bulksend.journal import Run, Stage, State
from bulksend.portal.client import Client
from bulksend.portal.codes import ACCESS_DENIED, CHAT_NOT_IN_CRM
from bulksend.portal.error_help import advice
from bulksend.results import default_path, free_path, write_run_results
from bulksend.sender.options import SAME_TEXT_SECONDS, Options, Progress, RunResult, StopReason
from bulksend.sender.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bulksend.journal import Journal
    from bulksend.plan import Plan
    from bulksend.target import Target

BEYOND_LIMIT = "BEYOND_LIMIT"
ALREADY_SENT = "ALREADY_SENT"


class AlreadyDone(UsageError):
    """The sheet has been sent to this portal before; ``run`` is that campaign.

    ``sent_before`` of its rows it left out, because yet another campaign had sent them.
    """

    def __init__(self, run: Run, sent_before: int = 0) -> None:
        self.run = run
        counts = run.counts
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created_at))
        left_out = f", {sent_before} left out as sent before" if sent_before else ""
        more = ""
        if counts.failed or counts.unknown:
            uncertain = counts.failed + counts.unknown
            more = f" Rows that did not arrive for certain: {uncertain}; for them use `bulksend retry {run.id}`."
        super().__init__(
            f"This sheet was already sent to this portal as campaign {run.id} on {when} ({counts.sent} "
            f"sent{left_out}).{more} To send all of it once more, add --again."
        )


class Campaign:
    """A campaign that this process holds, until the context ends."""

    def __init__(self, journal: Journal, run_id: int, target: Target, *, new: bool) -> None:
        self._journal, self._target = journal, target
        self.id = run_id
        self.new = new
        self._sender: Sender | None = None
        self._stopped = False
        self._reason = ""
        self._given_up = False

    @classmethod
    def enter(
        cls,
        journal: Journal,
        plan: Plan,
        target: Target,
        *,
        again: bool = False,
        results: Path | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Campaign:
        """Enter a sheet as a campaign, or go on with the unfinished campaign of the same sheet on the same portal.

        Raises:
            AlreadyDone: it was sent before and ``again`` is not set.
            UsageError: its chats have to be looked up first (not where an unfinished campaign has them).
            Held: another process has it.
        """
        again = again or target.is_ephemeral
        same = find_same(journal, plan, target, again=again)
        if same is not None:
            campaign = cls._take_up(journal, same, target, settings)
            if results:
                journal.note_results(same.id, str(results))
            return campaign
        if plan.to_look_up:
            raise UsageError("The sheet's chats have not been looked up: add --lookup, or fill them in.")
        path = plan.sheet.path.absolute()
        run_id = journal.begin(
            file=str(path),
            sheet=plan.form,
            headings=plan.headings,
            message_column=plan.message_column,
            portal=target.portal,
            portal_name=target.name,
            portal_address=target.authorisation.masked,
            identity=target.authorisation.identity,
            content=plan.content,
            user_id=target.speaker,
            again=again,
            results_path=str(results or free_path(journal, default_path(path, plan.sheet.format))),
            settings=settings or {},
        )
        try:
            start = 0
            for rows in plan.new_rows():
                journal.add_rows(run_id, start, rows, plan.message_column)
                start += len(rows)
        except BaseException:
            journal.forget(run_id)
            raise
        journal.entered(run_id, start)
        journal.acquire(run_id, settings or {})
        return cls(journal, run_id, target, new=True)

    @classmethod
    def go_on(cls, journal: Journal, run: Run, target: Target, settings: dict[str, Any] | None = None) -> Campaign:
        """Take up a campaign again.

        Raises:
            UsageError: it belongs to another portal.
            Held: another process has it.
        """
        if run.portal != target.portal:
            raise UsageError(
                f"Campaign {run.id} belongs to {run.portal_address}, not to {target.authorisation.masked}: "
                "name the portal it was begun with."
            )
        return cls._take_up(journal, run, target, settings)

    @classmethod
    def _take_up(cls, journal: Journal, run: Run, target: Target, settings: dict[str, Any] | None) -> Campaign:
        journal.acquire(run.id, settings or dict(run.settings))
        caller = target.authorisation
        journal.sent_through(run.id, portal_name=target.name, portal_address=caller.masked, identity=caller.identity)
        return cls(journal, run.id, target, new=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._given_up:
            # A journal that cannot be written has been told of already; once this process ends, it holds nothing.
            with contextlib.suppress(JournalError):
                self._journal.release(self.id, self._reason)

    @property
    def run(self) -> Run:
        """The campaign as the journal has it now."""
        return self._journal.run(self.id)

    def abandon(self) -> None:
        """Undo entering it: a new campaign of which nothing was sent is taken out of the journal."""
        if self.new:
            self._journal.forget(self.id)
            self._given_up = True

    def limit(self, rows: int | None) -> None:
        """Send only the first ``rows`` rows that can be sent; None lifts an earlier limit."""
        self._journal.reopen(self.id, State.SKIPPED, [BEYOND_LIMIT])
        if rows is not None:
            self._journal.skip(self.id, BEYOND_LIMIT, advice(BEYOND_LIMIT), beyond=rows)

    def invalidate(self, problems: Mapping[int, tuple[str, str]]) -> int:
        """Leave out rows that a preflight found wrong (`preflight.Findings.refused`), and say how many."""
        return self._journal.invalidate(self.id, problems)

    def retry(self, *, resend_unknown: bool = False) -> int:
        """Make rows pending again that failed or that a preflight found wrong, and say how many.

        With ``resend_unknown`` the unknown ones too. What was left out on purpose stays left out.
        """
        again = self._journal.reopen(self.id, State.FAILED)
        again += self._journal.reopen(self.id, State.INVALID, [CHAT_NOT_IN_CRM, ACCESS_DENIED])
        return again + (self._journal.reopen(self.id, State.UNKNOWN) if resend_unknown else 0)

    def sent_elsewhere(self) -> list[tuple[int, int]]:
        """Rows whose text another campaign sent to the same chat in the last 24 hours: (row number, campaign)."""
        run = self.run
        if run.again:
            return []
        since = time.time() - SAME_TEXT_SECONDS
        if not self.new:
            # What was sent before it was entered was asked about then; a row that nobody was asked about still does not
            # leave. Without this a campaign of a million rows is compared with all the others each time it is gone on
            # with.
            since = max(since, run.created_at)
        return self._journal.sent_elsewhere(self.id, since)

    def skip_sent(self) -> int:
        """Leave out the rows that `sent_elsewhere` names, and say how many."""
        since = time.time() - SAME_TEXT_SECONDS
        return self._journal.skip(self.id, ALREADY_SENT, advice(ALREADY_SENT), since=since)

    def send_again(self) -> None:
        """Send the rows that `sent_elsewhere` names nevertheless, and those that were left out for that reason."""
        self._journal.reopen(self.id, State.SKIPPED, [ALREADY_SENT])
        self._journal.send_again(self.id)

    def send(self, options: Options, on_progress: Callable[[Progress], None] = lambda _: None) -> RunResult:
        """Send what is open and say how it ended; the journal holds every row's true state then.

        Raises:
            JournalError: the journal cannot be written; nothing was sent that it does not know of.
        """
        with Client(self._target.authorisation, timeout=options.timeout, connections=options.max_in_flight) as client:
            self._sender = Sender(self._journal, self.run, client, options, on_progress)
            if self._stopped:
                self._sender.stop()
            try:
                ending = self._sender.run()
            finally:
                self._sender = None
        self._reason = ending.sentence or ("interrupted" if ending.how is StopReason.INTERRUPTED else "")
        return ending

    def stop(self) -> None:
        """End `send` in good order: no new calls, those under way are waited for. Safe in a signal handler."""
        self._stopped = True
        if self._sender is not None:
            self._sender.stop()

    def write_results(self, path: Path | None = None) -> Path:
        """Write the results sheet and return where it is."""
        return write_run_results(self._journal, self.run, path)


def find_same(journal: Journal, plan: Plan, target: Target, *, again: bool) -> Run | None:
    """The campaign of the same sheet that entering it would go on with; None where it would be a new one.

    Raises:
        AlreadyDone: it was sent before and ``again`` is not set.
    """
    same = journal.same(target.portal, plan.content)
    if same is None or same.stage is not Stage.FINISHED:
        return same
    if again:
        return None
    skipped = journal.codes(same.id) if same.counts.skipped else {}
    if (State.SKIPPED, BEYOND_LIMIT) not in skipped:  # what only an earlier limit left out is yet to be sent
        raise AlreadyDone(same, skipped.get((State.SKIPPED, ALREADY_SENT), 0))
    return same
