"""Commands that the tests fork are what they would be if they were started."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.forked import POSSIBLE, Forked
from tests.processes import Commands, environment

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="only where commands are forked")

PROGRAMS = {
    "what it is given": """
import os, signal, sys, time
print(sys.argv, sorted(os.environ.items()), os.getcwd(), time.tzname, os.listdir("/proc/self/fd"))
print(os.getppid() != os.getpid(), os.getpgid(0), os.getsid(0), os.umask(0), os.nice(0))
print({number: signal.getsignal(number) for number in signal.valid_signals()}, signal.pthread_sigmask(0, []))
for stream in sys.stdin, sys.stdout, sys.stderr:
    print(stream.encoding, stream.errors, stream.line_buffering, stream.isatty())
print(sys.stdin.read(), "and an error", file=sys.stderr)
""",
    "how it ends": "import atexit; atexit.register(print, 'the last'); print('the first'); raise SystemExit(3)",
    "a sentence": "raise SystemExit('it cannot be done')",
    "a mistake": "import sys; sys.stderr.reconfigure(errors='replace'); 1/0",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "a thread": "import threading; threading.Timer(0.1, print, ['the last']).start(); print('the first')",
    "a full disk": "import sys; sys.stdout = open('/dev/full', 'w'); print('nothing')",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_like_one_that_is_started(tmp_path: Path, program: str) -> None:
    """What it has, what it says and how it ends."""
    (tmp_path / "asked").write_text("What it was asked", encoding="utf-8")
    variables = environment(tmp_path, {"TZ": "Asia/Omsk", "OWN": "ä"})
    ended = []
    for start in (partial(subprocess.Popen, encoding="utf-8"), Forked):
        with (tmp_path / "asked").open(encoding="utf-8") as asked:
            process = start(
                [sys.executable, "-c", program, "word"],
                cwd=tmp_path,
                env=variables,
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        out, err = process.communicate()
        ended.append((process.returncode, out.splitlines(), err.splitlines()[-1:]))
    assert ended[0] == ended[1]


def test_killed(tmp_path: Path) -> None:
    """It can be waited for, asked, and killed."""
    process = Commands(tmp_path, ("-c", "import time; time.sleep(60)")).start()
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.kill()
    assert process.wait() == -9


def test_typed_to(tmp_path: Path) -> None:
    """What is written to it arrives at once, and it is read line by line."""
    program = "for line in __import__('sys').stdin: print(line.upper(), end='', flush=True)"
    with Commands(tmp_path, ("-c", program)).start(stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("one\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ONE\n"
    assert process.returncode == 0
