"""A campaign while it is sent and afterwards."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.campaign import Campaign
from bulksend.entry.codes import BEYOND_LIMIT
from bulksend.errors import BulksendError, UsageError
from bulksend.journal import Action, Held, Journal, Role, Stage, State
from bulksend.locale import _
from bulksend.portal.codes import CHAT_NOT_IN_CRM, DIALOG_FINISHED
from bulksend.portal.credential_store import PortalStore
from bulksend.portal.error_help import advice
from bulksend.portal.methods import stored_text
from bulksend.queries.last_messages import last_messages
from bulksend.results import STATUS, write_run_results
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.sender.settings import NEVER, Sending
from bulksend.target import SANDBOX, find_target, rows_for_sandbox
from bulksend.validation.report import FIRST_ROWS
from bulksend.validation.stop_list import StopList
from bulksend.web.door import USER, actor
from bulksend.web.earlier import retried
from bulksend.web.page import chosen, page_of
from bulksend.web.preflights import asking
from bulksend.web.sheets import PIECE, attachment_headers
from bulksend.web.start import standing, waits_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import ExitStack

    from bulksend.journal import Counts, Delivery, Repeat, RowRecord, Run
    from bulksend.portal.methods import HistoryMessage
    from bulksend.sender.options import Options
    from bulksend.web.page import Page
    from bulksend.web.verifications import Verification

ROWS_A_PAGE: Final = 50

STOP_SECONDS: Final = 5.0
"""Seconds for which a page waits until a campaign has stopped."""

UNDER_WAY: Final = "under_way"
"""What the page calls a row that has left and of which it is not known yet whether it arrived."""

WORDS: Final = {**STATUS, State.SENDING: UNDER_WAY, State.IN_DOUBT: UNDER_WAY}
"""What the page calls each state of a row: as the results sheet does, which is written once nothing is under way."""

_SHOWN: Final[dict[str, Collection[State]]] = {
    word: tuple(state for state in State if WORDS[state] == word)
    for word in ("sent", "failed", "unknown", UNDER_WAY, "not_sent", "invalid", "skipped")
}
"""What can be shown of the rows, in the order in which it is: what they are called → the states that are."""

LIVE: Final = frozenset({"sending", "scheduled", "stopping", "elsewhere", "verifying"})

_NOTES: Final = frozenset({"held", "done", "settled", "late", "pausing"})


@dataclass(frozen=True, slots=True)
class View:
    """A campaign as the page shows it.

    Attributes:
        run: as the journal has it.
        state: see `bulksend.web.start.standing`.
        counts: rows by what the page calls them; only those there are.
        settled: rows whose fate is known.
        to_send: of how many.
        rate: rows a second lately.
        left: seconds until it is done, at that rate.
        waiting: what is waited for.
        until: until when (Unix seconds); for one that another program sends, until when its hours let nothing leave.
        ends_at: when the last message will have left, where hours or times decide that (Unix seconds).
        asked: how far the portal is asked which messages reached the customers, while it is.
        trouble: why it stopped.
    """

    run: Run
    state: str
    counts: dict[str, int]
    settled: int
    to_send: int
    rate: float | None
    left: float | None
    waiting: str
    until: float
    ends_at: float | None
    asked: Verification | None
    trouble: str

    @property
    def live(self) -> bool:
        """Whether something is under way that changes what is shown."""
        return self.state in LIVE

    @property
    def polled(self) -> str:
        """What has to be the same for the page to stay right but for its progress."""
        return f"{self.state}-waiting" if self.state == "elsewhere" and self.until else self.state

    @property
    def rehearsal(self) -> bool:
        """Whether no customer gets anything of it."""
        return self.run.portal == SANDBOX

    @property
    def erased(self) -> bool:
        """Whether its texts were deleted."""
        return not self.run.headings

    @property
    def bars(self) -> list[tuple[str, int, float, float]]:
        """The chart: status, rows, where its part begins and how long it is (in per mille)."""
        bars, at, total = [], 0.0, max(1, sum(self.counts.values()))
        for status, rows in self.counts.items():
            # A part that is there is to be seen, however few its rows are.
            length = max(6.0, 1000 * rows / total)
            bars.append((status, rows, at, length))
            at += length
        return [(status, rows, start * 1000 / at, length * 1000 / at) for status, rows, start, length in bars]


def by_status(counts: Counts) -> dict[str, int]:
    """Rows by what the page calls them."""
    found = {word: sum(getattr(counts, state.value) for state in states) for word, states in _SHOWN.items()}
    return {word: rows for word, rows in found.items() if rows}


async def view(page: Page, run: Run) -> View:
    """A campaign as it is now."""
    job = page.jobs.of(run.id)
    state = standing(run, job)
    asked = page.verifications.of(run.id)
    if asked is not None and (job is None or run.stage is Stage.FINISHED):
        state = "verifying"
    counts = run.counts
    settled = counts.sent + counts.failed + counts.unknown
    rate = page.pace.see(run.id, settled) if state in {"sending", "elsewhere"} else None
    progress = job.progress if job is not None else None
    now = time.time()
    opens_at = await page.ask(lambda journal: waits_until(journal, run)) if state == "elsewhere" else 0.0
    waits = progress is not None and progress.waiting and 1 < progress.until - now < 10**8
    last = page.jobs.last_of(run.id)
    trouble = run.reason if state in {"waiting", "stopped", "finished"} and run.reason != "interrupted" else ""
    if state == "waiting" and not trouble and last is not None:
        trouble = last.error
    return View(
        run,
        state,
        by_status(counts),
        settled,
        settled + counts.left,
        rate,
        counts.left / rate if rate and counts.left else None,
        progress.waiting if waits and progress else "",
        progress.until if waits and progress else opens_at,
        page.ends_at.get(run.id) if state in {"sending", "scheduled"} else None,
        asked if state == "verifying" else None,
        trouble,
    )


async def _run(request: web.Request) -> Run:
    page = page_of(request)
    asked = request.match_info["run"]
    if not asked.isdecimal() or len(asked) > 9:
        raise web.HTTPNotFound
    return await page.ask(lambda journal: journal.run(int(asked)))


async def show(request: web.Request) -> web.Response:
    """A campaign: how it goes, what became of its rows, what can be done."""
    page = page_of(request)
    run = await _run(request)
    shown = request.query.get("show", "all")
    shown = shown if shown in _SHOWN else "all"
    states = _SHOWN.get(shown, ())
    after = int(asked) if (asked := request.query.get("after", "")).isdecimal() and len(asked) < 9 else -1
    rows = await page.ask(lambda journal: journal.page(run.id, states, after=after, limit=ROWS_A_PAGE + 1))
    seen, counts = await view(page, run), run.counts
    codes: dict[tuple[State, str], int] = {}
    if any(status in seen.counts for status in ("failed", "unknown", "invalid", "skipped")):
        codes = await page.ask(lambda journal: journal.reasons(run.id))
    deliveries: dict[Delivery | None, int] = {}
    if counts.sent:
        deliveries = await page.ask(lambda journal: journal.deliveries(run.id))
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
        codes=[(WORDS[state], code, count, advice(code)) for (state, code), count in sorted(codes.items())],
        beyond_limit=codes.get((State.SKIPPED, BEYOND_LIMIT), 0),
        to_retry=sum(retried(codes).values()),
        deliveries=deliveries,
        unverified=page.verifications.error_of(run.id),
        schedule=sending.schedule(),
        uploaded=draft_id if there else None,
        file=Path(run.file).name,
        choose_portal=await _choose_portal(page, draft_id) if seen.rehearsal and draft_id and there else "",
        portals=[] if seen.live or run.portal_name else await _portals(page, run),
        note=note if note in _NOTES else "",
        audit=await page.ask(lambda journal: journal.audit(run.id)),
    )


async def _choose_portal(page: Page, draft_id: str) -> str:
    """Where a portal is chosen for a sheet that was rehearsed: the form to save the first one, where there is none."""
    here = f"/sheets/{draft_id}/portal"
    return here if await page.do(PortalStore(page.home).list) else f"/portals/new?next={here}"


async def _portals(page: Page, run: Run) -> Sequence[str]:
    """The saved portals through which a campaign that was sent to an address can be continued."""
    return (await page.do(PortalStore(page.home).names_by_portal)).get(run.portal, ())


async def progress(request: web.Request) -> web.Response:
    """The part of the page that changes while a campaign is sent."""
    page = page_of(request)
    seen = await view(page, await _run(request))
    response = page.show("progress.html", view=seen, run=seen.run)
    response.headers["X-State"] = seen.polled
    return response


# What can be done with it


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
        campaign = stack.enter_context(
            Campaign.resume(
                journal,
                run,
                target,
                retry=retry,
                lift_limit=lift_limit,
                settings=sending.settings(),
                stop_list=StopList(map(Path, sending.stop_list or ())),
            )
        )
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
    page, form = page_of(request), await request.post()
    run = await _run(request)
    async with page.lock(f"campaign {run.id}"):
        if page.jobs.of(run.id) is None:
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
    run = await _run(request)
    if page.jobs.stop(run.id):
        await page.ask(lambda journal: journal.record(Action.PAUSED, run.id, actor=actor()))
    raise page.go(f"/campaigns/{run.id}")


async def ask_finish(request: web.Request) -> web.Response:
    """Ask before a campaign is stopped for good."""
    page = page_of(request)
    run = await _run(request)
    seen = await view(page, run)
    if seen.state not in {"sending", "scheduled", "stopping", "waiting"}:
        raise page.go(f"/campaigns/{run.id}")
    return page.show("stop.html", here="campaign", view=seen, run=run, counts=run.counts, file=Path(run.file).name)


async def finish(request: web.Request) -> web.Response:
    """Stop a campaign for good: in good order where it is being sent."""
    page = page_of(request)
    run = await _run(request)
    job = page.jobs.of(run.id)
    if job is not None:
        page.jobs.stop(run.id)
        if not await page.do(lambda: job.wait(STOP_SECONDS)):
            raise page.go(f"/campaigns/{run.id}?note=pausing")

    def end(journal: Journal) -> None:
        with journal.transaction():
            journal.finish(run.id)
            journal.record(Action.STOPPED, run.id, actor=actor())

    await page.ask(end)
    raise page.go(f"/campaigns/{run.id}")


async def verify(request: web.Request) -> web.Response:
    """Ask the portal which messages reached the customers, or ask no more."""
    page, form = page_of(request), await request.post()
    run = await _run(request)
    if chosen(form, "do") == "stop":
        page.verifications.stop(run.id)
    elif run.portal == SANDBOX:
        return page.excuse(UsageError(_("This was a rehearsal, and its sandbox has ended: there is nobody to ask.")))
    elif page.jobs.of(run.id) is None:
        page.verifications.start(run, _portal_of(run, chosen(form, "portal")))
    raise page.go(f"/campaigns/{run.id}#reached")


async def go_on(request: web.Request) -> web.Response:
    """Continue where it stopped."""
    return await _go_on(request)


async def ask_retry(request: web.Request) -> web.Response:
    """Say which rows would be sent again, and ask."""
    page = page_of(request)
    run = await _run(request)
    seen = await view(page, run)
    codes = retried(await page.ask(lambda journal: journal.reasons(run.id)))
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
        to_retry=sum(codes.values()) - len(since),
        since=Counter(repeat.run_id for repeat in since),
        rows=await page.ask(lambda journal: _first_of(journal, run.id, codes, {row for row, _run in since})),
        codes=[(WORDS[state], code, count, advice(code)) for (state, code), count in sorted(codes.items())],
        of_chats=chats,
        to_reopen=chats and not Sending.kept(run.settings).reopen,
        uploaded=draft_id if there else None,
        portals=[] if run.portal_name else await _portals(page, run),
    )


def _sent_since(journal: Journal, run: Run, codes: Collection[tuple[State, str]]) -> Sequence[Repeat]:
    """The rows with these states and codes that are left out when they are sent again: other campaigns sent them."""
    return [] if run.again else journal.sent_elsewhere(run.id, journal.now() - SAME_TEXT_SECONDS, codes)


def _first_of(
    journal: Journal, run_id: int, codes: Collection[tuple[State, str]], but_for: Collection[int]
) -> list[RowRecord]:
    """The first rows that have one of these states and codes, without those whose numbers are ``but_for``."""
    found: list[RowRecord] = []
    after, states = -1, {state for state, _code in codes}
    while len(found) < FIRST_ROWS and (rows := journal.page(run_id, states, after=after, limit=1_000)):
        found += [row for row in rows if (row.state, row.error_code) in codes and row.number not in but_for]
        after = rows[-1].n
    return found[:FIRST_ROWS]


async def retry(request: web.Request) -> web.Response:
    """Send the failed rows again."""
    return await _go_on(request, retry=True)


async def rest(request: web.Request) -> web.Response:
    """Send the rows behind the first few that were tried."""
    return await _go_on(request, lift_limit=True)


async def results(request: web.Request) -> web.StreamResponse:
    """The results sheet, as the journal knows it now."""
    page = page_of(request)
    run = await _run(request)
    if not run.headings:
        sentence = _("The texts of campaign {run} were deleted, so it has no results sheet.").format(run=run.id)
        return page.excuse(UsageError(sentence))
    suffix = request.match_info["format"]
    folder = Path(await page.do(lambda: tempfile.mkdtemp(prefix="bulksend-")))
    try:
        path = folder / f"results.{suffix}"
        await page.ask(lambda journal: write_run_results(journal, run, path, note=False))
        word = "rehearsal.results" if run.portal == SANDBOX else "results"
        response = web.StreamResponse(headers=attachment_headers(f"{Path(run.file).stem}.{run.id}.{word}.{suffix}"))
        response.content_length = path.stat().st_size
        await response.prepare(request)
        with await page.do(lambda: path.open("rb")) as file:
            while piece := await page.do(lambda: file.read(PIECE)):
                await response.write(piece)
    finally:
        await page.do(lambda: shutil.rmtree(folder, ignore_errors=True))
    return response


# Rows that nobody knows of


async def show_row(request: web.Request) -> web.Response:
    """One row; beside an unknown one the last messages of its chat."""
    page = page_of(request)
    run = await _run(request)
    row = await _row(page, run, request)
    messages: Sequence[HistoryMessage] = []
    sentence = ""
    user = USER.get()
    if row.state is State.UNKNOWN and run.headings and user is not None and user.may_send:
        try:
            messages = await page.do(lambda: _history(page, run, row))
        except BulksendError as error:
            sentence = str(error)
    text = row.message
    alike = {message.id for message in messages if text and message.shows(stored_text(text))}
    claimed = await page.ask(lambda journal: journal.claimed(run.portal, [message.id for message in messages]))
    return page.show(
        "campaign_row.html",
        here="campaign",
        run=run,
        row=row,
        text=text,
        messages=list(messages)[-20:],
        alike=alike - claimed,
        claimed=claimed,
        sentence=sentence,
        row_status=WORDS[row.state],
        rehearsal=run.portal == SANDBOX,
        speaker=row.user_id or run.user_id,
    )


async def _row(page: Page, run: Run, request: web.Request) -> RowRecord:
    asked = request.match_info["row"]
    if not asked.isdecimal() or len(asked) > 9:
        raise web.HTTPNotFound
    return await page.ask(lambda journal: journal.row(run.id, int(asked)))


def _history(page: Page, run: Run, row: RowRecord) -> list[HistoryMessage]:
    if run.portal == SANDBOX:
        raise UsageError(_("This was a rehearsal, and its sandbox has ended: there is no chat to look into."))
    if not run.portal_name:
        raise UsageError(
            _(
                "The campaign was sent to {portal} by an address, which is not kept because it holds a secret: look "
                "into the chat in the portal."
            ).format(portal=run.portal_address)
        )
    with (
        find_target(run.portal_name, page.home, user_id=run.user_id) as target,
        Journal(page.journal) as journal,
        asking(journal, target) as queries,
    ):
        return last_messages(queries, row.chat_id)


async def settle(request: web.Request) -> web.Response:
    """Take what a person decided about an unknown row."""
    page, form = page_of(request), await request.post()
    run = await _run(request)
    row = await _row(page, run, request)
    decision, message = chosen(form, "decision"), chosen(form, "message")
    if decision not in {"arrived", "resend"}:
        raise page.go(f"/campaigns/{run.id}/rows/{row.n}")
    message_id = int(message) if message.isdecimal() and len(message) < 19 else None
    if decision == "resend" and message_id is not None:
        return page.excuse(
            UsageError(
                _(
                    "A message of the chat is chosen as this row's, so it arrived; nothing was changed. To send the "
                    "row again, go back and choose “None of these” first."
                )
            )
        )

    def decide(journal: Journal) -> bool:
        if page.jobs.of(run.id) is not None:
            raise UsageError(_("The campaign is being sent now: pause it, then decide."))
        arrived = decision == "arrived"
        with journal.transaction():
            settled = journal.settle(run.id, row.n, arrived=arrived, message_id=message_id)
            if settled:
                action = Action.ARRIVED if arrived else Action.TO_RESEND
                journal.record(action, run.id, actor=actor(), detail=str(row.number))
        return settled

    done = await page.ask(decide)
    raise page.go(f"/campaigns/{run.id}?show=unknown&note={'settled' if done else 'late'}")


# Deleting


async def ask_delete(request: web.Request) -> web.Response:
    """Ask before a campaign's texts are deleted."""
    page = page_of(request)
    run = await _run(request)
    return page.show("delete.html", here="campaign", run=run, counts=run.counts, file=Path(run.file).name)


