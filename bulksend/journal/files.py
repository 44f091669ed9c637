"""The files of a journal on SQLite: the main one, and the write-ahead log with what was written last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.errors import JournalError
from bulksend.locale import _

if TYPE_CHECKING:
    from pathlib import Path


class JournalFiles:
    """Whether the files at a journal's path are still the ones that were opened.

    They are only asked about, never opened here: POSIX lets go of SQLite's locks on a file when any descriptor of it is
    closed, and another process would then take the file for one that nobody uses.

    Attributes:
        torn: the write-ahead log was not there when the journal was opened, so that whatever a process wrote that was
            killed may be missing.
    """

    def __init__(self, path: Path) -> None:
        """Look at the files before they are opened."""
        self._path, self._log = path, path.with_name(f"{path.name}-wal")
        self.torn = not _size(self._log)
        if not self.torn and not _size(path):
            raise JournalError(
                _(
                    "{path} is missing, though {other} is there; the files of a journal belong together: put "
                    "it back, or move the other one away."
                ).format(path=path, other=self._log)
            )
        self._opened: tuple[tuple[int, int] | None, ...] = ()

    def opened(self) -> None:
        """Remember which files they are."""
        self._opened = self._found()

    def check(self) -> None:
        """Raise `JournalError` where another file, or none, is in the place of one of them."""
        for path, opened, found in zip((self._path, self._log), self._opened, self._found(), strict=False):
            if found != opened:
                raise JournalError(
                    _(
                        "{path} was deleted or replaced while it was in use, so nothing more is sent. The "
                        "journal's files belong together: put them back as they were. Else only the results "
                        "sheet knows what was sent."
                    ).format(path=path)
                )

    def _found(self) -> tuple[tuple[int, int] | None, ...]:
        return _identity(self._path), _identity(self._log)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other one, whatever it is called."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
