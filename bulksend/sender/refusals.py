"""When refusals of rows are the campaign's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.journal import State
from bulksend.locale import _

if TYPE_CHECKING:
    from bulksend.journal import Change


class Refusals:
    """Watches a campaign's first rows: if all of them are refused alike, the others would be too.

    Args:
        most: how many may be refused alike from the very first on; None for any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._code = ""
        self._alike = 0
        self.sentence = ""
        """Why the others are kept back, once they are."""

    def watch(self, change: Change) -> None:
        """Take in what became of a row."""
        if self._most is None or change.after not in {State.SENT, State.FAILED}:
            return
        if change.after is State.SENT or (self._alike and change.error_code != self._code):
            self._most = None
            return
        self._code = change.error_code
        self._alike += 1
        if self._alike >= self._most:
            self.sentence = _(
                "All of the first {rows} rows were refused with {code}, so the others are kept back. "
                "{advice} If the other rows are right, resume the campaign."
            ).format(rows=self._alike, code=self._code, advice=change.error_description)
