"""Where data lives, and private folders: readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Where the journal and saved portals live: ``BULKSEND_HOME``, else the platform's user-data folder."""
    named = os.environ.get("BULKSEND_HOME")
    if named:
        return Path(named)
    import platformdirs  # noqa: PLC0415 - whoever names a folder needs none

    return Path(platformdirs.user_data_dir("bulksend", appauthor=False))


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that only their owner may look into them.

    `Path.mkdir` would make the ones above as the umask allows.

    Raises:
        OSError: one of them cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
