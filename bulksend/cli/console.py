"""How sentences are shown: whole words to the width of a terminal, one line each where something else reads them.

What a command was asked for goes to standard output and has to get there; talk goes to standard error, and that nobody
hears it ends nothing. Secrets are taken out of both here, whoever made the text: an address may have been given as a
file's name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from bulksend.errors import BulksendError
from bulksend.portal.redaction import without_secrets

if TYPE_CHECKING:
    from bulksend.validation import Report


class OutputError(BulksendError):
    """Standard output cannot be written."""


class NobodyReads(OutputError):
    """Who read standard output has gone, as in ``bulksend runs | head -1``: nothing is wrong."""


class NothingSent(BulksendError):
    """Nothing was sent, as the sentence says by itself."""


def put(line: str, *, secrets: bool = False) -> None:
    """Show a line on standard output, as it is but for secrets, unless they are what was asked for.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        click.echo(line if secrets else without_secrets(line))
    except OSError as error:
        sentence = f"Standard output cannot be written ({error.strerror or 'write error'})."
        raise (NobodyReads if isinstance(error, BrokenPipeError) else OutputError)(sentence) from None


def describe_os_error(error: OSError) -> str:
    """What this computer refused, in a sentence."""
    why = error.strerror or type(error).__name__
    place = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
    return f"The operating system refused what was to be done: {why}{place}; correct that, then run this again."


def describe_bug(error: BaseException) -> str:
    """What is said of an error that nobody foresaw."""
    return (
        f"something went wrong inside bulksend ({type(error).__name__}). What was sent is in the journal, so "
        "`bulksend resume` continues safely. Please report this, with what --verbose adds."
    )


def say_traceback(error: BaseException) -> None:
    """Show where an error comes from, for a report."""
    import traceback

    hint("".join(traceback.format_exception(error)))


def say(sentence: str, *, err: bool = True) -> None:
    """Show a sentence on standard error (or output)."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        sentence = textwrap.fill(sentence, _width(), break_long_words=False, break_on_hyphens=False)
    if not err:
        put(sentence)
        return
    hint(sentence)


def hint(line: str, *, end: str = "\n", secrets: bool = False) -> None:
    """Show a line on standard error, likewise; that nobody reads it changes nothing."""
    with contextlib.suppress(OSError):
        click.echo(f"{line if secrets else without_secrets(line)}{end}", err=True, nl=False)


def say_first_messages(report: Report, *, err: bool = True) -> None:
    """Show the first messages of a sheet as they would go out, each in one line."""
    for number, kind, entity, chat, _, message in report.preview:
        line = f"  row {number}, chat {chat} ({kind} {entity}): {' '.join(message.split())}"
        shown = line if len(line) <= _width() else f"{line[: _width() - 1]}…"
        if err:
            hint(shown)
        else:
            put(shown)


def _width() -> int:
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))
