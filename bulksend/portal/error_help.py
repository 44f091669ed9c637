"""The words for every error code, in one table.

The codes are the portal's and our own. No sentence names a command or an option: those who read it may sit in front of
a page or a program of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bulksend.portal.codes import ACCESS_DENIED, DIALOG_FINISHED, OURS, UNNAMED_ERROR, about_the_plan


@dataclass(frozen=True, slots=True)
class CodeHelp:
    """What is said of one error code.

    Attributes:
        means: what happened: a clause that begins in lower case and has no full stop.
        advice: what to do about it, in whole sentences.
        asking: what to do instead where the portal was only asked something; the same where empty.
        found: what a check says that it has found, where it knows more than a refusal tells; the same where empty.
        checked: whether checks of a sheet find it.
        warning: whether the row is sent all the same.
        of_cells: whether its examples are what cells hold, which is shown in quotation marks.
    """

    means: str
    advice: str
    asking: str = ""
    found: str = ""
    checked: bool = False
    warning: bool = False
    of_cells: bool = False

    @property
    def finding(self) -> tuple[str, str]:
        """What a check says of it: what it has found, and what to do."""
        return self.found or self.means, self.asking or self.advice


def _cell(means: str, advice: str) -> CodeHelp:
    return CodeHelp(means, advice, checked=True, of_cells=True)


def _found(means: str, advice: str) -> CodeHelp:
    return CodeHelp(means, advice, checked=True)


def _warning(means: str, advice: str, *, of_cells: bool = False) -> CodeHelp:
    return CodeHelp(means, advice, checked=True, warning=True, of_cells=of_cells)


_LOOK_INTO_THE_CHAT: Final = "The message may have arrived: look into the chat before you send it again."
_TRY_AGAIN: Final = "Try again in a few minutes."
_NEW_WEBHOOK: Final = "Make a new webhook in the portal, with the right to open channels, and give its address."
_RIGHT: Final = "give it the right `imopenlines`"

HELP: Final[Mapping[str, CodeHelp]] = {
    # Found in a sheet.
    "INVALID_ENTITY_TYPE": _cell(
        "the entity type is empty or not one of the four", "Write lead, deal, contact or company."
    ),
    "INVALID_ENTITY_ID": _cell(
        "the entity id is empty or not a whole number above zero",
        "Write the number of the lead, deal, contact or company, like 288.",
    ),
    "INVALID_CHAT_ID": _cell(
        "the chat id is empty or not a whole number above zero", "Write the number of the chat, like 8773."
    ),
    "INVALID_USER_ID": _cell(
        "the user id is not a whole number above zero",
        "Write the number of the employee who speaks, like 27, or leave the cell empty.",
    ),
    "INVALID_TIMEZONE": _cell(
        "the time zone cannot be read",
        "Write a name such as Europe/Moscow, +05:00 or МСК+2, or leave the cell empty.",
    ),
    "EMPTY_MESSAGE": _found(
        "the message is empty or 0, which the portal takes for empty", "Write the text, or delete the row."
    ),
    "EMPTY_VALUE": _found(
        "a cell that the message needs is empty",
        "Fill in the cell, delete the row, or give the template a default.",
    ),
    "TEMPLATE_ERROR": _found("the message template could not be filled in", "Correct the cells, or the template."),
    "FORMULA_ERROR": _cell(
        "a formula in the message gave an error or was never calculated",
        "Open the sheet in Excel, correct the formula and save it.",
    ),
    "TOO_MANY_CELLS": _found(
        "the row has more cells than there are headings, so its text may have been cut at a separator",
        "Put the text in quotation marks, or save the sheet as .xlsx.",
    ),
    "HIDDEN_ROW": _found(
        "the row is hidden in the sheet, so it is left out",
        "To send hidden rows too, show them in Excel and save the sheet, or choose to include them.",
    ),
    "NO_ROWS": _found("there are no rows below the headings", "Write the messages below the headings, one in a row."),
    "DUPLICATE_MESSAGE": _warning(
        "the chat gets the same text as in an earlier row", "Delete the rows that repeat another, unless that is meant."
    ),
    "MESSAGE_CUT": _warning(
        "the message is longer than 20,000 characters, so the messenger will cut it",
        "Shorten the text, or make two rows of it.",
    ),
    "UNFILLED_PLACEHOLDER": _warning(
        "the message still has a placeholder in it", "Put the real word in its place.", of_cells=True
    ),
    "GARBLED_MESSAGE": _warning(
        "letters of the message were lost: there are question marks in their place",
        "Save the sheet again from where the text is still right, as .xlsx.",
    ),
    # Found by asking the portal about a sheet; the first two are also refusals of single messages.
    "CHAT_NOT_IN_CRM": CodeHelp(
        "the chat does not belong to this lead, deal, contact or company, or its dialog is not active",
        "Check both numbers. If they are right, the dialog is finished, waits for the customer, nobody has taken it "
        "yet, or its channel is switched off: look at it in the portal, and take it or start it again there. A "
        "finished one can also be started again when the row is sent again.",
        asking="Check both numbers, and see in the portal whether the chat's channel is switched on.",
        found="the chat is none of this lead, deal, contact or company, or its channel is switched off",
        checked=True,
    ),
    DIALOG_FINISHED: _found(
        "the chat is one of this lead, deal, contact or company, but its dialog is not active: it is finished, waits "
        "for the customer, or nobody has taken it yet",
        "Take it or start it again in the portal, have it started again when the row is sent, or wait until the "
        "customer writes.",
    ),
    ACCESS_DENIED: _found(
        "the webhook's user, or the user who speaks, may not read this lead, deal, contact or company",
        "Check its number, give them the right to read it in the portal, or let another user speak.",
    ),
    "NO_CHAT": _found(
        "the lead, deal, contact or company has no chat with an active dialog",
        "Take or start a dialog in the portal, or wait until the customer writes; then look the chats up again.",
    ),
    "CHATS_NOT_TOLD": _found(
        "the portal did not list the chats of the lead, deal, contact or company", "Look the chats up again."
    ),
    "NOT_CHECKED": _warning(
        "the portal did not say whether the chat can be written to, or whether the customer would get the message",
        "Check again, or send: the portal decides then.",
    ),
    "SILENT_MODE": _warning(
        "the operator's silent mode is on in the chat: the message would be accepted, and the customer not get it",
        "Have silent mode switched off in the chat before you send.",
    ),
    "CHANNEL_CLOSED": _warning(
        "the channel takes no messages for the customer: its reply window is closed, or the customer has forbidden "
        "them; the portal would accept the message, and the customer not get it",
        "Wait until the customer writes, or reach them another way.",
    ),
    "CHANNEL_CLOSING": _warning(
        "the channel's reply window closes before the row's turn comes: the portal would accept the message, and the "
        "customer not get it",
        "Send these rows first, or at a higher rate.",
    ),
    # Refusals of single rows.
    "CHAT_ID": CodeHelp("the portal does not know the chat, so its dialog was not started", "Check the chat id."),
    "CHAT_TYPE": CodeHelp(
        "the chat is not one of an open channel, so it has no dialog that could be started", "Check the chat id."
    ),
    "USER_ID": CodeHelp(
        "the user of the webhook or application cannot be the operator of the dialog, so it was not started again",
        "Check that the user is active, or start the dialog in the portal.",
    ),
    "CANCELED": CodeHelp(
        "the user who speaks is not a member of the chat",
        "Add the user to the chat in the portal, let the user join it when the row is sent again, or let another user "
        "speak.",
    ),
    "ERROR_ARGUMENT": CodeHelp(
        "the portal found a value missing or of the wrong kind",
        "Check the entity, the user, the chat and the message of this row.",
    ),
    "MESSAGE_ADD_ERROR": CodeHelp(
        "the portal's messenger did not take the message",
        "Open the chat in the portal and see whether a message can be written there by hand, then send the row again.",
    ),
    "WRONG_REQUEST": CodeHelp("the user is a member of the chat already", "Nothing needs to be done."),
    "CRM_CHAT_USER_NOT_ACTIVE": CodeHelp(
        "the user who should join the chat is dismissed or not active", "Choose another user."
    ),
    "CRM_CHAT_EMPTY_CRM_DATA": CodeHelp(
        "this lead, deal, contact or company has no open-channel chat, or may not be read",
        "Check its number; the customer may have to write first.",
    ),
    "INVALID_SESSION_ID": CodeHelp("the portal knows no dialog in this chat", "Check the chat id."),
    "MISSING_REQUIRED_PARAM": CodeHelp("the portal found a value missing", "Check the chat id."),
    "ERROR_BATCH_LENGTH_EXCEEDED": CodeHelp(
        "the portal takes fewer calls in one batch than it got", "Send the row again, in smaller batches."
    ),
    # Refusals that meet every row.
    "NO_AUTH_FOUND": CodeHelp(
        "the portal does not know the webhook or token: it was revoked or mistyped",
        f"Check the address. {_NEW_WEBHOOK}",
    ),
    "INVALID_CREDENTIALS": CodeHelp(
        "the webhook is wrong, was revoked, or its user may not do this", f"Check the address. {_NEW_WEBHOOK}"
    ),
    "INVALID_TOKEN": CodeHelp(
        "the portal does not accept the access token", "Save the portal again, with new tokens of the application."
    ),
    "EXPIRED_TOKEN": CodeHelp(
        "the webhook or the access token has expired", "Make a new one, and save the portal again with it."
    ),
    "INSUFFICIENT_SCOPE": CodeHelp(
        "the webhook may not use open channels",
        f"Edit it in the portal, {_RIGHT}, then resume.",
        asking=f"Edit it in the portal, {_RIGHT}, then try again.",
    ),
    "INVALID_SCOPE": CodeHelp(
        "the application may not use open channels", f"Edit it in the portal, {_RIGHT}, then resume."
    ),
    "USER_ACCESS_ERROR": CodeHelp(
        "this user may not use the application",
        "Let the portal's administrator give the user access to it, then resume.",
    ),
    "OVERLOAD_LIMIT": CodeHelp(
        "the vendor has blocked REST on this portal because of overload",
        "Ask the vendor's support to lift the block, then resume.",
    ),
    "INVALID_REQUEST": CodeHelp("the portal does not accept plain http", "Give its address with https://."),
    "ERROR_METHOD_NOT_FOUND": CodeHelp(
        "the portal does not know this method",
        "Check that the open channels (`imopenlines`) module is installed and that the address is the portal's.",
    ),
    "ERROR_BATCH_METHOD_NOT_ALLOWED": CodeHelp(
        "the portal does not allow this method in a batch", "Send one row a call, then resume."
    ),
    "PORTAL_DELETED": CodeHelp(
        "the portal is closed or deleted", "Check the address and ask the portal's administrator."
    ),
    "WRONG_AUTH_TYPE": CodeHelp(
        "the portal does not allow this kind of sign-in for this call", "Use an incoming webhook."
    ),
    "METHOD_CONFIRM_WAITING": CodeHelp(
        "the portal waits for its administrator to allow this call", "Ask them to confirm it, then resume."
    ),
    "METHOD_CONFIRM_DENIED": CodeHelp(
        "the portal's administrator did not allow this call", "Ask them to allow it, then resume."
    ),
    "APPLICATION_NOT_FOUND": CodeHelp("the portal does not know the application", "Install it in the portal again."),
    "INVALID_CLIENT": CodeHelp(
        "the application's id or secret is wrong",
        "Copy both once more from the application's page and save the portal again with them.",
    ),
    "INVALID_GRANT": CodeHelp(
        "the application's sign-in is no longer valid", "Get a new pair of tokens and save the portal again with them."
    ),
    "PAYMENT_REQUIRED": CodeHelp("the application's or the portal's paid period has ended", "Renew it, then resume."),
    "REDIRECTED": CodeHelp(
        "the portal's address leads to another one", "Open the portal in a browser and give the address it shows."
    ),
    "RENEWAL_NOT_SAVED": CodeHelp(
        "the renewed sign-in could not be saved, so it was not used",
        "Make room on the disk or unlock the keyring, then resume.",
    ),
    "RENEWAL_USELESS": CodeHelp(
        "the portal says that the access token has expired however often it is renewed",
        "Check the portal's clock and the application, then resume.",
    ),
    "PORTAL_CHANGED": CodeHelp(
        "the saved portal was removed or replaced by another while it was in use",
        "Save it again as it was, then resume.",
    ),
    # Passing troubles: seen in results only where the campaign ended in the middle of one.
    "QUERY_LIMIT_EXCEEDED": CodeHelp(
        "the portal refuses calls because it gets too many of them",
        "Not sent: resume, at a lower rate if this comes again.",
        asking="Try again in a minute, at a lower rate if this comes again.",
    ),
    "OPERATION_TIME_LIMIT": CodeHelp(
        "the portal's execution time for this method is used up",
        "Not sent: resume in ten minutes.",
        asking="Try again in ten minutes.",
    ),
    "PORTAL_UNREACHABLE": CodeHelp(
        "the portal could not be reached",
        "Not sent: check its address and the network, then resume.",
        asking="Check its address and the network.",
    ),
    "LEFT_TOO_LATE": CodeHelp("the call was held up for so long that it was not made", "Not sent: resume."),
    # Left out on purpose.
    "ALREADY_SENT": CodeHelp(
        "another campaign sent this text to this chat in the last 24 hours, so the row is left out",
        "To send it once more, choose to send such rows again.",
    ),
    "BEYOND_LIMIT": CodeHelp(
        "the row comes after those that the limit allows, so it is left out", "Send the sheet again without the limit."
    ),
    "STOP_LISTED": CodeHelp(
        "the chat or the CRM entity is on a stop list, so the row is left out", "Nothing needs to be done."
    ),
    "TOO_LATE": CodeHelp(
        "the message had not left by the time after which none was to leave, so the row is left out",
        "To send it nevertheless, retry with a later time.",
    ),
    "DELETED": CodeHelp("the campaign's texts were deleted before the row was sent", "Send the sheet again."),
    # Not known.
    "IN_DOUBT": CodeHelp("the message left, but no answer came", "The chat's history will show whether it arrived."),
    "INTERRUPTED": CodeHelp("the program was stopped while the message was leaving", _LOOK_INTO_THE_CHAT),
    "UNKNOWN": CodeHelp("the message left, and whether it arrived could not be established", _LOOK_INTO_THE_CHAT),
    "LOST_TOO_OFTEN": CodeHelp(
        "the connection broke at every attempt, and the chat's history shows that no message arrived",
        "Not sent: check the network, then send the row again.",
    ),
    "ANSWER_LOST": CodeHelp(
        "no answer that makes sense came from the portal",
        _LOOK_INTO_THE_CHAT,
        asking="Check its address and the network, then try again.",
    ),
    "NOT_THE_PORTAL": CodeHelp(
        "a page came in place of an answer: something else answers at the portal's address, such as a sign-in page or "
        "a firewall, or the portal's PHP fails",
        "Open the portal in a browser to see which it is, then resume.",
        asking="Open the portal in a browser to see which it is, then try again.",
    ),
    "NOT_A_REST_ADDRESS": CodeHelp(
        "a page in place of an answer says that there is nothing at this address",
        "Copy the webhook's address once more from the portal, then resume.",
        asking="Copy the webhook's address once more from the portal, then try again.",
    ),
    "GATEWAY_ERROR": CodeHelp(
        "a server on the way answered in place of the portal", _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN
    ),
    "INTERNAL_SERVER_ERROR": CodeHelp("something failed in the portal", _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN),
    "ERROR_UNEXPECTED_ANSWER": CodeHelp("something failed in the portal", _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN),
    UNNAMED_ERROR: CodeHelp("the portal reports an error without naming it", _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN),
}

_PLAN: Final = CodeHelp(
    "the portal's plan does not include REST",
    "The portal needs a commercial plan (or its trial) before anything can be sent; then resume.",
)


def code_help(code: str) -> CodeHelp:
    """What is said of an error code, in any case; a code that nobody knows is at least named."""
    return HELP.get(code.upper()) or CodeHelp(
        f"the portal refused this with the code {code or UNNAMED_ERROR}",
        "Look the code up in the documentation of Bitrix24's REST, or ask the portal's administrator.",
    )


def advice(code: str, description: str = "", *, asking: bool = False) -> str:
    """What happened and what to do, for people.

    Args:
        code: the portal's or ours, as in `Outcome.code` or in a results sheet, in any case.
        description: as in `Outcome.description`; added in brackets where it is given.
        asking: whether the portal was only asked something.
    """
    name = code.upper()
    said = description.strip().rstrip(".")
    found = _PLAN if name == ACCESS_DENIED and about_the_plan(said) else code_help(code)
    means = f"{found.means[0].upper()}{found.means[1:]}"
    if said.startswith(means):  # it is this very advice, given further below
        return description
    words = said if not said or name in OURS else f"the portal says: {said}"
    return f"{means}{f' ({words})' if words else ''}. {(asking and found.asking) or found.advice}"
