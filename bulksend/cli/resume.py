"""``bulksend resume`` and ``bulksend retry``: campaigns that are in the journal, taken up again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import options as opts
from bulksend.cli.connection import target_of_run, with_settle
from bulksend.cli.console import hint
from bulksend.cli.questions import (
    ask_about_repeats,
    ask_whether_late,
    confirm,
    has_terminal,
    require_terminal,
    show_run,
)
from bulksend.cli.queued import enqueue, require_queue, require_saved
from bulksend.cli.run_campaign import run_campaign
from bulksend.cli.verify import ask_for_deliveries
from bulksend.errors import UsageError
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from bulksend.entry.draft import Repeats
    from bulksend.journal import Journal, Run
    from bulksend.target import Target

_options = opts.combine(
    opts.portal_option,
    opts.results_option,
    opts.sending_options,
    opts.skip_sent_option,
    opts.typed_option(
        "--again", is_flag=True, help="Send rows although another campaign sent them in the last 24 hours."
    ),
    opts.verify_option,
    opts.queue_option,
    opts.journal_option,
    opts.yes_option,
    opts.json_option,
    opts.verbose_option,
    opts.progress_option,
    opts.log_file_option,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a person asks `resume` or `retry` for."""

    sending: Sending
    portal: str | None
    results: Path | None
    skip_sent: bool
    again: bool
    journal: str | None
    yes: bool
    as_json: bool
    verbose: bool
    verify: bool
    queue: bool
    retry: bool = False
    resend_unknown: bool = False


@click.command(short_help="Continue an interrupted campaign.")
@click.argument("run", type=int, required=False)
@_options
def resume(run: int | None, **params: Any) -> int:
    """Continue campaign RUN (without a number: the latest one that is not finished).

    What is not given (pace, --max-failures and the like) is as it was when the campaign was last sent.
    """
    from bulksend.journal import Journal

    request = _Request(sending=Sending.take(params), **params)
    with Journal(opts.journal_there(request.journal)) as journal:
        found = journal.run(run) if run is not None else journal.latest(unfinished=True)
        if found is None:
            raise UsageError(_("There is no unfinished campaign to continue; `bulksend runs` lists all."))
        if not found.counts.left:
            hint(_("Campaign {run} has no rows left to send.").format(run=found.id))
        return _take_up(journal, found, request)


@click.command(short_help="Send again the rows that failed or were not sent.")
@click.argument("run", type=int)
@opts.typed_option("--resend-unknown", is_flag=True, help="Send unknown rows again too, though they may have arrived.")
@_options
def retry(run: int, **params: Any) -> int:
    """Send the rows of campaign RUN again that failed or were not sent.

    Rows whose outcome is unknown stay as they are, since their messages may have arrived, unless --resend-unknown. What
    is not given (pace, --max-failures and the like) is as it was when the campaign was last sent.
    """
    from bulksend.journal import Journal

    request = _Request(sending=Sending.take(params), retry=True, **params)
    with Journal(opts.journal_there(request.journal)) as journal:
        found = journal.run(run)
        unknown = found.counts.unknown if request.resend_unknown else 0
        if unknown and not request.yes:
            require_terminal(yes=False)
            question = ngettext(
                "{count} message may have arrived already; a customer who has it would read it twice. Have you looked "
                "into the chat, and is it to be sent again?",
                "{count} messages may have arrived already; a customer who has one would read it twice. Have you "
                "looked into the chats, and is all of it to be sent again?",
                unknown,
            )
            confirm(question.format(count=number(unknown)))
        return _take_up(journal, found, request)


def _take_up(journal: Journal, run: Run, request: _Request) -> int:
    """Take a campaign up as it is now, and ask about what another campaign has sent meanwhile."""
    from bulksend.entry.refusals import SentBefore
    from bulksend.target import rows_for_sandbox

    if request.queue:
        require_queue(opts.journal_address(request.journal), verify=request.verify)
    with target_of_run(run, request.portal, rows_for_sandbox(journal, run)) as target:
        if request.queue:
            require_saved(target)
        try:
            return _send(journal, run, target, request, "skip" if request.skip_sent else "refuse")
        except SentBefore as repeated:  # nothing has changed by the attempt
            if request.yes or not has_terminal():
                raise
            repeats = ask_about_repeats(repeated)
        return _send(journal, run, target, request, repeats)


def _send(journal: Journal, run: Run, target: Target, request: _Request, repeats: Repeats) -> int:
    from bulksend.campaign import Campaign
    from bulksend.forecast import predict_end
    from bulksend.journal import Action
    from bulksend.validation.stop_list import StopList

    sending = request.sending.resolved(journal.now(), run.settings).over_earlier(run.settings)
    schedule = sending.schedule()
    if request.retry and schedule.not_after <= journal.now():
        raise UsageError(
            _(
                "The time after which nothing of campaign {run} was to leave has passed: give another "
                "--not-after, or `--not-after never`."
            ).format(run=run.id)
        )
    late = request.sending.late or ask_whether_late(run, schedule, journal.now(), yes=request.yes)
    with Campaign.resume(
        journal,
        run,
        target,
        retry=request.retry,
        resend_unknown=request.resend_unknown,
        again=request.again,
        repeats=repeats,
        results=request.results,
        settings=sending.settings(),
        stop_list=StopList(map(Path, sending.stop_list or ())),
    ) as campaign:
        if request.retry:
            campaign.record(Action.RETRIED, str(campaign.run.counts.pending))
        else:
            campaign.record(Action.CONTINUED)
        sending = replace(Sending.kept(campaign.run.settings), late=late)
        options = with_settle(sending.options(run.counts.total), sending, target)
        show_run(campaign.run, target, options, predict_end(journal, target, journal.open_zones(run.id), options))
        if request.queue:
            return enqueue(campaign, opts.journal_address(request.journal), late=late, as_json=request.as_json)
        verify = partial(ask_for_deliveries, journal, run.id, target, options.rate_limit) if request.verify else None
        return run_campaign(campaign, options, as_json=request.as_json, verbose=request.verbose, verify=verify)
