"""The interface of anything that wants to make calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.dispatch.slots import Slots
    from bulksend.journal import SlotGrant
    from bulksend.portal.client import Reply
    from bulksend.portal.deadline import Deadline
    from bulksend.portal.methods import Call
    from bulksend.portal.outcomes import Outcome

ItemT = TypeVar("ItemT")


@dataclass(slots=True, eq=False)
class Job(Generic[ItemT]):
    """Items of a source, whose calls leave as one request.

    Attributes:
        source: where they come from, and where their outcomes go.
        items: in the order of their calls.
        deadline: after which nothing of them may leave any more.
        method: the one for which a slot is asked for.
        calls: what left.
    """

    source: Source[ItemT]
    items: list[ItemT]
    deadline: Deadline | None = None
    method: str = ""
    calls: Sequence[Call] = ()

    def __post_init__(self) -> None:
        self.method = self.source.method


class Source(ABC, Generic[ItemT]):
    """Calls of one kind that wait for their turn. Times are the steady clock's."""

    method: str
    """The method of its next job."""

    @abstractmethod
    def next_job(self, now: float) -> Job[ItemT] | None:
        """What may leave now as one request, if anything."""

    def next_time(self) -> float:
        """From when on something may be able to leave, if nothing else happens until then."""
        return 0.0

    def start(self, job: Job[ItemT], slots: Slots) -> SlotGrant:
        """Ask for a slot; where it is granted the job leaves, with as many of its items as may."""
        grant = slots.take(self.method, len(job.items))
        job.items = job.items[: grant.granted]
        return grant

    @abstractmethod
    def call(self, item: ItemT) -> Call:
        """The call that is made for an item. It is asked for in a worker's thread."""

    @abstractmethod
    def take_outcomes(self, job: Job[ItemT], outcomes: Sequence[Outcome], reply: Reply) -> None:
        """Take in what came of a job: an outcome for each item, and the answer to the request as a whole."""

    def stops_all(self, outcome: Outcome) -> bool:  # noqa: ARG002 - for those that override it
        """Whether what is refused to every call of this method is refused to all calls."""
        return True
