"""The saved portals of a worker, and connections to them that its campaigns share."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from bulksend.portal.client import Client
from bulksend.portal.credential_store import PortalStore
from bulksend.target import find_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bulksend.journal import Run
    from bulksend.target import Target

CONNECTIONS: Final = 50
"""Connections to one portal that are kept open."""


class SavedPortals:
    """What a worker can send to."""

    def __init__(self, home: Path) -> None:
        """Set up without touching the disk.

        Args:
            home: the data folder.
        """
        self._home, self._store = home, PortalStore(home)
        self._lock = threading.Lock()
        self._names: dict[str, Sequence[str]] = {}
        self._clients: dict[tuple[str, float], tuple[Client, int]] = {}

    def load(self) -> dict[str, Sequence[str]]:
        """The names under which each portal is saved; damaged ones are left out."""
        self._names = self._store.names_by_portal()
        return self._names

    def name_for(self, run: Run) -> str | None:
        """The name by which a campaign's portal is saved here: the one it was given by, else another of the same."""
        names = self._names.get(run.portal, [])
        return run.portal_name if run.portal_name in names else next(iter(names), None)

    @contextlib.contextmanager
    def connected(self, name: str, run: Run, timeout: float) -> Iterator[tuple[Target, Client]]:
        """A portal, and a client for it that all campaigns share which send to it at the same time.

        Raises:
            PortalError: its credentials cannot be used.
        """
        key = name, timeout
        with self._lock, find_target(name, self._home, user_id=run.user_id) as target:
            client, users = self._clients.get(key) or (
                Client(target.authorisation, timeout=timeout, connections=CONNECTIONS),
                0,
            )
            self._clients[key] = client, users + 1
        try:
            yield target, client
        finally:
            with self._lock:
                client, users = self._clients.pop(key)
                if users > 1:
                    self._clients[key] = client, users - 1
                else:
                    client.close()
