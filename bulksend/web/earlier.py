"""What earlier campaigns sent of a sheet, and where what they did not send can be sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulksend.entry.codes import BEYOND_LIMIT
from bulksend.entry.resumption import RETRIED
from bulksend.journal import State
from bulksend.sender.options import SAME_TEXT_SECONDS
from bulksend.target import SANDBOX
from bulksend.validation import LOOKUP_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulksend.journal import Journal, Run
    from bulksend.plan import Plan
    from bulksend.web.checks import GoodRows

NAMED: Final = 5
"""How many campaigns are named."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Rows of a campaign that were not sent: how many can still be, and on which place of the page."""

    rows: int
    path: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What campaigns on real portals sent of a sheet, and what they are yet to send of it.

    Attributes:
        sent: how many of its rows.
        campaigns: the newest campaigns that sent them, and how many each.
        maybe: how many of its rows left without an answer, so that it is not known whether they arrived.
        maybe_in: the newest campaigns of which they are, and how many each.
        waiting: how many of its rows wait in campaigns that are paused or running.
        waiting_in: the newest of these, and how many wait in each.
        same: the campaign that the sheet is, rather than one that shares rows with it; None where there is none.
        left: how many of the rows that can be sent are none of these.
        not_known: how many of them name no chat, so that it is not known yet whether they were sent.
        rest: those of ``same`` that can still be sent; None where there are none.
    """

    sent: int
    campaigns: Sequence[tuple[int, int]]
    maybe: int
    maybe_in: Sequence[tuple[int, int]]
    waiting: int
    waiting_in: Sequence[tuple[int, int]]
    same: int | None
    left: int
    not_known: int
    rest: Rest | None


def find_earlier(journal: Journal, plan: Plan, good: GoodRows) -> Earlier | None:
    """What is known of a sheet before its portal is chosen; None where nothing of it was sent or waits."""
    runs = [run for run in journal.of_content(plan.content) if run.portal != SANDBOX]
    same = next((run for run in runs if run.counts.sent or _may_have_arrived(run)), None)
    day_ago = journal.now() - SAME_TEXT_SECONDS
    texts = [text for text in good.texts.tolist() if text]
    wanted = sorted(set(texts))
    left: dict[int, int] = {}
    sent: dict[int, int] = {}
    for portal in sorted({*journal.portals_since(day_ago), *(run.portal for run in runs)} - {SANDBOX}):
        # What the sheet itself sent counts however long ago that was.
        since = min([day_ago, *(run.created_at for run in runs if run.portal == portal)])
        found = journal.sent_since(portal, wanted, since)
        unclear = {run.id for run in journal.runs() if _may_have_arrived(run)}
        doubtful = [text for text, run in found.items() if run in unclear]
        left |= found
        sent |= {text: run for text, run in found.items() if run not in unclear}
        sent |= journal.sent_since(portal, doubtful, since, arrived=True)
    held = journal.waiting(set(wanted), but_for=SANDBOX)
    rows = Counter(sent[text] for text in texts if text in sent)
    maybe = Counter(left[text] for text in texts if text in left and text not in sent)
    waiting = Counter(held[text] for text in texts if text in held and text not in left)
    not_known = len(good.texts) - len(texts)
    if same is not None and not rows and not maybe and not waiting:  # its chats are yet to be looked up
        rows, maybe = Counter({same.id: same.counts.sent}), Counter({same.id: _may_have_arrived(same)})
        not_known = 0
    counted = rows.total() + maybe.total() + waiting.total()
    if not counted:
        return None
    return Earlier(
        sent=rows.total(),
        campaigns=_newest(rows),
        maybe=maybe.total(),
        maybe_in=_newest(maybe),
        waiting=waiting.total(),
        waiting_in=_newest(waiting),
        same=same.id if same else None,
        left=max(0, len(good.texts) - not_known - counted),
        not_known=not_known,
        rest=rest_of(journal, same) if same else None,
    )


def _may_have_arrived(run: Run) -> int:
    """How many rows of a campaign left without an answer."""
    return run.counts.by_status()["unknown"]


def _newest(rows: Counter[int]) -> Sequence[tuple[int, int]]:
    return sorted(rows.items(), reverse=True)[:NAMED]


def rest_of(journal: Journal, run: Run) -> Rest | None:
    """What of a campaign can still be sent, None where nothing can."""
    if not run.headings:  # its texts were deleted
        return None
    if run.counts.left:
        return Rest(run.counts.left, f"/campaigns/{run.id}")
    codes = journal.reasons(run.id)
    if beyond := codes.get((State.SKIPPED, BEYOND_LIMIT), 0):
        return Rest(beyond, f"/campaigns/{run.id}")
    rows = retried(journal, run.id, codes).total()
    return Rest(rows, f"/campaigns/{run.id}/retry") if rows else None


def retried(journal: Journal, run_id: int, reasons: Mapping[tuple[State, str], int]) -> Counter[tuple[State, str]]:
    """Of the reasons for which rows were not sent, those with which rows are sent again, and how many rows that are."""
    found = Counter(
        {
            (state, code): rows
            for (state, code), rows in reasons.items()
            if state is State.FAILED or code in RETRIED.get(state, ())
        }
    )
    in_vain = {reason: journal.without_chat(run_id, *reason) for reason in found if reason[1] in LOOKUP_CODES}
    return found - Counter(in_vain)
