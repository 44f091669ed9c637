"""A sheet on the page, without script: what is wrong with it, its columns, its messages."""

import asyncio
import gc
import io
import re
import time
from concurrent.futures import ThreadPoolExecutor

import openpyxl
import pytest

from bulksend.errors import SheetError
from bulksend.web.page import settled
from tests.processes import rows
from tests.web.conftest import Visitor, csv_of

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")
GOOD = ("deal", 1, 2, "", "Hello")


def _marked(text: str) -> list[str]:
    return re.findall(r'<td class="wrong"><span class="sr">Problem: </span>(?:<em>)?([^<]*)', text)


def test_problems_stand_at_their_rows_and_cells(visitor: Visitor) -> None:
    """Only faulty rows, under the sheet's own numbers, every wrong cell marked, all problems of a row said."""
    sheet = visitor.upload(
        "faults.csv",
        csv_of([("Campaign",), (), HEADINGS, GOOD, ("wat", "", "8x", "", "Hi"), GOOD, ("deal", 1, 2, "", "")]),
    )
    text = visitor.get(sheet).text
    assert "2 rows cannot be sent as they are" in text
    assert re.findall(r'rowspan="2">(\d+)<', text) == ["5", "7"]
    assert _marked(text) == ["wat", "empty", "8x", "empty"]
    blank = visitor.get(visitor.upload("blank.csv", csv_of([HEADINGS, GOOD, ("deal", 1, "", "", "Hi")]))).text
    assert (
        "The chat id is empty (column &#39;CHAT_ID&#39;). Fill in the number of the chat, or have the portal" in blank
    )
    assert "Write lead, deal, contact or company." in text
    assert "Upload the corrected sheet" in text


def test_problems_can_be_seen_one_kind_at_a_time_and_fifty_at_a_time(visitor: Visitor) -> None:
    """However many rows a sheet has, a page shows a screenful."""
    faults = [("deal", 1, "x", "", f"row {n}") for n in range(120)] + [("deal", 1, 2, "", "")] * 3
    sheet = visitor.upload("many.csv", csv_of([HEADINGS, *faults]))
    first, third = visitor.get(sheet).text, visitor.get(f"{sheet}?page=3").text
    assert len(re.findall('rowspan="2"', first)) == 50
    assert "Page 1 of 3" in first
    assert len(re.findall('rowspan="2"', third)) == 23
    only = visitor.get(f"{sheet}?problem=EMPTY_MESSAGE").text
    assert re.findall(r'rowspan="2">(\d+)<', only) == ["122", "123", "124"]
    assert "Pages of the table" not in only
    both = visitor.upload("both.csv", csv_of([HEADINGS, GOOD, GOOD, ("deal", 1, "x", "", "")]))
    assert re.search(r"Go on with the 1 row that can be sent", visitor.get(both).text)  # the second one repeats it
    only = visitor.get(f"{both}?problem=EMPTY_MESSAGE").text
    assert "And 1 other problem." in only
    row = visitor.get(f"{both}/row?row=4").text
    assert re.search(r"<h1>Row 4 is not sent</h1>.*<li>[^<]*</li><li>", row, re.DOTALL)


def test_a_number_of_any_length_is_no_error_of_the_server(visitor: Visitor) -> None:
    """The last page stands for one far behind it, the first for what is no page, and no column for what is none."""
    sheet = visitor.upload("long-numbers.csv", csv_of([HEADINGS, GOOD]))
    long = ("9" * 18, "9" * 5_000)
    for number in (*long, "0"):
        for place in ("/?page=", f"{sheet}?page=", f"{sheet}/row?row="):
            assert visitor.get(f"{place}{number}").status_code == 200, place
        assert visitor.get(f"/campaigns/{number}").status_code in {400, 404}
    for number in long:
        assert visitor.post(f"{sheet}/columns", {"MESSAGE": number}).status_code == 303


def test_chats_that_are_missing_can_be_asked_for(visitor: Visitor) -> None:
    """By whoever does not know their numbers; what is wrong in another way stays wrong."""
    sheet = visitor.upload("m.csv", csv_of([HEADINGS, GOOD, ("deal", 1, "", "", "Hi"), ("deal", 1, "a@b.c", "", "Hi")]))
    assert "2 rows cannot be sent as they are" in visitor.get(sheet).text
    assert "Ask the portal for missing chats" in visitor.get(sheet).text
    assert visitor.path(visitor.post(f"{sheet}/look-up")) == sheet
    text = visitor.get(sheet).text
    assert "1 row cannot be sent as it is" in text
    assert _marked(text) == ["a@b.c"]
    assert "Ask the portal for missing chats" not in text
    # It stays chosen for the corrected sheet, even where that is uploaded as if it were another.
    corrected = csv_of([HEADINGS, GOOD, ("deal", 1, "", "", "Hi")])
    for like in (sheet.rsplit("/", 1)[1], ""):
        assert (
            "1 row has no chat yet: the portal is asked" in visitor.get(visitor.upload("m.csv", corrected, like)).text
        )
    assert "1 row cannot be sent as it is" in visitor.get(visitor.upload("n.csv", corrected)).text


