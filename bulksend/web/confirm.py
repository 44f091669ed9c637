"""The last look at a sheet: how and when it is sent, all that will happen, and the button that does it."""

from __future__ import annotations

import hashlib
import secrets
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from bulksend.campaign import Campaign
from bulksend.entry.refusals import AlreadyDone, CampaignChanged, SentBefore
from bulksend.errors import BulksendError, UsageError
from bulksend.forecast import predict_end
from bulksend.journal import Action, Held, Role, ZoneRows
from bulksend.locale import _
from bulksend.portal.codes import DIALOG_FINISHED
from bulksend.queries.lookup import FoundChats
from bulksend.schedule.parsing import DAY_NAMES
from bulksend.schedule.zones import local_zone_name
from bulksend.sender.settings import Sending
from bulksend.target import find_target
from bulksend.validation import LOOKUP_CODES
from bulksend.validation.stop_list import StopList
from bulksend.web.door import actor
from bulksend.web.earlier import rest_of
from bulksend.web.page import chosen, form_of, page_of, settled, whole_number
from bulksend.web.preflights import GivenUp
from bulksend.web.sheets import WAIT, change_draft, plan_of, receive_file
from bulksend.web.uploads import PACES, REPEATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from multidict import MultiMapping

    from bulksend.entry.preview import Forecast
    from bulksend.journal import Journal
    from bulksend.plan import Plan
    from bulksend.sender.options import Options
    from bulksend.sender.prediction import Prediction
    from bulksend.validation.report import Problem
    from bulksend.web.page import Page
    from bulksend.web.preflights import Answers, Outlook
    from bulksend.web.uploads import Upload

_TYPED: Final = ("at", "not_after", "from", "to", "timezone", "over")
_SCHEDULE: Final = ("at", "not_after", "hours", "days", "timezone", "over")

