"""A sheet from its upload to the button that sends it."""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web

from bulksend.campaign import Campaign
from bulksend.entry import AlreadyDone, CampaignChanged, SentBefore
from bulksend.errors import BulksendError, SheetError, UsageError
from bulksend.journal import Held
from bulksend.portal.credential_store import PortalStore
from bulksend.queries.chats import KINDS
from bulksend.sender.options import estimate
from bulksend.target import SANDBOX, find_target
from bulksend.template.names import spelling
from bulksend.web.checks import ROWS_A_PAGE
from bulksend.web.page import chosen, page_of, settled
from bulksend.web.uploads import MOST_BYTES, PACES, REPEATS, open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from aiohttp import BodyPartReader

    from bulksend.journal import Journal
    from bulksend.plan import Plan
    from bulksend.sender.options import Options
    from bulksend.web.page import Page
    from bulksend.web.preflights import Answers
    from bulksend.web.uploads import Upload

WAIT: Final = 3.0
"""Seconds for which a page waits for something before it says that it is being done."""

PIECE: Final = 1 << 20


# The file


async def upload(request: web.Request) -> web.Response:
    """Take a sheet, a piece at a time; with ``like`` it is read as an earlier one was."""
    page = page_of(request)
    too_large = UsageError(
        f"The file is larger than {MOST_BYTES >> 20} MB: make several sheets of it, or use the command line."
    )
    if (request.content_length or 0) > MOST_BYTES + PIECE:
        return page.excuse(too_large, 413)
    part = await _file_part(request)
    name = "" if part is None else part.filename or ""
    if part is None or not name:
        return page.excuse(UsageError("No file was chosen: choose a sheet, then press Upload."))
    draft = await page.do(lambda: page.uploads.begin(name))
    try:
        if not await _receive(page, part, page.uploads.file(draft)):
            await page.do(lambda: page.uploads.remove(draft.id))
            return page.excuse(too_large, 413)
        like = request.query.get("like", "")
        if like:
            earlier = await page.do(lambda: page.uploads.load(like))
            draft = replace(
                earlier, id=draft.id, name=draft.name, created=draft.created, version=0, confirmed={}, again=False
            )
        await page.do(lambda: page.uploads.save(draft))
    except BaseException:
        await page.do(lambda: page.uploads.remove(draft.id))
        raise
    raise page.go(f"/sheets/{draft.id}")


async def _file_part(request: web.Request) -> BodyPartReader | None:
    if not request.content_type.startswith("multipart/"):
        return None
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if getattr(part, "name", None) == "file":
            return part  # type: ignore[return-value]
    return None


