"""Send a spreadsheet of messages into Bitrix24 open-channel chats: never twice, never lost.

The names below are the library; they are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bulksend.campaign import Campaign
    from bulksend.entry import AlreadyDone
    from bulksend.errors import BulksendError
    from bulksend.journal import Counts, Journal, Run, State
    from bulksend.plan import Plan, SheetOptions, examine
    from bulksend.ratelimit.limiter import RateLimit
    from bulksend.sender.options import Options, Progress, RunResult, StopReason
    from bulksend.target import Target, find_target

_PLACES = {
    "AlreadyDone": "entry",
    "BulksendError": "errors",
    "Campaign": "campaign",
    "Counts": "journal",
    "RunResult": "sender.options",
    "StopReason": "sender.options",
    "Journal": "journal",
    "Options": "sender.options",
    "Plan": "plan",
    "Progress": "sender.options",
    "RateLimit": "ratelimit.limiter",
    "Run": "journal",
    "SheetOptions": "plan",
    "State": "journal",
    "Target": "target",
    "examine": "plan",
    "find_target": "target",
}

__all__ = [
    "AlreadyDone",
    "BulksendError",
    "Campaign",
    "Counts",
    "Journal",
    "Options",
    "Plan",
    "Progress",
    "RateLimit",
    "Run",
    "RunResult",
    "SheetOptions",
    "State",
    "StopReason",
    "Target",
    "examine",
    "find_target",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'bulksend' has no attribute {name!r}")
    return getattr(import_module(f"bulksend.{place}"), name)
