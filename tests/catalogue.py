"""The catalogues of sentences: ``python -m tests.catalogue`` brings them up to date, a test compares them.

It keeps what is translated, adds what is new with an empty translation, and drops what is said no more. Every sentence
in ``_()``, ``N_()`` or ``ngettext()`` is taken from the code and from the page's templates, and the help of the
commands from the commands themselves.
"""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from bulksend.cli import COMMANDS, SUMMARIES, bulksend
from bulksend.cli.translation import clean, translated
from bulksend.locale import LANGUAGES, use_language
from bulksend.locale.catalogues import source

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "bulksend"
METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"web/templates/**.html": {"trimmed": "true", "silent": "false"}}
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}

CLICK: Final[list[str | tuple[str, str]]] = [
    "Aborted!",
    "Argument {name!r} takes {nargs} values.",
    "Choose from:\n\t{choices}",
    "Commands",
    "Could not open file {filename!r}: {message}",
    "Error: invalid input",
    "Error: {message}",
    "File {filename!r} is a directory.",
    "Invalid value for {param_hint}: {message}",
    "Invalid value: {message}",
    "Missing argument",
    "Missing command.",
    "Missing option",
    "Missing parameter",
    "Missing {param_type}",
    "No such command {name!r}.",
    "No such option {name!r}.",
    "No such option: {name}",
    "Option {name!r} does not take a value.",
    "Options",
    "Positional arguments",
    "Show the version and exit.",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Usage:",
    "default: {default}",
    "env var: {var}",
    "unknown error",
    "{value!r} is not a valid boolean. Recognized values: {states}",
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
]
"""What click says that a person can meet, in its own words, which change a little from release to release."""


def commands() -> Iterator[click.Command]:
    """Every command, as it is written."""
    yield bulksend
    for place in COMMANDS.values():
        yield from _with_inner(_loaded(place))


def _loaded(place: str) -> click.Command:
    module, name = place.split(":")
    command: click.Command = getattr(import_module(module), name)
    return command


def _with_inner(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _with_inner(inner)


def help_texts() -> Iterator[str]:
    """What help says: of each command, of its arguments, and of its options."""
    yield from SUMMARIES.values()
    with use_language("en"):
        for command in commands():
            shown = translated(command)
            yield from (shown.help or "", shown.short_help or "", shown.epilog or "", shown.options_metavar or "")
            if isinstance(shown, click.Group):
                yield shown.subcommand_metavar or ""
            for parameter in shown.params:
                metavar = parameter.metavar or ""
                yield metavar.strip("[]") if isinstance(parameter, click.Argument) else metavar
                yield (parameter.help or "") if isinstance(parameter, click.Option) else ""


def extracted() -> Catalog:
    """All sentences, without translations."""
    catalogue = Catalog(project="bulksend", charset="utf-8")
    found = extract_from_dir(
        PACKAGE, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
    )
    for path, _line, message, comments, _context in found:
        catalogue.add(message, locations=[(f"bulksend/{path}", 0)], auto_comments=comments)
    for message in {clean(text) if "\n" in text else text for text in help_texts()} - {""}:
        catalogue.add(message, locations=[("help", 0)])
    for message in CLICK:
        catalogue.add(message, locations=[("click", 0)])
    return catalogue


def read(language: str) -> Catalog:
    """The catalogue of a language as it is."""
    with Path(source(language)).open("rb") as file:
        return read_po(file)


def updated(language: str) -> bytes:
    """The catalogue of a language as it should be, but for translations that are missing."""
    catalogue, sentences = read(language), extracted()
    sentences.creation_date, sentences.revision_date = catalogue.creation_date, catalogue.revision_date
    catalogue.update(sentences, no_fuzzy_matching=True)
    written = io.BytesIO()
    write_po(written, catalogue, width=120, sort_output=True, ignore_obsolete=True, include_lineno=False)
    return written.getvalue()


def missing(language: str) -> list[str]:
    """The sentences of a catalogue without a translation, or with one that nobody has confirmed."""
    return [
        str(message.id)
        for message in read(language)
        if message.id
        and (message.fuzzy or not all(message.string if isinstance(message.string, tuple) else [message.string]))
    ]


if __name__ == "__main__":
    for language in LANGUAGES[1:]:
        Path(source(language)).write_bytes(updated(language))
        print(f"{language}: {len(missing(language))} sentences to translate")
