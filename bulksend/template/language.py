"""What a message template may contain: a small, closed part of Jinja2's language.

A template may come from anyone. So nothing is open unless it is listed here: filling in a row takes bounded time and
memory, and reaches nothing but the row's own cells.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, cast

from jinja2 import StrictUndefined, Undefined
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bulksend.template.filters import CannotFillError, as_text, filters, join_texts
from bulksend.template.messages import RowFault
from bulksend.template.values import Language

LARGEST: Final = Decimal(10) ** 30
"""Numbers beyond this are no sums of money; the bound keeps arithmetic cheap."""
TEXT_METHODS: Final = {
    "capitalize", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "split", "splitlines",
    "startswith", "strip", "title", "upper",
}  # fmt: skip
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

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_put_into_message)
        self.globals = {}
        self.use_language("en")
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}

    def use_language(self, language: Language) -> None:
        """Let the filters format numbers and dates for this language."""
        # The one in brackets cannot be spelled in a template; it takes the place of `~`.
        self.filters = cast("Any", {**filters(language), "(join)": join_texts})

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:  # noqa: ARG002
        """Open the listed methods of texts, and nothing else."""
        return isinstance(obj, str) and attr in TEXT_METHODS

    def getitem(self, obj: Any, argument: object) -> object:
        """Return a part of a text or list; unlike Jinja2, never an attribute under the name of a part."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            if isinstance(obj, Undefined):
                str(obj)  # raises the error that the cell is empty
            return self.undefined(obj=obj, name=cast("str", argument))

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:  # noqa: ARG002
        """Calculate with numbers, exactly; text is never added or multiplied."""
        for value in (left, right):
            if isinstance(value, Undefined):
                str(value)  # raises the error that the cell is empty
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                raise CannotFillError(RowFault.TEXT_COUNTED.say(sign=operator))
        first, second = (Decimal(cast("int | Decimal", value)) for value in (left, right))
        result = _ARITHMETIC[operator](first, second)
        if not result.is_finite() or abs(result) > LARGEST:
            raise CannotFillError(RowFault.LARGE_NUMBER.say())
        return result


def _put_into_message(value: object) -> object:
    """Let texts, numbers and (so that they can complain) missing values into the message."""
    return value if isinstance(value, str | Undefined) else as_text(value)
