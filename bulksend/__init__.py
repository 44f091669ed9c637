"""Send a spreadsheet of messages into Bitrix24 open-channel chats: never twice, never lost.

The names below are the library; they are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bulksend.campaign import AlreadyDone, Campaign
    from bulksend.errors import BulksendError
    from bulksend.journal import Counts, Journal, Run, State
    from bulksend.pace import Rule
    from bulksend.plan import Plan, SheetOptions, examine
    from bulksend.sending import Ending, How, Options, Progress
    from bulksend.target import Target, find_target

_PLACES = {
    "AlreadyDone": "campaign",
    "BulksendError": "errors",
    "Campaign": "campaign",
    "Counts": "journal",
    "Ending": "sending",
    "How": "sending",
    "Journal": "journal",
    "Options": "sending",
    "Plan": "plan",
    "Progress": "sending",
    "Rule": "pace",
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
    "Ending",
    "How",
    "Journal",
    "Options",
    "Plan",
    "Progress",
    "Rule",
    "Run",
    "SheetOptions",
    "State",
    "Target",
    "examine",
    "find_target",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'bulksend' has no attribute {name!r}")
    return getattr(import_module(f"bulksend.{place}"), name)
