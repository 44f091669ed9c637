"""How calls show the portal that they may: an incoming webhook's address, or an application's tokens."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from filelock import FileLock, Timeout

from bulksend.errors import PortalError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.portal.address import (
    AddressError,
    WebhookAddress,
    read_endpoint,
    read_https_address,
    read_webhook_address,
)
from bulksend.portal.codes import PORTAL_CHANGED, RENEWAL_NOT_SAVED, RENEWAL_USELESS
from bulksend.portal.error_help import advice
from bulksend.portal.transport import Answer, Transport

__all__ = [
    "TOKEN_URL",
    "AddressError",
    "Application",
    "Authorisation",
    "OAuth",
    "PortalChangedError",
    "RenewalRefusedError",
    "RenewalResult",
    "RenewalUnreachableError",
    "Tokens",
    "Webhook",
    "application",
    "parse_webhook",
]


class RenewalRefusedError(PortalError):
    """There will be no valid credentials until a person does something; ``code`` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class PortalChangedError(PortalError):
    """What was saved under a portal's name is no longer that portal."""

    def __init__(self) -> None:
        super().__init__(advice(PORTAL_CHANGED))


class RenewalUnreachableError(PortalError):
    """The credentials could not be renewed now; later they may be."""


class Authorisation(Protocol):
    """What a client needs to know to make calls; safe to use from several threads.

    Attributes:
        portal: ``host`` or ``host:port`` in lower case: the portal's identity.
        identity: who calls, without any secret, such as ``webhook 27``.
        user_id: the user in whose name it calls, None where that is not known.
        masked: the address as it may be shown.
        generation: rises with every renewal of the credentials.
        stale: whether the credentials must be renewed before a first call.
    """

    @property
    def portal(self) -> str: ...  # noqa: D102
    @property
    def identity(self) -> str: ...  # noqa: D102
    @property
    def user_id(self) -> int | None: ...  # noqa: D102
    @property
    def masked(self) -> str: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102
    @property
    def stale(self) -> bool: ...  # noqa: D102

    def url(self, method: str) -> str:
        """The address to call a method at; it may hold the secret."""

    def parameters(self) -> dict[str, str]:
        """The parameters to add to a call; they may hold a secret."""

    def renew(self, generation: int) -> None:
        """Get new credentials in place of those of a generation, unless that has been done meanwhile.

        Raises:
            RenewalRefusedError: there will be none.
            RenewalUnreachableError: there are none for now.
        """

    def accepted(self, generation: int) -> None:
        """Take note that the portal accepted the credentials of a generation."""

    def conceal(self, text: str) -> str:
        """The text with every secret in it replaced."""


class Webhook:
    """An incoming webhook: the secret is a part of its address."""

    generation = 0
    stale = False

    def __init__(self, address: WebhookAddress) -> None:
        self._base = f"{address.origin}{address.base}/{address.user_id}/{address.secret}/"
        self._secret = address.secret
        self.portal = address.origin.netloc
        self.user_id: int | None = address.user_id
        self.identity = f"webhook {address.user_id}"
        self.masked = f"{address.origin}{address.base}/{address.user_id}/…"

    def __repr__(self) -> str:
        return f"Webhook({self.masked})"

    @property
    def address(self) -> str:
        """The whole address, secret included: for saving it, never for showing it."""
        return self._base

    def url(self, method: str) -> str:
        """See `Authorisation`."""
        return self._base + method

    def parameters(self) -> dict[str, str]:
        """A webhook needs none."""
        return {}

    def renew(self, generation: int) -> None:
        """A webhook cannot be renewed: always refused."""
        del generation
        raise RenewalRefusedError(
            "expired_token",
            _("The webhook {webhook} has expired: make a new one in the portal and give its address.").format(
                webhook=self.masked
            ),
        )

    def accepted(self, generation: int) -> None:
        """See `Authorisation`."""

    def conceal(self, text: str) -> str:
        """See `Authorisation`."""
        # A real secret has 16 characters; one of a test portal may be so short that every word holds it.
        return text.replace(self._secret, "…") if len(self._secret) >= 4 else text


def parse_webhook(text: str) -> Webhook:
    """Make a webhook of its address as people paste it: with or without a final slash, a method, ``.json``, a query.

    Raises:
        AddressError: it is no webhook's address, or plain http to another computer.
    """
    return Webhook(read_webhook_address(text))


