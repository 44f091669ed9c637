"""Damaged files: whatever happened to the bytes, there is a sheet or a sentence, never a traceback."""

import contextlib
import io
import random
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import pytest
import xlsxwriter
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

from bulksend.errors import SheetError
from bulksend.sheet.headings import find_columns
from bulksend.sheet.reading import open_sheet
from bulksend.validation import Checker

ROWS = [
    ["Entity type", "Entity id", "Chat id", "User id", "Message"],
    *[["сделка", str(row), str(8000 + row), "27", f'Здравствуйте, "Анна" {row};\nдо встречи'] for row in range(1, 40)],
]
MOST_MEMORY = 400 << 20
LONGEST = 30.0
CALC_EXTENSIONS = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"
ODD = (b'"', b"\0", b"\n", b"\r", b",", b"\xff", b"<", b"9", b"\xef\xbb\xbf")


def _originals() -> list[tuple[str, bytes]]:
    text = "\r\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in ROWS)
    plain = "\n".join("\t".join(cell.replace("\n", " ") for cell in row) for row in ROWS)
    return [
        ("a.csv", text.encode()),
        ("b.csv", text.encode("cp1251")),
        ("c.csv", text.encode("utf-16")),
        ("d.tsv", plain.encode()),
        ("e.xlsx", _openpyxl()),
        ("f.xlsx", _xlsxwriter()),
        ("g.xls", _xlwt()),
        ("h.ods", _odfpy()),
    ]


def _openpyxl() -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for row in ROWS:
        book.active.append(row)
    book.active.row_dimensions[5].hidden = True
    book.active.merge_cells("A3:A5")
    book.active["E7"] = "=1+1"
    book.save(file)
    return file.getvalue()


def _xlsxwriter() -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate(ROWS):
        sheet.write_row(number, 0, row)
    sheet.write_formula("E5", "=NA()", None, "#N/A")
    book.close()
    return file.getvalue()


def _xlwt() -> bytes:
    book, file = xlwt.Workbook(), io.BytesIO()
    sheet = book.add_sheet("Лист1")
    for number, row in enumerate(ROWS):
        for column, cell in enumerate(row):
            sheet.write(number, column, cell)
    sheet.row(4).hidden = 1
    book.save(file)
    return file.getvalue()


def _odfpy() -> bytes:
    document, file = OpenDocumentSpreadsheet(), io.BytesIO()
    table = Table(name="Лист1")
    for row in ROWS:
        line = TableRow(numberrowsrepeated=1)
        for text in row:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=text))
            line.addElement(cell)
        table.addElement(line)
    document.spreadsheet.addElement(table)
    document.write(file)
    return file.getvalue()


def _mutated(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Bytes flipped, cut out, doubled or glued; packed workbooks also inside their members, packed again."""
    if data.startswith(b"PK") and chance.random() < 0.6:
        return _repacked(chance, data)
    return _damaged(chance, data, others)


def _damaged(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(max(1, len(changed)))
        match chance.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place : place + chance.choice((1, 2, 10, 1000))]
            case 2:
                changed[place:place] = changed[place : place + chance.choice((1, 5, 300))]
            case 3:
                changed[place:place] = chance.choice(
                    (b'"', b"\0", b"\n", b"\r", b",", b"\xff", b"<", b"9", b"\xef\xbb\xbf")
                )
            case 4:
                if chance.random() < 0.2:
                    del changed[place:]
            case 5:
                if chance.random() < 0.2:
                    changed += chance.choice(others)[chance.randrange(200) :]
    return bytes(changed)


def _repacked(chance: random.Random, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        victim = chance.choice(
            [name for name in names if "sheet" in name or "content" in name or "Strings" in name] or names
        )
        for name in names:
            content = source.read(name)
            if name == victim:
                content = _grown(chance, content) if chance.random() < 0.4 else _damaged(chance, content, [content])
            target.writestr(name, content)
    return out.getvalue()


def _grown(chance: random.Random, content: bytes) -> bytes:
    """A number inside the file made another, often a huge one: that is what fills memories."""
    places = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    for _ in range(chance.choice((1, 3))):
        place = chance.choice(places)
        number = chance.choice((b"0", b"7", b"99", b"9999", b"1048576", b"99999999", b"18446744073709551615", b"-1"))
        content = content[:place] + number + content[place + 1 :]
    return content


def _read(path: Path) -> None:
    try:
        sheet = open_sheet(path)
        checker = Checker(find_columns(sheet.headings))
        for chunk in sheet.chunks():
            checker.check(chunk)
        checker.report().lines()
    except SheetError as error:
        sentence = str(error)
    else:
        sentence = ""
    assert "\n" not in sentence


def _survives(folder: Path, runs: int, seed: int) -> None:
    chance = random.Random(seed)
    originals = _originals()
    others = [data for _, data in originals]
    process = psutil.Process()
    before = process.memory_info().rss
    for run in range(runs):
        name, data = originals[run % len(originals)]
        path = folder / name
        path.write_bytes(_mutated(chance, data, others))
        started = time.monotonic()
        try:
            _read(path)
        except BaseException as error:
            raise AssertionError(f"run {run} of seed {seed} ({name}) ended in {error!r}") from error
        assert time.monotonic() - started < LONGEST, f"run {run} of seed {seed} took too long"
        assert process.memory_info().rss - before < MOST_MEMORY, f"run {run} of seed {seed} took too much memory"


def _ods_row(*texts: str, **options: Any) -> TableRow:
    line = TableRow(**options)
    for text in texts:
        cell = TableCell(valuetype="string")
        cell.addElement(P(text=text))
        line.addElement(cell)
    return line


def _errors(**options: Any) -> TableRow:
    line = TableRow(**options)
    cell = TableCell(valuetype="string", qattributes={(CALC_EXTENSIONS, "value-type"): "error"})
    cell.addElement(P(text="#N/A"))
    line.addElement(cell)
    return line


@pytest.mark.parametrize("repeated", [999_999_999, 2_000_000_000])
@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        (lambda times: [_ods_row(*ROWS[1], numberrowsrepeated=times)], True),
        (lambda times: [TableRow(numberrowsrepeated=times), _ods_row(*ROWS[1])], True),
        (lambda times: [_errors(numberrowsrepeated=times)], True),
        (lambda times: [_ods_row(*ROWS[1]), TableRow(numberrowsrepeated=times, visibility="filter")], False),
    ],
    ids=["texts", "blanks between", "errors", "hidden to the end"],
)
def test_rows_repeated_without_end_fill_no_memory(
    tmp_path: Path, rows: Callable[[int], list[TableRow]], repeated: int, *, refused: bool
) -> None:
    """An .ods says in a few bytes that a row is there two billion times."""
    document, table = OpenDocumentSpreadsheet(), Table(name="Лист1")
    for row in (_ods_row(*ROWS[0]), *rows(repeated)):
        table.addElement(row)
    document.spreadsheet.addElement(table)
    path = tmp_path / "a.ods"
    document.save(path)
    tracemalloc.start()
    try:
        with pytest.raises(SheetError, match="very far") if refused else contextlib.nullcontext():
            assert [len(chunk.cells) for chunk in open_sheet(path).chunks()] == [1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_damaged_files_end_in_a_sheet_or_a_sentence(tmp_path: Path) -> None:
    """A few hundred files with bytes flipped, cut and glued: no other error, no flood of memory, no long wait."""
    _survives(tmp_path, runs=400, seed=20261121)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_damaged_files_end_in_a_sheet_or_a_sentence(tmp_path: Path) -> None:
    """The same for ten thousand others."""
    _survives(tmp_path, runs=10_000, seed=7)
