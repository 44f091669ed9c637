"""Access control: who is let in, and that no other page or program in the same browser can do anything.

A page on this computer is for one browser, let in by a one-time token (`TokenDoor`). Every program of this computer may
listen on the same host, and a browser sends a host's cookies to all of its ports: so that cookie has a random name, and
a random path that is part of every address, and no other program is shown it. A team's page is for users who sign in
(`bulksend.web.sign_in`).
"""

from __future__ import annotations

import hmac
import secrets
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, Final

from aiohttp import web

from bulksend.journal import Role, User, system_user
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.typedefs import Handler

    Route = tuple[str, str, Handler]

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
PUBLIC: Final = "/static/"
"""Styles and script, which hold nothing of anybody's."""

METRICS: Final = "/metrics"
"""For programs, with a token of their own (`bulksend.web.metrics`)."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # `no-referrer` would also make browsers send `Origin: null`
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


USER: Final[ContextVar[User | None]] = ContextVar("bulksend_web_user", default=None)
"""Whose request is being answered."""


def actor() -> str:
    """Who is to be named for what the request does."""
    user = USER.get()
    return user.name if user else ""


class NotAdmitted(Exception):
    """Somebody opened a place of the page without having been let in."""


class Door(ABC):
    """What stands before the page at one address.

    Attributes:
        origin: the page's origin, as browsers send it.
        host: the host and port in it.
        prefix: what all paths begin with.
        for_team: whether users sign in.
        routes: places of the door's own, for which nobody needs to have been let in.
    """

    for_team: ClassVar[bool] = False
    routes: ClassVar[Sequence[Route]] = ()

    def __init__(self, origin: str, prefix: str = "") -> None:
        """Set up for the page at ``origin``."""
        self.origin, self.prefix = origin, prefix
        self.host = origin.partition("://")[2]

    @property
    @abstractmethod
    def address(self) -> str:
        """The address to open."""

    def is_ours(self, request: web.Request) -> bool:
        """Whether a request that changes something was made by a page of ours."""
        site, origin = request.headers.getall("Sec-Fetch-Site", []), request.headers.getall("Origin", [])
        if not site and not origin:
            return False
        return all(value == "same-origin" for value in site) and all(value == self.origin for value in origin)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn away what is not for this page, or was not made by it."""
        USER.set(None)
        if request.headers.getall("Host", []) != [self.host]:
            return refuse(421, _("This page answers at {address} alone.").format(address=self.origin))
        if request.method not in SAFE_METHODS and not self.is_ours(request):
            return refuse(403, _("The request was not made by this page, so nothing was done."))
        return await handler(request)

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn away who was not let in; the others are `USER` from here on."""
        return await handler(request) if _is_public(request) else await self.let_in(request, handler)

    @abstractmethod
    async def let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See `admit`; for what is not public."""

    async def protect(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Give every answer the headers that keep other pages out."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


def _is_public(request: web.Request) -> bool:
    """Whether it asks for something that is there for everybody; the metrics are not always there."""
    found = request.match_info.http_exception is None
    return found and (request.path == METRICS or request.path.startswith(PUBLIC))


class TokenDoor(Door):
    """The token, the cookie and the address of one process that serves one browser."""

    def __init__(self, origin: str) -> None:
        """Make new secrets for the page at ``origin``."""
        super().__init__(origin, f"/{secrets.token_hex(8)}")
        self._token: str | None = secrets.token_urlsafe(32)
        self._cookie_name = f"bulksend-{secrets.token_hex(6)}"
        self._cookie = secrets.token_urlsafe(32)

    @property
    def address(self) -> str:
        """The address to open, with the token, which can be used once."""
        return f"{self.origin}/?token={self._token}"

    def take(self, token: str) -> web.Response | None:
        """The answer to the right token: the cookie, and on to the page; the token is void then. None to others."""
        if self._token is None or not hmac.compare_digest(token.encode(errors="replace"), self._token.encode()):
            return None
        self._token = None
        response = web.Response(status=303, headers={"Location": f"{self.prefix}/"})
        response.set_cookie(self._cookie_name, self._cookie, path=f"{self.prefix}/", httponly=True, samesite="Strict")
        return response

    def knows(self, request: web.Request) -> bool:
        """Whether the request has the cookie."""
        given = request.cookies.get(self._cookie_name, "")
        return hmac.compare_digest(given.encode(errors="replace"), self._cookie.encode())

    async def let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See `Door.admit`."""
        if request.path == "/" and request.method == "GET":
            # A browser that looks ahead must not use the token up.
            looks_ahead = "prefetch" in request.headers.get("Sec-Purpose", "")
            taken = None if looks_ahead else self.take(request.query.get("token", ""))
            if taken is not None:
                return taken
        if not self.knows(request):
            raise NotAdmitted
        USER.set(User(system_user(), Role.SENDER))
        return await handler(request)


def refuse(status: int, sentence: str) -> web.Response:
    """An answer to somebody who is not let in: it tells nothing else."""
    return web.Response(status=status, text=f"{sentence}\n")
