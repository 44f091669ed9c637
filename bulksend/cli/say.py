"""How sentences are shown: whole words to the width of a terminal, one line each where something else reads them."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bulksend.validation import Report


def say(sentence: str, *, err: bool = True) -> None:
    """Show a sentence on standard error (or output)."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        sentence = textwrap.fill(sentence, _width(), break_long_words=False, break_on_hyphens=False)
    click.echo(sentence, err=err)


def say_first_messages(report: Report, *, err: bool = True) -> None:
    """Show the first messages of a sheet as they would go out, each in one line."""
    for number, kind, entity, chat, _, message in report.preview:
        line = f"  row {number}, chat {chat} ({kind} {entity}): {' '.join(message.split())}"
        click.echo(line if len(line) <= _width() else f"{line[: _width() - 1]}…", err=err)


def _width() -> int:
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))
