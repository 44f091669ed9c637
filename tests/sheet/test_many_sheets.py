"""Sheets as people have them, made by the programs that make them: each is read as it looks, or refused in words."""

# ruff: noqa: ARG005, D103, E501  # a table: its lines are long, and the makers of its sheets small and many

import codecs
import csv
import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import xlsxwriter
import xlwt
from msoffcrypto.format.ooxml import OOXMLFile
from odf.opendocument import OpenDocumentSpreadsheet, OpenDocumentText
from odf.table import CoveredTableCell, Table, TableCell, TableRow
from odf.text import P

from bulksend.errors import SheetError
from bulksend.sheet.headings import find_columns
from bulksend.sheet.reading import open_sheet
from bulksend.validation import Checker

HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE"]
RUSSIAN = ["Тип сущности", "ID сущности", "ID чата", "ID пользователя", "Текст сообщения"]
ONE = ["deal", "288", "8773", "27", "Hello"]
TWO = ["lead", "1205", "1763", "27", "Good day, Anna"]
ANNA = ["сделка", "288", "8773", "27", "Здравствуйте, Анна! Ваш заказ № 5 готов — ждём"]
IVAN = ["лид", "1205", "1763", "", "Добрый день, Иван; подтвердите, пожалуйста, встречу"]
READ_ONE, READ_TWO = (8773, "Hello"), (1763, "Good day, Anna")
NUMBERS = ["deal", 288, 8773, 27, "Hello"]
READ_ANNA, READ_IVAN = (8773, ANNA[4]), (1763, IVAN[4])

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Case:
    """One sheet: its bytes, and by row number what is read of it (chat and text, or a problem), or what is said."""

    name: str
    data: Callable[[], bytes]
    want: Mapping[int, tuple[int, str] | str] | str
    sheet: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)


def text(
    rows: Rows, delimiter: str = ",", encoding: str = "utf-8", end: str = "\r\n", before: str = ""
) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
        return (before + file.getvalue()).encode(encoding)

    return make


def raw(content: str | bytes, encoding: str = "utf-8") -> Callable[[], bytes]:
    return lambda: content if isinstance(content, bytes) else content.encode(encoding)


def by_openpyxl(rows: Rows, finish: Callable[[Any], None] = lambda book: None) -> Callable[[], bytes]:
    def make() -> bytes:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                if value is not None:
                    sheet.cell(number, column, value)
        finish(book)
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()

    return make


def by_xlsxwriter(rows: Rows, finish: Callable[[Any, Any], object] = lambda book, sheet: None) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        book = xlsxwriter.Workbook(file, {"in_memory": True})
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        finish(book, sheet)
        book.close()
        return file.getvalue()

    return make


def by_pandas(rows: Rows, engine: Any = "openpyxl") -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        pd.DataFrame(rows[1:], columns=list(rows[0])).to_excel(file, index=False, engine=engine)
        return file.getvalue()

    return make


def by_xlwt(rows: Rows, finish: Callable[[Any, Any], object] = lambda book, sheet: None) -> Callable[[], bytes]:
    def make() -> bytes:
        book = xlwt.Workbook()
        sheet = book.add_sheet("Sheet 1")
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                sheet.write(number, column, value)
        finish(book, sheet)
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()

    return make


def by_odfpy(*rows: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        document = OpenDocumentSpreadsheet()
        table = Table(name="Лист1")
        for row in rows:
            table.addElement(row if not isinstance(row, list) else ods_row(row))
        document.spreadsheet.addElement(table)
        file = io.BytesIO()
        document.write(file)
        return file.getvalue()

    return make


def ods_row(cells: Sequence[Any], **options: Any) -> Any:
    row = TableRow(**options)
    for value in cells:
        if isinstance(value, int | float):
            cell = TableCell(valuetype="float", value=value)
            cell.addElement(P(text=str(value)))
        elif value == "":
            cell = TableCell()
        elif isinstance(value, str):
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
        else:
            cell = value
        row.addElement(cell)
    return row


def ods_cell(value: str, **options: Any) -> Any:
    cell = TableCell(valuetype="string", **options)
    cell.addElement(P(text=value))
    return cell


def zipped(**members: str) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
        return file.getvalue()

    return make


def protected() -> bytes:
    plain, out = io.BytesIO(by_openpyxl([HEADINGS, ONE])()), io.BytesIO()
    OOXMLFile(plain).encrypt("secret", out)
    return out.getvalue()


def bomb() -> bytes:
    file = io.BytesIO(by_openpyxl([HEADINGS, ONE])())
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/a.xml", "w") as member:
        for _ in range(260):
            member.write(bytes(1 << 20))
    return file.getvalue()


def replaced(
    make: Callable[[], bytes], old: bytes, new: bytes, member: str = "xl/worksheets/sheet1.xml"
) -> Callable[[], bytes]:
    """A workbook with some of a sheet's XML written in another program's way."""

    def change() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(make())) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                content = source.read(name)
                if name == member:
                    assert old in content
                    content = content.replace(old, new)
                target.writestr(name, content)
        return out.getvalue()

    return change


