"""What a message template may say: a small, closed part of Jinja2's language.

A template comes from anyone, over the command line today and a web page tomorrow. So nothing is open unless it is
listed here: filling in a row takes bounded time and memory, and reaches nothing but the row's own cells.
"""

import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, cast

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bulksend.template.filters import CannotFillError, as_text, filters, join_texts
from bulksend.template.sentences import RowSlip
from bulksend.template.values import Language

MOST_TURNS: Final = 1_000
"""Turns of all loops together, for one row."""
LOOP_BUDGET: Final = "loop budget"
"""The context's key for the turns left; no name in a template can be spelled like it."""

LARGEST: Final = Decimal(10) ** 30
"""Numbers beyond this are no sums of money; the bound keeps arithmetic cheap."""
TEXT_METHODS: Final = {
    "capitalize", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "split", "splitlines",
    "startswith", "strip", "title", "upper",
}  # fmt: skip
LOOP_PARTS: Final = {"first", "index", "index0", "last", "length", "revindex", "revindex0"}
TESTS: Final = {"defined", "undefined", "none", "string", "number", "in", "eq", "equalto", "==", "ne", "!="}
_ARITHMETIC: Final[dict[str, Callable[[Decimal, Decimal], Decimal]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


class MessageLanguage(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, closed further: numbers only in arithmetic, texts only in the message, no globals."""

    intercepted_binops = frozenset(_ARITHMETIC)

    def __init__(self, language: Language) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_put_into_message)
        self.globals = {}
        # The two in brackets cannot be spelled in a template; they take the place of loops and of `~`.
        self.filters = cast("Any", {**filters(language), "(each)": _each, "(join)": join_texts})
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:  # noqa: ARG002
        """Open the listed parts of texts and loops, and nothing else."""
        return (isinstance(obj, str) and attr in TEXT_METHODS) or (isinstance(obj, LoopContext) and attr in LOOP_PARTS)

    def getitem(self, obj: Any, argument: object) -> object:
        """Return a part of a text or list; unlike Jinja2, never an attribute under the name of a part."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            if isinstance(obj, Undefined):
                str(obj)  # says that the cell is empty
            return self.undefined(obj=obj, name=cast("str", argument))

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:  # noqa: ARG002
        """Count with numbers, exactly; text is never added up or multiplied."""
        for value in (left, right):
            if isinstance(value, Undefined):
                str(value)  # says that the cell is empty
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                raise CannotFillError(RowSlip.TEXT_COUNTED.format(sign=operator))
        first, second = (Decimal(cast("int | Decimal", value)) for value in (left, right))
        result = _ARITHMETIC[operator](first, second)
        if not result.is_finite() or abs(result) > LARGEST:
            raise CannotFillError(RowSlip.LARGE_NUMBER)
        return result


def _put_into_message(value: object) -> object:
    """Let texts, numbers and (so that they can complain) missing values into the message."""
    return value if isinstance(value, str | Undefined) else as_text(value)


@pass_context
def _each(context: Context, values: object) -> Iterator[object]:
    """Give the values of a loop one by one, from the row's budget of turns."""
    if isinstance(values, Undefined):
        str(values)  # says that the cell is empty
    if not isinstance(values, str | list | tuple):
        raise CannotFillError(RowSlip.NO_LIST)
    budget: list[int] = context[LOOP_BUDGET]
    for value in values:
        budget[0] -= 1
        if budget[0] < 0:
            raise CannotFillError(RowSlip.TOO_MANY_TURNS.format(most=MOST_TURNS))
        yield value
