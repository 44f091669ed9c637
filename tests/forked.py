"""Commands forked from a process that has imported what they need, so that they start at once.

To start Python and to import pandas and SQLAlchemy takes a second of a core, and the tests start a thousand commands. A
forked one is a process of its own in all else: its environment, folder, streams, signals and exit code are those that
`subprocess.Popen` would have given it, and it can be killed at any moment.
"""

import atexit
import gc
import io
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

POSSIBLE: Final = sys.platform == "linux"
"""Windows cannot fork, and what macOS's own libraries do afterwards nobody promises."""

IMPORTED: Final = (
    "alembic.command",
    "babel.dates",
    "babel.numbers",
    "jinja2.ext",
    "pandas",
    "psycopg",
    "python_calamine",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "xlsxwriter",
    "bulksend.cli.check",
    "bulksend.cli.events",
    "bulksend.cli.lookup",
    "bulksend.cli.portal",
    "bulksend.cli.queued",
    "bulksend.cli.resume",
    "bulksend.cli.run_campaign",
    "bulksend.cli.runs",
    "bulksend.cli.sandbox",
    "bulksend.cli.send",
    "bulksend.cli.template",
    "bulksend.cli.verify",
    "bulksend.cli.web",
    "bulksend.cli.worker",
    "bulksend.campaign",
    "bulksend.forecast",
    "bulksend.jobs.worker",
    "bulksend.plan",
    "bulksend.results",
    "bulksend.sandbox",
    "bulksend.web.listening",
    "bulksend.web.server",
)
"""What commands import as they go."""

_STATUS_BYTES: Final = 8


class Forked(subprocess.Popen[str]):
    """A command that is forked rather than started.

    Args:
        arguments: those of `subprocess.Popen`: Python, ``-m bulksend`` or ``-c`` and a program, and what it is given.
        prepare: called in the new process before the command.
        options: others of `subprocess.Popen`: ``stdin``, ``stdout``, ``stderr``, ``env``, ``cwd``.
    """

    def __init__(self, arguments: Sequence[str], prepare: Callable[[], None] | None = None, **options: Any) -> None:
        self._prepare = prepare
        super().__init__(arguments, encoding="utf-8", **options)

    def _execute_child(self, args: Any, _executable: Any, _preexec: Any, _close: Any, _pass: Any, *more: Any) -> None:
        cwd, env, *_, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = more[:11]
        self._status, theirs = socket.socketpair()
        own = [standard if given == -1 else given for standard, given in enumerate((p2cread, c2pwrite, errwrite))]
        with theirs:
            socket.send_fds(_server(), [b"."], [theirs.fileno(), *own])
        self._status.sendall(pickle.dumps((args[1:], os.fspath(cwd), env, self._prepare)))
        self.pid = self._read_number()
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; its exit code."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._read_number()
            self._status.close()
        return self.returncode

    def _read_number(self) -> int:
        number = self._status.recv(_STATUS_BYTES)
        assert number, "the process that forks has ended"
        return int.from_bytes(number, signed=True)


@cache
def _server() -> socket.socket:
    """Ask here for commands; started when the first is wanted, and ended with this process."""
    ours, theirs = socket.socketpair()
    # It finds modules where a command that is started finds them, and the tests besides.
    program = f"import sys; sys.path.append({str(Path(__file__).parents[1])!r}); from tests import forked; "
    with theirs:
        subprocess.Popen(
            [sys.executable, "-P", "-c", f"{program} forked.serve({theirs.fileno()})()"],
            env={**os.environ, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


def serve(door: int) -> Callable[[], None]:
    """Fork a process for each request, and say how it ended; returns in each of them, with what it is to do."""
    for name in IMPORTED:
        import_module(name)
    gc.collect()
    gc.freeze()  # or the first collection in a process would copy all of that memory
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a terminal sends it to the tests as well
    running: dict[int, socket.socket] = {}
    requests = socket.socket(fileno=door)
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid, code in _ended(len(running)):
                _say(running.pop(pid), code).close()
        if requests.fileno() not in ready:
            continue
        _, received, _, _ = socket.recv_fds(requests, 1, 4)
        if not received:
            os._exit(0)
        request = socket.socket(fileno=received[0])
        if (pid := os.fork()) == 0:
            for other in (requests, *running.values()):
                other.close()
            signal.set_wakeup_fd(-1)
            return _become(request, received[1:], (woken, waker))
        running[pid] = _say(request, pid)
        for stream in received[1:]:
            os.close(stream)


def _ended(running: int) -> Iterator[tuple[int, int]]:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)
        running -= 1


def _say(to: socket.socket, number: int) -> socket.socket:
    with suppress(OSError):  # whoever asked has ended
        to.send(number.to_bytes(_STATUS_BYTES, signed=True))
    return to


def _become(request: socket.socket, streams: Sequence[int], others: Sequence[int]) -> Callable[[], None]:
    """Make this process what a new one would be, and return what it has to do."""
    with request, request.makefile("rb") as asked:
        arguments, folder, variables, prepare = pickle.load(asked)
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
    for number in (*streams, *others):
        os.close(number)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(folder)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        setattr(sys, name, _standard(getattr(sys, name).fileno(), mode))
    if prepare is not None:
        prepare()
    return partial(_run, arguments)


def _standard(number: int, mode: str) -> IO[str]:
    """A standard stream as Python makes it with PYTHONUTF8."""
    lines = number == 2 or os.isatty(number)
    errors = "backslashreplace" if number == 2 else "surrogateescape"
    return io.TextIOWrapper(open(number, f"{mode}b", closefd=False), "utf-8", errors, line_buffering=lines)


def _run(arguments: Sequence[str]) -> None:
    """Be ``python`` with these arguments."""
    option, program, *words = arguments
    sys.argv[:] = [option, *words]
    code: Any = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if option == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(program, {"__name__": "__main__"})
    except SystemExit as ended:
        code = ended.code or 0
    if not isinstance(code, int):
        sys.exit(code)
    # As Python ends, but without taking all modules apart, which takes longer than many a command.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)
