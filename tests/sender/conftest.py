"""What the sender's tests share: a campaign sent in this process to a sandbox that answers at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bulksend.campaign import Campaign
from bulksend.journal import Journal, Row, Run, State
from bulksend.plan import SheetOptions, examine
from bulksend.portal.authorisation import parse_webhook
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Limits, Sandbox
from bulksend.sender.options import Options, Progress, RunResult
from bulksend.target import Target
from tests.processes import TestRow, assert_exactly_once, write_sheet

SWIFT = Options(rate_limit=RateLimit(rate=0), max_in_flight=4, timeout=1.0, settle=0.5, outage=20.0)
"""No pace, and all waits short."""


@dataclass
class Desk:
    """Somebody who sends sheets to a portal and looks what became of them."""

    folder: Path
    portal: Sandbox
    journal_path: Path
    sheets: int = 0
    progress: list[Progress] = field(default_factory=list)

    @property
    def target(self) -> Target:
        """The portal as a target."""
        caller = parse_webhook(self.portal.webhook)
        return Target(caller.portal, "", caller, 27)

    def sheet(self, lines: Sequence[TestRow]) -> Path:
        """Write a sheet under a name of its own."""
        self.sheets += 1
        return write_sheet(self.folder / f"sheet{self.sheets}.csv", lines)

    def send(
        self,
        lines: Sequence[TestRow],
        options: Options = SWIFT,
        *,
        again: bool = False,
        meanwhile: Callable[[Campaign, Progress], None] | None = None,
        **changes: object,
    ) -> tuple[RunResult, Run]:
        """Send a sheet, or go on with it, and give how it ended and the campaign as the journal has it then."""
        plan = examine(self.sheet(lines), SheetOptions())
        with Journal(self.journal_path) as journal:
            with Campaign.enter(journal, plan, self.target, again=again) as campaign:
                ending = self._carry_out(campaign, replace(options, **changes), meanwhile)  # type: ignore[arg-type]
                run_id = campaign.id
            return ending, journal.run(run_id)

    def resume(self, run: Run, options: Options = SWIFT, *, retry: bool = False) -> tuple[RunResult, Run]:
        """Go on with a campaign."""
        with Journal(self.journal_path) as journal:
            with Campaign.resume(journal, run, self.target, retry=retry) as campaign:
                ending = self._carry_out(campaign, options, None)
            return ending, journal.run(run.id)

    def _carry_out(
        self, campaign: Campaign, options: Options, meanwhile: Callable[[Campaign, Progress], None] | None
    ) -> RunResult:
        def tell(progress: Progress) -> None:
            self.progress.append(progress)
            if meanwhile is not None:
                meanwhile(campaign, progress)

        return campaign.send(options, tell)

    def rows(self, run: Run) -> list[Row]:
        """All rows of a campaign as the journal has them."""
        with Journal(self.journal_path) as journal:
            return list(journal.all_rows(run.id))

    def states(self, run: Run) -> list[State]:
        """The states of all rows."""
        return [row.state for row in self.rows(run)]

    def ids(self, run: Run) -> list[int | None]:
        """The message ids of all rows, as the results sheet has them."""
        with Journal(self.journal_path) as journal:
            return [record.message_id for record in journal.outcomes(run.id)]

    def sentence(self, run: Run, n: int) -> str:
        """What the results sheet says of a row."""
        with Journal(self.journal_path) as journal:
            records = list(journal.outcomes(run.id))
        return str(records[n].error_description)

    def assert_each_once(self, lines: Sequence[TestRow], run: Run) -> None:
        """Every row was delivered once and in order, and the journal says so with the ledger's ids."""
        self.portal.drain()
        ledger = self.portal.ledger
        assert_exactly_once(lines, [entry._asdict() for entry in ledger])
        assert set(self.states(run)) == {State.SENT}
        assert sorted(filter(None, self.ids(run))) == sorted(entry.message_id for entry in ledger)
        assert run.counts.sent == run.counts.total == len(lines)


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """An open portal without limits."""
    with Sandbox(limits=Limits.none()) as sandbox:
        yield sandbox


@pytest.fixture
def desk(tmp_path: Path, portal: Sandbox) -> Desk:
    """A desk with a journal of its own."""
    return Desk(tmp_path, portal, tmp_path / "journal.db")
