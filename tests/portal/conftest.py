"""Small portals to test the client against: the client must work with any portal, so these share nothing with it."""

import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bulksend.portal.authorisation import Webhook, parse_webhook
from bulksend.portal.client import Client

SECRET = "k3ptS3cretWebh00k"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    number: int
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def rest_method(self) -> str:
        return urlsplit(self.path).path.rsplit("/", 1)[-1]


@dataclass
class Response:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Says nothing of callers who went away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class HttpPortal:
    """A portal of the standard library's making; ``answer`` says what it answers."""

    def __init__(self, answer: Callable[[Request], Response], context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.scheme = "http" if context is None else "https"
        self.requests: list[Request] = []
        self.connections = 0
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                portal.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                number = len(portal.requests) + 1
                request = Request(self.command, self.path, headers, body, number, time.monotonic())
                portal.requests.append(request)
                response = portal.answer(request)
                data = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
                self.send_response(response.status)
                for key, value in response.headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815 - the standard library's name

            def log_message(self, *_: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    @property
    def webhook(self) -> Webhook:
        return parse_webhook(f"{self.origin}/rest/27/{SECRET}/")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class RawPortal:
    """A portal that reads each whole request and then does to its connection whatever it is told."""

    def __init__(self, behave: Callable[[socket.socket], None], *, read: bool = True) -> None:
        self.requests: list[bytes] = []
        self._behave = behave
        self._read = read
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def webhook(self) -> Webhook:
        return parse_webhook(f"http://127.0.0.1:{self._listener.getsockname()[1]}/rest/27/{SECRET}/")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            if self._read:
                self.requests.append(read_request(connection))
            self._behave(connection)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    """One request with its whole body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
    connection.close()


@cache
def free_port() -> int:
    """A port on which nobody listens, nor will while these tests run: it is taken."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port = int(taken.getsockname()[1])
    taken.detach()
    return port


def sent(message_id: int = 19880117) -> Response:
    """What a portal answers to a message it took."""
    return Response({"result": message_id, "time": {"start": 1790201451, "operating": 0.1365}})


def refused(code: str, description: str = "", status: int = 400) -> Response:
    """What a portal answers to a call it refuses."""
    return Response({"error": code, "error_description": description}, status)


ServeHttp = Callable[..., HttpPortal]
ServeRaw = Callable[..., RawPortal]
Connect = Callable[..., Client]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, CA bundle or keyring of the computer that the tests run on."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("BULKSEND_NO_KEYRING", "1")


@pytest.fixture
def serve() -> Iterator[ServeHttp]:
    """Start portals that answer over HTTP."""
    portals: list[HttpPortal] = []

    def start(answer: Callable[[Request], Response], context: ssl.SSLContext | None = None) -> HttpPortal:
        portals.append(HttpPortal(answer, context))
        return portals[-1]

    yield start
    for portal in portals:
        portal.close()


@pytest.fixture
def serve_raw() -> Iterator[ServeRaw]:
    """Start portals that misbehave on their connections."""
    portals: list[RawPortal] = []

    def start(behave: Callable[[socket.socket], None], *, read: bool = True) -> RawPortal:
        portals.append(RawPortal(behave, read=read))
        return portals[-1]

    yield start
    for portal in portals:
        portal.close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that are closed afterwards."""
    clients: list[Client] = []

    def make(authorisation: Any, **options: Any) -> Client:
        clients.append(Client(authorisation, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
