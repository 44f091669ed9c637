"""How large and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        folder: where sheets and journals are made; it is thrown away afterwards.
        most_rows: no sheet has more rows than this.
        rounds: how often each measurement is made.
    """

    folder: Path
    most_rows: int = 1_000_000
    rounds: int = 3

    def rows(self, full: int) -> int:
        """So many rows, or as many as there may be."""
        return min(full, self.most_rows)

    def judged(self, full: int, *, met: bool) -> bool | None:
        """Whether a bar is met; None where the rows were too few to tell."""
        return met if self.most_rows >= full else None
