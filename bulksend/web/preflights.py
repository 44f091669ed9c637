"""Asks the portal and the journal, before a person confirms, what would go wrong.

It can take minutes, so a thread does it and the page shows how far it is. What the portal says is asked for first and
kept apart from what the journal says: a stop list, or that a sheet is to be sent once more, changes only the latter.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from bulksend.entry.preview import Preview
from bulksend.entry.refusals import AlreadyDone
from bulksend.errors import BulksendError, PortalError
from bulksend.forecast import dry_run
from bulksend.journal import Journal
from bulksend.locale import _, language
from bulksend.portal.client import Client
from bulksend.queries.lookup import look_up
from bulksend.queries.preflight import Findings, check_online, probe, rows_of_plan
from bulksend.queries.query import MOST_IN_FLIGHT, QueryRunner
from bulksend.ratelimit.limiter import FULL_BUCKET, RateLimit
from bulksend.target import SANDBOX, find_target
from bulksend.validation import Report
from bulksend.validation.stop_list import StopList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from bulksend.entry.preview import Forecast
    from bulksend.plan import Plan
    from bulksend.queries.preflight import ConnectionCheck
    from bulksend.queries.query import QueryProgress
    from bulksend.target import Target
    from bulksend.validation.report import Problem
    from bulksend.web.uploads import Upload, Uploads

_log: Final = logging.getLogger(__name__)

TIMEOUT: Final = 30.0
"""Seconds for an answer to a question; a lost one is asked again."""

HOLDS: Final = 600.0
"""Seconds for which an answer holds: afterwards chats may have been closed, and messages sent by others."""

_KEPT: Final = 20

SHOWN: Final = 50
"""How many of the messages that are to be sent can be looked at before."""

T = TypeVar("T")

_Key = tuple[Any, ...]
"""The id of an upload, all that was chosen for it on which an answer depends, and the language of the answer."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the portal says before a person confirms.

    Attributes:
        plan: the sheet, with its chats looked up where that was wanted.
        target: the portal, and who speaks for rows that name nobody.
        connection: whom the portal takes the caller for.
        findings: what it says of the rows.
        report: the same, grouped by what it is.
    """

    plan: Plan
    target: Target
    connection: ConnectionCheck
    findings: Findings
    report: Report

    @property
    def refused(self) -> Sequence[Problem]:
        """Why the portal would refuse rows, and which."""
        return self.report.problems

    @property
    def warnings(self) -> Sequence[Problem]:
        """Why messages would not reach the customers, and which."""
        return self.report.warnings


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the journal says before a person confirms.

    Attributes:
        forecast: the campaign as it would be; None where the sheet was sent before.
        sent_before: the campaign that sent it, and the sentence on that.
    """

    forecast: Forecast | None
    sent_before: AlreadyDone | None


class GivenUp(BulksendError):
    """A question was given up before it was answered."""


