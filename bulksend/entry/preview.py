"""What sending a sheet would begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulksend.journal import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bulksend.journal import NewRow, Repeat, Row, Run, ZoneRows


class Preview:
    """The first messages that would be sent."""

    def __init__(self, length: int = 3) -> None:
        """Keep so many."""
        self._length = length
        self._rows: list[NewRow | Row] = []
        self._not_repeated: list[NewRow | Row] = []

    def add(self, rows: Iterable[NewRow | Row], repeats: Sequence[Repeat]) -> bool:
        """Take in the next rows, and say whether more are needed."""
        repeated = {repeat.number for repeat in repeats}
        for row in rows:
            if self._full():
                break
            if row.state is State.PENDING:
                if len(self._rows) < self._length:
                    self._rows.append(row)
                if row.number not in repeated:
                    self._not_repeated.append(row)
        return not self._full()

    def rows(self, *, without_repeats: bool = False) -> Sequence[NewRow | Row]:
        """The first of all rows, or of those that no other campaign has sent."""
        return self._not_repeated if without_repeats else self._rows

    def _full(self) -> bool:
        return len(self._not_repeated) == self._length


@dataclass(frozen=True, slots=True)
class Forecast:
    """What sending a sheet would begin with.

    Attributes:
        run: the campaign as it would be: its pending rows would be sent. Its number is 0 where it would be a new one.
        repeats: the rows among them that other campaigns have sent.
        preview: the first of them.
        once_more: of a sheet that is sent once more, the places, among all pending rows, of those that were sent.
        duplicates: how many rows are left out because an earlier one has the same text for the same chat.
        other_texts: the rows whose chat other campaigns lately sent another text to, where that was wanted.
        newest: the newest campaign of the same sheet in the journal.
        written: the sheet that says what would become of each row, where one was asked for.
        zones: the pending rows of each time zone.
        stopped: how many rows a stop list leaves out.
    """

    run: Run
    repeats: Sequence[Repeat]
    preview: Preview
    newest: Run | None
    written: Path | None = None
    zones: Mapping[str, ZoneRows] = field(default_factory=dict)
    stopped: int = 0
    other_texts: Sequence[Repeat] = ()
    duplicates: int = 0
    once_more: Sequence[int] = ()

    @property
    def known(self) -> bool:
        """Whether a campaign that is in the journal would be resumed."""
        return self.run.id != 0
