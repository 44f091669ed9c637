"""Saved portals: save, test and remove them. What is secret is typed once and never shown again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bulksend.errors import PortalError
from bulksend.journal import Action, Journal, Role
from bulksend.portal.authorisation import TOKEN_URL, application, parse_webhook
from bulksend.portal.credential_store import PortalStore
from bulksend.queries.preflight import probe
from bulksend.target import find_target
from bulksend.web.door import actor
from bulksend.web.page import chosen, form_of, page_of
from bulksend.web.preflights import asking

if TYPE_CHECKING:
    from aiohttp import web

    from bulksend.queries.preflight import ConnectionCheck
    from bulksend.web.page import Page

_ONWARD: Final = re.compile(r"/sheets/[0-9a-f]{24}/portal")


def onward(text: str) -> str:
    """Where to go once a portal is saved: back to the sheet that needs it, else to the list."""
    return text if _ONWARD.fullmatch(text) else "/portals"


async def show_portals(request: web.Request) -> web.Response:
    """All saved portals."""
    page = page_of(request)
    return await _show(page, new=request.query.get("saved", ""))


async def _show(
    page: Page,
    tested: str | None = None,
    connection: ConnectionCheck | None = None,
    error: str = "",
    *,
    new: str = "",
) -> web.Response:
    saved = await page.do(PortalStore(page.home).list)
    audit = await page.ask(lambda journal: journal.audit(None))
    return page.show(
        "portals.html",
        here="portals",
        portals=saved,
        tested=tested,
        connection=connection,
        error=error,
        new=new if new in {portal.name for portal in saved} else "",
        audit=audit,
    )


async def show_new(request: web.Request) -> web.Response:
    """The form to save one."""
    page = page_of(request)
    return page.show(
        "portal_new.html", here="portals", error="", given={}, onward=onward(request.query.get("next", ""))
    )


async def save(request: web.Request) -> web.Response:
    """Save one, and say what is wrong with what was typed; secrets do not come back with it."""
    page, form = page_of(request), await form_of(request)
    name, kind, back = chosen(form, "name"), chosen(form, "kind"), onward(chosen(form, "next"))

    def add() -> None:
        credentials: Any
        if kind == "application":
            credentials = application(
                chosen(form, "address"),
                client_id=chosen(form, "client_id"),
                client_secret=chosen(form, "client_secret"),
                refresh_token=chosen(form, "refresh_token"),
                token_url=chosen(form, "token_url") or TOKEN_URL,
            )
        else:
            credentials = parse_webhook(chosen(form, "webhook"))
        PortalStore(page.home).add(name, credentials)

    try:
        await page.do(add)
    except PortalError as error:
        given = {"name": name, "kind": kind, "client_id": chosen(form, "client_id")}
        return page.show("portal_new.html", here="portals", error=str(error), given=given, onward=back, status=400)
    await page.ask(lambda journal: journal.record(Action.PORTAL_SAVED, actor=actor(), detail=name))
    raise page.go(f"{back}?saved={quote(name)}")


async def test(request: web.Request) -> web.Response:
    """Ask a saved portal who speaks and whether sending will work."""
    page, name = page_of(request), request.match_info["name"]
    connection: ConnectionCheck | None = None
    error = ""

    def ask() -> ConnectionCheck:
        with (
            find_target(name, page.home) as target,
            Journal(page.journal) as journal,
            asking(journal, target) as queries,
        ):
            return probe(queries)

    try:
        connection = await page.do(ask, page.portals)
    except PortalError as failed:
        error = str(failed)
    return await _show(page, name, connection, error)


async def ask_remove(request: web.Request) -> web.Response:
    """Ask before a portal is removed."""
    page = page_of(request)
    name = await page.do(lambda: PortalStore(page.home).saved(request.match_info["name"]).name)
    return page.show("portal_remove.html", here="portals", name=name)


async def remove(request: web.Request) -> web.Response:
    """Remove one, with its secret."""
    page = page_of(request)
    name = request.match_info["name"]
    await page.do(lambda: PortalStore(page.home).remove(name))
    await page.ask(lambda journal: journal.record(Action.PORTAL_REMOVED, actor=actor(), detail=name))
    raise page.go("/portals")


ROUTES: Final = (
    ("GET", "/portals", show_portals, Role.VIEWER),
    ("GET", "/portals/new", show_new, Role.SENDER),
    ("POST", "/portals", save, Role.SENDER),
    ("POST", "/portals/{name}/test", test, Role.SENDER),
    ("GET", "/portals/{name}/remove", ask_remove, Role.SENDER),
    ("POST", "/portals/{name}/remove", remove, Role.SENDER),
)
