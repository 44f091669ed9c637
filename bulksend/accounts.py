"""The results sheet of a campaign: what the journal knows, in the words of the results sheet."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulksend.errors import UsageError
from bulksend.journal import State
from bulksend.plan import dialect_of
from bulksend.portal.advice import advice
from bulksend.sheet import RESULT_COLUMNS, write_results
from bulksend.sheet.aside import beside, format_of

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


def results_path(file: Path, file_format: str) -> Path:
    """Where the results of a sheet go unless told otherwise: ``FILE.results.csv`` or ``.xlsx`` beside it."""
    return beside(file, file_format, "results")


def write_accounts(journal: Journal, run: Run, path: Path | None = None) -> Path:
    """Write the campaign's results sheet and return where it is.

    ``path`` is where to write; without it the place that the campaign was given.

    Raises:
        UsageError: it cannot be written there.
    """
    target = path or Path(run.results_path)
    try:
        written = write_results(
            target,
            format=format_of(target, run.sheet["format"]),
            headings=[*run.headings, *RESULT_COLUMNS],
            rows=_lines(journal, run),
            dialect=dialect_of(run.sheet),
            summary=_summary(run),
            status_column=len(run.headings),
        )
    except OSError as error:
        raise UsageError(
            f"The results sheet cannot be written to {target} ({error.strerror or 'write error'}); everything is in "
            f"the journal: write it elsewhere with `bulksend results {run.id} --results PATH`."
        ) from None
    journal.note_results(run.id, str(written))
    return written


def _lines(journal: Journal, run: Run) -> Iterator[list[str]]:
    blank: tuple[str, str] = ("", f"The campaign stopped before this row: go on with `bulksend resume {run.id}`.")
    doubt = advice("UNKNOWN").replace("RUN", str(run.id))
    for piece in journal.outcomes(run.id):
        for record in piece:
            state = State(record.state)
            code, description = record.error_code or "", record.error_description or ""
            if state is State.PENDING:
                code, description = blank
            elif state in {State.SENDING, State.IN_DOUBT}:
                code, description = code or "ANSWER_LOST", doubt
            elif state is State.SENT:
                code = description = ""
            yield [
                *json.loads(record.cells),
                STATUS[state],
                str(record.message_id or ""),
                code,
                description.replace(" RUN", f" {run.id}"),
                _moment(record.sent_at),
                str(record.attempts),
            ]


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


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
