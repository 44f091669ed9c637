"""What ``import bulksend`` gives: all that the commands use, and at no cost before it is used."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bulksend
from bulksend import Campaign, Journal, Options, State, dry_run, examine, find_target
from bulksend.cli import COMMANDS as NAMES
from tests.processes import rows, write_sheet

LIBRARY = Path(bulksend.__file__).parent
COMMANDS = LIBRARY / "cli"
BLANK_SHEET = LIBRARY / "sheet" / "blank.py"
"""Its instructions are no sentence of the library: people keep them, and read there what to type."""

NO_CONCERN = {
    *{"BATCH_LIMIT", "DAMAGED", "MOST_IN_FLIGHT", "SANDBOX", "TOKEN_URL", "__version__"},  # numbers and words
    "home",  # programs name the folder themselves
    *{"OAuthApp", "Operating", "read_world", "serve"},  # `bulksend sandbox` alone
    *{"Answer", "Repeats", "SandboxRow"},  # types of arguments
    *{"duration", "late_sentence", "without_secrets"},  # how a command speaks
    *{"DOMAIN", "FOLDER", "LANGUAGES", "Language", "N_", "_", "entity_in_words", "known", "language"},  # in which one
    *{"moment", "ngettext", "number", "reason"},
    "unfinished",  # so that a command refuses what was sent before it says more; `dry_run` refuses it too
    *{"Listening", "as_name", "hashed", "new_name"},  # the page's users
    *{
        "LATE",
        "days_in_words",
        "hours_in_words",
        "local_zone_name",
        "time_in_full",
        "zone_in_words",
        "zone_of",
    },  # and of times
}
"""What the commands take from the library and programs need not."""


@pytest.mark.parametrize("name", bulksend.__all__)
def test_every_name_is_there(name: str) -> None:
    """And is listed, as the thing itself rather than a module of the same name."""
    assert name in dir(bulksend)
    assert callable(getattr(bulksend, name))


def test_nothing_else_is_there() -> None:
    """A name that is not public is no attribute."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bulksend.nonsense
    assert sorted(bulksend.__all__) == bulksend.__all__


def test_programs_can_do_what_the_commands_do() -> None:
    """Each name that a command takes from the library is public."""
    used = {
        name.name
        for path in COMMANDS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.split(".")[0] == "bulksend"
        and node.module.split(".")[1:2] != ["cli"]
        for name in node.names
    }
    assert used - set(bulksend.__all__) - NO_CONCERN == set()


def test_the_library_names_no_command() -> None:
    """What it says is read on the page and by programs too: what to type is added by the command (`cli/hints.py`)."""
    typed = re.compile(rf"bulksend (?:{'|'.join(NAMES)})\b|(?<![\w-])--[a-z]")
    found = {
        f"{path.relative_to(LIBRARY)}:{line}: {text}"
        for path in LIBRARY.rglob("*.py")
        if path.relative_to(LIBRARY).parts[0] not in {"cli", "sandbox"} and path != BLANK_SHEET
        for line, text in _strings(ast.parse(path.read_text(encoding="utf-8")))
        if typed.search(text)
    }
    assert found == set()


def _strings(tree: ast.Module) -> list[tuple[int, str]]:
    """The lines and texts of all strings but docstrings."""
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone
    ]


def test_importing_it_loads_nothing() -> None:
    """Not even the library's own modules, let alone others."""
    source = "import bulksend, sys\nprint([name for name in sys.modules if name.startswith('bulksend')])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True, encoding="utf-8")
    assert done.stdout.strip() == "['bulksend']"


def test_a_campaign_that_is_not_entered_holds_nothing(tmp_path: Path) -> None:
    """Without `with` nothing happens; with it, everything a results sheet says can be read row by row."""
    plan = examine(write_sheet(tmp_path / "a.csv", rows(3, 3)))
    with (
        find_target("sandbox", tmp_path, user_id=27, sandbox_rows=plan.sandbox_rows()) as target,
        Journal(tmp_path / "journal.db") as journal,
    ):
        Campaign.enter(journal, plan, target)
        assert journal.runs() == []
        forecast = dry_run(journal, plan, target, limit=2)
        assert (forecast.known, forecast.run.counts.pending, journal.runs()) == (False, 2, [])
        with Campaign.enter(journal, plan, target, limit=2, forecast=forecast) as campaign:
            campaign.send(Options())
            assert [row.state for row in campaign.rows()] == [State.SENT, State.SENT, State.SKIPPED]
        assert journal.run(campaign.id).holder is None
