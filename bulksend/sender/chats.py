"""The order in which rows may leave."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING

from bulksend.portal.methods import batch_may_change

if TYPE_CHECKING:
    from bulksend.journal import Row


class Chats:
    """Rows that wait, in the sheet's order, one chat's rows strictly one after another."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Row]] = {}
        self._heads: list[tuple[int, int]] = []  # (n, chat) of each free chat's first row
        self._busy: Counter[int] = Counter()
        self.rows = 0

    def add(self, row: Row) -> None:
        """Put a row behind those of its chat."""
        waiting = self._waiting.setdefault(row.chat_id, deque())
        waiting.append(row)
        self.rows += 1
        if len(waiting) == 1 and not self._busy[row.chat_id]:
            heapq.heappush(self._heads, (row.n, row.chat_id))

    def occupy(self, chat: int) -> None:
        """Hold back a chat's rows until it is freed as many times."""
        self._busy[chat] += 1
        self._heads = [head for head in self._heads if head[1] != chat]
        heapq.heapify(self._heads)

    def take(self, most: int) -> list[Row]:
        """The first rows of so many free chats, busy from then on; one that a batch may change comes alone."""
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
        self.rows -= len(rows)
        return rows

    def next_chats(self, most: int) -> list[int]:
        """The chats whose rows would be taken."""
        return [chat for _, chat in heapq.nsmallest(most, self._heads)]

    def put_back(self, row: Row) -> None:
        """Put a row that was taken back in its place among its chat's others, and free the chat."""
        bisect.insort(self._waiting.setdefault(row.chat_id, deque()), row, key=lambda waiting: waiting.n)
        self.rows += 1
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
