"""``bulksend send``: from a sheet to messages."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import REFUSED, events
from bulksend.cli import options as opts
from bulksend.cli.connection import asking, require_connection, with_settle
from bulksend.cli.console import NothingSent, put, say
from bulksend.cli.hints import hint_for_findings
from bulksend.cli.json_output import answer
from bulksend.cli.questions import (
    ask_about_repeats,
    ask_whether_late,
    confirm,
    require_terminal,
    say_sent_elsewhere,
    show_plan,
    show_schedule,
    stop_listed_in_words,
)
from bulksend.cli.queued import enqueue, require_queue, require_saved
from bulksend.cli.run_campaign import run_campaign
from bulksend.cli.summary import shown_path, summary
from bulksend.cli.verify import ask_for_deliveries
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.entry.draft import Repeats
    from bulksend.entry.preview import Forecast
    from bulksend.journal import Journal, Repeat, Run
    from bulksend.plan import Plan, SheetOptions
    from bulksend.queries.preflight import Findings
    from bulksend.sender.options import Options
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a person asks `send` for."""

    file: Path
    sheet: SheetOptions
    sending: Sending
    portal: str | None
    user_id: int | None
    results: Path | None
    limit: int | None
    lookup: bool
    prefer: str | None
    preflight: bool | None
    skip_invalid: bool
    skip_sent: bool
    again: bool
    dry_run: bool
    journal: str | None
    yes: bool
    as_json: bool
    verbose: bool
    verify: bool
    queue: bool

    @property
    def asks_whether_chats_are_open(self) -> bool:
        return not self.yes if self.preflight is None else self.preflight

    @property
    def asks_portal(self) -> bool:
        return self.lookup or self.asks_whether_chats_are_open


@click.command(short_help="Check a sheet, confirm, send it, write the results sheet.")
@opts.FILE
@opts.portal_option
@opts.user_option
@opts.results_option
@opts.sheet_options
@opts.sending_options
@opts.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows: a canary.")
@opts.option("--lookup", is_flag=True, help="Ask the portal for the chats of rows that name none.")
@opts.prefer_option
@opts.option(
    "--preflight/--no-preflight",
    default=None,
    help="Ask the portal first who speaks and which rows would not reach anybody.  [default: unless --yes]",
)
@opts.option("--skip-invalid", is_flag=True, help="Send the good rows although others have problems.")
@opts.skip_sent_option
@opts.typed_option("--again", is_flag=True, help="Send although it was sent before.")
@opts.option(
    "--dry-run",
    is_flag=True,
    help="Do everything but the calls: send nothing, ask the portal nothing, leave nothing in the journal. With "
    "--results, write what would become of each row.",
)
@opts.verify_option
@opts.queue_option
@opts.journal_option
@opts.yes_option
@opts.json_option
@opts.verbose_option
@opts.progress_option
@opts.log_file_option
def send(file: Path, **params: Any) -> int:
    """Check FILE, confirm, send every row of it as one message, and write the results sheet.

    A sheet that was stopped in the middle is continued where it stopped; one that is finished is not sent again
    unless you ask for it.
    """
    from bulksend.plan import examine

    sheet = opts.take_sheet_options(params, without_chats=params["lookup"], without_sent=params["skip_sent"])
    request = _Request(file=file, sheet=sheet, sending=Sending.take(params), **params)
    if request.dry_run and (request.lookup or request.preflight):
        raise UsageError(
            _(
                "--dry-run asks the portal nothing, so it goes with neither --lookup nor --preflight: use "
                "`bulksend lookup` or `bulksend check --online` first."
            )
        )
    if request.queue:
        require_queue(opts.journal_address(request.journal), verify=request.verify)
    plan = examine(file, sheet)
    events.checked(plan.report)
    options = request.sending.resolved(time.time(), {}).options(plan.report.good)
    return _dry_run(plan, options, request) if request.dry_run else _send(plan, options, request)


