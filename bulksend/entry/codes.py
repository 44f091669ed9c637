"""Why a row that could be sent is left out."""

from __future__ import annotations

from typing import Final

BEYOND_LIMIT: Final = "BEYOND_LIMIT"
ALREADY_SENT: Final = "ALREADY_SENT"
TOO_LATE: Final = "TOO_LATE"
STOP_LISTED: Final = "STOP_LISTED"
DUPLICATE_MESSAGE: Final = "DUPLICATE_MESSAGE"
