"""How a problem of one row is put into a sentence."""

from collections.abc import Sequence

from bulksend.locale import _
from bulksend.portal.error_help import capitalised, code_help
from bulksend.sheet.headings import Columns
from bulksend.sheet.messages import quoted


def describe(code: str, cell: str | None = None, *, heading: str = "", detail: str = "") -> str:
    """One problem of one row.

    Args:
        code: what it is.
        cell: the text that could not be read.
        heading: of the column in which it stands.
        detail: what else is known of it.
    """
    known = code_help(code)
    means, advice = known.blank if known.blank[0] and cell is not None and not cell.strip() else known.finding
    shown = "" if cell is None or not cell.strip() else quoted(cell)
    notes = ", ".join(filter(None, (shown, column_in_words(heading), detail)))
    return f"{capitalised(means)}{f' ({notes})' if notes else ''}. {advice}"


def column_in_words(heading: str) -> str:
    """The column under a heading, as the sheet itself calls it; nothing where it has none."""
    return _("column {heading}").format(heading=quoted(heading)) if heading.strip() else ""


def heading_of(code: str, columns: Columns, headings: Sequence[str]) -> str:
    """The heading of the column whose cell is wrong; empty where none is, or where it is not known."""
    problem = code_help(code)
    of_one = problem.of_cells or code == "EMPTY_MESSAGE"
    position = getattr(columns, problem.field) if of_one and problem.field else None
    return headings[position] if position is not None and position < len(headings) else ""
