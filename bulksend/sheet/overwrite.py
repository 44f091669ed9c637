"""Where results may go: what bulksend made before may be made anew, but no file of anybody's own is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.errors import SheetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def may_replace(path: Path) -> bool:
    """Whether nothing is lost where a sheet is written to ``path``: nothing is there, or what bulksend made.

    What it made is told by its headings: those of results (or of problems, which are the same), or of a lookup.
    """
    if not path.exists():
        return True
    if not path.is_file():
        return False
    from bulksend.sheet.headings import LOOKUP_NOTE, OTHER_CHATS, RESULT_COLUMNS  # noqa: PLC0415 - most places are free, and need no reader
    from bulksend.sheet.reading import open_sheet  # noqa: PLC0415

    looked_up = {LOOKUP_NOTE, OTHER_CHATS}
    try:
        if not path.stat().st_size:  # made to have a name, as mktemp does
            return True
        sheet = open_sheet(path, heading_names=(*RESULT_COLUMNS, *looked_up))
    except (SheetError, OSError):
        return False
    return sheet.original_width < len(sheet.headings) or looked_up <= set(sheet.headings)


def refuse_overwrite(path: Path) -> None:
    """Refuse to write over a file that bulksend did not make.

    Raises:
        UsageError: one is at ``path``, or there is no such folder.
    """
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder '{path.parent}': make it, or name another place with --results.")
    if not may_replace(path):
        raise UsageError(
            f"There is '{path}' already, which bulksend did not make, and it would be lost: name another place with "
            "--results, or move it away."
        )
