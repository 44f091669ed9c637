"""Who may move the rows of a campaign, and how it is told that somebody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulksend.errors import JournalError, UsageError

if TYPE_CHECKING:
    from bulksend.journal.holder import Holder

HEARTBEAT_SECONDS: Final = 5.0
"""How often a process that holds a campaign gives a sign of life."""

ABANDONED_SECONDS: Final = 90.0
"""A holder on another machine that has given no sign of life for so long is taken for dead."""


class Held(UsageError):
    """Another process holds the campaign."""

    def __init__(self, run_id: int, holder: Holder | None) -> None:
        self.run_id = run_id
        who = f"process {holder.pid} on {holder.host} since {holder.since_text}" if holder else "another process"
        super().__init__(
            f"Campaign {run_id} is being sent by {who}; wait until it ends, or stop it there, then run this again."
        )


class TakenOver(JournalError):
    """A campaign was taken by another process, because its holder gave no sign of life for long."""

    def __init__(self, run_id: int) -> None:
        super().__init__(
            f"Campaign {run_id} was taken over by another process, because this one gave no sign of life for long (a "
            "computer that slept?); nothing more is sent here: `bulksend runs` shows how it goes on."
        )
