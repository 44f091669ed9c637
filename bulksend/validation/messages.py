"""How a problem of one row is put into a sentence."""

from bulksend.portal.error_help import code_help
from bulksend.sheet.messages import quoted


def describe(code: str, cell: str | None = None) -> str:
    """One problem of one row; ``cell`` is the text that could not be read, where that helps."""
    text = code_help(code)
    shown = "" if cell is None or not cell.strip() else f" ({quoted(cell)})"
    return f"{text.means[0].upper()}{text.means[1:]}{shown}. {text.advice}"
