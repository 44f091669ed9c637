"""A workbook to be written: in constant memory, its cells text."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError


@contextlib.contextmanager
def new_workbook(path: Path) -> Iterator[xlsxwriter.Workbook]:
    """A workbook that is at ``path`` when the context ends.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="bulksend-") as folder:
        book = xlsxwriter.Workbook(
            str(path),
            {"constant_memory": True, "tmpdir": folder, "strings_to_formulas": False, "strings_to_urls": False},
        )
        try:
            yield book
        finally:
            try:
                book.close()
            except FileCreateError as error:  # no `OSError` itself, but one is its cause
                cause = error.args[0]
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from None