def test_the_corrected_sheet_is_read_as_the_first_was(visitor: Visitor) -> None:
    """What was chosen for the columns stays chosen."""
    odd = [("Deal", "Room", "Words"), (1, "x", "Hello")]
    sheet = visitor.upload("odd.csv", csv_of(odd))
    form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "1", "USER_ID": "", "MESSAGE": "2"}
    assert visitor.path(visitor.post(f"{sheet}/columns", form)) == sheet
    assert "1 row cannot be sent" in visitor.get(sheet).text
    corrected = visitor.upload("odd.csv", csv_of([odd[0], (1, 2, "Hello")]), like=sheet.rsplit("/", 1)[1])
    assert corrected != sheet
    assert "1 row can be sent, to 1 chat" in visitor.get(corrected).text


def test_columns_that_are_not_recognised_are_matched_by_hand(visitor: Visitor) -> None:
    """With a guess chosen already, the first rows beside it, and a message that is written there."""
    sheet = visitor.upload("odd.csv", csv_of([("Сделка", "Номер чата", "Имя"), (1, 5001, "Анна"), (2, 5002, "Олег")]))
    text = visitor.get(sheet).text
    assert "see whether the others are right" in text
    assert re.findall(r'<label for="(\w+)">[^<]*</label>\s*<p class="choose-it">', text) == ["CRM_ENTITY_TYPE"]
    assert "Анна" in text
    assert re.search(r'<option value="0" selected>A: Сделка', text)
    assert re.search(r'<option value="1" selected>B: Номер чата', text)
    form = {
        "CRM_ENTITY_TYPE": "deal",
        "CRM_ENTITY": "0",
        "CHAT_ID": "1",
        "MESSAGE": "write",
        "message": "Добрый день, {{ имя }}!",
    }
    assert "see whether the others are right" in visitor.get(f"{sheet}/columns").text
    visitor.post(f"{sheet}/columns", form)
    assert "All 2 rows can be sent" in visitor.get(sheet).text
    assert "All columns that are needed are known" in visitor.get(f"{sheet}/columns").text
    assert "Добрый день, Олег!" in visitor.get(f"{sheet}/row?row=3").text


def test_of_columns_with_the_same_heading_the_chosen_one_is_sent(visitor: Visitor) -> None:
    """And is chosen still when the columns are seen again, also of the sheet that is uploaded in its place."""
    doubled = csv_of([(*HEADINGS[:3], "MESSAGE", "MESSAGE", "CHAT_ID"), ("deal", 1, 7001, "old draft", "final", 5001)])
    sheet = visitor.upload("doubled.csv", doubled)
    form = {"CRM_ENTITY_TYPE": "0", "CRM_ENTITY": "1", "CHAT_ID": "5", "USER_ID": "", "MESSAGE": "4"}
    visitor.post(f"{sheet}/columns", form)
    for there in (sheet, visitor.upload("doubled.csv", doubled, like=sheet.rsplit("/", 1)[1])):
        row = visitor.get(f"{there}/row?row=2").text
        assert re.search(r"\b5001\b", row)
        assert "final" in row
        assert not re.search(r"old draft|\b7001\b", row)
        text = visitor.get(f"{there}/columns").text
        assert re.findall(r"selected>(\w: [^<]*)", text) == [
            f"A: {HEADINGS[0]}",
            f"B: {HEADINGS[1]}",
            "F: CHAT_ID",
            "E: MESSAGE",
        ]


def test_a_choice_of_no_column_is_kept(visitor: Visitor) -> None:
    """Also where the heading is one that is known, and in the sheet that is uploaded in its place."""
    for heading in ("Оператор", "USER_ID"):
        odd = [("Сделка", "Чат", "Текст", heading), *((n, 2, "Hello", "7" if n == 1 else "Анна") for n in range(1, 5))]
        sheet = visitor.upload("odd.csv", csv_of(odd))
        form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "1", "USER_ID": "", "MESSAGE": "2"}
        visitor.post(f"{sheet}/columns", form)
        for there in (sheet, visitor.upload("odd.csv", csv_of(odd), like=sheet.rsplit("/", 1)[1])):
            assert re.search(r"1 row can be sent\.", visitor.get(there).text)  # the others repeat it
            assert '<option value="" selected>None' in visitor.get(f"{there}/columns").text


