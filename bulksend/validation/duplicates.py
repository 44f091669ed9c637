"""Finds rows that repeat a text to the same chat, and chats that stand in rows of different customers."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]
NO_ROWS = np.empty(0, np.uint32)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # an odd number with its bits well mixed


class Duplicates:
    """Remembers a 64-bit hash of each (chat, text), the row number, the chat and the entity: 28 bytes a row.

    Of rows that cannot be sent it remembers the chat and the entity, for they may be right all the same.
    """

    def __init__(self) -> None:
        self._hashes: list[Hashes] = []
        self._rows: list[npt.NDArray[np.uint32]] = []
        self._chats: list[npt.NDArray[np.int64]] = []
        self._entities: list[npt.NDArray[np.int64]] = []
        self._faulty: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.int64]]] = []

    def add(
        self,
        chats: npt.NDArray[np.int64],
        texts: npt.NDArray[np.object_],
        rows: npt.NDArray[np.int64],
        entities: npt.NDArray[np.int64],
    ) -> None:
        """Add some rows: chat ids, texts, row numbers, and a number for each entity."""
        if len(chats):
            # Python's own hash of a text has 64 bits, is fast, and need not outlive the process
            hashes = np.fromiter(map(hash, texts.tolist()), dtype=np.int64, count=len(texts)).view(np.uint64)
            self._hashes.append(hashes ^ (chats.astype(np.uint64) * _SPREAD))
            self._rows.append(rows.astype(np.uint32))
            self._chats.append(chats)
            self._entities.append(entities)

    def add_faulty(
        self, chats: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], entities: npt.NDArray[np.int64]
    ) -> None:
        """Add some rows that cannot be sent: chat ids, row numbers, and a number for each entity."""
        if len(chats):
            self._faulty.append((chats, rows.astype(np.uint32), entities))

    def chats(self) -> int:
        """How many different chats were seen."""
        return len(pd.unique(np.concatenate(self._chats))) if self._chats else 0

    def shared(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Rows that can be sent whose chat stands in another row for another entity, such a row for each, and the chat.

        The other row is the first with that chat, or where that is the row itself, one below that cannot be sent.
        """
        if not self._chats or (not self._faulty and self.chats() == sum(map(len, self._chats))):
            return NO_ROWS, NO_ROWS, np.empty(0, np.int64)
        good = sum(map(len, self._chats))
        chats = np.concatenate([*self._chats, *(chats for chats, _, _ in self._faulty)])
        rows = np.concatenate([*self._rows, *(rows for _, rows, _ in self._faulty)])
        order = np.lexsort((rows, chats))
        ordered = chats[order]
        owners = np.concatenate([*self._entities, *(entities for _, _, entities in self._faulty)])[order]
        fresh = np.ones(len(ordered), dtype=np.bool_)
        fresh[1:] = ordered[1:] != ordered[:-1]
        first = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
        other = np.flatnonzero(owners != owners[first])
        again, above = order[other], order[first[other]]
        turned = again >= good
        again, above = np.where(turned, above, again), np.where(turned, again, above)
        again, above = again[again < good], above[again < good]
        _, places = np.unique(rows[again], return_index=True)  # in the order of the rows
        return rows[again[places]], rows[above[places]], chats[again[places]]

    def several(self, repeats: npt.NDArray[np.uint32], first: int) -> tuple[int, list[tuple[int, list[int], int]]]:
        """How many chats stand in several rows that are not ``repeats``; and the first of these chats.

        Of each the chat, its first rows, and how many rows it has.
        """
        if not self._chats or self.chats() == sum(map(len, self._chats)):
            return 0, []
        chats, rows = np.concatenate(self._chats), np.concatenate(self._rows)
        if len(repeats):
            kept = ~np.isin(rows, repeats)
            chats, rows = chats[kept], rows[kept]
        order = np.argsort(chats, kind="stable")
        chats, rows = chats[order], rows[order]
        starts = np.flatnonzero(np.concatenate([[True], chats[1:] != chats[:-1]]))
        sizes = np.diff(np.append(starts, len(chats)))
        starts, sizes = starts[sizes > 1], sizes[sizes > 1]
        named = np.argsort(rows[starts], kind="stable")[:first]
        found = [(at, size) for at, size in zip(starts[named].tolist(), sizes[named].tolist(), strict=True)]
        return len(starts), [(int(chats[at]), rows[at : at + min(size, first)].tolist(), size) for at, size in found]

    def repeats(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Rows that repeat one above them, that first row for each, and the chat; in the order of the rows."""
        if not self._hashes:
            return NO_ROWS, NO_ROWS, np.empty(0, np.int64)
        hashes = np.concatenate(self._hashes)
        ordered = np.sort(hashes)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(twice):
            return NO_ROWS, NO_ROWS, np.empty(0, np.int64)
        among = np.isin(hashes, twice)
        hashes = hashes[among]
        rows, chats = np.concatenate(self._rows)[among], np.concatenate(self._chats)[among]
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        fresh = np.ones(len(ordered), dtype=np.bool_)
        fresh[1:] = ordered[1:] != ordered[:-1]
        first = order[np.flatnonzero(fresh)[np.cumsum(fresh) - 1]]
        again, first = order[~fresh], first[~fresh]
        by_row = np.argsort(again, kind="stable")
        again, first = again[by_row], first[by_row]
        return rows[again], rows[first], chats[again]
