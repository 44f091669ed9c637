"""The catalogue of every language: all sentences in it, each translated, nothing lost on the way."""

import re
from string import Formatter

import pytest
from babel.messages.catalog import Message

from bulksend.locale import LANGUAGES
from tests import catalogue

OTHERS = LANGUAGES[1:]
ENGLISH_ALONE = {"number_type", "why"}
"""Filled with words that click and Jinja2 have in English alone, so translations may do without."""


def _fields(text: object) -> set[str]:
    """What is filled into a sentence, in either style."""
    try:
        braces = {name for _, name, _, _ in Formatter().parse(str(text)) if name is not None}
    except ValueError:  # a template's own braces
        braces = set()
    return braces | set(re.findall(r"%\((\w+)\)s", str(text)))


def _messages(language: str) -> list[Message]:
    return [message for message in catalogue.read(language) if message.id]


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_is_up_to_date(language: str) -> None:
    """`python -m tests.catalogue` takes in what is new and drops what is said no more."""
    now, wanted = ({message.id for message in each} for each in (catalogue.read(language), catalogue.extracted()))
    assert (wanted - now, now - wanted) == (set(), set())


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_translated(language: str) -> None:
    """In all its forms, and none is merely guessed."""
    assert catalogue.missing(language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_that_is_filled_in_is_lost(language: str) -> None:
    """Each form of a translation has what the English sentence has, and nothing else."""
    lost: list[tuple[object, set[str]]] = []
    for message in _messages(language):
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        needed, known = _fields(english[-1]).intersection(*map(_fields, english)), set().union(*map(_fields, english))
        lost += [(form, known) for form in forms if not needed - ENGLISH_ALONE <= _fields(form) <= known]
    assert lost == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_form_that_stands_for_several_numbers_says_which(language: str) -> None:
    """In Russian the form of 1 is also that of 21, so a number may not be left out of it where others have it."""
    of_click = {message for message in catalogue.CLICK if isinstance(message, tuple)}
    assert [
        message.id
        for message in _messages(language)
        if message.id not in of_click
        and isinstance(message.string, tuple)
        and len({frozenset(_fields(form)) for form in message.string}) > 1
    ] == []


def test_russian_is_written_without_yo() -> None:
    """As the rest of it is: one spelling of each word."""
    assert [str(message.string) for message in _messages("ru") if "ё" in str(message.string).lower()] == []
