"""What is wrong with an uploaded sheet, kept so that a screenful of it can be shown at a time.

A sheet is read once for its report and its faulty rows together. The faulty rows go into a small database beside the
upload, because a sheet of a million rows may have a million of them.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bulksend.errors import BulksendError, SheetError, UsageError
from bulksend.locale import _, language
from bulksend.plan import columns_of, examine, fingerprint
from bulksend.portal.error_help import capitalised, code_help
from bulksend.queries.chats import entity_of, keys_of
from bulksend.sheet.headings import column_letters, columns_named, field_of, guess_columns, implied_type
from bulksend.sheet.reading import open_sheet
from bulksend.validation import LEFT_OUT
from bulksend.validation.values import entity_type, identifier
from bulksend.web.uploads import open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    import numpy.typing as npt

    from bulksend.journal import NewRow
    from bulksend.plan import Plan
    from bulksend.sheet.chunks import Chunk
    from bulksend.validation import Checked
    from bulksend.web.uploads import Upload, Uploads

ROWS_A_PAGE: Final = 50
SAMPLE_ROWS: Final = 5
_NEAR_THE_TOP: Final = 5_000
_KEPT_PLANS: Final = 5
"""Checked sheets that are kept in memory: a large workbook takes much of it, and is soon read again."""


@dataclass(frozen=True, slots=True)
class FaultyRow:
    """A row that cannot be sent: the sheet's own number, its cells, what is wrong with it, the cells to mark.

    Of several problems it is only said what they are: what to do about each stands beside the problems themselves.
    Where one kind was asked for, only that is said, and how many ``more`` there are.
    """

    number: int
    cells: Sequence[str]
    says: Sequence[str]
    marked: frozenset[int]
    more: int = 0


def _means(code: str) -> str:
    return f"{capitalised(code_help(code).finding[0])}."


def _of_one_kind(row: FaultyRow, code: str) -> FaultyRow:
    if len(row.says) < 2:
        return row
    return replace(row, says=[_means(code)], more=len(row.says) - 1)


@dataclass(frozen=True, slots=True)
class Problems:
    """A page of faulty rows, and how many there are."""

    rows: Sequence[FaultyRow]
    total: int


class GoodRows:
    """What is kept of each row that can be sent, about twenty bytes: its number, its entity, and its text's digest."""

    _DTYPE: Final = np.dtype([("number", np.uint32), ("entity", np.int64), ("text", np.int64)])

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        """Take over what `gather` or `numpy.load` gave."""
        self._rows = rows

    @classmethod
    def none(cls) -> npt.NDArray[Any]:
        """What is kept of no rows."""
        return np.empty(0, cls._DTYPE)

    @classmethod
    def gather(cls, checked: Checked) -> npt.NDArray[Any]:
        """What is kept of the good rows of a chunk."""
        frame = checked.rows[checked.rows["error_code"] == ""]
        rows = np.empty(len(frame), cls._DTYPE)
        rows["number"] = frame.index
        rows["entity"] = keys_of(frame["entity_type"].tolist(), frame["entity_id"].tolist())
        chats, texts = frame["chat_id"].tolist(), frame["message"].tolist()
        rows["text"] = [fingerprint(chat, text) if chat else 0 for chat, text in zip(chats, texts, strict=True)]
        return rows

    @property
    def texts(self) -> npt.NDArray[np.int64]:
        """`bulksend.plan.fingerprint` of each; 0 where a row names no chat."""
        return self._rows["text"]

    def entities(self, numbers: Iterable[int]) -> dict[int, tuple[str, int]]:
        """The kind and the id of the entity of each of these rows, by the sheet's own number."""
        found = {}
        for number in numbers:
            place = int(np.searchsorted(self._rows["number"], number))
            if place < len(self._rows) and self._rows["number"][place] == number:
                found[number] = entity_of(int(self._rows["entity"][place]))
        return found


