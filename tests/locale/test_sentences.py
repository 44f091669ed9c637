"""No sentence that a person reads is outside the catalogues, and none of a translation is still English."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.locale import LANGUAGES
from tests import catalogue

PACKAGE = catalogue.PACKAGE
MARKS = {"_", "N_", "ngettext"}

NOBODY_READS = {
    "AssertionError",
    "AttributeError",
    "DamagedError",
    "TimeoutError",
    "TypeError",
    "ValueError",
    "_TooLateError",
    "BadZipFile",
    "_log",
}
"""What says something to programs and their authors alone."""
IN_HELP = {"help", "short_help", "epilog"}
"""Arguments of click, whose help is taken from the commands."""
OTHERS_WORDS = {
    "cli/version.py": "a bug report, which its readers want in English",
    "metrics/__init__.py": "descriptions for programs that watch",
    "sandbox/control.py": "the door for tests",
    "sandbox/refusal.py": "the portal's own words",
    "sandbox/server.py": "the portal's own words",
    "sandbox/shown.py": "the portal's own words",
    "sandbox/world.py": "the portal's own words",
    "sandbox/portal.py": "the portal's own words",
    "sandbox/authorisation.py": "the portal's own words",
    "portal/recording.py": "the portal's own words",
    "sheet/blank.py": "a sheet in the language that is asked for",
    "sheet/headings.py": "headings in both languages",
}

_SENTENCE = re.compile(r"(?!bulksend |import |SELECT |INSERT )[A-Za-z'’]{2,}[,:]? [a-z'’]+[,:]? [a-z'’]{2,}")


def _sentences(path: Path) -> Iterator[str]:
    """Literals of a module that read like a sentence, and that no mark holds."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            (
                isinstance(node, ast.Call)
                and (_name(node) in MARKS | NOBODY_READS | {"_seconds"} or _owner(node) in NOBODY_READS)
            )
            or (isinstance(node, ast.keyword) and node.arg in IN_HELP)
            or (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SUMMARIES")
        ):
            kept |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "StrEnum" for base in node.bases):
            kept |= {id(line.value) for line in node.body if isinstance(line, ast.Assign)}  # words for programs
        elif isinstance(node, ast.Assert):
            kept |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in kept or not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if _SENTENCE.match(node.value):
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value}"


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _owner(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def test_every_sentence_is_marked() -> None:
    """What is said to people goes through `_`, `N_` or `ngettext`."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in OTHERS_WORDS]
    assert [sentence for path in paths for sentence in _sentences(path)] == []


def test_marks_hold_what_can_be_taken_out_of_the_code() -> None:
    """A literal, with the words filled in afterwards; and not within an f-string, where nobody looks for it."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hidden = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
                filled = any(isinstance(each, ast.JoinedStr | ast.BinOp) for each in node.args)
                said = any(isinstance(each, ast.Constant) for each in node.args)
                if filled or (said and id(node) in hidden):
                    wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)}")
    assert wrong == []


NAMES = {
    *(
        "Bitrix24",
        "Excel",
        "UTC",
        "CSV",
        "UTF",
        "XML",
        "PDF",
        "Numbers",
        "JSON",
        "XLSX",
        "HTTP",
        "HTTPS",
        "TLS",
        "REST",
        "PHP",
    ),
    *("CRM", "ID", "SQLite", "PostgreSQL", "PEM", "IANA", "OAuth", "Telegram", "WhatsApp", "Ctrl", "POST", "SQL"),
    *("xlsx", "csv", "json", "txt", "xlsb", "bulksend", "imopenlines", "cryptography", "pip", "install", "sandbox"),
    *("off", "line", "never", "skip", "again", "cancel", "Enter", "Alt", "Europe", "Moscow", "refresh", "Refresh"),
    *("access", "client", "id", "secret", "send", "check", "lookup", "retry", "portal", "add", "delivery", "status"),
    *("whatsapp", "telegrambot", "server", "ahead", "late", "close", "after", "filled", "default", "float", "upper"),
    *("row", "money", "date", "reads", "if", "viewer", "OpenDocument", "Ctrl-C", "SIGTERM", "GET", "ledger"),
    *("crm", "metrics", "OpenMetrics", "procrastinate", "TIMEZONE", "line-off", "http", "results.csv", "filled.xlsx"),
}
"""Latin words that a Russian sentence keeps: names, what is typed, what a file holds."""
TYPED = re.compile(
    r"`[^`]*`|\{[^{}]*\}|%\(\w+\)s|<[^<>]*>|https?://\S*|--[a-z-]+|[A-Z]+_[A-Z_]+|'[^']*'|\w+@\w+", re.ASCII
)


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_english_is_left(language: str) -> None:
    """Of a translation only names, codes, options and what is to be typed may be in Latin letters."""
    left = {}
    for message in catalogue.read(language):
        for form in [message.string] if isinstance(message.string, str) else message.string or ():
            text = TYPED.sub(" ", form)
            words = set(re.findall(r"[A-Za-z][A-Za-z.-]*[A-Za-z]", text)) - NAMES
            if message.id and words:
                left[form] = words
    assert left == {}
