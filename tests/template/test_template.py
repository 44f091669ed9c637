"""Filling in a message template with the rows of a sheet."""

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence

import pandas as pd
import pytest

from bulksend.errors import TemplateError
from bulksend.template import MessageTemplate, Rendered

HEADINGS = ["Client name", "Сумма счёта, руб.", "Due date", "№ договора", "2nd phone", "If", "Qty"]
ANN = ["Ann", "1 250,50", "2026-11-30", "Д-7", "+7 900", "yes", "9"]


def fill(source: str, *rows: Sequence[str], headings: Sequence[str] = HEADINGS) -> Rendered:
    """Return what a template makes of these rows, which stand in the sheet's rows from 2 on."""
    cells = pd.DataFrame([list(row) for row in rows], index=range(2, len(rows) + 2), columns=range(len(headings)))
    return MessageTemplate(source, headings).render(cells)


def message(source: str, row: Sequence[str] = ANN) -> str:
    """Return one row's message, which must have no problem."""
    rendered = fill(source, row)
    assert rendered.problems == {}
    return rendered.messages.loc[2]


@pytest.mark.parametrize(
    "name",
    ["client_name", "Client_Name", "CLIENT_NAME", 'row["Client name"]', "row['client_NAME']", 'row["Client name "]'],
)
def test_a_column_by_its_heading(name: str) -> None:
    """Any case will do, spaces as underscores, or the heading itself."""
    assert message(f"Dear {{{{ {name} }}}}!") == "Dear Ann!"


def test_a_russian_heading() -> None:
    """Punctuation becomes underscores, ё and е are one letter, the number sign is left out."""
    assert message("{{ сумма_счёта_руб }} {{ Сумма_счета_руб }} {{ договора }}") == "1 250,50 1 250,50 Д-7"


def test_a_heading_that_makes_no_name() -> None:
    """It can be written out, and a digit in front takes an underscore."""
    assert message('{{ row["If"] }} {{ _2nd_phone }}') == "yes +7 900"


def test_many_rows() -> None:
    """Each row has its own message, under the sheet's own row number."""
    cells = pd.DataFrame([["Ann"], [" Ben "], ["Cy"]], index=[4, 9, 11], columns=[0])
    rendered = MessageTemplate("Hi {{ name }}", ["Name"]).render(cells)
    assert rendered.messages.to_dict() == {4: "Hi Ann", 9: "Hi Ben", 11: "Hi Cy"}


def test_no_rows() -> None:
    """A chunk without rows gives no messages."""
    assert fill("{{ client_name }}").messages.empty


def test_a_template_without_names() -> None:
    """The same text goes to every row."""
    assert fill("Closed tomorrow.", ANN, ANN).messages.tolist() == ["Closed tomorrow."] * 2


def test_numbers_and_dates_in_english() -> None:
    """Written as in English where the template's words are English."""
    assert message("Pay {{ сумма_счета_руб | money }} by {{ due_date | date }}") == "Pay 1,250.50 by 30 November 2026"


def test_numbers_and_dates_in_russian() -> None:
    """Written as in Russian where the template's words are Russian; its names and notes do not count."""
    text = message("Сумма {{ сумма_счета_руб | money }}, срок {{ due_date | date }}, {{ due_date | date('%-d %B') }}")
    assert text == "Сумма 1 250,50, срок 30.11.2026, 30 ноября"
    assert message("{# на английском #}Pay {{ сумма_счета_руб | number(1) }}") == "Pay 1,250.5"


def test_counting() -> None:
    """Exact, with numbers only."""
    assert message("{{ (qty | float * 1.1) | money }} {{ qty | int + 1 }} {{ 0.1 + 0.2 }}") == "9.90 10 0.3"
    assert message("{% if qty | int > 8 %}many{% endif %} {{ (7 / qty | int) | round(2) }}") == "many 0.78"


def test_texts() -> None:
    """The everyday filters and the methods of a text work."""
    text = message(
        "{{ client_name | upper }} {{ row['If'] | capitalize }} {{ client_name | replace('n', 'm') }} "
        "{{ client_name.split('n') | first }} {{ client_name | truncate(2) }} {{ client_name | length }} "
        "{{ [client_name, qty] | join('+') }} {{ client_name ~ qty }}"
    )
    assert text == "ANN Yes Amm A A… 3 Ann+9 Ann9"


def test_conditions() -> None:
    """Lines that hold only a tag leave no blank line behind."""
    source = "{% if row['If'] == 'yes' %}\nYes\n{% elif qty in ['1', '2'] %}\nFew\n{% else %}\nNo\n{% endif %}\n"
    assert message(source + "{{ client_name }}") == "Yes\nAnn"
    assert message(source, [*ANN[:5], "", "2"]) == "Few"
    assert message("{{ 'known' if client_name }}{{ 'none' if qty == '1' }}") == "known"


def test_blanks_around_the_message() -> None:
    """Are dropped, as a file's last line end is."""
    assert message("\n\n {{ client_name }}\r\n\r\nBye \n") == "Ann\n\nBye"


BLANK = ["", "", "  ", "", "", "", ""]


def test_an_empty_value() -> None:
    """Is a problem of its row, which names the column and what to do; other rows are not affected."""
    rendered = fill("Hi {{ client_name }}", BLANK, ANN)
    assert rendered.messages.tolist() == ["", "Hi Ann"]
    assert list(rendered.problems) == [2]
    code, description, example = rendered.problems[2]
    assert code == "EMPTY_VALUE"
    assert example == "the one in the column 'Client name'"
    assert "'Client name'" in description
    assert '{{ client_name | default("…") }}' in description


