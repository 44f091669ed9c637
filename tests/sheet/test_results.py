"""The results sheet: every original cell as it was, what became of each row beside it, never half-written."""

import csv
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils import get_column_letter
from python_calamine import CalamineWorkbook

from bulksend.errors import SheetError
from bulksend.plan import SheetOptions, examine
from bulksend.sheet import limits
from bulksend.sheet.chunks import Dialect
from bulksend.sheet.headings import RESULT_COLUMNS, find_columns
from bulksend.sheet.reading import Sheet, open_sheet
from bulksend.sheet.writing import write_sheet

ORIGINAL = ["Тип сущности", "ID сделки", "ID чата", "Сообщение", "Заметка"]
HEADINGS = [*ORIGINAL, *RESULT_COLUMNS]
STATUS = len(ORIGINAL)
SENT = [
    "deal",
    "0288",
    "8773",
    '=HYPERLINK("x")',
    "+7 900",
    "sent",
    "19880117",
    "",
    "",
    "2026-11-30T10:00:00+03:00",
    "1",
    "",
]
FAILED = ["deal", "1", "1763", "@name\nтекст", "", "failed", "", "ACCESS_DENIED", "Нет доступа.", "", "1", ""]
SKIPPED = ["deal", "2", "5", "- да", "x", "skipped", "", "HIDDEN_ROW", "Hidden.", "", "0", ""]
ROWS = [SENT, FAILED, SKIPPED]


def _write(path: Path, rows: list[list[str]] | None = None, dialect: Dialect | None = None) -> Path:
    return write_sheet(
        path,
        format=path.suffix[1:],
        headings=HEADINGS,
        rows=((row, False) for row in (ROWS if rows is None else rows)),
        dialect=dialect,
        name="Results",
        summary=[("Portal", "portal.example"), ("Rows", 3)],
        status_column=STATUS,
    )


def _cells(sheet: Sheet) -> list[list[str]]:
    return [row for chunk in sheet.chunks() for row in chunk.cells.to_numpy().tolist()]


