"""The page of a campaign, while it is sent and afterwards."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.entry.codes import ALREADY_SENT, BEYOND_LIMIT
from bulksend.errors import UsageError
from bulksend.journal import Role, State
from bulksend.locale import _
from bulksend.portal.credential_store import PortalStore
from bulksend.portal.error_help import advice, capitalised, code_help
from bulksend.results import write_run_results
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.sender.settings import Sending
from bulksend.sheet.written import forget
from bulksend.target import SANDBOX
from bulksend.web.earlier import NAMED, retried
from bulksend.web.page import page_of, whole_number
from bulksend.web.sheets import PIECE, attachment_headers
from bulksend.web.view import SHOWN, WORDS, portals_of, run_of, view

if TYPE_CHECKING:
    from bulksend.journal import Delivery, Journal, Run
    from bulksend.web.page import Page

ROWS_A_PAGE: Final = 50

_LOOKED_AT: Final = 1_000
"""Rows that are looked at for what they have in common: to look at a million takes seconds."""

_NOTES: Final = frozenset({"held", "done", "settled", "late", "pausing"})


async def show(request: web.Request) -> web.Response:
    """A campaign: how it goes, what became of its rows, what can be done."""
    page = page_of(request)
    run = await run_of(request)
    shown = request.query.get("show", "all")
    shown = shown if shown in SHOWN else "all"
    states = SHOWN.get(shown, ())
    after = -1 if (asked := whole_number(request.query.get("after", ""))) is None else asked
    rows = await page.ask(lambda journal: journal.page(run.id, states, after=after, limit=ROWS_A_PAGE + 1))
    seen, counts = await view(page, run), run.counts
    codes: dict[tuple[State, str], int] = {}
    if any(status in seen.counts for status in ("failed", "unknown", "invalid", "skipped")):
        codes = await page.ask(lambda journal: journal.reasons(run.id))
    sent_before = codes.pop((State.SKIPPED, ALREADY_SENT), 0)
    deliveries: dict[Delivery | None, int] = {}
    if counts.sent:
        deliveries = await page.ask(lambda journal: journal.deliveries(run.id))
    say = advice if run.headings else _sentence
    sending = Sending.kept(run.settings)
    draft_id = page.uploads.of_file(run.file)
    there = draft_id is not None and await page.do(Path(run.file).exists)
    note = request.query.get("note", "")
    return page.show(
        "campaign.html",
        here="campaign",
        view=seen,
        run=run,
        counts=counts,
        shown=shown,
        rows=rows[:ROWS_A_PAGE],
        more=rows[ROWS_A_PAGE - 1].n if len(rows) > ROWS_A_PAGE else None,
        after=after,
        words=WORDS,
        sent_before=sent_before,
        sent_before_by=await page.ask(lambda journal: _sent_before_by(journal, run)) if sent_before else (),
        codes=[(WORDS[state], code, count, say(code)) for (state, code), count in sorted(codes.items())],
        beyond_limit=codes.get((State.SKIPPED, BEYOND_LIMIT), 0),
        to_retry=await page.ask(lambda journal: retried(journal, run.id, codes).total()),
        deliveries=deliveries,
        to_verify=not page.jobs.leaves(run.portal_name) and await page.do(partial(page.uploads.verified, run.file)),
        unverified=page.verifications.error_of(run.id),
        schedule=sending.schedule(),
        uploaded=draft_id if there else None,
        file=Path(run.file).name,
        choose_portal=await _choose_portal(page, draft_id) if seen.rehearsal and draft_id and there else "",
        portals=[] if seen.live or run.portal_name else await portals_of(page, run),
        note=note if note in _NOTES else "",
        audit=await page.ask(lambda journal: journal.audit(run.id)),
    )


def _sent_before_by(journal: Journal, run: Run) -> list[int]:
    """The campaigns that sent rows which this one left out for that reason, as its first rows show; newest first."""
    since = run.created_at - SAME_TEXT_SECONDS
    left_out = journal.sent_elsewhere(run.id, since, [(State.SKIPPED, ALREADY_SENT)], first=_LOOKED_AT)
    return sorted({repeat.run_id for repeat in left_out}, reverse=True)[:NAMED]


def _sentence(code: str) -> str:
    """What happened, without what to do: there is nothing to be done any more."""
    return f"{capitalised(code_help(code).means)}."


async def _choose_portal(page: Page, draft_id: str) -> str:
    """Where a portal is chosen for a sheet that was rehearsed: the form to save the first one, where there is none."""
    here = f"/sheets/{draft_id}/portal"
    return here if await page.do(PortalStore(page.home).list) else f"/portals/new?next={here}"


async def progress(request: web.Request) -> web.Response:
    """The part of the page that changes while a campaign is sent."""
    page = page_of(request)
    seen = await view(page, await run_of(request))
    response = page.show("progress.html", view=seen, run=seen.run)
    response.headers["X-State"] = seen.polled
    return response


async def results(request: web.Request) -> web.StreamResponse:
    """The results sheet, as the journal knows it now."""
    page = page_of(request)
    run = await run_of(request)
    if not run.headings:
        sentence = _("The texts of campaign {run} were deleted, so it has no results sheet.").format(run=run.id)
        return page.excuse(UsageError(sentence))
    suffix = request.match_info["format"]
    folder = Path(await page.do(lambda: tempfile.mkdtemp(prefix="bulksend-")))
    try:
        path = folder / f"results.{suffix}"
        await page.ask(lambda journal: write_run_results(journal, run, path, note=False), page.files)
        word = "rehearsal.results" if run.portal == SANDBOX else "results"
        response = web.StreamResponse(headers=attachment_headers(f"{Path(run.file).stem}.{run.id}.{word}.{suffix}"))
        response.content_length = path.stat().st_size
        await response.prepare(request)
        with await page.do(lambda: path.open("rb")) as file:
            while piece := await page.do(lambda: file.read(PIECE)):
                await response.write(piece)
    finally:
        await page.do(lambda: forget(path))
        await page.do(lambda: shutil.rmtree(folder, ignore_errors=True))
    return response


ROUTES: Final = (
    ("GET", "/campaigns/{run}", show, Role.VIEWER),
    ("GET", "/campaigns/{run}/progress", progress, Role.VIEWER),
    ("GET", "/campaigns/{run}/results.{format:xlsx|csv}", results, Role.VIEWER),
)
