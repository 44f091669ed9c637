"""The order in which rows may leave."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from bulksend.portal.methods import batch_may_change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bulksend.journal import Row

WINDOW: Final = 4_000
"""Rows looked ahead, so that a chat that is waiting does not hold up the others."""

ANY: Final = None
"""For `Chats`, the only part where rows are not told apart by their zones."""


class Part:
    """Rows that are loaded together, in the sheet's order.

    Args:
        load: gives so many pending rows behind a row, in the sheet's order.
        window: how many of them are looked ahead.
    """

    def __init__(self, load: Callable[[int, int], Sequence[Row]], window: int = WINDOW) -> None:
        self._load, self.window = load, window
        self.loaded_to = -1
        self.all_loaded = False
        self.rows = 0

    def next_rows(self) -> Sequence[Row]:
        """Load more rows."""
        rows = self._load(self.loaded_to, self.window)
        self.all_loaded = len(rows) < self.window
        if rows:
            self.loaded_to = rows[-1].n
        return rows


class Chats:
    """Rows that wait, in the sheet's order, one chat's rows strictly one after another.

    Args:
        parts: the rows by their time zone, where that decides when they may leave; else all of them as `ANY`.
        mixed: the chats whose rows are in several zones; they are apart, so that these rows stay in order too.
        mixed_part: their rows.
    """

    def __init__(
        self, parts: Mapping[str | None, Part], mixed: Collection[int] = (), mixed_part: Part | None = None
    ) -> None:
        self._parts, self._mixed, self._mixed_part = dict(parts), mixed, mixed_part
        self._by_zone = ANY not in self._parts
        self._waiting: dict[int, deque[Row]] = {}
        # By zone, the (n, chat) of each free chat's first row.
        self._heads: dict[str | None, list[tuple[int, int]]] = {zone: [] for zone in self._parts}
        self._busy: Counter[int] = Counter()

    @property
    def zones(self) -> list[str]:
        """The zones in which rows may wait; only the campaign's where zones make no difference."""
        return [zone or "" for zone in self._parts]

    @property
    def waiting_zones(self) -> set[str]:
        """Those in which rows do wait, as far as they are loaded."""
        if not self._by_zone:
            return {""}
        return {rows[0].timezone for rows in self._waiting.values() if rows}

    @staticmethod
    def _left(part: Part) -> bool:
        return bool(part.rows) or not part.all_loaded

    @property
    def empty(self) -> bool:
        """Whether no row waits."""
        return not any(map(self._left, self._all_parts()))

    def _all_parts(self) -> Iterable[Part]:
        yield from self._parts.values()
        if self._mixed_part:
            yield self._mixed_part

    def occupy(self, chat: int) -> None:
        """Hold back a chat's rows until it is freed as many times."""
        self._busy[chat] += 1
        for zone, heads in self._heads.items():
            self._heads[zone] = [head for head in heads if head[1] != chat]
            heapq.heapify(self._heads[zone])

    def take(self, most: int, zones: Collection[str], *, together: bool = True) -> list[Row]:
        """The first rows of so many free chats in these zones, busy from then on.

        One that a batch may change comes alone, unless they are not to leave ``together``.
        """
        self._load_more(zones)
        rows: list[Row] = []
        heaps = self._heaps(zones)
        first = [(heap[0], place) for place, heap in enumerate(heaps)]
        heapq.heapify(first)
        while len(rows) < most and first:
            (_, chat), place = first[0]
            if together and most > 1 and batch_may_change(self._waiting[chat][0].message):
                if rows:
                    break
                most = 1
            heapq.heappop(heaps[place])
            if heaps[place]:
                heapq.heapreplace(first, (heaps[place][0], place))
            else:
                heapq.heappop(first)
            row = self._waiting[chat].popleft()
            rows.append(row)
            self._busy[chat] += 1
            self._part_of(row).rows -= 1
        return rows

    def next_chats(self, most: int, zones: Collection[str]) -> list[int]:
        """The chats whose rows would be taken."""
        self._load_more(zones)
        heads = (head for zone in self._open(zones) for head in self._heads[zone])
        return [chat for _, chat in heapq.nsmallest(most, heads)]

    def _open(self, zones: Collection[str]) -> Iterable[str | None]:
        if self._by_zone:
            return zones
        return (ANY,) if zones else ()

    def _heaps(self, zones: Collection[str]) -> list[list[tuple[int, int]]]:
        """The heads of these zones in which there are any."""
        return [heap for zone in self._open(zones) if (heap := self._heads[zone])]

    def _part_of(self, row: Row) -> Part:
        if self._mixed_part and row.chat_id in self._mixed:
            return self._mixed_part
        return self._parts[row.timezone if self._by_zone else ANY]

    def _load_more(self, zones: Collection[str]) -> None:
        for part in self._parts.values():
            while not part.all_loaded and part.rows <= part.window // 2:
                self._add(row for row in part.next_rows() if row.chat_id not in self._mixed)
        mixed = self._mixed_part
        # Where all that are loaded are in zones that are closed, some behind them may not be.
        while mixed and not mixed.all_loaded:
            if mixed.rows > mixed.window // 2 and not (zones and not self._heaps(zones)):
                break
            self._add(mixed.next_rows())

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            waiting = self._waiting.setdefault(row.chat_id, deque())
            waiting.append(row)
            self._part_of(row).rows += 1
            if len(waiting) == 1 and not self._busy[row.chat_id]:
                self._push(row)

    def _push(self, row: Row) -> None:
        heapq.heappush(self._heads[row.timezone if self._by_zone else ANY], (row.n, row.chat_id))

    def put_back(self, row: Row) -> None:
        """Put a pending row back in its place among its chat's others, and free the chat."""
        part = self._part_of(row)
        if part.all_loaded or row.n <= part.loaded_to:  # one behind those is loaded in its turn
            bisect.insort(self._waiting.setdefault(row.chat_id, deque()), row, key=lambda waiting: waiting.n)
            part.rows += 1
        self.free(row.chat_id)

    def free(self, chat: int) -> None:
        """Let the chat's next row go."""
        self._busy[chat] -= 1
        if self._busy[chat]:
            return
        del self._busy[chat]
        waiting = self._waiting.get(chat)
        if waiting:
            self._push(waiting[0])
        elif waiting is not None:
            del self._waiting[chat]
