"""Who did what, and when: kept with the campaign, without texts and secrets."""

from __future__ import annotations

import getpass
import platform
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from bulksend.journal.store import Store
from bulksend.journal.tables import AUDIT


class Action(StrEnum):
    """What somebody did; in brackets what ``detail`` says of it."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"  # [how many messages]
    PAUSED = "paused"
    CONTINUED = "continued"
    RETRIED = "retried"
    ARRIVED = "arrived"  # an unknown row was settled as sent [the row's number]
    TO_RESEND = "to_resend"  # an unknown row was settled as to be sent again [the row's number]
    STOPPED = "stopped"
    DELETED = "deleted"
    PORTAL_SAVED = "portal_saved"  # [its name]
    PORTAL_REMOVED = "portal_removed"  # [its name]
    USER_ADDED = "user_added"  # [their name]
    USER_REMOVED = "user_removed"  # [their name]
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - [whose]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that somebody did.

    Attributes:
        at: when (Unix seconds).
        actor: who: a user of the page, or ``user@computer`` for whoever ran a command.
        action: what.
        detail: see `Action`.
    """

    at: float
    actor: str
    action: Action
    detail: str


def system_user() -> str:
    """Whoever runs this program, as the operating system knows them."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        name = "?"
    return f"{name}@{platform.node()}"


class Audit(Store):
    """Keeps who did what."""

    def record(
        self, action: Action, run_id: int | None = None, *, actor: str = "", detail: str = "", at: float | None = None
    ) -> None:
        """Write down what somebody did: ``actor``, or else whoever runs this program; now, or ``at`` (Unix seconds)."""
        with self._transaction() as connection:
            self._record(connection, action, run_id, actor=actor, detail=detail, at=at)

    def _record(
        self,
        connection: sa.Connection,
        action: Action,
        run_id: int | None = None,
        *,
        actor: str,
        detail: str,
        at: float | None = None,
    ) -> None:
        values = {"actor": actor or system_user(), "action": action.value, "run_id": run_id, "detail": detail}
        connection.execute(sa.insert(AUDIT).values(at=self.now() if at is None else at, **values))

    def audit(self, run_id: int | None, limit: int = 100) -> list[AuditEntry]:
        """The newest ``limit`` entries on a campaign, or with None on no campaign; the newest first."""
        about = AUDIT.c.run_id.is_(None) if run_id is None else AUDIT.c.run_id == run_id
        statement = (
            sa.select(AUDIT.c.at, AUDIT.c.actor, AUDIT.c.action, AUDIT.c.detail)
            .where(about)
            .order_by(AUDIT.c.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return [
                AuditEntry(at, actor, Action(action), detail)
                for at, actor, action, detail in connection.execute(statement)
            ]
