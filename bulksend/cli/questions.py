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
from bulksend.locale import N_, _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.options import duration
from bulksend.sender.settings import BATCH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulksend.entry.draft import Repeats
    from bulksend.entry.refusals import SentBefore
    from bulksend.journal import Counts, NewRow, Row, Run
    from bulksend.plan import Plan
    from bulksend.schedule.schedule import Schedule
    from bulksend.sender.options import Options
    from bulksend.sender.prediction import Prediction
    from bulksend.target import Target

NOTHING = N_("Nothing was sent.")


def messages_in_words(messages: int) -> str:
    """A number of messages: ``1 message``, ``1,204 messages``."""
    return ngettext("{count} message", "{count} messages", messages).format(count=number(messages))


def stop_listed_in_words(rows: int) -> str:
    """How many rows a stop list leaves out."""
    return ngettext("Left out: {rows} row on a stop list.", "Left out: {rows} rows on a stop list.", rows).format(
        rows=number(rows)
    )


def say_sent_elsewhere(rows: int) -> None:
    """Say how many rows are left out since another campaign sent them."""
    say(
        ngettext(
            "Left out: {rows} row that another campaign sent in the last 24 hours.",
            "Left out: {rows} rows that another campaign sent in the last 24 hours.",
            rows,
        ).format(rows=number(rows))
    )


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and not quiet.get()


