"""The command line in the reader's language: click's own sentences, and the help of the commands."""

from __future__ import annotations

import copy
import gettext
import inspect
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from bulksend.locale import LANGUAGES, N_, _, known, language, use_language
from bulksend.locale.catalogues import DOMAIN, FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE: Final = "BULKSEND_LANG"

_LANG: Final = click.Option(
    ["--lang"],
    type=click.Choice(LANGUAGES, case_sensitive=False),
    envvar=VARIABLE,
    expose_value=False,
    is_eager=True,
    help=N_("The language; else the system's."),
)
"""Every command takes it. What it means is found in `spoken` already, since click's own refusals are said in it too."""


@contextmanager
def spoken(arguments: Sequence[str]) -> Iterator[None]:
    """Speak the language that a command line asks for; click and the processes it starts do so too."""
    with use_language(_asked(arguments)):
        # click takes its sentences from gettext's default domain, which has its language from the environment.
        domain, folder = gettext.textdomain(), gettext.bindtextdomain(DOMAIN)
        before = {name: os.environ.get(name) for name in ("LANGUAGE", VARIABLE)}
        gettext.textdomain(DOMAIN)
        gettext.bindtextdomain(DOMAIN, FOLDER)
        os.environ["LANGUAGE"] = language()
        if known(os.environ.get(VARIABLE) or language()):  # any other is refused like an option
            os.environ[VARIABLE] = language()
        try:
            yield
        finally:
            gettext.textdomain(domain)
            gettext.bindtextdomain(DOMAIN, folder)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _asked(arguments: Sequence[str]) -> Any:
    """What ``--lang`` says, anywhere before ``--``; None where it says nothing that is known."""
    names: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument == "--":
            break
        if argument == "--lang":
            names.append(following)
        elif argument.startswith("--lang="):
            names.append(argument.removeprefix("--lang="))
    return known(names[-1]) if names else None


def translated(command: click.Command, *, shows_language: bool = False) -> click.Command:
    """A copy of a command whose help is in the language that is spoken now, and which takes ``--lang``."""
    there = copy.copy(command)
    for name in ("help", "short_help", "epilog", "options_metavar", "subcommand_metavar"):
        if text := getattr(there, name, None):
            setattr(there, name, _(clean(text)))
    language_option = copy.copy(_LANG)
    language_option.hidden = not shows_language
    there.params = [_translated_parameter(each) for each in (*command.params, language_option)]
    if isinstance(there, click.Group):
        there.commands = {name: translated(inner) for name, inner in there.commands.items()}
    return there


def clean(text: str) -> str:
    """A help text as the catalogue has it: a line a paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _translated_parameter(parameter: click.Parameter) -> click.Parameter:
    there = copy.copy(parameter)
    if isinstance(there, click.Option):
        there.help = _(there.help) if there.help else None
        there.metavar = _(there.metavar) if there.metavar else None
    elif isinstance(there, click.Argument):
        shown = _(there.metavar or there.name.upper())
        there.metavar = shown if there.required else f"[{shown}]"
    return there
