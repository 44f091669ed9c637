"""The blank sheet that a campaign starts from."""

import codecs
from pathlib import Path

import openpyxl
import pytest

from bulksend.errors import UsageError
from bulksend.locale import Language
from bulksend.sheet.blank import write_blank
from bulksend.sheet.headings import Columns, find_columns
from bulksend.sheet.reading import open_sheet
from bulksend.validation import Checker

HEADINGS = {
    "en": ["CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE"],
    "ru": ["Тип сущности", "ID сущности", "ID чата", "ID пользователя", "Текст сообщения"],
}
both_languages = pytest.mark.parametrize("lang", ["en", "ru"])


@both_languages
def test_headings(lang: Language) -> None:
    """Are those that the checks understand, each for its field."""
    assert find_columns(HEADINGS[lang]) == Columns(entity_type=0, entity_id=1, chat_id=2, user_id=3, message=4)


@both_languages
def test_a_blank_workbook(tmp_path: Path, lang: Language) -> None:
    """The sheet to fill in comes first, with its headings bold and frozen and nothing below them to be sent."""
    workbook = openpyxl.load_workbook(write_blank(tmp_path / "blank.xlsx", lang=lang))
    assert len(workbook.worksheets) == 2
    sheet = workbook.worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [HEADINGS[lang]]
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.freeze_panes == "A2"


@both_languages
def test_cells_are_texts(tmp_path: Path, lang: Language) -> None:
    """Every column is formatted as text, so that Excel leaves 8773 and +7 900 as they are typed."""
    sheet = openpyxl.load_workbook(write_blank(tmp_path / "blank.xlsx", lang=lang)).worksheets[0]
    texts = [columns for columns in sheet.column_dimensions.values() if columns.number_format == "@"]
    assert {n for columns in texts for n in range(columns.min or 0, (columns.max or 0) + 1)} == {1, 2, 3, 4, 5}
    assert all(columns.width >= 14 for columns in texts)


@both_languages
def test_the_entity_type_is_chosen_from_a_list(tmp_path: Path, lang: Language) -> None:
    """In every row; another word is asked about, not forbidden, for the checks know more of them."""
    sheet = openpyxl.load_workbook(write_blank(tmp_path / "blank.xlsx", lang=lang)).worksheets[0]
    [choice] = sheet.data_validations.dataValidation
    assert choice.formula1 == {"en": '"lead,deal,contact,company"', "ru": '"лид,сделка,контакт,компания"'}[lang]
    assert str(choice.sqref) == "A2:A1048576"
    assert choice.errorStyle == "warning"


@both_languages
def test_the_second_sheet_explains(tmp_path: Path, lang: Language) -> None:
    """Each column is explained on it, and an example stands there, out of the way of the sending."""
    sheet = openpyxl.load_workbook(write_blank(tmp_path / "blank.xlsx", lang=lang)).worksheets[1]
    rows: list[list[object]] = [[cell.value for cell in row] for row in sheet.iter_rows()]
    explained = {str(row[0]): row[2] for row in rows if row[0] in HEADINGS[lang] and row[1] not in HEADINGS[lang]}
    assert list(explained) == HEADINGS[lang]
    assert all(explained.values())
    example = rows[rows.index([*HEADINGS[lang]]) + 1]
    assert example[1:4] == ["288", "8773", "27"]


@both_languages
def test_a_filled_in_sheet_passes_the_checks(tmp_path: Path, lang: Language) -> None:
    """With the example of its own second sheet as the rows to send."""
    path = write_blank(tmp_path / "blank.xlsx", lang=lang)
    workbook = openpyxl.load_workbook(path)
    rows: list[list[object]] = [[cell.value for cell in row] for row in workbook.worksheets[1].iter_rows()]
    first = rows.index([*HEADINGS[lang]]) + 1
    for row in rows[first : first + 2]:
        workbook.worksheets[0].append(row)
    workbook.save(path)

    sheet = open_sheet(path)
    checker = Checker(find_columns(sheet.headings))
    checked = [checker.check(chunk).rows for chunk in sheet.chunks()]
    assert [kind for part in checked for kind in part["entity_type"]] == ["deal", "contact"]
    assert checker.report().errors == 0


@both_languages
def test_a_blank_csv(tmp_path: Path, lang: Language) -> None:
    """Its heading row alone, in the encoding and with the separator that Excel opens by itself."""
    content = write_blank(tmp_path / "blank.csv", lang=lang).read_bytes()
    assert content.startswith(codecs.BOM_UTF8)
    separator = {"en": ",", "ru": ";"}[lang]
    assert content.decode("utf-8-sig") == separator.join(HEADINGS[lang]) + "\r\n"


def test_the_same_blank_sheet(tmp_path: Path) -> None:
    """Is the same file every time."""
    first, second = (write_blank(tmp_path / name, lang="en") for name in ("a.xlsx", "b.XLSX"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["blank.ods", "blank.xls", "blank", "blank.txt"])
def test_another_suffix(tmp_path: Path, name: str) -> None:
    """One sentence, and no file."""
    with pytest.raises(UsageError, match=r"the ending \.xlsx or \.csv"):
        write_blank(tmp_path / name, lang="en")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["blank.xlsx", "blank.csv"])
def test_a_file_that_is_there_already(tmp_path: Path, name: str) -> None:
    """Is left alone, unless it is said that it may go."""
    path = tmp_path / name
    path.write_bytes(b"somebody's work")
    with pytest.raises(UsageError, match="is there already"):
        write_blank(path, lang="en")
    assert path.read_bytes() == b"somebody's work"
    assert write_blank(path, lang="en", overwrite=True).read_bytes() != b"somebody's work"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is not there, a folder of that name: one sentence."""
    with pytest.raises(UsageError, match="There is no folder"):
        write_blank(tmp_path / "nowhere" / "blank.xlsx", lang="en")
    (tmp_path / "blank.csv").mkdir()
    with pytest.raises(UsageError, match="it is a folder"):
        write_blank(tmp_path / "blank.csv", lang="en", overwrite=True)
