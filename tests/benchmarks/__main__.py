"""``python -m tests.benchmarks [NAME …]``: measure and print the table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks import accounting, growth, million, page, reading, sending, startup
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import as_json, machine, machine_line, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.table import Line

BENCHMARKS: Final[dict[str, Callable[[Scale], list[Line]]]] = {
    "pace": sending.pace,
    "fast": sending.fast,
    "unlimited": sending.unlimited,
    "zones": sending.zones,
    "check": reading.check,
    "xlsx": reading.xlsx,
    "results": accounting.results,
    "help": startup.help,
    "growth": growth.growth,
    "million": million.million,
    "page-check": page.page_check,
    "page-lists": page.page_lists,
    "page-sending": page.page_sending,
}


def main() -> int:
    """Measure what the command line asks for; 0 where every bar that was judged is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="How fast bulksend is.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; else all of them")
    parser.add_argument("--list", action="store_true", help="say what each of them measures")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the same as JSON")
    parser.add_argument("--rows", type=int, metavar="N", help="no sheet has more rows than this")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each measurement is made")
    parser.add_argument("--quick", action="store_true", help="the same as --rows 10000 --rounds 1")
    asked = parser.parse_args()
    if asked.list:
        for name, benchmark in BENCHMARKS.items():
            first, *more = (benchmark.__doc__ or "").strip().splitlines()
            print("\n".join([f"{name:10} {first}", *(f"{'':10} {line.strip()}" for line in more if line.strip())]))
        return 0
    unknown = sorted(set(asked.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    rows = max(1, asked.rows or (10_000 if asked.quick else 1_000_000))
    rounds = max(1, asked.rounds or (1 if asked.quick else 3))
    lines: list[Line] = []
    for name in asked.names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="bulksend-benchmark-", ignore_cleanup_errors=True) as folder:
            began = time.monotonic()
            lines += BENCHMARKS[name](Scale(Path(folder), rows, rounds))
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    facts = machine()
    print(render(lines))
    print(f"\n{machine_line(facts)}")
    if asked.json:
        figures = as_json(lines, facts, {"most_rows": rows, "rounds": rounds})
        asked.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
