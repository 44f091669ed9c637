"""The table of results, for people and as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value and its unit, such as ``s``, ``rows/s``, ``µs a row`` or ``MB``."""

    value: float
    unit: str

    def __str__(self) -> str:
        if self.value >= 1000:
            digits = f"{self.value:,.0f}"
        else:
            digits = f"{self.value:.3g}" if self.value < 100 else f"{self.value:.0f}"
        return f"{digits} {self.unit}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours: what it came to.
        other: the alternative's name, or what the bar is about.
        theirs: what the alternative came to, in the same run.
        ratio: ours in relation to theirs.
        bar: what was promised, in words.
        met: whether it was kept; None where nothing was promised, or not at this size.
        peak: the most memory (bytes) of the process that did ours.
        samples: all measurements of ours and of theirs (seconds).
    """

    what: str
    ours: Quantity
    other: str = ""
    theirs: Quantity | None = None
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    peak: int | None = None
    samples: tuple[tuple[float, ...], ...] = ()


_HEADINGS = ("what", "ours", "alternative", "its", "ratio", "bar", "met?", "peak memory")


def rows_of(lines: list[Line]) -> list[tuple[str, ...]]:
    """The lines as texts, headings first."""
    return [_HEADINGS, *map(_texts, lines)]


def _texts(line: Line) -> tuple[str, ...]:
    return (
        line.what,
        str(line.ours),
        line.other,
        "" if line.theirs is None else str(line.theirs),
        "" if line.ratio is None else f"{line.ratio:.2f} x",
        line.bar,
        "" if line.met is None else "yes" if line.met else "NO",
        "" if line.peak is None else f"{line.peak / _MB:.0f} MB",
    )


def render(lines: list[Line]) -> str:
    """The table for people, in columns."""
    rows = rows_of(lines)
    widths = [max(len(row[position]) for row in rows) for position in range(len(_HEADINGS))]
    drawn = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([drawn[0], "  ".join("-" * width for width in widths), *drawn[1:]])


def machine() -> dict[str, Any]:
    """The machine and the programs that were measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def machine_line(facts: dict[str, Any]) -> str:
    """The same in one line."""
    return (
        f"{facts['cores']} cores of {facts['processor']}, {facts['memory_gb']} GB, Python {facts['python']}, "
        f"{facts['system']}"
    )


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line for line in about.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        if names:
            return names[0].partition(":")[2].strip()
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, check=False, encoding="utf-8"
        )
        return asked.stdout.strip()
    return platform.processor() or platform.machine()


def as_json(lines: list[Line], facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """All of it as plain values."""
    return {"machine": facts, "settings": settings, "lines": [asdict(line) for line in lines]}
