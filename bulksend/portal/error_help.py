"""The words for every error code, in one table.

The codes are the portal's and our own. No sentence names a command or an option: those who read it may sit in front of
a page or a program of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bulksend.locale import N_, _
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
        blank: what happened and what to do where that cell is blank; the same where empty.
        field: the field of a sheet's row in whose cell it stands, as `Columns` calls it; empty where in none.
    """

    means: str
    advice: str
    asking: str = ""
    found: str = ""
    checked: bool = False
    warning: bool = False
    of_cells: bool = False
    field: str = ""
    blank: tuple[str, str] = ("", "")

    @property
    def finding(self) -> tuple[str, str]:
        """What a check says of it: what it has found, and what to do."""
        return self.found or self.means, self.asking or self.advice


def _cell(field: str, means: str, advice: str) -> CodeHelp:
    return CodeHelp(means, advice, checked=True, of_cells=True, field=field)


def _found(means: str, advice: str, *, field: str = "") -> CodeHelp:
    return CodeHelp(means, advice, checked=True, field=field)


def _warning(means: str, advice: str, *, of_cells: bool = False) -> CodeHelp:
    return CodeHelp(means, advice, checked=True, warning=True, of_cells=of_cells)


_LOOK_INTO_THE_CHAT: Final = N_("The message may have arrived: look into the chat before you send it again.")
_TRY_AGAIN: Final = N_("Try again in a few minutes.")
_NEW_WEBHOOK: Final = N_(
    "Check the address. Make a new webhook in the portal, with the right to open channels, and give its address."
)
_RIGHT_THEN_RESUME: Final = N_("Edit it in the portal, give it the right `imopenlines`, then resume.")

