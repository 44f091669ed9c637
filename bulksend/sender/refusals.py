"""When refusals of rows are the campaign's own."""

from __future__ import annotations

from bulksend.portal.outcomes import Outcome, Verdict


class Refusals:
    """Watches a campaign's first rows: if all of them are refused alike, the others would be too.

    Args:
        most: how many may be refused alike from the very first on; None for any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._code = ""
        self._alike = 0

    def too_many(self, outcome: Outcome) -> int:
        """Take in what became of a row; how many were refused alike, where that is too many, else 0."""
        if self._most is None:
            return 0
        if outcome.verdict is Verdict.REFUSED:
            if self._alike and outcome.code != self._code:
                self._most = None
                return 0
            self._code = outcome.code
            self._alike += 1
        elif outcome.verdict is Verdict.DONE:
            self._most = None
            return 0
        return self._alike if self._alike >= self._most else 0