async def delete(request: web.Request) -> web.Response:
    """Delete a campaign's texts and its upload; the counts stay."""
    page = page_of(request)
    run = await _run(request)

    def erase(journal: Journal) -> None:
        journal.erase(run.id)
        journal.record(Action.DELETED, run.id, actor=actor())

    await page.ask(erase)
    draft_id = page.uploads.of_file(run.file)
    if draft_id is not None:
        await page.do(lambda: page.uploads.remove(draft_id))
    raise page.go(f"/campaigns/{run.id}")


ROUTES: Final = (
    ("GET", "/campaigns/{run}", show, Role.VIEWER),
    ("GET", "/campaigns/{run}/progress", progress, Role.VIEWER),
    ("POST", "/campaigns/{run}/pause", pause, Role.SENDER),
    ("POST", "/campaigns/{run}/continue", go_on, Role.SENDER),
    ("GET", "/campaigns/{run}/stop", ask_finish, Role.SENDER),
    ("POST", "/campaigns/{run}/stop", finish, Role.SENDER),
    ("POST", "/campaigns/{run}/verify", verify, Role.SENDER),
    ("GET", "/campaigns/{run}/retry", ask_retry, Role.SENDER),
    ("POST", "/campaigns/{run}/retry", retry, Role.SENDER),
    ("POST", "/campaigns/{run}/rest", rest, Role.SENDER),
    ("GET", "/campaigns/{run}/results.{format:xlsx|csv}", results, Role.VIEWER),
    ("GET", "/campaigns/{run}/rows/{row}", show_row, Role.VIEWER),
    ("POST", "/campaigns/{run}/rows/{row}", settle, Role.SENDER),
    ("GET", "/campaigns/{run}/delete", ask_delete, Role.SENDER),
    ("POST", "/campaigns/{run}/delete", delete, Role.SENDER),
)
