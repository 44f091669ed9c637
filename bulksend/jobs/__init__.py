"""Who carries a campaign out, and when: threads of this process (`threads`), or workers on a queue (`queued`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from bulksend.campaign import Campaign
    from bulksend.journal import Journal
    from bulksend.sender.options import Options, Progress


class CampaignJob(Protocol):
    """One campaign that is being carried out.

    Attributes:
        error: the sentence on what kept it from being sent; empty where nothing did.
        cause: the error itself.
        here: whether this process carries it out.
    """

    error: str
    cause: Exception | None
    here: bool

    @property
    def run_id(self) -> int | None:
        """Its number; None until it is entered."""

    @property
    def progress(self) -> Progress | None:
        """What is known now; None until the first call."""

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

    def last_of(self, run_id: int) -> CampaignJob | None:
        """The newest job of this process that was at a campaign, ended or not."""

    def running(self) -> Sequence[CampaignJob]:
        """The jobs that have not ended."""

    def leaves(self, portal: str) -> bool:
        """Whether the campaigns of a saved portal are left to workers, which only send them."""

    def stop(self, run_id: int) -> bool:
        """Stop a campaign in good order; False where that changes nothing: nobody is at it, or it stops already."""

    def close(self) -> int:
        """Stop all campaigns in good order, wait for them, and return how many of this process that were."""
