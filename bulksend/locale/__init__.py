"""What people read, in their language: English, or Russian from gettext's catalogue.

Sentences are written in English inside ``_()``. What scripts read (options, statuses, codes, columns, JSON keys) is the
same in every language and stays outside.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations, translation
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from bulksend.locale.catalogues import DOMAIN, FOLDER, open_catalogue
from bulksend.locale.system import system_language

if TYPE_CHECKING:
    from collections.abc import Iterator

Language = Literal["en", "ru"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "ru")

_chosen: ContextVar[Language | None] = ContextVar("bulksend_language", default=None)


def language() -> Language:
    """The language of what is said now: the chosen one, else that of ``BULKSEND_LANG``, else the system's."""
    return _chosen.get() or known(os.environ.get("BULKSEND_LANG", "")) or _of_the_system()


@contextmanager
def use_language(chosen: Language | None) -> Iterator[None]:
    """Speak this language within the block; None leaves it as it is.

    It holds for this thread, or task of asyncio, alone: threads that are started within inherit it if they run in a
    copy of the context.
    """
    if chosen is None:
        yield
        return
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


def known(name: str) -> Language | None:
    """The language that is meant by a name such as ``ru``, ``RU`` or ``ru_RU.UTF-8``; None where it is not ours."""
    short = name.lower().replace("-", "_").split(".")[0].split("_")[0]
    return next((each for each in LANGUAGES if each == short), None)


def _(message: str) -> str:
    """The sentence in the reader's language; braces in it are filled afterwards, with ``format``."""
    return translations(language()).gettext(message) if message else ""


def ngettext(one: str, many: str, number: float) -> str:
    """The sentence in the form that goes with a number; a fraction takes the form of 2, in Russian too."""
    whole = int(number) if number == int(number) else 2
    return translations(language()).ngettext(one, many, whole)


def N_(message: str) -> str:  # noqa: N802 - gettext's usual name
    """Mark a sentence of a table, which is translated with ``_`` when it is shown."""
    return message


@cache
def translations(chosen: Language) -> NullTranslations:
    """The catalogue of a language; that of English says everything as it is written."""
    if chosen == "en":
        return NullTranslations()
    with open_catalogue(chosen) as file:
        try:
            return translation(DOMAIN, FOLDER, [chosen])  # as click finds it, so that it is read once
        except OSError:  # it could not be kept
            return GNUTranslations(cast("Any", file))


@cache
def _of_the_system() -> Language:
    return known(system_language()) or "en"
