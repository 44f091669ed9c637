"""Sheets that LibreOffice 7.4 wrote, in each of its formats: what was saved is what is read.

The campaign is ``samples/campaign.ru.csv``, opened and saved again. The other two were made in LibreOffice: one with an
autofilter that hides 8 of 10 rows, one with cells of every kind.
"""

from pathlib import Path

import pytest

from bulksend.sheet.headings import find_columns
from bulksend.sheet.reading import Sheet, open_sheet
from bulksend.validation import Checker

SAVED = Path(__file__).parent / "saved_by_libreoffice"
SAMPLE = Path(__file__).parents[2] / "samples" / "campaign.ru.csv"
WORKBOOKS = ["xlsx", "ods", "xls"]
TYPED = ["2026-11-30", "2026-11-30 10:30", "10:30", "14300.5", "TRUE", "0.125", "36:00:00"]


def rows(sheet: Sheet) -> dict[int, list[str]]:
    """Return the cells of every row by its number."""
    return {
        number: row
        for chunk in sheet.chunks()
        for number, row in zip(chunk.cells.index.tolist(), chunk.cells.to_numpy().tolist(), strict=True)
    }


@pytest.mark.parametrize("ending", [*WORKBOOKS, "utf-8.csv", "windows-1251.csv"])
def test_the_russian_sample_is_the_same_in_every_format(ending: str) -> None:
    """Headings, row numbers and texts are those of the sample, whatever it was saved as."""
    sample, saved = open_sheet(SAMPLE), open_sheet(SAVED / f"campaign.ru.{ending}")
    assert saved.headings == sample.headings
    assert rows(saved) == rows(sample)
    checker = Checker(find_columns(saved.headings))
    for chunk in saved.chunks():
        checker.check(chunk)
    assert checker.report().outcome() == "No problems: 10 of 10 rows can be sent, to 9 chats."


@pytest.mark.parametrize("ending", WORKBOOKS)
def test_a_filter_leaves_the_rows_that_are_seen(ending: str) -> None:
    """Of ten rows eight are hidden by the autofilter; the two others keep their numbers."""
    sheet = open_sheet(SAVED / f"filtered.{ending}")
    [chunk] = sheet.chunks()
    assert len(chunk.cells) == 10
    assert chunk.cells.index[~chunk.hidden].tolist() == [5, 9]
    assert chunk.cells[~chunk.hidden][1].tolist() == ["north", "north"]


@pytest.mark.parametrize("ending", WORKBOOKS)
def test_cells_of_every_kind_are_read_as_they_look(ending: str) -> None:
    """Ids typed as numbers, formulas, merged cells, dates, amounts, truth, shares, lengths of time."""
    sheet = open_sheet(SAVED / f"cells.{ending}")
    first, second, third, *_ = rows(sheet).values()
    assert first == ["deal", "288", "8773", "27", "Hello, 288!", *TYPED]
    assert second == ["deal", "288", "8774", "27", "Second line of the same deal", *TYPED]  # merged with the first
    assert third == ["lead", "123456789012", "8775", "", "Big chat 8775", *TYPED]


@pytest.mark.parametrize("ending", WORKBOOKS)
def test_errors_of_formulas_are_never_taken_for_empty_cells(ending: str) -> None:
    """An error where the user stands must not make the portal's own user speak."""
    sheet = open_sheet(SAVED / f"cells.{ending}")
    checker = Checker(find_columns(sheet.headings))
    [chunk] = sheet.chunks()
    codes = checker.check(chunk).rows["error_code"]
    assert codes.to_dict() == {
        2: "",
        3: "",
        4: "",
        5: "FORMULA_ERROR",
        6: "FORMULA_ERROR",
        7: "INVALID_USER_ID",
        8: "INVALID_ENTITY_ID",
        9: "FORMULA_ERROR",
        10: "FORMULA_ERROR",
    }
