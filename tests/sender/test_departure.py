"""A call that was allowed to leave long ago does not leave: by now another may have taken it for lost."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.processes import Commands, assert_exactly_once, end, rows, until, write_sheet

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no process can be stopped and continued there")

SLOW_TO_LEAVE = (
    "import bulksend.portal.transport as transport, bulksend.sender.hours as hours, bulksend.cli as cli; "
    "transport.LONGEST_IDLE = 1e-9; hours.LATEST_DEPARTURE = 2.5; cli.main()"
)
"""Each call makes a connection of its own, so that none leaves before its handshake is done."""

TAKING_OVER = (
    "import bulksend.journal.holder as holder, bulksend.cli as cli; holder.Holder.alive = lambda *_: False; cli.main()"
)


class SlowLine:
    """Passes connections on to a portal, each after a delay."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        time.sleep(self.delay)
        far = socket.create_connection(("127.0.0.1", self._port))
        threading.Thread(target=self._pass, args=(far, near), daemon=True).start()
        self._pass(near, far)

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """A portal that speaks TLS, so that a connection takes two steps."""
    with Sandbox(limits=Limits.none(), tls=True) as sandbox:
        yield sandbox


@pytest.fixture
def line(portal: Sandbox) -> Iterator[SlowLine]:
    """The line to it."""
    slow = SlowLine(portal.port)
    yield slow
    slow.close()


def is_leaving(journal: Path) -> bool:
    """Whether the journal says that a row is about to leave."""
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
            return bool(connection.execute("select count(*) from rows where state = 'sending'").fetchone()[0])
    except sqlite3.Error:
        return False


def stop_between_steps(process: subprocess.Popen[str], journal: Path) -> None:
    """Stop a process while it does not hold the journal's write lock, which nobody could take from it."""
    for _ in until(20):
        process.send_signal(signal.SIGSTOP)
        try:
            with contextlib.closing(sqlite3.connect(journal, timeout=0.05, isolation_level=None)) as connection:
                connection.execute("begin immediate")
                connection.execute("rollback")
                return
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
    raise AssertionError("it held the lock whenever it was stopped")


def test_process_that_was_stopped_while_it_connected(portal: Sandbox, line: SlowLine, tmp_path: Path) -> None:
    """It is taken for dead and its campaign is sent to its end by another; when it goes on, it sends nothing."""
    lines = rows(1, chats=1)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    address = portal.webhook.replace(str(portal.port), str(line.port))
    changes = {"REQUESTS_CA_BUNDLE": str(portal.ca_path)}
    usual = ("--portal", address, "--rate", 0, "--settle", 0.3, "--yes")
    line.delay = 1.5
    stopped = Commands(tmp_path, ("-c", SLOW_TO_LEAVE)).start("send", sheet, *usual, "--user-id", 27, changes=changes)
    other = Commands(tmp_path, ("-c", TAKING_OVER))
    assert any(is_leaving(other.journal) for _ in until(20))
    allowed_at = time.monotonic()
    stop_between_steps(stopped, other.journal)
    assert not portal.ledger
    line.delay = 0.0
    ended = other.run("resume", *usual, changes=changes)
    assert ended.code == 0, ended.said
    time.sleep(max(0.0, allowed_at + 2.6 - time.monotonic()))
    stopped.send_signal(signal.SIGCONT)
    end(stopped)
    assert_exactly_once(lines, [entry._asdict() for entry in portal.ledger])
