"""Every sentence about a message template, and what brings it about."""

import pandas as pd
import pytest

from bulksend.errors import TemplateError
from bulksend.template import MessageTemplate, load_template
from bulksend.template.sentences import CellProblem, RowSlip, Slip

HEADINGS = ["Client name", "Sum", "Due date", "Phone", "phone", "Note", "Note"]
CELLS = ["Ann", "1,250", "03/04/2026", "", "", "", ""]

OF_THE_TEMPLATE = {
    Slip.TOO_LONG: ("x" * 50_001, "The message template is longer than 50,000 characters: shorten it."),
    Slip.TOO_DEEP: (
        "{{ " + "(" * 5000,
        "The message template is nested too deeply or holds too long a number: simplify it.",
    ),
    Slip.UNREADABLE: (
        "Hi\n{{ Client name }}",
        (
            "Line 2 of the message template cannot be read (expected token 'end of print statement', got 'name'): "
            "for the column 'Client name' write {{ client_name }}."
        ),
    ),
    Slip.UNKNOWN_NAMES: (
        "{{ client_nam }}\n{{ zzz }}",
        (
            "The message template uses 'client_nam' (line 1, did you mean client_name?) and 'zzz' (line 2), but the "
            "sheet has no such column: the columns it has are client_name, sum, due_date, phone, note."
        ),
    ),
    Slip.UNKNOWN_HEADING: (
        '{{ row["Clint name"] }}',
        (
            'Line 1 of the message template uses row["Clint name"], but the sheet has no such column (did you mean '
            "client_name?): the columns it has are client_name, sum, due_date, phone, note."
        ),
    ),
    Slip.TWO_COLUMNS: (
        "{{ phone }}",
        (
            "The name phone in the message template could be any of the columns 'Phone' and 'phone': "
            'write row["Phone"] for the one you mean.'
        ),
    ),
    Slip.UNKNOWN_FILTER: (
        "{{ sum | eval }}",
        (
            "Line 1 of the message template uses the filter 'eval', which does not exist: use capitalize, d, date, "
            "default, first, float, int, join, last, length, lower, money, number, replace, round, title, "
            "trim, truncate, upper."
        ),
    ),
    Slip.UNKNOWN_DATE_PART: (
        "{{ due_date | date('%Q') }}",
        (
            "Line 1 of the message template uses '%Q' in a date, which means nothing: "
            "use %d %-d %m %-m %Y %y %B %b %A %a %H %-H %I %-I %M %S %p."
        ),
    ),
    Slip.ROW_ALONE: (
        "{{ row[sum] }}",
        'Line 1 of the message template uses row without a heading in quotes: write row["Heading"].',
    ),
    Slip.ROW_ATTRIBUTE: ("{{ row.Sum }}", 'Line 1 of the message template uses row.Sum: write row["Sum"].'),
    Slip.METHOD_OF_A_FILTER: (
        "{{ sum.replace(',', '') }}",
        "Line 1 of the message template uses .replace(…): write | replace(…) after the name.",
    ),
    Slip.CLOSED: (
        "{{ client.name }}",
        (
            "Line 1 of the message template uses .name, which is no part of a message template: "
            "if you mean a column, write client_name."
        ),
    ),
    Slip.TOO_MANY_PARTS: (
        "{{ client_name" + " ~ client_name" * 100 + " }}",
        (
            "Line 1 of the message template puts too many parts into lists or together with ~ (100 at the most): write "
            "the texts one after the other."
        ),
    ),
    Slip.TOO_LARGE_A_NUMBER: (
        "{{ 1e999 }}",
        "Line 1 of the message template holds too large a number: write a smaller one.",
    ),
}

OF_A_FILE = {Slip.NO_SUCH_FILE, Slip.IS_A_FOLDER, Slip.CANNOT_OPEN, Slip.LARGE_FILE, Slip.NO_TEXT}
"""Brought about in test_files."""

