"""Message templates: one text, filled in with each row of a sheet.

The template is Jinja2 (``Dear {{ client_name }}, your {{ amount | money }} is due on {{ due_date | date }}.``), closed
to what a message needs: see ``language`` for what it may contain, ``names`` for which column a name means, ``values``
for how numbers and dates are read and written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Final, NamedTuple

import pandas as pd
from jinja2 import TemplateRuntimeError, UndefinedError

from bulksend.locale import _
from bulksend.template.compiled import CompiledTemplate
from bulksend.template.files import load_template, read_template, ready_templates
from bulksend.template.filters import CannotFillError, EmptyCellError, cell_type, empty_cell, join_texts, too_long
from bulksend.template.messages import EMPTY_EXAMPLE, RowFault
from bulksend.template.names import Columns, spelling

__all__ = ["MessageTemplate", "Problem", "Rendered", "load_template", "read_template", "ready_templates"]

EMPTY_VALUE: Final = "EMPTY_VALUE"
TEMPLATE_ERROR: Final = "TEMPLATE_ERROR"


class Problem(NamedTuple):
    """Why a row could not fill the template."""

    code: str
    """``EMPTY_VALUE`` or ``TEMPLATE_ERROR``."""
    description: str
    """One sentence: what is wrong, and what to do."""
    example: str
    """For a report of many rows: words that name the column, or the sentence."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The messages of some rows."""

    messages: "pd.Series[str]"
    """One for each row, with the rows' own index; the empty text where there is a problem."""
    problems: dict[int, Problem]
    """By row number."""


class MessageTemplate:
    """A text with places for a sheet's columns, checked against them before the first row."""

    def __init__(self, source: str, headings: Sequence[str]) -> None:
        """Check and compile the template.

        A column is named by its heading: in any case, spaces and punctuation as underscores, ``ё`` as ``е``
        (``client_name``, ``сумма_руб``), or exactly, as ``row["Client name"]``. Numbers and dates are written as in
        Russian where the template's own words are Russian, else as in English.

        Raises:
            TemplateError: it cannot be used with these columns: an unknown name, a syntax error, something that is
                not allowed in a message template.
        """
        self._columns = Columns(headings)
        self._compiled = CompiledTemplate(source, self._columns)

    def render(self, cells: pd.DataFrame) -> Rendered:
        """Return the messages of these rows.

        ``cells`` are texts, one column for each heading, in their order. Blanks around a cell's text are dropped, and
        so are those around the message.
        """
        keys = list(self._compiled.keys)
        columns = [self._values(cells, self._compiled.keys[key]) for key in keys]
        rows: Iterable[tuple[object, ...]] = zip(*columns, strict=True) if columns else repeat((), len(cells))
        messages: list[str] = []
        problems: dict[int, Problem] = {}
        template = self._compiled.template
        for number, values in zip(cells.index.tolist(), rows, strict=True):
            context = template.new_context(dict(zip(keys, values, strict=True)), shared=True)
            message = ""
            try:
                # Not Template.render(): it rewrites the traceback of every error, and a sheet may have a million.
                message = join_texts(template.root_render_func(context)).strip()
            except EmptyCellError as error:
                problems[number] = _empty(str(error))
            except CannotFillError as error:
                problems[number] = _cannot(str(error))
            except MemoryError:
                problems[number] = _cannot(str(too_long()))
            except UndefinedError:
                problems[number] = _cannot(RowFault.MISSING_PART.say())
            except (TemplateRuntimeError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
                problems[number] = _cannot(RowFault.CANNOT_FILL.say(why=error))
            messages.append(message)
        return Rendered(pd.Series(messages, index=cells.index, dtype=object, name="message"), problems)

    def _values(self, cells: pd.DataFrame, position: int) -> list[object]:
        """Return one column as the template meets it: texts that know their heading, and what stands for blanks."""
        heading = self._columns.headings[position]
        cell, empty = cell_type(heading), empty_cell(heading)
        texts: list[str] = cells.iloc[:, position].tolist()
        return [cell(stripped) if (stripped := text.strip()) else empty for text in texts]


@lru_cache(maxsize=256)
def _empty(heading: str) -> Problem:
    # Kept, for a column may be empty in a million rows.
    description = RowFault.EMPTY.say(heading=heading, name=spelling(heading))
    return Problem(EMPTY_VALUE, description, _(EMPTY_EXAMPLE).format(heading=heading))


def _cannot(description: str) -> Problem:
    return Problem(TEMPLATE_ERROR, description, description)
