"""Every sentence about a message template, and what brings it about."""

import pandas as pd
import pytest

from bulksend.errors import TemplateError
from bulksend.template import MessageTemplate, load_template
from bulksend.template.messages import CellFault, RowFault, TemplateFault

HEADINGS = ["Client name", "Sum", "Due date", "Phone", "phone", "Note", "Note"]
CELLS = ["Ann", "1,250", "03/04/2026", "", "", "", ""]

OF_THE_TEMPLATE = {
    TemplateFault.TOO_LONG: ("x" * 50_001, "The message template is longer than 50,000 characters: shorten it."),
    TemplateFault.TOO_DEEP: (
        "{{ " + "(" * 5000,
        "The message template is nested too deeply or has too long a number: simplify it.",
    ),
    TemplateFault.UNREADABLE: (
        "Hi\n{{ Client name }}",
        (
            "Line 2 of the message template cannot be read (expected token 'end of print statement', got 'name'): "
            "for the column 'Client name' write {{ client_name }}."
        ),
    ),
    TemplateFault.UNKNOWN_NAMES: (
        "{{ client_nam }}\n{{ zzz }}",
        (
            "The message template uses 'client_nam' (line 1, did you mean client_name?) and 'zzz' (line 2), but the "
            "sheet has no such column: the columns it has are client_name, sum, due_date, phone, note."
        ),
    ),
    TemplateFault.UNKNOWN_HEADING: (
        '{{ row["Clint name"] }}',
        (
            'Line 1 of the message template uses row["Clint name"], but the sheet has no such column (did you mean '
            "client_name?): the columns it has are client_name, sum, due_date, phone, note."
        ),
    ),
    TemplateFault.TWO_COLUMNS: (
        "{{ phone }}",
        (
            "The name phone in the message template could be any of the columns 'Phone' and 'phone': "
            'write row["Phone"] for the one you mean.'
        ),
    ),
    TemplateFault.UNKNOWN_FILTER: (
        "{{ sum | eval }}",
        (
            "Line 1 of the message template uses the filter 'eval', which does not exist: use capitalize, d, date, "
            "default, first, float, int, join, last, length, lower, money, number, replace, round, title, "
            "trim, truncate, upper."
        ),
    ),
    TemplateFault.UNKNOWN_DATE_PART: (
        "{{ due_date | date('%Q') }}",
        (
            "Line 1 of the message template uses '%Q' in a date, which is not a date format: "
            "use %d %-d %m %-m %Y %y %B %b %A %a %H %-H %I %-I %M %S %p."
        ),
    ),
    TemplateFault.ROW_ALONE: (
        "{{ row[sum] }}",
        'Line 1 of the message template uses row without a heading in quotes: write row["Heading"].',
    ),
    TemplateFault.ROW_ATTRIBUTE: ("{{ row.Sum }}", 'Line 1 of the message template uses row.Sum: write row["Sum"].'),
    TemplateFault.METHOD_OF_A_FILTER: (
        "{{ sum.replace(',', '') }}",
        "Line 1 of the message template uses .replace(…): write | replace(…) after the name.",
    ),
    TemplateFault.CLOSED: (
        "{{ client.name }}",
        (
            "Line 1 of the message template uses .name, which is not allowed in a message template: "
            "if you mean a column, write client_name."
        ),
    ),
    TemplateFault.TOO_MANY_PARTS: (
        "{{ client_name" + " ~ client_name" * 100 + " }}",
        (
            "Line 1 of the message template has too many parts in lists or joined with ~ (100 at most): write the "
            "texts one after the other."
        ),
    ),
    TemplateFault.TOO_LARGE_A_NUMBER: (
        "{{ 1e999 }}",
        "Line 1 of the message template has a number that is too large: write a smaller one.",
    ),
}

OF_A_FILE = {
    TemplateFault.NO_SUCH_FILE,
    TemplateFault.IS_A_FOLDER,
    TemplateFault.CANNOT_OPEN,
    TemplateFault.LARGE_FILE,
    TemplateFault.NO_TEXT,
}
"""Brought about in test_files."""

OF_A_ROW = {
    RowFault.EMPTY: (
        '{{ row["Phone"] }}',
        (
            "The column 'Phone' is empty here, and the message needs it: fill in the cell, or give the template "
            'a default, as in {{ phone | default("…") }}.'
        ),
    ),
    RowFault.CELL: (
        "{{ client_name | int }}",
        "'Ann' in the column 'Client name' is not a number that can be read safely.",
    ),
    RowFault.TEXT_COMPARED: (
        "{{ 'a' if sum > 5 }}",
        "The column 'Sum' is text to the message template: write | float after its name to compare it with numbers.",
    ),
    RowFault.TEXT_COUNTED: (
        "{{ sum * 2 }}",
        (
            "The template uses * on something that is not a number: write | float after a column's name to calculate "
            "with it, or ~ to join texts."
        ),
    ),
    RowFault.LARGE_NUMBER: (
        "{{ 10000000000 * 10000000000 * 100000000000 }}",
        "The template calculates with numbers that are too large: check the cells it uses.",
    ),
    RowFault.NO_TEXT: (
        "{{ [sum] }}",
        "The template puts something into the message that is neither text nor a number: remove it.",
    ),
    RowFault.TOO_LONG: (
        "{{ '" + "a" * 300 + "' | replace('a', '" + "b" * 300 + "') }}",
        "The message is longer than 50,000 characters in this row: shorten the template or the cells.",
    ),
    RowFault.NO_WHOLE_NUMBER: (
        "{{ client_name | truncate('x') }}",
        "A length or a number of decimals in the template is not a whole number: write one, such as 2.",
    ),
    RowFault.MISSING_PART: (
        "{{ client_name.split(' ')[1] }}",
        (
            "The template asks for a part of a cell that is missing in this row: fill in the cell, or give the part a "
            "default."
        ),
    ),
    RowFault.CANNOT_FILL: (
        "{{ client_name.split('') }}",
        "The template cannot be filled in with this row (empty separator): check the template.",
    ),
}

