"""How long a person waits for the first word."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.benchmarks.measure import ROOT
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from tests.benchmarks.scale import Scale

TIMES = 9
"""A start takes hundredths of a second, so each is made so many times a round."""


def help(scale: Scale) -> list[Line]:  # noqa: A001 - the benchmark is called so
    """Whole processes: help in each language against ``python -c "import click"``; and ``bulksend runs``."""
    commands = {
        "help": [sys.executable, "-m", "bulksend", "--lang", "en", "--help"],
        "help in Russian": [sys.executable, "-m", "bulksend", "--lang", "ru", "--help"],
        "runs": [sys.executable, "-m", "bulksend", "runs"],
        "click": [sys.executable, "-c", "import click"],
    }
    home = scale.folder / "home"
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES * scale.rounds):
        for name, command in commands.items():
            times[name].append(timed(command, {"BULKSEND_HOME": str(home)}))
    middle = {name: statistics.median(taken) for name, taken in times.items()}
    heavy = modules_of_runs(str(home))
    return [
        *(
            Line(
                f"help: bulksend --help{name.removeprefix('help')}",
                Quantity(middle[name] * 1000, "ms"),
                'python -c "import click"',
                Quantity(middle["click"] * 1000, "ms"),
                middle[name] / middle["click"],
                "<= 1.5 x",
                middle[name] <= 1.5 * middle["click"],
                samples=(tuple(times[name]), tuple(times["click"])),
            )
            for name in ("help", "help in Russian")
        ),
        Line(
            f"help: bulksend runs, {'with' if heavy else 'without'} importing pandas",
            Quantity(middle["runs"] * 1000, "ms"),
            'python -c "import click"',
            Quantity(middle["click"] * 1000, "ms"),
            middle["runs"] / middle["click"],
            "without pandas",
            not heavy,
        ),
    ]


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Seconds from starting a process to its end."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=True)
    return time.perf_counter() - began


def modules_of_runs(home: str) -> bool:
    """Whether ``bulksend runs`` imports pandas."""
    program = (
        "import json, sys\nfrom bulksend.cli import main\ntry:\n    main(['runs'])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps('pandas' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "BULKSEND_HOME": home},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        encoding="utf-8",
    )
    return bool(json.loads(done.stdout.splitlines()[-1]))
