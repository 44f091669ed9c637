"""What to type next after an error, or after rows that did not arrive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from bulksend.errors import BulksendError, NoPortalError, UnknownPortalError
from bulksend.journal import State

if TYPE_CHECKING:
    from collections.abc import Collection

    from bulksend.sender.options import RunResult
    from bulksend.validation import Report

_OF_ERRORS: Final[dict[type[BulksendError], str]] = {
    NoPortalError: "--portal takes a saved name (see `bulksend portal add`), a webhook's address, or `sandbox` to "
    "rehearse.",
    UnknownPortalError: "`bulksend portal add NAME` saves one.",
}

OF_ERROR_CODES: Final = {
    "CONTINUED": "--sheet chooses one.",
    "AT": "--at takes it.",
    "DAYS": "--days takes them.",
    "DOUBLED_COLUMNS": "--map {field}=HEADING does.",
    "DURATION": "--over takes it.",
    "EMPTY_SHEET_OF_SEVERAL": "--sheet does.",
    "HOURS": "--hours takes them.",
    "NOT_AFTER": "--not-after takes it.",
    "JOURNAL_UNUSABLE": "To do so: `bulksend resume`.",
    "MAX_FAILURES": "--max-failures takes them.",
    "NEEDS_TLS": "Give --tls-cert and --tls-key, and add a user with `bulksend web user add NAME`.",
    "NEEDS_URL": "--url does.",
    "NO_USERS": "`bulksend web user add NAME` adds one.",
    "NO_SUCH_USER": "`bulksend web user list` lists them.",
    "USER_EXISTS": "`bulksend web user password NAME` changes the password.",
    "NEWER_JOURNAL": "--journal names one.",
    "NO_MESSAGES": "--message or --message-file gives one.",
    "NO_SHEETS_HERE": "Leave out --sheet.",
    "NO_SUCH_RUN": "`bulksend runs` lists them.",
    "NO_VISIBLE_SHEET": "--sheet chooses one.",
    "PORT_TAKEN": "--port or --listen names it; without them the page takes any that is free.",
    "QUEUE_NEEDS_SERVER": "--journal takes it.",
    "RESULTS_NOT_WRITTEN": "To do so: `bulksend results {run} --results PATH`.",
    "RESULTS_PATH": "--results names it.",
    "TAKEN_OVER": "`bulksend runs` shows how it goes on.",
    "UNFINISHED": "To do so: `bulksend resume {run}`.",
    "UNKNOWN_FIELD": "--map takes FIELD=HEADING.",
    "UNKNOWN_HEADING": "--map {field}=HEADING chooses one.",
}
"""By the code of an error; those of sheets are the names of `Refusal`. Words in braces are the error's."""

_OF_CODES: Final = {
    "ALREADY_SENT": "--again sends once more what another campaign sent",
    "BEYOND_LIMIT": "the rest is sent without --limit",
    "CANCELED": "--join lets the user who speaks join the chat, and --user-id names another",
    "CHAT_NOT_IN_CRM": "`bulksend lookup FILE` finds the active chats of a sheet's entities",
    "DIALOG_FINISHED": "--reopen starts finished dialogs again; the webhook's user becomes their operator",
    "ERROR_BATCH_LENGTH_EXCEEDED": "--batch makes batches smaller",
    "TOO_LATE": "`bulksend retry` with a later --not-after, or with --not-after never, sends what was too late",
    "HIDDEN_ROW": "--include-hidden sends hidden rows too",
}


def hints(run_id: int, codes: Collection[tuple[State, str]], *, reopened: bool = False) -> list[str]:
    """What can be typed about the rows of a campaign that ended with these states and codes.

    ``reopened`` says that finished dialogs were started again.
    """
    named = {code for _, code in codes}
    if reopened:
        named.discard("DIALOG_FINISHED")
    elif "CHAT_NOT_IN_CRM" in named:  # it may be the one as well as the other
        named.add("DIALOG_FINISHED")
    found = [f"{code}: {_OF_CODES[code]}." for code in sorted(named) if code in _OF_CODES]
    if any(state is State.UNKNOWN for state, _ in codes):
        found.append(
            "To send unknown rows again, once you have looked into their chats: "
            f"bulksend retry {run_id} --resend-unknown"
        )
    return found


def stop_sentence(result: RunResult) -> str:
    """Why a campaign stopped early, and what to do about it on the command line."""
    from bulksend.sender.options import StopReason

    allowed = " --max-failures sets how many." if result.how is StopReason.TOO_MANY_FAILURES else ""
    return f"{result.sentence}{allowed}"


def hint_for_findings(report: Report) -> list[str]:
    """What can be typed about rows whose dialogs the portal says are not active."""
    code = "DIALOG_FINISHED"
    return [f"{code}: {_OF_CODES[code]}."] if any(problem.code == code for problem in report.problems) else []


def with_hint(error: BulksendError) -> str:
    """The error's sentence, followed by what to do on the command line where the library cannot know it."""
    sentence = str(error)
    if type(error) in _OF_ERRORS:
        return f"{sentence} {_OF_ERRORS[type(error)]}"
    if error.code in OF_ERROR_CODES:
        return f"{sentence} {OF_ERROR_CODES[error.code].format(**error.words)}"
    if error.code == "MISSING_COLUMNS":
        return " ".join(filter(None, (sentence, _for_missing(**error.words))))
    if "bulksend.entry" not in sys.modules:  # it cannot be one of its errors, and takes long to import
        return sentence
    from bulksend.entry import AlreadyDone, CampaignChanged, SentBefore

    if isinstance(error, AlreadyDone):
        counts = error.run.counts
        uncertain = counts.failed + counts.unknown
        if uncertain:
            sentence += (
                f" Rows that did not arrive for certain: {uncertain}; for them use `bulksend retry {error.run.id}`."
            )
        return f"{sentence} To send all of it once more, add --again."
    if isinstance(error, SentBefore):
        return f"{sentence} Nothing was sent: leave them out with --skip-sent, or send them once more with --again."
    if isinstance(error, CampaignChanged):
        return f"{sentence} `bulksend runs` shows how it stands."
    return sentence


def _for_missing(missing: object = "", near: object = None, **_: object) -> str:
    """How to choose the headings that nearly say a missing field, or what to do without the field."""
    if isinstance(near, dict) and near:
        maps = " ".join(f'--map {field}="{heading.strip()}"' for field, heading in near.items())
        return f"To choose: {maps}."
    if missing == "CHAT_ID":
        return "`bulksend lookup` fills the chats in."
    return "--message or --message-file gives one." if missing == "MESSAGE" else ""
