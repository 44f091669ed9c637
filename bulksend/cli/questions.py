"""The questions that commands ask before they send."""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulksend.cli.console import NothingSent, hint, message_line, quiet, say
from bulksend.errors import UsageError
from bulksend.sender.options import duration
from bulksend.sender.settings import BATCH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulksend.entry import Repeats, SentBefore
    from bulksend.journal import Counts, NewRow, Row, Run
    from bulksend.plan import Plan
    from bulksend.schedule.schedule import Schedule
    from bulksend.sender.options import Options
    from bulksend.sender.prediction import Prediction
    from bulksend.target import Target

NOTHING = "Nothing was sent."


def count(number: int, thing: str) -> str:
    """A number of things: ``1 message``, ``1,204 messages``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and not quiet.get()


def require_terminal(*, yes: bool) -> None:
    """Make sure that what has to be asked can be asked.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not yes and not has_terminal():
        raise UsageError("There is no terminal to ask on: check the sheet with `bulksend check`, then add --yes.")


def confirm(question: str) -> None:
    """Ask a question that has to be answered with yes.

    Raises:
        NothingSent: it was not.
    """
    with _ends_line():
        confirmed = click.confirm(question, err=True)
    if not confirmed:
        raise NothingSent(NOTHING)


def ask_about_repeats(error: SentBefore) -> Repeats:
    """Ask what is to become of rows that another campaign has sent.

    Raises:
        NothingSent: nothing is to be sent.
    """
    say(str(error))
    choices: dict[str, Repeats | None] = {"skip": "skip", "again": "send", "cancel": None}
    with _ends_line():
        answer = click.prompt(
            "Leave them out (skip), send them (again), or send nothing (cancel)?",
            type=click.Choice(list(choices)),
            default="skip",
            show_choices=False,
            err=True,
        )
    choice = choices[answer]
    if choice is None:
        raise NothingSent(NOTHING)
    return choice


@contextmanager
def _ends_line() -> Iterator[None]:
    """Begin a new line where a question is interrupted."""
    try:
        yield
    except click.Abort:
        hint("")
        raise


def ask_whether_late(run: Run, schedule: Schedule, now: float, *, yes: bool) -> bool:
    """Ask whether a campaign is to begin long after the time that was set for it; False where it would not.

    Raises:
        NothingSent: it is not to begin.
        UsageError: there is nobody to ask.
    """
    from bulksend.sender.options import LATE, late_sentence

    counts = run.counts
    begun = counts.sent or counts.failed or counts.unknown or counts.in_doubt
    if begun or not schedule.at or now <= schedule.at + LATE:
        return False
    sentence = late_sentence(schedule.at, schedule.timezone)
    if yes or not has_terminal():
        raise UsageError(f"{sentence} Give another --at, or add --late to begin now.")
    say(sentence)
    confirm("Begin now?")
    return True


def show_plan(
    plan: Plan,
    run: Run,
    first: Iterable[NewRow | Row],
    target: Target,
    *,
    options: Options,
    prediction: Prediction,
    starts: int | None = None,
) -> None:
    """Show what is about to happen to a sheet, with the first messages.

    ``starts`` are the dialogs that will be started again, where the portal has been asked.
    """
    report = plan.report
    rows = run.counts.pending
    speakers = [f"user {user or run.user_id}" if user or run.user_id else "you" for user in plan.users[:5]]
    to = f" to {count(report.chats, 'chat')}" if rows == report.good else ""
    hint("")
    hint(f"Sheet:   {plan.sheet.path.name}, {count(rows, 'message')}{to}")
    hint(f"Portal:  {target.shown}")
    hint(f"Speaks:  {', '.join(dict.fromkeys(speakers))}{' …' if len(plan.users) > 5 else ''}")
    _show_counts(run.counts, options, prediction, starts)
    for row in first:
        hint(message_line(row.number, row.entity_type, row.entity_id, row.chat_id, row.message))


def show_run(run: Run, target: Target, options: Options, prediction: Prediction) -> None:
    """Show what is about to happen to a campaign that is in the journal."""
    hint(f"Sheet:   {Path(run.file).name}, {count(run.counts.pending, 'message')} of campaign {run.id}")
    hint(f"Portal:  {target.shown}")
    _show_counts(run.counts, options, prediction)


def show_schedule(options: Options) -> None:
    """Show when messages may leave, with times in full."""
    from bulksend.schedule.parsing import days_in_words, hours_in_words, time_in_full
    from bulksend.schedule.zones import zone_of

    schedule = options.schedule
    zone = zone_of(schedule.timezone)
    if schedule.at:
        hint(f"Begins:  {time_in_full(schedule.at, zone)}")
    if schedule.has_windows:
        words = f"{hours_in_words(schedule.hours)} {days_in_words(schedule.days)}".strip()
        hint(f"Hours:   {words}, {schedule.timezone} where a row has no time zone")
    if schedule.interval:
        _show_spread(options)
    if schedule.not_after < math.inf:
        hint(f"Not after: {time_in_full(schedule.not_after, zone)}")


def _show_spread(options: Options) -> None:
    rows, needed = options.rows_a_call, options.rows_to_keep_up
    seconds = options.schedule.interval * rows
    hint(f"Spread:  {'a message' if rows == 1 else count(rows, 'message')} every {seconds:.3g} s")
    if needed > rows:
        remedy = f"with --batch {needed}" if needed <= BATCH_LIMIT else "at a higher --rate"
        hint(f"Slower:  at this pace it takes longer; {remedy} it would not")


def show_prediction(prediction: Prediction, schedule: Schedule, *, at_least: bool = False) -> None:
    """Show when the last message will have left; ``at_least`` where more may come than was reckoned with."""
    from bulksend.schedule.parsing import time_in_full
    from bulksend.schedule.zones import local_zone_name, zone_of

    takes = prediction.ends_at - prediction.now
    ends = ""
    if takes > 3600 or not schedule.always:
        zone = local_zone_name() if schedule.always else schedule.timezone
        ends = f": the last message will have left by {time_in_full(round(prediction.ends_at), zone_of(zone))}"
    hint(f"Takes:   {'at least' if at_least else 'about'} {duration(takes)}{ends}")
    if prediction.too_late:
        hint(f"Late:    about {count(prediction.too_late, 'message')} will not have left in time")


def _show_counts(counts: Counts, options: Options, prediction: Prediction, starts: int | None = None) -> None:
    show_schedule(options)
    show_prediction(prediction, options.schedule, at_least=options.reopen and starts is None)
    if options.reopen and starts != 0:
        dialogs = (
            "finished dialogs again, as they are met" if starts is None else f"up to {count(starts, 'dialog')} again"
        )
        hint(f"Starts:  {dialogs}; the user of the webhook or application becomes their operator")
    if counts.sent:
        hint(f"Sent:    {count(counts.sent, 'row')} already, not to be sent again")
    doubtful = counts.sending + counts.in_doubt
    if doubtful:
        hint(f"Unclear: {count(doubtful, 'row')} that may have arrived; the chats' histories will tell")
