"""A sheet that was read and checked: what it would send, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bulksend.journal import NewRow, State
from bulksend.sentences import Refusal, refuse
from bulksend.sheet import RESULT_COLUMNS, Columns, Dialect, Piece, Sheet, find_columns, open_sheet, write_results
from bulksend.template import MessageTemplate
from bulksend.validation import Checked, Checker, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """How a sheet is to be read.

    Attributes:
        sheet: the name of the sheet in its workbook; None for the first visible one.
        mapping: field (``CHAT_ID``) → heading, where the headings do not say it.
        message: a message template over the sheet's columns; None where the sheet has a message column.
        include_hidden: whether rows hidden in the sheet count too.
        without_chats: whether chat ids may be missing because they will be looked up.
    """

    sheet: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    message: str | None = None
    include_hidden: bool = False
    without_chats: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sheet would send.

    Attributes:
        report: what was found, with the counts and the first messages.
        users: different user ids among the good rows; 0 stands for whoever speaks for the campaign.
        content: the same for two sheets exactly when they would send the same.
    """

    sheet: Sheet
    columns: Columns
    options: SheetOptions
    report: Report
    users: tuple[int, ...] = ()
    content: str = ""

    @property
    def width(self) -> int:
        """How many of the columns are the sheet's own: results of an earlier campaign are not."""
        return self.sheet.original_width

    @property
    def headings(self) -> list[str]:
        """The headings of the sheet's own columns."""
        return list(self.sheet.headings[: self.width])

    @property
    def message_column(self) -> int | None:
        """Where the message stands as it is sent, None where a template writes it."""
        if self.options.message is not None or self.columns.message is None or self.columns.message >= self.width:
            return None
        return self.columns.message

    @property
    def form(self) -> dict[str, Any]:
        """What it takes to write a sheet of the same kind again, as plain values."""
        dialect = self.sheet.dialect
        return {
            "format": self.sheet.format,
            "name": self.sheet.name,
            "dialect": {"encoding": dialect.encoding, "delimiter": dialect.delimiter, "line_end": dialect.line_end}
            if dialect
            else None,
        }

    def new_rows(self) -> Iterator[list[NewRow]]:
        """Read the sheet again as rows for the journal, in pieces.

        Raises:
            SheetError: the file has changed since it was checked.
        """
        digest = hashlib.blake2b(digest_size=16)
        checker = _checker(self.sheet, self.columns, self.options)
        for piece in self.sheet.pieces():
            rows = _rows(piece, checker.check(piece), self.width)
            for row in rows:
                digest.update(_payload(row))
            yield rows
        if self.content not in {"", digest.hexdigest()}:
            raise refuse(Refusal.FILE_CHANGED, name=self.sheet.path.name)

    def sandbox_rows(self) -> Iterator[tuple[str, int, int, int]]:
        """The entity, chat and user of each good row, for a sandbox that is to know them."""
        for rows in self.new_rows():
            for row in rows:
                if row.state is State.PENDING:
                    yield row.entity_type, row.entity_id, row.chat_id, row.user_id

    def write_problems(self, path: Path) -> Path:
        """Write a copy of the sheet with each row's problem beside it, in the columns of a results sheet.

        Raises:
            SheetError: the file has changed since it was checked.
            OSError: it cannot be written.
        """
        checker = _checker(self.sheet, self.columns, self.options)
        words = {State.PENDING: "", State.INVALID: "invalid", State.SKIPPED: "skipped"}
        lines = (
            [*row.cells, words[row.state], "", row.error_code, row.error_description, "", ""]
            for piece in self.sheet.pieces()
            for row in _rows(piece, checker.check(piece), self.width)
        )
        return write_results(
            path,
            format="csv" if self.sheet.format == "csv" and path.suffix.lower() != ".xlsx" else "xlsx",
            headings=[*self.headings, *RESULT_COLUMNS],
            rows=lines,
            dialect=self.sheet.dialect,
            status_column=self.width,
        )


def dialect_of(form: Mapping[str, Any]) -> Dialect | None:
    """The dialect in what `Plan.form` gave."""
    return Dialect(**form["dialect"]) if form.get("dialect") else None


def examine(path: Path, options: SheetOptions, *, identify: bool = True) -> Plan:
    """Read and check a sheet.

    Args:
        path: the file.
        options: how to read it.
        identify: whether ``content``, which takes a second look at every row, is wanted.

    Raises:
        SheetError: it cannot be read as a sheet of messages.
        TemplateError: the message template does not fit it.
    """
    sheet = open_sheet(path, sheet=options.sheet, heading_names=tuple(options.mapping.values()))
    optional = [*(["MESSAGE"] if options.message is not None else []), *(["CHAT_ID"] if options.without_chats else [])]
    columns = find_columns(sheet.headings, options.mapping, optional=optional)
    checker = _checker(sheet, columns, options)
    width = sheet.original_width
    digest = hashlib.blake2b(digest_size=16)
    users: set[int] = set()
    for piece in sheet.pieces():
        checked = checker.check(piece)
        if identify:
            good = checked.rows["error_code"].to_numpy() == ""
            users.update(np.unique(checked.rows["user_id"].to_numpy()[good]).tolist())
            for row in _rows(piece, checked, width):
                digest.update(_payload(row))
    content = digest.hexdigest() if identify else ""
    return Plan(sheet, columns, options, checker.report(), tuple(sorted(users)), content)


def fingerprint(chat_id: int, message: str) -> int:
    """A number for "this text in this chat": 64 bits, signed as databases have them.

    Blanks around the text do not count, because the portal drops them.
    """
    digest = hashlib.blake2b(f"{chat_id}\0{message.strip()}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big", signed=True)


def _checker(sheet: Sheet, columns: Columns, options: SheetOptions) -> Checker:
    template = None if options.message is None else MessageTemplate(options.message, sheet.headings)
    return Checker(columns, message=template, include_hidden=options.include_hidden)


_FIELDS: Final = ("entity_type", "entity_id", "chat_id", "user_id", "message", "error_code", "error_description")


def _rows(piece: Piece, checked: Checked, width: int) -> list[NewRow]:
    frame = checked.rows
    columns = [frame[name].tolist() for name in _FIELDS]
    cells = piece.cells.iloc[:, :width].to_numpy().tolist()
    rows = []
    for number, own, kind, entity, chat, user, message, code, description in zip(
        frame.index.tolist(), cells, *columns, strict=True
    ):
        if not code:
            row = NewRow(number, own, kind, entity, chat, user, message, fingerprint(chat, message))
        else:
            state = State.SKIPPED if code == "HIDDEN_ROW" else State.INVALID
            row = NewRow(number, own, kind, entity, chat, user, message, 0, state, code, description)
        rows.append(row)
    return rows


def _payload(row: NewRow) -> bytes:
    """What makes a row the same row: what would be sent, or, where nothing can be, what stands there instead."""
    if row.state is State.SKIPPED:
        return b"\x1e"
    sent = (row.entity_type, str(row.entity_id), str(row.chat_id), str(row.user_id), row.message.strip())
    parts = sent if row.state is State.PENDING else (*sent, row.error_code, *row.cells)
    return ("\x1f".join(parts) + "\x1e").encode("utf-8", "surrogatepass")