OF_A_ROW = {
    RowSlip.EMPTY: (
        '{{ row["Phone"] }}',
        (
            "The column 'Phone' is empty here, and the message needs it: fill in the cell, or give the template "
            'a stand-in, as in {{ phone | default("…") }}.'
        ),
    ),
    RowSlip.CELL: (
        "{{ client_name | int }}",
        "'Ann' in the column 'Client name' is not a number that can be read safely.",
    ),
    RowSlip.TEXT_COMPARED: (
        "{{ 'a' if sum > 5 }}",
        "The column 'Sum' is text to the message template: write | float after its name to compare it with numbers.",
    ),
    RowSlip.TEXT_COUNTED: (
        "{{ sum * 2 }}",
        (
            "The template uses * on something that is no number: write | float after a column's name to count with it, "
            "or ~ to put texts together."
        ),
    ),
    RowSlip.LARGE_NUMBER: (
        "{{ 10000000000 * 10000000000 * 100000000000 }}",
        "The template counts with numbers that are too large: check the cells it counts with.",
    ),
    RowSlip.NO_TEXT: (
        "{{ [sum] }}",
        "The template puts something into the message that is no text and no number: take it out.",
    ),
    RowSlip.TOO_LONG: (
        "{{ '" + "a" * 300 + "' | replace('a', '" + "b" * 300 + "') }}",
        "The message grows longer than 50,000 characters here: shorten the template or the cells.",
    ),
    RowSlip.NO_WHOLE_NUMBER: (
        "{{ client_name | truncate('x') }}",
        "A length or a number of decimals in the template is no whole number: write one, such as 2.",
    ),
    RowSlip.MISSING_PART: (
        "{{ client_name.split(' ')[1] }}",
        (
            "The template asks for a part of a cell that is missing in this row: fill in the cell, or give the part a "
            "default."
        ),
    ),
    RowSlip.CANNOT_FILL: (
        "{{ client_name.split('') }}",
        "The template cannot be filled in with this row (empty separator): check the template.",
    ),
}

OF_A_CELL = {
    CellProblem.NO_NUMBER: "{{ client_name | money }}",
    CellProblem.COMMA_OR_POINT: "{{ sum | money }}",
    CellProblem.OTHER_DECIMALS: "{{ '1.250,50' | money(reads='.') }}",
    CellProblem.NO_SUCH_READING: "{{ sum | money(reads=';') }}",
    CellProblem.NO_DATE: "{{ client_name | date }}",
    CellProblem.DAY_OR_MONTH: "{{ due_date | date }}",
    CellProblem.NOT_IN_CALENDAR: "{{ '31.02.2026' | date }}",
    CellProblem.NO_TIME: "{{ '25:00' | date('%H') }}",
    CellProblem.OTHER_DATE: "{{ due_date | date(reads='%Y') }}",
    CellProblem.NO_DATE_IN_IT: "{{ '14:00' | date }}",
    CellProblem.NO_CLOCK_IN_IT: "{{ '2026-11-30' | date('%H:%M') }}",
    CellProblem.UNKNOWN_PART: "{{ '2026-11-30' | date('%' ~ 'Q') }}",
    CellProblem.NO_LENGTH: "{{ 5 | first }}",
}


def problem(source: str) -> str:
    """Return what the one row of the sheet is told."""
    cells = pd.DataFrame([CELLS], index=[2], columns=range(len(HEADINGS)))
    return MessageTemplate(source, HEADINGS).render(cells).problems[2].description


@pytest.mark.parametrize("slip", OF_THE_TEMPLATE, ids=lambda slip: slip.name)
def test_what_a_template_is_told(slip: Slip) -> None:
    """One sentence, before the first row: where it is, and what to do."""
    source, sentence = OF_THE_TEMPLATE[slip]
    with pytest.raises(TemplateError) as caught:
        MessageTemplate(source, HEADINGS)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("slip", OF_A_ROW, ids=lambda slip: slip.name)
def test_what_a_row_is_told(slip: RowSlip) -> None:
    """One sentence: what is wrong in this row, and what to do."""
    source, sentence = OF_A_ROW[slip]
    assert problem(source) == sentence


@pytest.mark.parametrize("reason", OF_A_CELL, ids=lambda reason: reason.name)
def test_what_is_said_of_a_cell(reason: CellProblem) -> None:
    """It begins with the cell's text and says why it will not do."""
    said = problem(OF_A_CELL[reason])
    assert said.startswith("'")
    assert reason.split("{", maxsplit=1)[0] in said


def test_all_sentences_are_brought_about() -> None:
    """None is there that nobody can ever read."""
    assert {*OF_THE_TEMPLATE, *OF_A_FILE} == set(Slip)
    assert set(OF_A_ROW) == set(RowSlip)
    assert set(OF_A_CELL) == set(CellProblem)


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
        f"Line 1 of the message template uses '{word}', which is no part of a message template: use columns' names, "
        "filters and if."
    )


def test_two_columns_with_the_same_heading() -> None:
    """No way of writing it helps: the sheet has to be changed."""
    with pytest.raises(TemplateError, match="give them different headings in the sheet"):
        MessageTemplate('{{ row["Note"] }}', HEADINGS)


def test_a_ready_template_on_another_sheet() -> None:
    """A ready template says which of its columns the sheet lacks."""
    with pytest.raises(TemplateError, match=r"'invoice'.*'amount'"):
        MessageTemplate(load_template("payment-reminder.en.txt"), ["Client name", "Currency", "Due date"])
