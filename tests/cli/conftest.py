"""The command line in this process, against a sandbox over HTTP; its data folder is empty at first."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulksend.cli import run as run_command
from bulksend.sandbox import Limits, Sandbox, World
from tests.untranslate import as_asserted

Command = Callable[..., "Said"]
Sheet = Callable[..., Path]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and a current folder beside it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("BULKSEND_HOME", str(folder))
    monkeypatch.setenv("BULKSEND_NO_KEYRING", "1")
    monkeypatch.delenv("BULKSEND_PORTAL", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line and say how it ended."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(code, as_asserted(said.out), as_asserted(said.err))

    return run


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    """Write a CSV sheet: headings, then rows."""

    def write(name: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([headings, *rows])
        return path

    return write


def lines(path: Path) -> list[dict[str, str]]:
    """A CSV sheet's rows by heading."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{name: as_asserted(value) for name, value in line.items()} for line in csv.DictReader(file)]


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """A portal without limits that knows only what a test tells it."""
    with Sandbox(world=World.closed(), limits=Limits.none()) as running:
        yield running