class Question(Generic[T]):
    """Something that is being found out; ``progress`` is how far it is."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.progress: QueryProgress | None = None
        self.future: Future[T] | None = None
        self.answered_at = time.monotonic()
        self._given_up = False

    def note(self, progress: QueryProgress) -> None:
        """Take up how far it is.

        Raises:
            GivenUp: nobody wants the answer any more.
        """
        if self._given_up:
            raise GivenUp
        self.progress = progress

    def give_up(self) -> None:
        """Ask no more."""
        self._given_up = True
        if self.future is not None:
            self.future.cancel()

    @property
    def stale(self) -> bool:
        """Whether the answer came too long ago to hold still."""
        return self.future is not None and self.future.done() and time.monotonic() - self.answered_at > HOLDS

    def _answered(self, _future: object) -> None:
        self.answered_at = time.monotonic()


class Preflights:
    """Asks once for each draft with what was chosen for it, and keeps the answers for a while."""

    def __init__(self, home: Path, journal: str | Path, uploads: Uploads, threads: Executor) -> None:
        """Set up without asking anything."""
        self._home, self._journal, self._uploads, self._threads = home, journal, uploads, threads
        self._portal: dict[_Key, Question[Answers]] = {}
        self._outlook: dict[_Key, Question[Outlook]] = {}

    def of_portal(self, draft: Upload, plan: Plan) -> Question[Answers]:
        """What the portal says; it is asked from now on where it was not. From the server's thread alone."""
        return self._keep(self._portal, _portal_key(draft), lambda note: self._ask_portal(draft, plan, note))

    def of_journal(self, draft: Upload, answers: Answers) -> Question[Outlook]:
        """What the journal says, likewise."""
        return self._keep(self._outlook, _journal_key(draft), lambda _note: self._ask_journal(draft, answers))

    def answered(self, draft: Upload) -> Answers | None:
        """What the portal has said; None where it has not been asked, or not answered yet."""
        asked = self._portal.get(_portal_key(draft))
        future = asked.future if asked else None
        return future.result() if future and future.done() and not future.exception() else None

    def forget(self, draft: Upload) -> None:
        """Ask anew next time."""
        for key in [key for key in self._portal if key[0] == draft.id]:
            self._portal.pop(key).give_up()
        for key in [key for key in self._outlook if key[0] == draft.id]:
            del self._outlook[key]

    def close(self) -> None:
        """Ask no more."""
        for asked in self._portal.values():
            asked.give_up()

    def _keep(self, kept: dict[_Key, Question[T]], key: _Key, ask: Callable[[Any], T]) -> Question[T]:
        found = kept.get(key)
        if found is None or found.stale:
            found = kept[key] = Question()
            found.future = self._threads.submit(copy_context().run, _explained, ask, found.note)
            found.future.add_done_callback(found._answered)  # noqa: SLF001 - our own
        for old in list(kept)[:-_KEPT]:
            del kept[old]
        return found

    def _ask_portal(self, draft: Upload, plan: Plan, note: Callable[[QueryProgress], None]) -> Answers:
        with (
            find_target(draft.portal, self._home, user_id=draft.user_id, sandbox_rows=plan.sandbox_rows()) as found,
            Journal(self._journal) as journal,
            asking(journal, found, note) as queries,
        ):
            connection = require_connection(queries)
            target = found if found.speaker else replace(found, speaker=connection.user_id)
            if plan.to_look_up:
                plan = look_up(plan, queries, reopen=draft.reopen)
            findings, report = Findings(), Report()
            if not target.is_ephemeral:  # the sandbox is made from the sheet: it would refuse no chat
                findings = check_online(rows_of_plan(plan), queries, report, reopen=draft.reopen)
            return Answers(plan, target, connection, findings, report)

    def _ask_journal(self, draft: Upload, answers: Answers) -> Outlook:
        stop_list = StopList([self._uploads.stop_list(draft)] if draft.stop_list else [])
        with Journal(self._journal) as journal:
            try:
                forecast = dry_run(
                    journal,
                    answers.plan,
                    answers.target,
                    again=draft.again,
                    refused=answers.findings.refused,
                    stop_list=stop_list,
                    with_other_texts=True,
                    once=answers.plan.report.has_repeats and not draft.twice,
                    preview=Preview(SHOWN),
                )
            except AlreadyDone as error:
                return Outlook(None, error)
        return Outlook(forecast, None)


def _portal_key(draft: Upload) -> _Key:
    return draft.id, draft.version, draft.portal, draft.user_id, draft.reopen, language()


def _journal_key(draft: Upload) -> _Key:
    return *_portal_key(draft), draft.again, draft.twice, draft.stop_list


def _explained(ask: Callable[[Any], T], note: Callable[[QueryProgress], None]) -> T:
    try:
        return ask(note)
    except BulksendError:
        raise
    except Exception as error:
        _log.error("Asking the portal broke off: %s", type(error).__name__)
        raise PortalError(_("Something went wrong inside bulksend while it asked the portal: try again.")) from error


@contextmanager
def asking(
    journal: Journal, target: Target, note: Callable[[QueryProgress], None] = lambda _progress: None
) -> Iterator[QueryRunner]:
    """A query runner for a portal."""
    rate = RateLimit()
    if target.name == SANDBOX:  # nobody else calls it, so its bucket is ours
        rate = replace(rate, burst=FULL_BUCKET[rate.rate])
    with Client(target.authorisation, timeout=TIMEOUT, connections=MOST_IN_FLIGHT) as client:
        yield QueryRunner(journal, target, client, rate, on_progress=note)


def require_connection(queries: QueryRunner) -> ConnectionCheck:
    """Ask who speaks and whether they may.

    Raises:
        PortalError: the portal cannot be sent to; the sentence says what to do.
    """
    found = probe(queries)
    if not found.good:
        raise PortalError(found.sentence)
    return found
