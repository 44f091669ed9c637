"""Which language a visitor reads: the one chosen on the page, else the browser's, else the program's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web
from yarl import URL

from bulksend.locale import known, use_language
from bulksend.web.page import chosen, form_of, page_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bulksend.locale import Language

COOKIE: Final = "bulksend-language"
LANGUAGE: Final = "/language"
_KEPT_SECONDS: Final = 365 * 24 * 3600
_WEIGHT: Final = re.compile(r";\s*q=([01](?:\.\d*)?)")


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in the visitor's language; threads that work for the request inherit it."""
    chosen_before = known(request.cookies.get(COOKIE, ""))
    with use_language(chosen_before or preferred(request.headers.get("Accept-Language", ""))):
        return await handler(request)


def preferred(header: str) -> Language | None:
    """The language of ours that an ``Accept-Language`` wants most; None where it names none of them."""

    def weight(part: str) -> float:
        found = _WEIGHT.search(part)
        return float(found[1]) if found else 1.0

    wanted = [part for part in sorted(header.split(","), key=weight, reverse=True) if weight(part)]
    names = (known(part.partition(";")[0].strip()) for part in wanted)
    return next((name for name in names if name), None)


async def choose(request: web.Request) -> web.Response:
    """Remember the language that was chosen, and lead back to where that was."""
    answer = page_of(request).go(await _back(request))
    if language := known(chosen(await form_of(request), "language")):
        answer.set_cookie(
            COOKIE, language, path="/", max_age=_KEPT_SECONDS, secure=request.secure, httponly=True, samesite="Strict"
        )
    raise answer


async def _back(request: web.Request) -> str:
    """The page that the request came from, or where a form was answered, the nearest one above it."""
    start = page_of(request).url("/")
    came = request.headers.get("Referer", "").removeprefix(page_of(request).door.origin)
    path = came.partition("#")[0]
    while path.startswith(start) and not path.startswith("//"):
        match = await request.app.router.resolve(request.clone(method="GET", rel_url=URL(path, encoded=True)))
        if match.http_exception is None:
            return path.removeprefix(start.rstrip("/"))
        path = path.partition("?")[0].rpartition("/")[0]
    return "/"


ROUTES: Final = (("POST", LANGUAGE, choose, None),)
