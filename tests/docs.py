"""The generated parts of the documentation: ``python -m tests.docs`` writes them, a test compares them."""

import json
import re
from pathlib import Path

import click

import bulksend
from bulksend.cli import COMMANDS
from bulksend.cli import bulksend as command_line
from bulksend.cli.translation import spoken, translated
from bulksend.locale import Language, _, language
from bulksend.locale.formats import number
from bulksend.portal.error_help import HELP
from bulksend.sandbox.special import CHATS
from bulksend.sender.options import duration, estimate
from bulksend.sender.settings import Sending
from bulksend.sheet.headings import FIELDS
from tests.benchmarks.table import Line, Quantity, machine_line, rows_of

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    *(README, ROOT / "README.ru.md"),
    *(ROOT / folder / name for folder in ("samples", "templates") for name in ("README.md", "README.ru.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "ru").glob("*.md")),
)
MEASURED = ROOT / "tests" / "benchmarks" / "measured.json"
WIDTH = 100
SIZES = (1_000, 10_000, 1_000_000)

RUSSIAN = {
    "means": "что случилось",
    "what to do": "что делать",
    "the chat": "что это за чат",
    "what a message gets": "чем отвечает на сообщение",
    "column": "столбец",
    "what it is": "что в нем",
    "headings in English": "заголовки на английском",
    "headings in Russian": "заголовки на русском",
    "may be missing": "может отсутствовать",
    "the kind of CRM entity": "тип элемента CRM",
    "its number": "его номер",
    "the number of its chat": "номер его чата",
    "who speaks": "от чьего имени",
    "the text": "текст",
    "the customer's time zone": "часовой пояс клиента",
    "a warning: the row is sent": "предупреждение: строка отправляется",
    "on a cloud portal": "в облаке",
    "rows": "строк",
    "one row a call, 2 calls a second (the default)": "по строке за вызов, 2 вызова в секунду (если не сказано иное)",
    "what": "что измерено",
    "ours": "у bulksend",
    "alternative": "с чем сравнивали",
    "its": "у него",
    "ratio": "отношение",
    "bar": "обещано",
    "met?": "выполнено?",
    "peak memory": "память, самое большее",
    "Measured on": "Измерено на",
    "by": "командой",
}
"""What the generated tables say besides the program's own sentences."""

COLUMNS = {
    "CRM_ENTITY_TYPE": "the kind of CRM entity",
    "CRM_ENTITY": "its number",
    "CHAT_ID": "the number of its chat",
    "USER_ID": "who speaks",
    "MESSAGE": "the text",
    "TIMEZONE": "the customer's time zone",
}


def _word(english: str) -> str:
    return RUSSIAN[english] if language() == "ru" else english


def _heads(*words: str) -> list[str]:
    return [f"| {' | '.join(words)} |", f"|{'---|' * len(words)}"]


def problems() -> str:
    """What the checks find, as a table."""
    return _codes(checked=True)


def codes() -> str:
    """What the portal answers and what stands for no answer, as a table."""
    return _codes(checked=False)


def _codes(*, checked: bool) -> str:
    rows = _heads("`error_code`", _word("means"), _word("what to do"))
    for code, text in HELP.items():
        if text.checked is checked:
            kind = f" ({_word('a warning: the row is sent')})" if text.warning else ""
            means = _(text.means)
            rows.append(f"| `{code}` | {means[0].upper()}{means[1:]}{kind}. | {_(text.advice)} |")
    return "\n".join(rows)


def columns() -> str:
    """The columns that a sheet may have, with every heading by which each is found, as a table."""
    rows = _heads(*map(_word, ("column", "what it is", "headings in English", "headings in Russian")))
    for name, field in FIELDS.items():
        what = _word(COLUMNS[name]) + ("" if field.required else f" ({_word('may be missing')})")
        english = ", ".join(heading for heading in field.names if heading.isascii())
        russian = ", ".join(heading for heading in field.names if not heading.isascii())
        rows.append(f"| `{name}` | {what} | {english} | {russian} |")
    return "\n".join(rows)


def special() -> str:
    """The sandbox's special chats, as a table."""
    rows = _heads("`CHAT_ID`", _word("the chat"), _word("what a message gets"))
    rows += [f"| {chat_id} | {_(chat.words)} | {chat.answer} |" for chat_id, chat in CHATS.items()]
    return "\n".join(rows)


def commands() -> str:
    """Every command's help, as it is printed."""
    root = translated(command_line, shows_language=True)
    assert isinstance(root, click.Group)
    parts = [_help(root, "bulksend")]
    context = click.Context(root, info_name="bulksend")
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        parts += _help_of_all(command, f"bulksend {name}")
    return "\n\n".join(parts)


def _help_of_all(command: click.Command, name: str) -> list[str]:
    parts = [_help(command, name)]
    for word, inner in command.commands.items() if isinstance(command, click.Group) else ():
        parts += _help_of_all(inner, f"{name} {word}")
    return parts


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"]
    )
    return f"```text\n$ {name} --help\n{command.get_help(context).rstrip()}\n```"


def speed() -> str:
    """The table of the last full run of the benchmarks, whose figures they wrote themselves."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    lines = [
        Line(
            **{
                **line,
                "ours": Quantity(**line["ours"]),
                "theirs": None if line["theirs"] is None else Quantity(**line["theirs"]),
            }
        )
        for line in measured["lines"]
    ]
    headings, *rows = rows_of(lines)
    drawn = [*_heads(*map(_word, headings)), *(f"| {' | '.join(row)} |" for row in rows)]
    where = f"{_word('Measured on')} {machine_line(measured['machine'])} {_word('by')} `python -m tests.benchmarks`."
    return "\n".join([*drawn, "", where])


def times() -> str:
    """How long campaigns take on a cloud portal, as `send` reckons it before it asks."""
    ways = {_word("one row a call, 2 calls a second (the default)"): Sending(), "`--fast`": Sending(fast=True)}
    table = _heads(_word("on a cloud portal"), *(f"{number(rows)} {_word('rows')}" for rows in SIZES))
    for way, sending in ways.items():
        spans = [duration(estimate(rows, sending.options(rows))) for rows in SIZES]
        table.append(f"| {way} | {' | '.join(spans)} |")
    return "\n".join(table)


def api() -> str:
    """Every public name of the library, for Sphinx to describe by its docstring."""
    parts = []
    for name in bulksend.__all__:
        thing = getattr(bulksend, name)
        kind = "autofunction" if not isinstance(thing, type) else "autoclass"
        kind = "autoexception" if isinstance(thing, type) and issubclass(thing, BaseException) else kind
        members = [] if kind == "autofunction" else ["   :members:"]
        parts += [f".. {kind}:: bulksend.{name}", *members, ""]
    return "\n".join(["```{eval-rst}", *parts, "```"])


PARTS = {
    "api": api,
    "columns": columns,
    "problems": problems,
    "codes": codes,
    "times": times,
    "speed": speed,
    "special": special,
    "commands": commands,
}
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str, language: Language = "en") -> str:
    """A page's text with its generated parts as they should be in a language."""
    with spoken(["--lang", language]):
        return _PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", text)


def language_of(page: Path) -> Language:
    """The language that a page is written in: ``README.ru.md`` is Russian, and so is what lies in ``ru``."""
    return "ru" if page.suffixes[:-1] == [".ru"] or page.parent.name == "ru" else "en"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rendered(page.read_text(encoding="utf-8"), language_of(page)), encoding="utf-8", newline="\n")
