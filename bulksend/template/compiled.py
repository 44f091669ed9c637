"""From a template's source to something that fills in rows, with the columns it takes."""

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

from bulksend.errors import TemplateError
from bulksend.locale import _
from bulksend.locale.formats import number
from bulksend.sheet.messages import listed
from bulksend.template.language import MessageLanguage
from bulksend.template.messages import TemplateFault
from bulksend.template.names import Columns, spelling
from bulksend.template.review import Review, is_row

if TYPE_CHECKING:
    from bulksend.template.values import Language

LONGEST_TEMPLATE: Final = 50_000
"""Characters of a template's source."""


class CompiledTemplate:
    """A template that may be used: what it compiles to, and the columns it takes by which names."""

    def __init__(self, source: str, columns: Columns) -> None:
        """Read the template.

        Raises:
            TemplateError: it cannot be used with these columns; the error names the line and what to do.
        """
        if len(source) > LONGEST_TEMPLATE:
            raise TemplateError(TemplateFault.TOO_LONG.say(longest=number(LONGEST_TEMPLATE)))
        self.keys: dict[str, int] = {}
        """What a render's context must hold -> the position of its column."""
        environment = MessageLanguage()
        try:
            tree = environment.parse(source)
            Review(columns, environment).read(tree)
            words = "".join(text.data for text in tree.find_all(nodes.TemplateData))
            self.language: Language = "ru" if re.search("[а-яё]", words, re.IGNORECASE) else "en"
            environment.use_language(self.language)
            tree = _Closing(columns, self.keys).visit(tree)
            self._take_names(tree, columns)
            self.template: Template = environment.from_string(tree)
        except TemplateSyntaxError as error:
            hint = _spaced_name(source, error.lineno, columns)
            reason = (error.message or "").rstrip(".")
            raise TemplateError(TemplateFault.UNREADABLE.say(line=error.lineno, why=reason, hint=hint)) from None
        except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError):
            # Python's own limits on nesting and on the length of a number, met while Jinja2 reads or compiles.
            raise TemplateError(TemplateFault.TOO_DEEP.say()) from None

    def _take_names(self, tree: nodes.Template, columns: Columns) -> None:
        """Find the column that each name stands for."""
        unknown: dict[str, str] = {}
        for name in tree.find_all(nodes.Name):
            position = None if name.name == "self" else columns.by_name(name.name)  # `self` is a word of Jinja2's
            if position is not None:
                self.keys[name.name] = position
            else:
                unknown.setdefault(name.name, _unknown(name, columns, tree))
        if unknown:
            used = listed(list(unknown.values()))
            raise TemplateError(TemplateFault.UNKNOWN_NAMES.say(names=used, columns=columns.listed()))


def _unknown(name: nodes.Name, columns: Columns, tree: nodes.Template) -> str:
    """Return how a sentence names what no column answers to, with the near miss."""
    attempts = [f"{name.name}_{part.attr}" for part in tree.find_all(nodes.Getattr) if part.node is name]
    near = columns.near(*attempts, name.name)
    if near:
        return _("'{name}' (line {line}, did you mean {near}?)").format(name=name.name, line=name.lineno, near=near)
    return _("'{name}' (line {line})").format(name=name.name, line=name.lineno)


def _spaced_name(source: str, line: int, columns: Columns) -> str:
    """Return the advice where a placeholder on this line is a heading written with spaces, the most common mistake."""
    lines = source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    for inside in re.findall(r"\{\{([^{}]*)\}\}", text):
        written = inside.partition("|")[0].strip("- ")
        position = None if written.isidentifier() else columns.by_heading(written)
        if position is not None:
            heading = columns.headings[position]
            return _(": for the column '{heading}' write {{{{ {name} }}}}").format(
                heading=heading, name=spelling(heading)
            )
    return _(": look for a brace or a quotation mark too many or too few")


class _Closing(NodeTransformer):
    """Rewrites what would be unbounded or unchecked as Jinja2 compiles it."""

    def __init__(self, columns: Columns, keys: dict[str, int]) -> None:
        self._columns = columns
        self._keys = keys

    def visit_Concat(self, joined: nodes.Concat) -> nodes.Node:  # noqa: N802 - named after the node's class
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
        if not is_row(item.node):
            return self.generic_visit(item)
        position = self._columns.by_heading(cast("nodes.Const", item.arg).value)
        assert position is not None, "the review has found it"  # noqa: S101
        key = f"column {position}"
        self._keys[key] = position
        context = nodes.ContextReference(lineno=item.lineno)
        return nodes.Getitem(context, nodes.Const(key, lineno=item.lineno), "load", lineno=item.lineno)
