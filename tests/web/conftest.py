"""The page as a process of its own, asked over HTTP as a browser would, or by a browser."""

import contextlib
import csv
import datetime as dt
import html
import io
import ipaddress
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bulksend.journal import Journal, Role, Run, User
from bulksend.locale import language
from bulksend.sandbox import Limits, Sandbox, World
from bulksend.web.passwords import hashed
from tests.processes import SLOWEST, Commands, TestRow, until, write_sheet

NO_REDIRECT: dict[str, Any] = {"allow_redirects": False, "timeout": SLOWEST}


class PageProcess:
    """``bulksend web`` in a process, with a data folder of its own that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.commands = Commands(folder)
        self.home = self.commands.home
        self.journal: Path | str = self.commands.journal
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self, *options: object) -> Self:
        """Serve from now on, at a new address."""
        self._process = self.commands.start("web", "--no-open", *options, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "the page did not start"
        return self

    @property
    def origin(self) -> str:
        """The address without a path."""
        return self.address.partition("/?")[0]

    @property
    def host(self) -> str:
        """Host and port."""
        return self.origin.removeprefix("http://")

    def peak_memory(self) -> float:
        """The most memory it has had, in megabytes."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def stop(self) -> int:
        """End it politely and say with which code it ended."""
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=SLOWEST)
        return self._process.returncode

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def enter(self) -> "Visitor":
        """Open the address that was printed, as the browser does."""
        return Visitor(self)

    def run_of(self, number: int) -> Run:
        """A campaign as the journal has it."""
        with Journal(self.journal) as journal:
            return journal.run(number)


