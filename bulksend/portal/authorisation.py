"""How calls show the portal that they may: an incoming webhook's address, or an application's tokens."""

from typing import Protocol

from bulksend.errors import PortalError
from bulksend.portal.address import AddressError, WebhookAddress, read_webhook_address

__all__ = ["AddressError", "Authorisation", "RenewalRefusedError", "Webhook", "parse_webhook"]


class RenewalRefusedError(PortalError):
    """There will be no valid credentials until a person does something; ``code`` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


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
            f"The webhook {self.masked} has expired: make a new one in the portal and give its address.",
        )

    def accepted(self, generation: int) -> None:
        """See `Authorisation`."""

    def conceal(self, text: str) -> str:
        """See `Authorisation`."""
        return text.replace(self._secret, "…")


def parse_webhook(text: str) -> Webhook:
    """Make a webhook of its address as people paste it: with or without a final slash, a method, ``.json``, a query.

    Raises:
        AddressError: it is no webhook's address, or plain http to another computer.
    """
    return Webhook(read_webhook_address(text))
