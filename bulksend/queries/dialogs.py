"""How chats' dialogs stand: whether what is sent would reach the customer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bulksend.portal import methods
from bulksend.portal.outcomes import Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from bulksend.queries.chats import Numbers
    from bulksend.queries.query import QueryRunner

    Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dialogs:
    """What the portal says of some chats, an entry for each.

    Attributes:
        told: whether it says anything.
        silent: whether silent mode is on.
        forbidden: whether the customer has forbidden messages.
        closes_at: when the channel stops to take messages or has stopped, Unix seconds; 0 where it does not.
        clock_ahead: seconds by which the portal's clock is ahead of this computer's.
    """

    told: Flags
    silent: Flags
    forbidden: Flags
    closes_at: Numbers
    clock_ahead: float

    def now(self) -> float:
        """The time by the portal's clock, by which channels close."""
        return time.time() + self.clock_ahead


def ask_for_dialogs(chats: Numbers, queries: QueryRunner) -> Dialogs:
    """Ask how the dialogs of these chats stand.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    told, silent, forbidden = (np.zeros(len(chats), dtype=np.bool_) for _ in range(3))
    closes_at = np.zeros(len(chats), dtype=np.int64)
    ahead: float | None = None
    calls = (methods.dialog_get(int(chat)) for chat in chats)
    for place, outcome in enumerate(queries.ask(calls, total=len(chats))):
        if outcome.timing is not None and outcome.timing.start is not None:
            # Each answer was given before now, so the most recent one tells most truly.
            this = outcome.timing.start - time.time()
            ahead = this if ahead is None else max(ahead, this)
        if outcome.verdict is not Verdict.DONE:
            continue
        try:
            dialog = methods.read_dialog(outcome.result)
        except ValueError:
            continue
        told[place], silent[place], forbidden[place] = True, dialog.silent, dialog.forbidden
        closes_at[place] = dialog.closes_at or 0
    return Dialogs(told, silent, forbidden, closes_at, ahead or 0.0)