class Visitor:
    """A browser without script that was let in."""

    def __init__(self, page: PageProcess) -> None:
        self.page = page
        self.session = requests.Session()
        self.session.trust_env = False
        answer = self.session.get(page.address, timeout=SLOWEST)
        assert answer.ok, answer.text
        self.base = answer.url.rstrip("/")

    def get(self, path: str, **options: Any) -> requests.Response:
        """Open a page; what it leads on to is opened too, also where it does so once it is no longer busy."""
        for _ in until(SLOWEST, 0.2):
            answer = self.look(path, **options)
            onward = re.search(r'data-onward="([^"]+)"', answer.text)
            if onward is None:
                return answer
            path = html.unescape(onward[1]).removeprefix(self.base.removeprefix(self.page.origin))
        raise AssertionError("the page stayed busy")

    def look(self, path: str, **options: Any) -> requests.Response:
        """Open a page as it is now, busy or not."""
        return self.session.get(f"{self.base}{path}", timeout=SLOWEST, **options)

    def post(
        self, path: str, form: dict[str, Any] | None = None, *, referer: str = "", **options: Any
    ) -> requests.Response:
        """Send a form, as one of our own pages does; where it leads is not followed."""
        headers = {"Origin": self.page.origin, "Sec-Fetch-Site": "same-origin", "Referer": referer}
        return self.session.post(f"{self.base}{path}", data=form or {}, headers=headers, **NO_REDIRECT, **options)

    def upload(self, name: str, content: bytes, like: str = "") -> str:
        """Upload a sheet and give the path of its page."""
        files = {"file": (name, io.BytesIO(content))}
        answer = self.post(f"/sheets{f'?like={like}' if like else ''}", files=files)
        assert answer.status_code == 303, answer.text
        return self.path(answer)

    def upload_rows(self, rows: Sequence[TestRow], name: str = "sheet.csv") -> str:
        """Upload rows as a CSV sheet."""
        path = write_sheet(self.page.commands.folder / "upload.csv", rows)
        return self.upload(name, path.read_bytes())

    def path(self, answer: requests.Response) -> str:
        """Where an answer leads, without what all addresses of the page begin with."""
        return answer.headers["Location"].removeprefix(self.base.removeprefix(self.page.origin))

    def confirm_page(self, sheet: str, portal: str = "sandbox") -> str:
        """Choose a portal for a sheet and give the page on which it is confirmed."""
        assert self.post(f"{sheet}/portal", {"portal": portal}).status_code == 303
        return self.settled(f"{sheet}/confirm")

    def settled(self, path: str) -> str:
        """A page once it is no longer busy."""
        return self.get(path).text

    def send(self, sheet: str, portal: str = "sandbox", **choices: str) -> int:
        """Confirm a sheet and give the number of its campaign."""
        self.confirm_page(sheet, portal)
        choices = {"pace": "fast", **choices}
        assert self.post(f"{sheet}/confirm", {"do": "choose", **choices}).status_code == 303
        answer = self.post(f"{sheet}/confirm", self.button(self.settled(f"{sheet}/confirm"), **choices))
        assert answer.status_code == 303, answer.text
        return int(self.path(answer).partition("?")[0].rsplit("/", 1)[1])

    def button(self, confirm_page: str, **choices: str) -> dict[str, str]:
        """The form as the button that sends submits it."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', confirm_page))
        return {"do": "send", **hidden, **choices}

    def without_limit(self, number: int) -> None:
        """Let the rest of a campaign that is not being sent leave at once: sent slowly, it was there to be stopped."""
        with contextlib.closing(sqlite3.connect(self.page.journal, timeout=SLOWEST)) as file, file:
            file.execute("UPDATE runs SET settings = json_set(settings, '$.rate', 0) WHERE id = ?", (number,))

    def wait(self, number: int, state: str = "finished") -> str:
        """A campaign's page once it is in that state."""
        text = ""
        for _ in until(SLOWEST, 0.1):
            text = self.get(f"/campaigns/{number}").text
            if f'class="state {state}"' in text:
                return text
        raise AssertionError(f"campaign {number} never got {state}:\n{text}")


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate for this computer's loopback address, in files."""

    cert: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make one, for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bulksend of the tests")])
        now = dt.datetime.now(dt.UTC)
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("bulksend.example")]
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / "cert.pem").write_bytes(made.public_bytes(pem))
        plain = serialization.NoEncryption()
        (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return cls(folder / "cert.pem", folder / "key.pem")


PASSWORD = "correct horse battery staple"


@cache
def password_hash() -> str:
    """The hash of `PASSWORD`, which takes a while."""
    return hashed(PASSWORD)


class TeamPage(PageProcess):
    """A page over TLS, with the sender anna, the sender boris and the viewer vera."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificate = Certificate.make(folder)
        with Journal(self.journal) as journal:
            for name, role in (("anna", Role.SENDER), ("boris", Role.SENDER), ("vera", Role.VIEWER)):
                journal.add_user(User(name, role), password_hash())

    def start(self, *options: object) -> Self:
        """Serve from now on."""
        files = ("--tls-cert", self.certificate.cert, "--tls-key", self.certificate.key)
        self._process = self.commands.start(
            "web", "--listen", "127.0.0.1:0", *files, *options, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address.startswith("https://127.0.0.1:"), "the page did not start"
        return self

    @property
    def origin(self) -> str:
        """The address without a path."""
        return self.address.rstrip("/")

    @property
    def host(self) -> str:
        """Host and port."""
        return self.origin.removeprefix("https://")

    def sign_in(self, name: str, password: str = PASSWORD) -> "Member":
        """Sign in as somebody, in a browser without script."""
        member = Member(self)
        answer = member.post("/sign-in", {"name": name, "password": password})
        assert answer.status_code == 303, answer.text
        return member


class Member(Visitor):
    """A browser at a team's page, not signed in yet."""

    def __init__(self, page: TeamPage) -> None:
        self.page = page
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(page.certificate.cert)
        self.base = page.origin


@pytest.fixture
def own_team_page(tmp_path: Path) -> Iterator[TeamPage]:
    """A team's page of a test's own; not started yet."""
    process = TeamPage(tmp_path)
    yield process
    process.kill()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    """One page for the tests of a module, which only look at what they began themselves."""
    process = PageProcess(tmp_path_factory.mktemp("page"))
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def visitor(page: PageProcess) -> Visitor:
    """The browser that was let in."""
    return page.enter()


@pytest.fixture
def own_page(tmp_path: Path) -> Iterator[PageProcess]:
    """A page that a test may stop and kill; not started yet."""
    process = PageProcess(tmp_path)
    yield process
    process.kill()


Portal = Callable[..., Sandbox]


@pytest.fixture
def portal() -> Iterator[Portal]:
    """Start a portal that knows the entities and chats of these rows, or all."""
    running: list[Sandbox] = []

    def start(rows: Iterable[TestRow] | None = None, **options: Any) -> Sandbox:
        world = None if rows is None else World.from_rows((kind, entity, chat, 0) for kind, entity, chat, *_ in rows)
        options = {"limits": Limits.none(), **options}
        sandbox = Sandbox(world=world, **options).start()
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.close()


def csv_of(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as the bytes of a CSV sheet."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


NAMES = ("chromium-headless-shell", "chromium")  # the first is the same without windows, and takes half the time
BROWSER = Path(os.environ.get("BULKSEND_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), NAMES[0]))
AXE = Path(os.environ.get("BULKSEND_AXE", Path(__file__).parents[2] / ".venv/axe/node_modules/axe-core/axe.min.js"))


def browser_missing() -> str:
    """Why the tests in a browser cannot run; empty where they can."""
    if not BROWSER.exists():
        return f"there is no {BROWSER}: apt-get install {NAMES[0]}, or name one with BULKSEND_CHROMIUM"
    if not AXE.exists():
        return f"there is no {AXE}: npm install axe-core, and name its axe.min.js with BULKSEND_AXE"
    return ""


IN_A_BROWSER = [
    # In CI they may not be skipped: there the browser is installed, and a missing one is a failure.
    pytest.mark.skipif(
        bool(browser_missing()) and not os.environ.get("BULKSEND_BROWSER_TESTS"), reason=browser_missing() or "-"
    ),
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]
"""The marks of tests that drive a browser."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only these tests need it

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(BROWSER), args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Any]


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[Open]:
    """Open a tab of a new browser profile, which wants the language of the tests."""
    contexts = []

    def open_it(address: str, *, script: bool = True) -> Any:
        context = chromium.new_context(
            bypass_csp=script, java_script_enabled=script, ignore_https_errors=True, locale=language()
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        tab = context.new_page()
        tab.goto(address)
        return tab

    yield open_it
    for context in contexts:
        context.close()


def saved(visitor: Visitor, name: str, sandbox: Sandbox) -> str:
    """Save a portal through the page."""
    answer = visitor.post("/portals", {"name": name, "kind": "webhook", "webhook": sandbox.webhook})
    assert answer.status_code == 303, answer.text
    return name


def wait_for(condition: Callable[[], bool], timeout: float = SLOWEST) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
