"""How a problem of one row is put into a sentence."""

from bulksend.portal.error_help import code_help
from bulksend.sheet.messages import quoted


def describe(code: str, cell: str | None = None, *, detail: str = "") -> str:
    """One problem of one row; ``cell`` is the text that could not be read, ``detail`` what else is known of it."""
    means, advice = code_help(code).finding
    shown = "" if cell is None or not cell.strip() else f" ({quoted(cell)})"
    shown = f"{shown} ({detail})" if detail else shown
    return f"{means[0].upper()}{means[1:]}{shown}. {advice}"
