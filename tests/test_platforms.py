"""What can be held of Windows and macOS on any system; mypy checks the rest of it by their own types."""

import ast
import re
import signal
import sys
import tomllib
from pathlib import Path

import pytest

import bulksend
from bulksend.cli import signals
from bulksend.errors import BulksendError
from bulksend.portal.authorisation import parse_webhook
from bulksend.portal.credential_store import PortalStore

ROOT = Path(__file__).parents[1]
WORKFLOW = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
OF_ONE_SYSTEM = {"fcntl", "grp", "msvcrt", "pty", "pwd", "resource", "syslog", "termios", "tty", "winreg"}
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def test_nothing_is_imported_that_one_system_has() -> None:
    """Locks, terminals and processes are left to libraries that know all systems."""
    found = set()
    for path in Path(bulksend.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module}
            found |= {f"{path.name}: {name}" for name in names & OF_ONE_SYSTEM}
    assert found == set()


def test_every_file_is_opened_in_a_named_encoding() -> None:
    """The system's own is a code page on Windows."""
    found = set()
    for path in Path(bulksend.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            text = node.func.attr in {"read_text", "write_text"}
            if text and not {keyword.arg for keyword in node.keywords} & {"encoding"} and len(node.args) < 2:
                found.add(f"{path.name}:{node.lineno}")
    assert found == set()


@pytest.mark.parametrize("missing", ["SIGHUP", "SIGBREAK"])
def test_signals_that_a_system_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Windows has no SIGHUP, the others no SIGBREAK; what is there is handled."""
    monkeypatch.delattr(signal, missing, raising=False)
    before = {name: signal.getsignal(getattr(signal, name)) for name in signals.ENDING if hasattr(signal, name)}
    interrupt = signals.Interrupt()
    try:
        signals.handle(interrupt)
        handled = {name for name in before if signal.getsignal(getattr(signal, name)) is interrupt}
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
    assert handled >= {"SIGINT", "SIGTERM"}
    assert missing not in handled


@pytest.mark.parametrize("name", ["con", "NUL", "aux.1", "ours", "наш-портал", "a:b", "a/b", "what?", "dot.", "Ours"])
def test_a_portals_file_can_be_made_on_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name that is accepted makes a file name that Windows takes, and that differs in more than its case."""
    monkeypatch.setenv("BULKSEND_NO_KEYRING", "1")
    store = PortalStore(tmp_path)
    try:
        store.add(name, parse_webhook("https://portal.example/rest/27/abcdefgh12345678/"))
    except BulksendError:
        return
    for path in tmp_path.rglob("*"):
        assert not re.search(r'[<>:"|?*\\]|[. ]$', path.name)
        assert not RESERVED.fullmatch(path.name)
        assert path.name == path.name.lower()


def test_the_workflow_runs_what_is_declared() -> None:
    """Every Python that the classifiers name, on all three systems."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert re.findall(r'"(.*?)"', matrix) == declared
    assert re.findall(r"os: \[(.*)\]", WORKFLOW) == ["ubuntu-latest, windows-latest, macos-latest"] * 2


def test_this_system_is_one_that_is_known() -> None:
    """The types are checked for these three."""
    assert sys.platform in {"linux", "win32", "darwin"}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"--platform (\w+)", script) == ["win32", "darwin"]
