"""Who is calling: the incoming webhook, and an OAuth application with its token endpoint."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bulksend.sandbox import refusal
from bulksend.sandbox.refusal import Refusal, Refused


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An application installed on the portal.

    Attributes:
        client_id: The application's id.
        client_secret: Its secret.
        token_calls: After how many calls an access token runs out; ``None``: never by calls.
        token_life: After how many seconds it runs out.
    """

    client_id: str = "local.5f1d2c3b4a5968.10213243"
    client_secret: str = "s4ndb0xAppS3cretNobodyShouldSee"  # noqa: S105 - of a portal that exists in a test only
    token_calls: int | None = None
    token_life: float = 3600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the user who acts, and the key under which execution time is charged."""

    user_id: int
    key: str
    application: bool = False


@dataclass(slots=True)
class _AccessToken:
    expires_at: float
    calls_left: float


class OAuthServer:
    """Hands out tokens and checks them.

    ``renewals`` holds the times (monotonic seconds) of all renewals; ``refusal`` makes the token endpoint refuse.
    ``client_endpoint`` is the REST base address that answers name.
    """

    def __init__(self, app: OAuthApp, user_id: int, client_endpoint: str) -> None:
        self.app = app
        self.user_id = user_id
        self.client_endpoint = client_endpoint
        self.member_id = secrets.token_hex(16)
        self.renewals: list[float] = []
        self.refusal: Refusal | None = None
        self.access_token = ""
        self.refresh_token = ""
        self._tokens: dict[str, _AccessToken] = {}
        self._issue()

    def _issue(self) -> None:
        self.access_token = secrets.token_hex(35)
        self.refresh_token = secrets.token_hex(35)
        calls = float("inf") if self.app.token_calls is None else self.app.token_calls
        self._tokens[self.access_token] = _AccessToken(time.monotonic() + self.app.token_life, calls)

    def expire(self) -> None:
        """Let every access token handed out so far run out now."""
        for token in self._tokens.values():
            token.expires_at = 0.0

    def check(self, token: str) -> Caller:
        """Take one call with an access token.

        Raises:
            Refused: NO_AUTH_FOUND for a token that was never handed out, expired_token for one that ran out.
        """
        known = self._tokens.get(token)
        if known is None:
            raise Refused(refusal.CAMPAIGN_REFUSALS[refusal.CampaignRefusal.NO_AUTH])
        if time.monotonic() >= known.expires_at or known.calls_left < 1:
            raise Refused(refusal.EXPIRED_TOKEN)
        known.calls_left -= 1
        return Caller(self.user_id, self.app.client_id, application=True)

    def renew(self, asked: Mapping[str, Any], *, now: float, scopes: list[str]) -> dict[str, Any]:
        """Answer the token endpoint: a new pair for the current refresh token, which is gone from then on.

        Args:
            asked: The query's parameters.
            now: The portal's clock, Unix seconds.
            scopes: What the application may use.

        Raises:
            Refused: invalid_request, invalid_client, invalid_grant, or whatever ``refusal`` says.
        """
        if self.refusal is not None:
            raise Refused(self.refusal)
        if asked.get("grant_type") != "refresh_token" or not asked.get("refresh_token"):
            raise Refused(Refusal(400, "invalid_request", "The request is malformed"))
        if (asked.get("client_id"), asked.get("client_secret")) != (self.app.client_id, self.app.client_secret):
            raise Refused(Refusal(400, "invalid_client", "Invalid client"))
        if asked["refresh_token"] != self.refresh_token:
            raise Refused(Refusal(400, "invalid_grant", "Invalid grant"))
        self._issue()
        self.renewals.append(time.monotonic())
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires": int(now + self.app.token_life),
            "expires_in": int(self.app.token_life),
            "client_endpoint": self.client_endpoint,
            "server_endpoint": "https://oauth.bitrix.info/rest/",
            "domain": "oauth.bitrix.info",
            "member_id": self.member_id,
            "scope": ",".join(scopes),
            "status": "L",
            "user_id": self.user_id,
        }


class Gate:
    """Lets callers in: by the webhook's user and secret in the path, or by an access token."""

    def __init__(self, user_id: int, secret: str) -> None:
        self.user_id = user_id
        self.secret = secret
        self.oauth: OAuthServer | None = None
        self._webhook = Caller(user_id, f"webhook {user_id}")

    def let_in(self, credential: tuple[str, str] | None, token: object) -> Caller:
        """Find out who calls.

        Args:
            credential: User id and secret of the path; ``None`` where the path has none.
            token: The access token, where there is one.

        Raises:
            Refused: INVALID_CREDENTIALS, NO_AUTH_FOUND or expired_token.
        """
        if credential is not None:
            user, secret = (part.encode("utf-8", "replace") for part in credential)
            if user == str(self.user_id).encode() and secrets.compare_digest(secret, self.secret.encode()):
                return self._webhook
            raise Refused(refusal.CAMPAIGN_REFUSALS[refusal.CampaignRefusal.INVALID_CREDENTIALS])
        if self.oauth is not None and isinstance(token, str):
            return self.oauth.check(token)
        raise Refused(refusal.CAMPAIGN_REFUSALS[refusal.CampaignRefusal.NO_AUTH])
