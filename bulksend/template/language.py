"""What a message template may say: a small, closed part of Jinja2's language.

A template comes from anyone, over the command line today and a web page tomorrow. So nothing is open unless it is
listed here: filling in a row takes bounded time and memory, and reaches nothing but the row's own cells.
"""

import operator
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, meta, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bulksend.errors import TemplateError
from bulksend.template.filters import CannotFillError, as_text, filters, join_texts
from bulksend.template.names import Columns, spelling
from bulksend.template.values import Language, known_directives, unknown_directive

LONGEST_TEMPLATE: Final = 50_000
"""Characters of a template's source."""
MOST_TURNS: Final = 1_000
"""Turns of all loops together, for one row."""
LOOP_BUDGET: Final = "loop budget"
"""The context's key for the turns left; no name in a template can be spelled like it."""

_LARGEST: Final = Decimal(10) ** 30
_TEXT_METHODS: Final = {
    "capitalize", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "split", "splitlines",
    "startswith", "strip", "title", "upper",
}  # fmt: skip
_LOOP_PARTS: Final = {"first", "index", "index0", "last", "length", "revindex", "revindex0"}
_TESTS: Final = {"defined", "undefined", "none", "string", "number", "in", "eq", "equalto", "==", "ne", "!="}
_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.With, nodes.Scope,
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Operand,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.CondExpr, nodes.Compare,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod,
)  # fmt: skip
_SAID: Final[dict[type[nodes.Node], str]] = {
    nodes.Pow: "**", nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "filter", nodes.Block: "block",
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
    nodes.AssignBlock: "set … endset", nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip
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
        self.tests = {name: test for name, test in self.tests.items() if name in _TESTS}

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:  # noqa: ARG002
        """Open the listed parts of texts and loops, and nothing else."""
        return (isinstance(obj, str) and attr in _TEXT_METHODS) or (
            isinstance(obj, LoopContext) and attr in _LOOP_PARTS
        )

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
                raise CannotFillError(
                    f'The template uses "{operator}" on something that is no number: '
                    "write | float after a column's name to count with it, or ~ to put texts together."
                )
        first, second = (Decimal(cast("int | Decimal", value)) for value in (left, right))
        result = _ARITHMETIC[operator](first, second)
        if not result.is_finite() or abs(result) > _LARGEST:
            raise CannotFillError("The template counts with numbers that are too large.")
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
        raise CannotFillError("The template loops over something that is no list and no text.")
    budget: list[int] = context[LOOP_BUDGET]
    for value in values:
        budget[0] -= 1
        if budget[0] < 0:
            raise CannotFillError(f"The template's loops take more than {MOST_TURNS:,} turns: make them shorter.")
        yield value


class Meaning:
    """A template that may be used: what it compiles to, and the columns it takes by which names."""

    def __init__(self, source: str, columns: Columns, language: Language) -> None:
        """Read the template.

        Raises:
            TemplateError: it cannot be used with these columns; says on which line, and what to do.
        """
        if len(source) > LONGEST_TEMPLATE:
            raise TemplateError(f"The message template is longer than {LONGEST_TEMPLATE:,} characters: shorten it.")
        self.keys: dict[str, int] = {}
        """What a render's context must hold -> the position of its column."""
        environment = MessageLanguage(language)
        try:
            tree = environment.parse(source)
            _Review(columns, environment, source).read(tree)
            undeclared = meta.find_undeclared_variables(tree)
            tree = _Closing(columns, self.keys).visit(tree)
            self._take_names(tree, undeclared, columns)
            self.loops = tree.find(nodes.For) is not None
            self.template: Template = environment.from_string(tree)
        except TemplateSyntaxError as error:
            hint = _spaced_name(source, error.lineno, columns)
            reason = (error.message or "").rstrip(".")
            raise TemplateError(
                f"Line {error.lineno} of the message template cannot be read ({reason}){hint or ''}."
            ) from None
        except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError):
            # Python's own limits on nesting and on the length of a number, met while Jinja2 reads or compiles.
            raise TemplateError(
                "The message template is nested too deeply or holds too long a number: simplify it."
            ) from None

    def _take_names(self, tree: nodes.Template, undeclared: set[str], columns: Columns) -> None:
        """Find the columns of all names that the template does not set itself."""
        names = [name for name in tree.find_all(nodes.Name) if name.ctx == "load"]
        stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        unknown: dict[str, str] = {}
        for name in names:
            if name.name not in undeclared and name.name != "self":
                continue
            position = columns.by_name(name.name)
            if position is not None and name.name != "self":
                self.keys[name.name] = position
            elif name.name not in stored:
                unknown.setdefault(name.name, _unknown(name, columns, tree))
        if unknown:
            has = "no such column" if len(unknown) == 1 else "no such columns"
            raise TemplateError(
                f"The message template uses {' and '.join(unknown.values())}, but the sheet has {has} "
                f"(its columns are: {columns.listed()})."
            )


