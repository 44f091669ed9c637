"""Serves the page until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.errors import UsageError
from bulksend.journal import Journal, Role
from bulksend.locale import _
from bulksend.web import campaign, confirm, control, language, portals, rows, sheets, start
from bulksend.web.door import METRICS, PUBLIC, USER, TokenDoor
from bulksend.web.page import PAGE, Page, excuses, page_of
from bulksend.web.sign_in import SignInDoor

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

    from bulksend.web.listening import Listening

_log: Final = logging.getLogger(__name__)

LONGEST_FORM: Final = 1 << 20
"""Bytes of a form; uploads are streamed and have their own limit."""


ROUTES: Final = (
    *start.ROUTES,
    *sheets.ROUTES,
    *confirm.ROUTES,
    *portals.ROUTES,
    *campaign.ROUTES,
    *control.ROUTES,
    *rows.ROUTES,
    *language.ROUTES,
)
"""Every place of the page, and the role that whoever asks for it needs at the least; None: it is for everybody."""

RENEWED_EVERY: Final = 3600.0
"""Seconds after which the certificate is read again: it may have been renewed."""


def make_app(page: Page, metrics_token: str = "") -> web.Application:
    """The page as an application of aiohttp's; with a token it has the metrics too."""
    app = web.Application(
        middlewares=[language.speak, page.door.guard, excuses, page.door.admit], client_max_size=LONGEST_FORM
    )
    app[PAGE] = page
    app.on_response_prepare.append(page.door.protect)
    for method, path, handler, role in ROUTES:
        app.router.add_route(method, f"{page.door.prefix}{path}", for_role(role, handler))
    for method, path, answer in page.door.routes:
        app.router.add_route(method, path, answer)
    if metrics_token:
        from bulksend.web.metrics import Metrics  # noqa: PLC0415 - only where they are asked for

        app.router.add_get(METRICS, Metrics(page.journal, metrics_token).show)
    app.router.add_static(PUBLIC, Path(__file__).parent / "static")
    return app


def for_role(role: Role | None, handler: Handler) -> Handler:
    """The handler, for users who are allowed that much; with None for whomever the door lets there."""
    if role is None:
        return handler

    async def handle(request: web.Request) -> web.StreamResponse:
        user = USER.get()
        if user is None or (role is Role.SENDER and not user.may_send):
            sentence = _("You may look at campaigns here, and change nothing: ask whoever runs bulksend.")
            return page_of(request).show("error.html", sentence=sentence, status=403)
        return await handler(request)

    return handle


def serve(
    home: Path,
    journal: str | Path,
    place: Listening,
    announce: Callable[[str], None],
    *,
    queue: bool = False,
    metrics_token: str = "",
) -> int:
    """Serve the page until Ctrl-C or SIGTERM, and say how many campaigns were paused by that.

    With a certificate it is for users who sign in, else for one browser on this computer.

    Args:
        home: the data folder.
        journal: the journal's address.
        place: where to serve it.
        announce: called once the page is there, with the address to open.
        queue: whether campaigns are left to workers.
        metrics_token: what a program has to name to read the metrics; none are there without it.

    Raises:
        UsageError: it cannot be served there.
    """
    tls = place.tls()
    if tls is None:
        if not place.is_loopback:
            raise UsageError(
                _("Beyond this computer the page is served only over TLS and to users who sign in."), code="NEEDS_TLS"
            )
    else:
        with Journal(journal) as opened:
            if not opened.users():
                raise UsageError(_("Nobody could sign in: add a user first."), code="NO_USERS")
    with place.open() as listener:
        origin = place.origin(listener.getsockname()[1])
        door = TokenDoor(origin) if tls is None else SignInDoor(origin)
        page = Page(home, journal, door, queue=queue)
        return asyncio.run(_serve(make_app(page, metrics_token), listener, announce, place, tls))


async def _renew(place: Listening, tls: ssl.SSLContext) -> None:
    while True:
        await asyncio.sleep(RENEWED_EVERY)
        try:
            place.load(tls)
        except UsageError as error:  # perhaps it is being written just now
            _log.warning("%s", error)


async def _serve(
    app: web.Application,
    listener: socket.socket,
    announce: Callable[[str], None],
    place: Listening,
    tls: ssl.SSLContext | None,
) -> int:
    page = app[PAGE]
    await page.do(page.uploads.tidy)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends the loop by itself
                loop.add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, listener, ssl_context=tls).start()
        renewal = asyncio.create_task(_renew(place, tls)) if tls else None
        page.prepare()
        announce(page.door.address)
        await stop.wait()
        if renewal is not None:
            renewal.cancel()
    finally:
        await runner.cleanup()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # asked once more: end at once
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
        paused = page.close()
    return paused
