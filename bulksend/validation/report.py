"""All problems of all rows, grouped by kind, for people and for programs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.portal.error_help import code_help
from bulksend.sheet.messages import listed, quoted, rows_in_words
from bulksend.validation.messages import column_in_words

FIRST_ROWS = 10
"""How many row numbers a group names."""

RowNumbers: TypeAlias = npt.NDArray[np.uint32]

NO_ROWS: RowNumbers = np.empty(0, dtype=np.uint32)


@dataclass(slots=True)
class Problem:
    """One kind of problem: what, how many rows, the first of them, an example and what to do."""

    code: str
    says: str
    advice: str
    warning: bool = False
    count: int = 0
    rows: list[int] = field(default_factory=list)
    example: str = ""
    example_row: int = 0
    heading: str = ""

    @property
    def column(self) -> str:
        """In which column, in words."""
        return column_in_words(self.heading)

    def line(self) -> str:
        """The group as one line for people."""
        counted = where = such_as = sentence = ""
        if self.rows:
            names = listed([str(row) for row in self.rows], more=self.count - len(self.rows))
            names = f"{names}; {self.column}" if self.column else names
            several = min(self.count, 2)  # with these numbers after it, the word has not the form that 41 has
            where = ngettext(" (row {rows})", " (rows {rows})", several).format(rows=names)
            counted = f"{rows_in_words(self.count)}: "
        of_a_cell = code_help(self.code).of_cells
        example = quoted(self.example) if of_a_cell else self.example
        if self.example.endswith(".") and not of_a_cell:
            sentence = _("Row {row}: {example} ").format(row=self.example_row, example=example)
        elif self.example and self.rows:
            text = _(", such as {example} in row {row}") if self.count > 1 else _(", such as {example}")
            such_as = text.format(example=example, row=self.example_row)
        return f"{self.code}: {counted}{self.says}{such_as}{where}. {sentence}{self.advice}"


@dataclass(slots=True)
class Report:
    """What checking a sheet found.

    Attributes:
        rows: rows looked at, hidden ones not among them.
        good: rows that can be sent.
        hidden: rows left out because the sheet hides them.
        first_hidden: the numbers of the first of them.
        to_look_up: rows that can be sent once a lookup has found their chats.
        marked_sent: rows without a problem whose customers have the message, or may have it, by the sheet, which is the
            results of an earlier campaign.
        without_sent: whether these are left out, and not among ``rows``.
        chats: different chats among the good rows.
        preview: the first good rows as they would go out: row number, entity type, entity id, chat id, user id, text.
        repeats: the rows that send a chat the same text as an earlier one, and that one for each.
        shared: the rows whose chat another one has for another entity, likewise.
        several: how many chats get several different messages; of the first of them the chat, its first rows, and how
            many they are.
    """

    rows: int = 0
    good: int = 0
    hidden: int = 0
    first_hidden: list[int] = field(default_factory=list)
    to_look_up: int = 0
    marked_sent: int = 0
    without_sent: bool = False
    chats: int = 0
    preview: list[tuple[int, str, int, int, int, str]] = field(default_factory=list)
    repeats: tuple[RowNumbers, RowNumbers] = (NO_ROWS, NO_ROWS)
    shared: tuple[RowNumbers, RowNumbers] = (NO_ROWS, NO_ROWS)
    several: tuple[int, list[tuple[int, list[int], int]]] = (0, [])
    _groups: dict[str, Problem] = field(default_factory=dict)

    @property
    def has_repeats(self) -> bool:
        """Whether rows send a chat the same text as an earlier one."""
        return len(self.repeats[0]) > 0

    @property
    def named(self) -> Iterator[int]:
        """The rows that are named because they can be sent, and should be looked at again."""
        for warning in self.warnings:
            yield from warning.rows
        for _chat, rows, _count in self.several[1]:
            yield from rows

    def add(
        self,
        code: str,
        row_number: int | None,
        example: str = "",
        *,
        says: str = "",
        advice: str = "",
        heading: str = "",
    ) -> None:
        """Add one row's problem, or with None one of the whole sheet; codes of the portal are welcome.

        ``says`` and ``advice`` replace the words that `portal.error_help.HELP` has for the code.
        """
        rows = [] if row_number is None else [row_number]
        self.add_rows(code, 1, rows, example, says=says, advice=advice, heading=heading)

    def add_rows(
        self,
        code: str,
        count: int,
        rows: list[int],
        example: str = "",
        example_row: int = 0,
        *,
        says: str = "",
        advice: str = "",
        warning: bool | None = None,
        heading: str = "",
    ) -> None:
        """Add ``count`` rows that have the same problem.

        ``rows`` are the first of them, in order; ``example`` is of ``example_row``, or of the first of ``rows``;
        ``warning`` says whether they are sent all the same, where the code alone does not; ``heading`` is the column's.
        """
        group = self._groups.get(code)
        if group is None:
            text = code_help(code)
            means, remedy = text.finding
            kept = text.warning if warning is None else warning
            group = self._groups[code] = Problem(code, says or means, advice or remedy, kept)
        group.heading = group.heading or heading
        if example and not group.example:
            group.example = example
            group.example_row = example_row or next(iter(rows), 0)
        group.count += count
        group.rows += rows[: FIRST_ROWS - len(group.rows)]

    @property
    def problems(self) -> list[Problem]:
        """The groups that keep rows from being sent."""
        return [group for group in self._groups.values() if not group.warning]

    @property
    def warnings(self) -> list[Problem]:
        """The groups that do not."""
        return [group for group in self._groups.values() if group.warning]

    @property
    def errors(self) -> int:
        """How many problems there are, over all rows; a row can have several."""
        return sum(group.count for group in self.problems)

    @property
    def warning_count(self) -> int:
        """How many warnings there are, over all rows."""
        return sum(group.count for group in self.warnings)

    def lines(self) -> list[str]:
        """The report for people, one line for each kind of problem; none where there is nothing to say."""
        lines = [problem.line() for problem in self.problems]
        lines += [_("Warning: {problem}").format(problem=problem.line()) for problem in self.warnings]
        if self.hidden:
            text = ngettext(
                "{rows} row is hidden in the sheet and left out. {advice}",
                "{rows} rows are hidden in the sheet and left out. {advice}",
                self.hidden,
            )
            lines.append(text.format(rows=number(self.hidden), advice=code_help("HIDDEN_ROW").advice))
        if self.marked_sent:
            lines.append(self.marked_in_words())
        return lines

    def marked_in_words(self) -> str:
        """What becomes of the rows that were sent, or may have been, by the sheet itself."""
        if self.without_sent:
            text = ngettext(
                "{rows} row is left out: by the earlier results in the sheet it was sent, or may have been.",
                "{rows} rows are left out: by the earlier results in the sheet they were sent, or may have been.",
                self.marked_sent,
            )
        else:
            text = ngettext(
                "{rows} row would be sent again: by the earlier results in the sheet it was sent, or may have been.",
                "{rows} rows would be sent again: by the earlier results in the sheet they were sent, or may have "
                "been.",
                self.marked_sent,
            )
        return text.format(rows=number(self.marked_sent))

    def outcome(self) -> str:
        """One sentence: how many rows can be sent."""
        if not self.rows:
            return _("There is no row to send.")
        if self.chats:
            chats = ngettext("to {chats} chat", "to {chats} chats", self.chats).format(chats=number(self.chats))
            text = ngettext(
                "{good} of {rows} row can be sent, {to}.", "{good} of {rows} rows can be sent, {to}.", self.rows
            )
        else:
            chats, text = (
                "",
                ngettext("{good} of {rows} row can be sent.", "{good} of {rows} rows can be sent.", self.rows),
            )
        outcome = text.format(good=number(self.good), rows=number(self.rows), to=chats)
        return outcome if self.errors else _("No problems: {outcome}").format(outcome=outcome)

    def to_json(self) -> dict[str, Any]:
        """The report for programs, made of plain values."""
        return {
            "rows": self.rows,
            "good": self.good,
            "hidden": self.hidden,
            "chats": self.chats,
            "errors": self.errors,
            "warnings": self.warning_count,
            "problems": [_plain(problem) for problem in self.problems],
            "warning_groups": [_plain(problem) for problem in self.warnings],
            "preview": [
                dict(zip(("row", "entity_type", "entity_id", "chat_id", "user_id", "message"), row, strict=True))
                for row in self.preview
            ],
        }


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "count": problem.count,
        "rows": problem.rows,
        "example": problem.example,
        "example_row": problem.example_row,
        "says": problem.says,
        "advice": problem.advice,
    }
