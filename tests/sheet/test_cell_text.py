"""Cells as the text a person sees."""

# ruff: noqa: E501  # a table of cells, as wide as it needs to be

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.sheet.cell_text import cell_text, column_texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a ", "a "), (None, ""), (8773, "8773"), (8773.0, "8773"), (1e14, "100000000000000"), (1e20, "100000000000000000000"),
        (1.5, "1.5"), (0.1 + 0.2, "0.3"), (1e-7, "0.0000001"), (-2.50, "-2.5"), (float("nan"), ""), (float("inf"), ""),
        (True, "TRUE"), (False, "FALSE"), (dt.date(2026, 11, 30), "2026-11-30"), (dt.time(9, 5), "09:05"),
        (dt.datetime.fromisoformat("2026-11-30"), "2026-11-30"), (dt.datetime.fromisoformat("2026-11-30 09:05:07"), "2026-11-30 09:05:07"),
        (dt.timedelta(hours=36, seconds=5), "36:00:05"), (dt.timedelta(minutes=-90), "-1:30:00"), (b"x", "b'x'"),
    ],
)  # fmt: skip
def test_cells_are_the_text_a_person_sees(value: object, text: str) -> None:
    """No .0, no exponents, no nan; dates as ISO has them."""
    assert cell_text(value) == text


@given(
    st.lists(st.one_of(st.floats(), st.floats(-1e16, 1e16).map(round).map(float), st.text(max_size=3), st.booleans()))
)
def test_columns_are_read_as_cells_are(values: list[object]) -> None:
    """The short way for whole columns and the careful way for one cell never differ."""
    assert column_texts(values) == [cell_text(value) for value in values]
