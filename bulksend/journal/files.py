"""The files of a journal on SQLite: the main one, and the write-ahead log with what was written last."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from bulksend.errors import JournalError

_WAL_MODE: Final = slice(18, 20)
"""Where a database's header says that a write-ahead log may belong to it (2 and 2)."""


_descriptors: dict[tuple[int, int], tuple[int, int]] = {}
"""The file → a descriptor of it, and how many journals of this process use the file.

POSIX lets go of all locks that a process has on a file when it closes any descriptor of it, SQLite's among them:
another process would then take the file for one that nobody uses, and delete the write-ahead log. So a descriptor is
closed only once no journal is open any more.
"""
_guard = threading.Lock()
_BINARY: Final = getattr(os, "O_BINARY", 0)


class JournalFiles:
    """Whether the files at a journal's path are still the ones that were opened.

    Attributes:
        torn: the write-ahead log was not there when the journal was opened, so that whatever a process wrote that was
            killed may be missing.
    """

    def __init__(self, path: Path) -> None:
        """Look at the files before they are opened."""
        self._path, self._log = path, Path(f"{path}-wal")
        header = self._read_header()
        has_log = self._log.exists() and self._log.stat().st_size > 0
        if has_log and not header:
            self.close()
            raise JournalError(
                f"{path} is missing, though {self._log} is there; the files of a journal belong together: put it back, "
                "or move the other one away."
            )
        self.torn = header[_WAL_MODE] == b"\2\2" and not has_log
        self._opened: tuple[tuple[int, int] | None, ...] = ()

    def _read_header(self) -> bytes:
        with _guard:
            found = self._path.stat()
            self._file = found.st_dev, found.st_ino
            descriptor, users = _descriptors.get(self._file) or (os.open(self._path, os.O_RDONLY | _BINARY), 0)
            _descriptors[self._file] = descriptor, users + 1
            os.lseek(descriptor, 0, os.SEEK_SET)
            return os.read(descriptor, 20)

    def close(self) -> None:
        """Let go of the files, once the database itself has done so."""
        with _guard:
            descriptor, users = _descriptors.pop(self._file, (-1, 0))
            if users > 1:
                _descriptors[self._file] = descriptor, users - 1
            elif users:
                os.close(descriptor)

    def opened(self) -> None:
        """Remember which files they are."""
        self._opened = self._found()

    def check(self) -> None:
        """Raise `JournalError` where another file, or none, is in the place of one of them."""
        for path, opened, found in zip((self._path, self._log), self._opened, self._found(), strict=False):
            if found != opened:
                raise JournalError(
                    f"{path} was deleted or replaced while it was in use, so nothing more is sent. The journal's files "
                    "belong together: put them back as they were. Else only the results sheet knows what was sent."
                )

    def _found(self) -> tuple[tuple[int, int] | None, ...]:
        return _identity(self._path), _identity(self._log)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other one, whatever it is called."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
