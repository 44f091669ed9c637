"""``bulksend verify``: which of a campaign's messages reached the customer; ``send --verify`` asks it at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from bulksend.cli import REFUSED, STOPPED
from bulksend.cli import options as opts
from bulksend.cli.connection import asking, target_of_run
from bulksend.cli.console import hint, put, say
from bulksend.cli.hints import portal_option
from bulksend.cli.json_output import answer
from bulksend.cli.signals import INTERRUPTED, stopped_by_signals
from bulksend.errors import JournalError, UsageError
from bulksend.locale import N_, _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.options import duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bulksend.journal import Delivery, Journal, Run
    from bulksend.queries.query import QueryError, QueryProgress
    from bulksend.ratelimit.limiter import RateLimit
    from bulksend.sender.options import StopReason
    from bulksend.target import Target

_WORDS: Final = {
    "read": N_("read: {rows}"),
    "delivered": N_("delivered: {rows}"),
    "sending": N_("not confirmed yet: {rows}"),
    "hidden": N_("hidden by silent mode: {rows}"),
    "not_told": N_("the portal does not say: {rows}"),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """How asking for deliveries ended, and what the journal has of them then."""

    deliveries: Mapping[Delivery | None, int]
    how: StopReason
    sentence: str = ""

    @property
    def code(self) -> int:
        """The exit code that says so."""
        from bulksend.journal import Delivery
        from bulksend.sender.options import StopReason

        codes = {StopReason.ENDED: 0, StopReason.INTERRUPTED: INTERRUPTED, StopReason.NEVER_REACHED: REFUSED}
        ended = codes.get(self.how, STOPPED)
        return ended or int(any(self.deliveries.keys() - {Delivery.READ, Delivery.DELIVERED}))

    @property
    def on_their_way(self) -> int:
        """Messages that the channel has not confirmed."""
        from bulksend.journal import Delivery

        return self.deliveries.get(Delivery.SENDING, 0)

    def line(self) -> str:
        """What became of the messages, in one line."""
        parts = [_(_WORDS[name]).format(rows=number(rows)) for name, rows in self.to_json().items() if rows]
        if rows := self.deliveries.get(None, 0):
            parts.append(_("not asked for: {rows}").format(rows=number(rows)))
        sent = sum(self.deliveries.values())
        if not sent:
            return _("No message was sent.")
        text = ngettext("Of {count} sent message: {deliveries}.", "Of {count} sent messages: {deliveries}.", sent)
        return text.format(count=number(sent), deliveries=", ".join(parts))

    def to_json(self) -> dict[str, int]:
        """How many messages have each delivery."""
        from bulksend.journal import Delivery

        return {delivery.value: self.deliveries.get(delivery, 0) for delivery in Delivery}


class _Watch:
    """Shows that messages on their way are waited for, and knows of a signal.

    Attributes:
        answered: whether the portal has answered anything.
        stopping: whether a signal has asked for an end.
    """

    def __init__(self) -> None:
        self.answered = self.stopping = self._waiting = False

    def stop(self) -> None:
        self.stopping = True

    def asked(self, progress: QueryProgress) -> None:
        self.answered |= progress.done > 0

    def waiting(self, rows: int, seconds: float) -> None:
        if not self._waiting:
            self._waiting = True
            text = ngettext(
                "Waiting up to {span} for the channel to confirm {count} message; Ctrl-C ends it.",
                "Waiting up to {span} for the channels to confirm {count} messages; Ctrl-C ends it.",
                rows,
            )
            hint(text.format(span=duration(seconds), count=number(rows)))


def ask_for_deliveries(
    journal: Journal, run_id: int, target: Target, rate_limit: RateLimit, wait: float = 0.0
) -> Verified:
    """Ask what became of a campaign's messages; ``wait`` is in seconds. The journal has what came, however it ends."""
    from bulksend.cli.hints import with_hint
    from bulksend.queries.query import QueryError
    from bulksend.queries.verify import verify
    from bulksend.sender.options import StopReason

    watch = _Watch()
    how, sentence = StopReason.ENDED, ""
    with stopped_by_signals(watch.stop):
        try:
            with asking(journal, target, rate_limit, on_progress=watch.asked) as queries:
                verify(run_id, queries, wait=wait, on_wait=watch.waiting, stopped=lambda: watch.stopping)
            if watch.stopping:
                how = StopReason.INTERRUPTED
        except QueryError as error:
            how, sentence = _reason(error, answered=watch.answered), str(error)
        except JournalError as error:
            return Verified({}, StopReason.JOURNAL, with_hint(error))
    return Verified(journal.deliveries(run_id), how, sentence)