async def _receive(page: Page, part: BodyPartReader, path: Path) -> bool:
    """Write an uploaded file; False where it is too large."""
    size = 0
    with await page.do(lambda: open_private(path)) as file:
        while piece := await part.read_chunk(PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                return False
            await page.do(partial(file.write, piece))
    return True


async def download(request: web.Request) -> web.StreamResponse:
    """The sheet as it was uploaded."""
    page = page_of(request)
    draft = await page.draft(request)
    return attachment(page.uploads.file(draft), draft.name)


def attachment(path: Any, name: str) -> web.FileResponse:
    """A file to be saved, never to be shown by the browser."""
    return web.FileResponse(path, headers=attachment_headers(name))


def attachment_headers(name: str) -> dict[str, str]:
    """What makes the browser save an answer under a name."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._- ") else "_" for letter in name)
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
    }


# What stands in it


async def _plan(page: Page, draft: Upload) -> Plan | web.Response:
    """The checked sheet, or the page to show while it is not."""
    future = page.checks.plan(draft)
    if not await settled(future, WAIT):
        return page.show("working.html", here="sheet", step="check", draft=draft, asked=None)
    try:
        return future.result()
    except BulksendError as error:
        return await _columns(page, draft, error)


async def show_check(request: web.Request) -> web.Response:
    """What is wrong with the sheet: only faulty rows, a page at a time."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await _plan(page, draft)
    if isinstance(plan, web.Response):
        return plan
    code = request.query.get("problem", "")
    known = {problem.code for problem in plan.report.problems}
    code = code if code in known else ""
    number = int(asked) - 1 if (asked := request.query.get("page", "")).isdecimal() and int(asked) else 0
    found = await page.do(lambda: page.checks.problems(draft, code, number))
    return page.show(
        "check.html",
        here="sheet",
        step="check",
        draft=draft,
        plan=plan,
        report=plan.report,
        code=code,
        problems=found,
        page=number + 1,
        pages=max(1, math.ceil(found.total / ROWS_A_PAGE)),
        first=number * ROWS_A_PAGE + 1,
    )


async def show_columns(request: web.Request) -> web.Response:
    """The columns, to be matched by hand."""
    page = page_of(request)
    return await _columns(page, await page.draft(request), None)


async def _columns(page: Page, draft: Upload, error: BulksendError | None) -> web.Response:
    try:
        sheet = await page.do(lambda: page.checks.columns(draft))
    except SheetError as unreadable:
        return page.show(
            "unreadable.html", here="sheet", step="check", draft=draft, sentence=str(unreadable), status=400
        )
    missing = isinstance(error, SheetError)
    return page.show(
        "columns.html",
        here="sheet",
        step="columns",
        draft=draft,
        sheet=sheet,
        missing=missing,
        sentence="" if error is None or missing else str(error),
        places=[spelling(heading) for heading in sheet.headings if heading.strip()],
        status=200 if error is None else 400,
    )


async def match_columns(request: web.Request) -> web.Response:
    """Take the columns as they were matched."""
    page, form = page_of(request), await request.post()
    draft = await page.draft(request)
    sheet = await page.do(lambda: page.checks.columns(draft))
    mapping = {}
    for field in ("CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE"):
        value = chosen(form, field)
        if value.isdecimal() and int(value) < len(sheet.headings) and sheet.headings[int(value)].strip():
            mapping[field] = sheet.headings[int(value)]
    changed = draft.read_otherwise(
        mapping=mapping,
        entity_type=kind if (kind := chosen(form, "CRM_ENTITY_TYPE")) in KINDS else "",
        look_up=chosen(form, "CHAT_ID") == "ask",
        message=chosen(form, "message") if chosen(form, "MESSAGE") == "write" else None,
        sheet=chosen(form, "sheet") or None,
        include_hidden=bool(chosen(form, "include_hidden")),
    )
    await page.do(lambda: page.uploads.save(changed))
    raise page.go(f"/sheets/{draft.id}")


async def show_row(request: web.Request) -> web.Response:
    """One row as the customer will read it."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await _plan(page, draft)
    if isinstance(plan, web.Response):
        return plan
    asked = request.query.get("row", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 9 else 0
    row, sentence = None, ""
    try:
        row = await page.do(lambda: page.checks.row(plan, number))
    except UsageError as error:
        sentence = str(error)
    return page.show(
        "row.html", here="sheet", step="check", draft=draft, plan=plan, row=row, asked=number, sentence=sentence
    )


async def problems_sheet(request: web.Request) -> web.StreamResponse:
    """The sheet with the problem beside each row."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await _plan(page, draft)
    if isinstance(plan, web.Response):
        return plan
    path = await page.do(lambda: page.checks.write_problems(plan, draft))
    return attachment(path, f"{path.stem}.{draft.name.rpartition('.')[0] or draft.name}{path.suffix}")


# Where it goes


async def show_portals(request: web.Request) -> web.Response:
    """The portals to choose from; the sandbox is always one of them."""
    page = page_of(request)
    draft = await page.draft(request)
    saved = await page.do(PortalStore(page.home).list)
    return page.show("portal.html", here="sheet", step="portal", draft=draft, portals=saved)


async def choose_portal(request: web.Request) -> web.Response:
    """Take the portal that was chosen."""
    page, form = page_of(request), await request.post()
    draft = await page.draft(request)
    name = chosen(form, "portal")
    if not name:
        raise page.go(f"/sheets/{draft.id}/portal")
    if name != SANDBOX:
        name = await page.do(lambda: PortalStore(page.home).saved(name).name)
    # A rehearsal is to be over soon; what is sent to customers leaves at the usual pace unless chosen otherwise.
    pace = "fast" if name == SANDBOX else draft.pace if draft.portal not in {"", SANDBOX} else "usual"
    again = draft.again if name == draft.portal else False
    changed = replace(draft, portal=name, pace=pace, again=again)
    await page.do(lambda: page.uploads.save(changed))
    raise page.go(f"/sheets/{draft.id}/confirm")


async def show_confirm(request: web.Request) -> web.Response:
    """All that is about to happen, and the button that does it."""
    page = page_of(request)
    draft = await page.draft(request)
    if not draft.portal:
        raise page.go(f"/sheets/{draft.id}/portal")
    if request.query.get("ask"):
        page.preflights.forget(draft)
        raise page.go(f"/sheets/{draft.id}/confirm")
    answers = await _answers(page, draft)
    if isinstance(answers, web.Response):
        return answers
    return _confirm(page, draft, answers, request.query.get("note", ""))


async def _answers(page: Page, draft: Upload) -> Answers | web.Response:
    """What the portal and the journal say, or the page to show while they have not."""
    plan = await _plan(page, draft)
    if isinstance(plan, web.Response):
        return plan
    preflight = page.preflights.of(draft, plan)
    if preflight.future is None or not await settled(preflight.future, WAIT):
        return page.show("working.html", here="sheet", step="confirm", draft=draft, asked=preflight.progress)
    try:
        return preflight.future.result()
    except Held as held:
        page.preflights.forget(draft)
        raise page.go(f"/campaigns/{held.run_id}?note=held") from None
    except BulksendError as error:
        page.preflights.forget(draft)
        return page.show(
            "portal_error.html", here="sheet", step="confirm", draft=draft, sentence=str(error), status=400
        )


def _confirm(page: Page, draft: Upload, answers: Answers, note: str) -> web.Response:
    rows = rows_to_send(draft, answers)
    options = draft.sending.options(rows)
    repeats = answers.forecast.repeats if answers.forecast else []
    return page.show(
        "confirm.html",
        here="sheet",
        step="confirm",
        draft=draft,
        answers=answers,
        report=answers.plan.report,
        rows=rows,
        all_rows=rows_to_send(replace(draft, limit=None), answers),
        repeats=repeats,
        repeats_of=sorted({run for _, run in repeats}),
        seconds=estimate(rows, options),
        mark=_mark(draft),
        nonce=secrets.token_hex(12),
        note=note,
        unanswered=bool(repeats) and not draft.repeats,
    )


def rows_to_send(draft: Upload, answers: Answers) -> int:
    """How many messages the button sends."""
    if answers.forecast is None:
        return 0
    rows = answers.forecast.run.counts.pending
    if draft.repeats == "skip":
        rows -= len(answers.forecast.repeats)
    return max(0, rows if draft.limit is None else min(rows, draft.limit))


def _mark(draft: Upload) -> str:
    """What was shown when the button was pressed: something else may have been chosen meanwhile, in another tab."""
    return f"{draft.version}-{draft.portal}-{draft.pace}-{draft.limit}-{draft.repeats}-{draft.user_id}-{draft.again}"


def _choices(draft: Upload, form: Mapping[str, Any]) -> Upload:
    """The draft with what the form of choices says.

    Raises:
        UsageError: something in it is no number.
    """
    limit, user = chosen(form, "limit"), chosen(form, "user_id")
    for value, what in ((limit, "rows to try first"), (user, "user id")):
        if value and not (value.isdecimal() and 0 < int(value) < 10**15):
            raise UsageError(f"The number of {what} is a whole number above zero, or nothing.")
    pace, repeats = chosen(form, "pace"), chosen(form, "repeats")
    decided = next((choice for choice in REPEATS if choice == repeats), draft.repeats)
    return replace(
        draft,
        limit=int(limit) if limit else None,
        user_id=int(user) if user else None,
        pace=pace if pace in PACES else draft.pace,
        repeats=decided,
        again=chosen(form, "again") == "yes",
    )


async def confirm(request: web.Request) -> web.Response:
    """Take the choices, and where the button was pressed for just these, send: once, however often it is pressed."""
    page, form = page_of(request), await request.post()
    async with page.lock(request.match_info["draft"]):
        draft = await page.draft(request)
        back = f"/sheets/{draft.id}/confirm"
        nonce = chosen(form, "nonce")
        if chosen(form, "do") == "send" and nonce in draft.confirmed:
            raise page.go(f"/campaigns/{draft.confirmed[nonce]}")
        try:
            changed = _choices(draft, form)
        except UsageError as error:
            return page.excuse(error)
        if changed != draft:
            await page.do(lambda: page.uploads.save(changed))
        if chosen(form, "do") != "send":
            raise page.go(back)
        if changed != draft or chosen(form, "mark") != _mark(draft) or not nonce:
            raise page.go(f"{back}?note=changed")
        answers = await _answers(page, draft)
        if isinstance(answers, web.Response):
            return answers
        if not rows_to_send(draft, answers) or (answers.forecast and answers.forecast.repeats and not draft.repeats):
            raise page.go(back)
        return await _start(page, draft, answers, nonce)


async def _start(page: Page, draft: Upload, answers: Answers, nonce: str) -> web.Response:
    job = page.jobs.start(_prepare(page, draft, answers))
    page.preflights.forget(draft)
    # However long a large sheet takes to be entered: until then nothing else may begin it.
    while not await page.do(lambda: job.wait_until_entered(5.0)):
        pass
    if job.run_id is None:
        if isinstance(job.cause, Held):
            raise page.go(f"/campaigns/{job.cause.run_id}?note=held")
        if isinstance(job.cause, AlreadyDone):
            raise page.go(f"/campaigns/{job.cause.run.id}?note=done")
        if isinstance(job.cause, CampaignChanged | SentBefore):
            raise page.go(f"/sheets/{draft.id}/confirm?note=changed")
        return page.excuse(UsageError(f"{job.error} Nothing was sent."))
    changed = replace(draft, confirmed={**draft.confirmed, nonce: job.run_id}, again=False)
    await page.do(lambda: page.uploads.save(changed))
    raise page.go(f"/campaigns/{job.run_id}")


def _prepare(page: Page, draft: Upload, answers: Answers) -> Callable[[Journal, ExitStack], tuple[Campaign, Options]]:
    plan = answers.plan

    def prepare(journal: Journal, stack: ExitStack) -> tuple[Campaign, Options]:
        target = stack.enter_context(
            find_target(draft.portal, page.home, user_id=draft.user_id, sandbox_rows=plan.sandbox_rows())
        )
        if not target.speaker:
            target = replace(target, speaker=answers.speaker)
        sending = draft.sending
        campaign = stack.enter_context(
            Campaign.enter(
                journal,
                plan,
                target,
                again=draft.again,
                repeats=draft.repeats or "refuse",
                limit=draft.limit,
                refused=answers.refused,
                settings=sending.settings(),
                forecast=answers.forecast,
            )
        )
        return campaign, sending.options(campaign.run.counts.total, target.settle)

    return prepare


ROUTES: Final = (
    ("POST", "/sheets", upload),
    ("GET", "/sheets/{draft}", show_check),
    ("GET", "/sheets/{draft}/file", download),
    ("GET", "/sheets/{draft}/columns", show_columns),
    ("POST", "/sheets/{draft}/columns", match_columns),
    ("GET", "/sheets/{draft}/row", show_row),
    ("GET", "/sheets/{draft}/problems", problems_sheet),
    ("GET", "/sheets/{draft}/portal", show_portals),
    ("POST", "/sheets/{draft}/portal", choose_portal),
    ("GET", "/sheets/{draft}/confirm", show_confirm),
    ("POST", "/sheets/{draft}/confirm", confirm),
)
