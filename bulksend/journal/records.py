"""What the tables hold, as plain values: campaigns, rows and what became of them."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from bulksend.journal.holder import Holder
from bulksend.journal.model import Counts, Row, RowOutcome, Run, Stage, State
from bulksend.journal.tables import ROWS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class DamagedError(Exception):
    """What the journal holds is not what was written there."""


@contextlib.contextmanager
def undamaged() -> Iterator[None]:
    """Read what the journal holds; raise `DamagedError` where it makes no sense."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedError from error


MARK: Final = "\uffff"
"""What begins a message that is kept as JSON: PostgreSQL holds no text with NUL in it."""

ROW_COLUMNS: Final = (*(ROWS.c[field.name] for field in fields(Row)), ROWS.c.cells, RUNS.c.message_column)
"""What a `Row` is made from: its own fields in their order, and where its message is if it is not given by itself."""

OUTCOME_COLUMNS: Final = tuple(ROWS.c[name] for name in RowOutcome._fields)

_cells: Final = json.JSONDecoder().decode
_STATES: Final = {state.value: state for state in State}  # as fast as it is, since every row passes

_STATE, _MESSAGE, _CODE, _ZONE = (
    [field.name for field in fields(Row)].index(name) for name in ("state", "message", "error_code", "timezone")
)


def counts_of(record: Any) -> Counts:
    """The counts of a campaign's record."""
    return Counts(**{state.value: getattr(record, f"count_{state.value}") for state in State})


def holder_of(record: Any) -> Holder | None:
    """Who holds the campaign of a record, dead or alive."""
    with undamaged():
        return Holder.from_text(record.holder) if record.holder else None


def living_holder(record: Any, now: float) -> Holder | None:
    """The process that holds the campaign of a record, if it still runs."""
    holder = holder_of(record)
    return holder if holder is not None and holder.alive(record.seen_at or 0.0, now) else None


def run_of(record: Any, now: float) -> Run:
    """The campaign of a record."""
    holder = living_holder(record, now)
    with undamaged():
        stage = Stage(record.stage)
        return Run(
            id=record.id,
            created_at=record.created_at,
            ended_at=record.ended_at,
            stage=Stage.STOPPED if stage is Stage.RUNNING and holder is None else stage,
            reason=record.reason,
            file=record.file,
            sheet=json.loads(record.sheet),
            headings=tuple(json.loads(record.headings)),
            portal=record.portal,
            portal_name=record.portal_name,
            portal_address=record.portal_address,
            identity=record.identity,
            content=record.content,
            user_id=record.user_id,
            again=bool(record.again),
            results_path=record.results_path,
            settings=json.loads(record.settings),
            counts=counts_of(record),
            holder=holder,
            paused=bool(record.paused),
        )


def outcomes_of(records: Iterable[Any]) -> Iterator[RowOutcome]:
    """What became of the rows of records that hold `OUTCOME_COLUMNS`.

    They are made one at a time: the garbage collector takes longer over thousands at once than reading them takes.
    """
    with undamaged():
        for n, cells, state, message_id, code, text, sent_at, attempts, delivery in records:
            yield RowOutcome(
                n, _cells(cells), _STATES[state], message_id, code or "", text or "", sent_at, attempts, delivery or ""
            )


def message_to_keep(message: str) -> str:
    """A message as the journal keeps it."""
    return MARK + json.dumps(message) if "\0" in message or message.startswith(MARK) else message


def rows_of(records: Iterable[Any]) -> list[Row]:
    """The rows of records that hold `ROW_COLUMNS`."""
    with undamaged():
        return [_row_of(record) for record in records]


def _row_of(record: Any) -> Row:
    *row, cells, message_column = record  # by position: by name it takes three times as long
    row[_STATE], row[_CODE], row[_ZONE] = _STATES[row[_STATE]], row[_CODE] or "", row[_ZONE] or ""
    message = row[_MESSAGE]
    if message is None:
        row[_MESSAGE] = json.loads(cells)[message_column]
    elif message.startswith(MARK):
        row[_MESSAGE] = json.loads(message[1:])
    return Row(*row)
