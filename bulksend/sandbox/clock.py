"""The portal's times as it writes them."""

from contextvars import ContextVar
from datetime import datetime, timedelta, timezone

ZONE = timezone(timedelta(hours=3))
"""The time zone of the portal."""

server_ahead: ContextVar[float] = ContextVar("server_ahead", default=0.0)
"""Seconds by which the clock of the server that answers this request is ahead of the portal's other servers."""

_written: dict[int, str] = {}


def iso(at: float) -> str:
    """Unix seconds as the portal writes dates: ``2026-09-24T01:10:51+03:00``."""
    second = int(at)
    text = _written.get(second)
    if text is None:
        if len(_written) > 1000:
            _written.clear()
        text = _written[second] = datetime.fromtimestamp(second, ZONE).isoformat()
    return text
