"""What the sources of a campaign's calls share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulksend.dispatch.connectivity import Connectivity
    from bulksend.journal import Run
    from bulksend.ratelimit.batch_size import BatchSize
    from bulksend.sender.changes import Changes
    from bulksend.sender.chats import Chats
    from bulksend.sender.clock import PortalClock
    from bulksend.sender.doubts import Doubts
    from bulksend.sender.hours import Hours
    from bulksend.sender.options import Options
    from bulksend.sender.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Context:
    """A campaign while it is being sent."""

    run: Run
    options: Options
    chats: Chats
    changes: Changes
    doubts: Doubts
    refusals: Refusals
    size: BatchSize
    clock: PortalClock
    connectivity: Connectivity
    hours: Hours
