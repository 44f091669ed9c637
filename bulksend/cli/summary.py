"""How a campaign stands: in words, as plain values, as an exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulksend.cli import REFUSED, STOPPED
from bulksend.cli.signals import INTERRUPTED
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number

if TYPE_CHECKING:
    from bulksend.journal import Run
    from bulksend.sender.options import RunResult


def exit_code(run: Run, ending: RunResult) -> int:
    """The exit code that says how a campaign ended."""
    from bulksend.sender.options import StopReason

    counts = run.counts
    if ending.how is StopReason.INTERRUPTED:
        return INTERRUPTED
    if ending.how is StopReason.NEVER_REACHED and not (
        counts.sent or counts.failed or counts.unknown or counts.in_doubt
    ):
        return REFUSED
    if ending.how is not StopReason.ENDED:
        return STOPPED
    return 0 if counts.sent == counts.total else 1


def tally(run: Run) -> str:
    """How a campaign stands, in one line."""
    counts = run.counts
    doubtful = counts.unknown + counts.sending + counts.in_doubt
    parts = [
        text.format(rows=number(rows))
        for text, rows in (
            (_("failed: {rows}"), counts.failed),
            (_("unknown: {rows}"), doubtful),
            (_("invalid: {rows}"), counts.invalid),
            (_("skipped: {rows}"), counts.skipped),
            (_("not sent: {rows}"), counts.pending),
        )
        if rows
    ]
    if parts:
        text = ngettext(
            "Campaign {run}: {sent} of {total} row sent; {others}.",
            "Campaign {run}: {sent} of {total} rows sent; {others}.",
            counts.total,
        )
    else:
        text = ngettext(
            "Campaign {run}: {sent} of {total} row sent.", "Campaign {run}: {sent} of {total} rows sent.", counts.total
        )
    return text.format(run=run.id, sent=number(counts.sent), total=number(counts.total), others=", ".join(parts))


def summary(run: Run, how: str, path: Path | None, code: int | None, reason: str = "") -> dict[str, Any]:
    """How a campaign stands, as plain values; the counts are by the statuses of the results sheet."""
    return {
        "run": run.id,
        "file": run.file,
        "portal": run.portal_name or run.portal_address,
        "ended": how,
        "reason": reason or run.reason,
        "rows": run.counts.total,
        **run.counts.by_status(),
        "results": None if path is None else str(path),
        **({} if code is None else {"exit_code": code}),
    }


def results_line(run: Run, path: Path) -> str:
    """Where the results are; of a rehearsal it is said that they are of one, since their columns do not tell."""
    from bulksend.target import SANDBOX

    if run.portal == SANDBOX:
        text = _("Results of a rehearsal, in which no customer got anything: {path}")
    else:
        text = _("Results: {path}")
    return text.format(path=shown_path(path))


def shown_path(path: Path) -> Path:
    """A path as it is shortest from here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def in_command(path: Path) -> str:
    """A path as it is typed after a command: a name with spaces in double quotes, which every shell knows."""
    text = str(shown_path(path))
    return text if re.fullmatch(r"[\w./\\:+=-]+", text) else f'"{text}"'
