"""The results sheet of a campaign: what the journal knows, in the words of the results sheet.

What reads and writes sheets is imported when one is written: a campaign is gone on with sooner without it.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulksend.errors import UsageError
from bulksend.journal import State

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

_UNDER_WAY: Final = frozenset({State.SENDING.value, State.IN_DOUBT.value})


def results_path(file: Path, file_format: str) -> Path:
    """Where the results of a sheet go unless told otherwise: ``FILE.results.csv`` or ``.xlsx`` beside it."""
    from bulksend.sheet.atomic import beside  # noqa: PLC0415 - see the module's docstring

    return beside(file, file_format, "results")


def write_run_results(
    journal: Journal, run: Run, path: Path | None = None, *, untold: tuple[str, str] | None = None, note: bool = True
) -> Path:
    """Write the campaign's results sheet and return where it is.

    Args:
        journal: what knows the campaign's rows.
        run: the campaign.
        path: where to write; without it the place that the campaign was given.
        untold: error code and description for rows that are still to be sent; else how to go on with them.
        note: whether the journal is to remember where the sheet is.

    Raises:
        UsageError: it cannot be written there.
    """
    from bulksend.plan import dialect_of  # noqa: PLC0415 - see the module's docstring
    from bulksend.sheet.atomic import format_of  # noqa: PLC0415
    from bulksend.sheet.headings import RESULT_COLUMNS  # noqa: PLC0415
    from bulksend.sheet.results import write_results  # noqa: PLC0415

    target = path or Path(run.results_path)
    try:
        written = write_results(
            target,
            format=format_of(target, run.sheet["format"]),
            headings=[*run.headings, *RESULT_COLUMNS],
            rows=_lines(journal, run, untold),
            dialect=dialect_of(run.sheet),
            summary=_summary(run),
            status_column=len(run.headings),
        )
    except OSError as error:
        raise UsageError(
            f"The results sheet cannot be written to {target} ({error.strerror or 'write error'}); everything is in "
            f"the journal: write it elsewhere with `bulksend results {run.id} --results PATH`."
        ) from None
    if note:
        journal.note_results(run.id, str(written))
    return written


def _lines(journal: Journal, run: Run, untold: tuple[str, str] | None) -> Iterator[list[str]]:
    stopped = "", f"The campaign stopped before this row: go on with `bulksend resume {run.id}`."
    pending = untold or stopped
    number = "RUN" if untold else str(run.id)  # a campaign that was only rehearsed has none
    doubt = (
        "The message left, and the campaign stopped before it was known whether it arrived: "
        f"`bulksend resume {number}` finds it in the chat's history, and sends it again only if it is not there."
    )
    words = {state.value: word for state, word in STATUS.items()}
    cells_of = json.JSONDecoder().decode
    for chunk in journal.outcomes(run.id):
        for _, cells, state, message_id, code, description, sent_at, attempts in chunk:
            told, why = code or "", description or ""
            if state == State.PENDING.value:
                told, why = pending
            elif state in _UNDER_WAY:
                told, why = told or "ANSWER_LOST", doubt
            elif state == State.SENT.value:
                told = why = ""
            yield [
                *cells_of(cells),
                words[state],
                "" if message_id is None else str(message_id),
                told,
                why.replace(" RUN", f" {number}") if why else "",
                _moment(sent_at),
                str(attempts),
            ]


def _moment(at: float | None) -> str:
    return "" if at is None else _second(int(at))


@lru_cache(maxsize=1_000)  # rows of one batch were sent in the same second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def _summary(run: Run) -> list[tuple[str, str | int]]:
    facts: list[tuple[str, Any]] = [
        ("Campaign", run.id),
        ("Sheet", Path(run.file).name),
        ("Portal", run.portal_name or run.portal_address),
        ("Who spoke", f"user {run.user_id} where the row names nobody"),
        ("Begun", _moment(run.created_at)),
        ("Written", _moment(time.time())),
    ]
    if run.reason:
        facts.append(("Stopped because", run.reason))
    return facts