@dataclass(frozen=True, slots=True)
class Sheet:
    """The columns of a sheet, for a person to match by hand.

    Attributes:
        headings: as the sheet shows them.
        names: each column's letter in Excel.
        sample: the first rows.
        guesses: field → position, as it is already chosen or the most likely one.
        implied: the kind of entity that the heading of the guessed id names.
        known: whether all that are needed are known, without a guess.
    """

    headings: Sequence[str]
    names: Sequence[str]
    sample: Sequence[Sequence[str]]
    guesses: dict[str, int]
    implied: str
    known: bool


_READ: Final[Mapping[str, Callable[[str], bool]]] = {
    "CRM_ENTITY_TYPE": lambda cell: bool(entity_type(cell)),
    "CRM_ENTITY": lambda cell: identifier(cell) > 0,
    "CHAT_ID": lambda cell: identifier(cell, chat=True) > 0,
    "USER_ID": lambda cell: identifier(cell) > 0,
}
"""Whether a cell can be read as a field; any cell can be read as one that is not here."""


def _fits(field: str, cells: Sequence[str]) -> bool:
    """Whether a column can be a field's, by its first cells: one of them can be read so, or all are blank."""
    filled = [cell for cell in cells if cell.strip()]
    return not filled or field not in _READ or any(map(_READ[field], filled))


def _column_of_types(sample: Sequence[Sequence[str]], guesses: Mapping[str, int]) -> int | None:
    """The column that is nothing else yet and nearly all of whose first cells name a type of entity.

    One at least is to be a word: figures and single letters may be anything.
    """
    for position, cells in enumerate(zip(*sample, strict=False)):
        filled = [cell for cell in cells if cell.strip()]
        known = [cell for cell in filled if entity_type(cell)]
        words = any(sum(map(str.isalpha, cell)) > 2 for cell in known)
        if position not in guesses.values() and words and len(known) >= 0.8 * len(filled):
            return position
    return None


