"""``bulksend check``: everything that is wrong with a sheet, without sending anything."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, message_line, put, say
from bulksend.cli.json_output import answer
from bulksend.errors import UsageError
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from bulksend.plan import Plan
    from bulksend.queries.preflight import Findings


@click.command(short_help="Say everything that is wrong with a sheet; send nothing.")
@opts.FILE
@opts.results_option
@opts.sheet_options
@opts.option(
    "--online",
    is_flag=True,
    help="Ask the portal too which rows it would take and who would get them.",
)
@opts.portal_option
@opts.rate_option
@opts.journal_option
@opts.yes_option
@opts.json_option
def check(file: Path, **params: Any) -> int:
    """Say everything that is wrong with FILE and send nothing. Exits 0 without problems, 1 with, 2 unreadable.

    With --results a copy of the sheet is written with the problem beside each row, to filter and correct in Excel.
    """
    from bulksend.plan import examine
    from bulksend.queries.preflight import Findings

    plan = examine(file, opts.take_sheet_options(params), identify=False)
    report = plan.report
    findings = _ask(plan, params) if params["online"] else Findings()
    if params["results"]:
        _write_copy(plan, params["results"], findings)
    if params["as_json"]:
        answer(report.to_json())
        return 1 if report.errors else 0
    for line in report.lines():
        say(line, err=False)
    say(report.outcome(), err=False)
    for number, kind, entity, chat, _, message in report.preview:
        put(message_line(number, kind, entity, chat, message))
    return 1 if report.errors else 0


def _ask(plan: Plan, params: dict[str, Any]) -> Findings:
    """Ask the portal for the chats of all good rows; what it says goes into the report too."""
    from bulksend.cli.connection import asking, require_connection
    from bulksend.journal import Journal
    from bulksend.queries.preflight import check_online, rows_of_plan
    from bulksend.sender.options import estimate
    from bulksend.target import find_target

    options = Sending(rate=params["rate"]).options(plan.report.good)
    with (
        find_target(params["portal"], opts.home(), sandbox_rows=plan.sandbox_rows()) as target,
        Journal(opts.journal_address(params["journal"])) as journal,
        asking(journal, target, options.rate_limit) as queries,
    ):
        standing = require_connection(queries)
        findings = check_online(rows_of_plan(plan), queries, plan.report, turn=partial(estimate, options=options))
    hint(f"The portal answers; the webhook's user is {standing.user_id} {standing.name}.".strip())
    return findings


def _write_copy(plan: Plan, path: Path, findings: Findings) -> None:
    try:
        written = plan.write_problems(path, findings.refused, findings.warnings)
    except OSError as error:
        raise UsageError(f"The copy cannot be written to {path} ({error.strerror or 'write error'}).") from None
    hint(f"The sheet with its problems: {written}")