def _charts(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(name.startswith("xl/charts/chart") for name in archive.namelist())


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_results_are_read_back_exactly(tmp_path: Path, suffix: str) -> None:
    """Text that looks like a formula, a number or a phone stays the text it was."""
    sheet = open_sheet(_write(tmp_path / f"out.{suffix}"))
    assert sheet.headings == HEADINGS
    assert next(sheet.chunks()).cells.to_numpy().tolist() == ROWS


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_results_sheet_is_a_valid_input(tmp_path: Path, suffix: str) -> None:
    """It tells how wide the sheet was before the results, so that they can be written anew."""
    sheet = open_sheet(_write(tmp_path / f"out.{suffix}"))
    assert sheet.original_width == len(ORIGINAL)
    assert find_columns(sheet.headings[: sheet.original_width]).chat_id == 2


def test_sheet_without_results_is_as_wide_as_it_is(tmp_path: Path) -> None:
    """Columns of the same names elsewhere are the sheet's own."""
    path = tmp_path / "a.csv"
    path.write_text("status,CHAT_ID,attempts\nx,1,2\n", encoding="utf-8")
    assert open_sheet(path).original_width == 3


@pytest.mark.parametrize(
    "dialect",
    [Dialect("cp1251", ";", "\r\n"), Dialect("utf-8-sig", ",", "\n"), Dialect("utf-16", "\t"), Dialect("utf-8", "|")],
)
def test_text_results_are_written_as_the_sheet_was(tmp_path: Path, dialect: Dialect) -> None:
    """The same encoding, separator and line ends."""
    sheet = open_sheet(_write(tmp_path / "out.csv", [SENT], dialect))
    assert sheet.dialect == dialect
    assert next(sheet.chunks()).cells.to_numpy().tolist() == [SENT]


def test_words_of_the_portal_cannot_become_a_formula_in_a_text_file(tmp_path: Path) -> None:
    """The sheet's own cells are left alone; what came over the network, codes too, is made harmless."""
    path = _write(tmp_path / "out.csv", [[*FAILED[:7], "-2+3", "=1+1", "", "1", ""]])
    with path.open(encoding="utf-8", newline="") as file:
        row = list(csv.reader(file))[1]
    assert (row[3], row[7], row[8]) == ("@name\nтекст", "'-2+3", "'=1+1")


def test_letters_the_sheets_encoding_lacks_do_not_stop_the_results(tmp_path: Path) -> None:
    """They can only come with the portal's words."""
    path = _write(tmp_path / "out.csv", [[*FAILED[:8], "日本", "", "1", ""]], Dialect("cp1251", ";"))
    assert "??" in path.read_text("cp1251")


def test_rows_without_a_status_are_counted_by_name(tmp_path: Path) -> None:
    """A copy of a sheet with its problems says nothing beside good rows; its summary does."""
    path = _write(tmp_path / "out.xlsx", [[*SENT[:5], *[""] * 7], FAILED])
    cells = openpyxl.load_workbook(path)["Summary"].iter_rows(values_only=True)
    assert ("no problem", 1) in {row[:2] for row in cells}


def test_columns_and_rows_are_as_large_as_what_is_in_them(tmp_path: Path) -> None:
    """Nothing is cut or drawn over: wide columns, high rows where a text has lines or a sentence is long."""
    long = "What happened to this row, and what a person can do about it now. " * 3
    path = _write(tmp_path / "out.xlsx", [SENT, FAILED, [*SKIPPED[:8], long, *SKIPPED[9:]], ["x" * 40, *SENT[1:]]])
    sheet = openpyxl.load_workbook(path)["Results"]
    assert sheet.column_dimensions["A"].width == pytest.approx(42, abs=1)
    assert sheet.column_dimensions["B"].width < 25
    described = get_column_letter(HEADINGS.index("error_description") + 1)
    assert sheet.column_dimensions[described].width == pytest.approx(60, abs=1)
    assert [sheet.row_dimensions[number].height for number in (2, 3, 4)] == [None, 30, 45]
    assert sheet["D3"].alignment.wrap_text
    assert not sheet["A3"].alignment.wrap_text
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.print_title_rows == "$1:$1"


def test_workbook_is_made_for_people(tmp_path: Path) -> None:
    """Frozen headings, an autofilter, colours by status, ids as text, a summary and a chart of the troubles."""
    path = _write(tmp_path / "out.xlsx")
    book = openpyxl.load_workbook(path)
    sheet, summary = book["Results"], book["Summary"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:L4"
    colours = {str(sheet.cell(row, STATUS + 1).fill.start_color.rgb) for row in (2, 3, 4)}
    assert len(colours) == 3
    assert all(cell.data_type in "sn" and not isinstance(cell.value, int | float) for row in sheet.rows for cell in row)
    assert sheet.cell(2, 2).value == "0288"
    assert [[cell.value for cell in row[:2]] for row in summary.rows] == [
        ["Campaign", None],
        ["Portal", "portal.example"],
        ["Rows", 3],
        [None, None],
        ["Rows by status", None],
        ["sent", 1],
        ["failed", 1],
        ["skipped", 1],
        [None, None],
        ["Rows by error code", None],
        ["ACCESS_DENIED", 1],
        ["HIDDEN_ROW", 1],
    ]
    assert _charts(path) == 1


def test_chart_is_for_campaigns_with_troubles(tmp_path: Path) -> None:
    """Where all rows were sent there is nothing to draw."""
    assert _charts(_write(tmp_path / "out.xlsx", [SENT])) == 0


def test_deliveries_are_counted_and_drawn(tmp_path: Path) -> None:
    """What became of the sent messages stands in the summary, once somebody has asked."""
    path = _write(tmp_path / "out.xlsx", [[*SENT[:-1], "read"], [*SENT[:-1], "sending"], [*SENT[:-1], "read"]])
    told = [row[:2] for row in CalamineWorkbook.from_path(path).get_sheet_by_name("Summary").to_python()]
    assert told[-3:] == [["Sent messages by delivery", ""], ["read", 2], ["sending", 1]]
    assert _charts(path) == 1


def test_no_rows_make_a_sheet_of_headings(tmp_path: Path) -> None:
    """An empty campaign has results too."""
    assert openpyxl.load_workbook(_write(tmp_path / "out.xlsx", []))["Results"].cell(1, 1).value == ORIGINAL[0]


def test_texts_longer_than_a_cell_are_cut_rather_than_dropped(tmp_path: Path) -> None:
    """Excel holds 32,767 characters in a cell."""
    path = _write(tmp_path / "out.xlsx", [[*SENT[:3], "x" * 40_000, *SENT[4:]]])
    assert openpyxl.load_workbook(path)["Results"].cell(2, 4).value == "x" * 32_767


def test_old_results_stay_whole_when_writing_breaks_off(tmp_path: Path) -> None:
    """The new file is made beside it, and nothing of it is left."""
    path = _write(tmp_path / "out.csv")
    old = path.read_bytes()

    def rows() -> Iterator[tuple[list[str], bool]]:
        yield SENT, False
        raise KeyboardInterrupt

    for suffix in ("csv", "xlsx"):
        with pytest.raises(KeyboardInterrupt):
            write_sheet(path, format=suffix, headings=HEADINGS, rows=rows(), status_column=STATUS)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_results_open_in_excel_are_written_under_a_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to replace a file that a program holds; the name that was used is returned."""
    held = _write(tmp_path / "out.csv", [FAILED])
    held_too = held.with_name("out (2).csv")
    held_too.write_text("old", encoding="utf-8")
    replace = Path.replace

    def locked(source: Path, target: Path) -> Path:
        if {source, target} & {held, held_too}:
            raise PermissionError
        return replace(source, target)

    for name in ("replace", "rename"):
        monkeypatch.setattr(Path, name, locked)
    written = _write(held, [SENT])
    assert written == tmp_path / "out (3).csv"
    assert next(open_sheet(written).chunks()).cells.to_numpy().tolist() == [SENT]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out (2).csv", "out (3).csv", "out.csv"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_results_have_the_permissions_of_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the process's umask leaves, which is not changed even for a moment: other threads write files too."""

    def changed(_mask: int) -> int:
        pytest.fail("the umask of the whole process was changed")

    other = tmp_path / "other"
    other.touch()
    monkeypatch.setattr(os, "umask", changed)
    for name in ("out.csv", "out.xlsx"):
        assert _write(tmp_path / name).stat().st_mode == other.stat().st_mode


def test_rows_beyond_a_full_worksheet_continue_on_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the headings and the widths of the first; the summary counts them all."""
    monkeypatch.setattr(limits, "MOST_ROWS", 3)
    path = _write(tmp_path / "out.xlsx", [SENT, FAILED, SKIPPED, SENT, FAILED])
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Results", "Results (2)", "Results (3)", "Summary"]
    for name, rows in {"Results": [SENT, FAILED], "Results (2)": [SKIPPED, SENT], "Results (3)": [FAILED]}.items():
        assert _rows_of_sheet(path, name) == rows
        assert [cell.value for cell in book[name][1]] == HEADINGS
        assert book[name].auto_filter.ref == f"A1:L{len(rows) + 1}"
        assert book[name].column_dimensions["F"].width == book["Results"].column_dimensions["F"].width
    assert ("sent", 2) in {row[:2] for row in book["Summary"].iter_rows(values_only=True)}


def test_sheet_that_continues_on_another_is_not_read_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of further worksheets would be left out without a word; each can be read by its name."""
    monkeypatch.setattr(limits, "MOST_ROWS", 3)
    path = _write(tmp_path / "out.xlsx")
    sheet = open_sheet(path)
    assert sheet.original_width == STATUS
    with pytest.raises(SheetError, match=r"'out\.xlsx'.*'Results \(2\)'.*choose one sheet after the other"):
        next(sheet.chunks())
    read = [row for name in ("Results", "Results (2)") for row in _cells(open_sheet(path, sheet=name))]
    assert read == ROWS


def test_other_sheets_with_such_names_are_left_alone(tmp_path: Path) -> None:
    """A worksheet that is not full is not continued on another, whatever that is called."""
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    for name in ("Март", "Март (2)"):
        book.create_sheet(name).append(["CHAT_ID", "MESSAGE"])
        book[name].append(["1", name])
    book.remove(book.worksheets[0])
    book.save(path)
    assert _cells(open_sheet(path)) == [["1", "Март"]]


@pytest.mark.parametrize("name", ["Март [1/2]: 'всё'", "x" * 31, None])
def test_copy_of_a_sheet_continues_on_another_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """Under a name that Excel takes, with its hidden rows hidden."""
    monkeypatch.setattr(limits, "MOST_ROWS", 2)
    rows = [(["1"], False), (["2"], True)]
    path = write_sheet(tmp_path / "a.xlsx", format="xlsx", headings=["CHAT_ID"], rows=rows, name=name)
    first, second = openpyxl.load_workbook(path).worksheets
    assert second.title == limits.page_name(name or "Sheet1", 2)
    assert [[cell.value for cell in sheet["A"]] for sheet in (first, second)] == [["CHAT_ID", "1"], ["CHAT_ID", "2"]]
    assert [sheet.row_dimensions[2].hidden for sheet in (first, second)] == [False, True]


def test_problems_sheet_continues_on_another_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy that `check` writes."""
    source = tmp_path / "a.csv"
    lines = ["CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE", *[f"deal,{number},x,Hi" for number in range(1, 6)]]
    source.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(limits, "MOST_ROWS", 4)
    path = examine(source, SheetOptions()).write_problems(tmp_path / "problems.xlsx")
    rows = [row for name in ("Results", "Results (2)") for row in _rows_of_sheet(path, name)]
    assert [(row[1], row[4], row[6]) for row in rows] == [(str(n), "invalid", "INVALID_CHAT_ID") for n in range(1, 6)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worksheet_of_excel_is_too_short_for_a_million_and_more(tmp_path: Path) -> None:
    """The real limit: 1,048,576 rows, the headings among them."""
    count = 1_048_577
    rows = ((["", "", "", "", "", "sent", str(number), "", "", "", ""], False) for number in range(count))
    path = write_sheet(
        tmp_path / "out.xlsx", format="xlsx", headings=HEADINGS, rows=rows, name="Results", status_column=STATUS
    )
    ids = [row[6] for name in ("Results", "Results (2)") for row in _rows_of_sheet(path, name)]
    assert ids == [str(number) for number in range(count)]


def _rows_of_sheet(path: Path, name: str) -> list[list[Any]]:
    return CalamineWorkbook.from_path(path).get_sheet_by_name(name).to_python()[1:]
