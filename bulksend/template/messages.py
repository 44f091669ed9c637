"""Every sentence about a message template: faults of the template, of a row, of a cell.

The words in braces are filled in.
"""

from enum import StrEnum

EMPTY_EXAMPLE = "the one in the column '{heading}'"
"""What a report of many rows shows of `RowFault.EMPTY`."""


class TemplateFault(StrEnum):
    """Why a template cannot be used at all: what is wrong, and what to do."""

    NO_SUCH_FILE = "There is no message template '{path}': check the name and the folder{ready}."
    IS_A_FOLDER = "'{path}' is a folder: name the message template in it."
    CANNOT_OPEN = "The message template '{path}' cannot be opened ({why}): check that you may read it."
    LARGE_FILE = "'{path}' is too large for a message template: use a short text file."
    NO_TEXT = "'{path}' is not a text file: save the message template as plain text (.txt), in UTF-8 if asked."

    TOO_LONG = "The message template is longer than {longest:,} characters: shorten it."
    TOO_DEEP = "The message template is nested too deeply or has too long a number: simplify it."
    UNREADABLE = "Line {line} of the message template cannot be read ({why}){hint}."
    UNKNOWN_NAMES = (
        "The message template uses {names}, but the sheet has no such column: the columns it has are {columns}."
    )
    UNKNOWN_HEADING = (
        "Line {line} of the message template uses {used}, but the sheet has no such column{hint}: "
        "the columns it has are {columns}."
    )
    TWO_COLUMNS = "The name {name} in the message template could be any of the columns {columns}: {advice}."
    UNKNOWN_FILTER = "Line {line} of the message template uses the filter '{name}', which does not exist: use {known}."
    UNKNOWN_DATE_PART = (
        "Line {line} of the message template uses '{part}' in a date, which is not a date format: use {known}."
    )
    ROW_ALONE = 'Line {line} of the message template uses row without a heading in quotes: write row["Heading"].'
    ROW_ATTRIBUTE = 'Line {line} of the message template uses row.{name}: write row["{name}"].'
    METHOD_OF_A_FILTER = "Line {line} of the message template uses .{name}(…): write | {name}(…) after the name."
    CLOSED = "Line {line} of the message template uses {what}, which is not allowed in a message template: {advice}."
    TOO_MANY_PARTS = (
        "Line {line} of the message template has too many parts in lists or joined with ~ ({most} at most): write "
        "the texts one after the other."
    )
    TOO_LARGE_A_NUMBER = "Line {line} of the message template has a number that is too large: write a smaller one."


class RowFault(StrEnum):
    """Why a row cannot fill the template: what is wrong, and what to do."""

    EMPTY = (
        "The column '{heading}' is empty here, and the message needs it: fill in the cell, or give the template "
        'a default, as in {{{{ {name} | default("…") }}}}.'
    )
    CELL = "{cell} {problem}."
    TEXT_COMPARED = (
        "The column '{heading}' is text to the message template: write | float after its name to compare it "
        "with numbers."
    )
    TEXT_COUNTED = (
        "The template uses {sign} on something that is not a number: write | float after a column's name to calculate "
        "with it, or ~ to join texts."
    )
    LARGE_NUMBER = "The template calculates with numbers that are too large: check the cells it uses."
    NO_TEXT = "The template puts something into the message that is neither text nor a number: remove it."
    TOO_LONG = "The message is longer than {longest:,} characters in this row: shorten the template or the cells."
    NO_WHOLE_NUMBER = "A length or a number of decimals in the template is not a whole number: write one, such as 2."
    MISSING_PART = (
        "The template asks for a part of a cell that is missing in this row: fill in the cell, or give the part a "
        "default."
    )
    CANNOT_FILL = "The template cannot be filled in with this row ({why}): check the template."


class CellFault(StrEnum):
    """Why a filter cannot use a cell; the sentence begins with the cell's text."""

    NO_NUMBER = "is not a number that can be read safely"
    COMMA_OR_POINT = (
        'can be read as {whole} or as {broken}: say which sign marks decimals in the sheet, as in | money(reads=".")'
    )
    OTHER_DECIMALS = "is not a number whose decimals are marked by '{sign}'"
    NO_SUCH_READING = 'cannot be read with reads="{reads}": write reads="." or reads=","'
    NO_DATE = "is not a date that can be read safely: write it as 2026-11-30 or 30.11.2026"
    DAY_OR_MONTH = (
        'can be read with the day first or the month first: say which, as in | date(reads="%d/%m/%Y"), '
        "or write it as 2026-11-30"
    )
    NOT_IN_CALENDAR = "is not a date of the calendar"
    NO_TIME = "is not a time of the day"
    OTHER_DATE = "does not look like '{reads}'"
    NO_DATE_IN_IT = "has no date, which {part} asks for"
    NO_CLOCK_IN_IT = "has no time of day, which {part} asks for"
    UNKNOWN_PART = "cannot be written as '{part}': use {known}"
    NO_LENGTH = "has no length, no first and no last part"
