"""What a portal answers when it says no: status, code, description."""

from enum import StrEnum
from typing import NamedTuple


class Refusal(NamedTuple):
    """One way of saying no; ``status`` is the HTTP status outside a batch."""

    status: int
    code: str
    description: str

    def as_json(self) -> dict[str, str]:
        """The body of the answer, and the entry in a batch's ``result_error``."""
        return {"error": self.code, "error_description": self.description}


class Refused(Exception):
    """The portal refuses a call."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class CampaignRefusal(StrEnum):
    """Refusals that meet every call until somebody mends the portal or the webhook."""

    NO_AUTH = "no_auth"
    INVALID_CREDENTIALS = "invalid_credentials"
    INVALID_CREDENTIALS_403 = "invalid_credentials_403"
    OVERLOAD = "overload"
    COMMERCIAL_PLAN = "commercial_plan"
    USER_ACCESS = "user_access"
    HTTPS_REQUIRED = "https_required"
    NO_MODULE = "no_module"
    PORTAL_DELETED = "portal_deleted"


CAMPAIGN_REFUSALS: dict[CampaignRefusal, Refusal] = {
    CampaignRefusal.NO_AUTH: Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data"),
    CampaignRefusal.INVALID_CREDENTIALS: Refusal(401, "INVALID_CREDENTIALS", "Invalid request credentials"),
    CampaignRefusal.INVALID_CREDENTIALS_403: Refusal(403, "INVALID_CREDENTIALS", "Invalid request credentials"),
    CampaignRefusal.OVERLOAD: Refusal(503, "OVERLOAD_LIMIT", "REST API is blocked due to overload"),
    CampaignRefusal.COMMERCIAL_PLAN: Refusal(403, "ACCESS_DENIED", "REST API is available only on commercial plans"),
    CampaignRefusal.USER_ACCESS: Refusal(403, "user_access_error", "The user does not have access to the application"),
    CampaignRefusal.HTTPS_REQUIRED: Refusal(400, "INVALID_REQUEST", "Https required"),
    CampaignRefusal.NO_MODULE: Refusal(404, "ERROR_METHOD_NOT_FOUND", "Method not found!"),
    CampaignRefusal.PORTAL_DELETED: Refusal(500, "PORTAL_DELETED", "Portal was deleted"),
}

ACCESS_DENIED = Refusal(403, "ACCESS_DENIED", "Access denied! You don't have access to the CRM entity")
CHAT_NOT_IN_CRM = Refusal(400, "CHAT_NOT_IN_CRM", "Chat does not belong to the CRM entity being checked")
CANCELED = Refusal(400, "CANCELED", "You cannot send messages to the specified chat")
MESSAGE_ADD_ERROR = Refusal(400, "MESSAGE_ADD_ERROR", "Message isn't added")
ALREADY_MEMBER = Refusal(400, "WRONG_REQUEST", "The user is already in the chat")
USER_NOT_ACTIVE = Refusal(400, "CRM_CHAT_USER_NOT_ACTIVE", "User is not active")
EMPTY_CRM_DATA = Refusal(400, "CRM_CHAT_EMPTY_CRM_DATA", "Empty CRM data")
NO_CRM_ENTITY = Refusal(400, "CRM_CHAT_EMPTY_CRM_DATA", "Could not find CRM entity")
NO_SESSION_NAMED = Refusal(400, "MISSING_REQUIRED_PARAM", "Required parameter is missing: CHAT_ID or SESSION_ID")
INVALID_SESSION = Refusal(400, "INVALID_SESSION_ID", "Session is not found")
HISTORY_DENIED = Refusal(400, "ACCESS_DENIED", "You don't have access to this session")
NO_DIALOG = Refusal(400, "ACCESS_ERROR", "You do not have access to the specified dialog")
NO_CHAT = Refusal(400, "CHAT_ID", "Chat ID is not specified or does not exist")
NO_OPEN_CHANNEL = Refusal(400, "CHAT_TYPE", "The chat is not an open channel")
DIALOG_DENIED = Refusal(400, "ACCESS_DENIED", "You don't have access to this chat")
NO_OPERATOR = Refusal(400, "USER_ID", "The user cannot be an operator")

EXPIRED_TOKEN = Refusal(401, "expired_token", "The access token provided has expired")
QUERY_LIMIT = Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
OPERATING_LIMIT = Refusal(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit")
INSUFFICIENT_SCOPE = Refusal(
    403, "insufficient_scope", "The request requires higher privileges than provided by the access token"
)
METHOD_NOT_FOUND = CAMPAIGN_REFUSALS[CampaignRefusal.NO_MODULE]
BATCH_LENGTH = Refusal(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
BATCH_IN_BATCH = Refusal(400, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
INTERNAL_ERROR = Refusal(500, "INTERNAL_SERVER_ERROR", "Internal server error")


def empty_argument(name: str) -> Refusal:
    """A field of the call is missing or empty."""
    return Refusal(400, "ERROR_ARGUMENT", f"Argument '{name}' is null or empty")


def wrong_argument(name: str) -> Refusal:
    """A field of the call is not what it should be."""
    return Refusal(400, "ERROR_ARGUMENT", f"The value of an argument '{name}' has an invalid type")