HELP: Final[Mapping[str, CodeHelp]] = {
    # Found in a sheet.
    "INVALID_ENTITY_TYPE": _cell(
        "entity_type",
        N_("the entity type is empty or unknown"),
        N_("Write lead, deal, contact or company."),
    ),
    "INVALID_ENTITY_ID": _cell(
        "entity_id",
        N_("the entity id is empty or not a whole number above zero"),
        N_("Write the number of the lead, deal, contact or company, like 288."),
    ),
    "INVALID_CHAT_ID": replace(
        _cell(
            "chat_id",
            N_("the chat id is empty or not a whole number above zero"),
            N_("Write the number of the chat, like 8773, or have the portal find it where the cell is empty."),
        ),
        blank=(
            N_("the chat id is empty"),
            N_("Fill in the number of the chat, or have the portal asked for it."),
        ),
    ),
    "INVALID_USER_ID": _cell(
        "user_id",
        N_("the user id is not a whole number above zero"),
        N_("Write the number of the employee who speaks, like 27, or leave the cell empty."),
    ),
    "INVALID_TIMEZONE": _cell(
        "timezone",
        N_("the time zone cannot be read"),
        N_("Write a name such as Europe/Moscow, +05:00 or МСК+2, or leave the cell empty."),
    ),
    "EMPTY_MESSAGE": _found(
        N_("the message is empty or 0, which the portal takes for empty"),
        N_("Write the text, or delete the row."),
        field="message",
    ),
    "EMPTY_VALUE": _found(
        N_("a cell that the message needs is empty"),
        N_("Fill in the cell, delete the row, or give the template a default."),
    ),
    "TEMPLATE_ERROR": _found(
        N_("the message template could not be filled in"), N_("Correct the cells, or the template.")
    ),
    "FORMULA_ERROR": _cell(
        "message",
        N_("a formula in the message gave an error or was never calculated"),
        N_("Open the sheet in Excel, correct the formula and save it."),
    ),
    "ROWS_IN_MESSAGE": _cell(
        "message",
        N_("the message holds other rows of the sheet, as where a quotation mark is missing or too many"),
        N_("Correct the quotation marks of the row, or save the sheet as .xlsx."),
    ),
    "TOO_MANY_CELLS": _found(
        N_("the row has more cells than there are headings, so its text may have been cut at a separator"),
        N_("Put the text in quotation marks, or save the sheet as .xlsx."),
        field="message",
    ),
    "HIDDEN_ROW": _found(
        N_("the row is hidden in the sheet, so it is left out"),
        N_("To send hidden rows too, show them in Excel and save the sheet, or choose to include them."),
    ),
    "NO_ROWS": _found(
        N_("there are no rows below the headings"), N_("Write the messages below the headings, one in a row.")
    ),
    "DUPLICATE_MESSAGE": _warning(
        N_("the chat gets the same text as in an earlier row"),
        N_("Keep one of the rows, unless the chat is to get it twice."),
    ),
    "SHARED_CHAT": _warning(
        N_("the chat stands in another row too, for another lead, deal, contact or company"),
        N_("Check that the chat is the right one in both rows: else a customer reads what is meant for another."),
    ),
    "MESSAGE_CUT": _warning(
        N_("the message is longer than 20,000 characters, so the messenger will cut it"),
        N_("Shorten the text, or make two rows of it."),
    ),
    "UNFILLED_PLACEHOLDER": _warning(
        N_("the message still has a placeholder in it"), N_("Put the real word in its place."), of_cells=True
    ),
    "GARBLED_MESSAGE": _warning(
        N_("letters of the message were lost or misread"),
        N_("Save the sheet again from where the text is still right, as .xlsx."),
        of_cells=True,
    ),
    # Found by asking the portal about a sheet; the first two are also refusals of single messages.
    "CHAT_NOT_IN_CRM": CodeHelp(
        N_("the chat does not belong to this lead, deal, contact or company, or its dialog is not active"),
        N_(
            "Check both numbers. If they are right, the dialog is finished, waits for the customer, nobody has "
            "taken it "
            "yet, or its channel is switched off: look at it in the portal, and take it or start it again there. A "
            "finished one can also be started again when the row is sent again."
        ),
        asking=N_("Check both numbers, and see in the portal whether the chat's channel is switched on."),
        found=N_("the chat does not belong to this lead, deal, contact or company, or its channel is switched off"),
        checked=True,
    ),
    DIALOG_FINISHED: _found(
        N_(
            "the chat is one of this lead, deal, contact or company, but its dialog is not active: it is finished, "
            "waits "
            "for the customer, or nobody has taken it yet"
        ),
        N_(
            "Take it or start it again in the portal, have it started again when the row is sent, or wait until the "
            "customer writes."
        ),
    ),
    ACCESS_DENIED: _found(
        N_("the webhook's user, or the user who speaks, may not read this lead, deal, contact or company"),
        N_("Check its number, give them the right to read it in the portal, or let another user speak."),
        field="entity_id",
    ),
    "NO_CHAT": _found(
        N_("the lead, deal, contact or company has no chat with an active dialog"),
        N_("Take or start a dialog in the portal, or wait until the customer writes; then look the chats up again."),
        field="entity_id",
    ),
    "CHATS_NOT_TOLD": _found(
        N_("the portal did not list the chats of the lead, deal, contact or company"),
        N_("Look the chats up again."),
        field="entity_id",
    ),
    "NOT_CHECKED": _warning(
        N_("the portal did not say whether the chat can be written to, or whether the customer would get the message"),
        N_("Check again, or send: the portal decides then."),
    ),
    "SILENT_MODE": _warning(
        N_("the operator's silent mode is on in the chat: the message would be accepted, and the customer not get it"),
        N_("Have silent mode switched off in the chat before you send."),
    ),
    "CHANNEL_CLOSED": _warning(
        N_(
            "the channel takes no messages for the customer: its reply window is closed, or the customer has forbidden "
            "them; the portal would accept the message, and the customer not get it"
        ),
        N_("Wait until the customer writes, or reach them another way."),
    ),
    "CHANNEL_CLOSING": _warning(
        N_(
            "the channel's reply window closes before the row's turn comes: the portal would accept the message, "
            "and the "
            "customer not get it"
        ),
        N_("Send these rows first, or at a higher rate."),
    ),
    # Refusals of single rows.
    "CHAT_ID": CodeHelp(
        N_("the portal does not know the chat, so its dialog was not started"), N_("Check the chat id.")
    ),
    "CHAT_TYPE": CodeHelp(
        N_("the chat is not one of an open channel, so it has no dialog that could be started"),
        N_("Check the chat id."),
    ),
    "USER_ID": CodeHelp(
        N_("the user of the webhook or application cannot be the operator of the dialog, so it was not started again"),
        N_("Check that the user is active, or start the dialog in the portal."),
    ),
    "CANCELED": CodeHelp(
        N_("the user who speaks is not a member of the chat"),
        N_(
            "Add the user to the chat in the portal, let the user join it when the row is sent again, or let "
            "another user "
            "speak."
        ),
    ),
    "ERROR_ARGUMENT": CodeHelp(
        N_("the portal found a value missing or of the wrong kind"),
        N_("Check the entity, the user, the chat and the message of this row."),
    ),
    "MESSAGE_ADD_ERROR": CodeHelp(
        N_("the portal's messenger did not take the message"),
        N_(
            "Open the chat in the portal and see whether a message can be written there by hand, then send the row "
            "again."
        ),
    ),
    "WRONG_REQUEST": CodeHelp(N_("the user is a member of the chat already"), N_("Nothing needs to be done.")),
    "CRM_CHAT_USER_NOT_ACTIVE": CodeHelp(
        N_("the user who should join the chat is dismissed or not active"), N_("Choose another user.")
    ),
    "CRM_CHAT_EMPTY_CRM_DATA": CodeHelp(
        N_("this lead, deal, contact or company has no open-channel chat, or may not be read"),
        N_("Check its number; the customer may have to write first."),
    ),
    "INVALID_SESSION_ID": CodeHelp(N_("the portal knows no dialog in this chat"), N_("Check the chat id.")),
    "MISSING_REQUIRED_PARAM": CodeHelp(N_("the portal found a value missing"), N_("Check the chat id.")),
    "ERROR_BATCH_LENGTH_EXCEEDED": CodeHelp(
        N_("the portal takes fewer calls in one batch than it got"), N_("Send the row again, in smaller batches.")
    ),
    # Refusals that meet every row.
    "NO_AUTH_FOUND": CodeHelp(
        N_("the portal does not know the webhook or token: it was revoked or mistyped"),
        _NEW_WEBHOOK,
    ),
    "INVALID_CREDENTIALS": CodeHelp(N_("the webhook is wrong, was revoked, or its user may not do this"), _NEW_WEBHOOK),
    "INVALID_TOKEN": CodeHelp(
        N_("the portal does not accept the access token"),
        N_("Save the portal again, with new tokens of the application."),
    ),
    "EXPIRED_TOKEN": CodeHelp(
        N_("the webhook or the access token has expired"), N_("Make a new one, and save the portal again with it.")
    ),
    "INSUFFICIENT_SCOPE": CodeHelp(
        N_("the webhook may not use open channels"),
        _RIGHT_THEN_RESUME,
        asking=N_("Edit it in the portal, give it the right `imopenlines`, then try again."),
    ),
    "INVALID_SCOPE": CodeHelp(N_("the application may not use open channels"), _RIGHT_THEN_RESUME),
    "USER_ACCESS_ERROR": CodeHelp(
        N_("this user may not use the application"),
        N_("Let the portal's administrator give the user access to it, then resume."),
    ),
    "OVERLOAD_LIMIT": CodeHelp(
        N_("the vendor has blocked REST on this portal because of overload"),
        N_("Ask the vendor's support to lift the block, then resume."),
    ),
    "INVALID_REQUEST": CodeHelp(N_("the portal does not accept plain http"), N_("Give its address with https://.")),
    "ERROR_METHOD_NOT_FOUND": CodeHelp(
        N_("the portal does not know this method"),
        N_("Check that the open channels (`imopenlines`) module is installed and that the address is the portal's."),
    ),
    "ERROR_BATCH_METHOD_NOT_ALLOWED": CodeHelp(
        N_("the portal does not allow this method in a batch"), N_("Send one row a call, then resume.")
    ),
    "PORTAL_DELETED": CodeHelp(
        N_("the portal is closed or deleted"), N_("Check the address and ask the portal's administrator.")
    ),
    "WRONG_AUTH_TYPE": CodeHelp(
        N_("the portal does not allow this kind of sign-in for this call"), N_("Use an incoming webhook.")
    ),
    "METHOD_CONFIRM_WAITING": CodeHelp(
        N_("the portal waits for its administrator to allow this call"), N_("Ask them to confirm it, then resume.")
    ),
    "METHOD_CONFIRM_DENIED": CodeHelp(
        N_("the portal's administrator did not allow this call"), N_("Ask them to allow it, then resume.")
    ),
    "APPLICATION_NOT_FOUND": CodeHelp(
        N_("the portal does not know the application"), N_("Install it in the portal again.")
    ),
    "INVALID_CLIENT": CodeHelp(
        N_("the application's id or secret is wrong"),
        N_("Copy both once more from the application's page and save the portal again with them."),
    ),
    "INVALID_GRANT": CodeHelp(
        N_("the application's sign-in is no longer valid"),
        N_("Get a new pair of tokens and save the portal again with them."),
    ),
    "PAYMENT_REQUIRED": CodeHelp(
        N_("the application's or the portal's paid period has ended"), N_("Renew it, then resume.")
    ),
    "REDIRECTED": CodeHelp(
        N_("the portal's address leads to another one"),
        N_("Open the portal in a browser and give the address it shows."),
    ),
    "RENEWAL_NOT_SAVED": CodeHelp(
        N_("the renewed sign-in could not be saved, so it was not used"),
        N_("Make room on the disk or unlock the keyring, then resume."),
    ),
    "RENEWAL_USELESS": CodeHelp(
        N_("the portal says that the access token has expired however often it is renewed"),
        N_("Check the portal's clock and the application, then resume."),
    ),
    "PORTAL_CHANGED": CodeHelp(
        N_("the saved portal was removed or replaced by another while it was in use"),
        N_("Save it again as it was, then resume."),
    ),
    # Passing troubles: seen in results only where the campaign ended in the middle of one.
    "QUERY_LIMIT_EXCEEDED": CodeHelp(
        N_("the portal refuses calls because it gets too many of them"),
        N_("Not sent: resume, at a lower rate if this comes again."),
        asking=N_("Try again in a minute, at a lower rate if this comes again."),
    ),
    "OPERATION_TIME_LIMIT": CodeHelp(
        N_("the portal's execution time for this method is used up"),
        N_("Not sent: resume in ten minutes."),
        asking=N_("Try again in ten minutes."),
    ),
    "PORTAL_UNREACHABLE": CodeHelp(
        N_("the portal could not be reached"),
        N_("Not sent: check its address and the network, then resume."),
        asking=N_("Check its address and the network."),
    ),
    "LEFT_TOO_LATE": CodeHelp(N_("the call was held up for so long that it was not made"), N_("Not sent: resume.")),
    # Left out on purpose.
    "ALREADY_SENT": CodeHelp(
        N_(
            "another campaign sent this text to this chat in the last 24 hours, or the row was sent, or may have been, "
            "by the earlier results in the sheet, so it is left out"
        ),
        N_("To send it once more, choose to send such rows again."),
    ),
    "BEYOND_LIMIT": CodeHelp(
        N_("only the first rows were to be sent, so this one is left out"),
        N_("Look at those that were sent, then send the rest."),
    ),
    "STOP_LISTED": CodeHelp(
        N_("the chat or the CRM entity is on a stop list, so the row is left out"), N_("Nothing needs to be done.")
    ),
    "TOO_LATE": CodeHelp(
        N_("the time after which nothing was to be sent had come, so the row is left out"),
        N_("To send it nevertheless, retry with a later time."),
    ),
    "DELETED": CodeHelp(N_("the campaign's texts were deleted before the row was sent"), N_("Send the sheet again.")),
    # Not known.
    "IN_DOUBT": CodeHelp(
        N_("the message was sent out, but no answer came"), N_("The chat's history will show whether it arrived.")
    ),
    "INTERRUPTED": CodeHelp(N_("the program was stopped while the message was leaving"), _LOOK_INTO_THE_CHAT),
    "UNKNOWN": CodeHelp(
        N_("the message was sent out, but whether it arrived could not be established"), _LOOK_INTO_THE_CHAT
    ),
    "LOST_TOO_OFTEN": CodeHelp(
        N_("the connection broke at every attempt, and the chat's history shows that no message arrived"),
        N_("Not sent: check the network, then send the row again."),
    ),
    "ANSWER_LOST": CodeHelp(
        N_("no answer that makes sense came from the portal"),
        _LOOK_INTO_THE_CHAT,
        asking=N_("Check its address and the network, then try again."),
    ),
    "NOT_THE_PORTAL": CodeHelp(
        N_(
            "a page came in place of an answer: something else answers at the portal's address, such as a sign-in "
            "page or "
            "a firewall, or the portal's PHP fails"
        ),
        N_("Open the portal in a browser to see which it is, then resume."),
        asking=N_("Open the portal in a browser to see which it is, then try again."),
    ),
    "NOT_A_REST_ADDRESS": CodeHelp(
        N_("a page in place of an answer says that there is nothing at this address"),
        N_("Copy the webhook's address once more from the portal, then resume."),
        asking=N_("Copy the webhook's address once more from the portal, then try again."),
    ),
    "GATEWAY_ERROR": CodeHelp(
        N_("a server on the way answered in place of the portal"), _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN
    ),
    "INTERNAL_SERVER_ERROR": CodeHelp(N_("something failed in the portal"), _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN),
    "ERROR_UNEXPECTED_ANSWER": CodeHelp(N_("something failed in the portal"), _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN),
    UNNAMED_ERROR: CodeHelp(
        N_("the portal reports an error without naming it"), _LOOK_INTO_THE_CHAT, asking=_TRY_AGAIN
    ),
}

