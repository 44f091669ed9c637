"""Sheets of messages: reading them, their headings, and writing the results beside them. Knows nothing of portals."""

from bulksend.sheet.headings import FIELDS, RESULT_COLUMNS, Columns, find_columns
from bulksend.sheet.piece import Dialect, Piece
from bulksend.sheet.reading import Sheet, open_sheet
from bulksend.sheet.results import write_results

__all__ = [
    "FIELDS",
    "RESULT_COLUMNS",
    "Columns",
    "Dialect",
    "Piece",
    "Sheet",
    "find_columns",
    "open_sheet",
    "write_results",
]
