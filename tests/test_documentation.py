"""The documentation: its commands and examples work, its links lead somewhere, its languages hold together."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import requests

from bulksend.cli import run as run_command
from bulksend.sandbox import Limits, OAuthApp, Sandbox, World
from tests import docs

ROOT = docs.ROOT
PAGES = [page for page in docs.PAGES if page.relative_to(ROOT).parts[0] == "docs"]
ASKING = {"send", "resume", "retry", "check", "lookup"}
RUN_UNTIL_STOPPED = {"web", "sandbox", "worker"}
TRIED_ELSEWHERE = ("pipx install ", "uv tool install ", "pip install ", "pyinstaller ")
"""What `tests/test_packages.py` runs."""

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<note>[^\n]*?) -->\n)?^ *```(?P<kind>bash|text|python)\n(?P<body>.*?)^ *```",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page: what is typed, what is shown, or a program; with the note before it."""

    kind: str
    body: str
    note: str

    @property
    def codes(self) -> set[int]:
        """The exit codes that the commands may have."""
        found = re.fullmatch(r"exits: (\d+(?: or \d+)*)", self.note)
        return {int(code) for code in found[1].split(" or ")} if found else {0}


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order, without what is generated."""
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [Block(each["kind"], each["body"], each["note"] or "") for each in _BLOCK.finditer(text)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a reader has in front of them: the samples, and sheets under the names that the guides use."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples", ignore=shutil.ignore_patterns("*.results.*"))
    shutil.copy(ROOT / "samples" / "campaign.csv", tmp_path)
    reminders = pd.read_csv(ROOT / "samples" / "campaign.csv", dtype=str).drop(columns="CHAT_ID")
    reminders = reminders[~reminders["MESSAGE"].str.startswith("=")]
    reminders.to_excel(tmp_path / "reminders.xlsx", index=False)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BULKSEND_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BULKSEND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BULKSEND_NO_KEYRING", "1")
    monkeypatch.setenv("BULKSEND_RATE", "0")
    monkeypatch.setenv("BULKSEND_LANG", "en")
    return tmp_path


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The portal that the guides call `ours`, and an application on it: what is secret comes from the environment."""
    with Sandbox(world=World(), limits=Limits.none(), oauth=OAuthApp()) as portal:
        monkeypatch.setenv("BULKSEND_WEBHOOK", portal.webhook)
        yield portal


def typed(line: str, portal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a command, as a person would complete them: who has no terminal, answers with --yes."""
    words = shlex.split(line)[1:]
    if words[:2] == ["portal", "add"] and "--client-id" in words:
        app = portal.oauth
        words[words.index("--address") + 1] = portal.rest
        words += ["--token-url", portal.token_endpoint]
        monkeypatch.setenv("BULKSEND_CLIENT_SECRET", app.app.client_secret)
        monkeypatch.setenv("BULKSEND_REFRESH_TOKEN", app.refresh_token)
    elif words[:2] == ["portal", "add"] and "--replace" not in words:
        words += ["--replace"]
    return [*words, "--yes"] if words[0] in ASKING and "--yes" not in words else words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_works(
    page: Path, folder: Path, portal: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the page, with the exit codes and the output that it says."""
    if page.parent.name == "ru":
        monkeypatch.setenv("BULKSEND_LANG", "ru")
    _prepare(page, portal)
    said = ""
    for block in blocks(page):
        if block.kind == "text" and said:
            shown = [part for line in block.body.splitlines() for part in line.split("…") if part.strip()]
            assert [part for part in shown if part.strip() not in said] == [], said
        if block.kind != "bash":
            continue
        said = ""
        for line in block.body.splitlines():
            words = shlex.split(line, comments=True)
            if not words or line.strip().startswith(TRIED_ELSEWHERE) or words[1] in RUN_UNTIL_STOPPED:
                continue
            assert words[0] == "bulksend", f"no test runs {line!r}"
            capsys.readouterr()
            code = run_command(typed(line.strip(), portal, monkeypatch))
            captured = capsys.readouterr()
            said += captured.out + captured.err
            assert code in block.codes, f"{line} ended with {code}:\n{captured.out}{captured.err}"


def _prepare(page: Path, portal: Sandbox) -> None:
    """Guides begin where the one before ended: with a portal that is saved, and a campaign that was sent."""
    if page.stem not in {"tutorial", "portal", "sign-in"}:
        assert run_command(["portal", "add", "ours", "--webhook", portal.webhook]) == 0
    if page.stem == "unknown":
        assert run_command(["send", "campaign.csv", "--portal", "ours", "--yes", "--limit", "1"]) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_program_works(page: Path, folder: Path) -> None:
    """One after the other, each as it is printed, at a pace for which nobody has to wait."""
    programs = [block.body for block in blocks(page) if block.kind == "python"]
    for number, source in enumerate(programs, 1):
        fast = source.replace("Options()", "Options(rate_limit=__import__('bulksend').RateLimit(rate=0))")
        exec(compile(fast, f"{page.name}, program {number}", "exec"), {"__name__": "__main__"})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "ru"])
