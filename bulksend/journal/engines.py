"""Connections to the database of a journal: those to a server are few, and all of a process share them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS: Final = 8
"""Connections to a server that a process holds at the most, however many campaigns it carries out: each is needed for
a few milliseconds at a time."""

CONNECTION_WAIT: Final = 60.0
"""Seconds after which a server none of whose connections has become free is taken for out of reach."""

TO_SERVER: Final = {
    # A network that swallows everything is noticed within a quarter of a minute.
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}

IN_SESSION: Final = (
    "SET synchronous_commit TO on",  # the server's default may be to sync later
    # Whoever is stopped or cut off in the middle of a transaction is not to keep the others from theirs.
    "SET idle_in_transaction_session_timeout TO '15s'",
)


@dataclass(slots=True)
class Engine:
    """An engine that several journals of a process may use.

    Attributes:
        current: whether the tables are known to be this version's.
    """

    engine: sa.Engine
    users: int = 1
    current: bool = False
    preparing: threading.Lock = field(default_factory=threading.Lock)


_shared: Final[dict[sa.URL, Engine]] = {}
_lock: Final = threading.Lock()


def engine_of_server(url: sa.URL) -> Engine:
    """The engine for a server, made if this process has none; to be given back with `give_back`."""
    with _lock:
        known = _shared.get(url)
        if known is None:
            engine = sa.create_engine(
                url,
                pool_size=CONNECTIONS,
                max_overflow=0,
                pool_timeout=CONNECTION_WAIT,
                connect_args={name: value for name, value in TO_SERVER.items() if name not in url.query},
            )
            sa.event.listen(engine, "connect", _begin_session)
            _shared[url] = Engine(engine)
            return _shared[url]
        known.users += 1
        return known


def engine_of_file(url: sa.URL, timeout: float, on_connect: Callable[..., None]) -> Engine:
    """An engine for a file."""
    engine = sa.create_engine(url, connect_args={"timeout": timeout, "isolation_level": None})
    sa.event.listen(engine, "connect", on_connect)
    return Engine(engine)


def give_back(engine: Engine) -> None:
    """Let go of an engine; the last of its users closes the connections."""
    with _lock:
        engine.users -= 1
        if engine.users:
            return
        for url in [url for url, known in _shared.items() if known is engine]:
            del _shared[url]
    engine.engine.dispose()


def _begin_session(connection: Any, _: object) -> None:
    autocommit, connection.autocommit = connection.autocommit, True
    for statement in IN_SESSION:
        connection.execute(statement)
    connection.autocommit = autocommit
