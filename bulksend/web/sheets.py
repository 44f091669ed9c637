"""A sheet from its upload to the choice of where it goes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote

from aiohttp import web

from bulksend.errors import BulksendError, SheetError, UsageError
from bulksend.journal import Role
from bulksend.locale import _
from bulksend.portal.credential_store import PortalStore
from bulksend.queries.chats import KINDS
from bulksend.sheet.headings import column_name
from bulksend.target import SANDBOX
from bulksend.template.names import spelling
from bulksend.web.checks import ROWS_A_PAGE
from bulksend.web.door import actor
from bulksend.web.earlier import find_earlier
from bulksend.web.page import chosen, form_of, page_of, readable, settled, whole_number
from bulksend.web.uploads import MOST_BYTES, open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aiohttp import BodyPartReader

    from bulksend.plan import Plan
    from bulksend.validation.report import Problem
    from bulksend.web.page import Page
    from bulksend.web.uploads import Upload

WAIT: Final = 3.0
"""Seconds for which a page waits for something before it says that it is being done."""

PIECE: Final = 1 << 20


# The file


async def upload(request: web.Request) -> web.Response:
    """Take a sheet, a piece at a time; with ``like`` it is read as an earlier one was."""
    page = page_of(request)
    begun: list[Upload] = []
    who = actor()

    def take_back() -> None:
        for draft in begun:
            page.uploads.remove(draft.id)

    def make_room(name: str) -> Path:
        draft = page.uploads.begin(name, who)
        begun.append(draft)
        return page.uploads.file(draft)

    try:
        received = await receive_file(page, request, make_room)
        if isinstance(received, web.Response):
            await page.do(take_back)
            return received
        draft = begun[0]
        like = request.query.get("like", "")
        if like:
            draft = await page.do(lambda: page.uploads.like(page.uploads.load(like), draft))
        elif (alike := await page.do(lambda: page.uploads.named_alike(draft))) and alike.look_up:
            draft = replace(draft, look_up=True)  # the corrected sheet, uploaded as if it were another
        await page.do(lambda: page.uploads.save(draft))
    except BaseException:
        await page.do(take_back)
        raise
    raise page.go(f"/sheets/{draft.id}")


async def receive_file(page: Page, request: web.Request, make_room: Callable[[str], Path]) -> Path | web.Response:
    """Write an uploaded file where there is room for one of its name; or the page that says why it is not taken."""
    too_large = UsageError(
        _("The file is larger than {megabytes} MB: make several sheets of it, or use the command line.").format(
            megabytes=MOST_BYTES >> 20
        )
    )
    if (request.content_length or 0) > MOST_BYTES + PIECE:
        return page.excuse(too_large, 413)
    with readable():
        part = await _file_part(request)
    name = "" if part is None else part.filename or ""
    if part is None or not name:
        return page.excuse(UsageError(_("No file was chosen: choose a sheet, then press the button beside it.")))
    path = await page.do(lambda: make_room(name))
    return path if await _receive(page, part, path) else page.excuse(too_large, 413)


async def change_draft(page: Page, request: web.Request, change: Callable[[Upload], Upload]) -> Upload:
    """Change what was chosen for the upload that an address names, one change at a time; return how it was before."""
    async with page.lock(request.match_info["draft"]):
        draft = await page.draft(request)
        await page.do(lambda: page.uploads.save(change(draft)))
    return draft


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
        while piece := await _piece(part):
            size += len(piece)
            if size > MOST_BYTES:
                return False
            await page.do(partial(file.write, piece))
    return True


async def _piece(part: BodyPartReader) -> bytes:
    with readable():
        return await part.read_chunk(PIECE)


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


async def plan_of(page: Page, draft: Upload, onward: str) -> Plan | web.Response:
    """The checked sheet, or the page to show while it is not, which leads on to ``onward``."""
    future = page.checks.plan(draft)
    if not await settled(future, WAIT):
        return page.show("working.html", here="sheet", step="check", draft=draft, asked=None, onward=page.url(onward))
    try:
        return future.result()
    except BulksendError as error:
        return await _columns(page, draft, error)


async def show_check(request: web.Request) -> web.Response:
    """What is wrong with the sheet: only faulty rows, a page at a time."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await plan_of(page, draft, page.path_of(request))
    if isinstance(plan, web.Response):
        return plan
    code = request.query.get("problem", "")
    known = {problem.code for problem in plan.report.problems}
    code = code if code in known else ""
    number = (whole_number(request.query.get("page", "")) or 1) - 1
    found = await page.do(lambda: page.checks.problems(draft, code, number))
    good = await page.do(lambda: page.checks.good_rows(draft))
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
        missing_chats="INVALID_CHAT_ID" in known and not draft.look_up,
        entities={
            **good.entities(plan.report.named),
            **await page.do(lambda: page.checks.hidden_entities(draft)),
        },
        # It takes seconds where a million rows are compared, so not again for each page of problems.
        earlier=None
        if code or number
        else await page.ask(lambda journal: find_earlier(journal, plan, good), page.files),
        wrong_columns=[problem for problem in plan.report.problems if _is_of_column(problem, plan.report.rows)],
    )


