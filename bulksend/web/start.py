"""The first page: what waits, a sheet to upload or to fill in, and all campaigns."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.journal import Role, Stage
from bulksend.locale import language
from bulksend.sender.settings import Sending
from bulksend.sheet.blank import write_blank
from bulksend.target import SANDBOX
from bulksend.web.page import page_of
from bulksend.web.uploads import MOST_BYTES

if TYPE_CHECKING:
    from bulksend.jobs import CampaignJob
    from bulksend.journal import Journal, Run

CAMPAIGNS_A_PAGE: Final = 50

_BLANKS: Final = {
    "blank.xlsx": ("en", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "blank.ru.xlsx": ("ru", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "blank.csv": ("en", "text/csv"),
    "blank.ru.csv": ("ru", "text/csv"),
}


def standing(run: Run, job: CampaignJob | None) -> str:
    """Where a campaign is, for the page: see `state` in ``macros.html``; ``job`` is ours that is at it, if any."""
    if job is not None:
        return "stopping" if job.stopping else "scheduled" if idle_until(job) else "sending"
    if run.stage is not Stage.FINISHED and run.holder is not None:
        return "elsewhere"
    if not run.counts.left:
        return "finished"
    return "stopped" if run.stage is Stage.FINISHED else "waiting"


def idle_until(job: CampaignJob | None) -> float:
    """Until when (Unix seconds) nothing of a campaign may leave, because of its hours; 0 where something may."""
    progress = job.progress if job is not None else None
    return progress.until if progress is not None and progress.idle and progress.until > time.time() + 1 else 0.0


def waits_until(journal: Journal, run: Run) -> float:
    """Until when (Unix seconds) the times and hours of a campaign let no row of it leave; 0 where one may."""
    schedule = Sending.kept(run.settings).schedule()
    if schedule.always:
        return 0.0
    now = journal.now()
    opens = [moment for zone in journal.open_zones(run.id) if (moment := schedule.opens_at(now, zone)) is not None]
    earliest = min(opens, default=0.0)
    return earliest if earliest > now + 1 else 0.0


async def show_start(request: web.Request) -> web.Response:
    """All campaigns, a page at a time, the newest first; those that wait stand above them."""
    page = page_of(request)
    runs = await page.ask(lambda journal: journal.runs())
    runs.reverse()
    at_work = {job.run_id: job for job in await page.do(page.jobs.running)}
    listed = [(run, standing(run, at_work.get(run.id)), idle_until(at_work.get(run.id))) for run in runs]
    pages = max(1, math.ceil(len(listed) / CAMPAIGNS_A_PAGE))
    number = min(max(1, int(asked) if (asked := request.query.get("page", "")).isdecimal() else 1), pages)
    shown = listed[(number - 1) * CAMPAIGNS_A_PAGE : number * CAMPAIGNS_A_PAGE]

    def with_hours(journal: Journal) -> list[tuple[Run, str, float]]:
        return [
            (run, state, waits_until(journal, run) if state == "elsewhere" else until) for run, state, until in shown
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
        body=await page.do(write),
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


ROUTES: Final = (("GET", "/", show_start, Role.VIEWER), ("GET", "/blank/{name}", blank_sheet, Role.VIEWER))
