"""The blank sheet a campaign starts from: the right headings, and cells that Excel leaves as they are typed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.sheet.limits import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xlsxwriter
    import xlsxwriter.format

    from bulksend.locale import Language


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the blank sheet and what the second sheet says about it."""

    heading: str
    needed: bool
    meaning: str
    examples: tuple[str, str]
    width: int
    """Of its cells, in characters."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    """All the words of a blank sheet in one language."""

    columns: tuple[_Column, ...]
    sheet: str
    guide: str
    title: str
    guide_headings: tuple[str, str, str]
    yes: str
    no: str
    choose: str
    example: str
    notes: tuple[str, ...]
    delimiter: str
    """Of a .csv: Excel opens only the one of the system's language in columns."""


_WORDS: Final[dict[Language, _Words]] = {
    "en": _Words(
        columns=(
            _Column(
                "CRM_ENTITY_TYPE",
                needed=True,
                meaning="What the chat belongs to in the CRM: lead, deal, contact or company.",
                examples=("deal", "contact"),
                width=20,
                choices=("lead", "deal", "contact", "company"),
            ),
            _Column(
                "CRM_ENTITY_ID",
                needed=True,
                meaning="The number of that lead, deal, contact or company: the digits in the address of its page, "
                "as in …/crm/deal/details/288/.",
                examples=("288", "1205"),
                width=18,
            ),
            _Column(
                "CHAT_ID",
                needed=True,
                meaning="The number of the open-channel chat. Where you do not know it, leave the column empty "
                "and let “bulksend lookup” fill it in.",
                examples=("8773", "8791"),
                width=14,
            ),
            _Column(
                "USER_ID",
                needed=False,
                meaning="The number of the employee who speaks. They must be a member of the chat. Left empty, it is "
                "the one named with --user-id, else the owner of the webhook.",
                examples=("27", ""),
                width=14,
            ),
            _Column(
                "MESSAGE",
                needed=True,
                meaning="The text, up to 20,000 characters. Alt+Enter begins a new line; [b]bold[/b] is shown in bold.",
                examples=(
                    "Hello! Your order is ready, you can collect it today until 8 pm.",
                    "Good afternoon! Could you confirm tomorrow’s visit at 10:30?",
                ),
                width=70,
            ),
        ),
        sheet="Messages",
        guide="How to fill it in",
        title="How to fill in the sheet “Messages”",
        guide_headings=("Column", "Needed", "What to write"),
        yes="yes",
        no="no",
        choose="Choose lead, deal, contact or company.",
        example="An example",
        notes=(
            "One row is one message. Rows are sent from top to bottom.",
            "You may add columns of your own, such as a client’s name: they come back untouched in the results.",
            (
                "When it is filled in: “bulksend check FILE” says what is wrong with it and sends nothing; "
                "“bulksend send FILE” sends it."
            ),
        ),
        delimiter=",",
    ),
    "ru": _Words(
        columns=(
            _Column(
                "Тип сущности",
                needed=True,
                meaning="К чему в CRM относится чат: лид, сделка, контакт или компания.",
                examples=("сделка", "контакт"),
                width=20,
                choices=("лид", "сделка", "контакт", "компания"),
            ),
            _Column(
                "ID сущности",
                needed=True,
                meaning="Номер этого лида, сделки, контакта или компании: цифры в адресе карточки, "
                "например …/crm/deal/details/288/.",
                examples=("288", "1205"),
                width=18,
            ),
            _Column(
                "ID чата",
                needed=True,
                meaning="Номер чата открытой линии. Если он неизвестен, оставьте столбец пустым: "
                "его заполнит команда «bulksend lookup».",
                examples=("8773", "8791"),
                width=14,
            ),
            _Column(
                "ID пользователя",
                needed=False,
                meaning="Номер сотрудника, от чьего имени идёт сообщение; он должен состоять в чате. Если пусто — "
                "тот, кто указан в --user-id, а без него владелец вебхука.",
                examples=("27", ""),
                width=18,
            ),
            _Column(
                "Текст сообщения",
                needed=True,
                meaning="Текст, до 20 000 знаков. Новая строка в ячейке — Alt+Enter; так пишется [b]жирный[/b] шрифт.",
                examples=(
                    "Здравствуйте! Ваш заказ готов, забрать его можно сегодня до 20:00.",
                    "Добрый день! Подтвердите, пожалуйста, завтрашний визит в 10:30.",
                ),
                width=70,
            ),
        ),
        sheet="Сообщения",
        guide="Как заполнять",
        title="Как заполнять лист «Сообщения»",
        guide_headings=("Столбец", "Обязателен", "Что писать"),
        yes="да",
        no="нет",
        choose="Выберите: лид, сделка, контакт или компания.",
        example="Пример",
        notes=(
            "Одна строка — одно сообщение. Строки отправляются сверху вниз.",
            "Можно добавить свои столбцы, например имя клиента: в результатах они останутся как были.",
            (
                "Когда таблица заполнена: «bulksend check ФАЙЛ» покажет ошибки и ничего не отправит, "
                "«bulksend send ФАЙЛ» отправит сообщения."
            ),
        ),
        delimiter=";",
    ),
}


