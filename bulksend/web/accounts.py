"""Signing in and out: who may try how often, and how long a session lasts."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from bulksend.journal.users import Throttle
from bulksend.web.passwords import as_name, matches, nobodys

if TYPE_CHECKING:
    from bulksend.journal import Journal, User
    from bulksend.web.page import Page

IDLE: Final = 3600.0
"""Seconds without use after which a session ends."""

ABSOLUTE: Final = 12 * 3600.0
"""Seconds after which a session ends however it is used."""

PER_USER: Final = Throttle(free=5, longest=60)
PER_ADDRESS: Final = Throttle(free=20, longest=900)
"""How attempts are slowed down. Whoever keeps failing as somebody else keeps them out for a minute at the most."""

AT_ONCE: Final = 2
"""Passwords that are checked at once: each takes 64 MB."""

MOST_WAITING: Final = 20
"""Attempts that may wait for that."""


class SignInRefused(Exception):
    """The name or the password is wrong; or, with ``seconds``, nothing was looked at, because too many were wrong."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds


class Accounts:
    """Signs users in, for one process that serves the page."""

    def __init__(self) -> None:
        """Be ready to check passwords."""
        self._threads = ThreadPoolExecutor(AT_ONCE, "bulksend-web-passwords")
        self._threads.submit(nobodys)
        self._under_way = 0

    async def sign_in(self, page: Page, name: str, password: str, address: str) -> str:
        """Check a password and begin a session; what the browser is to show for it from then on.

        Raises:
            SignInRefused: the user is not signed in.
        """
        if self._under_way >= MOST_WAITING:
            raise SignInRefused(1.0)
        self._under_way += 1
        try:
            return await self._sign_in(page, as_name(name), password, address)
        finally:
            self._under_way -= 1

    async def _sign_in(self, page: Page, name: str, password: str, address: str) -> str:
        user, network = f"user {name}", f"address {_network(address)}"
        wait = await page.ask(lambda journal: journal.attempt({user: PER_USER, network: PER_ADDRESS}))
        if wait > 0:
            raise SignInRefused(wait)
        kept = await page.ask(lambda journal: journal.password_of(name))
        right = await asyncio.get_running_loop().run_in_executor(self._threads, matches, password, kept)
        if not right or kept is None:
            raise SignInRefused
        secret = secrets.token_urlsafe(32)

        def begin(journal: Journal) -> bool:
            journal.succeeded(user, network)
            return journal.begin_session(_hash(secret), name, kept, absolute=ABSOLUTE)

        if not await page.ask(begin):
            raise SignInRefused
        return secret

    @staticmethod
    async def user_of(page: Page, secret: str, *, used: bool) -> User | None:
        """Who is signed in with what a browser shows; ``used`` says whether a person asks, rather than a script."""
        session = _hash(secret)
        return await page.ask(lambda journal: journal.user_of_session(session, idle=IDLE, absolute=ABSOLUTE, used=used))

    @staticmethod
    async def sign_out(page: Page, secret: str) -> None:
        """End a session."""
        session = _hash(secret)
        await page.ask(lambda journal: journal.end_session(session))


def _hash(secret: str) -> str:
    """A session as it is kept: whoever reads the journal cannot use it."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _network(address: str) -> str:
    """What of an address stands for one caller: of IPv6 the half that a household or an office has to itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
