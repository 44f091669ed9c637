"""Files that are never half-written: made beside their place, then put there, where nothing of a person's is lost."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from bulksend.sheet.written import keep_changed, remember

_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})


def is_text(path: Path) -> bool:
    """Whether a file of that name is to be a text file."""
    return path.suffix.lower() in _TEXT_SUFFIXES


def can_be_written(path: Path) -> bool:
    """Whether the name is that of a text file or a workbook, which can be written."""
    return is_text(path) or path.suffix.lower() == ".xlsx"


def format_of(path: Path, otherwise: str) -> str:
    """``csv`` or ``xlsx``, by the name of the file to be written; ``otherwise`` where it has no known suffix."""
    if is_text(path):
        return "csv"
    return "xlsx" if otherwise != "csv" or path.suffix.lower() == ".xlsx" else "csv"


def write_atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Have ``write`` make a file beside ``path``, put it in that place, and return where it is.

    Where ``path`` is held by another program (Excel, on Windows) a new name beside it is used. What somebody has
    changed there since it was written so is kept under a name of its own.

    Raises:
        OSError: the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    temporary.touch(exist_ok=False)  # not by `tempfile`, whose files only their owner may read
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        return _put_in_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _put_in_place(temporary: Path, path: Path) -> Path:
    for target in _names(path):
        try:
            keep_changed(target)
            temporary.replace(target)
        except PermissionError:
            if not target.exists():
                raise
        else:
            remember(target)
            return target
    raise AssertionError("names never run out")


def _names(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
