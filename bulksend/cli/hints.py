"""What the library says of an error, and which command or option to use next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulksend.errors import BulksendError


def with_hint(error: BulksendError) -> str:
    """The error's sentence, followed by what to do on the command line where the library cannot know it."""
    sentence = str(error)
    if "bulksend.entry" not in sys.modules:  # it cannot be one of its errors, and takes long to import
        return sentence
    from bulksend.entry import AlreadyDone, Changed, SentBefore

    if isinstance(error, AlreadyDone):
        counts = error.run.counts
        uncertain = counts.failed + counts.unknown
        if uncertain:
            sentence += (
                f" Rows that did not arrive for certain: {uncertain}; for them use `bulksend retry {error.run.id}`."
            )
        return f"{sentence} To send all of it once more, add --again."
    if isinstance(error, SentBefore):
        return f"{sentence} Nothing was sent: leave them out with --skip-sent, or send them once more with --again."
    if isinstance(error, Changed):
        return f"{sentence} `bulksend runs` shows how it stands."
    return sentence
