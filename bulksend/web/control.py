"""What can be done with a campaign."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulksend.campaign import Campaign
from bulksend.errors import BulksendError, UsageError
from bulksend.journal import Action, Held, Journal, Role, Stage, State
from bulksend.locale import _
from bulksend.portal.codes import CHAT_NOT_IN_CRM, DIALOG_FINISHED
from bulksend.portal.error_help import advice
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.sender.settings import NEVER, Sending
from bulksend.sheet.written import discard
from bulksend.target import SANDBOX, find_target, rows_for_sandbox
from bulksend.validation.report import FIRST_ROWS
from bulksend.validation.stop_list import StopList
from bulksend.web.door import actor
from bulksend.web.earlier import retried
from bulksend.web.page import chosen, form_of, page_of
from bulksend.web.view import WORDS, portals_of, run_of, view

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import ExitStack

    from aiohttp import web

    from bulksend.journal import Repeat, RowRecord, Run
    from bulksend.sender.options import Options
    from bulksend.target import Target
    from bulksend.web.page import Page

STOP_SECONDS: Final = 5.0
"""Seconds for which a page waits until a campaign has stopped."""


def _portal_of(run: Run, portal: str) -> str:
    """The name of the portal through which a campaign is continued: the one chosen, where it was sent to an address.

    Raises:
        UsageError: there is none.
    """
    name = run.portal_name or portal
    if not name:
        raise UsageError(
            _(
                "Campaign {run} was sent to {portal} by an address, which is not kept because it holds a secret: save "
                "that portal under a name, then try again."
            ).format(run=run.id, portal=run.portal_address)
        )
    return name


def _take_up(
    page: Page, run_id: int, portal: str, *, retry: bool, lift_limit: bool, reopen: bool
) -> Callable[[Journal, ExitStack], tuple[Campaign, Options]]:
    who = actor()

    @contextmanager
    def resumed(journal: Journal, run: Run, target: Target, sending: Sending) -> Iterator[Campaign]:
        with Campaign.resume(
            journal,
            run,
            target,
            retry=retry,
            lift_limit=lift_limit,
            settings=sending.settings(),
            stop_list=StopList(map(Path, sending.stop_list or ())),
        ) as campaign:
            yield campaign
        if page.uploads.verified(run.file) and not page.jobs.leaves(run.portal_name):
            page.verifications.at_the_end(journal, run.id, target)

    def prepare(journal: Journal, stack: ExitStack) -> tuple[Campaign, Options]:
        run = journal.run(run_id)
        if not run.headings:
            raise UsageError(
                _("The texts of campaign {run} were deleted, so it cannot be sent any more.").format(run=run_id)
            )
        name = _portal_of(run, portal)
        sending = Sending.kept(run.settings)
        if sending.schedule().not_after <= journal.now():  # whoever continues it now has just said so
            sending = replace(sending, not_after=NEVER)
        if reopen:
            sending = replace(sending, reopen=True)
        target = stack.enter_context(
            find_target(name, page.home, user_id=run.user_id, sandbox_rows=rows_for_sandbox(journal, run))
        )
        campaign = stack.enter_context(resumed(journal, run, target, sending))
        options = Sending.kept(campaign.run.settings).options(run.counts.total, target.settle)
        options = replace(options, late=True)  # a person has just said so
        if retry:
            journal.record(Action.RETRIED, run_id, actor=who, detail=str(campaign.run.counts.pending))
        else:
            journal.record(Action.CONTINUED, run_id, actor=who)
        page.foresee(journal, campaign.run, target, options)
        return campaign, options

    return prepare


async def _go_on(request: web.Request, *, retry: bool = False, lift_limit: bool = False) -> web.Response:
    page, form = page_of(request), await form_of(request)
    run = await run_of(request)
    async with page.lock(f"campaign {run.id}"):
        if await page.do(lambda: page.jobs.of(run.id)) is None:
            reopen = chosen(form, "reopen") == "yes"
            prepare = _take_up(page, run.id, chosen(form, "portal"), retry=retry, lift_limit=lift_limit, reopen=reopen)
            job = await page.begin(prepare)
            if job.run_id is None:
                error = job.cause if isinstance(job.cause, BulksendError) else UsageError(job.error)
                return page.excuse(error, 409 if isinstance(error, Held) else 400)
    raise page.go(f"/campaigns/{run.id}")


async def pause(request: web.Request) -> web.Response:
    """Let no more messages leave."""
    page = page_of(request)
    run = await run_of(request)
    if await page.do(lambda: page.jobs.stop(run.id)):
        await page.ask(lambda journal: journal.record(Action.PAUSED, run.id, actor=actor()))
    raise page.go(f"/campaigns/{run.id}")


async def ask_finish(request: web.Request) -> web.Response:
    """Ask before a campaign is stopped for good."""
    page = page_of(request)
    run = await run_of(request)
    seen = await view(page, run)
    if seen.state not in {"sending", "scheduled", "stopping", "waiting"}:
        raise page.go(f"/campaigns/{run.id}")
    return page.show("stop.html", here="campaign", view=seen, run=run, counts=run.counts, file=Path(run.file).name)


async def finish(request: web.Request) -> web.Response:
    """Stop a campaign for good: in good order where it is being sent."""
    page = page_of(request)
    run = await run_of(request)
    job = await page.do(lambda: page.jobs.of(run.id))
    if job is not None:
        await page.do(lambda: page.jobs.stop(run.id))
        if not await page.do(lambda: job.wait(STOP_SECONDS), page.portals):
            raise page.go(f"/campaigns/{run.id}?note=pausing")

    def end(journal: Journal) -> None:
        with journal.transaction():
            if journal.run(run.id).stage is Stage.FINISHED:
                return
            journal.finish(run.id)
            journal.record(Action.STOPPED, run.id, actor=actor())

    await page.ask(end)
    raise page.go(f"/campaigns/{run.id}")


async def verify(request: web.Request) -> web.Response:
    """Ask the portal which messages reached the customers, or ask no more."""
    page, form = page_of(request), await form_of(request)
    run = await run_of(request)
    if chosen(form, "do") == "stop":
        page.verifications.stop(run.id)
    elif run.portal == SANDBOX:
        return page.excuse(UsageError(_("This was a rehearsal, and its sandbox has ended: there is nobody to ask.")))
    elif await page.do(lambda: page.jobs.of(run.id)) is None:
        page.verifications.start(run, _portal_of(run, chosen(form, "portal")))
    raise page.go(f"/campaigns/{run.id}#reached")


async def go_on(request: web.Request) -> web.Response:
    """Continue where it stopped."""
    return await _go_on(request)


async def ask_retry(request: web.Request) -> web.Response:
    """Say which rows would be sent again, and ask."""
    page = page_of(request)
    run = await run_of(request)
    seen = await view(page, run)
    codes = await page.ask(lambda journal: retried(journal, run.id, journal.reasons(run.id)))
    if seen.live or run.counts.left or not codes:
        raise page.go(f"/campaigns/{run.id}")
    since = await page.ask(lambda journal: _sent_since(journal, run, codes))
    chats = sum(rows for (_state, code), rows in codes.items() if code in {CHAT_NOT_IN_CRM, DIALOG_FINISHED})
    draft_id = page.uploads.of_file(run.file)
    there = draft_id is not None and await page.do(Path(run.file).exists)
    return page.show(
        "retry.html",
        here="campaign",
        view=seen,
        run=run,
        file=Path(run.file).name,
        to_retry=codes.total() - len(since),
        since=Counter(repeat.run_id for repeat in since),
        rows=await page.ask(lambda journal: _first_of(journal, run.id, codes, {row for row, _run in since})),
        codes=[(WORDS[state], code, count, advice(code)) for (state, code), count in sorted(codes.items())],
        of_chats=chats,
        to_reopen=chats and not Sending.kept(run.settings).reopen,
        uploaded=draft_id if there else None,
        portals=[] if run.portal_name else await portals_of(page, run),
    )


def _sent_since(journal: Journal, run: Run, codes: Collection[tuple[State, str]]) -> Sequence[Repeat]:
    """The rows with these states and codes that are left out when they are sent again: other campaigns sent them."""
    return [] if run.again else journal.sent_elsewhere(run.id, journal.now() - SAME_TEXT_SECONDS, codes)


def _first_of(
    journal: Journal, run_id: int, codes: Collection[tuple[State, str]], but_for: Collection[int]
) -> list[RowRecord]:
    """The first rows to a chat with one of these states and codes, without those whose numbers are ``but_for``."""
    found: list[RowRecord] = []
    after, states = -1, {state for state, _code in codes}
    while len(found) < FIRST_ROWS and (rows := journal.page(run_id, states, after=after, limit=1_000)):
        those = (row for row in rows if (row.state, row.error_code) in codes and row.chat_id)
        found += [row for row in those if row.number not in but_for]
        after = rows[-1].n
    return found[:FIRST_ROWS]


async def retry(request: web.Request) -> web.Response:
    """Send the failed rows again."""
    return await _go_on(request, retry=True)


async def rest(request: web.Request) -> web.Response:
    """Send the rows behind the first few that were tried."""
    return await _go_on(request, lift_limit=True)


async def ask_delete(request: web.Request) -> web.Response:
    """Ask before a campaign's texts are deleted."""
    page = page_of(request)
    run = await run_of(request)
    draft_id = page.uploads.of_file(run.file)
    others = await page.ask(lambda journal: _needing(page, journal, draft_id, but_for=run.id)) if draft_id else []
    return page.show(
        "delete.html", here="campaign", run=run, counts=run.counts, file=Path(run.file).name, others=others
    )


