"""A campaign in the journal that is taken up: as a whole or not at all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bulksend.entry.codes import ALREADY_SENT, BEYOND_LIMIT, STOP_LISTED, TOO_LATE
from bulksend.entry.draft import NOTHING_REFUSED, keep_interval
from bulksend.entry.refusals import AlreadyDone, CampaignChanged, SentBefore
from bulksend.journal import Repeat, Stage, State
from bulksend.portal.codes import ACCESS_DENIED, CHAT_NOT_IN_CRM, DIALOG_FINISHED
from bulksend.portal.error_help import advice
from bulksend.sender.options import SAME_TEXT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.entry.draft import Repeats
    from bulksend.journal import Journal, Run
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList

RETRIED: Final[Mapping[State, Sequence[str]]] = MappingProxyType(
    {State.INVALID: (CHAT_NOT_IN_CRM, DIALOG_FINISHED, ACCESS_DENIED), State.SKIPPED: (TOO_LATE,)}
)
"""What is sent again besides all that failed, by state and error code."""


def unfinished(journal: Journal, newest: Run | None, *, again: bool) -> Run | None:
    """Of a sheet's newest campaign: the campaign itself if entering the sheet resumes it; None if a new one begins.

    Raises:
        AlreadyDone: it was sent before and ``again`` is not set.
    """
    if newest is None or newest.stage is not Stage.FINISHED:
        return newest
    if again:
        return None
    skipped = journal.codes(newest.id) if newest.counts.skipped else {}
    if (State.SKIPPED, BEYOND_LIMIT) not in skipped:  # what only an earlier limit left out is yet to be sent
        raise AlreadyDone(newest, skipped.get((State.SKIPPED, ALREADY_SENT), 0))
    return newest


def take_up(
    journal: Journal,
    run: Run,
    target: Target,
    settings: dict[str, Any] | None,
    *,
    again: bool = False,
    repeats: Repeats | None = "skip",
    lift_limit: bool = False,
    limit: int | None = None,
    refused: Mapping[int, tuple[str, str]] = NOTHING_REFUSED,
    retry: bool = False,
    resend_unknown: bool = False,
    stop_list: StopList | None = None,
    unpause: bool = True,
) -> list[Repeat]:
    """Take a campaign for this process and reopen or leave out rows of it; to be called in a transaction.

    With ``lift_limit`` an earlier limit is replaced by ``limit``. ``repeats`` None leaves the rows that other campaigns
    have sent as they are. Returns these rows.
    """
    journal.acquire(run.id, settings or dict(run.settings), unpause=unpause)
    caller = target.authorisation
    journal.sent_through(run.id, portal_name=target.name, portal_address=caller.masked, identity=caller.identity)
    reopened = 0
    if lift_limit:
        reopened += journal.reopen(run.id, State.SKIPPED, [BEYOND_LIMIT])
    if retry:
        reopened += journal.reopen(run.id, State.FAILED)
        reopened += sum(journal.reopen(run.id, state, codes) for state, codes in RETRIED.items())
    if resend_unknown:
        reopened += journal.reopen(run.id, State.UNKNOWN)
    if again:
        journal.reopen(run.id, State.SKIPPED, [ALREADY_SENT])
        journal.send_again(run.id)
    journal.leave_out(run.id, refused)
    if stop_list:
        _stop(journal, run.id, stop_list)
    if limit is not None:
        journal.skip(run.id, BEYOND_LIMIT, advice(BEYOND_LIMIT), beyond=limit)
    keep_interval(journal, run.id)
    if again or run.again:
        return []
    since = journal.now() - SAME_TEXT_SECONDS
    # What was sent before this campaign was entered was looked at then, for rows that were open then. Without this a
    # campaign of a million rows would be compared with all the others whenever it is resumed.
    found = journal.sent_elsewhere(run.id, since if reopened else max(since, run.created_at))
    if found and repeats == "refuse":
        raise SentBefore(found)
    if found and repeats == "skip":
        journal.skip(run.id, ALREADY_SENT, advice(ALREADY_SENT), since=since)
    if found and repeats == "send":
        journal.send_again(run.id)
    return found


def _stop(journal: Journal, run_id: int, stop_list: StopList) -> None:
    """Leave out the pending rows that a stop list names."""
    after, named = -1, (STOP_LISTED, advice(STOP_LISTED))
    while rows := journal.open_rows(run_id, State.PENDING, after, 5_000):
        journal.leave_out(run_id, {row.n: named for row in rows if stop_list.names(row)}, State.SKIPPED)
        after = rows[-1].n


def require_unchanged(before: Run | None, now: Run | None) -> None:
    """Raise `CampaignChanged` where a campaign is another one than before, or has other counts."""
    if (before and (before.id, before.counts)) != (now and (now.id, now.counts)):
        raise CampaignChanged