def test_a_column_stays_chosen_beside_the_wish_to_have_empty_cells_filled(visitor: Visitor) -> None:
    """Coming back to the columns changes neither."""
    sheet = visitor.upload("odd.csv", csv_of([("Сделка", "Чат", "Текст"), (1, 5001, "Hello"), (2, "", "Hello")]))
    form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "1", "USER_ID": "", "MESSAGE": "2"}
    visitor.post(f"{sheet}/columns", form)
    visitor.post(f"{sheet}/look-up")
    assert '<option value="1" selected>B: Чат' in visitor.get(f"{sheet}/columns").text
    visitor.post(f"{sheet}/columns", form)
    text = visitor.get(sheet).text
    assert re.search(r"2 rows can be sent\.\s+1 row has no chat yet: the portal is asked for it later", text)
    assert "5001" in visitor.get(f"{sheet}/row?row=2").text


def test_a_column_that_holds_something_else_is_not_guessed(visitor: Visitor) -> None:
    """Names are no user ids; where one is chosen all the same, the check says what is wrong with nearly every row."""
    odd = [("Сделка", "Чат", "Текст", "Сотрудник"), *((n, 5000 + n, "Hello", "Анна") for n in range(1, 5))]
    sheet = visitor.upload("odd.csv", csv_of(odd))
    assert '<option value="" selected>None' in visitor.get(f"{sheet}/columns").text
    form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "1", "USER_ID": "3", "MESSAGE": "2"}
    visitor.post(f"{sheet}/columns", form)
    text = visitor.get(sheet).text
    assert "Probably the wrong column is chosen" in text
    assert "“Сотрудник” (it says “Анна”)" in text
    assert f'{sheet}/columns">Columns and message</a>.' in text


