"""What a message template may not contain, found before the first row is filled in."""

from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from jinja2 import nodes

from bulksend.errors import TemplateError
from bulksend.locale import _
from bulksend.template.language import LARGEST, TESTS, TEXT_METHODS, MessageLanguage
from bulksend.template.messages import TemplateFault
from bulksend.template.names import Columns
from bulksend.template.values import known_directives, unknown_directive

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PARTS: Final = 100
"""Parts of all lists and of all texts put together with ~, for one template."""

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const, nodes.List, nodes.Tuple,
    nodes.Keyword, nodes.Operand,
    nodes.Filter, nodes.Test, nodes.Call, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.CondExpr, nodes.Compare,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod,
)  # fmt: skip
_NAMES: Final[dict[type[nodes.Node], str]] = {
    nodes.For: "for", nodes.Assign: "set", nodes.AssignBlock: "set", nodes.With: "with",
    nodes.Pow: "**", nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "filter", nodes.Block: "block",
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
    nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip


def is_row(node: nodes.Node | None) -> bool:
    """Return whether this is the word ``row``, which stands for the whole row."""
    return isinstance(node, nodes.Name) and node.name == "row"


class Review:
    """Refuses what a message template may not contain, one sentence with the line for each."""

    def __init__(self, columns: Columns, environment: MessageLanguage) -> None:
        self._columns = columns
        self._filters = environment.filters
        self._parts = 0
        self._reviews: dict[type[nodes.Node], Callable[[Any], None]] = {
            nodes.List: self._several,
            nodes.Tuple: self._several,
            nodes.Concat: self._several,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Call: self._call,
            nodes.Getattr: self._attribute,
            nodes.Name: self._name,
            nodes.Const: self._constant,
            nodes.Getitem: self._item,
        }

    def read(self, node: nodes.Node) -> None:
        """Review a node and all below it.

        Raises:
            TemplateError: it contains something that a message template may not.
        """
        if not isinstance(node, _ALLOWED):
            what = _NAMES.get(type(node), type(node).__name__.lower())
            self._forbid(node, f"'{what}'", _("use columns' names, filters and if"))
        if review := self._reviews.get(type(node)):
            review(node)
        of_row = isinstance(node, nodes.Getitem) and is_row(node.node)
        for child in node.iter_child_nodes(exclude=("node",) if of_row else None):
            self.read(child)

    def _refuse(self, node: nodes.Node, slip: TemplateFault, **words: object) -> NoReturn:
        raise TemplateError(slip.say(line=node.lineno, **words))

    def _forbid(self, node: nodes.Node, what: str, advice: str) -> NoReturn:
        self._refuse(node, TemplateFault.CLOSED, what=what, advice=advice)

    def _several(self, node: nodes.List | nodes.Tuple | nodes.Concat) -> None:
        self._parts += len(node.nodes if isinstance(node, nodes.Concat) else node.items)
        if self._parts > MOST_PARTS:  # all of them are in memory at once
            self._refuse(node, TemplateFault.TOO_MANY_PARTS, most=MOST_PARTS)

    def _filter(self, used: nodes.Filter) -> None:
        if used.name not in self._filters:
            known = sorted(name for name in self._filters if name.isidentifier())
            self._refuse(used, TemplateFault.UNKNOWN_FILTER, name=used.name, known=", ".join(known))
        options = {option.key: option.value for option in cast("list[nodes.Keyword]", used.kwargs)}
        pattern = used.args[0] if used.args else options.get("pattern")
        if used.name == "date" and isinstance(pattern, nodes.Const):
            part = unknown_directive(str(pattern.value))
            if part:
                self._refuse(used, TemplateFault.UNKNOWN_DATE_PART, part=part, known=" ".join(known_directives()))

    def _test(self, used: nodes.Test) -> None:
        if used.name not in TESTS:
            self._forbid(used, f"'is {used.name}'", _("compare with == or !="))

    def _call(self, call: nodes.Call) -> None:
        if isinstance(call.node, nodes.Getattr):
            if call.node.attr in TEXT_METHODS:
                return
            if call.node.attr in self._filters:
                self._refuse(call, TemplateFault.METHOD_OF_A_FILTER, name=call.node.attr)
        what = f"{call.node.name}(…)" if isinstance(call.node, nodes.Name) else _("a call")
        self._forbid(call, what, _("use filters, as in name | upper"))

    def _attribute(self, part: nodes.Getattr) -> None:
        owner = part.node.name if isinstance(part.node, nodes.Name) else ""
        if owner == "row":
            self._refuse(part, TemplateFault.ROW_ATTRIBUTE, name=part.attr)
        if part.attr in TEXT_METHODS:
            return
        near = self._columns.near(f"{owner}_{part.attr}") if owner and not part.attr.startswith("_") else None
        advice = _("if you mean a column, write {name}").format(name=near) if near else _("use filters instead")
        self._forbid(part, f".{part.attr}", advice)

    def _name(self, name: nodes.Name) -> None:
        if is_row(name):
            self._refuse(name, TemplateFault.ROW_ALONE)

    def _constant(self, constant: nodes.Const) -> None:
        if isinstance(constant.value, int | float) and not abs(constant.value) < LARGEST:
            self._refuse(constant, TemplateFault.TOO_LARGE_A_NUMBER)

    def _item(self, item: nodes.Getitem) -> None:
        if not is_row(item.node):
            return
        heading = item.arg.value if isinstance(item.arg, nodes.Const) else None
        if not isinstance(heading, str):
            self._refuse(item, TemplateFault.ROW_ALONE)
        if self._columns.by_heading(heading) is None:
            near = self._columns.near(heading)
            used, hint = f'row["{heading}"]', _(" (did you mean {near}?)").format(near=near) if near else ""
            self._refuse(item, TemplateFault.UNKNOWN_HEADING, used=used, hint=hint, columns=self._columns.listed())
