"""The error codes that this tool knows by name. The portal's are compared in upper case, whatever case they come in."""

import re

# Ours, for what the portal did not name.
PORTAL_UNREACHABLE = "PORTAL_UNREACHABLE"
NOT_THE_PORTAL = "NOT_THE_PORTAL"
ANSWER_LOST = "ANSWER_LOST"
GATEWAY_ERROR = "GATEWAY_ERROR"
LEFT_TOO_LATE = "LEFT_TOO_LATE"
REDIRECTED = "REDIRECTED"
NOT_A_REST_ADDRESS = "NOT_A_REST_ADDRESS"
UNNAMED_ERROR = "UNNAMED_ERROR"
RENEWAL_NOT_SAVED = "RENEWAL_NOT_SAVED"
RENEWAL_USELESS = "RENEWAL_USELESS"
PORTAL_CHANGED = "PORTAL_CHANGED"

OURS = frozenset(
    {
        PORTAL_UNREACHABLE,
        NOT_THE_PORTAL,
        ANSWER_LOST,
        GATEWAY_ERROR,
        LEFT_TOO_LATE,
        REDIRECTED,
        NOT_A_REST_ADDRESS,
        UNNAMED_ERROR,
        RENEWAL_NOT_SAVED,
        RENEWAL_USELESS,
        PORTAL_CHANGED,
    }
)

PAGES = frozenset({NOT_THE_PORTAL, NOT_A_REST_ADDRESS})
"""What stands for pages in the place of answers."""

# The portal's, where more than one place speaks of them.
ACCESS_DENIED = "ACCESS_DENIED"
CHAT_NOT_IN_CRM = "CHAT_NOT_IN_CRM"
DIALOG_FINISHED = "DIALOG_FINISHED"  # our name for one of the cases of the one before
EXPIRED_TOKEN = "EXPIRED_TOKEN"  # noqa: S105 - an error code, not a token
NO_AUTH_FOUND = "NO_AUTH_FOUND"

_ABOUT_THE_PLAN = re.compile(r"commercial|REST[ -]?API|коммерч|тариф", re.IGNORECASE)


def about_the_plan(description: str) -> bool:
    """Whether an ``ACCESS_DENIED`` is the tariff's, which knows no REST, and not one row's.

    The code is the same for both; only the words tell them apart, and they come in the portal's language.
    """
    return _ABOUT_THE_PLAN.search(description) is not None
