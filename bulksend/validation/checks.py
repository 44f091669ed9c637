"""Every problem of every row, found a chunk of the sheet at a time."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.sheet.chunks import Chunk, Flags
from bulksend.sheet.headings import RESULT_COLUMNS, Columns, status_position
from bulksend.sheet.metadata import NOT_CALCULATED
from bulksend.validation.duplicates import Duplicates
from bulksend.validation.messages import describe, heading_of
from bulksend.validation.report import FIRST_ROWS, Report
from bulksend.validation.values import (
    BLANK,
    ENTITY_TYPES,
    NO_ZONE,
    ROW_IN_TEXT,
    UNREADABLE,
    entity_types,
    identifiers,
    time_zones,
)

LONGEST_MESSAGE = 20_000
"""Characters; the messenger cuts longer texts (portal documentation: message.add)."""

PREVIEW_ROWS = 3

_CODE_BESIDE_STATUS = RESULT_COLUMNS.index("error_code")

_FORMULA_ERRORS = re.compile(
    rf"{NOT_CALCULATED}|#N/A|#REF!|#VALUE!|#NAME\?|#DIV/0!|#NULL!|#NUM!|#CALC!|#SPILL!"
    r"|#Н/Д|#ССЫЛКА!|#ЗНАЧ!|#ИМЯ\?|#ДЕЛ/0!|#ПУСТО!|#ЧИСЛО!|Err:\d{3}"
)
_PLACEHOLDER = re.compile(r"\{\{?[^{}\n]{1,60}\}\}?|#[A-ZА-Я_]{2,40}#|%[A-Za-zА-Яа-я_]{2,40}%")
_FIGURE_IN_ROW = re.compile(r"""[;,\t|]"?[0-9]+"?[;,\t|]""")
_LOOKED_AT = 200
_GARBLED = re.compile(
    r"\ufffd|\?{3,} \?{3,}"
    r"|[À-ÿ]{4}"  # windows-1251 read as Latin-1
    r"""|(?:[РСÐÑ][^\sA-Za-zА-Яа-яЁё0-9.,!?:;()"'«»–—-]){3}"""  # UTF-8 read as windows-1251 or windows-1252
    r"|(?:\b[а-яё][А-ЯЁ]{2,}\b\W*){2}"  # KOI8-R read as windows-1251
)


class RowProblem(Protocol):
    """Why a row could not fill a template: a code and a sentence."""

    @property
    def code(self) -> str:
        """EMPTY_VALUE, or another code of the template's."""

    @property
    def description(self) -> str:
        """One sentence: what is wrong and what to do."""

    @property
    def example(self) -> str:
        """What the report of all rows shows of it: words, or a sentence."""


class Rendered(Protocol):
    """What a template made of some rows."""

    @property
    def messages(self) -> "pd.Series[str]":
        """One for each row, in the rows' order."""

    @property
    def problems(self) -> Mapping[int, RowProblem]:
        """By row number."""


class Renders(Protocol):
    """A message template: writes the text of each row from its cells."""

    def render(self, cells: pd.DataFrame) -> Rendered:
        """The texts of ``cells``, whose columns are positions in heading order."""


LEFT_OUT = frozenset({"HIDDEN_ROW", "ALREADY_SENT"})
"""The codes of rows that are left out, and have no problem."""

LOOKUP_CODES = frozenset({"NO_CHAT", "ACCESS_DENIED", "CHATS_NOT_TOLD"})
"""What a lookup can find wrong with a row; no other check gives these codes."""


class FindsChats(Protocol):
    """Knows the chats of rows that name none: what a lookup found."""

    def find(
        self, kinds: npt.NDArray[np.object_], ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]:
        """The chat of each entity (0: none) and where there is none one of `LOOKUP_CODES` ("": no problem yet)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk of the sheet after the checks.

    Attributes:
        rows: by row number, entity_type (lead | deal | contact | company | ""), entity_id and chat_id (0 where
            unusable), user_id (0: the portal's own user), message, timezone ("": the
            campaign's), error_code ("" where good) and error_description.
            Hidden rows are there with the code HIDDEN_ROW and are not checked, rows that are left out as sent with
            the code ALREADY_SENT.
        hidden: one flag for each of ``rows``.
        looked_up: likewise: the row names no chat and gets the one that a lookup finds.
        more_codes: of rows that have several problems, by row number: the codes after the first.
        warnings: of rows that should be looked at again, by row number: the codes; what only all rows together show, as
            in `Report.repeats`, is not among them.
    """

    rows: pd.DataFrame
    hidden: Flags
    looked_up: Flags
    more_codes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    warnings: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


class Checker:
    """Checks a sheet chunk by chunk and gathers one report; memory grows by a few bytes a row."""

    def __init__(
        self,
        columns: Columns,
        *,
        message: Renders | None = None,
        include_hidden: bool = False,
        chats: FindsChats | None = None,
        headings: Sequence[str] = (),
        without_sent: bool = False,
    ) -> None:
        """Get ready to check a sheet.

        Args:
            columns: where the fields stand.
            message: writes the texts, for sheets whose rows do not hold them; wins over a column of messages.
            include_hidden: take hidden rows for ordinary ones.
            chats: knows the chats of rows that name none; without it such rows have a problem.
            headings: of the sheet, so that problems name its columns as it does itself.
            without_sent: leave out rows of a results sheet whose customers have the message by it, or may have it.
        """
        self._columns, self._headings = columns, headings
        self._status, self._without_sent = status_position(headings), without_sent
        self._template = message
        self._include_hidden = include_hidden
        self._chats = chats
        self._report = Report(without_sent=without_sent)
        self._duplicates = Duplicates()
        self._added_duplicates = False

    def check(self, chunk: Chunk) -> Checked:
        """Check the rows of ``chunk``; chunks come in the sheet's order, each once."""
        hidden = np.zeros(len(chunk.cells), dtype=np.bool_) if self._include_hidden else chunk.hidden
        if not hidden.any():
            return self._check(chunk.cells, chunk.too_wide)
        self._report.hidden += int(hidden.sum())
        numbers = chunk.cells.index.to_numpy()[hidden][: FIRST_ROWS - len(self._report.first_hidden)]
        self._report.first_hidden += numbers.tolist()
        rows = _hidden(chunk.cells.index)
        looked_up = np.zeros(len(rows), dtype=np.bool_)
        if hidden.all():
            return Checked(rows, hidden, looked_up)
        visible = self._check(chunk.cells[~hidden], chunk.too_wide[~hidden])
        looked_up[~hidden] = visible.looked_up
        rows = pd.concat([rows[hidden], visible.rows]).loc[chunk.cells.index]
        return replace(visible, rows=rows, hidden=hidden, looked_up=looked_up)

    def report(self) -> Report:
        """The report over all chunks checked so far; to be asked for once they all were."""
        if not self._added_duplicates:
            self._added_duplicates = True
            again, first, chats = self._duplicates.repeats()
            if len(again):
                example = _("the text of row {row} for chat {chat}").format(row=first[0], chat=chats[0])
                self._report.add_rows("DUPLICATE_MESSAGE", len(again), again[:FIRST_ROWS].tolist(), example)
            self._report.repeats = again, first
            again, first, chats = self._duplicates.shared()
            if len(again):
                example = _("chat {chat}, as in row {row}").format(row=first[0], chat=chats[0])
                self._report.add_rows("SHARED_CHAT", len(again), again[:FIRST_ROWS].tolist(), example)
            self._report.shared = again, first
            self._report.several = self._duplicates.several(self._report.repeats[0], FIRST_ROWS)
            self._report.chats = self._duplicates.chats()
            if not (self._report.rows or self._report.hidden or self._report.marked_sent):
                self._report.add("NO_ROWS", None)
        return self._report

    def _check(self, cells: pd.DataFrame, too_wide: Flags) -> Checked:
        numbers = cells.index.to_numpy(dtype=np.int64)
        columns = self._columns
        findings = _Findings(numbers, self._report, partial(heading_of, columns=columns, headings=self._headings))

        types = self._types(cells, findings)
        entity_ids = _ids(cells, columns.entity_id, "INVALID_ENTITY_ID", findings)
        chat_ids = np.zeros(len(cells), dtype=np.int64)
        if columns.chat_id is not None:
            may_be_blank = self._chats is not None
            chat_ids = _ids(cells, columns.chat_id, "INVALID_CHAT_ID", findings, chat=True, may_be_blank=may_be_blank)
        looked_up = findings.good & (chat_ids == 0)
        why = np.zeros(0, dtype=object)
        if self._chats is not None:
            chat_ids[looked_up], why = self._chats.find(types[looked_up], entity_ids[looked_up])
        user_ids = np.zeros(len(cells), dtype=np.int64)
        if columns.user_id is not None:
            user_ids = _ids(cells, columns.user_id, "INVALID_USER_ID", findings, may_be_blank=True)
        zones = self._zones(cells, findings)
        findings.note("TOO_MANY_CELLS", too_wide)
        messages = self._messages(cells, findings)
        _check_messages(messages, findings, written_by_template=self._template is not None)
        for code in sorted(set(why[why != ""])):
            # last, so that what is wrong with the row itself comes first whatever a lookup found
            without = np.zeros(len(cells), dtype=np.bool_)
            without[np.flatnonzero(looked_up)[why == code]] = True
            findings.note(code, without)

        good, left_out = findings.good, 0
        if self._status is not None:
            marked = good & _may_have_it(cells, self._status)
            self._report.marked_sent += int(marked.sum())
            if self._without_sent:
                left_out = findings.leave_out("ALREADY_SENT", marked)
        self._report.rows += len(cells) - left_out
        self._report.good += int(good.sum())
        known = good & (chat_ids > 0)
        self._report.to_look_up += int((good & ~known).sum())
        owners = entity_ids * len(ENTITY_TYPES) + sum(
            place * (types == kind) for place, kind in enumerate(ENTITY_TYPES)
        )
        self._duplicates.add(chat_ids[known], messages[known], numbers[known], owners[known])
        faulty = ~good & (findings.codes != "ALREADY_SENT") & (chat_ids > 0) & (entity_ids > 0) & (types != "")
        self._duplicates.add_faulty(chat_ids[faulty], numbers[faulty], owners[faulty])
        for row in np.flatnonzero(good)[: PREVIEW_ROWS - len(self._report.preview)]:
            self._report.preview.append(
                (
                    int(numbers[row]),
                    types[row],
                    int(entity_ids[row]),
                    int(chat_ids[row]),
                    int(user_ids[row]),
                    messages[row],
                )
            )
        rows = _frame(
            cells.index,
            entity_type=types,
            entity_id=entity_ids,
            chat_id=chat_ids,
            user_id=user_ids,
            message=messages,
            timezone=zones,
            error_code=findings.codes,
            error_description=findings.descriptions,
        )
        hidden = np.zeros(len(cells), dtype=np.bool_)
        return Checked(rows, hidden, looked_up, findings.more_codes, findings.warnings)

    def _types(self, cells: pd.DataFrame, findings: "_Findings") -> npt.NDArray[np.object_]:
        if self._columns.entity_type is None:
            return np.full(len(cells), self._columns.implied_type, dtype=object)
        texts = cells[self._columns.entity_type].to_numpy()
        types = entity_types(texts)
        findings.note("INVALID_ENTITY_TYPE", types == "", texts)
        return types

    def _zones(self, cells: pd.DataFrame, findings: "_Findings") -> npt.NDArray[np.object_]:
        if self._columns.timezone is None:
            return np.full(len(cells), "", dtype=object)
        texts = cells[self._columns.timezone].to_numpy()
        zones = time_zones(texts)
        findings.note("INVALID_TIMEZONE", zones == NO_ZONE, texts)
        return zones

    def _messages(self, cells: pd.DataFrame, findings: "_Findings") -> npt.NDArray[np.object_]:
        if self._template is None and self._columns.message is None:
            raise UsageError(
                _("Say what to write: the sheet has no column of messages and there is no template."),
                code="NO_MESSAGES",
            )
        if self._template is None:
            return np.asarray(cells[self._columns.message].to_numpy())
        rendered = self._template.render(cells)
        for row, problem in rendered.problems.items():
            findings.note_row(row, problem)
        return np.asarray(rendered.messages.to_numpy(dtype=object))


class _Findings:
    """The problems of one chunk's rows: counted in the report, and beside each row."""

    def __init__(self, numbers: npt.NDArray[np.int64], report: Report, heading_of: Callable[[str], str]) -> None:
        self.numbers, self._heading_of = numbers, heading_of
        self.codes = np.full(len(numbers), "", dtype=object)
        self.descriptions = np.full(len(numbers), "", dtype=object)
        self.good = np.ones(len(numbers), dtype=np.bool_)
        self.unfilled = np.zeros(len(numbers), dtype=np.bool_)  # a template could not write these rows' messages
        self.more_codes: dict[int, tuple[str, ...]] = {}  # by row number, of rows with several problems
        self.warnings: dict[int, tuple[str, ...]] = {}  # likewise
        self._report = report

    def note(self, code: str, wrong: Flags, texts: npt.NDArray[np.object_] | None = None) -> None:
        """The flagged rows have the problem ``code``; ``texts`` are the cells it is about, where showing them helps."""
        if not wrong.any():
            return
        places = np.flatnonzero(wrong)
        shown = None if texts is None else next((place for place in places if texts[place].strip()), None)
        example, row = ("", 0) if texts is None or shown is None else (texts[shown], int(self.numbers[shown]))
        heading = self._heading_of(code)
        first = self.numbers[places[:FIRST_ROWS]].tolist()
        self._report.add_rows(code, len(places), first, example, row, heading=heading)
        described: dict[str | None, str] = {}
        for place in places.tolist():
            cell = None if texts is None else texts[place]
            if cell not in described:
                described[cell] = describe(code, cell, heading=heading)
            self._describe(place, code, described[cell])

    def leave_out(self, code: str, rows: Flags) -> int:
        """These rows have no problem and are not to be sent; returns how many they are."""
        self.codes[rows], self.descriptions[rows] = code, describe(code)
        self.good &= ~rows
        return int(rows.sum())

    def note_row(self, row: int, problem: RowProblem) -> None:
        """One row's problem in its own words, from a template."""
        place = int(np.searchsorted(self.numbers, row))
        self.unfilled[place] = True
        self._report.add(problem.code, row, problem.example)
        self._describe(place, problem.code, problem.description)

    def warn(self, code: str, places: list[int], example: str = "") -> None:
        """These rows are reported, and sent nevertheless."""
        if places:
            numbers = self.numbers[places].tolist()
            self._report.add_rows(code, len(places), numbers[:FIRST_ROWS], example)
            for row in numbers:
                self.warnings[row] = (*self.warnings.get(row, ()), code)

    def _describe(self, place: int, code: str, description: str) -> None:
        self.good[place] = False
        if self.codes[place]:
            self.descriptions[place] += f" {description}"
            row = int(self.numbers[place])
            self.more_codes[row] = (*self.more_codes.get(row, ()), code)
        else:
            self.codes[place], self.descriptions[place] = code, description


def _ids(
    cells: pd.DataFrame,
    column: int,
    code: str,
    findings: _Findings,
    *,
    chat: bool = False,
    may_be_blank: bool = False,
) -> npt.NDArray[np.int64]:
    texts = cells[column].to_numpy()
    ids = identifiers(texts.tolist(), chat=chat)
    wrong = ids == UNREADABLE
    if not may_be_blank:
        wrong |= ids == BLANK
    findings.note(code, wrong, texts)
    ids[ids == UNREADABLE] = 0
    return ids


def _may_have_it(cells: pd.DataFrame, status: int) -> Flags:
    """The rows of which an earlier campaign's results say that the customer has the message, or may have it."""
    statuses, codes = cells[status], cells[status + _CODE_BESIDE_STATUS]
    return np.asarray(
        statuses.isin({"sent", "unknown"}) | (statuses == "skipped") & codes.isin({"ALREADY_SENT", "DUPLICATE_MESSAGE"})
    )


def _check_messages(messages: npt.NDArray[np.object_], findings: _Findings, *, written_by_template: bool) -> None:
    """The texts: what the portal would refuse, and what a person should look at again."""
    texts: list[str] = messages.tolist()
    stripped = list(map(str.strip, texts))
    lengths = np.fromiter(map(len, stripped), dtype=np.int64, count=len(stripped))
    empty = lengths == 0
    for place in np.flatnonzero(lengths == 1).tolist():
        empty[place] = stripped[place] == "0"  # the portal takes it for empty (portal documentation: message.add)
    findings.note("EMPTY_MESSAGE", empty & ~findings.unfilled)
    joined = "\0".join(texts)
    if "#" in joined or "Err:" in joined:
        # a formula with an error shows nothing else; a template puts the error of one cell among its own words
        find = _FORMULA_ERRORS.search if written_by_template else _FORMULA_ERRORS.fullmatch
        errors = _found(find, stripped)
        findings.note("FORMULA_ERROR", errors != "", errors)
    if _FIGURE_IN_ROW.search(joined):
        rows = _found(ROW_IN_TEXT.search, texts)
        findings.note("ROWS_IN_MESSAGE", rows != "", rows)
    findings.warn("MESSAGE_CUT", np.flatnonzero(lengths > LONGEST_MESSAGE).tolist())
    if "{" in joined or "#" in joined or "%" in joined:
        found = {place: match[0] for place, text in enumerate(texts) if (match := _PLACEHOLDER.search(text))}
        findings.warn("UNFILLED_PLACEHOLDER", list(found), next(iter(found.values()), ""))
    # A wrong encoding garbles a whole sheet, so a few rows of many tell; looking at each would take a third longer.
    some = "\0".join(texts[:: max(1, len(texts) // _LOOKED_AT)])
    if "\ufffd" in joined or "??? ???" in joined or _GARBLED.search(some):
        found = {place: match[0] for place, text in enumerate(texts) if (match := _GARBLED.search(text))}
        findings.warn("GARBLED_MESSAGE", list(found), next(iter(found.values()), ""))


def _found(find: Callable[[str], re.Match[str] | None], texts: list[str]) -> npt.NDArray[np.object_]:
    """What is found in each text, without the white space around it; "" where nothing is."""
    return np.array([match[0].strip() if (match := find(text)) else "" for text in texts], dtype=object)


def _hidden(index: pd.Index) -> pd.DataFrame:
    """Rows that are not checked, because the sheet hides them."""
    count = len(index)
    blank, zero = np.full(count, "", dtype=object), np.zeros(count, dtype=np.int64)
    return _frame(
        index,
        entity_type=blank,
        entity_id=zero,
        chat_id=zero,
        user_id=zero,
        message=blank,
        timezone=blank,
        error_code=np.full(count, "HIDDEN_ROW", dtype=object),
        error_description=np.full(count, describe("HIDDEN_ROW"), dtype=object),
    )


def _frame(index: pd.Index, **columns: npt.NDArray[Any]) -> pd.DataFrame:
    """Columns as a frame; texts stay objects, because pandas' own strings are slower here."""
    return pd.DataFrame({name: pd.Series(values, index=index, dtype=values.dtype) for name, values in columns.items()})
