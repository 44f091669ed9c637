"""Text files: what programs write is read back exactly, in chunks, with the rows' own numbers."""

import csv
import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bulksend.sheet.delimited as module
from bulksend.errors import SheetError
from bulksend.sheet.reading import Sheet, open_sheet

HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE"]
CELLS = st.text(
    st.one_of(
        st.sampled_from('",;\t\n\r |='),
        st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs", "Cc")),
    ),
    max_size=12,
)
ROWS = st.lists(st.lists(CELLS, min_size=4, max_size=4), max_size=12)
IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


def _written(rows: list[list[str]], delimiter: str, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([HEADINGS, *rows])
    return file.getvalue()


def _read(sheet: Sheet, rows: int = 50_000) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for read in sheet.chunks(rows):
        found |= dict(zip(read.cells.index.tolist(), read.cells.to_numpy().tolist(), strict=True))
    return found


@IN_ONE_FOLDER
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    chunk=st.sampled_from([7, 64, 1 << 22]),
    size=st.sampled_from([1, 3, 1000]),
)
def test_what_a_program_writes_is_read_back_to_the_letter(
    tmp_path: Path, rows: list[list[str]], delimiter: str, encoding: str, quoting: Literal[0, 1], chunk: int, size: int
) -> None:
    """Any text in any cell, with any separator and encoding, read in buffers and chunks of any size."""
    path = tmp_path / "sheet.csv"
    path.write_bytes(_written(rows, delimiter, quoting).encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        sheet = open_sheet(path)
        assert sheet.headings == HEADINGS
        want = {number: row for number, row in enumerate(rows, 2) if any(cell.strip() for cell in row)}
        assert _read(sheet, size) == want
        assert _read(sheet, size) == want  # as often as asked for


@IN_ONE_FOLDER
@given(text=st.text(st.sampled_from('",a\n\r'), max_size=25), chunk=st.sampled_from([1, 5, 1 << 22]))
def test_any_quoting_is_read_as_excel_does_or_refused(tmp_path: Path, text: str, chunk: int) -> None:
    """Marks at odd places never shift cells silently."""
    path = tmp_path / "sheet.csv"
    path.write_text(",".join(HEADINGS) + "\n" + text, encoding="utf-8", newline="")
    found, sentence = None, ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        try:
            found = _read(open_sheet(path))
        except SheetError as error:
            sentence = str(error)
    if found is None:
        assert "quotation mark" in sentence
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(path.read_text("utf-8"), newline=""), strict=True))
        return
    rows = list(csv.reader(io.StringIO(text, newline="")))
    want = {number: row for number, row in enumerate(rows, 2) if any(cell.strip() for cell in row)}
    widest = max([4, *(len(row) for row in rows)])
    assert found == {number: [*row, *[""] * (widest - len(row))] for number, row in want.items()}


def test_row_of_an_unclosed_quote_is_named_however_long_the_file(tmp_path: Path) -> None:
    """Rows are counted as Excel counts them: a cell of several lines is one row."""
    rows = [["deal", "1", "2", "a\nb"]] * 3000
    path = tmp_path / "sheet.csv"
    path.write_text(
        _written(rows, ",") + 'deal,1,2,"never closed\n' + "deal,1,2,x\n" * 3000, encoding="utf-8", newline=""
    )
    with pytest.raises(SheetError, match="opened in row 3002 of"):
        open_sheet(path)


def test_cell_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote opened at the top of a large file is not read to the end of it."""
    monkeypatch.setattr(module, "_CHUNK", 1 << 12)
    monkeypatch.setattr(module, "_LONGEST_RECORD", 1 << 16)
    path = tmp_path / "sheet.csv"
    path.write_text(",".join(HEADINGS) + '\ndeal,1,2,"' + "deal,1,2,x\n" * 20_000, encoding="utf-8", newline="")
    with pytest.raises(SheetError, match="opened in row 2 of"):
        open_sheet(path)


def test_dialect_tells_how_to_write_the_results_alike(tmp_path: Path) -> None:
    """Encoding, separator and line ends."""
    path = tmp_path / "sheet.csv"
    path.write_bytes("Тип сущности;ID сущности;ID чата;Текст\nсделка;1;2;Привет, как дела\n".encode("cp1251"))
    dialect = open_sheet(path).dialect
    assert dialect is not None
    assert (dialect.encoding, dialect.delimiter, dialect.line_end) == ("cp1251", ";", "\n")
