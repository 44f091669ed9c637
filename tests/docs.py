"""The generated parts of the documentation: ``python -m tests.docs`` writes them, a test compares them."""

import json
import re
from pathlib import Path

import click

import bulksend
from bulksend.cli import COMMANDS
from bulksend.cli import bulksend as command_line
from bulksend.cli.translation import spoken, translated
from bulksend.locale import Language
from bulksend.portal.error_help import HELP
from bulksend.sandbox.special import CHATS
from bulksend.sender.options import duration, estimate
from bulksend.sender.settings import Sending
from tests.benchmarks.table import Line, Quantity, machine_line, rows_of

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    *(README, ROOT / "README.ru.md", ROOT / "samples" / "README.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "ru").glob("*.md")),
)
MEASURED = ROOT / "tests" / "benchmarks" / "measured.json"
WIDTH = 100
SIZES = (1_000, 10_000, 1_000_000)


def problems() -> str:
    """What the checks find, as a table."""
    return _codes(checked=True)


def codes() -> str:
    """What the portal answers and what stands for no answer, as a table."""
    return _codes(checked=False)


def _codes(*, checked: bool) -> str:
    rows = ["| `error_code` | means | what to do |", "|---|---|---|"]
    for code, text in HELP.items():
        if text.checked is checked:
            kind = " (a warning: the row is sent)" if text.warning else ""
            rows.append(f"| `{code}` | {text.means[0].upper()}{text.means[1:]}{kind}. | {text.advice} |")
    return "\n".join(rows)


def special() -> str:
    """The sandbox's special chats, as a table."""
    rows = ["| `CHAT_ID` | the chat | what a message gets |", "|---|---|---|"]
    rows += [f"| {chat_id} | {chat.words} | {chat.answer} |" for chat_id, chat in CHATS.items()]
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
    drawn = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join([*drawn, "", f"Measured on {machine_line(measured['machine'])} by `python -m tests.benchmarks`."])


def times() -> str:
    """How long campaigns take on a cloud portal, as `send` reckons it before it asks."""
    ways = {"one row a call, 2 calls a second (the default)": Sending(), "`--fast`": Sending(fast=True)}
    heads = [f"{rows:,} rows" for rows in SIZES]
    table = [f"| on a cloud portal | {' | '.join(heads)} |", f"|{'---|' * (len(SIZES) + 1)}"]
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
