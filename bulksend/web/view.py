"""A campaign as the page shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.journal import Stage, State
from bulksend.portal.credential_store import PortalStore
from bulksend.results import STATUS
from bulksend.sender.settings import Sending
from bulksend.target import SANDBOX
from bulksend.web.page import page_of, whole_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bulksend.jobs import CampaignJob
    from bulksend.journal import Counts, Journal, Run
    from bulksend.web.page import Page
    from bulksend.web.verifications import Verification

UNDER_WAY: Final = "under_way"
"""What the page calls a row that has left and of which it is not known yet whether it arrived."""

WORDS: Final = {**STATUS, State.SENDING: UNDER_WAY, State.IN_DOUBT: UNDER_WAY}
"""What the page calls each state of a row: as the results sheet does, which is written once nothing is under way."""

SHOWN: Final[dict[str, Collection[State]]] = {
    word: tuple(state for state in State if WORDS[state] == word)
    for word in ("sent", "failed", "unknown", UNDER_WAY, "not_sent", "invalid", "skipped")
}
"""What can be shown of the rows, in the order in which it is: what they are called → the states that are."""

LIVE: Final = frozenset({"sending", "scheduled", "stopping", "elsewhere", "verifying"})


@dataclass(frozen=True, slots=True)
class View:
    """A campaign as the page shows it.

    Attributes:
        run: as the journal has it.
        state: see `standing`.
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
    def over(self) -> bool:
        """Whether what was not sent is not going to be, unless somebody wants it after all."""
        return self.state in {"stopped", "finished"}

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


def waits_until(page: Page, journal: Journal, run: Run) -> float:
    """Until when (Unix seconds) the times and hours of a campaign let no row of it leave; 0 where one may."""
    schedule = Sending.kept(run.settings).schedule()
    if schedule.always:
        return 0.0
    now = journal.now()
    zones = page.zones_of(journal, run) if schedule.has_windows else [""]
    opens = [moment for zone in zones if (moment := schedule.opens_at(now, zone)) is not None]
    earliest = min(opens, default=0.0)
    return earliest if earliest > now + 1 else 0.0


def by_status(counts: Counts) -> dict[str, int]:
    """Rows by what the page calls them."""
    found = {word: sum(getattr(counts, state.value) for state in states) for word, states in SHOWN.items()}
    return {word: rows for word, rows in found.items() if rows}


async def view(page: Page, run: Run) -> View:
    """A campaign as it is now."""
    job = await page.do(lambda: page.jobs.of(run.id))
    state = standing(run, job)
    asked = page.verifications.of(run.id)
    if asked is not None and (job is None or run.stage is Stage.FINISHED):
        state = "verifying"
    counts = run.counts
    settled = counts.sent + counts.failed + counts.unknown
    rate = page.pace.see(run.id, settled) if state in {"sending", "elsewhere"} else None
    progress = job.progress if job is not None else None
    now = time.time()
    opens_at = await page.ask(lambda journal: waits_until(page, journal, run)) if state == "elsewhere" else 0.0
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


async def run_of(request: web.Request) -> Run:
    """The campaign that an address names."""
    page = page_of(request)
    asked = whole_number(request.match_info["run"])
    if asked is None:
        raise web.HTTPNotFound
    return await page.ask(lambda journal: journal.run(asked))


async def portals_of(page: Page, run: Run) -> Sequence[str]:
    """The saved portals through which a campaign that was sent to an address can be continued."""
    return (await page.do(PortalStore(page.home).names_by_portal)).get(run.portal, ())
