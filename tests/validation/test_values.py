"""What people write into cells: read when there is one meaning, else left for a person to correct."""

# ruff: noqa: E501  # tables of cells, as wide as they need to be

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.validation.values import (
    BLANK,
    LONGEST_ID,
    NO_ZONE,
    UNREADABLE,
    entity_type,
    identifier,
    identifiers,
    time_zones,
)

IDS = st.integers(min_value=1, max_value=10**LONGEST_ID - 1)
BLANKS = st.sampled_from(["", " ", "\u00a0", "\u202f", "\t", "\u200b", "\ufeff", "  "])


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("lead", ["lead", "LEAD", " Leads ", "лид", "Лиды", "1", "L", "1.0", "l"]),
        ("deal", ["deal", "Deals", "сделка", "Сделки", "СДЕЛКА", "2", "D", "CRM_DEAL", "2.0"]),
        ("contact", ["contact", "contacts", "контакт", "Контакты", "3", "C", "contact\u00a0", "соntact"]),
        ("company", ["company", "companies", "компания", "Компании", "4", "CO", "co"]),
    ],
)
def test_entity_types_in_every_form_people_use(kind: str, texts: list[str]) -> None:
    """English and Russian, one and many, CRM numbers and short codes, a slipped keyboard."""
    assert {text: entity_type(text) for text in texts} == dict.fromkeys(texts, kind)


@pytest.mark.parametrize("text", ["", "quote", "5", "0", "de al", "С", "DYNAMIC_128", "lead, deal", "-1", "1.5", "nan"])
def test_other_entity_types_are_not_guessed(text: str) -> None:
    """A Cyrillic «С» alone may be a deal or a contact: nobody knows."""
    assert entity_type(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "8773", " 8773 ", "8 773", "8\u00a0773", "8\u202f773", "8773.0", "8773,00", "№ 8773", "№8773", "# 8773", "N 8773",
        "No. 8773", "008773", "'8773", '="8773"', "8773\u200b", "\ufeff8773", "８７７３", "chat8773", "CHAT8773", "chat 8773",
    ],
)  # fmt: skip
def test_chat_ids_in_every_form_people_use(text: str) -> None:
    """Blanks, thousands, .0, number signs and the portal's own dialog ids are all 8773."""
    assert identifier(text, chat=True) == 8773


@pytest.mark.parametrize(
    "text",
    [
        "0", "00", "-5", "+5", "8773.5", "8,773", "8,000", "№ 12.000", "8'773", "8.773E3", "8,77E+03", "87 73", "12 34 56", "8773 8774", "1_000",
        "abc", "deal 5", "chat", "chatchat5", "№", "٣٤", "nan", "None", "#N/A", "1" * 16, "1e3", "TRUE", "2026-11-30", "½",
        "5¹", "①", "⑩", "m²",
    ],
)  # fmt: skip
def test_ids_that_are_not_surely_one_number_are_not_read(text: str) -> None:
    """Fractions, signs, exponents, two numbers, more digits than Excel keeps."""
    assert identifier(text, chat=True) == UNREADABLE


def test_dialog_ids_are_for_chats_alone() -> None:
    """A chat's id in the column of deals is a slip."""
    assert identifier("chat8773") == UNREADABLE


@given(IDS, BLANKS, BLANKS, st.sampled_from(["", ".0", ",0", ".00"]), st.sampled_from(["", "№", "# ", "№ ", "0"]))
def test_any_id_survives_what_surrounds_it(number: int, before: str, after: str, end: str, sign: str) -> None:
    """Whatever the number, blanks, signs and .0 around it do not matter."""
    assert identifier(f"{before}{sign}{number}{end}{after}") == number


@given(IDS)
def test_thousands_may_stand_apart(number: int) -> None:
    """Excel shows 1 234 567 where the cell holds 1234567."""
    assert identifier(f"{number:,}".replace(",", "\u00a0")) == number


@given(st.text(max_size=30))
def test_any_text_is_a_number_a_blank_or_unreadable(text: str) -> None:
    """Nothing people can type breaks the reading, and what is read is written in the cell's own digits."""
    number = identifier(text, chat=True)
    assert number >= UNREADABLE
    if number > 0:
        assert str(number) in "".join(str(int(letter)) for letter in text if letter.isdecimal())
    if not text.strip():
        assert number == BLANK


@given(
    st.lists(st.one_of(IDS.map(str), st.text(max_size=6), st.sampled_from(["0", "", "chat5", "9" * 20])), max_size=40)
)
def test_columns_are_read_as_cells_are(texts: list[str]) -> None:
    """The short way for whole columns and the careful way for one cell never differ."""
    assert identifiers(texts, chat=True).tolist() == [identifier(text, chat=True) for text in texts]


@given(st.text(max_size=20))
def test_any_text_is_an_entity_type_or_none(text: str) -> None:
    """Nothing people can type breaks the reading."""
    assert entity_type(text) in {"", "lead", "deal", "contact", "company"}


def test_time_zones() -> None:
    """Each cell's zone by one name; what cannot be read safely is a problem rather than a guess."""
    cells = np.array(["Europe/Moscow", " МСК+2 ", "", "+5", "Москва", "5"], dtype=object)
    assert time_zones(cells).tolist() == ["Europe/Moscow", "+05:00", "", "+05:00", NO_ZONE, NO_ZONE]