def _send(plan: Plan, options: Options, request: _Request) -> int:
    from bulksend.campaign import Campaign
    from bulksend.entry.resumption import unfinished
    from bulksend.journal import Action, Journal
    from bulksend.target import find_target
    from bulksend.validation.stop_list import StopList

    if not request.lookup:
        _require_rows(plan, request, quiet=True)
    require_terminal(yes=request.yes)
    with (
        find_target(request.portal, home(), user_id=request.user_id, sandbox_rows=plan.sandbox_rows()) as found,
        Journal(opts.journal_address(request.journal)) as journal,
    ):
        target = found
        if request.queue:
            require_saved(target)
        options = with_settle(options, request.sending, target)
        findings = None
        known = journal.same(target.portal, plan.content)
        unfinished(journal, known, again=request.again or target.is_ephemeral)
        sending = _kept(request, known, journal.now())
        late = sending.late or (
            known is not None and ask_whether_late(known, sending.schedule(), journal.now(), yes=request.yes)
        )
        stop_list = StopList(map(Path, sending.stop_list or ()))
        under_way = known is not None and known.counts.left > 0
        asks = (request.asks_portal and not under_way) or not target.speaker
        if asks:
            plan, target, findings = _ask_portal(plan, journal, target, options, request)
        if asks or not request.asks_portal:
            _require_rows(plan, request)
        refused = findings.refused if findings else {}
        repeats: Repeats = "skip" if request.skip_sent else "refuse"
        forecast = None
        if not request.yes:
            forecast, repeats = _ask(
                plan,
                journal,
                target,
                options,
                request,
                sending=sending,
                refused=refused,
                stop_list=stop_list,
                starts=findings.not_active if findings else None,
            )
        with Campaign.enter(
            journal,
            plan,
            target,
            again=request.again,
            repeats=repeats,
            limit=request.limit,
            refused=refused,
            results=request.results,
            settings=sending.settings(),
            stop_list=stop_list,
            forecast=forecast,
        ) as campaign:
            new = known is None or known.id != campaign.id
            campaign.record(Action.ENTERED if new else Action.CONTINUED)
            if not request.yes:
                campaign.record(Action.CONFIRMED, str(campaign.run.counts.pending))
            if request.yes and request.skip_sent:
                _say_left_out(campaign.repeats)
            schedule = Sending.kept(campaign.run.settings).schedule()
            options = replace(options, schedule=schedule, late=late)
            if request.yes:
                show_schedule(options)
            if request.queue:
                return enqueue(campaign, opts.journal_address(request.journal), late=late, as_json=request.as_json)
            verify = None
            if request.verify:
                verify = partial(ask_for_deliveries, journal, campaign.id, target, options.rate_limit)
            return run_campaign(campaign, options, as_json=request.as_json, verbose=request.verbose, verify=verify)


def _kept(request: _Request, known: Run | None, now: float) -> Sending:
    """How to send, with what was said earlier of a campaign that is continued."""
    from bulksend.journal import Stage

    if known is None or (request.again and known.stage is Stage.FINISHED):
        return request.sending.resolved(now, {})
    return request.sending.resolved(now, known.settings).scheduled(known.settings)


def _ask(
    plan: Plan,
    journal: Journal,
    target: Target,
    options: Options,
    request: _Request,
    *,
    sending: Sending,
    refused: Mapping[int, tuple[str, str]],
    stop_list: StopList,
    starts: int | None,
) -> tuple[Forecast, Repeats]:
    """Show what would be sent, and ask whether to send it, and what to do with rows that another campaign has sent.

    Raises:
        NothingSent: it is not to be sent.
    """
    from bulksend.entry.refusals import SentBefore
    from bulksend.forecast import dry_run, predict_end
    from bulksend.journal import State

    forecast = dry_run(
        journal,
        plan,
        target,
        again=request.again,
        skip_sent=request.skip_sent,
        limit=request.limit,
        refused=refused,
        stop_list=stop_list,
    )
    run, repeats = forecast.run, forecast.repeats
    choice: Repeats = "skip"
    if request.skip_sent:
        _say_left_out(repeats)
    elif repeats:
        choice = ask_about_repeats(SentBefore(repeats))
        if choice == "skip":
            run = replace(run, counts=run.counts.moved({(State.PENDING, State.SKIPPED): len(repeats)}))
    without_repeats = bool(repeats) and choice == "skip"
    if forecast.stopped:
        say(stop_listed_in_words(forecast.stopped))
    rows = run.counts.pending
    options = replace(options, schedule=sending.spread(rows).schedule())
    prediction = predict_end(journal, target, forecast.zones, options, starts=starts or 0, only=rows)
    first = forecast.preview.rows(without_repeats=without_repeats)
    show_plan(plan, run, first, target, options=options, prediction=prediction, starts=starts)
    question = ngettext("Send {count} message?", "Send {count} messages?", rows)
    confirm(question.format(count=number(rows)))
    return forecast, choice


def _say_left_out(repeats: Sequence[Repeat]) -> None:
    if repeats:
        say_sent_elsewhere(len(repeats))


