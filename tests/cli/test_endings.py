"""Commands that are interrupted, that break or that cannot write: each ends in a sentence, with a true exit code."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.cli.conftest import Command, Sheet, lines
from tests.processes import Commands, end, read_results, rows, until, wait_until, write_sheet
from tests.terminal import Terminal

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals, terminals and modes")


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands in processes of their own."""
    return Commands(tmp_path)


@posix
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_results_that_could_not_be_written_are_no_success(commands: Commands, more: tuple[str, ...]) -> None:
    """Every row was sent, but nobody can see it: exit 1, and how to write the results elsewhere."""
    sheet = write_sheet(commands.folder / "a.csv", rows(8, 4))
    folder = commands.folder / "results"
    folder.mkdir()
    with Sandbox(limits=Limits.none(), latency=2.0) as portal:
        send = ("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1)
        process = commands.start(*send, "--results", folder / "out.csv", *more)
        wait_until(lambda: portal.calls)
        shutil.rmtree(folder)
        portal.latency = 0.0
        said = end(process)
        assert len(portal.ledger) == 8
    assert said.code == 1
    assert "bulksend results 1 --results PATH" in said.err
    if more:
        summary = json.loads(said.out)
        assert (summary["ended"], summary["results"], summary["exit_code"]) == ("ended", None, 1)
        assert "cannot be written" in summary["reason"]


@posix
@pytest.mark.parametrize("words", [("portal", "add", "ours", "--webhook", "https://p.example/rest/27/s/"), ("runs",)])
def test_the_data_folder_is_for_its_owner_alone(commands: Commands, words: tuple[str, ...]) -> None:
    """Whatever the umask, and with every folder that had to be made on the way to it."""
    top = commands.folder / "data"
    commands.home = top / "of" / "bulksend"
    assert commands.run(*words, preexec_fn=lambda: os.umask(0)).code == 0
    made = [top, *top.rglob("*")]
    assert len(made) > 3
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in made} == {path.name: "0o0" for path in made}


@posix
@pytest.mark.parametrize(("sent", "names"), [(0, "INT"), (1, "INT"), (5, "INT TERM HUP")])
def test_a_storm_of_signals(commands: Commands, sent: int, names: str) -> None:
    """Whenever it breaks loose and however long it lasts: exit 130 and no traceback."""
    numbers = [signal.Signals[f"SIG{name}"] for name in names.split()]
    sheet = write_sheet(commands.folder / "a.csv", rows(60, 6))
    with Sandbox(limits=Limits.none(), latency=0.1) as portal:
        process = commands.start("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1)
        for _ in until(20):
            if len(portal.ledger) >= sent:
                break
        for turn in range(10_000):
            if process.poll() is not None:
                break
            process.send_signal(numbers[turn % len(numbers)])
            time.sleep(0.001)
        said = end(process)
    # Until the first line of ours has run, it is Python itself that answers, and with a traceback.
    python_itself = not sent and f"bulksend{os.sep}cli" not in said.err
    assert "Traceback" not in said.err or python_itself
    assert "Exception" not in said.err
    assert said.code in ({130} if sent else {130, -signal.SIGINT}), said.err


@posix
def test_a_signal_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """A terminal that takes no more text when Ctrl-C comes: the campaign is stopped in good order all the same."""
    sheet = write_sheet(tmp_path / "a.csv", rows(3000, 300, "A message that is long enough to fill a terminal soon"))
    with Sandbox(limits=Limits.none()) as portal:
        words = ("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--verbose")
        with Terminal(tmp_path / "home", *words) as terminal:
            sent = -1
            for _ in until(60, 0.5):
                if sent == len(portal.ledger) > 0:  # nobody reads, so that the command waits in the middle of a line
                    break
                sent = len(portal.ledger)
            terminal.signal(signal.SIGINT)
            time.sleep(0.2)
            assert terminal.end() == 130
        assert "Stopping: waiting for the calls under way" in terminal.shown
        assert "To continue: bulksend resume 1" in " ".join(terminal.shown.split())
        assert len(portal.ledger) < 3000
        statuses = [line["status"] for line in read_results(tmp_path / "a.results.csv")]
        assert statuses.count("sent") == len(portal.ledger)


def test_what_nobody_foresaw_leaves_a_results_sheet(
    command: Command, sheet: Sheet, portal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that gives no more threads: exit 3, a sentence, and every row with its true status."""
    portal.world.add_entity("deal", 1, chats=[11, 12])
    path = sheet("a.csv", HEADINGS, [("deal", 1, 11, "Hello"), ("deal", 1, 12, "Hello")])
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("bulksend-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    said = command("send", path, "--portal", portal.webhook, "--yes", "--rate", 0, "--json")
    assert said.code == 3
    value = json.loads(said.out)
    assert (value["run"], value["ended"], value["exit_code"]) == (1, "error", 3)
    assert value["reason"] in said.err
    assert "RuntimeError" in value["reason"]
    assert len(lines(path.with_name("a.results.csv"))) == 2
    monkeypatch.undo()
    monkeypatch.setenv("BULKSEND_HOME", str(path.parent / "home"))
    said = command("resume", "--portal", portal.webhook, "--yes", "--rate", 0, "--settle", 0)
    assert sorted(delivery.chat_id for delivery in portal.ledger) == [11, 12]
