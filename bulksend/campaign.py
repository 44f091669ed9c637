"""A campaign from its sheet to its results: entered in the journal, sent, resumed, accounted for.

This is what programs call; the commands are a thin shell over it::

    plan = examine(Path("reminders.xlsx"))
    with Journal(path) as journal, find_target("crm", home) as target:
        with Campaign.enter(journal, plan, target) as campaign:
            result = campaign.send(Options())
            campaign.write_results()

`bulksend.forecast.dry_run` says what entering it would do.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from bulksend.entry.draft import NOTHING_REFUSED, Draft
from bulksend.entry.resumption import require_unchanged, take_up, unfinished
from bulksend.errors import JournalError
from bulksend.journal import Held, JournalAway, Paused, TakenOver
from bulksend.locale import _
from bulksend.portal.client import Client
from bulksend.results import write_run_results
from bulksend.sender.options import Options, Progress, RunResult, StopReason
from bulksend.sender.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bulksend.entry.draft import Repeats
    from bulksend.entry.preview import Forecast
    from bulksend.journal import Action, Journal, Repeat, RowOutcome, Run, State
    from bulksend.plan import Plan
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList


_PLAIN: Final = frozenset({StopReason.INTERRUPTED, StopReason.WAITING})
"""How it may end without a sentence, and still with rows left."""


class Campaign:
    """A campaign that this process holds. `enter` and `resume` give it, as long as their context lasts.

    Attributes:
        id: its number in the journal.
        repeats: the rows that other campaigns had sent when it was taken up.
    """

    def __init__(self, journal: Journal, run_id: int, target: Target, repeats: Sequence[Repeat] = ()) -> None:
        self._journal, self._target = journal, target
        self.id = run_id
        self.repeats = repeats
        self._sender: Sender | None = None
        self._stopped = threading.Event()
        self._reason = ""

    @classmethod
    @contextlib.contextmanager
    def enter(
        cls,
        journal: Journal,
        plan: Plan,
        target: Target,
        *,
        again: bool = False,
        repeats: Repeats = "skip",
        limit: int | None = None,
        refused: Mapping[int, tuple[str, str]] = NOTHING_REFUSED,
        results: Path | None = None,
        settings: dict[str, Any] | None = None,
        stop_list: StopList | None = None,
        forecast: Forecast | None = None,
        once: bool = False,
    ) -> Iterator[Campaign]:
        """Enter a sheet as a campaign, or resume the unfinished campaign of the same sheet on the same portal.

        It happens as a whole or not at all: where an error is raised, the journal is as it was.

        Args:
            journal: where to enter it.
            plan: the checked sheet.
            target: the portal.
            again: whether to send what was sent before: the sheet, or rows of it in other campaigns.
            repeats: what becomes of rows that other campaigns have sent.
            limit: send only so many of the rows, the first that can be sent; None lifts an earlier limit.
            refused: rows that a preflight found wrong (`preflight.Findings.refused`).
            results: where its results sheet goes; None for beside the sheet, or where it went so far.
            settings: how it is sent, for `bulksend.sender.settings.Sending.over` when it is resumed.
            stop_list: whom nothing is to be sent to.
            forecast: what was shown to whoever decided to send it; it has to hold still.
            once: leave out the rows of a new campaign whose text an earlier row has for the same chat.

        Raises:
            AlreadyDone: it was sent before and ``again`` is not set.
            SentBefore: ``repeats`` is "refuse", and there are some.
            UsageError: its chats have to be looked up first (not where an unfinished campaign has them).
            Held: another process has it.
            CampaignChanged: another process has worked on it since the ``forecast``.
        """
        again = again or target.is_ephemeral
        draft = Draft(
            journal,
            plan,
            target,
            again=again,
            repeats=repeats,
            limit=limit,
            refused=refused,
            stop_list=stop_list,
            once=once,
        )
        with journal.transaction():
            newest = journal.same(target.portal, plan.content)
            same = unfinished(journal, newest, again=again)
            if same is not None:
                found = take_up(
                    journal,
                    same,
                    target,
                    settings,
                    again=again,
                    repeats=repeats,
                    lift_limit=True,
                    limit=limit,
                    refused=refused,
                    stop_list=stop_list,
                )
                if results:
                    journal.note_results(same.id, str(results))
            else:
                run_id = journal.begin(**draft.described(results, settings or {}), message_column=plan.message_column)
            if forecast is not None:
                require_unchanged(forecast.newest, newest)
        if same is None:
            found = draft.load(run_id, settings or {})
        campaign = cls(journal, run_id if same is None else same.id, target, found)
        try:
            yield campaign
        finally:
            campaign.release()

    @classmethod
    @contextlib.contextmanager
    def resume(
        cls,
        journal: Journal,
        run: Run,
        target: Target,
        *,
        retry: bool = False,
        resend_unknown: bool = False,
        lift_limit: bool = False,
        again: bool = False,
        repeats: Repeats = "skip",
        results: Path | None = None,
        settings: dict[str, Any] | None = None,
        stop_list: StopList | None = None,
        unpause: bool = True,
    ) -> Iterator[Campaign]:
        """Take up a campaign that is in the journal.

        As with `enter`, an error leaves the journal as it was.

        Args:
            journal: where it is.
            run: the campaign as it was when the decision to send was made.
            target: the portal.
            retry: whether to send rows that failed, or that a preflight found wrong. What was left out on purpose
                stays left out.
            resend_unknown: whether to send rows again that may have arrived.
            lift_limit: whether to send the rows that an earlier limit left out.
            again: as for `enter`; rows that were left out as sent before are sent too.
            repeats: as for `enter`.
            results: where its results sheet goes from now on.
            settings: as for `enter`; None leaves them as they are.
            stop_list: as for `enter`.
            unpause: whether it is taken up although somebody has paused it.

        Raises:
            UsageError: it belongs to another portal.
            Paused: it is paused, and not to be unpaused.
            SentBefore: ``repeats`` is "refuse", and there are some.
            Held: another process has it.
            CampaignChanged: another process has worked on it since it was ``run``.
        """
        target.require_own(run)
        with journal.transaction():
            now = journal.run(run.id)
            found = take_up(
                journal,
                run,
                target,
                settings,
                again=again,
                repeats=repeats,
                retry=retry,
                resend_unknown=resend_unknown,
                lift_limit=lift_limit,
                stop_list=stop_list,
                unpause=unpause,
            )
            require_unchanged(run, now)
            if results:
                journal.note_results(run.id, str(results))
        campaign = cls(journal, run.id, target, found)
        try:
            yield campaign
        finally:
            campaign.release()

    def release(self) -> None:
        """Let go of it, so that another process can take it."""
        # A journal that cannot be written was reported already; once this process ends, it holds nothing.
        with contextlib.suppress(JournalError):
            self._journal.release(self.id, self._reason)

    @property
    def run(self) -> Run:
        """The campaign as the journal has it now."""
        return self._journal.run(self.id)

    @property
    def codes(self) -> Mapping[tuple[State, str], int]:
        """How many rows there are by state and error code, of those that have one."""
        return self._journal.codes(self.id)

    def rows(self) -> Iterator[RowOutcome]:
        """Every row of the sheet in order, and what became of it."""
        return self._journal.outcomes(self.id)

    def send(
        self,
        options: Options,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        client: Client | None = None,
    ) -> RunResult:
        """Send what is open and say how it ended; the journal holds every row's true state then.

        While the journal's server cannot be reached nothing leaves; once it is there again sending continues, within
        ``options.outage``. ``client`` makes the calls where several campaigns share its connections.

        Raises:
            JournalError: the journal cannot be written; nothing was sent that it does not know of.
        """
        own = client or Client(self._target.authorisation, timeout=options.timeout, connections=options.max_in_flight)
        with contextlib.nullcontext(own) if client else own, self._journal.turns_of(self._target.portal):
            result = self._send(own, options, on_progress)
            while result.how is StopReason.JOURNAL_BACK:
                result = self._send(own, options, on_progress, anew=True)
        self._reason = result.sentence or (str(result.how) if result.how in _PLAIN else "")
        return result

    def _send(
        self, client: Client, options: Options, on_progress: Callable[[Progress], None], *, anew: bool = False
    ) -> RunResult:
        patience = time.monotonic() + options.outage
        while True:
            try:
                if (
                    anew
                ):  # rows that left before the server was lost, and of which nothing could be written, are in doubt
                    self._journal.acquire(self.id, dict(self.run.settings), unpause=False)
                sender = Sender(self._journal, self.run, client, options, on_progress)
                break
            except JournalAway:
                if time.monotonic() > patience or self._stopped.wait(1.0):
                    raise
                anew = True
            except Held:
                raise TakenOver(self.id) from None
            except Paused:
                return RunResult(StopReason.PAUSED, _("Somebody has paused it."))
        self._sender = sender
        if self._stopped.is_set():
            sender.stop()
        try:
            return sender.run()
        finally:
            self._sender = None

    def stop(self) -> None:
        """End `send` in good order: no new calls, those under way are waited for. Safe in a signal handler."""
        self._stopped.set()
        if self._sender is not None:
            self._sender.stop()

    def record(self, action: Action, detail: str = "") -> None:
        """Write down what whoever runs this program has done with it."""
        self._journal.record(action, self.id, detail=detail)

    def write_results(self, path: Path | None = None) -> Path:
        """Write the results sheet and return where it is.

        Raises:
            UsageError: it cannot be written there.
        """
        return write_run_results(self._journal, self.run, path)
