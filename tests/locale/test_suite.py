"""The commands under Russian: what scripts read is the same, help fits the terminal, and their tests hold."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from bulksend.cli import COMMANDS, bulksend, run
from bulksend.sandbox import Limits, Sandbox, World
from tests import catalogue
from tests.processes import HEADINGS, read_results, rows, write_sheet
from tests.untranslate import english

ROOT = catalogue.PACKAGE.parent
SENTENCES = {"reason", "says", "advice", "example", "where", "words"}
"""Keys of JSON whose values are for people."""


def _commands() -> list[list[str]]:
    names = {""}
    for name in COMMANDS:
        command = bulksend.get_command(click.Context(bulksend), name)
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {name, *(f"{name} {each}" for each in inner)}
    return [name.split() for name in sorted(names)]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_help_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """80 columns are enough in Russian, and nothing is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*words, "--lang", "ru", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert not re.search(r"\w\.\.\.$", shown, re.MULTILINE)
    assert shown.startswith("Использование:")


def _machine(value: Any) -> Any:
    """What a script would read of a JSON value."""
    if isinstance(value, dict):
        return {name: None if name in SENTENCES else _machine(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_machine(each) for each in value]
    return re.sub(r"/(en|ru)/", "/", value) if isinstance(value, str) else value


def test_scripts_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit codes, JSON, and statuses, codes and columns of results, of a campaign that meets all sorts of rows."""
    monkeypatch.setenv("BULKSEND_NO_KEYRING", "1")
    seen: list[list[Any]] = []
    for language in ("en", "ru"):
        folder = tmp_path / language
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("BULKSEND_HOME", str(folder / "home"))
        sheet = write_sheet(
            folder / "a.csv", [*rows(4, 4), ("deal", 1, 404, "", "Stray"), ("deal", 1, 0, "", "No chat")]
        )
        seen.append([])
        with Sandbox(world=World(), limits=Limits.none(), secret="s3cr3t") as portal:
            to = ("--portal", portal.webhook, "--yes", "--rate", "0", "--json")
            for words in (
                ("check", sheet, "--json"),
                ("send", sheet, *to),
                ("send", sheet, *to, "--skip-invalid", "--results", "out.csv"),
                ("send", sheet, *to, "--skip-invalid"),
                ("runs", "--json"),
                ("results", "1", "--results", "copy.csv"),
                ("resume", "7", "--json"),
                ("send", "nowhere.csv", *to),
                ("send", "--no-such-option", "--json"),
            ):
                capsys.readouterr()
                code = run(["--lang", language, *map(str, words)])
                answer = _machine(json.loads(capsys.readouterr().out)) if "--json" in words else None
                seen[-1].append((code, json.dumps(answer)))
        found = read_results(folder / "out.csv")
        seen[-1].append([*found[0]])
        seen[-1].append([{name: line[name] for name in (*HEADINGS, "status", "error_code")} for line in found])
        assert found[4]["error_description"].startswith("Чат" if language == "ru" else "The chat")
    passing = re.compile(r"127\.0\.0\.1:\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")  # the portal's port, and times
    assert passing.sub("", str(seen[0])) == passing.sub("", str(seen[1]))
    assert seen[0][2][0] == 1


def test_what_is_said_in_russian_can_be_put_back() -> None:
    """By the catalogue alone: no place of a sentence is lost on the way, and counts have their forms."""
    said = (
        "Ошибка: Нет журнала «x.db»: проверьте --journal и BULKSEND_JOURNAL.\n"
        "Рассылка 3: отправлено 1\xa0200 из 1\xa0204 строк; отказ: 3, неизвестно: 1.\n"
        "Рассылка 1: отправлено 1 из 1 строки."
    )
    assert english(said) == (
        "Error: There is no journal at 'x.db': check --journal and BULKSEND_JOURNAL.\n"
        "Campaign 3: 1,200 of 1,204 rows sent; failed: 3, unknown: 1.\n"
        "Campaign 1: 1 of 1 row sent."
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_suite_of_the_commands_holds_in_russian() -> None:
    """As it is written, for English: what is said is put back by the catalogue."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/cli", "-q", "-n", "4"],
        cwd=ROOT,
        env={**os.environ, "BULKSEND_TEST_LANG": "ru", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-4000:]