def test_a_check_that_nobody_looks_at_is_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Of a sheet whose columns are to be matched: its error is a page, never lines in the terminal."""

    def check() -> None:
        time.sleep(0.05)
        raise SheetError("There is no column for CHAT_ID.")

    async def wait() -> None:
        with ThreadPoolExecutor() as threads:
            future = threads.submit(check)
            assert await settled(future, 10)

    gc.collect()
    caplog.clear()  # of what earlier tests left behind
    asyncio.run(wait())
    gc.collect()
    assert not caplog.records


def test_a_message_that_is_nowhere_is_asked_for(visitor: Visitor) -> None:
    """Rather than every row blamed for having none."""
    sheet = visitor.upload("odd.csv", csv_of([("Deal", "Room", "Words"), (1, 5001, "Hello")]))
    form = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": "0", "CHAT_ID": "1", "MESSAGE": "write", "message": " "}
    answer = visitor.post(f"{sheet}/columns", form)
    assert answer.status_code == 400
    assert "Choose the column with the message, or write the message below." in answer.text


def test_a_template_that_does_not_fit_says_so_beside_it(visitor: Visitor) -> None:
    """And what was typed is still there."""
    sheet = visitor.upload("t.csv", csv_of([HEADINGS, GOOD]))
    form = {
        "CRM_ENTITY_TYPE": "0",
        "CRM_ENTITY": "1",
        "CHAT_ID": "2",
        "MESSAGE": "write",
        "message": "Dear {{ nobody }}",
    }
    visitor.post(f"{sheet}/columns", form)
    answer = visitor.get(sheet)
    assert answer.status_code == 400
    assert "nobody" in answer.text
    assert "Dear {{ nobody }}" in answer.text


def test_any_row_is_shown_as_the_customer_reads_it(visitor: Visitor) -> None:
    """BB codes as what they mean, and where a link leads."""
    text = "[b]Sale[/b] [url=https://shop.example/?a=1&b=2]here[/url] <b>no</b>\nnew line"
    sheet = visitor.upload("bb.csv", csv_of([HEADINGS, GOOD, ("deal", 1, 2, 27, text)]))
    shown = visitor.get(f"{sheet}/row?row=3").text
    assert "<strong>Sale</strong>" in shown
    assert "(https://shop.example/?a=1&amp;b=2)" in shown
    assert "&lt;b&gt;no&lt;/b&gt;" in shown
    assert "user 27 speaks" in shown
    assert "The sheet has no row 9" in visitor.get(f"{sheet}/row?row=9").text


def test_a_long_message_is_cut_until_it_is_wanted_whole(visitor: Visitor) -> None:
    """Without script too."""
    words = ("deal", 1, 2, "", "[b]Sale[/b] " + "word " * 3000)
    sheet = visitor.upload("long.csv", csv_of([HEADINGS, words, ("deal", 1, 2, "", "[b]" * 5000)]))
    cut, _, whole = visitor.get(f"{sheet}/row").text.partition("<details")
    assert 100 < cut.count("word ") < 130
    assert "<strong>Sale</strong>" in cut
    assert "Show the whole message (15,011 characters)" in whole
    assert whole.count("word") == 3000
    assert "[b][b]" in visitor.get(f"{sheet}/row?row=3").text  # tags inside tags without end are shown as they are


def test_hidden_rows_and_warnings_are_said(visitor: Visitor) -> None:
    """What would be sent, and should be looked at again."""
    sheet = visitor.upload("w.csv", csv_of([HEADINGS, GOOD, GOOD, ("deal", 1, 3, "", "Dear {name}")]))
    text = visitor.get(sheet).text
    assert "Please look at this again" in text
    assert "The chat gets the same text as in an earlier row" in text
    assert re.search(r"Keep one of the rows, unless the chat is to get it twice\.\s+The repeat is left out", text)
    assert "It goes out exactly like this." in text
    assert re.search(r'row\?row=4">row 4</a>', text)
    book, content = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in (HEADINGS, GOOD, ("deal", 1, 3, "", "Hidden"), ("deal", 1, "x", "", "Hi")):
        book.active.append(list(line))
    book.active.row_dimensions[3].hidden = True
    book.save(content)
    hidden = visitor.upload("h.xlsx", content.getvalue())
    text = visitor.get(hidden).text
    assert re.search(
        r'1 row is hidden in the sheet and left out:\s+<a href="[^"]*row\?row=3">row 3</a> \(deal 1\)\.', text
    )
    row = visitor.get(f"{hidden}/row?row=3").text
    assert "Row 3 is not sent" in row
    assert "Chat 3, deal 1" in row
    assert '<div class="bubble">Hidden</div>' in row
    assert visitor.path(visitor.post(f"{hidden}/hidden", {"hidden": "include"})) == hidden
    text = visitor.get(hidden).text
    assert "2 of 3 rows can be sent" in text
    assert "Hidden rows are included, as you chose." in text
    visitor.post(f"{hidden}/hidden", {"hidden": "leave-out"})
    assert "1 row is hidden" in visitor.get(hidden).text
    only = visitor.upload("o.csv", csv_of([HEADINGS, *[("deal", 1, "x", "", "Dear {name}")] * 2]))
    assert "exactly like this" not in visitor.get(only).text


def test_a_chat_that_gets_several_messages_is_said_with_its_rows(visitor: Visitor) -> None:
    """Texts that hardly differ are two messages; the very same text is a repeat, and said as one."""
    near, other = ("deal", 1, 2, "", "Hello , Anna"), ("deal", 1, 3, "", "Hello")
    sheet = visitor.upload("several.csv", csv_of([HEADINGS, GOOD, near, GOOD, other]))
    for text in (visitor.get(sheet).text, visitor.confirm_page(sheet)):
        assert "1 chat gets several different messages of this sheet" in text
        said = re.search(r"<li>Chat 2: (.*?)</li>", text)
        assert said is not None
        assert re.findall(r"row=(\d+)", said[1]) == ["2", "3"]
    assert "several different" not in visitor.get(visitor.upload("one.csv", csv_of([HEADINGS, GOOD, GOOD, other]))).text


def test_a_column_that_holds_types_is_chosen_for_them(visitor: Visitor) -> None:
    """Whatever its heading is."""
    lines = [("Что это", "Номер сущности", "Номер чата", "Имя"), ("Сделка", 1, 5001, "Анна"), ("Лид", 2, 5002, "Я")]
    text = visitor.get(visitor.upload("kinds.csv", csv_of(lines))).text
    assert re.search(r'<option value="0" selected>A: Что это', text)


@pytest.mark.parametrize(
    ("headings", "kind", "chosen"),
    [
        (("ID сделки", "Приоритет"), 1, "deal"),
        (("ID сделки", "Тип"), 1, "deal"),
        (("ID сделки", "Источник"), "Компания", "deal"),
        (("ID сделки", "Тип сущности"), 1, "1"),
        (("ID сущности", "Приоритет"), 1, ""),
        (("ID сущности", "Категория"), "C", ""),
    ],
)
def test_a_column_is_not_taken_for_types_by_chance(
    visitor: Visitor, headings: tuple[str, str], kind: object, chosen: str
) -> None:
    """The kind that the id's heading names comes before a column that only looks like types; figures are no types."""
    sheet = visitor.upload("chance.csv", csv_of([(*headings, "Что написать"), (288, kind, "Ваша сделка 288")]))
    choice = re.search(r'<select id="CRM_ENTITY_TYPE".*?</select>', visitor.get(f"{sheet}/columns").text, re.DOTALL)
    assert choice is not None
    assert re.findall(r'<option value="(\w*)" selected', choice[0]) == [chosen]


