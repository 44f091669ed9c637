"""What to type next after an error, or after rows that did not arrive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from bulksend.errors import BulksendError, NoPortalError, UnknownPortalError
from bulksend.journal import State
from bulksend.locale import N_, _
from bulksend.locale.formats import number

if TYPE_CHECKING:
    from collections.abc import Collection

    from bulksend.journal import Run
    from bulksend.sender.options import RunResult
    from bulksend.validation import Report

_OF_ERRORS: Final[dict[type[BulksendError], str]] = {
    NoPortalError: N_(
        "--portal takes a saved name (see `bulksend portal add`), a webhook's address, or `sandbox` to rehearse."
    ),
    UnknownPortalError: N_("`bulksend portal add NAME` saves one."),
}

OF_ERROR_CODES: Final = {
    "CONTINUED": N_("--sheet chooses one."),
    "AT": N_("--at takes it."),
    "DAYS": N_("--days takes them."),
    "DOUBLED_COLUMNS": N_('--map {field}="{first}" chooses the first.'),
    "DURATION": N_("--over takes it."),
    "EMPTY_SHEET_OF_SEVERAL": N_("--sheet does."),
    "FILE_EXISTS": N_("--force writes over it."),
    "HOURS": N_("--hours takes them."),
    "NOT_AFTER": N_("--not-after takes it."),
    "JOURNAL_UNUSABLE": N_("To do so: `bulksend resume`."),
    "MAX_FAILURES": N_("--max-failures takes them."),
    "NEEDS_TLS": N_("Give --tls-cert and --tls-key, and add a user with `bulksend web user add NAME`."),
    "NEEDS_URL": N_("--url does."),
    "NO_USERS": N_("`bulksend web user add NAME` adds one."),
    "NO_SUCH_USER": N_("`bulksend web user list` lists them."),
    "USER_EXISTS": N_("`bulksend web user password NAME` changes the password."),
    "NEWER_JOURNAL": N_("--journal names one."),
    "NO_MESSAGES": N_("--message or --message-file gives one."),
    "NO_SHEETS_HERE": N_("Leave out --sheet."),
    "NO_SUCH_RUN": N_("`bulksend runs` lists them."),
    "NO_VISIBLE_SHEET": N_("--sheet chooses one."),
    "PORTAL_EXISTS": N_("--replace does."),
    "PORT_TAKEN": N_("--port or --listen names it; without them the page takes any that is free."),
    "QUEUE_NEEDS_SERVER": N_("--journal takes it."),
    "RESULTS_NOT_WRITTEN": N_("To do so: `bulksend results {run} --results PATH`."),
    "RESULTS_PATH": N_("--results names it."),
    "SAME_HEADINGS": N_('--map {field}="{first}" chooses the first.'),
    "TAKEN_OVER": N_("`bulksend runs` shows how it goes on."),
    "UNFINISHED": N_("To do so: `bulksend resume {run}`."),
    "UNKNOWN_FIELD": N_("--map takes FIELD=HEADING."),
    "UNKNOWN_HEADING": N_("--map {field}=HEADING chooses one."),
}
"""By the code of an error; those of sheets are the names of `Refusal`. Words in braces are the error's."""

_OF_CODES: Final = {
    "ALREADY_SENT": N_("--again sends once more what another campaign sent"),
    "BEYOND_LIMIT": N_("the rest is sent without --limit"),
    "CANCELED": N_("--join lets the user who speaks join the chat, and --user-id names another"),
    "CHAT_NOT_IN_CRM": N_("`bulksend lookup FILE` finds the active chats of a sheet's entities"),
    "DIALOG_FINISHED": N_("--reopen starts finished dialogs again; the webhook's user becomes their operator"),
    "ERROR_BATCH_LENGTH_EXCEEDED": N_("--batch makes batches smaller"),
    "TOO_LATE": N_("`bulksend retry` with a later --not-after, or with --not-after never, sends what was too late"),
    "HIDDEN_ROW": N_("--include-hidden sends hidden rows too"),
}


def portal_option(run: Run) -> str:
    """What a command on a campaign has to be given besides: the address of a portal that is not saved."""
    return "" if run.portal_name else _(" --portal ADDRESS")


