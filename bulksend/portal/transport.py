"""One HTTP request: a complete answer or a `Failure`, never retried automatically.

The name of an exception does not say whether a request left, so the connection itself marks the moment in
which the first byte of a request is handed to a connected (and, for https, verified) socket. That is also the moment in
which its deadline for leaving counts, and in which its address takes the place of the one without secrets that the HTTP
library is given, whose logs and errors repeat it.
"""

import http.client
import io
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from bulksend import __version__
from bulksend.errors import PortalError
from bulksend.locale import _
from bulksend.portal.address import is_loopback
from bulksend.portal.deadline import Deadline
from bulksend.portal.outcomes import Cause, Failure
from bulksend.portal.redaction import without_secrets

LARGEST_ANSWER = 64 * 2**20
"""Bytes, decompressed; no answer of a portal comes near."""
LONGEST_CONNECT = 15.0
"""Seconds for a TCP connection, and again for its TLS handshake; no longer than the request's own time-out."""
LONGEST_IDLE = 15.0
"""Seconds after which an unused connection is not used again.

Servers close idle connections, and one that closes in the very moment of its use makes a call's fate unknown.
"""

_CHUNK = 64 * 2**10
_HEADERS = {
    "User-Agent": f"bulksend/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one HTTP request.

    Attributes:
        status: None if there was no complete answer.
        body: the complete body, decompressed; None likewise.
        headers: of the answer, keys in lower case.
        failure: what broke it, None if nothing did.
        left_at: this computer's clock just before the request, Unix seconds.
        received_at: likewise just after it.
    """

    status: int | None
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    failure: Failure | None
    left_at: float
    received_at: float

    @property
    def location(self) -> str:
        """Where a redirect points to, without its path, which may repeat a secret; empty if nowhere."""
        try:
            parts = urlsplit(self.headers.get("location", ""))
        except ValueError:
            return ""
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


class Transport:
    """Pooled connections, shared by any number of threads.

    Proxies and the CA bundle come from the environment once, when it is made (``HTTPS_PROXY``, ``NO_PROXY``,
    ``REQUESTS_CA_BUNDLE``); this computer itself is never reached through a proxy. No credentials are taken from a
    .netrc, no redirect is followed, TLS certificates are verified.
    """

    def __init__(self, *, timeout: float, connections: int) -> None:
        """Set up without connecting.

        Args:
            timeout: seconds for the whole of an answer, counted from when the request leaves.
            connections: how many are kept open.

        Raises:
            PortalError: the CA bundle that the environment names is not there.
        """
        self._timeout = timeout
        self._verify = _ca_bundle()
        self._proxies: dict[str, dict[str, str]] = {}
        self._prepared: dict[str, requests.PreparedRequest] = {}
        self._epoch = 0
        # The adapter is the part of a requests session that talks HTTP; the session around it would only add what
        # must not happen here: cookies shared by threads, .netrc, redirects.
        self._adapter = _Adapter(pool_connections=4, pool_maxsize=connections, max_retries=0, pool_block=False)

    def post(self, url: str, body: bytes, deadline: Deadline | None = None) -> Answer:
        """Post JSON, unless it could only leave after a deadline; never raises for what the other side does."""
        return self._send("POST", url, body, deadline)

    def get(self, url: str) -> Answer:
        """Get; likewise."""
        return self._send("GET", url, None)

    def reset(self) -> None:
        """Use no connection again that is open now, as after an outage; calls in flight go on undisturbed."""
        self._epoch += 1

    def close(self) -> None:
        """Close the pooled connections."""
        self._adapter.close()

    def _send(self, method: str, url: str, body: bytes | None, deadline: Deadline | None = None) -> Answer:
        origin, target = _split(url)
        attempt = _Attempt(self._timeout, self._epoch, target, deadline)
        _current.attempt = attempt
        status: int | None = None
        received: bytes | None = None
        response_headers: dict[str, str] = {}
        failure: Failure | None = None
        left_at = time.time()
        try:
            response = self._adapter.send(
                _prepared(method, url) if body is None else self._with_body(method, url, body),
                stream=True,
                timeout=(attempt.connect_timeout, self._timeout),
                verify=self._verify,
                proxies=self._proxies_for(origin),
            )
            try:
                response_headers = {key.lower(): value for key, value in response.headers.items()}
                received = _read(response.raw)
                if received is None:
                    failure = Failure(left=True, cause=Cause.TOO_LARGE)
                else:
                    status = response.status_code
            finally:
                if status is None:
                    response.close()
                else:
                    response.raw.release_conn()
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            failure = Failure(
                left=attempt.left, cause=_cause(error, left=attempt.left, answering=bool(response_headers))
            )
        finally:
            _current.attempt = None
        if failure is not None:
            received = None
        return Answer(status, received, response_headers, failure, left_at, time.time())

    def _with_body(self, method: str, url: str, body: bytes) -> requests.PreparedRequest:
        """A request with JSON; an address is prepared once, which takes as long as reading the answer."""
        prepared = self._prepared.get(url)
        if prepared is None:
            prepared = self._prepared[url] = _prepared(method, url, {"Content-Type": "application/json"})
        request = prepared.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        return request

    def _proxies_for(self, origin: str) -> dict[str, str]:
        proxies = self._proxies.get(origin)
        if proxies is None:
            host = urlsplit(origin).hostname or ""
            proxies = {} if is_loopback(host) else dict(get_environ_proxies(origin))
            self._proxies[origin] = proxies
        return proxies


def _prepared(method: str, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> requests.PreparedRequest:
    """A request without a body, and without secrets in its address."""
    origin, target = _split(url)
    shown = f"{origin}{without_secrets(target).replace('…', '...')}"
    return requests.Request(method, shown, headers={**_HEADERS, **headers}).prepare()


def _split(url: str) -> tuple[str, str]:
    """A URL's scheme and host, and what is asked of that host."""
    start = url.find("/", len("https://"))
    return url[:start], url[start:]


def _ca_bundle() -> str | bool:
    name = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not name:
        return True
    if not Path(name).exists():
        raise PortalError(
            _("REQUESTS_CA_BUNDLE names {path}, which does not exist: correct it or unset it.").format(path=name)
        )
    return name


def _read(raw: Any) -> bytes | None:
    """The complete body; None if it is too large."""
    chunks: list[bytes] = []
    size = 0
    for chunk in raw.stream(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


class _TooLateError(OSError):
    """The request may not leave any more."""


class _Attempt:
    """The state of one request, kept up to date by its connection."""

    __slots__ = ("connect_timeout", "deadline", "departure", "epoch", "left", "target", "timeout")

    def __init__(self, timeout: float, epoch: int, target: str, departure: Deadline | None) -> None:
        self.timeout = timeout
        self.connect_timeout = min(timeout, LONGEST_CONNECT)
        self.epoch = epoch
        self.target = target
        self.departure = departure
        self.left = False
        self.deadline = time.monotonic() + self.connect_timeout

    def leave(self) -> None:
        # Asked for each part of a request: one whose head has left is not carried out without its body.
        if self.departure is not None and self.departure.passed:
            raise _TooLateError("the request would have left too late")
        if not self.left:
            self.left = True
            self.deadline = time.monotonic() + self.timeout

    def remaining(self) -> float:
        """Seconds until the deadline; TimeoutError when it has passed."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the whole request took too long")
        return remaining


class _Current(threading.local):
    attempt: _Attempt | None = None


_current = _Current()


class _TimedStream(io.RawIOBase):
    """A socket's stream whose every read ends at the request's deadline, however slowly the bytes trickle in."""

    def __init__(self, sock: socket.socket, attempt: _Attempt) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._attempt = attempt

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._attempt.remaining())
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        attempt = _current.attempt
        if attempt is not None:
            self.fp.close()
            self.fp = io.BufferedReader(_TimedStream(sock, attempt))


class _Marking(HTTPConnection):
    """A connection that marks when a request leaves, keeps to its deadlines, and does not linger."""

    response_class = _TimedResponse
    _connecting = False
    _used_at = 0.0
    _epoch = -1

    @property
    def is_connected(self) -> bool:
        attempt = _current.attempt
        if attempt is not None and self._epoch != attempt.epoch:
            return False
        # By the wall clock, which unlike the other one goes on while a laptop sleeps.
        return abs(time.time() - self._used_at) < LONGEST_IDLE and super().is_connected

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        attempt = _current.attempt
        super().putrequest(method, url if attempt is None else attempt.target, *args, **kwargs)

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False
        self._touch()

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        attempt = _current.attempt
        # While it connects, what is sent is for a proxy, not for the portal.
        if attempt is not None and not self._connecting:
            attempt.leave()
            self._touch()
            self.sock.settimeout(attempt.remaining())
        super().send(data)

    def _touch(self) -> None:
        self._used_at = time.time()
        attempt = _current.attempt
        if attempt is not None:
            self._epoch = attempt.epoch


def _marking_pools(manager: urllib3.PoolManager) -> None:
    """Have a manager (plain, for a proxy, or for SOCKS) make connections that mark."""
    pools: dict[str, Any] = {}
    plain: Mapping[str, Any] = manager.pool_classes_by_scheme
    for scheme, pool in plain.items():
        connection = type(f"Marking{pool.ConnectionCls.__name__}", (_Marking, pool.ConnectionCls), {})
        pools[scheme] = type(f"Marking{pool.__name__}", (pool,), {"ConnectionCls": connection})
    manager.pool_classes_by_scheme = pools


_NO_LINGERING = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
"""Closing resets a connection. Otherwise the operating system goes on sending what has not got through, for minutes
after a call was given up or its process killed, and a message could arrive after its chat's history was believed."""

_SOCKET_OPTIONS = [*HTTPConnection.default_socket_options, _NO_LINGERING]


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=_SOCKET_OPTIONS, **kwargs)
        _marking_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, socket_options=_SOCKET_OPTIONS, **kwargs)
        if not known:
            _marking_pools(cast("urllib3.PoolManager", manager))
        return manager


def _cause(error: BaseException, *, left: bool, answering: bool) -> Cause:
    """Put a broken request into words; only words depend on this."""
    kinds = (
        ((_TooLateError,), Cause.TOO_LATE),
        ((NameResolutionError, socket.gaierror), Cause.HOST_NOT_FOUND),
        ((ConnectionRefusedError,), Cause.CONNECTION_REFUSED),
        ((ssl.SSLError, SSLError), Cause.TLS),
        ((TimeoutError, ReadTimeoutError, requests.Timeout), Cause.TIMED_OUT),
        ((ProxyError,), Cause.PROXY),
        ((NewConnectionError,), Cause.NO_CONNECTION),
    )
    chain = list(_chain(error))
    for types, cause in kinds:
        if any(isinstance(link, types) for link in chain):
            return cause
    if not left:
        return Cause.NO_CONNECTION
    return Cause.CUT if answering else Cause.CLOSED


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it came from; the libraries keep the origin in several places."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
