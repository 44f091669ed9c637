"""Asks the portal and the journal, before a person confirms, what would go wrong.

It can take minutes, so a thread does it and the page shows how far it is.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulksend.entry import AlreadyDone
from bulksend.errors import BulksendError, PortalError
from bulksend.forecast import dry_run
from bulksend.journal import Journal
from bulksend.portal.client import Client
from bulksend.queries.lookup import look_up
from bulksend.queries.preflight import check_online, probe, rows_of_plan
from bulksend.queries.query import MOST_IN_FLIGHT, QueryRunner
from bulksend.ratelimit.limiter import FULL_BUCKET, RateLimit
from bulksend.target import SANDBOX, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from bulksend.entry import Forecast
    from bulksend.plan import Plan
    from bulksend.queries.preflight import ConnectionCheck
    from bulksend.queries.query import QueryProgress
    from bulksend.target import Target
    from bulksend.web.uploads import Upload

_log: Final = logging.getLogger(__name__)

TIMEOUT: Final = 30.0
"""Seconds for an answer to a question; a lost one is asked again."""

BEFORE: Final = 600.0
"""Seconds for which an answer holds: afterwards chats may have been closed, and messages sent by others."""

_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known before a person confirms.

    Attributes:
        plan: the sheet, with its chats looked up where that was wanted.
        portal: the portal's name and address as people are told of it.
        speaker: who speaks for rows that name nobody; their name where the portal told it.
        speaker_name: likewise.
        refused: rows that the portal would refuse: place in the sheet → code and description.
        refused_numbers: the sheet's own numbers of those rows, in the same order.
        forecast: the campaign as it would be; None where the sheet was sent before.
        sent_before: the campaign that sent it, and the sentence on that.
    """

    plan: Plan
    portal: str
    speaker: int
    speaker_name: str
    refused: Mapping[int, tuple[str, str]]
    refused_numbers: Sequence[int]
    forecast: Forecast | None
    sent_before: AlreadyDone | None

    @property
    def refused_rows(self) -> list[tuple[int, str]]:
        """The rows that the portal would refuse, by the sheet's own numbers, and why."""
        return [(row, why) for row, (_, why) in zip(self.refused_numbers, self.refused.values(), strict=True)]


class Preflight:
    """The questions for one sheet and one portal; ``progress`` is how far they are."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.progress: QueryProgress | None = None
        self.future: Future[Answers] | None = None

    def note(self, progress: QueryProgress) -> None:
        """Take up how far the questions are."""
        self.progress = progress


class Preflights:
    """Asks for one draft and portal at a time, and keeps what was answered for as long as nothing is chosen anew."""

    def __init__(self, home: Path, journal: str | Path, threads: Executor) -> None:
        """Set up without asking anything."""
        self._home, self._journal, self._threads = home, journal, threads
        self._kept: dict[tuple[str, int, str, int | None, bool], Preflight] = {}

    def of(self, draft: Upload, plan: Plan) -> Preflight:
        """The questions for a draft; they begin now where they have not. From the server's thread alone."""
        key = self._key(draft)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Preflight()
            found.future = self._threads.submit(copy_context().run, self._ask, draft, plan, found.note)
        for old in list(self._kept)[:-_KEPT]:
            del self._kept[old]
        return found

    def forget(self, draft: Upload) -> None:
        """Ask anew next time."""
        self._kept.pop(self._key(draft), None)

    @staticmethod
    def _key(draft: Upload) -> tuple[str, int, str, int | None, bool]:
        return draft.id, draft.version, draft.portal, draft.user_id, draft.again

    def _ask(self, draft: Upload, plan: Plan, note: Callable[[QueryProgress], None]) -> Answers:
        try:
            with (
                find_target(draft.portal, self._home, user_id=draft.user_id, sandbox_rows=plan.sandbox_rows()) as found,
                Journal(self._journal) as journal,
                asking(journal, found, note) as queries,
            ):
                connection = require_connection(queries)
                target = found if found.speaker else replace(found, speaker=connection.user_id)
                if plan.to_look_up:
                    plan = look_up(plan, queries)
                # The sandbox is made from the sheet: it would refuse no chat.
                findings = None if target.is_ephemeral else check_online(rows_of_plan(plan), queries)
                refused = findings.refused if findings else {}
                forecast, before = None, None
                try:
                    forecast = dry_run(journal, plan, target, again=draft.again, refused=refused)
                except AlreadyDone as error:
                    before = error
                return Answers(
                    plan,
                    target.shown,
                    target.speaker,
                    connection.name,
                    refused,
                    findings.numbers if findings else (),
                    forecast,
                    before,
                )
        except BulksendError:
            raise
        except Exception as error:
            _log.error("Asking the portal broke off: %s", type(error).__name__)
            raise PortalError("Something went wrong inside bulksend while it asked the portal: try again.") from error


@contextmanager
def asking(
    journal: Journal, target: Target, note: Callable[[QueryProgress], None] = lambda _: None
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
