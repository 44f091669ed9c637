"""Checking: all problems of all rows in one go, and what is good comes out ready to send."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bulksend.errors import SheetError, UsageError
from bulksend.plan import SheetOptions, examine
from bulksend.sheet.chunks import Chunk
from bulksend.sheet.headings import RESULT_COLUMNS, Columns, find_columns
from bulksend.sheet.reading import open_sheet
from bulksend.template import MessageTemplate
from bulksend.validation import Checker

HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE"]
COLUMNS = find_columns(HEADINGS)


def _chunk(rows: list[list[str]], first: int = 2, hidden: list[bool] | None = None) -> Chunk:
    cells = pd.DataFrame(rows, columns=range(len(rows[0])), index=range(first, first + len(rows)), dtype=object)
    return Chunk(cells, np.array(hidden or [False] * len(rows)), np.zeros(len(rows), dtype=np.bool_))


def test_good_row_comes_out_ready_to_send() -> None:
    """Types and ids as the portal takes them, the text untouched, no speaker as 0."""
    checked = Checker(COLUMNS).check(
        _chunk([["Сделка", "№ 288", "chat8773", "", " Hello\n"], ["2", "1", "2", "27", "x"]])
    )
    assert checked.rows.to_dict("split") == {
        "index": [2, 3],
        "columns": [
            "entity_type",
            "entity_id",
            "chat_id",
            "user_id",
            "message",
            "timezone",
            "error_code",
            "error_description",
        ],
        "data": [["deal", 288, 8773, 0, " Hello\n", "", "", ""], ["deal", 1, 2, 27, "x", "", "", ""]],
    }
    assert [str(checked.rows[name].dtype) for name in ("entity_id", "chat_id", "user_id")] == ["int64"] * 3


def test_row_with_several_problems_tells_them_all() -> None:
    """Its code is the first one's; each is counted in its own group."""
    checker = Checker(COLUMNS)
    row = checker.check(_chunk([["x", "-1", "", "y", "0"]])).rows.iloc[0]
    assert row["error_code"] == "INVALID_ENTITY_TYPE"
    assert row["error_description"].count(". ") >= 5
    assert [problem.code for problem in checker.report().problems] == [
        "INVALID_ENTITY_TYPE", "INVALID_ENTITY_ID", "INVALID_CHAT_ID", "INVALID_USER_ID", "EMPTY_MESSAGE",
    ]  # fmt: skip
    assert (row["entity_type"], row["entity_id"], row["chat_id"], row["user_id"]) == ("", 0, 0, 0)


def test_rows_above_and_below_a_bad_one_are_good() -> None:
    """Problems never move to a neighbour, whatever the chunk's size."""
    rows = [["deal", str(n), str(n), "27", "x" if n % 3 else ""] for n in range(1, 30)]
    whole = Checker(COLUMNS).check(_chunk(rows)).rows
    one_by_one = pd.concat([Checker(COLUMNS).check(_chunk([row], n)).rows for n, row in enumerate(rows, 2)])
    assert whole.equals(one_by_one)
    assert [bool(code) for code in whole["error_code"]] == [n % 3 == 0 for n in range(1, 30)]


def test_report_groups_problems_over_pieces() -> None:
    """How many, the first ten rows, the first example."""
    checker = Checker(COLUMNS)
    for first in range(2, 42, 4):
        checker.check(_chunk([["deal", "1", f"bad{first + n}", "1", f"text {first + n}"] for n in range(4)], first))
    [problem] = checker.report().problems
    assert (problem.count, problem.rows, problem.example) == (40, list(range(2, 12)), "bad2")
    assert "(rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 30 more)" in problem.line()


def test_report_is_the_same_for_programs() -> None:
    """Plain values: counts, groups, and the first messages as they would go out."""
    checker = Checker(COLUMNS)
    checker.check(_chunk([["deal", "1", "5", "27", "Hi"], ["deal", "1", "5", "27", "Hi"], ["?", "1", "5", "27", "Hi"]]))
    report = json.loads(json.dumps(checker.report().to_json()))
    assert {key: report[key] for key in ("rows", "good", "hidden", "chats", "errors", "warnings")} == {
        "rows": 3, "good": 2, "hidden": 0, "chats": 1, "errors": 1, "warnings": 1,
    }  # fmt: skip
    assert report["problems"][0]["code"] == "INVALID_ENTITY_TYPE"
    assert report["warning_groups"][0]["rows"] == [3]
    assert report["preview"][0] == {
        "row": 2, "entity_type": "deal", "entity_id": 1, "chat_id": 5, "user_id": 27, "message": "Hi",
    }  # fmt: skip
    assert checker.report().to_json() == report


def test_same_text_to_another_chat_is_no_duplicate() -> None:
    """Only the same chat with the same text is; rows that are not sent do not count."""
    checker = Checker(COLUMNS)
    checker.check(_chunk([["deal", "1", "5", "", "Hi"], ["deal", "1", "6", "", "Hi"], ["?", "1", "5", "", "Hi"]]))
    assert checker.report().warnings == []