def require_terminal(*, yes: bool) -> None:
    """Make sure that what has to be asked can be asked.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not yes and not has_terminal():
        raise UsageError(_("There is no terminal to ask on: check the sheet with `bulksend check`, then add --yes."))


def confirm(question: str) -> None:
    """Ask a question that has to be answered with yes.

    Raises:
        NothingSent: it was not.
    """
    with _ends_line():
        confirmed = click.prompt(
            _("{question} [y/N]").format(question=question),
            default="",
            show_default=False,
            value_proc=_is_yes,
            err=True,
        )
    if not confirmed:
        raise NothingSent(_(NOTHING))


def _is_yes(answer: str) -> bool:
    """As `click.confirm` reads an answer, and in Russian too, whatever language the question is in."""
    word = answer.strip().lower()
    if word in {"y", "yes", "д", "да"}:
        return True
    if word in {"", "n", "no", "н", "нет"}:
        return False
    raise click.UsageError(_("please answer y or n."))


def ask_about_repeats(error: SentBefore) -> Repeats:
    """Ask what is to become of rows that another campaign has sent.

    Raises:
        NothingSent: nothing is to be sent.
    """
    say(str(error))
    choices: dict[str, Repeats | None] = {"skip": "skip", "again": "send", "cancel": None}
    with _ends_line():
        answer = click.prompt(
            _("Leave them out (skip), send them (again), or send nothing (cancel)?"),
            type=click.Choice(list(choices)),
            default="skip",
            show_choices=False,
            err=True,
        )
    choice = choices[answer]
    if choice is None:
        raise NothingSent(_(NOTHING))
    return choice


@contextmanager
def _ends_line() -> Iterator[None]:
    """Begin a new line where a question is interrupted, and say what came of it."""
    try:
        yield
    except click.Abort:
        hint("")
        raise click.Abort(_("Interrupted: nothing was sent.")) from None


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
        advice = _("Give another --at, or add --late to begin now.")
        raise UsageError(f"{sentence} {advice}")
    say(sentence)
    confirm(_("Begin now?"))
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
    speakers = [
        _("user {user}").format(user=user or run.user_id) if user or run.user_id else _("you")
        for user in plan.users[:5]
    ]
    if rows == report.good:
        text = ngettext("{file}, {messages} to {chats} chat", "{file}, {messages} to {chats} chats", report.chats)
    else:
        text = _("{file}, {messages}")
    hint("")
    _fact(
        _("Sheet:"),
        text.format(file=plan.sheet.path.name, messages=messages_in_words(rows), chats=number(report.chats)),
    )
    _fact(_("Portal:"), target.shown)
    _fact(_("Speaks:"), f"{', '.join(dict.fromkeys(speakers))}{' …' if len(plan.users) > 5 else ''}")
    _show_counts(run.counts, options, prediction, starts)
    for row in first:
        hint(message_line(row.number, row.entity_type, row.entity_id, row.chat_id, row.message))


def show_run(run: Run, target: Target, options: Options, prediction: Prediction) -> None:
    """Show what is about to happen to a campaign that is in the journal."""
    sheet = _("{file}, {messages} of campaign {run}").format(
        file=Path(run.file).name, messages=messages_in_words(run.counts.pending), run=run.id
    )
    _fact(_("Sheet:"), sheet)
    _fact(_("Portal:"), target.shown)
    _show_counts(run.counts, options, prediction)


def show_schedule(options: Options) -> None:
    """Show when messages may leave, with times in full."""
    from bulksend.schedule.parsing import days_in_words, hours_in_words, time_in_full
    from bulksend.schedule.zones import zone_in_words, zone_of

    schedule = options.schedule
    zone = zone_of(schedule.timezone)
    if schedule.at:
        _fact(_("Begins:"), time_in_full(schedule.at, zone))
    if schedule.has_windows:
        words = f"{hours_in_words(schedule.hours)} {days_in_words(schedule.days)}".strip()
        text = _("{hours}, {zone} where a row has no time zone")
        _fact(_("Hours:"), text.format(hours=words, zone=zone_in_words(schedule.timezone)))
    if schedule.interval:
        _show_spread(options)
    if schedule.not_after < math.inf:
        _fact(_("Not after:"), time_in_full(schedule.not_after, zone))


def _show_spread(options: Options) -> None:
    rows, needed = options.rows_a_call, options.rows_to_keep_up
    seconds = options.schedule.interval * rows
    text = ngettext("a message every {seconds} s", "{count} messages every {seconds} s", rows)
    _fact(_("Spread:"), text.format(count=number(rows), seconds=number(float(f"{seconds:.3g}"))))
    if needed > rows and needed <= BATCH_LIMIT:
        text = _("at this pace it takes longer; with --batch {rows} it would not")
        _fact(_("Slower:"), text.format(rows=needed))
    elif needed > rows:
        _fact(_("Slower:"), _("at this pace it takes longer; at a higher --rate it would not"))


def show_prediction(prediction: Prediction, schedule: Schedule, *, at_least: bool = False) -> None:
    """Show when the last message will have left; ``at_least`` where more may come than was reckoned with."""
    from bulksend.schedule.parsing import time_in_full
    from bulksend.schedule.zones import local_zone_name, zone_of

    takes = prediction.ends_at - prediction.now
    text, ends = _("at least {span}") if at_least else _("about {span}"), ""
    if takes > 3600 or not schedule.always:
        zone = local_zone_name() if schedule.always else schedule.timezone
        text = (
            _("at least {span}: the last message will have left by {time}")
            if at_least
            else _("about {span}: the last message will have left by {time}")
        )
        ends = time_in_full(round(prediction.ends_at), zone_of(zone))
    _fact(_("Takes:"), text.format(span=duration(takes), time=ends))
    if prediction.too_late:
        late = ngettext(
            "about {count} message will not have left in time",
            "about {count} messages will not have left in time",
            prediction.too_late,
        )
        _fact(_("Late:"), late.format(count=number(prediction.too_late)))


def _show_counts(counts: Counts, options: Options, prediction: Prediction, starts: int | None = None) -> None:
    show_schedule(options)
    show_prediction(prediction, options.schedule, at_least=options.reopen and starts is None)
    if options.reopen and starts != 0:
        if starts is None:
            text = _(
                "finished dialogs again, as they are met; the user of the webhook or application becomes their operator"
            )
        else:
            text = ngettext(
                "up to {count} dialog again; the user of the webhook or application becomes its operator",
                "up to {count} dialogs again; the user of the webhook or application becomes their operator",
                starts,
            )
        _fact(_("Starts:"), text.format(count=number(starts or 0)))
    if counts.sent:
        text = ngettext(
            "{rows} row already, not to be sent again", "{rows} rows already, not to be sent again", counts.sent
        )
        _fact(_("Sent:"), text.format(rows=number(counts.sent)))
    doubtful = counts.sending + counts.in_doubt
    if doubtful:
        text = ngettext(
            "{rows} row that may have arrived; the chat's history will tell",
            "{rows} rows that may have arrived; the chats' histories will tell",
            doubtful,
        )
        _fact(_("Unclear:"), text.format(rows=number(doubtful)))


def _fact(title: str, words: str) -> None:
    """A line of what is about to happen: what it is about, and below one another what is said of it."""
    # Translators: as wide as the longest of these titles but "Not after:"; end it with spaces if it is shorter.
    width = len(_("Unclear:"))
    hint(f"{title:<{width}} {words}")
