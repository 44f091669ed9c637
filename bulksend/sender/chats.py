"""The order in which rows may leave."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from bulksend.portal.methods import batch_may_change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulksend.journal import Row

WINDOW: Final = 4_000
"""Rows looked ahead, so that a chat that is waiting does not hold up the others."""


class Chats:
    """Rows that wait, in the sheet's order, one chat's rows strictly one after another.

    Args:
        load: gives so many pending rows behind a row, in the sheet's order.
    """

    def __init__(self, load: Callable[[int, int], Sequence[Row]]) -> None:
        self._load = load
        self._loaded_to = -1
        self._all_loaded = False
        self._waiting: dict[int, deque[Row]] = {}
        self._heads: list[tuple[int, int]] = []  # (n, chat) of each free chat's first row
        self._busy: Counter[int] = Counter()
        self._rows = 0

    @property
    def empty(self) -> bool:
        """Whether no row waits."""
        return self._all_loaded and not self._rows

    def occupy(self, chat: int) -> None:
        """Hold back a chat's rows until it is freed as many times."""
        self._busy[chat] += 1
        self._heads = [head for head in self._heads if head[1] != chat]
        heapq.heapify(self._heads)

    def take(self, most: int) -> list[Row]:
        """The first rows of so many free chats, busy from then on; one that a batch may change comes alone."""
        self._load_more()
        rows: list[Row] = []
        while self._heads and len(rows) < most:
            chat = self._heads[0][1]
            if most > 1 and batch_may_change(self._waiting[chat][0].message):
                if rows:
                    break
                most = 1
            heapq.heappop(self._heads)
            rows.append(self._waiting[chat].popleft())
            self._busy[chat] += 1
        self._rows -= len(rows)
        return rows

    def next_chats(self, most: int) -> list[int]:
        """The chats whose rows would be taken."""
        self._load_more()
        return [chat for _, chat in heapq.nsmallest(most, self._heads)]

    def _load_more(self) -> None:
        if self._all_loaded or self._rows > WINDOW // 2:
            return
        rows = self._load(self._loaded_to, WINDOW)
        self._all_loaded = len(rows) < WINDOW
        for row in rows:
            self._loaded_to = row.n
            waiting = self._waiting.setdefault(row.chat_id, deque())
            waiting.append(row)
            self._rows += 1
            if len(waiting) == 1 and not self._busy[row.chat_id]:
                heapq.heappush(self._heads, (row.n, row.chat_id))

    def put_back(self, row: Row) -> None:
        """Put a pending row back in its place among its chat's others, and free the chat."""
        if self._all_loaded or row.n <= self._loaded_to:  # one behind those is loaded in its turn
            bisect.insort(self._waiting.setdefault(row.chat_id, deque()), row, key=lambda waiting: waiting.n)
            self._rows += 1
        self.free(row.chat_id)

    def free(self, chat: int) -> None:
        """Let the chat's next row go."""
        self._busy[chat] -= 1
        if self._busy[chat]:
            return
        del self._busy[chat]
        waiting = self._waiting.get(chat)
        if waiting:
            heapq.heappush(self._heads, (waiting[0].n, chat))
        elif waiting is not None:
            del self._waiting[chat]