@pytest.mark.parametrize(
    ("written", "read"),
    [("cp1251", "latin-1"), ("utf-8", "cp1251"), ("utf-8", "cp1252"), ("utf-8", "latin-1"), ("koi8-r", "cp1251")],
)
def test_texts_that_were_read_in_another_encoding_are_warned_of(written: str, read: str) -> None:
    """Somewhere on their way into the sheet; the same words as they should be are not."""
    text = "Здравствуйте, Анна! Заказ №5 готов: СДЭК, с 9:00 до 21:00, ООО «Рога — Копыта»."
    garbled = text.encode(written, "ignore").decode(read, "ignore")
    checker = Checker(COLUMNS)
    checker.check(_chunk([["deal", "1", "5", "", text], ["deal", "1", "6", "", f"1. {garbled}"]]))
    [warning] = checker.report().warnings
    assert (warning.code, warning.rows) == ("GARBLED_MESSAGE", [3])


def test_duplicates_are_found_over_pieces() -> None:
    """Row numbers are those of the repeats; the first is named as the example."""
    checker = Checker(COLUMNS)
    for first in (2, 5, 8):
        checker.check(_chunk([["deal", "1", str(n), "", "Hi"] for n in (1, 2, 3)], first))
    [warning] = checker.report().warnings
    assert (warning.count, warning.rows) == (6, [5, 6, 7, 8, 9, 10])
    assert warning.example == "the text of row 2 for chat 1"


def test_a_chat_that_two_customers_share_is_said_whatever_else_is_wrong_with_one_of_the_rows() -> None:
    """It is said of the row that can be sent, be it above or below; where neither can be, of none."""
    for rows in (
        [["deal", "1", "5", "", "Hi"], ["deal", "2", "5", "", ""]],
        [["deal", "2", "5", "", ""], ["deal", "1", "5", "", "Hi"]],
    ):
        checker = Checker(COLUMNS)
        checker.check(_chunk([*rows, ["deal", "3", "6", "", ""], ["deal", "4", "6", "", ""]]))
        [warning] = checker.report().warnings
        good, faulty = (2, 3) if rows[0][4] else (3, 2)
        assert (warning.code, warning.count, warning.rows) == ("SHARED_CHAT", 1, [good])
        assert warning.example == f"chat 5, as in row {faulty}"


def test_sheet_without_types_takes_them_from_the_heading() -> None:
    """Under "ID сделки" there are deals."""
    columns = find_columns(["ID сделки", "ID чата", "Текст"])
    assert Checker(columns).check(_chunk([["1", "2", "x"]])).rows["entity_type"].tolist() == ["deal"]


def test_sheet_without_chats_is_checked_for_all_else() -> None:
    """A lookup fills them in later."""
    columns = find_columns(["ID сделки", "Текст"], optional={"CHAT_ID"})
    rows = Checker(columns).check(_chunk([["1", "x"], ["0", "y"]])).rows
    assert rows["chat_id"].tolist() == [0, 0]
    assert rows["error_code"].tolist() == ["", "INVALID_ENTITY_ID"]


def test_template_writes_the_messages() -> None:
    """Where it cannot, the row says why, once."""
    columns = find_columns(["ID сделки", "ID чата", "Имя"], optional={"MESSAGE"})
    template = MessageTemplate("Здравствуйте, {{ имя }}!", ["ID сделки", "ID чата", "Имя"])
    rows = Checker(columns, message=template).check(_chunk([["1", "2", "Анна"], ["1", "2", ""]])).rows
    assert rows["message"].tolist() == ["Здравствуйте, Анна!", ""]
    assert rows["error_code"].tolist() == ["", "EMPTY_VALUE"]
    assert "Имя" in rows["error_description"].iloc[1]


def test_error_in_a_cell_does_not_get_into_a_message() -> None:
    """What a formula failed to give is no word for a customer; a message typed by hand may speak of it."""
    columns = find_columns(["ID сделки", "ID чата", "Имя"], optional={"MESSAGE"})
    template = MessageTemplate("Здравствуйте, {{ имя }}!", ["ID сделки", "ID чата", "Имя"])
    rows = Checker(columns, message=template).check(_chunk([["1", "2", "#Н/Д"], ["1", "2", "Анна"]])).rows
    assert rows["error_code"].tolist() == ["FORMULA_ERROR", ""]
    assert "('#Н/Д')" in rows["error_description"].iloc[0]

    columns = find_columns(["ID сделки", "ID чата", "Текст"])
    typed = _chunk([["1", "2", "What does #REF! mean?"], ["1", "2", " #REF! "]])
    assert Checker(columns).check(typed).rows["error_code"].tolist() == ["", "FORMULA_ERROR"]


def test_sheet_without_messages_and_template_is_refused() -> None:
    """Nothing could be sent."""
    with pytest.raises(UsageError, match="no column of messages"):
        Checker(Columns(entity_type=0, entity_id=1, chat_id=2)).check(_chunk([["deal", "1", "2"]]))