_PLAN: Final = CodeHelp(
    N_("the portal's plan does not include REST"),
    N_("The portal needs a commercial plan (or its trial) before anything can be sent; then resume."),
)


def code_help(code: str) -> CodeHelp:
    """What is said of an error code, in any case, in the reader's language; one that nobody knows is at least named."""
    known = HELP.get(code.upper())
    if known is not None:
        return _translated(known)
    means = _("the portal refused this with the code {code}").format(code=code or UNNAMED_ERROR)
    return CodeHelp(
        means, _("Look the code up in the documentation of Bitrix24's REST, or ask the portal's administrator.")
    )


def _translated(text: CodeHelp) -> CodeHelp:
    return replace(
        text,
        means=_(text.means),
        advice=_(text.advice),
        asking=_(text.asking),
        found=_(text.found),
        blank=(_(text.blank[0]), _(text.blank[1])),
    )


def capitalised(text: str) -> str:
    """The text of a `CodeHelp` as the beginning of a sentence."""
    return f"{text[0].upper()}{text[1:]}"


def advice(code: str, description: str = "", *, asking: bool = False) -> str:
    """What happened and what to do, for people.

    Args:
        code: the portal's or ours, as in `Outcome.code` or in a results sheet, in any case.
        description: as in `Outcome.description`; added in brackets where it is given.
        asking: whether the portal was only asked something.
    """
    name = code.upper()
    said = description.strip().rstrip(".")
    found = _translated(_PLAN) if name == ACCESS_DENIED and about_the_plan(said) else code_help(code)
    means = capitalised(found.means)
    if said.startswith(means):  # it is this very advice, given further below
        return description
    words = said if not said or name in OURS else _("the portal says: {words}").format(words=said)
    return f"{means}{f' ({words})' if words else ''}. {(asking and found.asking) or found.advice}"
