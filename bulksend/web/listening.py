"""Where the page is served: the address it listens at, and how browsers name it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yarl import URL

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.web.page import whole_number

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"

_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - the names of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen; over TLS where there is a certificate.

    Attributes:
        host: a name or an address of this computer.
        port: the port; any free one where 0.
        cert: the file of the certificate, with those that it is signed by.
        key: the file of its key.
        url: the address that people open, where it is not that.
    """

    host: str = LOOPBACK
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    url: str = ""

    @classmethod
    def parse(cls, text: str, *, cert: Path | None = None, key: Path | None = None, url: str = "") -> Listening:
        """Take ``HOST:PORT``, as in ``0.0.0.0:8443`` or ``[::1]:8443``.

        Raises:
            UsageError: it cannot be understood.
        """
        host, colon, port = text.strip().rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            colon = ""
        number = whole_number(port)
        if not colon or number is None or number > 65535:
            raise UsageError(
                _("{text} is not an address to listen at: give HOST:PORT, such as 0.0.0.0:8443.").format(text=text)
            )
        return cls(host=host, port=number, cert=cert, key=key, url=url)

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this computer can reach it."""
        try:
            found = socket.getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError:
            return False
        return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)

    def open(self) -> socket.socket:
        """Listen there.

        Raises:
            UsageError: it is taken, or no address of this computer.
        """
        try:
            family = socket.getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            raise UsageError(
                _("The page cannot be served on port {port} of {host} ({reason}): choose another.").format(
                    host=self.host, port=self.port, reason=reason(error)
                ),
                code="PORT_TAKEN",
            ) from None

    def origin(self, port: int) -> str:
        """How browsers name the page once it listens on ``port``.

        Raises:
            UsageError: nothing says so.
        """
        if not self.url:
            if self.host in _ANY:
                raise UsageError(
                    _("The page listens at all addresses of this computer: say by which one people open it."),
                    code="NEEDS_URL",
                )
            return str(URL.build(scheme="https" if self.cert else "http", host=self.host, port=port).origin())
        try:
            url = URL(self.url)
            if url.scheme == "https" and url.host and url.path == "/" and not url.query_string and not url.user:
                return str(url.origin())
        except ValueError:
            pass
        raise UsageError(
            _(
                "{url} is not an address that people can open the page by: give one such as https://bulksend.example."
            ).format(url=self.url)
        )

    def tls(self) -> ssl.SSLContext | None:
        """What encrypts connections; None where they are not encrypted.

        Raises:
            UsageError: the certificate or its key cannot be used.
        """
        if self.cert is None or self.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Take the certificate and its key from their files, for the next connections."""
        if self.cert is None or self.key is None:
            return
        try:
            context.load_cert_chain(self.cert, self.key, password=lambda: "")  # it is not to be asked for
        except OSError as error:
            raise UsageError(
                _(
                    "The certificate {cert} and its key {key} cannot be used ({reason}): give PEM files that belong "
                    "together and can be read, the key without a passphrase."
                ).format(cert=self.cert, key=self.key, reason=reason(error))
            ) from None
