"""The sandbox: a portal served over HTTP on loopback, in a thread of this process."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.sandbox.authorisation import OAuthApp
from bulksend.sandbox.faults import Faults
from bulksend.sandbox.limits import Limits
from bulksend.sandbox.portal import Portal
from bulksend.sandbox.raw_utf8 import HttpServer
from bulksend.sandbox.server import MAX_BODY, Server
from bulksend.sandbox.world import World

HOST = "127.0.0.1"
_BACKLOG = 4096
_LONGEST_LINE = 65536


class Sandbox(Portal):
    """A portal to talk to: ``with Sandbox() as portal: requests.post(portal.webhook + "profile")``.

    Everything that :class:`Portal` lets one change can be changed while it is serving.
    """

    def __init__(
        self,
        *,
        world: World | None = None,
        limits: Limits | None = None,
        faults: Faults | None = None,
        latency: float = 0.0,
        call_time: float = 0.0,
        tls: bool = False,
        port: int = 0,
        secret: str | None = None,
        oauth: OAuthApp | None = None,
    ) -> None:
        """Describe the portal; it is served from ``start`` or ``with`` on.

        Args:
            world: What it knows; an open world where ``None``.
            limits: Rate and execution-time limits; those of the cloud where ``None``.
            faults: What goes wrong; nothing where ``None``.
            latency: Seconds each HTTP request takes besides its work.
            call_time: Seconds of work for each executed method.
            tls: Serve HTTPS with a certificate made for this run (``ca_path`` is what to trust).
            port: The port; any free one where 0.
            secret: The webhook's secret; a random one where ``None``.
            oauth: An application to install besides the webhook.
        """
        super().__init__(world=world, limits=limits, faults=faults, latency=latency, call_time=call_time, secret=secret)
        self.port = port
        self.tls = tls
        self._app = oauth
        self._server = Server(self)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._failure: OSError | None = None
        self._held: socket.socket | None = None

    @property
    def base(self) -> str:
        """The address without a path."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    @property
    def webhook(self) -> str:
        """The incoming webhook's address, ending in a slash."""
        return f"{self.base}/rest/{self.gate.user_id}/{self.gate.secret}/"

    @property
    def rest(self) -> str:
        """The REST base address for an application."""
        return f"{self.base}/rest/"

    @property
    def token_endpoint(self) -> str:
        """Where an application renews its tokens."""
        return f"{self.base}/oauth/token/"

    @property
    def control(self) -> str:
        """The address of the control door, ending in a slash."""
        return f"{self.base}/_sandbox/"

    @property
    def ca_path(self) -> Path:
        """The file of the certificate to trust, while a sandbox with TLS is serving."""
        if self._folder is None:
            raise AttributeError("This sandbox does not serve HTTPS now.")
        return Path(self._folder.name) / "ca.pem"

    def start(self) -> Self:
        """Serve from now on.

        Raises:
            UsageError: If the port is taken, or what TLS needs is missing.
        """
        context = self._tls_context() if self.tls else None
        ready = threading.Event()
        self._failure = None
        self._release_port()
        self._thread = threading.Thread(target=self._run, args=(context, ready), name="bulksend-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        self._check_listening()
        return self

    def _check_listening(self) -> None:
        if self._failure is not None:
            taken = self._failure.errno == errno.EADDRINUSE
            why = _("another program uses it") if taken else os.strerror(self._failure.errno or 0)
            self.close()
            raise UsageError(
                _(
                    "The sandbox cannot listen on port {port}: {reason}. Choose another port, or leave it "
                    "out to take any free one."
                ).format(port=self.port, reason=why)
            )

    def stop(self) -> None:
        """Stop serving; calls that are still being carried out are given up.

        ``start`` serves the same portal again at the same address: an outage.
        """
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            loop.call_soon_threadsafe(stop.set)
        if self._thread is not None:
            self._thread.join()
            self._hold_port()
        self._thread = self._loop = self._stop = None

    def close(self) -> None:
        """Stop serving for good: the certificate is thrown away too."""
        self.stop()
        self._release_port()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def drain(self, timeout: float = 30.0) -> bool:
        """Wait until no request is being answered and nothing is left to be carried out late.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it came to that.
        """
        until = time.monotonic() + timeout
        while self._server.at_work:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, context: ssl.SSLContext | None, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(context, ready))
        except OSError as error:
            self._failure = error
        finally:
            self._loop = None
            ready.set()

    def _hold_port(self) -> None:
        """Let nobody else be given the port by chance: who connects to it is refused."""
        self._held = socket.socket()
        if os.name == "posix":  # where connections that have ended occupy a port
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            self._held.bind((HOST, self.port))

    def _release_port(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    async def _serve(self, context: ssl.SSLContext | None, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = HttpServer(
            self._server.handle,
            request_factory=_request,
            access_log=None,
            max_line_size=_LONGEST_LINE,
            auto_decompress=False,
        )
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, self.port, ssl_context=context, backlog=_BACKLOG)
            await site.start()
            self.port = runner.addresses[0][1]
            if self._app is not None and self.gate.oauth is None:
                self.install(self._app, self.rest)
            ready.set()
            await self._stop.wait()
        finally:
            await self._server.stop()
            connections = [connection.transport for connection in server.connections]
            await runner.cleanup()
            for transport in connections:
                if transport is not None:
                    transport.abort()  # a TLS connection would otherwise wait for its caller's goodbye
            await asyncio.sleep(0)

    def _tls_context(self) -> ssl.SSLContext:
        from bulksend.sandbox.certificate import make_certificates, server_context  # noqa: PLC0415 - needs a package of its own

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="bulksend-sandbox-")
            make_certificates(Path(self._folder.name))
        return server_context(Path(self._folder.name))


def serve(sandbox: Sandbox, announce: Callable[[Sandbox], None], stop: threading.Event | None = None) -> None:
    """Serve in the foreground until Ctrl-C, or until ``stop`` is set.

    Args:
        sandbox: The portal to serve.
        announce: Called once it is serving, to tell its addresses.
        stop: Ends the serving from elsewhere, such as from a signal handler.
    """
    ended = stop or threading.Event()
    with sandbox:
        try:
            announce(sandbox)
            while not ended.wait(0.5):
                pass
        except KeyboardInterrupt:
            return


def _request(*parts: Any) -> web.BaseRequest:
    """Make aiohttp's request object, with room for a batch of long texts."""
    make: Callable[..., web.BaseRequest] = web.BaseRequest
    return make(*parts, asyncio.get_running_loop(), client_max_size=MAX_BODY)