def test_it_builds_without_a_warning(tmp_path: Path, language: str) -> None:
    """Every page is in a table of contents, every link leads to a page or a heading."""
    if os.environ.get("BULKSEND_DOCS_TESTS") != "required":
        pytest.importorskip("furo", reason="needs Sphinx: pip install '.[docs]'")
    source = docs.ROOT / "docs" / ("ru" if language == "ru" else "")
    build = [
        "-q",
        "-W",
        "--keep-going",
        "-c",
        docs.ROOT / "docs",
        "-D",
        f"language={language}",
        "-d",
        tmp_path / "cache",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *map(str, build), str(source), str(tmp_path / "html")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "tutorial.html").exists()


def outline(page: Path) -> tuple[list[int], list[str], list[int]]:
    """What two languages of a page share: the levels of headings, the commands, and the sizes of tables."""
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    commands = [line.strip() for block in blocks(page) if block.kind == "bash" for line in block.body.splitlines()]
    tables = [len(found.splitlines()) for found in re.findall(r"(?:^ *\|.*\n)+", prose, re.MULTILINE)]
    return [len(found) for found in re.findall(r"^(#+) ", prose, re.MULTILINE)], commands, tables


RUSSIAN = [ROOT / "README.ru.md", *sorted((ROOT / "docs" / "ru").glob("*.md"))]


@pytest.mark.parametrize("russian", RUSSIAN, ids=lambda page: page.name)
def test_both_languages_hold_together(russian: Path) -> None:
    """The same headings, the same commands, the same tables."""
    english = ROOT / "README.md" if russian.name == "README.ru.md" else ROOT / "docs" / russian.name
    ours, theirs = outline(russian), outline(english)
    assert ours[1] == theirs[1]
    if russian.stem != "index":
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])


def test_the_tutorial_and_the_guides_are_there_in_russian() -> None:
    """And whatever else is, is named like its English page."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    captions = dict(re.findall(r"```\{toctree\}\n:caption: (.*?)\n:hidden:\n\n(.*?)```", index, re.DOTALL))
    wanted = {"index", *captions["Tutorial"].split(), *captions["How to"].split()}
    assert wanted - {page.stem for page in RUSSIAN} == set()


@pytest.mark.slow
def test_links_to_other_places_lead_somewhere() -> None:
    """As far as this computer can see them."""
    found = {link for page in docs.PAGES for link in re.findall(r"\]\((https?://[^)]+)\)", page.read_text("utf-8"))}
    broken = []
    for link in sorted(found):
        try:
            answer = requests.get(link, timeout=20, headers={"User-Agent": "bulksend documentation"})
        except requests.ConnectionError:
            pytest.skip(f"{link} cannot be reached from here")
        if answer.status_code >= 400:
            broken.append(f"{link}: {answer.status_code}")
    assert broken == []