_NOTES: Final = frozenset({"changed"})


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the portal said of the chats of leads, deals, contacts and companies.

    Attributes:
        asked: of how many.
        found: how many have one.
        missing: the rows that are without one, by the reason.
    """

    asked: int
    found: int
    missing: Sequence[Problem]


# What is known


async def _known(page: Page, draft: Upload) -> tuple[Answers, Outlook] | web.Response:
    """What the portal and the journal say, or the page to show while they have not."""
    if draft.stop_list and not await page.do(page.uploads.stop_list(draft).exists):
        return page.show("stop_list_gone.html", here="sheet", step="confirm", draft=draft, status=400)
    plan = await plan_of(page, draft, f"/sheets/{draft.id}/confirm")
    if isinstance(plan, web.Response):
        return plan
    asked = page.preflights.of_portal(draft, plan)
    try:
        if asked.future is None or not await settled(asked.future, WAIT):
            return _working(page, draft, asked.progress)
        answers = asked.future.result()
        looked = page.preflights.of_journal(draft, answers)
        if looked.future is None or not await settled(looked.future, WAIT):
            return _working(page, draft, None)
        return answers, looked.future.result()
    except (GivenUp, CancelledError):  # in another tab it is asked anew
        return _working(page, draft, None)
    except Held as held:
        page.preflights.forget(draft)
        raise page.go(f"/campaigns/{held.run_id}?note=held") from None
    except BulksendError as error:
        page.preflights.forget(draft)
        return page.show(
            "portal_error.html", here="sheet", step="confirm", draft=draft, sentence=str(error), status=400
        )


def _working(page: Page, draft: Upload, progress: Any) -> web.Response:
    onward = page.url(f"/sheets/{draft.id}/confirm")
    return page.show("working.html", here="sheet", step="confirm", draft=draft, asked=progress, onward=onward)


def rows_to_send(draft: Upload, forecast: Forecast | None) -> int:
    """How many messages the button sends."""
    if forecast is None:
        return 0
    rows = forecast.run.counts.pending
    if draft.repeats == "skip":
        rows -= len(forecast.repeats)
    return max(0, rows if draft.limit is None else min(rows, draft.limit))


def rows_once_more(draft: Upload, forecast: Forecast | None, rows: int) -> int:
    """How many of the messages that the button sends were sent before."""
    if forecast is None:
        return 0
    known = sum(place < rows for place in forecast.once_more)
    return known + (min(len(forecast.repeats), rows) if draft.repeats == "send" else 0)


def _sending(page: Page, draft: Upload, forecast: Forecast | None) -> Sending:
    """How it is sent; a campaign that is continued keeps the times and hours that were set for it."""
    sending = page.uploads.sending(draft)
    return sending.scheduled(forecast.run.settings) if forecast is not None and forecast.known else sending


def _zones(forecast: Forecast, rows: int) -> dict[str, ZoneRows]:
    """The rows of each zone where only so many of them are sent, the first in the sheet."""
    share = rows / max(1, forecast.run.counts.pending)
    zones = {}
    for name, all_rows in forecast.zones.items():
        some = max(1, round(all_rows.rows * share))
        last = max(all_rows.first + some - 1, all_rows.first + round((all_rows.last - all_rows.first) * share))
        zones[name] = ZoneRows(some, all_rows.first, last)
    return zones


def _closing(answers: Answers, options: Options, rows: int, prediction: Prediction) -> int:
    """How many of the messages would leave when their channel takes none any more."""
    begins = options.schedule.opens_at(prediction.now) or prediction.now
    each = max(0.0, prediction.ends_at - begins) / max(1, rows)
    return sum(until <= begins + before * each for before, until in answers.findings.closing if before < rows)


def _looked_up(plan: Plan) -> LookedUp | None:
    """What a lookup found, where there was one."""
    if not isinstance(plan.chats, FoundChats):
        return None
    missing = [problem for problem in plan.report.problems if problem.code in LOOKUP_CODES]
    return LookedUp(len(plan.chats.keys), int((plan.chats.chats > 0).sum()), missing)


def _named_rows(answers: Answers, forecast: Forecast | None) -> Iterator[int]:
    """The rows that the page names because of something that is to be known of them."""
    report = answers.plan.report
    for problem in (*answers.refused, *answers.warnings, *report.problems):
        yield from problem.rows
    yield from report.named
    for found in (forecast.repeats, forecast.other_texts) if forecast else ():
        yield from (row for row, _run in found[:10])


# What is shown


async def show_confirm(request: web.Request) -> web.Response:
    """All that is about to happen, and the button that does it."""
    page = page_of(request)
    draft = await page.draft(request)
    if not draft.portal:
        raise page.go(f"/sheets/{draft.id}/portal")
    if request.query.get("ask"):
        page.preflights.forget(draft)
        raise page.go(f"/sheets/{draft.id}/confirm")
    return await _show(page, draft, request.query.get("note", ""))


async def _show(
    page: Page, draft: Upload, note: str = "", wrong: str = "", posted: MultiMapping[Any] | None = None
) -> web.Response:
    """The page; ``wrong`` is what is wrong with the choices that were just made, the form being ``posted``.

    These are shown as they were made, and everything else as it would be without them.
    """
    known = await _known(page, draft)
    if isinstance(known, web.Response):
        return known
    answers, outlook = known
    forecast = outlook.forecast
    rows = rows_to_send(draft, forecast)
    options = _sending(page, draft, forecast).spread(rows).options(rows)
    prediction, first_at, closing = None, None, 0
    if forecast is not None and rows:
        zones = _zones(forecast, rows)
        starts = answers.findings.not_active
        prediction = await page.ask(lambda journal: predict_end(journal, answers.target, zones, options, starts=starts))
        opens = [at for zone in zones if (at := options.schedule.opens_at(prediction.now, zone)) is not None]
        first_at = min(opens, default=None)
        closing = _closing(answers, options, rows, prediction)
    repeats = forecast.repeats if forecast else ()
    typed = draft.typed if posted is None else _typed(posted)
    return page.show(
        "confirm.html",
        status=400 if wrong else 200,
        here="sheet",
        step="confirm",
        draft=draft if posted is None else _readable(draft, posted),
        limit=(draft.limit or "") if posted is None else chosen(posted, "limit"),
        speaker=(draft.user_id or "") if posted is None else chosen(posted, "user_id"),
        answers=answers,
        outlook=outlook,
        forecast=forecast,
        rest=await page.ask(partial(rest_of, run=outlook.sent_before.run)) if outlook.sent_before else None,
        report=answers.plan.report,
        looked_up=_looked_up(answers.plan),
        rows=rows,
        once_more=rows_once_more(draft, forecast, rows),
        all_rows=rows_to_send(replace(draft, limit=None), forecast),
        entities=(await page.do(lambda: page.checks.good_rows(draft))).entities(_named_rows(answers, forecast)),
        repeats=repeats,
        repeats_of=sorted({run for _, run in repeats}),
        first=forecast.preview.rows(without_repeats=draft.repeats == "skip")[:rows] if forecast else (),
        other_texts=forecast.other_texts if forecast else (),
        schedule=options.schedule,
        prediction=prediction,
        first_at=first_at,
        closing=closing,
        finished=any(problem.code == DIALOG_FINISHED for problem in (*answers.refused, *answers.warnings)),
        # Dialogs that are started again are said with the choice.
        warnings=[problem for problem in answers.warnings if problem.code != DIALOG_FINISHED],
        typed={**dict.fromkeys(_TYPED, ""), **typed},
        days=typed.get("days", ",".join(DAY_NAMES)).split(","),
        day_names=DAY_NAMES,
        local_zone=local_zone_name(),
        may_verify=not page.jobs.leaves(draft.portal),
        mark=_mark(draft),
        nonce=secrets.token_hex(12),
        note=note if note in _NOTES else "",
        wrong=wrong,
        unanswered=bool(repeats) and not draft.repeats,
    )


def _mark(draft: Upload) -> str:
    """What was shown when the button was pressed: something else may have been chosen meanwhile, in another tab."""
    return hashlib.blake2b(repr(replace(draft, confirmed={})).encode(), digest_size=12).hexdigest()


# What is chosen


def _choices(draft: Upload, form: MultiMapping[Any]) -> Upload:
    """The draft with what the form of choices says.

    Raises:
        UsageError: something in it cannot be read.
    """
    limit, user = chosen(form, "limit"), chosen(form, "user_id")
    if not _is_positive(limit):
        raise UsageError(_("The number of rows to try first is a whole number above zero, or nothing."))
    if not _is_positive(user):
        raise UsageError(_("The number of the user who speaks is a whole number above zero, or nothing."))
    readable = _readable(draft, form)
    return replace(
        readable,
        limit=int(limit) if limit else None,
        user_id=int(user) if user else None,
        # A time that has passed since it was chosen is still the time that was chosen.
        schedule=draft.schedule if readable.typed == draft.typed else _schedule(readable.typed, time.time()),
    )


def _readable(draft: Upload, form: MultiMapping[Any]) -> Upload:
    """The draft with those choices of the form that can always be read, and times as they were typed."""
    pace, repeats = chosen(form, "pace"), chosen(form, "repeats")
    return replace(
        draft,
        pace=pace if pace in PACES else draft.pace,
        repeats=next((choice for choice in REPEATS if choice == repeats), draft.repeats),
        twice=chosen(form, "twice") == "yes",
        again=chosen(form, "again") == "yes",
        reopen=chosen(form, "reopen") == "yes",
        verify=chosen(form, "verify") == "yes",
        typed=_typed(form),
    )


def _is_positive(text: str) -> bool:
    return not text or bool(whole_number(text, 15))


def _typed(form: MultiMapping[Any]) -> dict[str, str]:
    """When messages may leave, as it was typed; all days are none."""
    typed = {name: chosen(form, name) for name in _TYPED}
    days = [day for day in DAY_NAMES if day in form.getall("day", [])]
    typed["days"] = "" if len(days) == len(DAY_NAMES) else ",".join(days)
    return {name: text for name, text in typed.items() if text}


def _schedule(typed: Mapping[str, str], now: float) -> dict[str, str]:
    """The same with times in full.

    Raises:
        UsageError: something in it cannot be read, or a time has passed.
    """
    if ("from" in typed) != ("to" in typed):
        raise UsageError(_("Give both hours: from when and until when messages may leave."))
    said = Sending(
        at=typed.get("at"),
        not_after=typed.get("not_after"),
        hours=f"{typed['from']}-{typed['to']}" if "from" in typed else None,
        days=typed.get("days"),
        timezone=typed.get("timezone"),
        over=typed.get("over"),
    ).resolved(now, {})
    return {name: value for name in _SCHEDULE if (value := getattr(said, name)) is not None}


async def confirm(request: web.Request) -> web.Response:
    """Take the choices, and where the button was pressed for just these, send: once, however often it is pressed."""
    page, form = page_of(request), await form_of(request)
    async with page.lock(request.match_info["draft"]):
        draft = await page.draft(request)
        back = f"/sheets/{draft.id}/confirm"
        nonce = chosen(form, "nonce")
        if chosen(form, "do") == "send" and nonce in draft.confirmed:
            raise page.go(f"/campaigns/{draft.confirmed[nonce]}")
        try:
            changed = _choices(draft, form)
        except UsageError as error:
            if not draft.portal:
                return page.excuse(error)
            return await _show(page, draft, wrong=str(error), posted=form)
        if changed != draft:
            await page.do(lambda: page.uploads.save(changed))
        if chosen(form, "do") != "send":
            raise page.go(back)
        if changed != draft or chosen(form, "mark") != _mark(draft) or not nonce:
            raise page.go(f"{back}?note=changed")
        known = await _known(page, draft)
        if isinstance(known, web.Response):
            return known
        answers, outlook = known
        forecast = outlook.forecast
        if not rows_to_send(draft, forecast) or (forecast and forecast.repeats and not draft.repeats):
            raise page.go(back)
        return await _start(page, draft, answers, forecast, nonce)


async def add_stop_list(request: web.Request) -> web.Response:
    """Take the sheet of those who are to get nothing, and say at once what is wrong with it.

    The earlier one is in force until the new one is here whole and can be read.
    """
    page = page_of(request)
    draft = await page.draft(request)
    unused: list[Upload] = []

    def make_room(name: str) -> Path:
        unused.append(page.uploads.begin_stop_list(draft, name))
        return page.uploads.stop_list(unused[-1])

    try:
        path = await receive_file(page, request, make_room)
        if isinstance(path, web.Response):
            return path
        try:
            await page.do(lambda: StopList([path]), page.files)
        except BulksendError as error:
            return await _show(page, await page.draft(request), wrong=str(error))
        stop_list = unused[-1].stop_list
        before = await change_draft(page, request, lambda draft: replace(draft, stop_list=stop_list))
        unused[:] = [before]
    finally:
        await page.ask(lambda journal: _delete_stop_lists(page, journal, unused))
    raise page.go(f"/sheets/{draft.id}/confirm")


async def remove_stop_list(request: web.Request) -> web.Response:
    """Do without it."""
    page = page_of(request)
    before = await change_draft(page, request, lambda draft: replace(draft, stop_list=""))
    await page.ask(lambda journal: _delete_stop_lists(page, journal, [before]))
    raise page.go(f"/sheets/{before.id}/confirm")


def _delete_stop_lists(page: Page, journal: Journal, drafts: Sequence[Upload]) -> None:
    """Delete stop lists that are not in force any more, unless a campaign needs them to be continued."""
    runs = journal.runs()
    for draft in drafts:
        if draft.stop_list and not page.uploads.needed_by(page.uploads.stop_list(draft), runs):
            page.uploads.remove_stop_list(draft)


# What is done


async def _start(page: Page, draft: Upload, answers: Answers, forecast: Forecast | None, nonce: str) -> web.Response:
    page.preflights.forget(draft)
    job = await page.begin(_prepare(page, draft, answers, forecast))
    if job.run_id is None:
        if isinstance(job.cause, Held):
            raise page.go(f"/campaigns/{job.cause.run_id}?note=held")
        if isinstance(job.cause, AlreadyDone):
            raise page.go(f"/campaigns/{job.cause.run.id}?note=done")
        if isinstance(job.cause, CampaignChanged | SentBefore):
            raise page.go(f"/sheets/{draft.id}/confirm?note=changed")
        return page.excuse(UsageError(_("{error} Nothing was sent.").format(error=job.error)))
    changed = replace(draft, confirmed={**draft.confirmed, nonce: job.run_id}, again=False)
    await page.do(lambda: page.uploads.save(changed))
    raise page.go(f"/campaigns/{job.run_id}")


def _prepare(
    page: Page, draft: Upload, answers: Answers, forecast: Forecast | None
) -> Callable[[Journal, ExitStack], tuple[Campaign, Options]]:
    plan = answers.plan
    sending = _sending(page, draft, forecast)
    who = actor()

    @contextmanager
    def entered(journal: Journal, stack: ExitStack) -> Iterator[Campaign]:
        target = stack.enter_context(
            find_target(draft.portal, page.home, user_id=draft.user_id, sandbox_rows=plan.sandbox_rows())
        )
        if not target.speaker:
            target = replace(target, speaker=answers.target.speaker)
        with Campaign.enter(
            journal,
            plan,
            target,
            again=draft.again,
            repeats=draft.repeats or "refuse",
            limit=draft.limit,
            refused=answers.findings.refused,
            settings=sending.settings(),
            stop_list=StopList(map(Path, sending.stop_list or ())),
            forecast=forecast,
            once=plan.report.has_repeats and not draft.twice,
        ) as campaign:
            yield campaign
        if draft.verify and not page.jobs.leaves(draft.portal):
            page.verifications.at_the_end(journal, campaign.id, target)

    def prepare(journal: Journal, stack: ExitStack) -> tuple[Campaign, Options]:
        campaign = stack.enter_context(entered(journal, stack))
        run = campaign.run
        options = Sending.kept(run.settings).options(run.counts.total, answers.target.settle)
        # Whoever continues a campaign whose time has passed has just seen that and pressed the button.
        options = replace(options, late=bool(forecast and forecast.known))
        page.foresee(journal, run, answers.target, options)
        with journal.transaction():
            if forecast is None or not forecast.known:
                journal.record(Action.ENTERED, run.id, actor=draft.by or who, at=draft.created)
            journal.record(Action.CONFIRMED, run.id, actor=who, detail=str(run.counts.pending))
        return campaign, options

    return prepare


ROUTES: Final = (
    ("GET", "/sheets/{draft}/confirm", show_confirm, Role.SENDER),
    ("POST", "/sheets/{draft}/confirm", confirm, Role.SENDER),
    ("POST", "/sheets/{draft}/stop-list", add_stop_list, Role.SENDER),
    ("POST", "/sheets/{draft}/stop-list/remove", remove_stop_list, Role.SENDER),
)
