"""Finds the compiled catalogues, and compiles them where the sources have not been built.

Without `pathlib`, which takes longer to load than a catalogue to be read.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

DOMAIN: Final = "bulksend"
FOLDER: Final = os.path.dirname(__file__)


def source(language: str) -> str:
    """The path of a catalogue as it is edited."""
    return os.path.join(FOLDER, language, "LC_MESSAGES", f"{DOMAIN}.po")


def open_catalogue(language: str) -> BinaryIO:
    """The compiled catalogue of a language.

    A package has it. In a checkout it is compiled when the source is newer, and kept beside it if that can be written.
    """
    edited = source(language)
    compiled = f"{edited.removesuffix('.po')}.mo"
    if _changed(edited) >= _changed(compiled):
        content = compile_catalogue(edited)
        aside = f"{compiled}.{os.getpid()}"
        try:
            with open(aside, "wb") as file:
                file.write(content)
            os.replace(aside, compiled)
        except OSError:
            return io.BytesIO(content)
    return open(compiled, "rb")


def compile_catalogue(edited: str) -> bytes:
    """A catalogue as gettext reads it; sentences that are marked fuzzy are left out."""
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - only a checkout needs it
    from babel.messages.pofile import read_po  # noqa: PLC0415 - likewise

    with open(edited, "rb") as file:
        catalogue = read_po(file)
    content = io.BytesIO()
    write_mo(content, catalogue)
    return content.getvalue()


def _changed(path: str) -> int:
    """When a file was changed; -1 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
