"""What to type next: the library says what is wrong, the command adds its options."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

import bulksend
from bulksend.cli.hints import OF_ERROR_CODES
from bulksend.sheet.messages import Refusal
from tests.cli.conftest import Command, Sheet
from tests.processes import rows, write_sheet

API = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"]


@pytest.mark.parametrize(
    ("headings", "options", "sentence"),
    [
        (API[:3], (), "or write the messages with a template. --message or --message-file gives one."),
        ([*API[:2], "MESSAGE"], (), "or look the chats up. `bulksend lookup` fills the chats in."),
        ([*API[:2], "Chat", "MESSAGE"], (), 'or choose it by hand. To choose: --map CHAT_ID="Chat".'),
        (["a", "b"], (), "add headings called CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID and MESSAGE."),
        ([*API, "Text"], (), 'or choose one of them. --map MESSAGE="D: MESSAGE" chooses the first.'),
        (
            [*API, "MESSAGE"],
            ("--map", "MESSAGE=MESSAGE"),
            """('D: MESSAGE' and 'E: MESSAGE'). --map MESSAGE="D: MESSAGE" chooses the first.""",
        ),
        (API, ("--map", "PHONE=CHAT_ID"), "MESSAGE and TIMEZONE. --map takes FIELD=HEADING."),
        (API, ("--map", "MESSAGE=Txt"), "'CHAT_ID' and 'MESSAGE'. --map MESSAGE=HEADING chooses one."),
        (API, ("--sheet", "May"), "without sheets to choose from: choose none. Leave out --sheet."),
    ],
)
def test_columns_and_sheets(
    command: Command, sheet: Sheet, headings: Sequence[str], options: Sequence[str], sentence: str
) -> None:
    """How to choose the columns and the sheet by hand."""
    said = command("check", sheet("a.csv", headings, [["1"] * len(headings)]), *options)
    assert said.code == 2
    assert said.err.rstrip().endswith(sentence)
    assert len(said.err.splitlines()) == 1


def test_one_of_two_columns_with_the_same_heading(command: Command, sheet: Sheet) -> None:
    """The one that is named is checked."""
    path = sheet("a.csv", [*API, "MESSAGE"], [["deal", "1", "5001", "old draft", ""]])
    assert command("check", path, "--map", "MESSAGE=D: MESSAGE").code == 0
    assert "the message is empty" in command("check", path, "--map", "MESSAGE=E: MESSAGE").out


def test_workbook_whose_first_sheet_is_empty(command: Command, tmp_path: Path) -> None:
    """How to choose another."""
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Empty")
        book.add_worksheet("May").write_row(0, 0, API)
    assert command("check", tmp_path / "a.xlsx").err.rstrip().endswith("choose another ('May'). --sheet does.")


def test_campaign_that_is_not_there(command: Command) -> None:
    """How to list those that are there."""
    said = command("results", 99)
    assert (said.code, said.err) == (2, "Error: There is no campaign 99 in the journal. `bulksend runs` lists them.\n")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--max-failures", "few", "such as 20 or 5%, not 'few'. --max-failures takes them."),
        ("--results", "-", "such as results.csv, not '-'. --results names it."),
        ("--results", "none/out.csv", "create it, or choose another. --results names it."),
    ],
)
def test_options_of_send(command: Command, tmp_path: Path, option: str, value: str, sentence: str) -> None:
    """Which option it was."""
    path = write_sheet(tmp_path / "a.csv", rows(2, 2))
    said = command("send", path, "--portal", "sandbox", "--yes", option, value)
    assert said.code == 2
    assert said.err.rstrip().endswith(sentence)


@pytest.mark.parametrize("code", OF_ERROR_CODES)
def test_every_code_is_one_of_the_library(code: str) -> None:
    """None is left behind by an error that has gone or was renamed."""
    library = Path(bulksend.__file__).parent
    sources = (path for path in library.rglob("*.py") if path.relative_to(library).parts[0] != "cli")
    assert code in Refusal.__members__ or any(f'code="{code}"' in path.read_text(encoding="utf-8") for path in sources)