def test_memory_does_not_grow_with_the_sheet(tmp_path: Path) -> None:
    """A few bytes a row are kept; a text file is never whole in memory."""
    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(HEADINGS) + "\n")
        for n in range(30_000):
            file.write(f"deal,{n + 1},{n + 5},27,{'Здравствуйте! ' * 20}{n}\n")
    sheet = open_sheet(path)
    checker = Checker(find_columns(sheet.headings))
    tracemalloc.start()
    try:
        for chunk in sheet.chunks(2_000):
            checker.check(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert checker.report().good == 30_000
    assert peak < 12 << 20 < path.stat().st_size


def test_every_problem_of_a_row_has_its_code() -> None:
    """Its first code decides; the others are kept beside it, so that every cell can be marked."""
    checked = Checker(COLUMNS).check(_chunk([["what", "x", "8773", "", ""], ["deal", "1", "2", "", "good"]]))
    assert checked.rows["error_code"].tolist() == ["INVALID_ENTITY_TYPE", ""]
    assert checked.more_codes == {2: ("INVALID_ENTITY_ID", "EMPTY_MESSAGE")}


def test_who_shows_the_rows_sees_each_chunk_once_it_is_checked(tmp_path: Path) -> None:
    """One reading of the sheet serves the report and whoever shows the rows."""
    path = tmp_path / "sheet.csv"
    path.write_text("CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE\ndeal,1,2,Hello\ndeal,x,2,Hello\n", encoding="utf-8")
    seen: list[tuple[int, str]] = []
    examine(
        path,
        SheetOptions(),
        see=lambda chunk, checked: seen.extend(zip(chunk.cells.index, checked.rows["error_code"], strict=True)),
    )
    assert seen == [(2, ""), (3, "INVALID_ENTITY_ID")]


@pytest.mark.parametrize(
    ("results", "left_out"),
    [
        ("sent,4711,,", 1),
        ("unknown,,ANSWER_LOST,", 1),
        ("skipped,,ALREADY_SENT,", 1),
        ("skipped,,DUPLICATE_MESSAGE,", 1),
        ("skipped,,STOP_LISTED,", 0),
        ("skipped,,BEYOND_LIMIT,", 0),
        ("failed,,ACCESS_DENIED,", 0),
        ("not_sent,,,", 0),
    ],
)
def test_what_by_earlier_results_may_have_been_sent_is_left_out(tmp_path: Path, results: str, left_out: int) -> None:
    """Also what these results left out for that reason: the results of results know no more of it."""
    path = tmp_path / "sheet.results.csv"
    headings = ",".join(["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE", *RESULT_COLUMNS])
    path.write_text(f"{headings}\ndeal,1,2,Hello,{results},,\n", encoding="utf-8")
    kept = examine(path, SheetOptions()).report
    assert (kept.good, kept.marked_sent) == (1, left_out)
    report = examine(path, SheetOptions(without_sent=True)).report
    assert (report.good, report.marked_sent) == (1 - left_out, left_out)


@pytest.mark.parametrize("above", ["deal,1,2,Hello", "сделка,№ 1,,Hello", ",1,2,Hello"])
def test_a_sheet_that_was_sorted_with_its_headings_is_refused(tmp_path: Path, above: str) -> None:
    """The rows above them would be neither sent nor in the results."""
    path = tmp_path / "sheet.csv"
    rest = "CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE\nlead,3,4,Hello\n"
    path.write_text(f"Campaign\n{above}\n{rest}", encoding="utf-8")
    with pytest.raises(SheetError, match=r"Row 2 of sheet.csv looks like a row to be read, .* which are in row 3:"):
        examine(path, SheetOptions())


@pytest.mark.parametrize("above", ["Deals,of,2026,", ",2026,,", "deal,of 2026,,"])
def test_titles_above_the_headings_are_no_rows(tmp_path: Path, above: str) -> None:
    """They name nobody."""
    path = tmp_path / "sheet.csv"
    path.write_text(f"{above}\nCRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE\nlead,3,4,Hello\n", encoding="utf-8")
    assert examine(path, SheetOptions()).report.good == 1


@pytest.mark.parametrize(
    "text",
    [
        "Hello\nDeals: deal, 288, 5",
        "Your deals:\n\ndeal 288\ncontact 5; 6",
        "Prices:\n100,200,300\n1;2;3",
        "deal,288,5,Hello",
    ],
)
def test_lists_in_a_message_are_no_rows(text: str) -> None:
    """Only a further line that begins or goes on as a row of a text file does is taken for one."""
    assert Checker(COLUMNS).check(_chunk([["deal", "1", "2", "", text]])).rows["error_code"].tolist() == [""]


@pytest.mark.parametrize("row", ["deal,288,8773,,Hello", "7;сделка;288;8773", '"Lead"\t"5"\tHello', "Ivan,contact,5,"])
def test_rows_in_a_message_are_found(row: str) -> None:
    """However the text file is written."""
    checked = Checker(COLUMNS).check(_chunk([["deal", "1", "2", "", f"Hello\n{row}"]]))
    assert checked.rows["error_code"].tolist() == ["ROWS_IN_MESSAGE"]