class Checks:
    """The checks of all uploads; each version of a draft is checked once in a language, in a thread."""

    def __init__(self, uploads: Uploads, threads: Executor) -> None:
        """Set up without checking anything."""
        self._uploads, self._threads = uploads, threads
        self._plans: dict[tuple[str, int, str], Future[Plan]] = {}

    def plan(self, draft: Upload) -> Future[Plan]:
        """The checked sheet, or the check that is still at it; an error of it is what keeps the sheet from being read.

        To be called from the server's thread alone.
        """
        key = (draft.id, draft.version, language())
        future = self._plans.pop(key, None)
        if future is None or (future.done() and future.exception() is None and not self._kept(draft).exists()):
            future = self._threads.submit(copy_context().run, self._check, draft)
        self._plans[key] = future
        for old in list(self._plans)[:-_KEPT_PLANS]:
            if self._plans[old].done():
                del self._plans[old]
        return future

    def columns(self, draft: Upload) -> Sheet:
        """The columns of the sheet, however little of them is understood.

        Raises:
            SheetError: it cannot be read as a sheet at all.
        """
        sheet = open_sheet(self._uploads.file(draft), sheet=draft.sheet, heading_names=tuple(draft.mapping.values()))
        headings = sheet.headings
        sample: list[list[str]] = []
        for chunk in sheet.chunks(SAMPLE_ROWS):
            sample += chunk.cells.to_numpy().tolist()
            if len(sample) >= SAMPLE_ROWS:
                break
        guesses = {
            field: position
            for field, position in guess_columns(headings).items()
            if field_of(headings[position]) == field or _fits(field, [row[position] for row in sample])
        }
        for field, heading in draft.mapping.items():
            if len(named := columns_named(headings, heading)) == 1:
                guesses[field] = named[0]
            elif not heading:
                guesses.pop(field, None)
        entity, types = guesses.get("CRM_ENTITY"), guesses.get("CRM_ENTITY_TYPE")
        implied = "" if entity is None else implied_type(headings[entity])
        if "CRM_ENTITY_TYPE" not in draft.mapping:
            if implied and types is not None and field_of(headings[types]) != "CRM_ENTITY_TYPE":
                del guesses["CRM_ENTITY_TYPE"]  # what the id's heading says is certain, a likely column is not
            elif not implied and types is None and (of_types := _column_of_types(sample, guesses)) is not None:
                guesses["CRM_ENTITY_TYPE"] = of_types
        known = True
        try:
            columns_of(sheet, draft.options)
        except SheetError:
            known = False
        return Sheet(
            headings,
            [column_letters(position) for position in range(len(headings))],
            sample[:SAMPLE_ROWS],
            guesses,
            implied,
            known,
        )

    def problems(self, draft: Upload, code: str, page: int) -> Problems:
        """The faulty rows of a sheet that was checked, a page (from 0) of them, of one kind or (no code) of all."""
        with contextlib.closing(sqlite3.connect(self._kept(draft))) as kept:
            if code:
                total = kept.execute("SELECT count(*) FROM found WHERE code = ?", (code,)).fetchone()[0]
                chosen, values = "row IN (SELECT row FROM found WHERE code = ? ORDER BY row LIMIT ? OFFSET ?)", [code]
            else:
                total = kept.execute("SELECT count(*) FROM faulty").fetchone()[0]
                chosen, values = "row IN (SELECT row FROM faulty ORDER BY row LIMIT ? OFFSET ?)", []
            rows = kept.execute(
                f"SELECT row, cells, says, marked FROM faulty WHERE {chosen} ORDER BY row",  # noqa: S608 - ours
                [*values, ROWS_A_PAGE, page * ROWS_A_PAGE],
            ).fetchall()
        return Problems(
            [
                _of_one_kind(row, code) if code else row
                for row in (
                    FaultyRow(number, json.loads(cells), json.loads(says), frozenset(json.loads(marked)))
                    for number, cells, says, marked in rows
                )
            ],
            total,
        )

    def says(self, draft: Upload, number: int) -> Sequence[str]:
        """What is wrong with a row of a sheet that was checked."""
        with contextlib.closing(sqlite3.connect(self._kept(draft))) as kept:
            found = kept.execute("SELECT says FROM faulty WHERE row = ?", (number,)).fetchone()
        return json.loads(found[0]) if found else ()

    def good_rows(self, draft: Upload) -> GoodRows:
        """The rows of a sheet that was checked that can be sent."""
        return GoodRows(np.load(self._kept(draft).with_suffix(".npy"), mmap_mode="r"))

    def row(self, plan: Plan, number: int) -> NewRow:
        """A row of the sheet as it would be sent, by the sheet's own number, or the next one that is not blank.

        Raises:
            UsageError: there is none.
        """
        for rows in plan.new_rows():
            if rows and rows[-1].number >= number:
                return next(row for row in rows if row.number >= number)
        raise UsageError(_("The sheet has no row {row}.").format(row=number))

    def hidden_row(self, plan: Plan, number: int) -> NewRow:
        """A row that the sheet hides as it would be sent if it were not hidden."""
        return self.row(_with_hidden(plan), number)

    def hidden_entities(self, draft: Upload) -> dict[int, tuple[str, int]]:
        """The kind and the id of the entity of the first hidden rows, where they are near the top of the sheet."""
        with contextlib.closing(sqlite3.connect(self._kept(draft))) as kept:
            return {row: (kind, entity) for row, kind, entity in kept.execute("SELECT row, kind, entity FROM hidden")}

    def write_problems(self, plan: Plan, draft: Upload) -> Path:
        """Write the sheet with each row's problem beside it and return where."""
        suffix = ".csv" if plan.sheet.format == "csv" else ".xlsx"
        return plan.write_problems(self._uploads.folder(draft.id) / f"problems{suffix}")

    def _kept(self, draft: Upload) -> Path:
        return self._uploads.folder(draft.id) / f"check.{draft.version}.{language()}.db"

    def _check(self, draft: Upload) -> Plan:
        path = self._kept(draft)
        path.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            open_private(path).close()
        try:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as kept:
                keeper = _Keeper(kept)
                plan = examine(self._uploads.file(draft), draft.options, see=keeper.see)
                keeper.close(plan)
            self._keep_good(path.with_suffix(".npy"), keeper.good)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, sqlite3.Error):
                raise BulksendError(_("The check cannot be kept: make room on the disk, then try again.")) from None
            raise
        return plan

    @staticmethod
    def _keep_good(path: Path, chunks: Sequence[npt.NDArray[Any]]) -> None:
        path.unlink(missing_ok=True)
        with open_private(path) as file:
            np.save(file, np.concatenate([GoodRows.none(), *chunks]))