def write_blank(path: Path, *, lang: Language, overwrite: bool = False) -> Path:
    """Write a blank sheet to fill in, ``.xlsx`` or ``.csv`` by the path's suffix, and return the path.

    There is no example among the rows to be sent, for someone would send it: the workbook has it on its second sheet.

    Raises:
        UsageError: the suffix is another one, the file is there already (and ``overwrite`` is not set), or it cannot
            be written.
    """
    writers: dict[str, Callable[[_Words], bytes]] = {".xlsx": _workbook, ".csv": _text}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            _("A blank sheet is a workbook or a CSV: give '{name}' the ending .xlsx or .csv.").format(name=path.name)
        )
    content = writer(_WORDS[lang])
    try:
        with path.open("wb" if overwrite else "xb") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(
            _("'{path}' is there already: choose another name, or delete it first.").format(path=path),
            code="FILE_EXISTS",
        ) from None
    except FileNotFoundError:
        raise UsageError(
            _("There is no folder '{folder}': make it first, or choose another.").format(folder=path.parent)
        ) from None
    except OSError as error:
        why = _("it is a folder") if path.is_dir() else reason(error) or str(error)
        if isinstance(error, PermissionError) and path.is_file():
            text = _("'{path}' cannot be written ({reason}): close it in Excel, or choose another name or folder.")
        else:
            text = _("'{path}' cannot be written ({reason}): choose another name or folder.")
        raise UsageError(text.format(path=path, reason=why)) from None
    return path


def _text(words: _Words) -> bytes:
    """Return the .csv: its heading row alone, marked as UTF-8 so that Excel does not take it for the old encoding."""
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=words.delimiter).writerow([column.heading for column in words.columns])
    return lines.getvalue().encode("utf-8-sig")


def _workbook(words: _Words) -> bytes:
    """Return the .xlsx: the sheet to fill in, and one that explains it."""
    import xlsxwriter  # noqa: PLC0415 - only who writes a workbook pays for loading it

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        # The same blank sheet is the same file, whenever it is made.
        workbook.set_properties({"title": words.title, "created": datetime(2026, 1, 1, tzinfo=UTC)})
        looks = _Looks(workbook)
        _sheet_to_fill_in(workbook, words, looks)
        _guide(workbook, words, looks)
    return content.getvalue()


class _Looks:
    """The formats of a blank workbook's cells."""

    def __init__(self, workbook: xlsxwriter.Workbook) -> None:
        def look(**properties: object) -> xlsxwriter.format.Format:
            return workbook.add_format({"valign": "top", **properties})

        heading = {"bold": True, "valign": "vcenter", "border": 1, "border_color": "#BFBFBF", "indent": 1}
        boxed = {"text_wrap": True, "border": 1, "border_color": "#BFBFBF", "indent": 1, "valign": "vcenter"}
        self.needed = look(**heading, bg_color="#1F4E79", font_color="#FFFFFF")
        self.optional = look(**heading, bg_color="#DDEBF7", font_color="#1F4E79")
        self.cell = look(num_format="@")
        self.message = look(num_format="@", text_wrap=True)
        self.title = look(bold=True, font_size=14, font_color="#1F4E79", valign="vcenter")
        self.note = look(text_wrap=True, valign="vcenter")
        self.name = look(**boxed, bold=True)
        self.boxed = look(**boxed, num_format="@")


def _sheet_to_fill_in(workbook: xlsxwriter.Workbook, words: _Words, looks: _Looks) -> None:
    """Write the first sheet: text cells under a frozen heading, so that an id never becomes 8,77E+03."""
    sheet = workbook.add_worksheet(words.sheet)
    sheet.set_row(0, 24)
    sheet.freeze_panes(1, 0)
    for position, column in enumerate(words.columns):
        last = position == len(words.columns) - 1
        sheet.set_column(position, position, column.width, looks.message if last else looks.cell)
        sheet.write_string(0, position, column.heading, looks.needed if column.needed else looks.optional)
        if column.choices:
            choice = {
                "validate": "list",
                "source": list(column.choices),
                "error_title": column.heading,
                "error_message": words.choose,
                # The checks understand more than the list has (Deal, D, 2): ask, and let a person insist.
                "error_type": "warning",
            }
            sheet.data_validation(1, position, MOST_ROWS - 1, position, choice)
    # Ids are meant to be texts here: no green corner on every one of them.
    sheet.ignore_errors({"number_stored_as_text": f"A2:E{MOST_ROWS}"})
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _guide(workbook: xlsxwriter.Workbook, words: _Words, looks: _Looks) -> None:
    """Write the second sheet: what each column is for, an example, and what to do next."""
    sheet = workbook.add_worksheet(words.guide)
    sheet.hide_gridlines(2)
    for position, width in enumerate((24, 18, 16, 20, 64)):
        sheet.set_column(position, position, width)
    sheet.set_row(0, 30)
    sheet.write_string(0, 0, words.title, looks.title)

    first, second, third = words.guide_headings
    sheet.set_row(1, 22)
    sheet.write_string(1, 0, first, looks.needed)
    sheet.write_string(1, 1, second, looks.needed)
    sheet.merge_range(1, 2, 1, 4, third, looks.needed)
    row = 2
    for column in words.columns:
        sheet.set_row(row, 34)
        sheet.write_string(row, 0, column.heading, looks.name)
        sheet.write_string(row, 1, words.yes if column.needed else words.no, looks.boxed)
        sheet.merge_range(row, 2, row, 4, column.meaning, looks.boxed)
        row += 1

    for height, below in ((36, 0), (22, 1), (22, 2), (22, 3)):
        sheet.set_row(row + below, height)
    sheet.write_string(row, 0, words.example, looks.title)
    for position, column in enumerate(words.columns):
        sheet.write_string(row + 1, position, column.heading, looks.needed if column.needed else looks.optional)
        for below, example in enumerate(column.examples, start=2):
            sheet.write_string(row + below, position, example, looks.boxed)
    row += 5
    for note in words.notes:
        sheet.set_row(row, 22)
        sheet.merge_range(row, 0, row, 4, note, looks.note)
        row += 1
    sheet.ignore_errors({"number_stored_as_text": f"A1:E{row}"})
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