TOKEN_URL = "https://oauth.bitrix.info/oauth/token/"  # noqa: S105 - where applications renew their tokens
_RENEWAL_TIMEOUT = 30.0
_LOCK_TIMEOUT = 90.0
_MOST_USELESS_RENEWALS = 10
# What a token endpoint says of itself rather than of the application; later it may say otherwise.
_PASSING = frozenset({"QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT", "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """An application's tokens, as the last renewal gave them.

    Attributes:
        access_token: lives an hour; empty if there is none yet.
        refresh_token: good for one renewal, 180 days long.
        endpoint: the REST base of the portal to use with them, such as ``https://portal.example/rest``.
        user_id: the user in whose name the application calls, None where that is not known.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    endpoint: str
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """An OAuth application of a portal.

    Attributes:
        client_id: the application's id.
        client_secret: its secret.
        tokens: its tokens.
        portal: the portal's identity, ``host`` or ``host:port``; it stays though a renewal may name another endpoint.
        token_url: where tokens are renewed.
    """

    client_id: str
    client_secret: str = field(repr=False)
    tokens: Tokens
    portal: str
    token_url: str = TOKEN_URL


def application(
    address: str,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    access_token: str = "",
    token_url: str = TOKEN_URL,
) -> Application:
    """Make an application of what a person gives: the portal's address, and what the application's page shows.

    Raises:
        AddressError: an address is none, or would send tokens in the open.
        PortalError: something is missing.
    """
    given = {_("client id"): client_id, _("client secret"): client_secret, _("refresh token"): refresh_token}
    missing = [what for what, value in given.items() if not value.strip()]
    if missing:
        raise PortalError(_("Of the application these are missing: {missing}.").format(missing=", ".join(missing)))
    origin, path = read_endpoint(address)
    return Application(
        client_id.strip(),
        client_secret.strip(),
        Tokens(access_token.strip(), refresh_token.strip(), f"{origin}{path}"),
        origin.netloc,
        read_https_address(token_url, _("token address")),
    )


class RenewalResult(NamedTuple):
    """What another process did about renewing: whether it got a new pair, and that pair if it could not be saved."""

    renewed: bool = False
    unsaved: Tokens | None = None


class OAuth:
    """An application: each call holds an access token, which is renewed when the portal says that it has run out.

    A renewal ends the old refresh token, so the new pair is saved before it is used, and only one process at a time
    renews; the others take over what it saved.
    """

    def __init__(
        self,
        application: Application,
        *,
        save: Callable[[Tokens], None],
        load: Callable[[], Tokens | None] | None = None,
        lock: Path | None = None,
        renew_in_subprocess: Callable[[str], RenewalResult] | None = None,
    ) -> None:
        """Set up without connecting.

        Args:
            application: the application and its tokens.
            save: keeps new tokens durably; called before their first use. May raise `PortalError`.
            load: gives the newest saved tokens, which another process may have renewed. May raise `PortalError`.
            lock: a file by which processes take turns; None where there is only this one.
            renew_in_subprocess: renews and saves in a process that survives this one, unless the saved access token
                is another than the one it is given. What it has not done is done here.
        """
        self._application = application
        self._tokens = application.tokens
        self._unsaved: Tokens | None = None
        self._save = save
        self._load = load
        self._renew_in_subprocess = renew_in_subprocess
        self._process_lock = None if lock is None else FileLock(lock, timeout=_LOCK_TIMEOUT, mode=0o600)
        self._thread_lock = threading.Lock()
        self._useless_renewals = 0
        self._secrets = {application.client_secret}
        self._remember(self._tokens)
        self.generation = 0
        self.portal = application.portal
        self.identity = f"application {application.client_id}"

    def __repr__(self) -> str:
        return f"OAuth({self.masked}, {self.identity})"

    @property
    def user_id(self) -> int | None:
        """See `Authorisation`."""
        return self._tokens.user_id

    @property
    def masked(self) -> str:
        """See `Authorisation`."""
        return f"{self._tokens.endpoint}/…"

    @property
    def unsaved(self) -> Tokens | None:
        """A renewed pair that could not be saved so far."""
        return self._unsaved

    @property
    def stale(self) -> bool:
        """See `Authorisation`."""
        return not self._tokens.access_token

    def url(self, method: str) -> str:
        """See `Authorisation`."""
        return f"{self._tokens.endpoint}/{method}"

    def parameters(self) -> dict[str, str]:
        """See `Authorisation`."""
        return {"auth": self._tokens.access_token}

    def accepted(self, generation: int) -> None:
        """See `Authorisation`."""
        if self._useless_renewals and generation == self.generation:
            self._useless_renewals = 0

    def conceal(self, text: str) -> str:
        """See `Authorisation`."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def renew(self, generation: int) -> None:
        """See `Authorisation`."""
        with self._thread_lock:
            if generation != self.generation:
                return
            if self._renew_in_subprocess is not None and self._unsaved is None and self._newest_saved() == self._tokens:
                self._stop_renewing_useless_renewals()
                done = self._renew_in_subprocess(self._tokens.access_token)
                self._unsaved = done.unsaved
                self._useless_renewals += done.renewed
            try:
                with self._process_lock or nullcontext():
                    self._renew()
            except Timeout:
                raise RenewalUnreachableError(
                    _("Another program has been renewing this portal's sign-in for too long: wait for it or stop it.")
                ) from None
            except OSError as error:
                raise RenewalRefusedError(
                    RENEWAL_NOT_SAVED,
                    _("The folder with the saved portals cannot be written ({reason}).").format(reason=reason(error)),
                ) from None

    def _renew(self) -> None:
        if self._unsaved is None:
            newest = self._newest_saved()
            if newest is not None and newest != self._tokens:
                self._use(newest)
                return
            self._stop_renewing_useless_renewals()
            # From here on the old refresh token may be gone: what came is kept until it is saved, even if that fails.
            self._unsaved = self._fetch()
            self._useless_renewals += 1
        try:
            self._save(self._unsaved)
        except PortalError as error:
            raise _unsaved(error) from None
        self._use(self._unsaved)
        self._unsaved = None

    def _stop_renewing_useless_renewals(self) -> None:
        if self._useless_renewals >= _MOST_USELESS_RENEWALS:
            raise RenewalRefusedError(RENEWAL_USELESS, advice(RENEWAL_USELESS))

    def _newest_saved(self) -> Tokens | None:
        if self._load is None:
            return None
        try:
            return self._load()
        except PortalError as error:
            raise _unsaved(error) from None

    def _use(self, tokens: Tokens) -> None:
        self._remember(tokens)
        self._tokens = tokens
        self.generation += 1

    def _remember(self, tokens: Tokens) -> None:
        # A new set, because other threads may be going through the old one.
        self._secrets = self._secrets | ({tokens.access_token, tokens.refresh_token} - {""})

    def _fetch(self) -> Tokens:
        query = urlencode(
            {
                "grant_type": "refresh_token",
                "client_id": self._application.client_id,
                "client_secret": self._application.client_secret,
                "refresh_token": self._tokens.refresh_token,
            }
        )
        transport = Transport(timeout=_RENEWAL_TIMEOUT, connections=1)
        try:
            answer = transport.get(f"{self._application.token_url}?{query}")
        finally:
            transport.close()
        return self._read_tokens(answer)

    def _read_tokens(self, answer: Answer) -> Tokens:
        if answer.failure is not None or answer.status is None or answer.body is None:
            cause = _("no answer came") if answer.failure is None else _(answer.failure.cause)
            raise RenewalUnreachableError(_("The sign-in could not be renewed now: {cause}.").format(cause=cause))
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise RenewalUnreachableError(
                _("The sign-in could not be renewed now: its server gave no readable answer (HTTP {status}).").format(
                    status=answer.status
                )
            )
        code = str(said.get("error") or "")
        if code:
            if answer.status >= 500 or answer.status == 429 or code.upper() in _PASSING:
                raise RenewalUnreachableError(
                    _("The sign-in could not be renewed now: its server said {code}.").format(code=code)
                )
            raise RenewalRefusedError(code, advice(code, self.conceal(str(said.get("error_description") or ""))))
        access_token, refresh_token = said.get("access_token"), said.get("refresh_token")
        if not (isinstance(access_token, str) and access_token and isinstance(refresh_token, str) and refresh_token):
            raise RenewalUnreachableError(_("The sign-in could not be renewed now: its server gave no tokens."))
        return Tokens(access_token, refresh_token, self._endpoint(said), self._user(said))

    def _endpoint(self, said: Mapping[str, Any]) -> str:
        endpoint = said.get("client_endpoint")
        if not isinstance(endpoint, str) or "://" not in endpoint:
            return self._tokens.endpoint
        try:
            origin, path = read_endpoint(endpoint)
        except AddressError:
            return self._tokens.endpoint
        return f"{origin}{path}"

    def _user(self, said: Mapping[str, Any]) -> int | None:
        user_id = str(said.get("user_id") or "")
        return int(user_id) if user_id.isdecimal() and int(user_id) > 0 else self._tokens.user_id


def _unsaved(error: PortalError) -> RenewalRefusedError:
    code = PORTAL_CHANGED if isinstance(error, PortalChangedError) else RENEWAL_NOT_SAVED
    return RenewalRefusedError(code, str(error))