def _hidden_entities(plan: Plan) -> Iterator[tuple[int, str, int]]:
    """The first hidden rows near the top of the sheet whose entity can be told, with its kind and id."""
    wanted = [number for number in plan.report.first_hidden if number <= _NEAR_THE_TOP]
    for rows in _with_hidden(plan).new_rows() if wanted else ():
        for row in rows:
            if row.number in wanted and row.entity_type and row.entity_id > 0:
                yield row.number, row.entity_type, row.entity_id
        if rows and rows[-1].number >= wanted[-1]:
            return


def _with_hidden(plan: Plan) -> Plan:
    return replace(plan, options=replace(plan.options, include_hidden=True), content="")


class _Keeper:
    """Puts faulty rows aside as a sheet is checked."""

    def __init__(self, kept: sqlite3.Connection) -> None:
        self._kept = kept
        self._means: dict[str, str] = {}
        self.good: list[npt.NDArray[Any]] = []
        kept.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
            "CREATE TABLE faulty (row INTEGER PRIMARY KEY, cells TEXT, says TEXT, marked TEXT DEFAULT '[]');"
            "CREATE TABLE found (code TEXT, row INTEGER, PRIMARY KEY (code, row)) WITHOUT ROWID;"
            "CREATE TABLE hidden (row INTEGER PRIMARY KEY, kind TEXT, entity INTEGER); BEGIN"
        )

    def see(self, chunk: Chunk, checked: Checked) -> None:
        """See `bulksend.plan.examine`."""
        self.good.append(GoodRows.gather(checked))
        codes = checked.rows["error_code"].to_numpy()
        faulty = np.flatnonzero((codes != "") & ~np.isin(codes, list(LEFT_OUT)))
        if not len(faulty):
            return
        numbers = checked.rows.index.to_numpy()[faulty].tolist()
        cells = chunk.cells.iloc[faulty].to_numpy().tolist()
        described = checked.rows["error_description"].to_numpy()[faulty].tolist()
        found = codes[faulty].tolist()
        self._kept.executemany(
            "INSERT INTO faulty (row, cells, says) VALUES (?, ?, ?)",
            (
                (row, json.dumps(own), json.dumps(self._says(checked.more_codes.get(row, ()), first, words)))
                for row, own, first, words in zip(numbers, cells, found, described, strict=True)
            ),
        )
        self._kept.executemany(
            "INSERT OR IGNORE INTO found VALUES (?, ?)",
            (
                (code, row)
                for row, first in zip(numbers, found, strict=True)
                for code in (first, *checked.more_codes.get(row, ()))
            ),
        )

    def _says(self, more: Sequence[str], first: str, description: str) -> list[str]:
        if not more:
            return [description]
        for code in (first, *more):
            if code not in self._means:
                self._means[code] = _means(code)
        return [self._means[code] for code in (first, *more)]

    def close(self, plan: Plan) -> None:
        """All rows are seen: mark their cells, now that it is known where each field stands."""
        for problem in plan.report.problems:
            field = code_help(problem.code).field
            position = getattr(plan.columns, field) if field else None
            if position is not None:
                self._kept.execute(
                    "UPDATE faulty SET marked = json_insert(marked, '$[#]', ?) "
                    "WHERE row IN (SELECT row FROM found WHERE code = ?)",
                    (position, problem.code),
                )
        self._kept.executemany("INSERT INTO hidden VALUES (?, ?, ?)", _hidden_entities(plan))
        self._kept.execute("COMMIT")
