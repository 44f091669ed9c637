"""Which portal a campaign is sent to, and as whom."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bulksend.errors import NoPortalError, UsageError
from bulksend.locale import _
from bulksend.portal.address import is_cloud, is_loopback, looks_like_address
from bulksend.portal.credential_store import PortalStore, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bulksend.journal import Journal, Run
    from bulksend.portal.authorisation import Authorisation

SANDBOX: Final = "sandbox"
"""The portal's name that stands for the embedded one."""

SandboxRow = tuple[str, int, int, int]
"""What the embedded portal's world is made from: entity type, entity id, chat id, user id."""


@dataclass(frozen=True, slots=True)
class Target:
    """A portal to send to.

    Attributes:
        portal: its identity in the journal: host and port, or ``sandbox``.
        name: the saved name it was given by, ``sandbox``, or empty for an address.
        speaker: the user who speaks for rows that name nobody; 0 where only the portal knows who that is.
        settle: how long the portal may go on with an unanswered call, seconds; None where nobody has said.
    """

    portal: str
    name: str
    authorisation: Authorisation
    speaker: int
    settle: float | None = None

    @property
    def is_ephemeral(self) -> bool:
        """Whether the portal ends with the command: what was sent to it before was sent to nobody."""
        return self.name == SANDBOX

    @property
    def self_hosted(self) -> bool:
        """Whether somebody else than the vendor decides how long the portal may go on with a call."""
        host = urlsplit(f"//{self.portal}").hostname or ""
        return not (self.is_ephemeral or is_cloud(host) or is_loopback(host))

    @property
    def shown(self) -> str:
        """The portal as it is shown to people."""
        if self.is_ephemeral:
            return _("the sandbox (a portal inside this program: no customer gets anything)")
        return f"{self.name} ({self.authorisation.masked})" if self.name else self.authorisation.masked

    def require_own(self, run: Run) -> None:
        """Make sure that a campaign was begun on this portal.

        Raises:
            UsageError: it belongs to another one.
        """
        if run.portal != self.portal:
            raise UsageError(
                _("Campaign {run} belongs to {other}, not to {portal}: name the portal it was begun with.").format(
                    run=run.id, other=run.portal_address, portal=self.authorisation.masked
                )
            )


@contextlib.contextmanager
def find_target(
    text: str | None, home: Path, *, user_id: int | None = None, sandbox_rows: Iterable[SandboxRow] = ()
) -> Iterator[Target]:
    """Find the portal that ``text`` names: a saved name, a webhook's address, or ``sandbox``.

    Args:
        text: which portal.
        home: the folder with the saved portals.
        user_id: who speaks for rows that name nobody; by default the user of the webhook or token.
        sandbox_rows: what the world of the embedded portal is made from, which runs as long as the context lasts.

    Raises:
        NoPortalError: no portal is named.
        PortalError: there is no such portal, or its address or credentials cannot be used.
    """
    if not text or not text.strip():
        raise NoPortalError(_("No portal is named: give the name of a saved one, or a webhook's address."))
    if text.strip().lower() == SANDBOX:
        with _sandbox(sandbox_rows) as authorisation:
            yield Target(SANDBOX, SANDBOX, authorisation, user_id or authorisation.user_id or 0)
        return
    store = PortalStore(home)
    authorisation = resolve(text, store)
    saved = None if looks_like_address(text.strip()) else store.saved(text.strip())
    yield Target(
        authorisation.portal,
        saved.name if saved else "",
        authorisation,
        user_id or authorisation.user_id or 0,
        saved.settle if saved else None,
    )


def rows_for_sandbox(journal: Journal, run: Run) -> Iterator[SandboxRow]:
    """What a sandbox has to know of a campaign that is in the journal, to carry it out."""
    for row in journal.all_rows(run.id):
        yield row.entity_type, row.entity_id, row.chat_id, row.user_id or run.user_id


@contextlib.contextmanager
def _sandbox(rows: Iterable[SandboxRow]) -> Iterator[Authorisation]:
    from bulksend.portal.authorisation import parse_webhook  # noqa: PLC0415 - only rehearsals need a server
    from bulksend.sandbox import Sandbox, World  # noqa: PLC0415 - likewise

    with Sandbox(world=World.from_rows(rows)) as portal:
        yield parse_webhook(portal.webhook)
