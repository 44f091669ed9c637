"""A process that does one work and tells how long it took and how much memory the process ever held."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import psutil


def peak_memory() -> int:
    """Bytes of memory this process has held at the most."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: Linux hands down to a new program what its parent had held.
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Do the work that the command line names: ``module:function`` and its arguments as a JSON object."""
    place, arguments = sys.argv[1:]
    module, name = place.split(":")
    work = getattr(import_module(module), name)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        seconds, facts = work(**json.loads(arguments))
    print(json.dumps({"seconds": seconds, "peak": peak_memory(), "facts": facts}))


if __name__ == "__main__":
    main()
