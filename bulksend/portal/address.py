"""Portal addresses as people paste them: what they say, and what must not be shown of them."""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from bulksend.errors import PortalError
from bulksend.locale import _

_WRAPPING = " \t\r\n\u00a0\u200b\u2060\ufeff\"'`<>«»“”„;,"
_WEBHOOK_PATH = re.compile(r"^(?P<base>.*?/rest)/(?P<user>[0-9]+)/(?P<secret>[A-Za-z0-9_-]+)(?:/(?P<method>[^/]*))?/*$")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_EXAMPLE = "https://portal.example/rest/27/SECRET/"


class AddressError(PortalError):
    """A portal's address that cannot be used; its sentence never repeats the address, which may hold a secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a portal is: scheme, host and port, lower case, without a default port."""

    scheme: str
    host: str
    port: int | None

    @property
    def netloc(self) -> str:
        """``host`` or ``host:port``: a portal's identity."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """The parts of an incoming webhook's address.

    Attributes:
        origin: scheme, host and port.
        base: the path up to and with ``/rest``.
        user_id: whose webhook it is.
        secret: the credential.
    """

    origin: Origin
    base: str
    user_id: int
    secret: str = field(repr=False)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this computer."""
    if host.rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_cloud(host: str) -> bool:
    """Whether a host name is that of a portal in the vendor's cloud."""
    return re.fullmatch(r"[^.]+\.bitrix24\.[a-z]+(\.[a-z]{2})?", host) is not None


def looks_like_address(text: str) -> bool:
    """Whether a text is meant as an address rather than as the name of a saved portal."""
    return any(sign in text.strip(_WRAPPING) for sign in "/.:@?\\")


def read_webhook_address(text: str) -> WebhookAddress:
    """Read an incoming webhook's address: with or without a scheme, a final slash, a method, ``.json`` or a query.

    Raises:
        AddressError: it is none, or it would send its secret in the open.
    """
    parts = _split(text)
    origin = _origin(parts)
    found = _WEBHOOK_PATH.match(parts.path)
    if found is None or int(found["user"]) == 0:
        raise AddressError(
            _(
                "The address of {host} is not that of an incoming webhook: it must look like {example} - "
                "copy it once more from the webhook's page in the portal."
            ).format(host=origin.netloc, example=_EXAMPLE)
        )
    return WebhookAddress(origin, found["base"], int(found["user"]), found["secret"])


def read_endpoint(text: str) -> tuple[Origin, str]:
    """Read the REST base of a portal for an application: its origin and the path up to ``/rest``.

    A bare host stands for its ``/rest``.

    Raises:
        AddressError: it is no address, or it would send tokens in the open.
    """
    parts = _split(text)
    origin = _origin(parts)
    path = parts.path.rstrip("/")
    if not path:
        path = "/rest"
    elif not path.endswith("/rest"):
        raise AddressError(
            _(
                "The address of {host} is not that of a portal's REST: it must look like https://portal.example/rest/"
            ).format(host=origin.netloc)
        )
    return origin, path


def read_https_address(text: str, what: str) -> str:
    """Check an address that credentials are sent to, and give it back without query and fragment.

    Raises:
        AddressError: it is no address, or it would send credentials in the open.
    """
    parts = _split(text, what)
    return f"{_origin(parts)}{parts.path or '/'}"


def _split(text: str, what: str = "") -> SplitResult:
    what = what or _("portal's address")
    pasted = text.strip(_WRAPPING)
    if not pasted:
        raise AddressError(_("The {what} is empty: it must look like {example}").format(what=what, example=_EXAMPLE))
    if any(character.isspace() for character in pasted):
        raise AddressError(
            _("The {what} has spaces or line breaks in it: give one address, like {example}").format(
                what=what, example=_EXAMPLE
            )
        )
    if "://" not in pasted:
        pasted = f"https://{pasted.lstrip('/')}"
    try:
        return urlsplit(pasted)
    except ValueError:
        raise AddressError(
            _("The {what} cannot be read: it must look like {example}").format(what=what, example=_EXAMPLE)
        ) from None


def _origin(parts: SplitResult) -> Origin:
    scheme = parts.scheme.lower()
    try:
        host, port = _ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise AddressError(
            _("The address names no host that can exist: it must look like {example}").format(example=_EXAMPLE)
        )
    if scheme not in _DEFAULT_PORTS:
        raise AddressError(_("The address of {host} must begin with https://").format(host=host))
    if parts.username is not None or parts.password is not None:
        raise AddressError(
            _("The address of {host} has a user name before its host: take that out (see {example}).").format(
                host=host, example=_EXAMPLE
            )
        )
    origin = Origin(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port)
    if scheme == "http" and not is_loopback(host):
        raise AddressError(
            _(
                "The address of {host} begins with http://, which would send its secret in the open: use "
                "https:// (http:// is for this computer only)."
            ).format(host=origin.netloc)
        )
    return origin


def _ascii_host(host: str) -> str:
    """A host in the form in which it can be compared; ValueError if no host can have that name."""
    host = host.lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    name = host.encode("idna").decode("ascii")
    if _HOST.fullmatch(name) is None:
        raise ValueError("no host name")
    return name
