"""Serves the page until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.web import campaign, confirm, language, portals, sheets, start
from bulksend.web.door import HOST, PUBLIC, Door, protect
from bulksend.web.page import PAGE, Page, excuses

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_FORM: Final = 1 << 20
"""Bytes of a form; uploads are streamed and have their own limit."""


def make_app(page: Page) -> web.Application:
    """The page as an application of aiohttp's."""
    app = web.Application(middlewares=[language.speak, page.door.guard, excuses], client_max_size=LONGEST_FORM)
    app[PAGE] = page
    app.on_response_prepare.append(protect)
    rooms = (start, sheets, confirm, portals, campaign, language)
    for method, path, handler in (route for room in rooms for route in room.ROUTES):
        app.router.add_route(method, f"{page.door.prefix}{path}", handler)
    app.router.add_static(PUBLIC, Path(__file__).parent / "static")
    return app


def serve(home: Path, journal: str | Path, port: int, announce: Callable[[str], None]) -> int:
    """Serve the page until Ctrl-C or SIGTERM, and say how many campaigns were paused by that.

    Args:
        home: the data folder.
        journal: the journal's address.
        port: the port; any free one where 0.
        announce: called once the page is there, with the address to open.

    Raises:
        UsageError: the port is taken.
    """
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            _("The page cannot be served on port {port} ({why}): choose another.").format(
                port=port, why=error.strerror
            ),
            code="PORT_TAKEN",
        ) from None
    with listener:
        return asyncio.run(_serve(home, journal, listener, announce))


async def _serve(home: Path, journal: str | Path, listener: socket.socket, announce: Callable[[str], None]) -> int:
    page = Page(home, journal, Door(listener.getsockname()[1]))
    await page.do(page.uploads.tidy)
    runner = web.AppRunner(make_app(page), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends the loop by itself
                loop.add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, listener).start()
        page.prepare()
        announce(page.door.address)
        await stop.wait()
    finally:
        paused = len(page.jobs.running())
        await runner.cleanup()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # asked once more: end at once
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
        page.close()
    return paused