OF_A_CELL = {
    CellFault.NO_NUMBER: "{{ client_name | money }}",
    CellFault.COMMA_OR_POINT: "{{ sum | money }}",
    CellFault.OTHER_DECIMALS: "{{ '1.250,50' | money(reads='.') }}",
    CellFault.NO_SUCH_READING: "{{ sum | money(reads=';') }}",
    CellFault.NO_DATE: "{{ client_name | date }}",
    CellFault.DAY_OR_MONTH: "{{ due_date | date }}",
    CellFault.NOT_IN_CALENDAR: "{{ '31.02.2026' | date }}",
    CellFault.NO_TIME: "{{ '25:00' | date('%H') }}",
    CellFault.OTHER_DATE: "{{ due_date | date(reads='%Y') }}",
    CellFault.NO_DATE_IN_IT: "{{ '14:00' | date }}",
    CellFault.NO_CLOCK_IN_IT: "{{ '2026-11-30' | date('%H:%M') }}",
    CellFault.UNKNOWN_PART: "{{ '2026-11-30' | date('%' ~ 'Q') }}",
    CellFault.NO_LENGTH: "{{ 5 | first }}",
}


def problem(source: str) -> str:
    """Return what is wrong with the sheet's one row."""
    cells = pd.DataFrame([CELLS], index=[2], columns=range(len(HEADINGS)))
    return MessageTemplate(source, HEADINGS).render(cells).problems[2].description


@pytest.mark.parametrize("slip", OF_THE_TEMPLATE, ids=lambda slip: slip.name)
def test_what_is_wrong_with_a_template(slip: TemplateFault) -> None:
    """One sentence, before the first row: where it is, and what to do."""
    source, sentence = OF_THE_TEMPLATE[slip]
    with pytest.raises(TemplateError) as caught:
        MessageTemplate(source, HEADINGS)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("slip", OF_A_ROW, ids=lambda slip: slip.name)
def test_what_is_wrong_in_a_row(slip: RowFault) -> None:
    """One sentence: what is wrong in this row, and what to do."""
    source, sentence = OF_A_ROW[slip]
    assert problem(source) == sentence


@pytest.mark.parametrize("reason", OF_A_CELL, ids=lambda reason: reason.name)
def test_what_is_said_of_a_cell(reason: CellFault) -> None:
    """It begins with the cell's text and says why it will not do."""
    said = problem(OF_A_CELL[reason])
    assert said.startswith("'")
    assert reason.split("{", maxsplit=1)[0] in said


def test_all_sentences_are_brought_about() -> None:
    """Each can be brought about."""
    assert {*OF_THE_TEMPLATE, *OF_A_FILE} == set(TemplateFault)
    assert set(OF_A_ROW) == set(RowFault)
    assert set(OF_A_CELL) == set(CellFault)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("{% for part in sum %}{{ part }}{% endfor %}", "for"),
        ("{% set total = sum %}{{ total }}", "set"),
        ("{% set total %}{{ sum }}{% endset %}{{ total }}", "set"),
        ("{% with total = sum %}{{ total }}{% endwith %}", "with"),
    ],
)
def test_what_is_no_part_of_a_message(source: str, word: str) -> None:
    """A message takes values, filters and conditions: loops and names of its own are refused in one sentence."""
    with pytest.raises(TemplateError) as caught:
        MessageTemplate(source, HEADINGS)
    assert str(caught.value) == (
        f"Line 1 of the message template uses '{word}', which is not allowed in a message template: use columns' "
        "names, filters and if."
    )


def test_two_columns_with_the_same_heading() -> None:
    """No way of writing it helps: the sheet has to be changed."""
    with pytest.raises(TemplateError, match="give them different headings in the sheet"):
        MessageTemplate('{{ row["Note"] }}', HEADINGS)


def test_a_ready_template_on_another_sheet() -> None:
    """A ready template says which of its columns the sheet lacks."""
    with pytest.raises(TemplateError, match=r"'invoice'.*'amount'"):
        MessageTemplate(load_template("payment-reminder.en.txt"), ["Client name", "Currency", "Due date"])
