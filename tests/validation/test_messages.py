"""Every sentence that checking a sheet can print, and a sheet that makes it print it."""

# ruff: noqa: ARG005, E501  # tables of sheets, as wide as they need to be

import os
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from bulksend.errors import SheetError
from bulksend.portal.error_help import HELP, code_help
from bulksend.sheet.headings import find_columns
from bulksend.sheet.messages import Refusal, listed, quoted
from bulksend.sheet.reading import open_sheet
from bulksend.template import MessageTemplate
from bulksend.validation import Checker, Report
from bulksend.validation.messages import describe

HEADINGS = "CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,USER_ID,MESSAGE"


def _text(content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "sheet.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _book(change: Callable[[openpyxl.Workbook], None]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        book = openpyxl.Workbook()
        change(book)
        book.save(folder / "sheet.xlsx")
        return folder / "sheet.xlsx"

    return make


def _cell(row: int, column: int) -> Callable[[openpyxl.Workbook], None]:
    def change(book: openpyxl.Workbook) -> None:
        book.worksheets[0].cell(1, 1, "x")
        book.worksheets[0].cell(row, column, "x")

    return change


def _hidden(folder: Path) -> Path:
    path = _book(_cell(1, 1))(folder)
    return _member(path, "xl/workbook.xml", lambda content: content.replace(b'"visible"', b'"hidden"'))


def _member(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, change(content) if member == name else content)
    return path


def _bomb(folder: Path) -> Path:
    path = folder / "sheet.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/workbook.xml", "w") as member:
        for _ in range(210):
            member.write(bytes(1 << 20))
    return path


def _locked(folder: Path) -> Path:
    path = _book(_cell(1, 1))(folder)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1  # the archive's own mark for a member under a password
    path.write_bytes(content)
    return path


def _changing(folder: Path) -> Path:
    path = _text(f"{HEADINGS}\ndeal,1,2,3,a\n")(folder)
    sheet = open_sheet(path)
    path.write_bytes((HEADINGS + "\n" + "deal,1,2,3,a,b,c,d\n" * 3).encode())
    list(sheet.chunks())
    return path


def _mapped(folder: Path, overrides: Mapping[str, str]) -> Path:
    path = _text(f"{HEADINGS}\n")(folder)
    find_columns(open_sheet(path).headings, overrides)
    return path


