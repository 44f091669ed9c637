"""Questions to the portal before sending, or instead: for ``send``, ``check``, ``lookup`` and ``portal test``."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bulksend.cli.console import hint, say
from bulksend.cli.progress import LINE_SECONDS
from bulksend.errors import PortalError, UsageError
from bulksend.folders import home
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.options import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bulksend.journal import Journal, Run
    from bulksend.portal.transport import Answer
    from bulksend.queries.preflight import ConnectionCheck
    from bulksend.queries.query import QueryProgress, QueryRunner
    from bulksend.ratelimit.limiter import RateLimit
    from bulksend.sender.options import Options
    from bulksend.sender.settings import Sending
    from bulksend.target import SandboxRow, Target

TIMEOUT = 30.0
"""Seconds for an answer to a question; a lost one is asked again."""


@contextmanager
def asking(
    journal: Journal,
    target: Target,
    rate_limit: RateLimit,
    timeout: float | None = None,
    *,
    on_progress: Callable[[QueryProgress], None] = lambda _: None,
    on_answer: Callable[[str, Mapping[str, Any], Answer], None] = lambda *_: None,
) -> Iterator[QueryRunner]:
    """A query runner for a portal that shows how far it is on standard error."""
    from bulksend.portal.client import Client
    from bulksend.queries.query import MOST_IN_FLIGHT, QueryRunner

    shown = _Shown()

    def show(progress: QueryProgress) -> None:
        shown.show(progress)
        on_progress(progress)

    client = Client(target.authorisation, timeout=timeout or TIMEOUT, connections=MOST_IN_FLIGHT, on_answer=on_answer)
    with client:
        try:
            yield QueryRunner(journal, target, client, rate_limit, on_progress=show)
        finally:
            shown.close()


@contextmanager
def target_of_run(run: Run, portal: str | None, sandbox_rows: Iterable[SandboxRow] = ()) -> Iterator[Target]:
    """The portal of a campaign that is in the journal: the one that is named, else the one it was sent to.

    Raises:
        UsageError: none is named, and it was sent to an address, which is not kept.
        PortalError: there is no such portal, or its address or credentials cannot be used.
    """
    from bulksend.target import find_target

    portal = portal or run.portal_name
    if not portal:
        raise UsageError(
            _(
                "Campaign {run} was sent to {portal} by its address, and addresses are not kept because they hold a "
                "secret: give it again with --portal ADDRESS."
            ).format(run=run.id, portal=run.portal_address)
        )
    with find_target(portal, home(), user_id=run.user_id, sandbox_rows=sandbox_rows) as target:
        yield target


class _Shown:
    """Says how many questions are answered: in place on a terminal, in a line now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._every = 0.5 if self._terminal else LINE_SECONDS
        self._next = time.monotonic() + (1.0 if self._terminal else LINE_SECONDS)
        self._written = 0

    def show(self, asked: QueryProgress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        if asked.total is None:
            text = ngettext("Asking the portal: {done} answer", "Asking the portal: {done} answers", asked.done)
        else:
            text = ngettext(
                "Asking the portal: {done} of {total} answer",
                "Asking the portal: {done} of {total} answers",
                asked.total,
            )
        line = text.format(done=number(asked.done), total=number(asked.total or 0))
        left = asked.until - time.time()
        if asked.waiting and left > 1:
            waiting = _("waiting {span} for {cause}").format(span=duration(left), cause=asked.waiting)
            line = f"{line}, {waiting}"
        if self._terminal:
            hint(f"\r{line:<{self._written}}", end="")
            self._written = len(line)
        else:
            hint(line)

    def close(self) -> None:
        if self._written:
            hint(f"\r{'':<{self._written}}\r", end="")
            self._written = 0


def with_settle(options: Options, sending: Sending, target: Target) -> Options:
    """The options with the settle time saved with the portal, if none was given; say so if one may be needed."""
    if sending.settle is not None:
        return options
    if target.settle is not None:
        return replace(options, settle=target.settle)
    if target.self_hosted:
        say(
            _(
                "This portal is not in Bitrix24's cloud, where a call ends after 60 s: if its server lets calls run "
                "longer, say so with --settle SECONDS, which `bulksend portal add` can remember, so that no message is "
                "sent twice."
            )
        )
    return options


def require_connection(queries: QueryRunner) -> ConnectionCheck:
    """Ask who speaks and whether they may.

    Raises:
        PortalError: the portal cannot be sent to; the sentence says what to do.
    """
    from bulksend.queries.preflight import probe

    standing = probe(queries)
    if not standing.good:
        raise PortalError(standing.sentence)
    return standing
