"""The filters a message template may use, and what stands for a cell while one is filled in."""

import functools
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Final, NoReturn

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined
from jinja2.filters import do_default

from bulksend.locale import _
from bulksend.locale.formats import number
from bulksend.template.messages import CellFault, RowFault
from bulksend.template.values import DEFAULT_DATE, Language, format_moment, format_number, parse_moment, parse_number

LONGEST_TEXT: Final = 50_000
"""Characters of a message, or of any text on the way to one: the messenger itself cuts at 20,000."""

_SHOWN: Final = 40


class CannotFillError(TemplateRuntimeError):
    """A row cannot fill the template; the text is a sentence about the row."""


class EmptyCellError(TemplateRuntimeError):
    """The template needs a cell that is empty; the text is the column's heading."""


class EmptyCell(StrictUndefined):
    """What stands for an empty cell.

    It may be asked about (``{% if phone %}``) and given a default; it may not be put into a message.
    """

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return isinstance(other, EmptyCell) or other == ""

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash("")


def empty_cell(heading: str) -> EmptyCell:
    """Return what stands for the empty cells of one column."""
    return EmptyCell(hint=heading, exc=EmptyCellError)


class Cell(str):
    """A cell's text, which raises an error where it is used as a number.

    Text times two is the text twice, "9" is more than "10", and "100" is never 100: each would quietly put a wrong
    figure in front of a customer. Each column has its own subclass, which knows the heading.
    """

    __slots__ = ()
    heading: ClassVar[str] = ""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Decimal):
            self._is_text()
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def _is_text(self, *_: object) -> NoReturn:
        raise CannotFillError(RowFault.TEXT_COMPARED.say(heading=self.heading))

    __lt__ = __le__ = __gt__ = __ge__ = _is_text


def cell_type(heading: str) -> type[Cell]:
    """Return the type of one column's cells."""
    return type("Cell", (Cell,), {"__slots__": (), "heading": heading})


def named(value: object) -> str:
    """Return how a sentence names a value: by its column where that is known, and cut short."""
    text = str(value)
    shown = f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"
    if not isinstance(value, Cell):
        return shown
    return _("{value} in the column '{heading}'").format(value=shown, heading=value.heading)


def too_long() -> CannotFillError:
    """Return the error for a text that is longer than any message."""
    return CannotFillError(RowFault.TOO_LONG.say(longest=number(LONGEST_TEXT)))


def join_texts(parts: Iterable[object], separator: object = "") -> str:
    """Return the parts' texts, one after the other, never holding more than one message may have."""
    texts: list[str] = []
    between = as_text(separator)
    size = 0
    for part in parts:
        texts.append(text := as_text(part))
        size += len(text) + len(between)
        if size > LONGEST_TEXT:
            raise too_long()
    return between.join(texts)


def as_text(value: object) -> str:
    """Return what a value puts into a message; a list, a boolean or nothing at all is not a text."""
    if isinstance(value, str | Undefined):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise CannotFillError(RowFault.NO_TEXT.say())
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def as_number(value: object, reads: str | None = None) -> Decimal:
    """Return the number that a cell, a text or a number is."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    try:
        return parse_number(as_text(value), reads)
    except ValueError as error:
        raise CannotFillError(RowFault.CELL.say(cell=named(value), problem=error)) from None


def _whole_number(value: object) -> int:
    """Return an argument that must be a small whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_TEXT:
        raise CannotFillError(RowFault.NO_WHOLE_NUMBER.say())
    return value


def _decimals(value: object) -> int:
    return min(_whole_number(value), 10)


def _replace(value: object, old: object, new: object) -> str:
    text, before, after = as_text(value), as_text(old), as_text(new)
    if len(text) + text.count(before) * (len(after) - len(before)) > LONGEST_TEXT:
        raise too_long()
    return text.replace(before, after)


def _truncate(value: object, length: int = 100, end: str = "…") -> str:
    text, room = as_text(value), _whole_number(length)
    return text if len(text) <= room else text[: max(0, room - len(end))].rstrip() + end


def _size(value: object) -> int:
    if not isinstance(value, str | list | tuple):
        raise CannotFillError(RowFault.CELL.say(cell=named(value), problem=CellFault.NO_LENGTH.say()))
    return len(value)


def _end(value: object, position: int) -> object:
    if not isinstance(value, str | list | tuple) or not value:
        raise CannotFillError(RowFault.CELL.say(cell=named(value), problem=CellFault.NO_LENGTH.say()))
    return value[position]


def _round(value: object, decimals: int = 0) -> Decimal:
    return as_number(value).quantize(Decimal(1).scaleb(-_decimals(decimals)), rounding=ROUND_HALF_UP)


def _formatting_filters(language: Language) -> dict[str, Callable[..., Any]]:
    """Return the filters that write as a language does."""

    def number(value: object, decimals: int | None = None, reads: str | None = None) -> str:
        return format_number(as_number(value, reads), None if decimals is None else _decimals(decimals), language)

    def money(value: object, decimals: int = 2, reads: str | None = None) -> str:
        return number(value, decimals, reads)

    def date(value: object, pattern: str = DEFAULT_DATE[language], reads: str | None = None) -> str:
        try:
            return format_moment(parse_moment(as_text(value), reads), as_text(pattern), language)
        except ValueError as error:
            raise CannotFillError(RowFault.CELL.say(cell=named(value), problem=error)) from None

    return {"number": number, "money": money, "date": date}


def _passing_blanks(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let an empty cell through untouched, so that a ``default`` further on still meets it."""

    @functools.wraps(function)
    def filtered(value: object, *arguments: object, **options: object) -> object:
        return value if isinstance(value, Undefined) else function(value, *arguments, **options)

    return filtered


def filters(language: Language) -> dict[str, Callable[..., Any]]:
    """Return all filters by name; each one's result is bounded by what goes in."""
    plain: dict[str, Callable[..., Any]] = {
        "upper": lambda value: as_text(value).upper(),
        "lower": lambda value: as_text(value).lower(),
        "capitalize": lambda value: as_text(value).capitalize(),
        "title": lambda value: as_text(value).title(),
        "trim": lambda value: as_text(value).strip(),
        "replace": _replace,
        "truncate": _truncate,
        "join": join_texts,
        "length": _size,
        "first": lambda value: _end(value, 0),
        "last": lambda value: _end(value, -1),
        "int": lambda value, reads=None: int(as_number(value, reads)),
        "float": as_number,
        "round": _round,
    }
    blank_safe = {name: _passing_blanks(function) for name, function in (plain | _formatting_filters(language)).items()}
    return blank_safe | {"default": do_default, "d": do_default}
