"""Private folders: readable by their owner only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that only their owner may look into them.

    `Path.mkdir` would make the ones above as the umask allows.

    Raises:
        OSError: one of them cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
