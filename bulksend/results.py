"""The results sheet of a campaign: where it goes, and what it says of each row.

What reads and writes sheets is imported where it is used, so that a campaign is resumed sooner without it.
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulksend.errors import SheetError, UsageError
from bulksend.journal import State
from bulksend.locale import N_, _
from bulksend.locale.formats import reason
from bulksend.portal.redaction import without_secrets
from bulksend.target import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend.journal import Journal, Run

STATUS: Final = {
    State.PENDING: "not_sent",
    State.SENDING: "unknown",
    State.IN_DOUBT: "unknown",
    State.SENT: "sent",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown",
    State.INVALID: "invalid",
    State.SKIPPED: "skipped",
}
"""What the results sheet calls each state of a row."""

_UNDER_WAY: Final = frozenset({State.SENDING, State.IN_DOUBT})

_PENDING: Final = N_("The campaign stopped before this row: resume the campaign.")
_DOUBT: Final = N_(
    "The message left, and the campaign stopped before it was known whether it arrived: "
    "resume the campaign. It is then looked for in the chat's history, and sent again only "
    "if it is not there."
)


def default_path(file: Path, file_format: str, word: str = "results") -> Path:
    """Where what is made from a sheet goes by default: ``FILE.results.csv`` or ``.xlsx`` beside it."""
    from bulksend.sheet.atomic import is_text  # noqa: PLC0415 - see the module's docstring

    suffix = ".xlsx" if file_format != "csv" else file.suffix if is_text(file) else ".csv"
    return file.with_name(f"{file.stem}.{word}{suffix}")


def check_path(path: Path, source: Path | None = None) -> Path:
    """Return ``path``, made absolute, if results may be written there.

    Args:
        path: where a person wants the results, the filled sheet or the copy with its problems.
        source: the sheet they are made from, where it is known.

    Raises:
        UsageError: they would overwrite the sheet or another file that bulksend did not make, there is no such folder,
            or the name is not that of a workbook or a text file.
    """
    from bulksend.sheet.atomic import can_be_written  # noqa: PLC0415

    if str(path) == "-":
        raise _refused(_("Results are a file: give the name of one, such as results.csv, not '-'."))
    if not can_be_written(path):
        raise _refused(
            _("Results are a workbook or a text: give a name in .xlsx or .csv, not '{path}'.").format(path=path)
        )
    path = path.absolute()
    if source is not None and (path == source.absolute() or _same_file(path, source)):
        raise _refused(_("The results would overwrite {path} itself: give them another name.").format(path=source))
    if not path.parent.is_dir():
        raise _refused(_("There is no folder '{folder}': create it, or choose another.").format(folder=path.parent))
    if not _may_replace(path):
        raise _refused(
            _(
                "'{path}' exists and was not made by bulksend, so it is not overwritten: choose another "
                "name, or move it away."
            ).format(path=path)
        )
    return path


def _refused(sentence: str) -> UsageError:
    return UsageError(sentence, code="RESULTS_PATH")


def free_path(journal: Journal, path: Path) -> Path:
    """Return ``path``, or a numbered name like it, where the results of a new campaign overwrite nothing.

    A rehearsal's results may be replaced; those of another campaign on a real portal, and other people's files, not.
    """
    free, number = path, 1
    while journal.keeps_results(str(free), but_for=SANDBOX) or not (
        journal.keeps_results(str(free)) or _may_replace(free)
    ):
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free


def _same_file(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def _may_replace(path: Path) -> bool:
    """Whether ``path`` is a place for what bulksend writes: nothing is there, or a sheet that it made.

    Its headings say so: those of results (or of problems, which are the same), or of a lookup. What somebody has
    changed in it is kept when it is written to (`keep_changed`).
    """
    if not path.exists():
        return True
    if not path.is_file():
        return False
    from bulksend.sheet.headings import LOOKUP_NOTE, OTHER_CHATS, RESULT_COLUMNS  # noqa: PLC0415
    from bulksend.sheet.reading import open_sheet  # noqa: PLC0415
    from bulksend.sheet.written import has_written  # noqa: PLC0415

    if has_written(path):
        return True
    looked_up = {LOOKUP_NOTE, OTHER_CHATS}
    try:
        if not path.stat().st_size:  # made to reserve a name, as mktemp does
            return True
        sheet = open_sheet(path, heading_names=(*RESULT_COLUMNS, *looked_up))
    except (SheetError, OSError):
        return False
    return sheet.original_width < len(sheet.headings) or looked_up <= set(sheet.headings)


def write_run_results(
    journal: Journal, run: Run, path: Path | None = None, *, not_sent: tuple[str, str] | None = None, note: bool = True
) -> Path:
    """Write the campaign's results sheet and return where it is.

    Args:
        journal: what knows the campaign's rows.
        run: the campaign.
        path: where to write; without it the place that the campaign was given.
        not_sent: error code and description for rows that are still to be sent; by default how to send them.
        note: whether the journal is to remember where the sheet is.

    Raises:
        UsageError: it cannot be written there.
    """
    from bulksend.plan import dialect_of  # noqa: PLC0415 - see the module's docstring
    from bulksend.sheet.atomic import format_of  # noqa: PLC0415
    from bulksend.sheet.headings import RESULT_COLUMNS  # noqa: PLC0415
    from bulksend.sheet.writing import write_sheet  # noqa: PLC0415

    target = path or Path(run.results_path)
    try:
        written = write_sheet(
            target,
            format=format_of(target, run.sheet["format"]),
            headings=[*run.headings, *RESULT_COLUMNS],
            rows=_rows(journal, run, not_sent or ("", _(_PENDING))),
            dialect=dialect_of(run.sheet),
            name=_("Rehearsal") if run.portal == SANDBOX else _("Results"),
            summary=_summary(run),
            status_column=len(run.headings),
        )
    except OSError as error:
        raise UsageError(
            _(
                "The results sheet cannot be written to {path} ({reason}); everything is in the journal: "
                "write it elsewhere."
            ).format(path=target, reason=reason(error) or _("write error")),
            code="RESULTS_NOT_WRITTEN",
            run=run.id,
        ) from None
    if note:
        journal.note_results(run.id, str(written))
    return written


def _rows(journal: Journal, run: Run, pending: tuple[str, str]) -> Iterator[tuple[list[str], bool]]:
    from bulksend.sheet.headings import ResultCells  # noqa: PLC0415

    in_doubt = _(_DOUBT)
    sent = State.SENT  # most rows are, and looking it up for each takes longer than the comparison
    for (
        _number,
        cells,
        state,
        message_id,
        noted_code,
        noted_description,
        sent_at,
        attempts,
        delivery,
    ) in journal.outcomes(run.id):
        code = description = ""
        if state is sent:
            pass
        elif state is State.PENDING:
            code, description = pending
        elif state in _UNDER_WAY:
            code, description = noted_code or "ANSWER_LOST", in_doubt
        else:
            code, description = _shown(noted_code), _shown(noted_description)
        message = "" if message_id is None else str(message_id)
        results = ResultCells(STATUS[state], message, code, description, _moment(sent_at), str(attempts), delivery)
        yield [*cells, *results], code == "HIDDEN_ROW"  # as it was: it is not to be sent from here either


_shown = lru_cache(maxsize=1_000)(without_secrets)  # few different sentences for many rows


def _moment(at: float | None) -> str:
    return "" if at is None else _second(int(at))


@lru_cache(maxsize=1_000)  # rows of one batch were sent in the same second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def _summary(run: Run) -> list[tuple[str, str | int]]:
    facts: list[tuple[str, Any]] = [
        (_("Campaign"), run.id),
        (_("Sheet"), Path(run.file).name),
        (_("Portal"), run.portal_name or run.portal_address),
        (_("Who spoke"), _("user {user} where the row names nobody").format(user=run.user_id)),
        (_("Begun"), _moment(run.created_at)),
        (_("Written"), _moment(time.time())),
    ]
    if run.reason:
        facts.append((_("Stopped because"), without_secrets(run.reason)))
    return facts
