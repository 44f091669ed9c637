"""A process that holds many campaigns uses few connections to a team's database, and survives its being away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psycopg
import pytest
import sqlalchemy as sa

from bulksend.journal import Journal
from bulksend.journal.engines import CONNECTIONS
from tests.processes import wait_until

OTHERS: Final = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def others(connection: psycopg.Connection) -> int:
    """Connections to a database besides the one that asks."""
    return int(connection.execute(f"SELECT count(*) {OTHERS}").fetchall()[0][0])


def wait_until_alone(connection: psycopg.Connection) -> None:
    """The server ends a process of its own for a connection a little after the connection."""
    wait_until(lambda: not others(connection))


def cut_off(address: str) -> None:
    """End all connections to a database, as a server does that is restarted."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")
        wait_until_alone(connection)


def test_connections_are_shared(database: str) -> None:
    """Forty journals at work at once need no more than the process's few connections."""
    with psycopg.connect(database, autocommit=True) as connection, ExitStack() as stack:
        journals = [stack.enter_context(Journal(database)) for _ in range(40)]
        with ThreadPoolExecutor(40) as threads:
            list(threads.map(lambda journal: [journal.update_pace("one", lambda _: "x") for _ in range(5)], journals))
        assert 1 <= others(connection) <= CONNECTIONS
        stack.close()
        wait_until_alone(connection)


def test_portals_do_not_wait_for_each_other(database: str) -> None:
    """While one portal's campaign is in a transaction another's goes on; a third of the same portal waits."""
    with Journal(database) as one, Journal(database) as other, Journal(database) as third, ExitStack() as stack:
        stack.enter_context(one.turns_of("one"))
        stack.enter_context(other.turns_of("other"))
        stack.enter_context(third.turns_of("one"))
        waiting = threading.Thread(target=third.update_pace, args=("one", lambda pace: f"{pace} third"))
        with one.transaction():
            one.update_pace("one", lambda _: "first")
            other.update_pace("other", lambda _: "at once")
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
        waiting.join(30)
        assert (one.pace("one"), other.pace("other")) == ("first third", "at once")


@pytest.mark.parametrize("kind", ["file", "server"])
def test_readers_wait_for_nobody(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What a page asks is answered while somebody is in the middle of a transaction."""
    address = tmp_path / "journal.db" if kind == "file" else request.getfixturevalue("database")
    with Journal(address) as writer, Journal(address) as reader, writer.transaction(), ThreadPoolExecutor(1) as thread:
        writer.update_pace("one", lambda _: "x")
        for ask in (
            reader.runs,
            lambda: reader.waiting({1}, but_for=""),
            lambda: reader.portals_since(0),
            lambda: reader.sent_since("one", [1], 0),
            lambda: reader.sent_elsewhere(1, 0),
            lambda: reader.open_zones(1),
        ):
            assert not thread.submit(ask).result(30)


def test_connections_that_were_cut(database: str) -> None:
    """A server that was restarted meanwhile is not noticed by the next who asks."""
    with Journal(database) as journal:
        journal.update_pace("one", lambda _: "x")
        cut_off(database)
        assert journal.pace("one") == "x"


def test_nothing_is_asked_for_nothing(database: str) -> None:
    """A step in which nothing is done costs no transaction; in one with several the first begins it."""
    begun: list[object] = []
    with Journal(database) as journal:
        sa.event.listen(journal._database._engine, "begin", begun.append)
        with journal.transaction():
            pass
        assert not begun
        with journal.transaction():
            journal.update_pace("one", lambda _: "x")
            assert journal.pace("one") == "x"
        assert len(begun) == 1
