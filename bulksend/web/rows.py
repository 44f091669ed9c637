"""One row of a campaign, and what a person decides about one that is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.errors import BulksendError, UsageError
from bulksend.journal import Action, Journal, Role, State
from bulksend.locale import _
from bulksend.portal.methods import stored_text
from bulksend.queries.last_messages import last_messages
from bulksend.target import SANDBOX, find_target
from bulksend.web.door import USER, actor
from bulksend.web.page import chosen, form_of, page_of, whole_number
from bulksend.web.preflights import asking
from bulksend.web.view import WORDS, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.journal import RowRecord, Run
    from bulksend.portal.methods import HistoryMessage
    from bulksend.web.page import Page


async def show_row(request: web.Request) -> web.Response:
    """One row; beside an unknown one the last messages of its chat."""
    page = page_of(request)
    run = await run_of(request)
    row = await _row(page, run, request)
    messages: Sequence[HistoryMessage] = []
    sentence = ""
    user = USER.get()
    if row.state is State.UNKNOWN and run.headings and user is not None and user.may_send:
        try:
            messages = await page.do(lambda: _history(page, run, row), page.portals)
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
    asked = whole_number(request.match_info["row"])
    if asked is None:
        raise web.HTTPNotFound
    return await page.ask(lambda journal: journal.row(run.id, asked))


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
    page, form = page_of(request), await form_of(request)
    run = await run_of(request)
    row = await _row(page, run, request)
    decision, message = chosen(form, "decision"), chosen(form, "message")
    if decision not in {"arrived", "resend"}:
        raise page.go(f"/campaigns/{run.id}/rows/{row.n}")
    message_id = whole_number(message, 18)
    if decision == "resend" and message_id is not None:
        return page.excuse(
            UsageError(
                _(
                    "A message of the chat is chosen as this row’s, so it arrived; nothing was changed. To send the "
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


ROUTES: Final = (
    ("GET", "/campaigns/{run}/rows/{row}", show_row, Role.VIEWER),
    ("POST", "/campaigns/{run}/rows/{row}", settle, Role.SENDER),
)