def odt() -> bytes:
    file = io.BytesIO()
    OpenDocumentText().write(file)
    return file.getvalue()


def hide_rows(*numbers: int) -> Callable[[Any], None]:
    def finish(book: Any) -> None:
        for number in numbers:
            book.active.row_dimensions[number].hidden = True

    return finish


def merge(area: str) -> Callable[[Any], None]:
    return lambda book: book.active.merge_cells(area)


def second_sheet(name: str, rows: Rows, first_state: str = "visible") -> Callable[[Any], None]:
    def finish(book: Any) -> None:
        other = book.create_sheet(name)
        for row in rows:
            other.append(row)
        book.worksheets[0].sheet_state = first_state
        if first_state != "visible":
            book.active = 1

    return finish


def all_hidden(data: Callable[[], bytes]) -> Callable[[], bytes]:
    return replaced(data, b'state="visible"', b'state="hidden"', "xl/workbook.xml")


def merged_xls() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet 1")
    rows: list[list[Any]] = [HEADINGS, [None, 288, 8773, 27, "Hello"], [None, 1205, 1763, 27, "Good day, Anna"]]
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(number, column, value)
    sheet.write_merge(1, 2, 0, 0, "deal")
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def error_xls() -> bytes:
    def finish(book: Any, sheet: Any) -> None:
        sheet.row(1).set_cell_error(4, 0x2A)

    return by_xlwt([HEADINGS, NUMBERS[:4]], finish)()


def prefixed() -> bytes:
    """As the .NET libraries write: every element with a prefix."""
    cells = "".join(
        f'<x:c r="{c}{{0}}" t="inlineStr"><x:is><x:t>{{{i}}}</x:t></x:is></x:c>' for i, c in enumerate("ABCDE", 1)
    )
    rows = [HEADINGS, ONE, TWO]
    body = "".join(
        f'<x:row r="{n}"{" hidden=" + chr(34) + "1" + chr(34) if n == 3 else ""}>' + cells.format(n, *row) + "</x:row>"
        for n, row in enumerate(rows, 1)
    )
    sheet = (
        '<?xml version="1.0"?><x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<x:sheetData>{body}</x:sheetData></x:worksheet>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(by_openpyxl([HEADINGS])())) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else source.read(name))
    return out.getvalue()


def chart_first() -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    book.add_chartsheet("Picture").set_chart(_chart(book))
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, HEADINGS)
    sheet.write_row(1, 0, NUMBERS)
    book.close()
    return file.getvalue()


def _chart(book: Any) -> Any:
    chart = book.add_chart({"type": "bar"})
    chart.add_series({"values": "=Data!$B$2:$B$2"})
    return chart


BOTH = {2: READ_ONE, 3: READ_TWO}
BOTH_RUSSIAN = {2: READ_ANNA, 3: READ_IVAN}