def hints(run: Run, codes: Collection[tuple[State, str]], *, reopened: bool = False) -> list[str]:
    """What can be typed about the rows of a campaign that ended with these states and codes.

    ``reopened`` says that finished dialogs were started again.
    """
    named = {code for _state, code in codes}
    if reopened:
        named.discard("DIALOG_FINISHED")
    elif "CHAT_NOT_IN_CRM" in named:  # it may be the one as well as the other
        named.add("DIALOG_FINISHED")
    found = [_of_code(code) for code in sorted(named) if code in _OF_CODES]
    if any(state is State.UNKNOWN for state, _code in codes):
        command = f"bulksend retry {run.id} --resend-unknown{portal_option(run)}"
        text = _("To send unknown rows again, once you have looked into their chats: {command}")
        found.append(text.format(command=command))
    return found


def stop_sentence(result: RunResult) -> str:
    """Why a campaign stopped early, and what to do about it on the command line."""
    from bulksend.sender.options import StopReason

    if result.how is StopReason.TOO_MANY_FAILURES:
        return " ".join((result.sentence, _("--max-failures sets how many.")))
    return result.sentence


def hint_for_findings(report: Report) -> list[str]:
    """What can be typed about rows that cannot be sent as they are, and those that may have been sent."""
    found = {problem.code for problem in report.problems}
    hints = [_of_code("DIALOG_FINISHED")] if "DIALOG_FINISHED" in found else []
    if "INVALID_CHAT_ID" in found:
        text = _("`bulksend lookup FILE` finds chats where cells are empty, and so does `send --lookup`")
        hints.append(f"INVALID_CHAT_ID: {text}.")
    if report.marked_sent and not report.without_sent:
        hints.append(_("To leave out what was sent or may have been, use --skip-sent."))
    return hints


def _of_code(code: str) -> str:
    text = _(_OF_CODES[code])
    return f"{code}: {text}."


def with_hint(error: BulksendError) -> str:
    """The error's sentence, followed by what to do on the command line where the library cannot know it."""
    sentence = str(error)
    if type(error) in _OF_ERRORS:
        return " ".join((sentence, _(_OF_ERRORS[type(error)])))
    if error.code in OF_ERROR_CODES:
        return " ".join((sentence, _(OF_ERROR_CODES[error.code]).format(**error.words)))
    if error.code == "MISSING_COLUMNS":
        return " ".join(filter(None, (sentence, _for_missing(**error.words))))
    if "bulksend.entry.refusals" not in sys.modules:  # it cannot be one of its errors, and takes long to import
        return sentence
    from bulksend.entry.refusals import AlreadyDone, CampaignChanged, SentBefore

    if isinstance(error, AlreadyDone):
        counts = error.run.counts
        uncertain = counts.failed + counts.unknown
        said = [sentence]
        if uncertain:
            text = _("Rows that did not arrive for certain: {rows}; for them use `{command}`.")
            command = f"bulksend retry {error.run.id}{portal_option(error.run)}"
            said.append(text.format(rows=number(uncertain), command=command))
        return " ".join([*said, _("To send all of it once more, add --again.")])
    if isinstance(error, SentBefore):
        advice = _("Nothing was sent: leave them out with --skip-sent, or send them once more with --again.")
        return f"{sentence} {advice}"
    if isinstance(error, CampaignChanged):
        return " ".join((sentence, _("`bulksend runs` shows how it stands.")))
    return sentence


def _for_missing(missing: object = "", near: object = None, *, others: object = False, **_words: object) -> str:
    """How to choose another sheet and the headings that say a missing field, or what to do without the field."""
    said = [_("--sheet chooses one.")] if others else []
    if isinstance(near, dict) and near:
        maps = " ".join(f'--map {field}="{heading.strip()}"' for field, heading in near.items())
        return " ".join([*said, _("To choose: {options}.").format(options=maps)])
    first = str(missing).partition(",")[0].split()[0]
    if missing == "CHAT_ID":
        said.append(_("`bulksend lookup` fills the chats in."))
    elif missing == "MESSAGE":
        said.append(_("--message or --message-file gives one."))
    said.append(_('Under another heading: --map {field}="HEADING".').format(field=first))
    if first != missing and not others:
        said.append(_("`bulksend template` writes a sheet to start from."))
    return " ".join(said)