def _unknown(name: nodes.Name, columns: Columns, tree: nodes.Template) -> str:
    """Return how a sentence names what no column answers to, with the near miss."""
    attempts = [f"{name.name}_{part.attr}" for part in tree.find_all(nodes.Getattr) if part.node is name]
    near = columns.near(*attempts, name.name)
    meant = f", did you mean {near}?" if near else ""
    return f'"{name.name}" (line {name.lineno}{meant})'


def _spaced_name(source: str, line: int, columns: Columns) -> str | None:
    """Return the cure where a placeholder on this line is a heading written with spaces, the commonest slip of all."""
    lines = source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    for written in re.findall(r"\{\{-?\s*([^{}|]+?)\s*(?:\|[^{}]*)?\}\}", text):
        position = None if written.isidentifier() else columns.by_heading(written)
        if position is not None:
            heading = columns.headings[position]
            return f': for the column "{heading}" write {{{{ {spelling(heading)} }}}}'
    return None


class _Review:
    """Refuses what a message template may not say, one sentence with the line for each."""

    def __init__(self, columns: Columns, environment: MessageLanguage, source: str) -> None:
        self._columns = columns
        self._environment = environment
        self._source = source
        self._reviews: dict[type[nodes.Node], Callable[[Any], None]] = {
            nodes.For: self._loop,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Call: self._call,
            nodes.Getattr: self._attribute,
            nodes.Name: self._name,
            nodes.Const: self._constant,
            nodes.Getitem: self._item,
        }

    def read(self, node: nodes.Node) -> None:
        """Review a node and all below it."""
        if not isinstance(node, _ALLOWED):
            said = _SAID.get(type(node), type(node).__name__.lower())
            self._refuse(node, f'"{said}", which is no part of a message template: use names, filters, if and for')
        if review := self._reviews.get(type(node)):
            review(node)
        is_row = isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == "row"
        for child in node.iter_child_nodes(exclude=("node",) if is_row else None):
            self.read(child)

    def _refuse(self, node: nodes.Node, what: str) -> NoReturn:
        raise TemplateError(f"Line {node.lineno} of the message template uses {what}.")

    def _loop(self, loop: nodes.For) -> None:
        if loop.recursive:
            self._refuse(loop, '"recursive" in a loop, which is no part of a message template: leave it out')

    def _filter(self, used: nodes.Filter) -> None:
        if used.name not in self._environment.filters:
            known = ", ".join(sorted(name for name in self._environment.filters if name.isidentifier()))
            self._refuse(used, f'a filter "{used.name}" that does not exist: there are {known}')
        options = {option.key: option.value for option in cast("list[nodes.Keyword]", used.kwargs)}
        pattern = used.args[0] if used.args else options.get("pattern")
        if used.name == "date" and isinstance(pattern, nodes.Const):
            wrong = unknown_directive(str(pattern.value))
            if wrong:
                known = " ".join(known_directives())
                self._refuse(used, f'"{wrong}" in a date, which means nothing: there are {known}')

    def _test(self, used: nodes.Test) -> None:
        if used.name not in _TESTS:
            self._refuse(used, f'"is {used.name}", which is no part of a message template: compare with == or !=')

    def _call(self, call: nodes.Call) -> None:
        if isinstance(call.node, nodes.Getattr) and call.node.attr in _TEXT_METHODS:
            return
        if isinstance(call.node, nodes.Getattr) and call.node.attr in self._environment.filters:
            self._refuse(call, f'".{call.node.attr}(…)": write | {call.node.attr}(…) after the name')
        what = f'"{call.node.name}(…)"' if isinstance(call.node, nodes.Name) else "a call"
        self._refuse(call, f"{what}, which is no part of a message template: use filters, as in name | upper")

    def _attribute(self, part: nodes.Getattr) -> None:
        owner = part.node.name if isinstance(part.node, nodes.Name) else ""
        if owner == "row":
            self._refuse(part, f'"row.{part.attr}": write row["{part.attr}"]')
        if part.attr in _TEXT_METHODS or (owner == "loop" and part.attr in _LOOP_PARTS):
            return
        near = self._columns.near(f"{owner}_{part.attr}") if owner and not part.attr.startswith("_") else None
        cure = f"if you mean that column, write {near}" if near else "use the columns' names and filters"
        self._refuse(part, f'".{part.attr}", which is no part of a message template: {cure}')

    def _name(self, name: nodes.Name) -> None:
        if name.name == "row":
            self._refuse(
                name, 'the word "row" by itself: write row["Heading"] for a column, and another name for your own'
            )

    def _constant(self, constant: nodes.Const) -> None:
        if isinstance(constant.value, int | float) and not abs(constant.value) < _LARGEST:
            self._refuse(constant, "too large a number: leave it out")

    def _item(self, item: nodes.Getitem) -> None:
        if not (isinstance(item.node, nodes.Name) and item.node.name == "row"):
            return
        heading = item.arg.value if isinstance(item.arg, nodes.Const) else None
        if not isinstance(heading, str):
            self._refuse(item, 'row[…] without a heading in quotes: write row["Heading"]')
        if self._columns.by_heading(heading) is None:
            near = self._columns.near(heading)
            meant = f"did you mean {near}? " if near else ""
            columns = self._columns.listed()
            self._refuse(
                item,
                f'row["{heading}"], but the sheet has no such column ({meant}its columns are: {columns})',
            )