def _reason(error: QueryError, *, answered: bool) -> StopReason:
    from bulksend.sender.options import StopReason

    if error.refused:
        return StopReason.REFUSED
    return StopReason.OUT_OF_REACH if answered else StopReason.NEVER_REACHED


@click.command(short_help="Ask the portal which messages reached the customer.")
@click.argument("run", type=int, required=False)
@opts.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="MINUTES",
    help="Ask again for so long about messages that no channel has confirmed yet.",
)
@opts.portal_option
@opts.results_option
@opts.rate_option
@opts.journal_option
@opts.yes_option
@opts.json_option
def verify(run: int | None, **params: Any) -> int:
    """Ask the portal what became of the messages of campaign RUN (without a number: of the latest one).

    The results sheet gets it in its column `delivery`; `status` stays as it is. With --results it is a copy: the
    campaign's own results stay as they are. Exits 0 if all messages were delivered or read, 1 if some were not, 2 if
    the portal could not be asked, 3 if it stopped early.
    """
    from bulksend.journal import Journal
    from bulksend.sender.settings import Sending
    from bulksend.target import SANDBOX

    with Journal(opts.journal_there(params["journal"])) as journal:
        found = journal.run(run) if run is not None else journal.latest()
        if found is None:
            raise UsageError(_("There are no campaigns yet to be verified."))
        if found.portal == SANDBOX:
            raise UsageError(
                _(
                    "Campaign {run} was a rehearsal, and its portal has ended: rehearse this with `bulksend "
                    "send FILE --portal sandbox --verify`."
                ).format(run=found.id)
            )
        with target_of_run(found, params["portal"]) as target:
            target.require_own(found)
            rate_limit = Sending(rate=params["rate"]).options(0).rate_limit
            verified = ask_for_deliveries(journal, found.id, target, rate_limit, params["wait"] * 60)
        return _report(journal, found, verified, params["results"], as_json=params["as_json"])


def _report(journal: Journal, run: Run, verified: Verified, results: Path | None, *, as_json: bool) -> int:
    from bulksend.cli.summary import results_line, summary
    from bulksend.results import write_run_results

    path = write_run_results(journal, run, results, note=results is None)
    if verified.sentence:
        say(_("Stopped: {reason}").format(reason=verified.sentence))
    if as_json:
        facts = summary(run, verified.how.value, path, verified.code, verified.sentence)
        answer({**facts, "delivery": verified.to_json()})
    else:
        put(_("Campaign {run}. {line}").format(run=run.id, line=verified.line()))
        put(results_line(run, path))
    say_how_to_ask_again(run, verified)
    return verified.code


def say_how_to_ask_again(run: Run, verified: Verified) -> None:
    """Say which command goes on asking, where there is something to be asked for."""
    from bulksend.target import SANDBOX

    if run.portal == SANDBOX:  # it ends with the command
        return
    portal = portal_option(run)
    if None in verified.deliveries:
        say(_("To ask for the rest: {command}").format(command=f"bulksend verify {run.id}{portal}"))
    elif verified.on_their_way:
        command = f"bulksend verify {run.id} --wait 10{portal}"
        say(_("To ask again until they are confirmed: {command}").format(command=command))
