"""The results sheet, against XlsxWriter writing the same cells."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.against import against
from tests.benchmarks.journals import enter, settle
from tests.benchmarks.measure import Job, Measured, Stopwatch
from tests.benchmarks.sheets import make_xlsx

if TYPE_CHECKING:
    from tests.benchmarks.scale import Scale
    from tests.benchmarks.table import Line


def results(scale: Scale) -> list[Line]:
    """The results sheet of a campaign out of its journal, against XlsxWriter in constant-memory mode.

    XlsxWriter gets the cells of the finished results sheet, as a list in memory, and writes them as plain text.
    """
    count = scale.rows(100_000)
    journal = scale.folder / f"results-{count}.db"
    run_id = _sent_campaign(journal, make_xlsx(scale.folder, count), count)
    written = scale.folder / f"results-{count}.xlsx"
    return [
        against(
            f"results: XLSX of {count:,} rows",
            Job(write_ours, {"journal": journal, "run": run_id, "path": written}),
            "XlsxWriter, constant memory",
            Job(write_with_xlsxwriter, {"sheet": written, "folder": scale.folder}),
            most=1.5,
            full=100_000,
            scale=scale,
        )
    ]


def _sent_campaign(path: Path, sheet: Path, count: int) -> int:
    from bulksend.journal import Journal  # noqa: PLC0415 - the process that measures others need not hold this

    with Journal(path) as journal:
        run_id, _ = enter(journal, sheet, path.with_suffix(".xlsx"))
    settle(path, run_id, 0, count - 1, 1.0)
    return run_id


def write_ours(journal: str, run: int, path: str) -> Measured:
    """Write a campaign's results sheet."""
    from bulksend.journal import Journal  # noqa: PLC0415
    from bulksend.results import write_run_results  # noqa: PLC0415
    from bulksend.sheet.writing import write_sheet  # noqa: F401, PLC0415 - imported before the clock runs, as the other's is

    with Journal(journal) as opened, Stopwatch() as watch:
        written = write_run_results(opened, opened.run(run), Path(path))
    return watch.seconds, {"bytes": written.stat().st_size}


def write_with_xlsxwriter(sheet: str, folder: str) -> Measured:
    """Write the cells of a finished results sheet once more."""
    import xlsxwriter  # noqa: PLC0415
    from python_calamine import CalamineWorkbook  # noqa: PLC0415

    rows = CalamineWorkbook.from_path(sheet).get_sheet_by_name("Results").to_python()
    cells = [[str(cell) for cell in row] for row in rows]
    gc.freeze()  # that the cells are held in memory is not to slow it down
    path = Path(folder) / f"xlsxwriter-{os.getpid()}.xlsx"
    with Stopwatch() as watch:
        book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": folder})
        page = book.add_worksheet()
        for number, row in enumerate(cells):
            for position, cell in enumerate(row):
                if cell:
                    page.write_string(number, position, cell)
        book.close()
    path.unlink()
    return watch.seconds, {"rows": len(cells)}
