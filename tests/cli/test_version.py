"""What is said of the program itself, and what shells complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bulksend import __version__
from bulksend.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.processes import Commands


def test_the_version(command: Command) -> None:
    """Is one line."""
    assert command("--version").out == f"bulksend {__version__}\n"


@pytest.mark.parametrize("words", [("--version", "--verbose"), ("--verbose", "--version")])
def test_what_a_bug_report_needs(command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """Versions, system, encodings, places; of variables only the names."""
    monkeypatch.setenv("BULKSEND_JOURNAL", "postgresql://user:pa55word@host/database")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pa55word@proxy:3128")
    said = command(*words)
    assert said.code == 0
    found = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert found["bulksend"] == __version__
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert "pandas " in found["libraries"]
    assert found["journal"] == "postgresql"
    assert found["proxies"] == "https"
    assert "BULKSEND_HOME, BULKSEND_JOURNAL" in found["environment"]
    assert "pa55word" not in said.out


def completed(home: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    changes = {"_BULKSEND_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    said = Commands(home.parent).run(changes=changes)
    assert said.code == 0
    return [line.partition(",")[2] for line in said.out.splitlines()]


def test_shells_complete_commands_options_and_portals(command: Command, home: Path, portal: Sandbox) -> None:
    """Also the names of saved portals."""
    assert command("portal", "add", "ours", "--webhook", portal.webhook).code == 0
    assert completed(home, "bulksend", "re") == ["resume", "retry", "results"]
    assert completed(home, "bulksend", "send", "--max") == ["--max-in-flight", "--max-failures"]
    assert completed(home, "bulksend", "send", "--portal", "o") == ["ours"]
    assert completed(home, "bulksend", "portal", "test", "ou") == ["ours"]


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef bulksend"), ("fish", "complete --no")]
)
def test_the_script_for_a_shell(home: Path, shell: str, sign: str) -> None:
    """Is what the documentation says to load."""
    said = Commands(home.parent).run(changes={"_BULKSEND_COMPLETE": f"{shell}_source"})
    assert said.code == 0
    assert sign in said.out
    assert "_BULKSEND_COMPLETE" in said.out


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_bash_completes(home: Path) -> None:
    """With the line that the documentation gives, in a real bash."""
    program = home.parent / "bin" / "bulksend"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bulksend "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = (
        'eval "$(_BULKSEND_COMPLETE=bash_source bulksend)"; COMP_WORDS=(bulksend ver); COMP_CWORD=1; '
        '_bulksend_completion bulksend; echo "${COMPREPLY[@]}"'
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    bash = ["bash", "--norc", "-c", script]
    done = subprocess.run(bash, env={**os.environ, "PATH": path}, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.strip() == "verify", done.stderr
