"""Every sentence about a message template: faults of the template, of a row, of a cell.

The words in braces are filled in.
"""

from enum import StrEnum

from bulksend.locale import N_, _

EMPTY_EXAMPLE = N_("the one in the column '{heading}'")
"""What a report of many rows shows of `RowFault.EMPTY`."""


class _Sentences(StrEnum):
    def say(self, **words: object) -> str:
        """The sentence in the reader's language, with the words in braces filled in."""
        return _(self.value).format(**words)


class TemplateFault(_Sentences):
    """Why a template cannot be used at all: what is wrong, and what to do."""

    NO_SUCH_FILE = N_("There is no message template '{path}': check the name and the folder{ready}.")
    IS_A_FOLDER = N_("'{path}' is a folder: name the message template in it.")
    CANNOT_OPEN = N_("The message template '{path}' cannot be opened ({why}): check that you may read it.")
    LARGE_FILE = N_("'{path}' is too large for a message template: use a short text file.")
    NO_TEXT = N_("'{path}' is not a text file: save the message template as plain text (.txt), in UTF-8 if asked.")

    TOO_LONG = N_("The message template is longer than {longest} characters: shorten it.")
    TOO_DEEP = N_("The message template is nested too deeply or has too long a number: simplify it.")
    UNREADABLE = N_("Line {line} of the message template cannot be read ({why}){hint}.")
    UNKNOWN_NAMES = N_(
        "The message template uses {names}, but the sheet has no such column: the columns it has are {columns}."
    )
    UNKNOWN_HEADING = N_(
        "Line {line} of the message template uses {used}, but the sheet has no such column{hint}: "
        "the columns it has are {columns}."
    )
    TWO_COLUMNS = N_("The name {name} in the message template could be any of the columns {columns}: {advice}.")
    UNKNOWN_FILTER = N_(
        "Line {line} of the message template uses the filter '{name}', which does not exist: use {known}."
    )
    UNKNOWN_DATE_PART = N_(
        "Line {line} of the message template uses '{part}' in a date, which is not a date format: use {known}."
    )
    ROW_ALONE = N_('Line {line} of the message template uses row without a heading in quotes: write row["Heading"].')
    ROW_ATTRIBUTE = N_('Line {line} of the message template uses row.{name}: write row["{name}"].')
    METHOD_OF_A_FILTER = N_("Line {line} of the message template uses .{name}(…): write | {name}(…) after the name.")
    CLOSED = N_(
        "Line {line} of the message template uses {what}, which is not allowed in a message template: {advice}."
    )
    TOO_MANY_PARTS = N_(
        "Line {line} of the message template has too many parts in lists or joined with ~ ({most} at most): write "
        "the texts one after the other."
    )
    TOO_LARGE_A_NUMBER = N_("Line {line} of the message template has a number that is too large: write a smaller one.")


class RowFault(_Sentences):
    """Why a row cannot fill the template: what is wrong, and what to do."""

    EMPTY = N_(
        "The column '{heading}' is empty here, and the message needs it: fill in the cell, or give the template "
        'a default, as in {{{{ {name} | default("…") }}}}.'
    )
    CELL = "{cell} {problem}."
    TEXT_COMPARED = N_(
        "The column '{heading}' is text to the message template: write | float after its name to compare it "
        "with numbers."
    )
    TEXT_COUNTED = N_(
        "The template uses {sign} on something that is not a number: write | float after a column's name to calculate "
        "with it, or ~ to join texts."
    )
    LARGE_NUMBER = N_("The template calculates with numbers that are too large: check the cells it uses.")
    NO_TEXT = N_("The template puts something into the message that is neither text nor a number: remove it.")
    TOO_LONG = N_("The message is longer than {longest} characters in this row: shorten the template or the cells.")
    NO_WHOLE_NUMBER = N_(
        "A length or a number of decimals in the template is not a whole number: write one, such as 2."
    )
    MISSING_PART = N_(
        "The template asks for a part of a cell that is missing in this row: fill in the cell, or give the part a "
        "default."
    )
    CANNOT_FILL = N_("The template cannot be filled in with this row ({why}): check the template.")


class CellFault(_Sentences):
    """Why a filter cannot use a cell; the sentence begins with the cell's text."""

    NO_NUMBER = N_("is not a number that can be read safely")
    COMMA_OR_POINT = N_(
        'can be read as {whole} or as {broken}: say which sign marks decimals in the sheet, as in | money(reads=".")'
    )
    OTHER_DECIMALS = N_("is not a number whose decimals are marked by '{sign}'")
    NO_SUCH_READING = N_('cannot be read with reads="{reads}": write reads="." or reads=","')
    NO_DATE = N_("is not a date that can be read safely: write it as 2026-11-30 or 30.11.2026")
    DAY_OR_MONTH = N_(
        'can be read with the day first or the month first: say which, as in | date(reads="%d/%m/%Y"), '
        "or write it as 2026-11-30"
    )
    NOT_IN_CALENDAR = N_("is not a date of the calendar")
    NO_TIME = N_("is not a time of the day")
    OTHER_DATE = N_("does not look like '{reads}'")
    NO_DATE_IN_IT = N_("has no date, which {part} asks for")
    NO_CLOCK_IN_IT = N_("has no time of day, which {part} asks for")
    UNKNOWN_PART = N_("cannot be written as '{part}': use {known}")
    NO_LENGTH = N_("has no length, no first and no last part")
