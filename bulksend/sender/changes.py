"""What became of rows, until the journal has it."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulksend.journal import Change, Journal, Row, Run, State

_log: Final = logging.getLogger(__name__)


class Changes:
    """The changes of a campaign's rows, gathered and written in one step of the journal with others.

    Attributes:
        counts: how many rows are in each state, as far as it is written.
        seen_message_id: the highest message id in the histories that were read, to be written.
    """

    def __init__(self, journal: Journal, run: Run) -> None:
        self._journal, self._run = journal, run
        self.counts = self._committed = run.counts
        self.seen_message_id: int | None = None
        self._unwritten: list[Change] = []
        self._uncommitted: list[Change] = []

    def add(self, change: Change, row: Row) -> None:
        """A row has changed; it is written by the next `write`."""
        self._unwritten.append(change)
        if _log.isEnabledFor(logging.INFO):
            state, code = change.after.value, change.error_code
            event = {"event": "row", "run": self._run.id, "row": row.number, "state": state, "error_code": code or None}
            _log.info(
                _("Row %d: %s %s"), row.number, state, code, extra={"event": {**event, "message_id": change.message_id}}
            )

    def written(self, before: State, after: State, rows: int) -> None:
        """So many rows have changed in the journal, in this step."""
        self.counts = self.counts.moved({(before, after): rows})

    def saw(self, message_id: int) -> None:
        """A message with this id stands in a history."""
        self.seen_message_id = max(self.seen_message_id or 0, message_id)

    def write(self, update_pace: Callable[[str], str] | None = None) -> frozenset[int]:
        """Write what has been added, and what answers taught of the portal's limits.

        Returns the ``n`` of rows that stay in doubt, because the message found for them has become another row's.
        """
        if not self._unwritten and update_pace is None and self.seen_message_id is None:
            return frozenset()
        conflicts = self._journal.apply(
            self._run.id,
            self._unwritten,
            portal=self._run.portal,
            update_pace=update_pace,
            seen_message_id=self.seen_message_id,
        )
        self.seen_message_id = None
        written = [change for change in self._unwritten if change.n not in conflicts]
        self.counts = self.counts.moved(Counter((change.before, change.after) for change in written))
        self._uncommitted += written
        self._unwritten = []
        return conflicts

    def committed(self) -> None:
        """All that was written is durably in the journal."""
        self._committed = self.counts
        self._uncommitted = []

    def rolled_back(self) -> None:
        """Nothing that was written since the last time is in the journal: it is still to be written."""
        self.counts = self._committed
        self._unwritten = self._uncommitted + self._unwritten
        self._uncommitted = []
