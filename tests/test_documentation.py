"""The documentation: its commands and examples work, its links lead somewhere, its languages hold together."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd
import pytest
import requests

from bulksend.cli import bulksend as command_line
from bulksend.cli import run as run_command
from bulksend.cli.json_output import BROKEN, HELD, NOT_STARTED
from bulksend.journal import Delivery, Stage
from bulksend.queries.checkup import Mark
from bulksend.sandbox import Limits, OAuthApp, Sandbox, World
from bulksend.sender.options import StopReason
from tests import docs

ROOT = docs.ROOT
RUSSIAN = [page for page in docs.PAGES if docs.language_of(page) == "ru"]
PAGES = [page for page in docs.PAGES if page.parent != ROOT]
"""All but the two whose commands are for a fresh clone, which `tests/test_packages.py` runs."""
ASKING = {"send", "resume", "retry", "check", "lookup"}
RUN_UNTIL_STOPPED = {"web", "sandbox", "worker"}
TRIED_ELSEWHERE = ("pipx install ", "uv tool install ", "pip install ", "pyinstaller ")
"""What `tests/test_packages.py` runs."""

_CELL = re.compile(r"`(bulksend [^`]+)` \|$|`(bulksend [^`]+)`, (?:then|затем) `(bulksend [^`]+)` \|$", re.MULTILINE)
"""The commands in the last cell of a table."""

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
    """The blocks of a page, in order, without what is generated; the commands of tables before them."""
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    tabled = [Block("bash", one, "exits: 0 or 1") for found in _CELL.findall(text) for one in found if one]
    return tabled + [Block(each["kind"], each["body"], each["note"] or "") for each in _BLOCK.finditer(text)]


def those_with(kind: str, pages: list[Path]) -> list[Path]:
    """The pages that have such blocks."""
    return [page for page in pages if any(block.kind == kind for block in blocks(page))]


def name_of(page: Path) -> str:
    """What a page is called in the name of a test."""
    return page.relative_to(ROOT).as_posix()


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
    return tmp_path


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The portal that the guides call `ours`, and an application on it: what is secret comes from the environment.

    It has the chats of the campaign that the guides send.
    """
    with Sandbox(world=World(), limits=Limits.none(), oauth=OAuthApp()) as portal:
        monkeypatch.setenv("BULKSEND_WEBHOOK", portal.webhook)
        with (ROOT / "samples" / "campaign.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                portal.world.add_chat(int(row["CHAT_ID"]), row["CRM_ENTITY_TYPE"].lower(), int(row["CRM_ENTITY_ID"]))
        yield portal


def typed(line: str, portal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a command, as a person would complete them, who is asked on a terminal: --yes answers.

    On a terminal `send` asks the portal first.
    """
    words = shlex.split(line)[1:]
    if words[:2] == ["portal", "add"] and "--client-id" in words:
        app = portal.oauth
        words[words.index("--address") + 1] = portal.rest
        words += ["--token-url", portal.token_endpoint]
        monkeypatch.setenv("BULKSEND_CLIENT_SECRET", app.app.client_secret)
        monkeypatch.setenv("BULKSEND_REFRESH_TOKEN", app.refresh_token)
    elif words[:2] == ["portal", "add"] and "--replace" not in words:
        words += ["--replace"]
    if words[0] in ASKING and "--yes" not in words:
        asks_first = words[0] == "send" and not {"--no-preflight", "--dry-run"} & {*words}
        words += ["--yes", *(["--preflight"] if asks_first else [])]
    return words


@pytest.mark.parametrize("page", those_with("bash", PAGES), ids=name_of)
def test_every_command_works(
    page: Path, folder: Path, portal: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the page, with the exit codes and the output that it says."""
    monkeypatch.setenv("BULKSEND_LANG", docs.language_of(page))
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
    if page.stem not in {"tutorial", "portal", "sign-in"} and page.parent.name in {"docs", "ru"}:
        assert run_command(["portal", "add", "ours", "--webhook", portal.webhook]) == 0
    if page.stem == "unknown":
        two = pd.read_csv("campaign.csv", dtype=str).head(2)  # the check-up looks at each chat, at the usual pace
        two.to_csv("campaign.csv", index=False)
        assert run_command(["send", "campaign.csv", "--portal", "ours", "--yes", "--limit", "1"]) == 1


@pytest.mark.parametrize("page", those_with("python", [page for page in PAGES if page not in RUSSIAN]), ids=name_of)
def test_every_program_works(page: Path, folder: Path) -> None:
    """One after the other, each as it is printed, at a pace that nobody waits for. Russian pages have the same."""
    programs = [block.body for block in blocks(page) if block.kind == "python"]
    for number, source in enumerate(programs, 1):
        fast = source.replace("Options()", "Options(rate_limit=__import__('bulksend').RateLimit(rate=0))")
        exec(compile(fast, f"{page.name}, program {number}", "exec"), {"__name__": "__main__"})


@pytest.mark.packages
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


JSON_ANSWERS = (
    "check samples/invalid.csv",
    "check samples/campaign.csv",
    "send samples/campaign.csv --portal ours --yes --verify",
    "send samples/refused.csv --portal sandbox --dry-run",
    "send nothing.csv --portal ours --yes",
    "runs",
    "verify 1",
    "portal list",
    "portal test ours --chat 8773",
)


def keys_of(value: object) -> set[str]:
    """All keys in a JSON value."""
    if isinstance(value, dict):
        return {*value, *(key for inner in value.values() for key in keys_of(inner))}
    return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()


NAMED = re.compile(r"^(?: {4}|\$ )(bulksend [^`\n]+)$|`(bulksend [^`\n]+)`", re.MULTILINE)


@pytest.mark.parametrize("page", docs.PAGES, ids=name_of)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    """With the options that stand beside it, also where no test runs it: within a sentence, or on another machine."""
    wrong = []
    for named in re.finditer(NAMED, page.read_text(encoding="utf-8")):
        line = (named[1] or named[2]).partition(" <")[0].partition("|")[0]
        context = click.Context(command_line, info_name="bulksend")
        command: click.Command = command_line
        words = [word.strip("[]") for word in shlex.split(line, comments=True, posix=False)[1:]]
        for word in words:
            inner = command.get_command(context, word) if isinstance(command, click.Group) else None
            command = inner or command
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        known |= {"--lang", "-h", "--help"}
        wrong += [line] * (command is command_line and not known & {*words})
        wrong += [f"{word} in {line}" for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    assert wrong == []


def test_every_key_and_every_ending_is_documented(
    folder: Path, portal: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever `--json` gives is on the page about it, and so is each word for how something stands."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert run_command(["portal", "add", "ours"]) == 0
    capsys.readouterr()
    found = set()
    for command in JSON_ANSWERS:
        run_command([*command.split(), "--json"])
        found |= keys_of(json.loads(capsys.readouterr().out))
    internal = {StopReason.WAITING, StopReason.JOURNAL_BACK}  # of workers, which go on by themselves
    found |= {*StopReason, *Stage, *Delivery, *Mark, NOT_STARTED, HELD, BROKEN, "queued", "dry run"} - internal
    assert [word for word in sorted(found) if f"`{word}`" not in page] == []


def outline(page: Path) -> dict[str, list[str] | list[int]]:
    """What two languages of a page share: the levels of headings, commands, programs, tables, and codes in the text."""
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    known = blocks(page)
    return {
        "headings": [len(found) for found in re.findall(r"^(#+) ", prose, re.MULTILINE)],
        "commands": [line.strip() for block in known if block.kind == "bash" for line in block.body.splitlines()],
        "exits": [block.note for block in known],
        "programs": [block.body for block in known if block.kind == "python"],
        "tables": [len(found.splitlines()) for found in re.findall(r"(?:^ *\|.*\n)+", prose, re.MULTILINE)],
        "links": sorted(Path(link).name.replace(".ru.", ".") for link in re.findall(r"\]\((?!https?:)([^)#]+)", text)),
        "generated": re.findall(r"<!-- generated: (\w+) -->", text),
        "pages": re.findall(r"^[\w-]+$", text, re.MULTILINE) if page.stem == "index" else [],
    }


def english_of(russian: Path) -> Path:
    """The page that a Russian one translates."""
    name = russian.name.replace(".ru.", ".")
    return (russian.parent.parent if russian.parent.name == "ru" else russian.parent) / name


@pytest.mark.parametrize("russian", RUSSIAN, ids=name_of)
def test_both_languages_hold_together(russian: Path) -> None:
    """The same headings, commands, programs and tables."""
    assert outline(russian) == outline(english_of(russian))


def test_every_page_is_there_in_both_languages() -> None:
    """Under the same name."""
    assert {english_of(page) for page in RUSSIAN} == set(docs.PAGES) - set(RUSSIAN)


CODE = re.compile(r"`([^`\n]+)`")
TRANSLATED = re.compile(r"[а-яё№]|BULKSEND_MAP|\{\{|--map CHAT_ID|--message '|client_name", re.IGNORECASE)
"""Examples that each language has its own of."""


@pytest.mark.parametrize("russian", RUSSIAN, ids=name_of)
def test_both_languages_name_the_same_options_statuses_and_codes(russian: Path) -> None:
    """Whatever one has between backquotes, the other has too, but for examples."""
    names = [
        set(CODE.findall(re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)))
        for page in (russian, english_of(russian))
    ]
    assert {name for name in names[0] ^ names[1] if not TRANSLATED.search(name)} == set()


LINK = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")


@pytest.mark.slow
def test_links_to_other_places_lead_somewhere() -> None:
    """As far as this computer can see them: what it cannot reach is named, and the test skipped rather than passed."""
    pages = [*docs.PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    found = {link for page in pages for each in LINK.findall(page.read_text("utf-8")) for link in each if link}
    broken, unseen = [], []
    for link in sorted(link for link in found if "//localhost" not in link):
        try:
            answer = requests.get(link, timeout=20, headers={"User-Agent": "bulksend documentation"})
        except requests.RequestException as error:
            unseen.append(f"{link} ({type(error).__name__})")
            continue
        if answer.status_code in {404, 410}:
            broken.append(f"{link} ({answer.status_code})")
        elif not answer.ok:  # too many requests, no robots …: it may well be there
            unseen.append(f"{link} ({answer.status_code})")
    assert broken == []
    if unseen:
        pytest.skip(f"not seen from here: {', '.join(unseen)}")
