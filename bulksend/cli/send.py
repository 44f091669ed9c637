"""``bulksend send``, ``resume`` and ``retry``: the commands after which something has been sent."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import REFUSED
from bulksend.cli import options as opts
from bulksend.cli.connection import asking, require_connection, with_settle
from bulksend.cli.console import NothingSent, hint, put, say, say_first_messages
from bulksend.cli.json_output import answer
from bulksend.cli.progress import duration
from bulksend.cli.run_campaign import carry_out
from bulksend.cli.summary import shown_path, summary
from bulksend.errors import UsageError
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulksend.campaign import Campaign
    from bulksend.journal import Journal, Run
    from bulksend.plan import Plan
    from bulksend.sender.options import Options
    from bulksend.target import SandboxRow, Target

NOTHING = "Nothing was sent."

_skip_sent = opts.option(
    "--skip-sent", is_flag=True, help="Leave out rows that another campaign sent in the last 24 hours."
)
_verbose = opts.option("--verbose", is_flag=True, help="Say what becomes of each row, and more when something breaks.")
_going_on = opts.together(
    opts.portal_option,
    opts.results_option,
    opts.sending_options,
    _skip_sent,
    opts.option("--again", is_flag=True, help="Send rows although another campaign sent them in the last 24 hours."),
    opts.journal_option,
    opts.yes_option,
    opts.json_option,
    _verbose,
)


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
    help="Ask the portal first who speaks and which chats would refuse.  [default: unless --yes]",
)
@opts.option("--skip-invalid", is_flag=True, help="Send the good rows although others have problems.")
@_skip_sent
@opts.option("--again", is_flag=True, help="Send although it was sent before.")
@opts.option(
    "--dry-run",
    is_flag=True,
    help="Do everything but the calls: send nothing, ask the portal nothing, leave nothing in the journal. With "
    "--results, write what would become of each row.",
)
@opts.journal_option
@opts.yes_option
@opts.json_option
@_verbose
def send(file: Path, **params: Any) -> int:
    """Check FILE, confirm, send every row of it as one message, and write the results sheet.

    A sheet that was stopped in the middle goes on where it stopped; one that is finished is not sent again unasked.
    """
    from bulksend.campaign import Campaign
    from bulksend.journal import Journal
    from bulksend.plan import examine
    from bulksend.target import find_target

    if params["dry_run"] and (params["lookup"] or params["preflight"]):
        raise UsageError(
            "--dry-run asks the portal nothing, so it goes with neither --lookup nor --preflight: use "
            "`bulksend lookup` or `bulksend check --online` first."
        )
    sheet_options = opts.take_sheet_options(params, without_chats=params["lookup"])
    sending = Sending.take(params)
    plan = examine(file, sheet_options)
    options = sending.options(plan.report.good)
    if params["dry_run"]:
        return _dry_run(plan, options, params)
    preflight = not params["yes"] if params["preflight"] is None else params["preflight"]
    ask = params["lookup"] or preflight
    if not params["lookup"]:
        _may_start(plan, skip_invalid=params["skip_invalid"], told_later=ask)
    _need_terminal(yes=params["yes"])
    with (
        find_target(params["portal"], opts.home(), params["user_id"], plan.sandbox_rows()) as found,
        Journal(opts.journal_address(params["journal"])) as journal,
    ):
        target = found
        options = with_settle(options, sending, target)
        known = journal.same(target.portal, plan.content)
        unfinished = known is not None and known.counts.left > 0
        refused: Mapping[int, tuple[str, str]] = {}
        if (ask and not unfinished) or not target.speaker:
            plan, target, refused = _ask(plan, journal, target, options, params, preflight=preflight)
            _may_start(plan, skip_invalid=params["skip_invalid"])
        with Campaign.enter(
            journal, plan, target, again=params["again"], results=params["results"], settings=sending.settings()
        ) as campaign:
            campaign.invalidate(refused)
            return _confirm_and_send(campaign, plan, target, options, params)


def _dry_run(plan: Plan, options: Options, params: dict[str, Any]) -> int:
    """Do everything but the calls and tell what would be sent; the exit code is as if no call failed."""
    from bulksend.dry_run import dry_run
    from bulksend.journal import Journal
    from bulksend.target import find_target

    _may_start(plan, skip_invalid=params["skip_invalid"])
    with (
        find_target(params["portal"], opts.home(), params["user_id"]) as target,
        Journal(opts.journal_address(params["journal"])) as journal,
    ):
        told = dry_run(
            journal,
            plan,
            target,
            again=params["again"],
            limit=params["limit"],
            skip_sent=params["skip_sent"],
            results=params["results"],
        )
    _show_plan(plan, told.run, target, options)
    counts = told.run.counts
    code = REFUSED if told.repeats else int(counts.left + counts.sent < counts.total)
    reason = ""
    if told.repeats:
        reason = (
            f"{_repeated(told.repeats)} Sending will need --skip-sent, to leave them out, or --again, to send them "
            "once more."
        )
        say(reason)
    if params["as_json"]:
        answer({**summary(told.run, "dry run", told.written, code, reason), "run": told.run.id if told.known else None})
        return code
    onward = f", going on with campaign {told.run.id}" if told.known else ""
    put(f"Dry run: nothing was sent. {counts.left} of {counts.total} rows would be sent{onward}.")
    if told.written is not None:
        put(f"What would become of each row: {shown_path(told.written)}")
    return code


def _ask(
    plan: Plan, journal: Journal, target: Target, options: Options, params: dict[str, Any], *, preflight: bool
) -> tuple[Plan, Target, Mapping[int, tuple[str, str]]]:
    """Ask the portal what can be known before sending: who speaks, the chats of rows without, which it would refuse."""
    from bulksend.queries.lookup import look_up
    from bulksend.queries.preflight import check_online, rows_of_plan

    with asking(journal, target, options.rule, min(options.timeout, 30.0)) as queries:
        standing = require_connection(queries)
        if not target.speaker:
            target = replace(target, speaker=standing.user_id)
        if params["lookup"]:
            plan = look_up(plan, queries, prefer=params["prefer"])
        refused = check_online(rows_of_plan(plan), queries, plan.report).refused if preflight else {}
    return plan, target, refused


def _confirm_and_send(campaign: Campaign, plan: Plan, target: Target, options: Options, params: dict[str, Any]) -> int:
    """Settle what is left out, ask, and send."""
    campaign.limit(params["limit"])
    if params["again"]:
        campaign.send_again()
    try:
        _settle_repeats(campaign, skip=params["skip_sent"], yes=params["yes"])
        if not params["yes"]:
            _show_plan(plan, campaign.run, target, options)
            _confirm(f"Send {_many(campaign.run.counts.pending, 'message')}?")
    except NothingSent:
        campaign.abandon()
        raise
    return carry_out(campaign, options, as_json=params["as_json"], verbose=params["verbose"])


@click.command(short_help="Go on with an interrupted campaign.")
@click.argument("run", type=int, required=False)
@_going_on
def resume(run: int | None, **params: Any) -> int:
    """Go on with campaign RUN (without a number: the latest one that is not finished).

    What is not given (pace, --max-failures and the like) is as it was when the campaign was last sent.
    """
    from bulksend.journal import Journal

    with Journal(opts.journal_there(params["journal"])) as journal:
        found = journal.run(run) if run is not None else journal.latest(unfinished=True)
        if found is None:
            raise UsageError("There is no unfinished campaign to go on with; `bulksend runs` lists all.")
        if not found.counts.left:
            hint(f"Campaign {found.id} has no rows left to send.")
        return _take_up(journal, found, params)


@click.command(short_help="Send again the rows that failed or were not sent.")
@click.argument("run", type=int)
@opts.option("--resend-unknown", is_flag=True, help="Send unknown rows again too, though they may have arrived.")
@_going_on
def retry(run: int, resend_unknown: bool, **params: Any) -> int:  # noqa: FBT001 - click passes it by name
    """Send the rows of campaign RUN again that failed or were not sent.

    Rows whose fate is unknown stay as they are, since their messages may have arrived, unless --resend-unknown. What is
    not given (pace, --max-failures and the like) is as it was when the campaign was last sent.
    """
    from bulksend.journal import Journal

    with Journal(opts.journal_there(params["journal"])) as journal:
        found = journal.run(run)
        if resend_unknown and found.counts.unknown and not params["yes"]:
            _need_terminal(yes=False)
            question = (
                f"{_many(found.counts.unknown, 'message')} may have arrived already; what did is then read twice. "
                "Have you looked into the chats, and is all of it to be sent again?"
            )
            _confirm(question)
        return _take_up(journal, found, params, retry_failed=True, resend_unknown=resend_unknown)


def _take_up(
    journal: Journal, run: Run, params: dict[str, Any], *, retry_failed: bool = False, resend_unknown: bool = False
) -> int:
    """Go on with a campaign that the journal has."""
    from bulksend.campaign import Campaign
    from bulksend.target import find_target

    sending = Sending.take(params).over(run.settings)
    portal = params["portal"] or run.portal_name
    if not portal:
        raise UsageError(
            f"Campaign {run.id} was sent to {run.portal_address} by an address, and addresses are not kept because "
            f"they hold a secret: name it again, `bulksend resume {run.id} --portal ADDRESS`."
        )
    with (
        find_target(portal, opts.home(), run.user_id, _journal_rows(journal, run)) as target,
        Campaign.go_on(journal, run, target, sending.settings()) as campaign,
    ):
        if retry_failed:
            campaign.retry(resend_unknown=resend_unknown)
        if params["results"]:
            journal.note_results(run.id, str(params["results"]))
        if params["again"]:
            campaign.send_again()
        _settle_repeats(campaign, skip=params["skip_sent"], yes=params["yes"])
        options = with_settle(sending.options(campaign.run.counts.total), sending, target)
        return carry_out(campaign, options, as_json=params["as_json"], verbose=params["verbose"])


def _may_start(plan: Plan, *, skip_invalid: bool, told_later: bool = False) -> None:
    """Say what is wrong with the sheet.

    With ``told_later`` nothing is said of a sheet that may be sent, because the portal may find more.

    Raises:
        NothingSent: it keeps the sheet from being sent.
    """
    report = plan.report
    refused = (report.errors and not skip_invalid) or not report.good
    for line in report.lines() if refused or not told_later else []:
        say(line)
    if report.errors and not skip_invalid:
        raise NothingSent(
            f"Nothing was sent: mend these rows and send again, or send the {report.good} good rows with "
            "--skip-invalid."
            if report.good
            else "Nothing was sent: no row can be sent as it is."
        )
    if not report.good:
        raise NothingSent("Nothing was sent: the sheet has no row that can be sent.")


def _need_terminal(*, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: check the sheet with `bulksend check`, then add --yes.")


def _confirm(question: str) -> None:
    if not click.confirm(question, err=True):
        raise NothingSent(NOTHING)


def _settle_repeats(campaign: Campaign, *, skip: bool, yes: bool) -> None:
    """Decide on rows that another campaign has sent already.

    Raises:
        NothingSent: nothing may be sent because of them.
    """
    if skip:
        left_out = campaign.skip_sent()
        if left_out:
            say(f"Left out: {_many(left_out, 'row')} that another campaign sent in the last 24 hours.")
        return
    repeats = campaign.sent_elsewhere()
    if not repeats:
        return
    if yes or not sys.stdin.isatty():
        raise NothingSent(
            f"{_repeated(repeats)} Nothing was sent: leave them out with --skip-sent, or send them once more with "
            "--again."
        )
    say(_repeated(repeats))
    choice = click.prompt(
        "Leave them out (skip), send them once more (again), or send nothing (cancel)?",
        type=click.Choice(["skip", "again", "cancel"]),
        default="skip",
        err=True,
    )
    if choice == "skip":
        campaign.skip_sent()
    elif choice == "again":
        campaign.send_again()
    else:
        raise NothingSent(NOTHING)


def _repeated(repeats: list[tuple[int, int]]) -> str:
    """Name the rows that another campaign has sent lately."""
    rows = ", ".join(str(number) for number, _ in repeats[:10]) + (" …" if len(repeats) > 10 else "")
    runs = sorted({run for _, run in repeats})
    return (
        f"{len(repeats)} of the rows ({rows}) were sent to the same chat with the same text in the last 24 hours by "
        f"campaign {', '.join(map(str, runs))}."
    )


def _show_plan(plan: Plan, run: Run, target: Target, options: Options) -> None:
    """What is about to happen, in a few lines."""
    from bulksend.sender.options import estimate

    report = plan.report
    rows = run.counts.pending
    speakers = [f"user {user or run.user_id}" if user or run.user_id else "you" for user in plan.users[:5]]
    to = f" to {_many(report.chats, 'chat')}" if rows == report.good else ""
    hint(f"\nSheet:   {plan.sheet.path.name}, {_many(rows, 'message')}{to}")
    hint(f"Portal:  {target.shown}")
    hint(f"Speaks:  {', '.join(dict.fromkeys(speakers))}{' …' if len(plan.users) > 5 else ''}")
    hint(f"Takes:   about {duration(estimate(rows, options))}")
    if run.counts.sent:
        hint(f"Sent before: {_many(run.counts.sent, 'row')}, not to be sent again")
    say_first_messages(report)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _journal_rows(journal: Journal, run: Run) -> Iterator[SandboxRow]:
    for row in journal.all_rows(run.id):
        yield row.entity_type, row.entity_id, row.chat_id, row.user_id or run.user_id
