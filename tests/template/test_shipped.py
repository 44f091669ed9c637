"""What is in templates/: message templates that work, and blank sheets that are up to date."""

import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from bulksend.errors import TemplateError
from bulksend.locale import Language
from bulksend.sheet.blank import write_blank
from bulksend.template import MessageTemplate, load_template, ready_templates

FOLDER = Path(__file__).parents[2] / "templates"
CELLS = {
    "Client name": "Harriet", "Invoice": "INV-1041", "Amount": "1250.5", "Currency": "USD", "Due date": "2026-11-30",
    "Order": "5512", "Address": "4 Mill Lane", "Open until": "19:00", "Keep until": "2026-12-04",
    "New channel": "WhatsApp", "Move date": "2026-12-01", "Manager": "Clara Whitmore",
    "Date": "2026-12-07", "Time": "10:30", "Specialist": "Dr Raman",
    "Имя клиента": "Анна", "Счёт": "С-1041", "Сумма": "1250,5", "Срок оплаты": "30.11.2026",
    "Номер заказа": "5512", "Адрес": "ул. Мельничная, 4", "Работаем до": "19:00", "Храним до": "04.12.2026",
    "Новый канал": "Telegram", "Дата переезда": "01.12.2026", "Менеджер": "Клара Белова",
    "Дата": "07.12.2026", "Время": "10:30", "Специалист": "Марина Ёлкина",
}  # fmt: skip
SAID = {
    "payment-reminder.en.txt": "invoice INV-1041 for 1,250.50 USD is due on 30 November 2026.",
    "payment-reminder.ru.txt": "счёт С-1041 на сумму 1 250,50 руб. нужно оплатить до 30.11.2026.",
    "order-ready.en.txt": "at 4 Mill Lane, any day until 19:00. We will keep it for you until Friday, 4 December.",
    "order-ready.ru.txt": "ул. Мельничная, 4, ежедневно до 19:00. Мы сохраним его для вас до 4 декабря.",
    "migration-notice.en.txt": "From 1 December 2026 on we will be answering you in WhatsApp.",
    "migration-notice.ru.txt": "С 1 декабря 2026 года мы отвечаем вам в Telegram.",
    "appointment.en.txt": "an appointment with Dr Raman on Monday, 7 December at 10:30, at 4 Mill Lane.\n\nPlease",
    "appointment.ru.txt": "на 7 декабря (понедельник) в 10:30. Адрес: ул. Мельничная, 4. Вас примет Марина Ёлкина.\n\n",
}


def columns_named(source: str) -> dict[str, bool]:
    """Return the columns that the template's own note names, and which of them may be empty."""
    note = re.search(r"\{#.*?(?:Columns|Столбцы): (.*?)\. #\}", source, re.DOTALL)
    assert note is not None, "the note at the top names the columns"
    optional = ("(may be empty)", "(можно пустой)")
    return {
        re.sub(r" \(.*\)", "", column): column.endswith(optional)
        for column in re.split(r",\s+", " ".join(note[1].split()))
    }


@pytest.mark.parametrize("name", ready_templates())
def test_a_ready_template_filled_in(name: str) -> None:
    """It needs the columns its note names and no others, and says what it should."""
    source = load_template(name)
    headings = list(columns_named(source))
    template = MessageTemplate(source, headings)
    for heading in headings:
        with pytest.raises(TemplateError, match="the sheet has no such column"):
            MessageTemplate(source, [other for other in headings if other != heading])
    rendered = template.render(pd.DataFrame([[CELLS[heading] for heading in headings]]))
    assert rendered.problems == {}
    assert rendered.messages.iloc[0].startswith(("Hello, Harriet!\n\n", "Здравствуйте, Анна!\n\n"))
    assert SAID[name] in rendered.messages.iloc[0]


@pytest.mark.parametrize("name", ready_templates())
def test_a_ready_template_with_empty_cells(name: str) -> None:
    """Where its note says that a column may be empty, it may; where it does not, the row has a problem."""
    source = load_template(name)
    columns = columns_named(source)
    for empty, optional in columns.items():
        cells = pd.DataFrame([["" if heading == empty else CELLS[heading] for heading in columns]])
        rendered = MessageTemplate(source, list(columns)).render(cells)
        assert [problem.code for problem in rendered.problems.values()] == ([] if optional else ["EMPTY_VALUE"])
        assert "  " not in rendered.messages.iloc[0]
        assert "\n\n\n" not in rendered.messages.iloc[0]


def test_the_list_of_ready_templates() -> None:
    """The folder's README names each one with its columns, those that may be empty in italics."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in ready_templates():
        columns = columns_named(load_template(name))
        listed = ", ".join(f"*{heading}*" if optional else heading for heading, optional in columns.items())
        assert f"| `{name}` | {listed} |" in readme


def shown(path: Path) -> list[list[list[object]]]:
    """Return the cells of each sheet of a workbook."""
    workbook = openpyxl.load_workbook(path)
    return [[[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in workbook.worksheets]


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_blank_sheets_are_up_to_date(tmp_path: Path, lang: Language) -> None:
    """Those in the folder are what `bulksend template` writes."""
    workbook, text = f"blank.{lang}.xlsx", f"blank.{lang}.csv"
    assert shown(FOLDER / workbook) == shown(write_blank(tmp_path / workbook, lang=lang))
    assert (FOLDER / text).read_bytes() == write_blank(tmp_path / text, lang=lang).read_bytes()
