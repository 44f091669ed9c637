"""Why a file cannot be read as a sheet: every sentence of it, and how cells and lists are shown in sentences."""

from enum import StrEnum

from bulksend.errors import SheetError
from bulksend.locale import N_, _, ngettext
from bulksend.locale.formats import number


class Refusal(StrEnum):
    """Why a file cannot be read as a sheet of messages; the words in braces are filled in."""

    NO_SUCH_FILE = N_("There is no file '{name}': check the name and the folder.")
    IS_A_FOLDER = N_("'{name}' is a folder: name the sheet inside it.")
    NOT_A_FILE = N_("'{name}' is not an ordinary file: copy the sheet to a file and name that.")
    CANNOT_OPEN = N_("'{name}' cannot be opened ({why}): close it in other programs or check that you may read it.")
    EMPTY_FILE = N_("'{name}' is empty: save the sheet again and check that it has rows.")
    NOT_A_SHEET = N_("'{name}' is {what}, not a sheet: save the table as .xlsx or .csv and use that file.")
    WEB_PAGE = N_("'{name}' is a web page, not a sheet: open it in Excel, save it as .xlsx and use that file.")
    OTHER_WORKBOOK = N_("'{name}' is {what}: open it, save or export it as .xlsx and use that file.")
    PASSWORD = N_("'{name}' is protected with a password: open it in Excel, remove the password and save it.")
    DAMAGED = N_("'{name}' is damaged or not complete: open it in Excel, save it under a new name and use that.")
    BOMB = N_("'{name}' unpacks to far more than a sheet holds ({size} MB): copy its rows to a new workbook.")
    TOO_SPREAD = N_(
        "'{name}' has a cell very far from the others (row {row}, column {column}): delete the stray cells and save it."
    )
    NO_SUCH_SHEET = N_("There is no sheet '{sheet}' in '{name}': it has {sheets}.")
    NO_SHEETS_HERE = N_("'{name}' is a text file, without sheets to choose from: choose none.")
    NO_VISIBLE_SHEET = N_("Every sheet of '{name}' is hidden: show one in Excel, or choose it by its name ({sheets}).")
    EMPTY_SHEET = N_("The sheet '{sheet}' of '{name}' is empty: fill it in and save it, or name another file.")
    EMPTY_SHEET_OF_SEVERAL = N_("The sheet '{sheet}' of '{name}' is empty: choose another ({others}).")
    CONTINUED = N_(
        "'{name}' has more rows on its sheet '{sheet}': save all of them in one .csv, or choose one sheet after "
        "the other."
    )
    EMPTY_TABLE = N_("There is nothing in '{name}' but blank rows: save the sheet again and check that it has rows.")
    UNKNOWN_ENCODING = N_("The encoding of '{name}' cannot be recognised: save it in Excel as 'CSV UTF-8' or as .xlsx.")
    BROKEN_ENCODING = N_(
        "Row {row} of '{name}' has damaged characters: save the sheet again as 'CSV UTF-8' or as .xlsx."
    )
    BINARY_IN_TEXT = N_(
        "Row {row} of '{name}' has bytes that do not belong in a text file: save the sheet again as .csv or .xlsx."
    )
    UNCLOSED_QUOTE = N_(
        "A quotation mark opened in row {row} of '{name}' is never closed: close it, or write quotation marks inside "
        'a quoted text twice ("").'
    )
    STRAY_QUOTE = N_(
        "The quotation marks in row {row} of '{name}' do not match: write quotation marks inside a quoted text twice "
        '("").'
    )
    MISSING_COLUMNS = N_("There is no column for {missing} (the headings are {found}): {advice}.")
    DOUBLED_COLUMNS = N_("{doubled} stand for the same field: rename all but one, or choose one of them.")
    UNKNOWN_FIELD = N_("There is no field '{field}' to choose a column for: the fields are {fields}.")
    UNKNOWN_HEADING = N_("There is no heading '{heading}' to choose for {field}: the headings are {found}{hint}")
    SAME_HEADINGS = N_(
        "There are several columns '{heading}' to choose for {field}: rename all but one, or choose one of them by its "
        "letter and its heading ({columns})."
    )
    FILE_CHANGED = N_("'{name}' changed while it was being read: try again once it is saved.")


def refuse(why: Refusal, /, **words: object) -> SheetError:
    """The error for ``why``, with the words in braces filled in; its code is the name of ``why``."""
    return SheetError(_(why.value).format(**words), code=why.name, **words)


def quoted(text: str, longest: int = 60) -> str:
    """``text`` in quotation marks, on one line and not too long to read."""
    flat = " ".join(text.split())
    return _("'{text}'").format(text=flat if len(flat) <= longest else f"{flat[: longest - 1]}…")


def listed(words: list[str], most: int = 12, more: int = 0) -> str:
    """Words as a person lists them: ``a, b and c``; with ``more`` that are not named: ``a, b and 5 more``."""
    if len(words) > most:
        words, more = words[: most - 1], more + len(words) - most + 1
    if more:
        words = [*words, ngettext("{count} more", "{count} more", more).format(count=number(more))]
    joint = _("and")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def rows_in_words(rows: int) -> str:
    """A number of rows: ``1 row``, ``1,204 rows``."""
    return ngettext("{rows} row", "{rows} rows", rows).format(rows=number(rows))


_ENTITIES = {
    "lead": N_("lead {number}"),
    "deal": N_("deal {number}"),
    "contact": N_("contact {number}"),
    "company": N_("company {number}"),
}


def entity_in_words(kind: str, number: int) -> str:
    """What a chat belongs to: ``deal 288``."""
    return _(_ENTITIES[kind]).format(number=number) if kind in _ENTITIES else f"{kind} {number}".strip()
