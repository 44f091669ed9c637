"""What can be wrong with a row of a sheet: what it is called, and what to do about it."""

from dataclasses import dataclass

from bulksend.sheet.messages import quoted


@dataclass(frozen=True, slots=True)
class ProblemText:
    """What one kind of problem is called and what to do about it."""

    says: str
    advice: str
    warning: bool = False
    of_cells: bool = False
    """Its examples are what cells hold, shown in quotation marks; other examples are words of ours."""


PROBLEMS: dict[str, ProblemText] = {
    "INVALID_ENTITY_TYPE": ProblemText(
        "the entity type is empty or not one of the four",
        "Write lead, deal, contact or company.",
        of_cells=True,
    ),
    "INVALID_ENTITY_ID": ProblemText(
        "the entity id is empty or not a whole number above zero",
        "Write the number of the lead, deal, contact or company, like 288.",
        of_cells=True,
    ),
    "INVALID_CHAT_ID": ProblemText(
        "the chat id is empty or not a whole number above zero",
        "Write the number of the chat, like 8773.",
        of_cells=True,
    ),
    "INVALID_USER_ID": ProblemText(
        "the user id is not a whole number above zero",
        "Write the number of the employee who speaks, like 27, or leave the cell empty.",
        of_cells=True,
    ),
    "EMPTY_MESSAGE": ProblemText(
        "the message is empty or 0, which the portal takes for empty",
        "Write the text, or delete the row.",
    ),
    "EMPTY_VALUE": ProblemText(
        "a cell that the message needs is empty",
        "Fill in the cell, delete the row, or give the template a stand-in.",
    ),
    "TEMPLATE_ERROR": ProblemText(
        "the message template could not be filled in",
        "Mend the cells, or the template.",
    ),
    "FORMULA_ERROR": ProblemText(
        "a formula in the message gave an error or was never worked out",
        "Open the sheet in Excel, mend the formula and save it.",
        of_cells=True,
    ),
    "TOO_MANY_CELLS": ProblemText(
        "the row has more cells than there are headings, so its text may have been cut at a separator",
        "Put the text in quotation marks, or save the sheet as .xlsx.",
    ),
    "HIDDEN_ROW": ProblemText(
        "the row is hidden in the sheet, so it is left out",
        "To send hidden rows too, show them in Excel and save the sheet, or add --include-hidden.",
    ),
    "NO_ROWS": ProblemText(
        "there are no rows below the headings",
        "Write the messages below the headings, one in each row.",
    ),
    "CHAT_NOT_IN_CRM": ProblemText(
        "the chat does not belong to this lead, deal, contact or company, or its dialog is finished",
        "Check both numbers; a finished dialog has to be opened again by the customer.",
    ),
    "ACCESS_DENIED": ProblemText(
        "the portal does not let this user read the lead, deal, contact or company",
        "Check its number, or ask the portal's administrator for the right to read it.",
    ),
    "NO_CHAT": ProblemText(
        "the lead, deal, contact or company has no open chat",
        "Ask the customer to write first; then look the chats up again.",
    ),
    "CHATS_NOT_TOLD": ProblemText(
        "the portal did not tell the chats of the lead, deal, contact or company",
        "Look the chats up again.",
    ),
    "CANCELED": ProblemText(
        "the user who speaks is not a member of the chat",
        "Add the user to the chat, or let another user speak.",
    ),
    "NOT_CHECKED": ProblemText(
        "the portal did not tell whether the chat is open",
        "Check again, or send: the portal decides then.",
        warning=True,
    ),
    "DUPLICATE_MESSAGE": ProblemText(
        "the chat gets the same text as in an earlier row",
        "Delete the rows that repeat another, unless that is meant.",
        warning=True,
    ),
    "MESSAGE_CUT": ProblemText(
        "the message is longer than 20,000 characters, so the messenger will cut it",
        "Shorten the text, or make two rows of it.",
        warning=True,
    ),
    "UNFILLED_PLACEHOLDER": ProblemText(
        "the message still has a placeholder in it",
        "Put the real word in its place.",
        warning=True,
        of_cells=True,
    ),
    "GARBLED_MESSAGE": ProblemText(
        "letters of the message were lost: there are question marks in their place",
        "Save the sheet again from where the text is still right, as .xlsx.",
        warning=True,
    ),
}


def problem_text(code: str) -> ProblemText:
    """The words for ``code``; a code that only the portal knows is told as it is."""
    return PROBLEMS.get(code) or ProblemText(
        f"the portal says {code}", "Look the code up in the portal's documentation."
    )


def describe(code: str, cell: str | None = None) -> str:
    """One problem of one row as a sentence; ``cell`` is the text that could not be read, where that helps."""
    text = problem_text(code)
    shown = "" if cell is None or not cell.strip() else f" ({quoted(cell)})"
    return f"{text.says[0].upper()}{text.says[1:]}{shown}. {text.advice}"