def _needing(page: Page, journal: Journal, draft_id: str, *, but_for: int = 0) -> list[int]:
    """The campaigns that need an upload to be continued, such as the one that was rehearsed with it."""
    needing = page.uploads.needed_by(page.uploads.folder(draft_id), journal.runs())
    return sorted({run_id for run_id in needing if run_id != but_for})


def _delete_results(page: Page, journal: Journal, path: Path) -> None:
    """Delete a results sheet beside an upload that stays, unless another campaign's has taken its place."""
    if not page.uploads.needed_by(path, journal.runs()):
        discard(path)


async def delete(request: web.Request) -> web.Response:
    """Delete a campaign's texts, and its upload where no other campaign needs it; the counts stay."""
    page = page_of(request)
    run = await run_of(request)

    def erase(journal: Journal) -> None:
        there = journal.run(run.id).headings
        journal.erase(run.id)  # also what an erasure that broke off has left
        if there:
            journal.record(Action.DELETED, run.id, actor=actor())

    async with page.lock(f"campaign {run.id}"):
        await page.ask(erase)
    draft_id = page.uploads.of_file(run.file)
    if draft_id is not None:
        async with page.lock(draft_id):  # nobody begins another campaign with it meanwhile
            if not await page.ask(lambda journal: _needing(page, journal, draft_id)):
                await page.do(lambda: page.uploads.remove(draft_id))
            elif page.uploads.of_file(run.results_path) == draft_id:
                await page.ask(lambda journal: _delete_results(page, journal, Path(run.results_path)))
    raise page.go(f"/campaigns/{run.id}")


ROUTES: Final = (
    ("POST", "/campaigns/{run}/pause", pause, Role.SENDER),
    ("POST", "/campaigns/{run}/continue", go_on, Role.SENDER),
    ("GET", "/campaigns/{run}/stop", ask_finish, Role.SENDER),
    ("POST", "/campaigns/{run}/stop", finish, Role.SENDER),
    ("POST", "/campaigns/{run}/verify", verify, Role.SENDER),
    ("GET", "/campaigns/{run}/retry", ask_retry, Role.SENDER),
    ("POST", "/campaigns/{run}/retry", retry, Role.SENDER),
    ("POST", "/campaigns/{run}/rest", rest, Role.SENDER),
    ("GET", "/campaigns/{run}/delete", ask_delete, Role.SENDER),
    ("POST", "/campaigns/{run}/delete", delete, Role.SENDER),
)
