"""Stop lists: nobody confirms how their columns are read, so they are read for certain or refused."""

from pathlib import Path
from typing import NamedTuple

import pytest

from bulksend.errors import SheetError
from bulksend.validation.stop_list import StopList


class Row(NamedTuple):
    """Whom a row goes to."""

    entity_type: str
    entity_id: int
    chat_id: int = 0


DEAL, LEAD, CHAT, OTHER = Row("deal", 288, 8773), Row("lead", 288, 9999), Row("deal", 1, 8775), Row("deal", 2, 1)


def _named(folder: Path, text: str) -> list[Row]:
    path = folder / "stop.csv"
    path.write_text(text, encoding="utf-8")
    stop_list = StopList([path])
    return [row for row in (DEAL, LEAD, CHAT, OTHER) if stop_list.names(row)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("CHAT_ID;ID;Type\n8775;1;spam\n", [CHAT]),
        ("CHAT_ID;Contact;Type\n8775;Ivan;client\n", [CHAT]),
        ("CRM_ENTITY_TYPE;CRM_ENTITY;Chat name\ndeal;288;Ivan\n", [DEAL]),
        ("CRM_ENTITY_TYPE;CRM_ENTITY;Диалог\nсделка;288;с Иваном\n", [DEAL]),
        ("CRM_ENTITY_TYPE;ID сделки\nлид;288\n", [LEAD]),
        ("ID сделки;Вид\n288;Жалоба\n", [DEAL]),
        ("ID сделки;Тип\n288;1\n", [DEAL]),
        ("Deal ID;Type\n288;C\n", [DEAL]),
        ("ID сделки;Номер счета\n288;8775\n", [DEAL]),
        ("ID сделки;Номер чата\n288;\n;8775\n", [DEAL, CHAT]),
    ],
)
def test_known_headings_alone_say_whom_a_stop_list_names(tmp_path: Path, text: str, named: list[Row]) -> None:
    """A column beside them that resembles another field is neither read nor a reason to refuse the list."""
    assert _named(tmp_path, text) == named


@pytest.mark.parametrize("text", ["Чат\n8775\n", "Имя;Диалог\nИван;chat8775\n"])
def test_a_single_column_called_chat_is_read_where_nothing_else_is(tmp_path: Path, text: str) -> None:
    """There is nothing else that it could be."""
    assert _named(tmp_path, text) == [CHAT]


@pytest.mark.parametrize(
    "headings",
    [
        "ID счета;Клиент",
        "Номер счета;Сумма",
        "Chat name;Sum",
        "Чат;Диалог",
        "ID;Тип",
        "CRM_ENTITY;Чат",
        "CRM_ENTITY;Тип",
    ],
)
def test_a_stop_list_that_is_not_understood_is_refused(tmp_path: Path, headings: str) -> None:
    """Likely columns are not enough; it is said which headings are needed."""
    with pytest.raises(SheetError, match=r"it needs a column CHAT_ID, or the columns CRM_ENTITY_TYPE and CRM_ENTITY\."):
        _named(tmp_path, f"{headings}\n8775;1\n")


def test_a_stop_list_with_two_columns_of_ids_is_refused(tmp_path: Path) -> None:
    """Otherwise those whom the second one names would get a message."""
    with pytest.raises(SheetError, match=r"'ID контакта' and 'ID сделки' of the stop list .* leave only one of them"):
        _named(tmp_path, "ID контакта;ID сделки\n5;288\n")


@pytest.mark.parametrize("text", ["CHAT_ID\n8775,8773\n", "CHAT_ID\n1\n8775,,8773\n"])
def test_a_stop_list_with_several_chats_in_a_row_is_refused(tmp_path: Path, text: str) -> None:
    """Only the first of them has a heading, and the others would get a message."""
    with pytest.raises(SheetError, match=r"Row [23] of the stop list stop.csv has a cell to the right of the headings"):
        _named(tmp_path, text)


@pytest.mark.parametrize("text", ["8773\nCHAT_ID\n8775\n", "deal;288\nCRM_ENTITY_TYPE;CRM_ENTITY\nlead;288\n"])
def test_a_stop_list_that_was_sorted_with_its_headings_is_refused(tmp_path: Path, text: str) -> None:
    """Those above them would get a message."""
    with pytest.raises(SheetError, match=r"Row 1 of stop.csv looks like a row to be read, .* which are in row 2:"):
        _named(tmp_path, text)
