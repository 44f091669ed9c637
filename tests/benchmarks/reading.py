"""Reading and checking sheets, against the bare readers below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.against import against
from tests.benchmarks.measure import Job, Measured, Stopwatch, once
from tests.benchmarks.sheets import make_csv, make_xlsx
from tests.benchmarks.table import Line, Quantity

if TYPE_CHECKING:
    from tests.benchmarks.scale import Scale

MOST_MEMORY = 400e6


def check(scale: Scale) -> list[Line]:
    """Everything that ``bulksend check`` does, against ``pandas.read_csv(dtype=str)``; memory at three sizes."""
    count = scale.rows(1_000_000)
    sheet = make_csv(scale.folder, count)
    lines = [
        against(
            f"check: CSV of {count:,} rows",
            Job(check_sheet, {"path": sheet}),
            "bare pandas.read_csv",
            Job(read_with_pandas, {"path": sheet}),
            most=3,
            full=1_000_000,
            scale=scale,
        )
    ]
    for size in (10_000, 100_000, 1_000_000):
        if size > scale.most_rows:
            continue
        sheet = make_csv(scale.folder, size)
        mine, other = once(Job(check_sheet, {"path": sheet})), once(Job(read_with_pandas, {"path": sheet}))
        lines.append(
            Line(
                f"check: peak memory at {size:,} rows",
                Quantity(mine.peak / 1e6, "MB"),
                "bare pandas.read_csv",
                Quantity(other.peak / 1e6, "MB"),
                mine.peak / other.peak,
                "<= 400 MB",
                mine.peak <= MOST_MEMORY,
                mine.peak,
            )
        )
    return lines


def xlsx(scale: Scale) -> list[Line]:
    """Reading every row of a workbook as the checks see it, against python-calamine's own list of rows."""
    count = scale.rows(100_000)
    sheet = make_xlsx(scale.folder, count)
    return [
        against(
            f"xlsx: reading {count:,} rows",
            Job(read_sheet, {"path": sheet}),
            "bare python-calamine",
            Job(read_with_calamine, {"path": sheet}),
            most=2,
            full=100_000,
            scale=scale,
        )
    ]


def check_sheet(path: str) -> Measured:
    """Check a sheet as the command does and make the report's lines."""
    from bulksend.plan import SheetOptions, examine  # noqa: PLC0415 - the process that measures others need not hold this

    with Stopwatch() as watch:
        plan = examine(Path(path), SheetOptions(), identify=False)
        lines = plan.report.lines()
    return watch.seconds, {"good": plan.report.good, "lines": len(lines)}


def read_with_pandas(path: str) -> Measured:
    """The same file read by pandas, all of it as text."""
    import pandas as pd  # noqa: PLC0415

    with Stopwatch() as watch:
        frame = pd.read_csv(path, dtype=str)
    return watch.seconds, {"rows": len(frame)}


def read_sheet(path: str) -> Measured:
    """Read a sheet chunk by chunk."""
    from bulksend.sheet.reading import open_sheet  # noqa: PLC0415

    count = 0
    with Stopwatch() as watch:
        for chunk in open_sheet(Path(path)).chunks():
            count += len(chunk.cells)
    return watch.seconds, {"rows": count}


def read_with_calamine(path: str) -> Measured:
    """The same workbook as python-calamine gives it."""
    from python_calamine import CalamineWorkbook  # noqa: PLC0415

    with Stopwatch() as watch:
        cells: list[list[Any]] = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    return watch.seconds, {"rows": len(cells) - 1}