def _is_of_column(problem: Problem, rows: int) -> bool:
    """Whether so many rows have a problem that the column is likely to be another one than what it is taken for."""
    return bool(problem.heading and problem.example) and problem.count > max(2, 0.9 * rows)


async def show_columns(request: web.Request) -> web.Response:
    """The columns, to be matched by hand."""
    page = page_of(request)
    return await _columns(page, await page.draft(request), None)


async def _columns(page: Page, draft: Upload, error: BulksendError | None) -> web.Response:
    try:
        sheet = await page.do(lambda: page.checks.columns(draft), page.files)
    except SheetError as unreadable:
        return page.show(
            "unreadable.html", here="sheet", step="check", draft=draft, sentence=str(unreadable), status=400
        )
    missing = isinstance(error, SheetError) or not sheet.known
    return page.show(
        "columns.html",
        here="sheet",
        step="columns",
        draft=draft,
        sheet=sheet,
        missing=missing,
        sentence="" if error is None or isinstance(error, SheetError) else str(error),
        places=[spelling(heading) for heading in sheet.headings if heading.strip()],
        status=200 if error is None else 400,
    )


async def match_columns(request: web.Request) -> web.Response:
    """Take the columns as they were matched."""
    page, form = page_of(request), await form_of(request)
    draft = await page.draft(request)
    sheet = await page.do(lambda: page.checks.columns(draft), page.files)
    mapping: dict[str, str] = {}
    for field in ("CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE"):
        at = whole_number(chosen(form, field))
        mapping[field] = column_name(sheet.headings, at) if at is not None and at < len(sheet.headings) else ""
    written = chosen(form, "message") if chosen(form, "MESSAGE") == "write" else None
    if written == "":
        sentence = _("Choose the column with the message, or write the message below.")
        return await _columns(page, draft, UsageError(sentence))

    def match(draft: Upload) -> Upload:
        return draft.read_otherwise(
            mapping=mapping,
            entity_type=kind if (kind := chosen(form, "CRM_ENTITY_TYPE")) in KINDS else "",
            # Where the column stays as it was, so does the wish to have its empty cells filled.
            look_up=chosen(form, "CHAT_ID") in {"ask", str(sheet.guesses.get("CHAT_ID")) if draft.look_up else "ask"},
            message=written,
            sheet=chosen(form, "sheet") or None,
            include_hidden=bool(chosen(form, "include_hidden")),
        )

    await change_draft(page, request, match)
    raise page.go(f"/sheets/{draft.id}")


async def look_up(request: web.Request) -> web.Response:
    """Have the portal asked, before anything is sent, for the chats of rows that name none."""
    return await _read_otherwise(request, look_up=True)


async def choose_sent(request: web.Request) -> web.Response:
    """Leave out the rows that the sheet marks as sent, or send them again."""
    return await _read_otherwise(request, with_sent=chosen(await form_of(request), "sent") == "send")


async def choose_hidden(request: web.Request) -> web.Response:
    """Include the rows that are hidden in the sheet, or leave them out."""
    return await _read_otherwise(request, include_hidden=chosen(await form_of(request), "hidden") == "include")


async def _read_otherwise(request: web.Request, **changes: bool) -> NoReturn:
    page = page_of(request)
    draft = await change_draft(page, request, lambda draft: draft.read_otherwise(**changes))
    raise page.go(f"/sheets/{draft.id}")


