"""What to type next: the library says what is wrong, the command adds its options."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

import bulksend
from bulksend.cli.hints import OF_ERROR_CODES
from bulksend.sandbox import Limits, Sandbox
from bulksend.sheet.headings import RESULT_COLUMNS
from bulksend.sheet.messages import Refusal
from tests.cli.conftest import Command, Sheet
from tests.processes import Commands, rows, write_sheet

CAMPAIGN = Path(__file__).parents[2] / "samples" / "campaign.csv"
API = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"]


@pytest.mark.parametrize(
    ("headings", "options", "sentence"),
    [
        (
            API[:3],
            (),
            'gives one. Under another heading: --map MESSAGE="HEADING".',
        ),
        (
            [*API[:2], "MESSAGE"],
            (),
            'fills the chats in. Under another heading: --map CHAT_ID="HEADING".',
        ),
        ([*API[:2], "Chat", "MESSAGE"], (), 'or choose it by hand. To choose: --map CHAT_ID="Chat".'),
        (
            ["a", "b"],
            (),
            'Under another heading: --map CRM_ENTITY_TYPE="HEADING". `bulksend template` writes a sheet to start from.',
        ),
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


def test_an_empty_chat(command: Command, sheet: Sheet) -> None:
    """Leaving it empty is no advice: what is said can be done, and how."""
    said = " ".join(command("check", sheet("a.csv", API, [["deal", 1, "", "Hello"]])).out.split())
    assert "Write the number of the chat, like 8773, or have the portal find it where the cell is empty." in said
    assert (
        "INVALID_CHAT_ID: `bulksend lookup FILE` finds chats where cells are empty, and so does `send --lookup`."
        in said
    )


@pytest.mark.parametrize("words", [("check",), ("check", "--stop-list", "a.csv"), ("check", "--results", "b.csv")])
def test_whether_a_file_can_be_read_is_found_by_opening_it(
    command: Command, sheet: Sheet, monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    """Asked beforehand, click refuses in words of its own; our sentence says what to do."""
    path = sheet("a.csv", API, [["deal", 1, 2, "Hello"]])
    sheet("b.csv", [*API, *RESULT_COLUMNS], [])
    monkeypatch.setattr(os, "access", lambda *_arguments, **_options: False)
    assert command(*words, path).code == 0


def test_what_is_there_already(command: Command) -> None:
    """How to write over it."""
    assert command("template", "a.csv").code == 0
    assert command("template", "a.csv").err.rstrip().endswith("or delete it first. --force writes over it.")
    add = ("portal", "add", "ours", "--webhook", "https://example.bitrix24.ru/rest/1/s3cr3t/")
    assert command(*add).code == 0
    assert command(*add).err.rstrip().endswith("or choose another name. --replace does.")


def test_names_with_spaces_are_in_quotation_marks(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """What is shown can be typed as it is: double quotes are the same to every shell."""
    assert 'bulksend check "New letter.xlsx"' in command("template", "New letter.xlsx").err
    assert "bulksend check plain.xlsx" in command("template", "plain.xlsx").err
    portal.world.add_entity("deal", 1)
    portal.world.add_chat(50_001, "deal", 1)
    path = sheet("no chats.csv", [*API[:2], "MESSAGE"], [["deal", 1, "Hello"]])
    said = command("lookup", path, "--portal", portal.webhook, "--rate", 0)
    assert 'bulksend send "no chats.filled.csv" --portal ADDRESS' in said.err


def test_a_name_that_fell_apart(command: Command) -> None:
    """How to keep it together; where no file is named, there is nothing to keep."""
    said = command("check", "November", "2026.csv").err
    assert said.rstrip().endswith("(2026.csv): put a name with spaces in quotation marks.")
    assert "quotation" not in command("resume", 1, 2).err


def test_workbook_whose_first_sheet_is_empty(command: Command, tmp_path: Path) -> None:
    """How to choose another."""
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Empty")
        book.add_worksheet("May").write_row(0, 0, API)
    assert command("check", tmp_path / "a.xlsx").err.rstrip().endswith("choose another ('May'). --sheet does.")


@pytest.mark.parametrize("words", [("check",), ("lookup", "--portal", "sandbox")])
def test_workbook_whose_first_sheet_is_another_table(command: Command, tmp_path: Path, words: Sequence[str]) -> None:
    """Which sheet was read, which others there are, and how to choose one; not where one was chosen."""
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Contents").write_row(0, 0, ["Page", "Title"])
        book.add_worksheet("May").write_row(0, 0, API)
        book.add_worksheet("Old").hide()
    said = command(*words, tmp_path / "a.xlsx").err
    assert ". The sheet that was read is 'Contents'; there is also 'May'. --sheet chooses one. " in said
    assert "'May'" not in command(*words, tmp_path / "a.xlsx", "--sheet", "Contents").err


def test_campaign_that_is_not_there(command: Command) -> None:
    """How to list those that are there."""
    said = command("results", 99)
    assert (said.code, said.err) == (2, "Error: There is no campaign 99 in the journal. `bulksend runs` lists them.\n")


def test_retry_of_a_campaign_that_was_sent_by_address(command: Command, sheet: Sheet) -> None:
    """The command to type takes the address too, whenever it is shown."""
    path = sheet("a.csv", API, [["deal", 403, 8000, "Hello"]])
    with Sandbox(limits=Limits.none()) as portal:
        to = ("--portal", portal.webhook, "--rate", 0, "--yes")
        assert "removed: bulksend retry 1 --portal ADDRESS\n" in command("send", path, *to).err
        assert "use `bulksend retry 1 --portal ADDRESS`." in command("send", path, *to).err


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


@pytest.mark.parametrize("world", [(), ("--world", "my campaign.csv")], ids=["any", "sheet"])
def test_what_the_sandbox_says_to_type_works(tmp_path: Path, world: Sequence[object]) -> None:
    """Where it knows a sheet it can be asked first; else it is sent to unasked, and says how it gets to know one."""
    commands = Commands(tmp_path)
    path = tmp_path / "my campaign.csv"
    shutil.copy(CAMPAIGN, path)
    running = commands.start("sandbox", *world, "--limit-rate", "off", changes={"BULKSEND_LANG": "en"})
    try:
        assert running.stderr is not None
        said = "".join(iter(running.stderr.readline, "Ctrl-C ends it.\n"))
        words = shlex.split(said.splitlines()[0].partition(" bulksend ")[2].replace("FILE", f'"{path.name}"'))
        assert words[:2] == ["send", path.name]
        if world:
            checked = commands.run("check", path, "--online", *words[words.index("--portal") :])
            assert checked.code == 0, checked.said
        else:
            assert "bulksend sandbox --world FILE" in said
        preflight = () if "--no-preflight" in words else ("--preflight",)
        sent = commands.run(*words, *preflight, "--yes", "--results", "out.csv", "--rate", 0)
        assert (sent.code, "12 of 12 rows sent" in sent.out) == (0, True), sent.said
    finally:
        running.terminate()
        running.communicate()
