"""Who may use the page of a team, who is signed in, and how often signing in failed.

Passwords and the ids of sessions come here as hashes; what they are hashed with is the page's business.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from bulksend.errors import UsageError
from bulksend.journal.audit import Action, Audit
from bulksend.journal.tables import SESSIONS, SIGN_IN_FAILURES, USERS
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FAILURES_KEPT: Final = 3600.0
"""Seconds after the last failure until all before are forgotten."""

SEEN_EVERY: Final = 60.0
"""Seconds between writes of when a session was used last."""

_TURN: Final = "users"
"""These tables are apart from the campaigns', which need not wait for them."""


class Role(StrEnum):
    """What a user may do: see campaigns, or also send and change them."""

    VIEWER = "viewer"
    SENDER = "sender"


@dataclass(frozen=True, slots=True)
class User:
    """A user of the page."""

    name: str
    role: Role

    @property
    def may_send(self) -> bool:
        """Whether they may change anything."""
        return self.role is Role.SENDER


class Throttle(NamedTuple):
    """How attempts are slowed down: after ``free`` failures by 1, 2, 4 … seconds, ``longest`` at the most."""

    free: int
    longest: float

    def wait(self, failures: int, since: float) -> float:
        """Seconds until the next attempt, ``since`` seconds after the last failure; not above 0 where it may be now."""
        over = failures - self.free
        return 0.0 if over < 0 else min(2.0 ** min(over, 30), self.longest) - since


class Users(Audit):
    """Keeps users, their sessions and failed attempts to sign in."""

    def users(self) -> list[User]:
        """All users, by name."""
        with self._reading() as connection:
            statement = sa.select(USERS.c.name, USERS.c.role).order_by(USERS.c.name)
            return [User(name, Role(role)) for name, role in connection.execute(statement)]

    def add_user(self, user: User, password: str, *, actor: str = "") -> None:
        """Add a user with a password (its hash).

        Raises:
            UsageError: there is one of that name.
        """
        with self._apart() as connection:
            if connection.scalar(sa.select(USERS.c.name).where(USERS.c.name == user.name)) is not None:
                raise UsageError(
                    _("There is a user {name} already.").format(name=user.name), code="USER_EXISTS", name=user.name
                )
            values = {"name": user.name, "role": user.role.value, "password": password, "created_at": self.now()}
            connection.execute(sa.insert(USERS).values(values))
            self._record(connection, Action.USER_ADDED, actor=actor, detail=user.name)

    def set_password(self, name: str, password: str, *, actor: str = "") -> None:
        """Change a user's password (its hash) and end all their sessions; `UsageError` where there is no such user."""
        with self._apart() as connection:
            changed = connection.execute(sa.update(USERS).where(USERS.c.name == name).values(password=password))
            self._require(name, changed.rowcount)
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.name == name))
            self._record(connection, Action.PASSWORD_CHANGED, actor=actor, detail=name)

    def remove_user(self, name: str, *, actor: str = "") -> None:
        """Remove a user and end all their sessions; `UsageError` where there is no such user."""
        with self._apart() as connection:
            self._require(name, connection.execute(sa.delete(USERS).where(USERS.c.name == name)).rowcount)
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.name == name))
            self._record(connection, Action.USER_REMOVED, actor=actor, detail=name)

    def password_of(self, name: str) -> str | None:
        """The hash of a user's password; None where there is no such user."""
        with self._reading() as connection:
            return connection.scalar(sa.select(USERS.c.password).where(USERS.c.name == name))

    def begin_session(self, session: str, name: str, password: str, *, absolute: float) -> bool:
        """Begin a session (the hash of its id) of a user; False where that is no longer the hash of their password.

        Sessions older than ``absolute`` seconds are deleted.
        """
        with self._apart() as connection:
            now = self.now()
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.created_at < now - absolute))
            known = sa.select(USERS.c.name).where(USERS.c.name == name, USERS.c.password == password)
            if connection.scalar(known) is None:
                return False
            connection.execute(sa.insert(SESSIONS).values(id=session, name=name, created_at=now, seen_at=now))
        return True

    def user_of_session(self, session: str, *, idle: float, absolute: float, used: bool = True) -> User | None:
        """Whose session it is; None where it has ended: after ``idle`` seconds without use, or ``absolute`` in all.

        ``used`` says whether asking for it is a use of it.
        """
        statement = (
            sa.select(USERS.c.name, USERS.c.role, SESSIONS.c.created_at, SESSIONS.c.seen_at)
            .join_from(SESSIONS, USERS, SESSIONS.c.name == USERS.c.name)
            .where(SESSIONS.c.id == session)
        )
        with self._reading() as connection:
            found, now = connection.execute(statement).first(), self.now()
        if found is None or now - found.seen_at >= idle or now - found.created_at >= absolute:
            return None
        if used and now - found.seen_at > SEEN_EVERY:
            with self._apart() as connection:
                connection.execute(sa.update(SESSIONS).where(SESSIONS.c.id == session).values(seen_at=now))
        return User(found.name, Role(found.role))

    def end_session(self, session: str) -> None:
        """End a session."""
        with self._apart() as connection:
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.id == session))

    def attempt(self, throttles: Mapping[str, Throttle]) -> float:
        """Ask whether somebody may try to sign in now: 0 if so, else for how many seconds they may not.

        It counts as a failure of each origin until `succeeded` takes it back, so that many attempts at once are not
        more than many in turn.
        """
        with self._apart() as connection:
            now = self.now()
            connection.execute(sa.delete(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.last_at < now - FAILURES_KEPT))
            statement = sa.select(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.origin.in_(throttles))
            known = {record.origin: record for record in connection.execute(statement)}
            waits = [throttles[origin].wait(one.failures, now - one.last_at) for origin, one in known.items()]
            wait = max(waits, default=0.0)
            if wait > 0:
                return wait
            for origin in throttles:
                if origin in known:
                    counted = sa.update(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.origin == origin)
                    connection.execute(counted.values(failures=SIGN_IN_FAILURES.c.failures + 1, last_at=now))
                else:
                    connection.execute(sa.insert(SIGN_IN_FAILURES).values(origin=origin, failures=1, last_at=now))
        return 0.0

    def succeeded(self, user: str, address: str) -> None:
        """Somebody signed in: forget the failures of the user, and take back that one of the address."""
        with self._apart() as connection:
            connection.execute(sa.delete(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.origin == user))
            taken_back = sa.update(SIGN_IN_FAILURES).where(SIGN_IN_FAILURES.c.origin == address)
            connection.execute(taken_back.values(failures=SIGN_IN_FAILURES.c.failures - 1))

    @contextlib.contextmanager
    def _apart(self) -> Iterator[sa.Connection]:
        with self.turns_of(_TURN), self._transaction() as connection:
            yield connection

    @staticmethod
    def _require(name: str, found: int) -> None:
        if not found:
            raise UsageError(_("There is no user {name}.").format(name=name), code="NO_SUCH_USER", name=name)
