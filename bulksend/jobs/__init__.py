"""Who carries a campaign out, and when: threads of this process (`bulksend.jobs.threads`), or workers on a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from bulksend.campaign import Campaign
    from bulksend.journal import Journal
    from bulksend.sender.options import Options, Progress


class CampaignJob(Protocol):
    """One campaign that is being carried out.

    Attributes:
        run_id: its number; None until it is entered.
        progress: what is known now; None until the first call.
        error: the sentence on what kept it from being sent; empty where nothing did.
        cause: the error itself.
    """

    run_id: int | None
    progress: Progress | None
    error: str
    cause: Exception | None

    @property
    def ended(self) -> bool:
        """Whether nothing is sent any more."""

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and waits for the calls under way."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False where the time ran out first."""

    def wait_until_entered(self, timeout: float) -> bool:
        """Wait until it has a number or has ended; False where the time ran out first."""


class Jobs(Protocol):
    """Carries campaigns out."""

    def start(self, prepare: Callable[[Journal, ExitStack], tuple[Campaign, Options]]) -> CampaignJob:
        """Enter a campaign, or take one up again, and send it."""

    def of(self, run_id: int) -> CampaignJob | None:
        """The job that is at a campaign now."""

    def running(self) -> list[CampaignJob]:
        """The jobs that have not ended."""

    def stop(self, run_id: int) -> bool:
        """Stop a campaign in good order; False where it is not carried out from here."""

    def close(self) -> None:
        """Stop all campaigns in good order and wait for them."""
