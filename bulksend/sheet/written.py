"""What bulksend wrote last to each place, so that what somebody has changed there since is kept.

A digest for each place stands in the data folder. Where there is none, or it cannot be read, what is in the place
counts as changed: nothing is lost by keeping it.
"""

import contextlib
import glob
import hashlib
import logging
import os
from itertools import count
from pathlib import Path
from typing import Final

from bulksend.folders import home, make_private
from bulksend.locale import _

_log: Final = logging.getLogger(__name__)


def keep_changed(path: Path) -> None:
    """Rename the file in ``path`` if it is not as `remember` knows it, and log a warning that says so.

    Raises:
        OSError: it cannot be renamed; `PermissionError` where another program holds it, on Windows.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    with contextlib.suppress(OSError):
        if _record(path).read_text(encoding="ascii") == _digest(path):
            return
    names = (path.with_name(f"{path.stem}.changed-{number}{path.suffix}") for number in count(1))
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    sentence = _("'{path}' is not as bulksend wrote it: it was kept as {kept}, and a new one took its place.")
    _log.warning("%s", sentence.format(path=path, kept=kept))


def remember(path: Path) -> None:
    """Remember that bulksend wrote what is in ``path`` now."""
    with contextlib.suppress(OSError):
        record = _record(path)
        make_private(record.parent)
        record.write_text(_digest(path), encoding="ascii")


def has_written(path: Path) -> bool:
    """Whether bulksend has written to ``path``, whatever became of it since."""
    return _record(path).exists()


def forget(path: Path) -> None:
    """Forget a file that is going to be deleted."""
    with contextlib.suppress(OSError):
        _record(path).unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Delete the sheet in ``path`` and the versions of it that were kept, and forget it.

    Raises:
        OSError: one of them cannot be deleted.
    """
    for file in (path, *path.parent.glob(f"{glob.escape(path.stem)}.changed-*{path.suffix}")):
        file.unlink(missing_ok=True)
    forget(path)


def _record(path: Path) -> Path:
    place = os.path.normcase(path.parent.resolve() / path.name)
    return home() / "written" / hashlib.sha256(os.fsencode(place)).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