CASES = [
    # --- text files: encodings -----------------------------------------------------------------------------------
    Case("plain.csv", text([HEADINGS, ONE, TWO]), BOTH),
    Case("utf8.csv", text([RUSSIAN, ANNA, IVAN]), BOTH_RUSSIAN),
    Case("utf8_bom.csv", text([RUSSIAN, ANNA, IVAN], encoding="utf-8-sig"), BOTH_RUSSIAN),
    Case("utf8_bom_quoted.csv", text([['"q"', *RUSSIAN], ["", *ANNA]], encoding="utf-8-sig"), {2: READ_ANNA}),
    Case("cp1251.csv", text([RUSSIAN, ANNA, IVAN], ";", "cp1251"), BOTH_RUSSIAN),
    Case("utf16.csv", text([RUSSIAN, ANNA, IVAN], "\t", "utf-16"), BOTH_RUSSIAN),
    Case("utf16_be.csv", lambda: codecs.BOM_UTF16_BE + text([RUSSIAN, ANNA], ",", "utf-16-be")(), {2: READ_ANNA}),
    Case("utf16_no_bom.csv", text([HEADINGS, ONE, TWO], ",", "utf-16-le"), BOTH),
    Case("utf32.csv", text([RUSSIAN, ANNA], ",", "utf-32"), {2: READ_ANNA}),
    Case("emoji.csv", text([HEADINGS, [*ONE[:4], "Привет 👋🏽"]]), {2: (8773, "Привет 👋🏽")}),
    Case("koi8.csv", raw("Тип сущности,ID чата\nсделка,Здравствуйте дорогой клиент\n", "koi8-r"), "The encoding of 'koi8.csv' cannot be recognised"),
    Case("dos.csv", raw("Тип сущности,ID чата\nсделка,Здравствуйте дорогой клиент\n", "cp866"), "The encoding of"),
    Case("latin1.csv", raw("CRM_ENTITY_TYPE,MESSAGE\ndeal,Café à côté, señor, größer\n", "latin-1"), "The encoding of"),
    Case("cut_utf8.csv", raw("MESSAGE\nЗдравствуйте\nПри".encode()[:-1]), "Row 3 of 'cut_utf8.csv' has damaged characters"),
    Case("cut_utf16.csv", raw("a,b\n1,2\n".encode("utf-16")[:-1]), "Row 2 of 'cut_utf16.csv' has damaged characters"),
    # --- text files: separators, quotes, line ends ---------------------------------------------------------------
    Case("semicolon.csv", text([HEADINGS, ONE, TWO], ";"), BOTH),
    Case("tab.tsv", text([HEADINGS, ONE, TWO], "\t"), BOTH),
    Case("tab.txt", text([HEADINGS, ONE, TWO], "\t", end="\n"), BOTH),
    Case("pipe.csv", text([HEADINGS, ONE, TWO], "|"), BOTH),
    Case("commas_in_texts.csv", text([HEADINGS, *[[*ONE[:4], "a, b, c, d, e, f"]] * 2], ";"), {2: (8773, "a, b, c, d, e, f"), 3: (8773, "a, b, c, d, e, f")}),
    Case("sep_line.csv", text([HEADINGS, ONE, TWO], ";", before="sep=;\r\n"), BOTH),
    Case("old_mac.csv", text([HEADINGS, ONE, TWO], ",", end="\r"), BOTH),
    Case("unix.csv", text([HEADINGS, ONE, TWO], ",", end="\n"), BOTH),
    Case("no_last_line_end.csv", raw(",".join(HEADINGS) + "\n" + ",".join(ONE)), {2: READ_ONE}),
    Case("line_breaks.csv", text([HEADINGS, [*ONE[:4], "Dear\r\nAnna,\n\nbye"], TWO]), {2: (8773, "Dear\r\nAnna,\n\nbye"), 3: READ_TWO}),
    Case("quotes.csv", text([HEADINGS, [*ONE[:4], 'ООО "Ромашка", "да"'], TWO]), {2: (8773, 'ООО "Ромашка", "да"'), 3: READ_TWO}),
    Case("bare_quotes.csv", raw(",".join(HEADINGS) + '\ndeal,288,8773,27,a 5" pipe\ndeal,288,8774,27,6" too\n'), {2: (8773, 'a 5" pipe'), 3: (8774, '6" too')}),
    Case("all_quoted.csv", raw("\n".join(",".join(f'"{c}"' for c in row) for row in (HEADINGS, ONE, TWO))), BOTH),
    Case("formula_ids.csv", raw(",".join(HEADINGS) + '\ndeal,="288",="8773",27,Hello\n'), {2: READ_ONE}),
    Case("unclosed.csv", raw(",".join(HEADINGS) + "\n" + ",".join(ONE) + '\ndeal,288,8773,27,"Hello\n' + ",".join(ONE)), "A quotation mark opened in row 3 of 'unclosed.csv' is never closed"),
    Case("unclosed_then_more.csv", raw(",".join(HEADINGS) + '\ndeal,288,8773,27,"Hello\ndeal,288,8774,27,"Good day"\n'), "The quotation marks in row 2 of"),
    Case("stray.csv", raw(",".join(HEADINGS) + '\ndeal,288,8773,27,"Romashka" Ltd\n'), "The quotation marks in row 2 of"),
    # --- text files: shapes --------------------------------------------------------------------------------------
    Case("ragged.csv", raw("a,CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE,note\n,deal,288,8773,Hello\n,lead,1,1763,Hi,n,,,\n"), {2: READ_ONE, 3: (1763, "Hi")}),
    Case("unquoted_comma.csv", raw(",".join(HEADINGS) + "\ndeal,288,8773,27,Hello, Anna\n"), {2: "TOO_MANY_CELLS"}),
    Case("column_without_heading.csv", text([[*HEADINGS, ""], [*ONE, "a note"]]), {2: READ_ONE}),
    Case("blank_rows.csv", raw(",".join(HEADINGS) + "\n\n" + ",".join(ONE) + "\n,,,,\n   \n" + ",".join(ONE) + "\n\n"), {3: READ_ONE, 6: READ_ONE}),
    Case("titles.csv", text([["Campaign of May"], [], ["by", "Anna"], HEADINGS, ONE]), {5: READ_ONE}),
    Case("headings_only.csv", text([HEADINGS]), {}),
    Case("misnamed.xlsx", text([HEADINGS, ONE, TWO], "\t"), BOTH),
    Case("text.xls", text([HEADINGS, ONE, TWO], "\t"), BOTH),
    Case("zeros.csv", text([HEADINGS, ["deal", "0288", "008773", "", "007"]]), {2: (8773, "007")}),
    Case("nan.csv", text([HEADINGS, [*ONE[:4], "nan"], [*ONE[:4], "NULL"], [*ONE[:4], "None"]]), {2: (8773, "nan"), 3: (8773, "NULL"), 4: (8773, "None")}),
    Case("formula_text.csv", text([HEADINGS, [*ONE[:4], '=HYPERLINK("x")'], [*ONE[:4], "+7 900"], [*ONE[:4], "@name"]]), {2: (8773, '=HYPERLINK("x")'), 3: (8773, "+7 900"), 4: (8773, "@name")}),
    Case("mapped.csv", text([["Kind", "Nr", "Room", "Words"], ["deal", "1", "8773", "Hello"]]), {2: READ_ONE}, overrides={"CRM_ENTITY_TYPE": "Kind", "CRM_ENTITY": "Nr", "CHAT_ID": "Room", "MESSAGE": "Words"}),
    # --- workbooks -----------------------------------------------------------------------------------------------
    Case("openpyxl.xlsx", by_openpyxl([HEADINGS, NUMBERS, TWO]), BOTH),
    Case("xlsxwriter.xlsx", by_xlsxwriter([HEADINGS, NUMBERS, TWO]), BOTH),
    Case("macros.xlsm", by_xlsxwriter([HEADINGS, NUMBERS, TWO]), BOTH),
    Case("pandas.xlsx", by_pandas([HEADINGS, NUMBERS, TWO]), BOTH),
    Case("pandas_xlsxwriter.xlsx", by_pandas([HEADINGS, NUMBERS], "xlsxwriter"), {2: READ_ONE}),
    Case("xlwt.xls", by_xlwt([RUSSIAN, ANNA, IVAN]), BOTH_RUSSIAN),
    Case("numbers.xls", by_xlwt([HEADINGS, NUMBERS]), {2: READ_ONE}),
    Case("odfpy.ods", by_odfpy(RUSSIAN, ANNA, IVAN), BOTH_RUSSIAN),
    Case("pandas.ods", by_pandas([HEADINGS, NUMBERS], "odf"), {2: READ_ONE}),
    Case("xlsx_named.xls", by_openpyxl([HEADINGS, NUMBERS]), {2: READ_ONE}),
    Case("xls_named.xlsx", by_xlwt([HEADINGS, NUMBERS]), {2: READ_ONE}),
    Case("xlsx_named.csv", by_openpyxl([HEADINGS, NUMBERS]), {2: READ_ONE}),
    Case("russian.xlsx", by_openpyxl([RUSSIAN, ANNA, IVAN]), BOTH_RUSSIAN),
    Case("titles.xlsx", by_openpyxl([["Рассылка"], [], HEADINGS, [], NUMBERS]), {5: READ_ONE}),
    Case("moved.xlsx", by_openpyxl([[], [], [None, None, *HEADINGS], [None, None, *NUMBERS]]), {4: READ_ONE}),
    Case("title_merged.xlsx", by_openpyxl([["Сообщение"], HEADINGS, NUMBERS], merge("A1:E1")), {3: READ_ONE}),
    Case("headings_merged.xlsx", by_openpyxl([HEADINGS, [None] * 5, NUMBERS], merge("E1:E2")), {3: READ_ONE}),
    Case("merged.xlsx", by_openpyxl([HEADINGS, NUMBERS, [None, 289, 8774, 27, "Hi"], [None, 290, 8775, None, "Ho"]], merge("A2:A4")), {2: READ_ONE, 3: (8774, "Hi"), 4: (8775, "Ho")}),
    Case("merged_text.xlsx", by_openpyxl([HEADINGS, NUMBERS, ["lead", 5, 1763, 27, None]], merge("E2:E3")), {2: READ_ONE, 3: (1763, "Hello")}),
    Case("merged_beyond.xlsx", by_openpyxl([HEADINGS, NUMBERS, [], ["lead", 1, 1763, 27, "Good day, Anna"]], merge("A2:A3")), {2: READ_ONE, 4: READ_TWO}),
    Case("merged.xls", merged_xls, BOTH),
    Case("merged.ods", by_odfpy(HEADINGS, ods_row([ods_cell("deal", numberrowsspanned=2), *NUMBERS[1:]]), ods_row([CoveredTableCell(), *TWO[1:]])), BOTH),
    Case("hidden_rows.xlsx", by_openpyxl([HEADINGS, *[NUMBERS] * 3], hide_rows(2, 4)), {2: "HIDDEN_ROW", 3: READ_ONE, 4: "HIDDEN_ROW"}),
    Case("filtered.xlsx", by_xlsxwriter([HEADINGS, NUMBERS, TWO], lambda book, sheet: (sheet.autofilter("A1:E3"), sheet.filter_column("A", "x == lead"), sheet.set_row(1, options={"hidden": True}))), {2: "HIDDEN_ROW", 3: READ_TWO}),
    Case("unused_rows_hidden.xlsx", by_xlsxwriter([HEADINGS, NUMBERS, TWO], lambda book, sheet: sheet.set_default_row(hide_unused_rows=True)), {2: READ_ONE, 3: READ_TWO}),
    Case("hidden_rows.xls", by_xlwt([HEADINGS, NUMBERS, TWO], lambda book, sheet: setattr(sheet.row(1), "hidden", 1)), {2: "HIDDEN_ROW", 3: READ_TWO}),
    Case("hidden_rows.ods", by_odfpy(HEADINGS, ods_row(ONE, visibility="collapse"), ods_row(ONE, visibility="filter", numberrowsrepeated=2), TWO), {2: "HIDDEN_ROW", 3: "HIDDEN_ROW", 4: "HIDDEN_ROW", 5: READ_TWO}),
    Case("hidden_column.xlsx", by_openpyxl([HEADINGS, NUMBERS], lambda book: setattr(book.active.column_dimensions["C"], "hidden", True)), {2: READ_ONE}),
    Case("prefixed.xlsx", prefixed, {2: READ_ONE, 3: "HIDDEN_ROW"}),
    Case("hidden_sheet.xlsx", by_openpyxl([["old"]], second_sheet("New", [HEADINGS, NUMBERS], "hidden")), {2: READ_ONE}),
    Case("very_hidden.xlsx", by_openpyxl([["old"]], second_sheet("New", [HEADINGS, NUMBERS], "veryHidden")), {2: READ_ONE}),
    Case("all_hidden.xlsx", all_hidden(by_openpyxl([HEADINGS, NUMBERS])), "Every sheet of 'all_hidden.xlsx' is hidden: show one in Excel, or choose it by its name ('Sheet')"),
    Case("second.xlsx", by_openpyxl([["old"]], second_sheet("Май", [HEADINGS, NUMBERS])), {2: READ_ONE}, sheet="май"),
    Case("hidden_by_name.xlsx", by_openpyxl([HEADINGS, NUMBERS], second_sheet("New", [["x"]], "hidden")), {2: READ_ONE}, sheet="Sheet"),
    Case("no_such_sheet.xlsx", by_openpyxl([HEADINGS], second_sheet("Май", [])), "There is no sheet 'June' in 'no_such_sheet.xlsx': it has 'Sheet' and 'Май'", sheet="June"),
    Case("chart_first.xlsx", chart_first, {2: READ_ONE}),
    Case("formula.xlsx", by_xlsxwriter([HEADINGS, NUMBERS], lambda book, sheet: sheet.write_formula("E2", '="Hel"&"lo"', None, "Hello")), {2: READ_ONE}),
    Case("formula_not_worked_out.xlsx", by_openpyxl([HEADINGS, [*NUMBERS[:4], '="Hel"&"lo"']]), {2: "FORMULA_ERROR"}),
    Case("speaker_not_worked_out.xlsx", by_openpyxl([HEADINGS, ["deal", 288, 8773, "=20+7", "Hello"]]), {2: "INVALID_USER_ID"}),
    Case("error_value.xlsx", by_xlsxwriter([HEADINGS, NUMBERS], lambda book, sheet: sheet.write_formula("E2", "=NA()", None, "#N/A")), {2: "FORMULA_ERROR"}),
    Case("empty_formula.xlsx", replaced(by_xlsxwriter([HEADINGS, NUMBERS], lambda book, sheet: sheet.write_formula("E2", '=""', None, "")), b'r="E2"', b'r="E2" t="str"'), {2: "EMPTY_MESSAGE"}),
    Case("error_value.xls", error_xls, {2: "FORMULA_ERROR"}),
    Case("rich.xlsx", by_xlsxwriter([HEADINGS, NUMBERS], lambda book, sheet: sheet.write_rich_string("E2", "Hel", book.add_format({"bold": True}), "lo")), {2: READ_ONE}),
    Case("dates.xlsx", by_openpyxl([HEADINGS, ["deal", 1, 8773, 27, dt.date(2026, 11, 30)], ["deal", 1, 8773, 27, dt.datetime.fromisoformat("2026-11-30 09:05")], ["deal", 1, 8773, 27, dt.time(9, 5, 7)]]), {2: (8773, "2026-11-30"), 3: (8773, "2026-11-30 09:05"), 4: (8773, "09:05:07")}),
    Case("dates.ods", by_odfpy(HEADINGS, ods_row([*ONE[:4], TableCell(valuetype="date", datevalue="2026-11-30")]), ods_row([*ONE[:4], TableCell(valuetype="time", timevalue="PT36H05M00S")])), {2: (8773, "2026-11-30"), 3: (8773, "36:05:00")}),
    Case("numbers.xlsx", by_openpyxl([HEADINGS, *[["deal", 1, 8773, 27, value] for value in (1.5, 0.1 + 0.2, 1e-7, 100.0, 10**14, -3, True)]]), {2: (8773, "1.5"), 3: (8773, "0.3"), 4: (8773, "0.0000001"), 5: (8773, "100"), 6: (8773, "100000000000000"), 7: (8773, "-3"), 8: (8773, "TRUE")}),
    Case("long_number.xlsx", by_openpyxl([HEADINGS, ["deal", 1, 10**15, 27, "Hello"]]), {2: "INVALID_CHAT_ID"}),
    Case("line_breaks.xlsx", by_openpyxl([HEADINGS, [*NUMBERS[:4], "Dear\nAnna"]]), {2: (8773, "Dear\nAnna")}),
    Case("formula_text.xlsx", by_xlsxwriter([HEADINGS, NUMBERS], lambda book, sheet: sheet.write_string("E2", "=1+1")), {2: (8773, "=1+1")}),
    Case("empty.xlsx", by_openpyxl([]), "The sheet 'Sheet' of 'empty.xlsx' is empty: fill it in and save it, or name another file."),
    Case("empty_first.xlsx", by_openpyxl([], second_sheet("May", [HEADINGS])), "The sheet 'Sheet' of 'empty_first.xlsx' is empty: choose another ('May')"),
    Case("blanks.xlsx", by_openpyxl([[" "], ["", " "]]), "There is nothing in 'blanks.xlsx' but blank rows"),
    Case("stray_cell.xlsx", by_openpyxl([HEADINGS, NUMBERS], lambda book: book.active.cell(1_000_000, 16_000, "x")), "'stray_cell.xlsx' has a cell very far from the others (row 1,000,000, column WQJ)"),
    Case("stray_cell.ods", by_odfpy(HEADINGS, ods_row([ods_cell("x", numbercolumnsrepeated=16000)], numberrowsrepeated=1_000_000)), "'stray_cell.ods' has a cell very far from the others"),
    Case("open_ended.ods", by_odfpy(HEADINGS, NUMBERS, ods_row([TableCell(numbercolumnsrepeated=16_384)], numberrowsrepeated=1_048_574)), {2: READ_ONE}),
    # --- not sheets ----------------------------------------------------------------------------------------------
    Case("empty.csv", raw(""), "'empty.csv' is empty"),
    Case("bom_only.csv", raw(b"\xef\xbb\xbf"), "There is nothing in 'bom_only.csv' but blank rows"),
    Case("blank.csv", raw("\n\n  \n,,\n"), "There is nothing in 'blank.csv' but blank rows"),
    Case("picture.xlsx", raw(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "'picture.xlsx' is a picture, not a sheet"),
    Case("photo.csv", raw(b"\xff\xd8\xff\xe0\0\x10JFIF"), "'photo.csv' is a picture, not a sheet"),
    Case("document.xlsx", raw(b"%PDF-1.7\n"), "'document.xlsx' is a PDF document, not a sheet"),
    Case("noise.csv", raw(bytes(range(1, 256)) * 3), "'noise.csv' is a file of another kind"),
    Case("nulls.csv", raw(b"a,b\n1,2\n" + bytes(9)), "'nulls.csv' is a file of another kind"),
    Case("late_null.csv", raw(b"a,b\n" + b"1,2\n" * 70_000 + b"1\0,2\n"), "Row 70002 of 'late_null.csv' has bytes that do not belong in a text"),
    Case("web.xls", raw("<html><table><tr><td>CHAT_ID</td></tr></table></html>"), "'web.xls' is a web page, not a sheet"),
    Case("xml2003.xls", raw('<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'), "'xml2003.xls' is a workbook in Excel 2003's XML: open it"),
    Case("word.xlsx", zipped(word__document_dot_xml="<x/>"), "'word.xlsx' is a text document, not a sheet"),
    Case("writer.ods", odt, "'writer.ods' is a text document, not a sheet"),
    Case("binary.xlsb", zipped(xl__workbook_dot_bin="x"), "'binary.xlsb' is an Excel binary workbook (.xlsb): open it"),
    Case("apple.numbers", zipped(Index__Document_dot_iwa="x"), "'apple.numbers' is a Numbers document"),
    Case("archive.xlsx", zipped(a_dot_txt="x"), "'archive.xlsx' is an archive or a damaged workbook"),
    Case("cut.xlsx", lambda: by_openpyxl([HEADINGS, NUMBERS])()[:-300], "'cut.xlsx' is damaged or not complete"),
    Case("cut.xls", lambda: by_xlwt([HEADINGS, NUMBERS])()[:2000], "'cut.xls' is damaged or not complete"),
    Case("hollow.xlsx", zipped(xl__workbook_dot_xml="<x/>"), "'hollow.xlsx' is damaged or not complete"),
    Case("protected.xlsx", protected, "'protected.xlsx' is protected with a password"),
    Case("protected.ods", replaced(by_odfpy(HEADINGS), b"</manifest:manifest>", b"<manifest:encryption-data/></manifest:manifest>", "META-INF/manifest.xml"), "'protected.ods' is protected with a password"),
    Case("protected_whole.ods", zipped(**{"encrypted-package": "x"}), "'protected_whole.ods' is protected with a password"),
    Case("bomb.xlsx", bomb, "'bomb.xlsx' unpacks to far more than a sheet holds (260 MB)"),
    Case("sheet_of_text.csv", text([HEADINGS]), "'sheet_of_text.csv' is a text file, without sheets", sheet="May"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sheet_is_read_as_it_looks_or_refused_in_words(case: Case, tmp_path: Path) -> None:
    """Every row has its own number, chat and text, or its problem; a file that cannot be read says why."""
    path = tmp_path / case.name
    path.write_bytes(case.data())
    if isinstance(case.want, str):
        with pytest.raises(SheetError) as refused:
            open_sheet(path, sheet=case.sheet)
        assert str(refused.value).startswith(case.want)
        return
    sheet = open_sheet(path, sheet=case.sheet, heading_names=tuple(case.overrides.values()))
    checker = Checker(find_columns(sheet.headings, case.overrides))
    found: dict[int, tuple[int, str] | str] = {}
    for chunk in sheet.chunks(2):
        for row in checker.check(chunk).rows.itertuples():
            found[int(str(row.Index))] = str(row.error_code) or (int(str(row.chat_id)), str(row.message))
    assert found == case.want


def test_table_is_long_enough() -> None:
    """The promise is at least sixty sheets, each of its own kind."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60