REFUSALS: dict[Refusal, Callable[[Path], Path]] = {
    Refusal.NO_SUCH_FILE: lambda folder: folder / "none.csv",
    Refusal.IS_A_FOLDER: lambda folder: folder,
    Refusal.NOT_A_FILE: lambda folder: Path(os.devnull),
    Refusal.CANNOT_OPEN: lambda folder: folder / ("x" * 5000),
    Refusal.EMPTY_FILE: _text(""),
    Refusal.NOT_A_SHEET: _text(b"\x89PNG\r\n\x1a\n"),
    Refusal.WEB_PAGE: _text("<!DOCTYPE html><html></html>"),
    Refusal.OTHER_WORKBOOK: _text('<?xml version="1.0"?><x xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'),
    Refusal.PASSWORD: _locked,
    Refusal.DAMAGED: _text(b"PK\x03\x04 and then something else"),
    Refusal.BOMB: _bomb,
    Refusal.TOO_SPREAD: _book(_cell(1_048_576, 16_384)),
    Refusal.NO_SUCH_SHEET: lambda folder: (open_sheet(_book(_cell(1, 1))(folder), sheet="Май"), folder)[1],
    Refusal.NO_SHEETS_HERE: lambda folder: (open_sheet(_text("a,b")(folder), sheet="Май"), folder)[1],
    Refusal.NO_VISIBLE_SHEET: _hidden,
    Refusal.EMPTY_SHEET: _book(lambda book: None),
    Refusal.EMPTY_SHEET_OF_SEVERAL: _book(lambda book: book.create_sheet("May").append(["a"])),
    Refusal.EMPTY_TABLE: _text("\n,,\n"),
    Refusal.UNKNOWN_ENCODING: _text("MESSAGE\nCafé à côté\n".encode("latin-1")),
    Refusal.BROKEN_ENCODING: _text("MESSAGE\nПривет\nПри".encode()[:-1]),
    Refusal.BINARY_IN_TEXT: _text(b"a,b\n" * 70_000 + b"\0"),
    Refusal.UNCLOSED_QUOTE: _text(f'{HEADINGS}\ndeal,1,2,3,"Hello\n'),
    Refusal.STRAY_QUOTE: _text(f'{HEADINGS}\ndeal,1,2,3,"Hello" there\n'),
    Refusal.MISSING_COLUMNS: lambda folder: (find_columns(["a"]), folder)[1],
    Refusal.DOUBLED_COLUMNS: lambda folder: (find_columns(["Text", "Message"]), folder)[1],
    Refusal.UNKNOWN_FIELD: lambda folder: _mapped(folder, {"PHONE": "MESSAGE"}),
    Refusal.UNKNOWN_HEADING: lambda folder: _mapped(folder, {"MESSAGE": "Words"}),
    Refusal.SAME_HEADINGS: lambda folder: (find_columns(["Text", "Text"], {"MESSAGE": "Text"}), folder)[1],
    Refusal.FILE_CHANGED: _changing,
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_each_refusal_is_said_of_some_file(refusal: Refusal, tmp_path: Path) -> None:
    """There is a file for each sentence, and it is one sentence with its words filled in."""
    with pytest.raises(SheetError) as refused:
        open_sheet(REFUSALS[refusal](tmp_path))
    pattern = re.sub(r"\\\{\w+\\\}", ".*", re.escape(refusal.value))
    assert re.fullmatch(pattern, str(refused.value))
    assert "\n" not in str(refused.value)


def test_no_refusal_is_without_a_file() -> None:
    """But for the sheet that is too long for one worksheet, which the tests of results write."""
    assert set(Refusal) - set(REFUSALS) == {Refusal.CONTINUED}


@dataclass(frozen=True)
class Sheet:
    """Rows below the usual headings, and what the report says of them."""

    rows: str
    line: str
    template: str = ""
    headings: str = HEADINGS
    beside: Mapping[int, str] = field(default_factory=dict)


PROBLEM_SHEETS: dict[str, Sheet] = {
    "INVALID_ENTITY_TYPE": Sheet(
        ",1,2,3,a\nquote no.,1,2,3,b\n",
        "INVALID_ENTITY_TYPE: 2 rows: the entity type is empty or unknown, such as 'quote no.' in row 3 "
        "(rows 2 and 3; column 'CRM_ENTITY_TYPE'). Write lead, deal, contact or company.",
        beside={
            2: "The entity type is empty or unknown (column 'CRM_ENTITY_TYPE'). Write lead, deal, contact or company.",
            3: "The entity type is empty or unknown ('quote no.', column 'CRM_ENTITY_TYPE'). Write lead, "
            "deal, contact or company.",
        },
    ),
    "INVALID_ENTITY_ID": Sheet(
        "deal,abc,2,3,a\n",
        "INVALID_ENTITY_ID: 1 row: the entity id is empty or not a whole number above zero, such as 'abc' (row 2; "
        "column 'CRM_ENTITY'). "
        "Write the number of the lead, deal, contact or company, like 288.",
    ),
    "INVALID_CHAT_ID": Sheet(
        "deal,1,8.773E+03,3,a\n",
        "INVALID_CHAT_ID: 1 row: the chat id is empty or not a whole number above zero, such as '8.773E+03' "
        "(row 2; column 'CHAT_ID'). Write the number of the chat, like 8773, or have "
        "the portal find it where the cell is empty.",
    ),
    "INVALID_USER_ID": Sheet(
        "deal,1,2,Anna,a\n",
        "INVALID_USER_ID: 1 row: the user id is not a whole number above zero, such as 'Anna' (row 2; column "
        "'USER_ID'). Write "
        "the number of the employee who speaks, like 27, or leave the cell empty.",
    ),
    "INVALID_TIMEZONE": Sheet(
        "deal,1,2,3,a,Europe/Moscow\ndeal,1,2,3,b,Moscow\ndeal,1,2,3,c,\n",
        "INVALID_TIMEZONE: 1 row: the time zone cannot be read, such as 'Moscow' (row 3; column 'часовой пояс'). "
        "Write a name such as "
        "Europe/Moscow, +05:00 or МСК+2, or leave the cell empty.",
        headings=f"{HEADINGS},часовой пояс",
    ),
    "EMPTY_MESSAGE": Sheet(
        "deal,1,2,3,\ndeal,1,2,3,  \ndeal,1,2,3,0\n",
        "EMPTY_MESSAGE: 3 rows: the message is empty or 0, which the portal takes for empty (rows 2, 3 and 4; column "
        "'MESSAGE'). Write "
        "the text, or delete the row.",
    ),
    "EMPTY_VALUE": Sheet(
        "deal,1,2,,a\n",
        "EMPTY_VALUE: 1 row: a cell that the message needs is empty, such as the one in the column 'USER_ID' (row 2). "
        "Fill in the cell, delete the row, or give the template a default.",
        template="Call {{ user_id }}",
        beside={
            2: "The column 'USER_ID' is empty here, and the message needs it: fill in the cell, or give the template "
            'a default, as in {{ user_id | default("…") }}.'
        },
    ),
    "TEMPLATE_ERROR": Sheet(
        "deal,1,2,3,x\ndeal,1,2,3,y\n",
        "TEMPLATE_ERROR: 2 rows: the message template could not be filled in (rows 2 and 3). Row 2: 'x' in the column "
        "'MESSAGE' is not a number that can be read safely. Correct the cells, or the template.",
        template="Pay {{ message | money }}",
    ),
    "FORMULA_ERROR": Sheet(
        "deal,1,2,3,#REF!\n",
        "FORMULA_ERROR: 1 row: a formula in the message gave an error or was never calculated, such as '#REF!' (row 2; "
        "column 'MESSAGE'). Open the sheet in Excel, correct the formula and save it.",
    ),
    "ROWS_IN_MESSAGE": Sheet(
        'deal,1,2,3,"Hello\ndeal,4,5,6,Good bye"\n',
        "ROWS_IN_MESSAGE: 1 row: the message holds other rows of the sheet, as where a quotation mark is missing or too "
        "many, such as 'deal,4,' (row 2; column 'MESSAGE'). Correct the quotation marks of the row, or save the sheet as "
        ".xlsx.",
    ),
    "TOO_MANY_CELLS": Sheet(
        "deal,1,2,3,Hello, Anna\n",
        "TOO_MANY_CELLS: 1 row: the row has more cells than there are headings, so its text may have been cut at a "
        "separator (row 2). Put the text in quotation marks, or save the sheet as .xlsx.",
    ),
    "NO_ROWS": Sheet(
        "", "NO_ROWS: there are no rows below the headings. Write the messages below the headings, one in a row."
    ),
    "SHARED_CHAT": Sheet(
        "deal,1,2,3,a\ndeal,1,2,3,b\ncontact,1,2,3,c\ndeal,1,3,3,d\n",
        "Warning: SHARED_CHAT: 1 row: the chat stands in another row too, for another lead, deal, contact or company, "
        "such as chat 2, as in row 2 (row 4). Check that the chat is the right one in both rows: else a customer reads "
        "what is meant for another.",
    ),
    "DUPLICATE_MESSAGE": Sheet(
        "deal,1,2,3,a\ndeal,1,3,3,a\ndeal,1,2,3,a\n",
        "Warning: DUPLICATE_MESSAGE: 1 row: the chat gets the same text as in an earlier row, such as the text of row 2 "
        "for chat 2 (row 4). Keep one of the rows, unless the chat is to get it twice.",
    ),
    "MESSAGE_CUT": Sheet(
        f"deal,1,2,3,{'a' * 20_000}\ndeal,1,2,3,{'b' * 20_001}\n",
        "Warning: MESSAGE_CUT: 1 row: the message is longer than 20,000 characters, so the messenger will cut it "
        "(row 3). Shorten the text, or make two rows of it.",
    ),
    "UNFILLED_PLACEHOLDER": Sheet(
        "deal,1,2,3,Dear {name}\ndeal,2,3,3,Dear {{ name }}\ndeal,2,3,3,Dear #NAME#\ndeal,2,3,3,100% of a%b\n",
        "Warning: UNFILLED_PLACEHOLDER: 3 rows: the message still has a placeholder in it, such as '{name}' in row 2 "
        "(rows 2, 3 and 4). Put the real word in its place.",
    ),
    "GARBLED_MESSAGE": Sheet(
        "deal,1,2,3,???????????? ????!\ndeal,2,3,3,Really????\n",
        "Warning: GARBLED_MESSAGE: 1 row: letters of the message were lost or misread, such as '???????????? ????' "
        "(row 2). Save the sheet again from where the text is still right, as .xlsx.",
    ),
}
PROBLEMS = {code for code, text in HELP.items() if text.checked}
TOLD_BY_THE_PORTAL = {
    *("CHAT_NOT_IN_CRM", "DIALOG_FINISHED", "ACCESS_DENIED", "NO_CHAT", "CHATS_NOT_TOLD", "NOT_CHECKED"),
    *("SILENT_MODE", "CHANNEL_CLOSED", "CHANNEL_CLOSING"),
}


@pytest.mark.parametrize("code", sorted(PROBLEMS - TOLD_BY_THE_PORTAL - {"HIDDEN_ROW"}))
def test_each_problem_is_reported_of_some_sheet(code: str, tmp_path: Path) -> None:
    """There is a sheet for each kind of problem; the report names rows, an example, and what to do."""
    want = PROBLEM_SHEETS[code]
    sheet = open_sheet(_text(f"{want.headings}\n{want.rows}")(tmp_path))
    template = MessageTemplate(want.template, sheet.headings) if want.template else None
    checker = Checker(find_columns(sheet.headings), message=template, headings=sheet.headings)
    beside: dict[int, str] = {}
    for chunk in sheet.chunks():
        rows = checker.check(chunk).rows
        beside |= dict(zip(rows.index.tolist(), rows["error_description"].tolist(), strict=True))
    [line] = checker.report().lines()
    assert line.startswith(want.line)
    assert {row: beside[row] for row in want.beside} == want.beside


@pytest.mark.parametrize("code", sorted(TOLD_BY_THE_PORTAL))
def test_problems_found_at_the_portal_join_the_report(code: str) -> None:
    """They are grouped and worded as the others are."""
    report = Report()
    report.add(code, 7, "chat 8773 and deal 288")
    report.add(code, 9, "chat 1 and deal 2")
    text = HELP[code]
    warning = "Warning: " if text.warning else ""
    means, advice = text.finding
    assert report.lines() == [
        f"{warning}{code}: 2 rows: {means}, such as chat 8773 and deal 288 in row 7 (rows 7 and 9). {advice}"
    ]
    assert (report.errors, report.warning_count) == ((0, 2) if text.warning else (2, 0))


def test_code_without_words_of_its_own_is_told_as_it_is() -> None:
    """A portal may say anything; words can be given along."""
    report = Report()
    report.add("SOMETHING_NEW", 5)
    report.add("OTHER", None, says="the portal is asleep", advice="Wake it.")
    assert report.lines() == [
        (
            "SOMETHING_NEW: 1 row: the portal refused this with the code SOMETHING_NEW (row 5). "
            "Look the code up in the documentation of Bitrix24's REST, or ask the portal's administrator."
        ),
        "OTHER: the portal is asleep. Wake it.",
    ]
    assert code_help("SOMETHING_NEW").warning is False


def test_hidden_rows_are_counted_and_said(tmp_path: Path) -> None:
    """They are no problem, and they are not forgotten."""

    def change(book: openpyxl.Workbook) -> None:
        for row in (HEADINGS.split(","), ["deal", 1, 2, 3, "a"], ["deal", 1, 2, 3, "b"], ["x", 1, 2, 3, "c"]):
            book.worksheets[0].append(row)
        book.worksheets[0].row_dimensions[3].hidden = True
        book.worksheets[0].row_dimensions[4].hidden = True

    sheet = open_sheet(_book(change)(tmp_path))
    checker = Checker(find_columns(sheet.headings))
    checked = [checker.check(chunk) for chunk in sheet.chunks()]
    assert checker.report().lines() == [
        (
            "2 rows are hidden in the sheet and left out. To send hidden rows too, show them in Excel and save the sheet, "
            "or choose to include them."
        )
    ]
    assert (checker.report().rows, checker.report().hidden, checker.report().good) == (1, 2, 1)
    assert checked[0].hidden.tolist() == [False, True, True]
    assert checked[0].rows["error_code"].tolist() == ["", "HIDDEN_ROW", "HIDDEN_ROW"]
    assert checked[0].rows["error_description"].tolist()[1] == describe("HIDDEN_ROW")

    checker = Checker(find_columns(sheet.headings), include_hidden=True)
    rows = pd.concat([checker.check(chunk).rows for chunk in sheet.chunks()])
    assert rows["error_code"].tolist() == ["", "", "INVALID_ENTITY_TYPE"]
    assert not np.array([checker.report().hidden]).any()


def test_report_ends_with_what_can_be_sent() -> None:
    """One sentence, with the right numbers of the right words."""
    assert Report().outcome() == "There is no row to send."
    assert Report(rows=1, good=1, chats=1).outcome() == "No problems: 1 of 1 row can be sent, to 1 chat."
    report = Report(rows=1200, good=1199, chats=7)
    report.add("EMPTY_MESSAGE", 5)
    assert report.outcome() == "1,199 of 1,200 rows can be sent, to 7 chats."


def test_long_lists_and_long_cells_are_cut() -> None:
    """A sentence stays one that can be read."""
    assert quoted("a\n b") == "'a b'"
    assert quoted("x" * 100) == f"'{'x' * 59}…'"
    assert listed(["a"]) == "a"
    assert listed([str(n) for n in range(20)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 9 more"
