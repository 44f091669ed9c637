"""Writes to the terminal: wrapped at its width, one line a sentence where a program reads it.

What a command was asked for goes to standard output, and failing to write it is an error; everything else goes to
standard error, where it is not. Secrets are removed from both here, wherever the text comes from: an address may have
been given as a file's name.
"""

from __future__ import annotations

import contextlib
import os
import sys
from contextvars import ContextVar
from typing import Final

import click

from bulksend.errors import BulksendError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.portal.redaction import without_secrets

quiet: Final[ContextVar[bool]] = ContextVar("bulksend_quiet", default=False)
"""Whether standard error is for programs, and what people would read there is left out."""


class OutputError(BulksendError):
    """Standard output cannot be written."""


class ReaderGone(OutputError):
    """The reader of standard output has closed it, as in ``bulksend runs | head -1``; nothing is wrong."""


class NothingSent(BulksendError):
    """Nothing was sent, for a reason that is no error."""


def put(line: str, *, secrets: bool = False) -> None:
    """Write a line to standard output; ``secrets`` are removed from it unless they were asked for.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        click.echo(line if secrets else without_secrets(line))
    except OSError as error:
        sentence = _("Standard output cannot be written ({reason}).").format(reason=reason(error) or _("write error"))
        raise (ReaderGone if isinstance(error, BrokenPipeError) else OutputError)(sentence) from None


def describe_os_error(error: OSError) -> str:
    """What the operating system refused, in a sentence."""
    why = reason(error) or type(error).__name__
    place = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
    return _(
        "The operating system refused what was to be done: {reason}{place}; correct that, then run this again."
    ).format(reason=why, place=place)


def describe_bug(error: BaseException) -> str:
    """The sentence for an unforeseen error."""
    return _(
        "something went wrong inside bulksend ({error}). What was sent is in the journal, so "
        "`bulksend resume` continues safely. Please report this, with what --verbose adds."
    ).format(error=type(error).__name__)


def say_traceback(error: BaseException) -> None:
    """Write where an error comes from, for a bug report."""
    import traceback

    hint("".join(traceback.format_exception(error)))


def say(sentence: str, *, err: bool = True) -> None:
    """Write a sentence to standard error (or output), wrapped on a terminal."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        import textwrap

        sentence = textwrap.fill(sentence, _width(), break_long_words=False, break_on_hyphens=False)
    if not err:
        put(sentence)
        return
    hint(sentence)


def say_warnings(context: click.Context, logger_name: str) -> None:
    """Say what a part of the library warns of, until the command ends."""
    import logging

    class Saying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    logger, handler = logging.getLogger(logger_name), Saying(logging.WARNING)
    logger.addHandler(handler)
    context.find_root().call_on_close(lambda: logger.removeHandler(handler))


def hint(line: str, *, end: str = "\n", secrets: bool = False) -> None:
    """Write a line to standard error, likewise; failing to is ignored."""
    if quiet.get():
        return
    with contextlib.suppress(OSError):
        click.echo(f"{line if secrets else without_secrets(line)}{end}", err=True, nl=False)


def message_line(number: int, kind: str, entity: int, chat: int, message: str) -> str:
    """A row's message as it would be sent, in one line."""
    from bulksend.sheet.messages import entity_in_words

    line = _("  row {number}, chat {chat} ({entity}): {message}").format(
        number=number, chat=chat, entity=entity_in_words(kind, entity), message=" ".join(message.split())
    )
    return line if len(line) <= _width() else f"{line[: _width() - 1]}…"


def _width() -> int:
    import shutil

    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))
