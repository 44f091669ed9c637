"""CRM entities as plain numbers, so that a million of them fit, and what the portal says of their chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from bulksend.portal import methods
from bulksend.portal.codes import ACCESS_DENIED
from bulksend.portal.outcomes import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulksend.queries.query import QueryRunner

Numbers = npt.NDArray[np.int64]

KINDS: Final = ("lead", "deal", "contact", "company")
UNUSABLE: Final = -1
"""The key of what is no entity."""

_SPAN: Final = 1 << 53  # more than any id that a sheet can hold
_PLACES: Final = {kind: place for place, kind in enumerate(KINDS)}


def keys_of(kinds: Iterable[str], ids: Iterable[int]) -> Numbers:
    """One number for each entity; `UNUSABLE` where the kind or the id is missing."""
    return np.fromiter(
        (
            _PLACES[kind] * _SPAN + number if kind in _PLACES and number > 0 else UNUSABLE
            for kind, number in zip(kinds, ids, strict=True)
        ),
        dtype=np.int64,
    )


def entity_of(key: int) -> tuple[str, int]:
    """The kind and the id of an entity's number."""
    place, number = divmod(key, _SPAN)
    return KINDS[place], number


@dataclass(frozen=True, slots=True)
class EntityChats:
    """What the portal says of one entity.

    Attributes:
        told: whether it says anything: the chats, or that they may not be seen.
        forbidden: whether the caller may not read the entity.
        chats: the active ones, or all over channels that are switched on.
    """

    told: bool
    forbidden: bool = False
    chats: tuple[methods.Chat, ...] = ()


def ask_for_chats(keys: Numbers, queries: QueryRunner, *, active_only: bool = True) -> Iterator[EntityChats]:
    """Ask for the chats of each entity, in the order of their numbers.

    Raises:
        QueryError: the portal refuses everything, cannot be reached, or does not answer any more.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    calls = (methods.chat_get(*entity_of(int(key)), active_only=active_only) for key in keys)
    for outcome in queries.ask(calls, total=len(keys)):
        if outcome.verdict is Verdict.DONE:
            try:
                yield EntityChats(told=True, chats=tuple(methods.read_chats(outcome.result)))
            except ValueError:
                yield EntityChats(told=False)
        else:
            forbidden = outcome.verdict is Verdict.REFUSED and outcome.code.upper() == ACCESS_DENIED
            yield EntityChats(told=forbidden, forbidden=forbidden)
