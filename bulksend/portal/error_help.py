"""What each error code means for the person who sent the sheet, and what to do about it: one sentence each."""

from collections.abc import Mapping

from bulksend.portal.codes import ACCESS_DENIED, OURS, UNNAMED_ERROR, about_the_plan

_ASK_THE_CHAT = (
    "look into the chat before sending it again, and if it is not there use `bulksend retry RUN --resend-unknown`."
)
_NEW_WEBHOOK = "make a new webhook in the portal (with the right to open channels) and give its address."

ADVICE: Mapping[str, str] = {
    # One row's refusals.
    "CHAT_NOT_IN_CRM": (
        "The chat does not belong to this CRM entity, or its dialog is finished: check the entity and the chat id in "
        "the sheet (`bulksend lookup` can fill it in), and see in the portal whether the dialog is still open."
    ),
    "CANCELED": (
        "The user who should speak is not a member of this chat: add the user to the chat in the portal, name "
        "another user in the sheet or with --user-id, or send again with --join."
    ),
    "ACCESS_DENIED": (
        "The webhook's user, or the user who should speak, may not read this CRM entity: give them the right to it "
        "in the portal, or let another user speak (--user-id)."
    ),
    "ERROR_ARGUMENT": (
        "The portal found a value missing or of the wrong kind: check the entity, the user, the chat and the message "
        "of this row."
    ),
    "MESSAGE_ADD_ERROR": (
        "The portal's messenger did not take the message: open the chat in the portal and see whether a message can "
        "be written there by hand, then retry."
    ),
    "WRONG_REQUEST": "The portal says that the user is in this chat already: nothing needs to be done.",
    "CRM_CHAT_USER_NOT_ACTIVE": "The user who should join the chat is dismissed or not active: choose another user.",
    "CRM_CHAT_EMPTY_CRM_DATA": "This CRM entity has no open-channel chat: the customer has to write first.",
    "INVALID_SESSION_ID": "The portal knows no dialog in this chat: check the chat id.",
    "MISSING_REQUIRED_PARAM": "The portal found a value missing: check the chat id.",
    "ERROR_BATCH_LENGTH_EXCEEDED": (
        "The portal takes fewer calls in one batch than were sent: retry with a smaller --batch."
    ),
    # The campaign's.
    "NO_AUTH_FOUND": f"The portal does not know the webhook or token: it was revoked or mistyped; {_NEW_WEBHOOK}",
    "INVALID_CREDENTIALS": (
        f"The webhook is wrong, was revoked, or its user may not do this: check it, or {_NEW_WEBHOOK}"
    ),
    "INVALID_TOKEN": (
        "The portal does not accept the access token: save the portal again with `bulksend portal add --replace`."
    ),
    "EXPIRED_TOKEN": (
        "The webhook or the access token has run out: make a new one and save the portal again with "
        "`bulksend portal add --replace`."
    ),
    "INSUFFICIENT_SCOPE": (
        "The webhook may not use open channels: edit it in the portal, give it the right `imopenlines`, and resume."
    ),
    "INVALID_SCOPE": (
        "The application may not use open channels: give it the right `imopenlines` in the portal, and resume."
    ),
    "USER_ACCESS_ERROR": (
        "This user may not use the application: let the portal's administrator give access to it, and resume."
    ),
    "OVERLOAD_LIMIT": (
        "The vendor has blocked REST on this portal because of overload: ask the vendor's support to lift the block, "
        "then resume."
    ),
    "INVALID_REQUEST": "The portal takes no plain http: give its address with https://",
    "ERROR_METHOD_NOT_FOUND": (
        "The portal does not know this method: see that the open channels (`imopenlines`) module is installed and "
        "that the address is the portal's."
    ),
    "PORTAL_DELETED": "The portal is closed or deleted: check the address and ask the portal's administrator.",
    "WRONG_AUTH_TYPE": "The portal does not allow this kind of sign-in for this call: use an incoming webhook.",
    "METHOD_CONFIRM_WAITING": (
        "The portal waits for its administrator to allow this call: ask them to confirm it, then resume."
    ),
    "METHOD_CONFIRM_DENIED": "The portal's administrator did not allow this call: ask them, then resume.",
    "APPLICATION_NOT_FOUND": "The portal does not know the application: install it in the portal again.",
    "INVALID_CLIENT": (
        "The application's id or secret is wrong: copy both once more from its page and save the "
        "portal again with `bulksend portal add --replace`."
    ),
    "INVALID_GRANT": (
        "The application's sign-in is no longer valid: get a new pair of tokens and save the portal again with "
        "`bulksend portal add --replace`."
    ),
    "PAYMENT_REQUIRED": "The application's or the portal's paid period has ended: renew it, then resume.",
    "UNNAMED_ERROR": f"The portal named no reason for an error, so the message may have arrived: {_ASK_THE_CHAT}",
    "REDIRECTED": (
        "The portal's address leads on to another one: open the portal in a browser and give the address it shows."
    ),
    "NOT_A_REST_ADDRESS": (
        "A page in place of an answer says that there is nothing at this address: copy the webhook's address once more "
        "from the portal, then resume."
    ),
    "RENEWAL_NOT_SAVED": (
        "The renewed sign-in could not be saved, so it was not used: make room on the disk or unlock the keyring, "
        "then resume."
    ),
    "RENEWAL_IN_VAIN": (
        "The portal says that the access token has run out however often it is renewed: check the portal's clock and "
        "the application, then resume."
    ),
    "PORTAL_CHANGED": (
        "What was saved of this portal was removed or replaced by another while it was in use: save it as it was with "
        "`bulksend portal add --replace`, then resume."
    ),
    # Passing troubles: seen in results only where the campaign ended in the middle of one.
    "QUERY_LIMIT_EXCEEDED": (
        "The portal got too many calls at once: not sent; resume, with a lower --rate if this comes again."
    ),
    "OPERATION_TIME_LIMIT": (
        "The portal's execution-time limit for this method was used up: not sent; resume in ten minutes."
    ),
    "PORTAL_UNREACHABLE": "The portal could not be reached: not sent; check the address and the network, then resume.",
    "NOT_THE_PORTAL": (
        "A page came in place of an answer: something else answers in the portal's place, such as a sign-in page or a "
        "firewall, or the portal's PHP breaks; open the portal in a browser and see which, then resume."
    ),
    # Left out on purpose.
    "ALREADY_SENT": (
        "Another campaign sent this text to this chat in the last 24 hours: left out; use --again to send it once more."
    ),
    "HIDDEN_ROW": "The row is hidden in the sheet: left out; show it or use --include-hidden to send it.",
    "BEYOND_LIMIT": "The row comes after those that --limit allows: left out; send the sheet again without it.",
    # Not known.
    "IN_DOUBT": "The message left, but no answer came: the chat's history will tell whether it arrived.",
    "INTERRUPTED": f"The program was stopped while this message was leaving, so it may have arrived: {_ASK_THE_CHAT}",
    "UNKNOWN": f"The message left, and whether it arrived could not be established: {_ASK_THE_CHAT}",
    "LOST_TOO_OFTEN": (
        "The connection broke at every attempt, and the chat's history shows that none arrived: not sent; check the "
        "network, then `bulksend retry RUN`."
    ),
    "ANSWER_LOST": f"The message left, but no readable answer came, so it may have arrived: {_ASK_THE_CHAT}",
    "GATEWAY_ERROR": (
        f"A server on the way answered in place of the portal, so the message may have arrived: {_ASK_THE_CHAT}"
    ),
    "INTERNAL_SERVER_ERROR": f"Something broke in the portal, so the message may have arrived: {_ASK_THE_CHAT}",
    "ERROR_UNEXPECTED_ANSWER": f"Something broke in the portal, so the message may have arrived: {_ASK_THE_CHAT}",
}

_PLAN = (
    "The portal's plan does not include REST: the portal needs a commercial plan (or its trial) before anything can be "
    "sent; then resume."
)


def advice(code: str, description: str = "") -> str:
    """One sentence for people on an error code, the portal's or ours: what happened and what to do.

    Args:
        code: as in `Outcome.code` or in a results sheet, in any case.
        description: as in `Outcome.description`; added in brackets where it is given.
    """
    name = code.upper()
    said = description.strip().rstrip(".")
    sentence = _PLAN if name == ACCESS_DENIED and about_the_plan(said) else ADVICE.get(name)
    if sentence is None:
        sentence = (
            f"The portal refused this with the code {code or UNNAMED_ERROR}: look the code up in the documentation of "
            "Bitrix24's REST, or ask the portal's administrator."
        )
    if not said:
        return sentence
    if said.startswith(sentence.rstrip(".")):  # it is this very advice, given further below
        return description
    words = said if name in OURS else f"the portal says: {said}"
    return f"{sentence.rstrip('.')} ({words})."