def _dry_run(plan: Plan, options: Options, request: _Request) -> int:
    """Do everything but the calls and say what would be sent; the exit code is as if no call failed."""
    from bulksend.entry.refusals import SentBefore
    from bulksend.entry.resumption import unfinished
    from bulksend.forecast import dry_run, predict_end
    from bulksend.journal import Journal
    from bulksend.target import find_target
    from bulksend.validation.stop_list import StopList

    _require_rows(plan, request, quiet=True)
    with (
        find_target(request.portal, home(), user_id=request.user_id) as target,
        Journal(opts.journal_address(request.journal)) as journal,
    ):
        known = journal.same(target.portal, plan.content)
        unfinished(journal, known, again=request.again or target.is_ephemeral)
        _require_rows(plan, request)
        sending = _kept(request, known, journal.now())
        forecast = dry_run(
            journal,
            plan,
            target,
            again=request.again,
            limit=request.limit,
            skip_sent=request.skip_sent,
            results=request.results,
            stop_list=StopList(map(Path, sending.stop_list or ())),
        )
        options = replace(options, schedule=sending.spread(forecast.run.counts.pending).schedule())
        prediction = predict_end(journal, target, forecast.zones, options)
    if forecast.stopped:
        say(stop_listed_in_words(forecast.stopped))
    show_plan(plan, forecast.run, forecast.preview.rows(), target, options=options, prediction=prediction)
    run, counts = forecast.run, forecast.run.counts
    undecided = bool(forecast.repeats) and not request.skip_sent
    code = REFUSED if undecided else int(counts.left + counts.sent < counts.total)
    reason = ""
    if undecided:
        advice = _("Sending will need --skip-sent, to leave them out, or --again, to send them once more.")
        reason = f"{SentBefore(forecast.repeats)} {advice}"
        say(reason)
    facts = summary(run, "dry run", forecast.written, code, reason)
    facts |= {"run": run.id if forecast.known else None, "forecast": prediction.to_json()}
    events.emit("ended", **facts)
    if request.as_json:
        answer(facts)
        return code
    if forecast.known:
        text = ngettext(
            "Dry run: nothing was sent. {left} of {total} row would be sent, continuing campaign {run}.",
            "Dry run: nothing was sent. {left} of {total} rows would be sent, continuing campaign {run}.",
            counts.total,
        )
    else:
        text = ngettext(
            "Dry run: nothing was sent. {left} of {total} row would be sent.",
            "Dry run: nothing was sent. {left} of {total} rows would be sent.",
            counts.total,
        )
    put(text.format(left=number(counts.left), total=number(counts.total), run=run.id))
    if forecast.written is not None:
        put(_("What would become of each row: {path}").format(path=shown_path(forecast.written)))
    return code


def _ask_portal(
    plan: Plan, journal: Journal, target: Target, options: Options, request: _Request
) -> tuple[Plan, Target, Findings | None]:
    """Ask the portal what can be known before sending: who speaks, the chats of rows without, which it would refuse."""
    from bulksend.queries.lookup import look_up
    from bulksend.queries.preflight import check_online, rows_of_plan
    from bulksend.sender.options import estimate

    with asking(journal, target, options.rate_limit, min(options.timeout, 30.0)) as queries:
        connection = require_connection(queries)
        if not target.speaker:
            target = replace(target, speaker=connection.user_id)
        if request.lookup:
            plan = look_up(plan, queries, prefer=request.prefer, reopen=options.reopen)
        findings = None
        if request.asks_whether_chats_are_open:
            turn = partial(estimate, options=options)
            findings = check_online(rows_of_plan(plan), queries, plan.report, turn=turn, reopen=options.reopen)
    return plan, target, findings


def _require_rows(plan: Plan, request: _Request, *, quiet: bool = False) -> None:
    """Say what is wrong with the sheet.

    With ``quiet`` nothing is said of a sheet that may be sent: the portal may find more, or it was sent already.

    Raises:
        NothingSent: it keeps the sheet from being sent.
    """
    report = plan.report
    refused = (report.errors and not request.skip_invalid) or not report.good
    for line in [*report.lines(), *hint_for_findings(report)] if refused or not quiet else []:
        say(line)
    if report.errors and not request.skip_invalid:
        if not report.good:
            raise NothingSent(_("Nothing was sent: no row can be sent as it is."))
        text = ngettext(
            "Nothing was sent: correct these rows and send again, or send the {rows} good row with --skip-invalid.",
            "Nothing was sent: correct these rows and send again, or send the {rows} good rows with --skip-invalid.",
            report.good,
        )
        raise NothingSent(text.format(rows=number(report.good)))
    if not report.good:
        raise NothingSent(_("Nothing was sent: the sheet has no row that can be sent."))