def test_what_a_results_sheet_marks_as_sent_is_left_out_unless_it_is_wanted(visitor: Visitor) -> None:
    """By a choice that is made already, said with how many rows they are, and that can be made otherwise."""
    results = ("status", "message_id", "error_code", "error_description", "sent_at", "attempts", "delivery")
    sent, failed = ("sent", 7, "", "", "", 1, ""), ("failed", "", "CHAT_NOT_IN_CRM", "Why.", "", 1, "")
    sheet = visitor.upload(
        "r.csv", csv_of([(*HEADINGS, *results), (*GOOD, *sent), ("deal", 1, 3, "", "Hello", *failed)])
    )
    text = visitor.get(sheet).text
    assert "1 row is left out: by the earlier results in the sheet it was sent, or may have been." in text
    assert "1 row can be sent, to 1 chat" in text
    assert "<dt>Left out by the earlier results in the sheet</dt><dd>1<" in visitor.confirm_page(sheet)
    assert visitor.post(f"{sheet}/sent", {"sent": "send"}).status_code == 303
    assert "All 2 rows can be sent" in visitor.get(sheet).text
    assert visitor.post(f"{sheet}/sent", {"sent": "leave-out"}).status_code == 303
    assert "1 row can be sent, to 1 chat" in visitor.get(sheet).text
    assert (
        "There is nothing to send"
        in visitor.get(visitor.upload("r.csv", csv_of([(*HEADINGS, *results), (*GOOD, *sent)]))).text
    )


def test_an_empty_sheet_says_what_to_do(visitor: Visitor) -> None:
    """Headings alone."""
    assert "Write the messages below them" in visitor.get(visitor.upload("e.csv", csv_of([HEADINGS]))).text


def test_blank_sheets_are_there_to_fill_in(visitor: Visitor) -> None:
    """In both languages, and what is downloaded can be uploaded."""
    for name in ("blank.xlsx", "blank.ru.xlsx", "blank.csv", "blank.ru.csv"):
        answer = visitor.get(f"/blank/{name}")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert "no rows below the headings" in visitor.get(visitor.upload(name, answer.content)).text
    assert visitor.get("/blank/passwd").status_code == 404


def test_the_sheet_can_be_had_as_it_was_uploaded(visitor: Visitor) -> None:
    """Byte for byte, under its own name."""
    content = csv_of([HEADINGS, GOOD])
    answer = visitor.get(f"{visitor.upload('Клиенты.csv', content)}/file")
    assert answer.content == content
    assert "%D0%9A%D0%BB" in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_rehearsal_looks_different_at_every_step(visitor: Visitor) -> None:
    """Nobody is to take one for the other."""
    sheet = visitor.upload_rows(rows(3, 3))
    confirm = visitor.confirm_page(sheet)
    assert "Rehearse 3 messages" in confirm
    assert "rehearsal-band" in confirm
    assert "A real portal may refuse more" in confirm
    number = visitor.send(sheet)
    text = visitor.wait(number)
    assert "rehearsal-band" in text
    assert "What reached the customers" not in text
    assert "A real portal may refuse more" in text
    # There is no real portal yet: the way leads to the form that saves one, and back with that chosen.
    assert f'/portals/new?next={sheet}/portal">Choose a real portal' in text
    form = {"name": "first", "webhook": "https://portal.invalid/rest/27/abc/", "next": f"{sheet}/portal"}
    onward = visitor.path(visitor.post("/portals", form))
    assert onward == f"{sheet}/portal?saved=first"
    text = visitor.get(onward).text
    assert "<strong>Portal first is saved</strong>" in text
    assert re.search(r'value="first" required checked', text)
    assert "<strong>Portal first is saved.</strong>" in visitor.get("/portals?saved=first").text
    assert "Portal other is saved" not in visitor.get("/portals?saved=other").text
    assert "state rehearsal" in visitor.get("/").text
    results = visitor.get(f"/campaigns/{number}/results.xlsx")
    assert f'filename="sheet.{number}.rehearsal.results.xlsx"' in results.headers["Content-Disposition"]
    assert openpyxl.load_workbook(io.BytesIO(results.content)).sheetnames[0] == "Rehearsal"