async def show_row(request: web.Request) -> web.Response:
    """One row as the customer will read it."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await plan_of(page, draft, page.path_of(request))
    if isinstance(plan, web.Response):
        return plan
    # The chats that the portal found are in the plan that it was asked about.
    plan = answers.plan if (answers := page.preflights.answered(draft)) else plan
    number = whole_number(request.query.get("row", "")) or 0
    says: Sequence[str] = ()
    row, sentence = None, ""
    try:
        row = await page.do(lambda: page.checks.row(plan, number), page.files)
        says = await page.do(partial(page.checks.says, draft, row.number))
        if row.error_code == "HIDDEN_ROW":
            seen = await page.do(partial(page.checks.hidden_row, plan, row.number), page.files)
            row = seen._replace(error_code=row.error_code, error_description=row.error_description)
    except UsageError as error:
        sentence = str(error)
    return page.show(
        "row.html",
        here="sheet",
        step="check",
        draft=draft,
        plan=plan,
        row=row,
        says=says,
        asked=number,
        sentence=sentence,
    )


async def problems_sheet(request: web.Request) -> web.StreamResponse:
    """The sheet with the problem beside each row."""
    page = page_of(request)
    draft = await page.draft(request)
    plan = await plan_of(page, draft, page.path_of(request))
    if isinstance(plan, web.Response):
        return plan
    path = await page.do(lambda: page.checks.write_problems(plan, draft), page.files)
    return attachment(path, f"{path.stem}.{draft.name.rpartition('.')[0] or draft.name}{path.suffix}")


# Where it goes


async def show_portals(request: web.Request) -> web.Response:
    """The portals to choose from; the sandbox is always one of them."""
    page = page_of(request)
    draft = await page.draft(request)
    saved = await page.do(PortalStore(page.home).list)
    new = request.query.get("saved", "")
    new = new if new in {portal.name for portal in saved} else ""
    return page.show("portal.html", here="sheet", step="portal", draft=draft, portals=saved, new=new)


async def choose_portal(request: web.Request) -> web.Response:
    """Take the portal that was chosen."""
    page, form = page_of(request), await form_of(request)
    name = chosen(form, "portal")
    if not name:
        raise page.go(f"/sheets/{(await page.draft(request)).id}/portal")
    if name != SANDBOX:
        name = await page.do(lambda: PortalStore(page.home).saved(name).name)

    def choose(draft: Upload) -> Upload:
        # A rehearsal is to be over soon; what is sent to customers leaves at the usual pace unless chosen otherwise.
        pace = "fast" if name == SANDBOX else draft.pace if draft.portal not in {"", SANDBOX} else "usual"
        if name != draft.portal:  # what was sent before was sent to the other one, where a user's number is another's
            speaker = draft.user_id if {name, draft.portal} & {SANDBOX, ""} else None
            draft = replace(draft, again=False, repeats=None, user_id=speaker)
        return replace(draft, portal=name, pace=pace, verify=draft.verify and not page.jobs.leaves(name))

    draft = await change_draft(page, request, choose)
    raise page.go(f"/sheets/{draft.id}/confirm")


ROUTES: Final = (
    ("POST", "/sheets", upload, Role.SENDER),
    ("GET", "/sheets/{draft}", show_check, Role.SENDER),
    ("GET", "/sheets/{draft}/file", download, Role.SENDER),
    ("GET", "/sheets/{draft}/columns", show_columns, Role.SENDER),
    ("POST", "/sheets/{draft}/columns", match_columns, Role.SENDER),
    ("POST", "/sheets/{draft}/look-up", look_up, Role.SENDER),
    ("POST", "/sheets/{draft}/sent", choose_sent, Role.SENDER),
    ("POST", "/sheets/{draft}/hidden", choose_hidden, Role.SENDER),
    ("GET", "/sheets/{draft}/row", show_row, Role.SENDER),
    ("GET", "/sheets/{draft}/problems", problems_sheet, Role.SENDER),
    ("GET", "/sheets/{draft}/portal", show_portals, Role.SENDER),
    ("POST", "/sheets/{draft}/portal", choose_portal, Role.SENDER),
)