@pytest.mark.parametrize("source", ["{{ due_date | date }}", "{{ qty | money | upper }}", "{{ qty ~ client_name }}"])
def test_an_empty_value_behind_a_filter(source: str) -> None:
    """Is as much a problem as by itself."""
    assert fill(source, BLANK).problems[2].code == "EMPTY_VALUE"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ client_name | default('friend') }}", "Hi friend"),
        ("Hi {{ client_name | d('friend') | upper }}", "Hi FRIEND"),
        ("{{ due_date | date | default('soon') }}", "soon"),
        ("Hi{% if client_name %} {{ client_name }}{% endif %}!", "Hi!"),
        ("{{ 'none' if client_name == '' else 'some' }}", "none"),
        ("No name is used here", "No name is used here"),
    ],
)
def test_an_empty_value_that_the_template_expects(source: str, expected: str) -> None:
    """Is no problem where the template says what to do, or does not use it."""
    assert message(source, BLANK) == expected


def test_a_cell_that_is_no_date() -> None:
    """Is a problem of its row, with the cell's text and the column in it."""
    problem = fill("{{ due_date | date }}", [*ANN[:2], "as agreed", *ANN[3:]]).problems[2]
    assert problem.code == "TEMPLATE_ERROR"
    assert problem.description.startswith("'as agreed' in the column 'Due date' is not a date")


@pytest.mark.parametrize(
    "source", ["{{ qty * 2 }}", "{{ qty + qty }}", "{% if qty > 10 %}a{% endif %}", "{{ 'a' if qty == 9 }}"]
)
def test_counting_with_text(source: str) -> None:
    """Is refused: 9 times 2 must not be 99, and 9 not more than 10."""
    assert "| float" in fill(source, ANN).problems[2].description


HOSTILE = [
    "{{ client_name.__class__ }}",
    "{{ client_name['__class__'] }}",
    "{{ ''['format'] }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ [1] * 1000000000 }}",
    "{{ client_name.ljust(1000000000) }}",
    "{{ client_name | center(1000000000) }}",
    "{{ client_name | replace('', 'x' ~ client_name) | attr('upper') }}",
    "{{ '%1000000000d' is divisibleby 1 }}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% set a = 'aaaaaaaaaa' %}{{ a }}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{{ ['" + "a" * 900 + "', '" + "a" * 900 + "'] | join('" + "a" * 48_000 + "') | replace('a', 'aa') }}",
    "{{ 'aaaaaaaaaa'" + " | replace('a', 'aaaaaaaaaa')" * 9 + " }}",
    "{{ '" + "a" * 300 + "' | replace('a', '" + "b" * 300 + "') }}",
    "{{ 999999999" + " * 999999999" * 40 + " }}",
    "{{ " + "client_name ~ " * 200 + "client_name }}",
    "{{ [" + "client_name.split('n'), " * 101 + "] | length }}",
    "{{ due_date | date(reads='%d%d') }}",
    "{#" * 25_000,
    "{#" * 200_000,
    "{{" * 25_000,
    "{{ client name" + " " * 49_000,
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum() }}",
    "{{ namespace(a=1) }}",
    "{{ row }}",
    "{{ {}.update }}",
    "{{ 1e999 * 0 }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "9" * 6000 + " }}",
    "{% if 1 %}" * 3000,
    "{% for i in client_name %}" * 30 + "{% endfor %}" * 30,
    "x" * 50_001,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", HOSTILE, ids=[source[:50] for source in HOSTILE])
def test_a_template_that_reaches_too_far(source: str) -> None:
    """Is refused in one sentence, or is a problem of the row: at once, and with nothing said of what is inside."""
    started = time.thread_time()
    try:
        said = fill(source, ANN).problems[2].description
    except TemplateError as error:
        said = str(error)
    assert time.thread_time() - started < 2
    assert said.endswith(".")
    assert "\n" not in said
    assert " object at " not in said


@pytest.mark.parametrize(
    "source",
    [
        "{{ client_name | replace('', client_name) }}",
        "{{ client_name }}" * 100,
        "{{ " + "client_name ~ " * 99 + "qty }}",
    ],
)
def test_a_message_that_would_be_too_long_is_never_built(source: str) -> None:
    """Where the longest cells go into a template, it stops at the limit of a message."""
    tracemalloc.start()
    try:
        problem = fill(source, ["x" * 32_767, *ANN[1:]]).problems[2]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "longer than 50,000 characters" in problem.description
    assert peak < 2 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's memory cannot be limited")
def test_a_row_that_memory_does_not_suffice_for() -> None:
    """Is a problem of its own, not the end of the command."""
    program = """
import resource
import pandas as pd
from bulksend.template import MessageTemplate
template = MessageTemplate("{{ [" + "n.split(' '), " * 100 + "] | length }}", ["N"])
cells = pd.DataFrame([["1"], ["ab " * 10_900], ["2"]], columns=range(1))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), used + (16 << 20)))
rendered = template.render(cells)
print(rendered.messages.tolist(), {row: problem.description for row, problem in rendered.problems.items()})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.startswith("['100', '', '100'] {1: 'The message is longer than"), done.stderr


def test_a_long_sheet() -> None:
    """Filling in stays in proportion to the rows: tens of thousands of them in a breath."""
    cells = pd.DataFrame([ANN] * 20_000, index=range(2, 20_002), columns=range(len(HEADINGS)))
    template = MessageTemplate(
        "Hi {{ client_name }}, pay {{ сумма_счета_руб | money }} by {{ due_date | date }}.", HEADINGS
    )
    rendered = template.render(cells)
    assert rendered.problems == {}
    assert rendered.messages.nunique() == 1
