"""``bulksend check``: everything that is wrong with a sheet, without sending anything."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, message_line, put, say
from bulksend.cli.hints import hint_for_findings
from bulksend.cli.json_output import answer
from bulksend.cli.questions import show_prediction, show_schedule, stop_listed_in_words
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from bulksend.plan import Plan
    from bulksend.queries.preflight import Findings
    from bulksend.sender.options import Options
    from bulksend.sender.prediction import Prediction


@click.command(short_help="Say everything that is wrong with a sheet; send nothing.")
@opts.FILE
@opts.results_option
@opts.sheet_options
@opts.option(
    "--online",
    is_flag=True,
    help="Ask the portal too which rows it would take and who would get them.",
)
@opts.reopen_option
@opts.portal_option
@opts.pace_options
@opts.schedule_options
@opts.journal_option
@opts.yes_option
@opts.json_option
def check(file: Path, **params: Any) -> int:
    """Say everything that is wrong with FILE and send nothing. Exits 0 without problems, 1 with, 2 unreadable.

    With --results a copy of the sheet is written with the problem beside each row, to filter and correct in Excel.
    """
    from bulksend.plan import examine
    from bulksend.queries.preflight import Findings

    sending = Sending.take(params).resolved(time.time(), {})
    plan = examine(file, opts.take_sheet_options(params), identify=False)
    report = plan.report
    stopped = _stopped(plan, sending)
    findings = _ask(plan, params, sending) if params["online"] else Findings()
    if params["results"]:
        _write_copy(plan, params["results"], findings)
    if params["as_json"]:
        prediction = _predict(plan, sending, stopped, findings)[1] if report.good > stopped else None
        answer({**report.to_json(), "stop_listed": stopped, "forecast": prediction and prediction.to_json()})
        return 1 if report.errors else 0
    for line in [*report.lines(), *hint_for_findings(report)]:
        say(line, err=False)
    say(report.outcome(), err=False)
    for number, kind, entity, chat, _user, message in report.preview:
        put(message_line(number, kind, entity, chat, message))
    if stopped:
        say(stop_listed_in_words(stopped), err=False)
    if report.good > stopped:
        options, prediction = _predict(plan, sending, stopped, findings)
        show_schedule(options)
        at_least = options.reopen and not params["online"]
        show_prediction(prediction, options.schedule, at_least=at_least)
    return 1 if report.errors else 0


def _stopped(plan: Plan, sending: Sending) -> int:
    """How many good rows a stop list would leave out."""
    from bulksend.journal import State
    from bulksend.validation.stop_list import StopList

    stop_list = StopList(map(Path, sending.stop_list or ()))
    if not stop_list:
        return 0
    return sum(row.state is State.PENDING and stop_list.names(row) for rows in plan.new_rows() for row in rows)


def _predict(plan: Plan, sending: Sending, stopped: int, findings: Findings) -> tuple[Options, Prediction]:
    """When the last message would have left, begun now on a portal to which nothing was sent lately."""
    from bulksend.ratelimit.limiter import Outlook
    from bulksend.sender.prediction import predict

    rows = plan.report.good - stopped
    options = sending.spread(rows).options(rows)
    outlook = Outlook(calls_at_once=options.rate_limit.burst)
    return options, predict(plan.zones, options, outlook, time.time(), starts=findings.not_active, only=rows)


def _ask(plan: Plan, params: dict[str, Any], sending: Sending) -> Findings:
    """Ask the portal for the chats of all good rows; what it says goes into the report too."""
    from bulksend.cli.connection import asking, require_connection
    from bulksend.journal import Journal
    from bulksend.queries.preflight import check_online, rows_of_plan
    from bulksend.sender.options import estimate
    from bulksend.target import find_target

    options = sending.options(plan.report.good)
    with (
        find_target(params["portal"], home(), sandbox_rows=plan.sandbox_rows()) as target,
        Journal(opts.journal_address(params["journal"])) as journal,
        asking(journal, target, options.rate_limit) as queries,
    ):
        standing = require_connection(queries)
        turn, reopen = partial(estimate, options=options), bool(sending.reopen)
        findings = check_online(rows_of_plan(plan), queries, plan.report, turn=turn, reopen=reopen)
    user = f"{standing.user_id} {standing.name}".strip()
    hint(_("The portal answers; the webhook's user is {user}.").format(user=user))
    return findings


def _write_copy(plan: Plan, path: Path, findings: Findings) -> None:
    try:
        written = plan.write_problems(path, findings.refused, findings.warnings)
    except OSError as error:
        raise UsageError(
            _("The copy cannot be written to {path} ({reason}).").format(
                path=path, reason=reason(error) or _("write error")
            )
        ) from None
    hint(_("The sheet with its problems: {path}").format(path=written))
