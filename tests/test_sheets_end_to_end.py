"""Workbooks through the whole command, in processes of their own: from the file to the results sheet."""

from pathlib import Path

import openpyxl
import pytest

from tests.processes import Commands

SAVED = Path(__file__).parent / "sheet" / "saved_by_libreoffice"


@pytest.mark.parametrize("ending", ["xlsx", "ods", "xls"])
def test_rows_that_a_filter_hides_are_left_out(ending: str, tmp_path: Path) -> None:
    """Of ten rows the two that are seen are sent, and the results say of the other eight why they were not."""
    sheet = tmp_path / f"filtered.{ending}"
    sheet.write_bytes((SAVED / sheet.name).read_bytes())
    ended = Commands(tmp_path).run("send", sheet, "--portal", "sandbox", "--yes", "--rate", 50)
    assert ended.code == 1, ended.said
    assert "Results of a rehearsal, in which no customer got anything: filtered.results.xlsx" in ended.out
    table = openpyxl.load_workbook(tmp_path / "filtered.results.xlsx")["Rehearsal"]
    headings, *rows = table.iter_rows(values_only=True)
    lines = [dict(zip(headings, row, strict=True)) for row in rows]
    assert [line["CHAT_ID"] for line in lines] == [str(8800 + number) for number in range(10)]
    assert {line["CHAT_ID"]: line["status"] for line in lines if line["message_id"]} == {"8803": "sent", "8807": "sent"}
    others = [(line["status"], line["error_code"]) for line in lines if not line["message_id"]]
    assert others == [("skipped", "HIDDEN_ROW")] * 8
