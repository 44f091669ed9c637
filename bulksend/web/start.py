"""The first page: what waits, a sheet to upload or to fill in, and all campaigns."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.journal import Role
from bulksend.locale import language
from bulksend.sheet.blank import write_blank
from bulksend.target import SANDBOX
from bulksend.web.page import page_of, whole_number
from bulksend.web.uploads import MOST_BYTES
from bulksend.web.view import idle_until, standing, waits_until

if TYPE_CHECKING:
    from bulksend.journal import Journal, Run

CAMPAIGNS_A_PAGE: Final = 50

_BLANKS: Final = {
    "blank.xlsx": ("en", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "blank.ru.xlsx": ("ru", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "blank.csv": ("en", "text/csv"),
    "blank.ru.csv": ("ru", "text/csv"),
}


async def show_start(request: web.Request) -> web.Response:
    """All campaigns, a page at a time, the newest first; those that wait stand above them."""
    page = page_of(request)
    runs = await page.ask(lambda journal: journal.runs())
    runs.reverse()
    at_work = {job.run_id: job for job in await page.do(page.jobs.running)}
    listed = [(run, standing(run, at_work.get(run.id)), idle_until(at_work.get(run.id))) for run in runs]
    pages = max(1, math.ceil(len(listed) / CAMPAIGNS_A_PAGE))
    number = min(whole_number(request.query.get("page", "")) or 1, pages)
    shown = listed[(number - 1) * CAMPAIGNS_A_PAGE : number * CAMPAIGNS_A_PAGE]

    def with_hours(journal: Journal) -> list[tuple[Run, str, float]]:
        return [
            (run, state, waits_until(page, journal, run) if state == "elsewhere" else until)
            for run, state, until in shown
        ]

    return page.show(
        "start.html",
        here="start",
        waiting=[run for run, state, _until in listed if state == "waiting" and run.portal != SANDBOX][:10],
        campaigns=await page.ask(with_hours),
        total=len(listed),
        page=number,
        pages=pages,
        most_megabytes=MOST_BYTES >> 20,
        blank="blank.ru" if language() == "ru" else "blank",
    )


async def blank_sheet(request: web.Request) -> web.Response:
    """A blank sheet to fill in."""
    page, name = page_of(request), request.match_info["name"]
    if name not in _BLANKS:
        raise web.HTTPNotFound
    language, kind = _BLANKS[name]

    def write() -> bytes:
        with tempfile.TemporaryDirectory(prefix="bulksend-") as folder:
            return write_blank(Path(folder) / name, lang="ru" if language == "ru" else "en").read_bytes()

    return web.Response(
        body=await page.do(write, page.files),
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


ROUTES: Final = (("GET", "/", show_start, Role.VIEWER), ("GET", "/blank/{name}", blank_sheet, Role.VIEWER))
