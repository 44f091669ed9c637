"""A team's page: over TLS, for users who sign in."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from aiohttp import web

from bulksend.web.accounts import Accounts, SignInRefused
from bulksend.web.door import SAFE_METHODS, USER, Door
from bulksend.web.language import LANGUAGE
from bulksend.web.page import chosen, form_of, page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.typedefs import Handler

    from bulksend.web.door import Route

COOKIE: Final = "__Host-bulksend"
"""By this prefix browsers take it only over TLS, from this host itself, for all of its paths."""

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"

_PLACE: Final = re.compile(r"/(?:(?:campaigns|sheets|portals)(?:/[\w./-]*)?)?")


async def show_sign_in(request: web.Request) -> web.Response:
    """The form to sign in, for who is not."""
    if USER.get() is not None:
        raise page_of(request).go(place(request.query.get("next", "")))
    return _form(request, request.query.get("next", ""))


async def sign_in(request: web.Request) -> web.Response:
    """Sign a user in: always with a new session; the one that the browser had before ends."""
    page, form, door = page_of(request), await form_of(request), _door(request)
    name, password = chosen(form, "name"), form.get("password", "")
    back = chosen(form, "next")
    if not isinstance(password, str):
        return _form(request, back, status=400)
    try:
        secret = await door.accounts.sign_in(page, name, password, request.remote or "")
    except SignInRefused as refused:
        seconds = math.ceil(refused.seconds)
        response = _form(request, back, name=name, wrong=not seconds, seconds=seconds, status=429 if seconds else 403)
        if seconds:
            response.headers["Retry-After"] = str(seconds)
        return response
    await _end_session(request)
    response = web.Response(status=303, headers={"Location": page.url(place(back))})
    response.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="Strict")
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    await _end_session(request)
    response = web.Response(status=303, headers={"Location": SIGN_IN, "Clear-Site-Data": '"cache"'})
    response.set_cookie(COOKIE, "", max_age=0, path="/", secure=True, httponly=True, samesite="Strict")
    return response


def place(text: str) -> str:
    """Where to go once signed in: a place of ours, whatever a link may say."""
    return text if _PLACE.fullmatch(text) and "//" not in text and ".." not in text else "/"


async def _end_session(request: web.Request) -> None:
    secret = request.cookies.get(COOKIE, "")
    if secret:
        await _door(request).accounts.sign_out(page_of(request), secret)


def _form(
    request: web.Request,
    back: str,
    *,
    name: str = "",
    wrong: bool = False,
    ended: bool = False,
    seconds: int = 0,
    status: int = 200,
) -> web.Response:
    return page_of(request).show(
        "sign_in.html",
        here="",
        back=place(back),
        name=name,
        wrong=wrong,
        ended=ended,
        seconds=seconds,
        status=status,
    )


def _door(request: web.Request) -> SignInDoor:
    door = page_of(request).door
    if not isinstance(door, SignInDoor):  # pragma: no cover - only that door has these places
        raise web.HTTPNotFound
    return door


class SignInDoor(Door):
    """Lets in who is signed in."""

    for_team = True
    routes: ClassVar[Sequence[Route]] = (
        ("GET", SIGN_IN, show_sign_in),
        ("POST", SIGN_IN, sign_in),
        ("POST", SIGN_OUT, sign_out),
    )

    def __init__(self, origin: str) -> None:
        """Set up for the page at ``origin``."""
        super().__init__(origin)
        self.accounts = Accounts()

    @property
    def address(self) -> str:
        """The address to open."""
        return f"{self.origin}/"

    async def let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See `Door.admit`."""
        secret = request.cookies.get(COOKIE, "")
        if secret:
            # A page that is left open asks for progress by itself: that keeps nobody signed in.
            used = not request.path.endswith("/progress")
            USER.set(await self.accounts.user_of(page_of(request), secret, used=used))
        if USER.get() is not None or request.path in {SIGN_IN, SIGN_OUT, LANGUAGE}:
            return await handler(request)
        if request.method in SAFE_METHODS:
            raise web.HTTPSeeOther(f"{SIGN_IN}?next={quote(place(request.path))}")
        return _form(request, "/", ended=True, status=403)

    async def protect(self, request: web.Request, response: web.StreamResponse) -> None:
        """See `Door.protect`; from the first visit on, browsers come over TLS alone."""
        await super().protect(request, response)
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
