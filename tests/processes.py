"""Real processes for tests: the sandbox in one, the command in another, and what was delivered between them."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

from tests.forked import POSSIBLE, Forked
from tests.untranslate import as_asserted

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")
SECRET = "s3cr3tW3bh00kk3y"
SLOWEST = 60.0
"""Seconds after which a process that should have ended is taken for hung."""

TestRow = tuple[str, int, int, str, str]
"""Entity type, entity id, chat id, user id as text, message."""


def rows(count: int, chats: int, text: str = "Message") -> list[TestRow]:
    """So many rows for so many chats in turn, each with a text of its own."""
    return [("deal", 1000 + n % chats, 5000 + n % chats, "", f"{text} {n}") for n in range(count)]


def write_sheet(path: Path, lines: Iterable[TestRow]) -> Path:
    """Write rows as a CSV sheet."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        writer.writerows(lines)
    return path


def read_results(path: Path) -> list[dict[str, str]]:
    """The lines of a results sheet in CSV."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{name: as_asserted(value) for name, value in line.items()} for line in csv.DictReader(file)]


def environment(home: Path, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command: nothing of the person who runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BULKSEND_", "PYTHONUNBUFFERED")) and not name.upper().endswith("_PROXY")
    }
    own = {
        "BULKSEND_LANG": os.environ.get("BULKSEND_LANG", "en"),
        "BULKSEND_HOME": str(home),
        "BULKSEND_NO_KEYRING": "1",
        "PYTHONUTF8": "1",
        "COLUMNS": "200",
    }
    return {**kept, **own, **(changes or {})}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All it said, anywhere."""
        return self.out + self.err


class Commands:
    """Runs ``bulksend`` in processes, with a data folder of its own.

    Args:
        folder: where they run, with the data folder ``home`` in it.
        program: what Python is to run, if not the command itself.
        prepare: called in each process before the command; only where processes can be forked.
    """

    def __init__(
        self,
        folder: Path,
        program: Sequence[str] = ("-m", "bulksend"),
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.folder, self.program, self._prepare = folder, program, prepare
        self.home = folder / "home"
        self.journal = self.home / "journal.db"

    def start(
        self, *arguments: object, changes: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command and do not wait for it; it is forked unless it has to be started with more than streams."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, *self.program, *map(str, arguments)]
        common: dict[str, Any] = {"env": environment(self.home, changes), "cwd": self.folder, **streams, **options}
        if POSSIBLE and options.keys() <= streams.keys():
            return Forked(command, self._prepare, **common)
        assert self._prepare is None, "it cannot be forked here"
        return subprocess.Popen(command, encoding="utf-8", **common)

    def run(self, *arguments: object, changes: Mapping[str, str] | None = None, **options: Any) -> Ended:
        """Run a command until it ends."""
        return end(self.start(*arguments, changes=changes, **options))


def end(process: subprocess.Popen[str], timeout: float = SLOWEST) -> Ended:
    """Wait for a command to end."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the command hung; it said:\n{out}\n{err}") from None
    return Ended(process.returncode, as_asserted(out or ""), as_asserted(err or ""))


class PortalProcess:
    """``bulksend sandbox`` in a process, without limits unless told, and its control door."""

    def __init__(self, folder: Path, *options: object, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._commands = Commands(folder)
        self._options = options
        self.port = port
        self._process: subprocess.Popen[str] | None = None
        self._door = requests.Session()
        self._door.trust_env = False
        self.webhook = ""

    def start(self) -> Self:
        """Serve from now on, always at the same port."""
        self._process = self._commands.start(
            *("sandbox", "--port", self.port, "--secret", SECRET, "--limit-rate", "off", "--limit-operating", "off"),
            *self._options,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.webhook = self._process.stdout.readline().strip()
        assert self.webhook.startswith("http://127.0.0.1:"), "the sandbox did not start"
        self.port = int(self.webhook.split(":")[2].split("/")[0])
        return self

    def stop(self) -> None:
        """End it; what it delivered is forgotten with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """Every message that reached a customer, in order."""
        return self._get("ledger")

    @property
    def starts(self) -> list[dict[str, Any]]:
        """Every start of a dialog that was carried out, in order; ``new`` where a dialog began."""
        return self._get("starts")

    def calls(self, since: int = 0) -> list[dict[str, Any]]:
        """Every request to REST, in order of arrival, without the first ``since``."""
        return self._get(f"calls?since={since}")

    def turn(self, dial: str, **values: Any) -> None:
        """Change ``faults``, ``limits``, ``world`` or ``dials``."""
        answer = self._door.post(f"{self._base}{dial}", json=values, timeout=30)
        assert answer.ok, answer.text

    def wait_for_calls(self, count: int, timeout: float = SLOWEST) -> None:
        """Wait until so many requests have arrived."""
        for _ in until(timeout):
            if len(self.calls()) >= count:
                return
        raise AssertionError(f"no {count} calls within {timeout} s")

    @property
    def _base(self) -> str:
        return f"http://127.0.0.1:{self.port}/_sandbox/"

    def _get(self, reading: str) -> list[dict[str, Any]]:
        answer = self._door.get(f"{self._base}{reading}", timeout=30)
        assert answer.ok, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


def until(timeout: float, pause: float = 0.02) -> Iterator[None]:
    """Turns of a loop that waits for something, for so many seconds at the most."""
    end_at = time.monotonic() + timeout
    while time.monotonic() < end_at:
        yield
        time.sleep(pause)


def wait_until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait for what another thread or process does."""
    for _ in until(timeout, 0.01):
        if condition():
            return
    assert condition(), f"it did not come to that within {timeout} s"


def assert_exactly_once(lines: Sequence[TestRow], ledger: Sequence[Mapping[str, Any]]) -> None:
    """Every row's message was delivered once, to its chat, and each chat's in the sheet's order."""
    wanted: dict[int, list[str]] = {}
    for _, _, chat, _, text in lines:
        wanted.setdefault(chat, []).append(text)
    got: dict[int, list[str]] = {}
    for delivery in ledger:
        got.setdefault(delivery["chat_id"], []).append(delivery["text"])
    assert got == wanted


def assert_results_true(path: Path, lines: Sequence[TestRow], ledger: Sequence[Mapping[str, Any]]) -> None:
    """Every row is ``sent`` in the results sheet with the id that the portal's ledger has for it."""
    ids = {(str(delivery["chat_id"]), delivery["text"]): str(delivery["message_id"]) for delivery in ledger}
    found = read_results(path)
    assert [line["MESSAGE"] for line in found] == [text for *_, text in lines]
    wrong = [
        line
        for line in found
        if line["status"] != "sent" or line["message_id"] != ids.get((line["CHAT_ID"], line["MESSAGE"]))
    ]
    assert not wrong