class _Closing(NodeTransformer):
    """Rewrites what would be unbounded or unchecked as Jinja2 compiles it."""

    def __init__(self, columns: Columns, keys: dict[str, int]) -> None:
        self._columns = columns
        self._keys = keys

    def visit_For(self, loop: nodes.For) -> nodes.Node:  # noqa: N802 - named after the node's class
        """Take each turn of a loop from the budget."""
        self.generic_visit(loop)
        loop.iter = nodes.Filter(loop.iter, "(each)", [], [], None, None, lineno=loop.lineno)
        return loop

    def visit_Concat(self, joined: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Put texts together within the limit: ``a ~ a`` forty times over is a terabyte."""
        self.generic_visit(joined)
        parts = nodes.List(joined.nodes, lineno=joined.lineno)
        return nodes.Filter(parts, "(join)", [], [], None, None, lineno=joined.lineno)

    def visit_CondExpr(self, choice: nodes.CondExpr) -> nodes.Node:  # noqa: N802
        """Let ``"text" if condition`` be nothing where the condition does not hold."""
        self.generic_visit(choice)
        choice.expr2 = choice.expr2 or nodes.Const("", lineno=choice.lineno)
        return choice

    def visit_Const(self, constant: nodes.Const) -> nodes.Node:  # noqa: N802
        """Take decimals exactly: 0.1 as a float is a little more than 0.1, and a price must not be."""
        if not isinstance(constant.value, float):
            return constant
        exact = nodes.Const(f"{Decimal(str(constant.value)):f}", lineno=constant.lineno)
        return nodes.Filter(exact, "float", [], [], None, None, lineno=constant.lineno)

    def visit_Getitem(self, item: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Take ``row["Heading"]`` straight from the context, under a key that no name can have."""
        if not (isinstance(item.node, nodes.Name) and item.node.name == "row"):
            return self.generic_visit(item)
        position = self._columns.by_heading(cast("nodes.Const", item.arg).value)
        assert position is not None, "the review has found it"  # noqa: S101
        key = f"column {position}"
        self._keys[key] = position
        context = nodes.ContextReference(lineno=item.lineno)
        return nodes.Getitem(context, nodes.Const(key, lineno=item.lineno), "load", lineno=item.lineno)
