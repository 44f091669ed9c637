"""A server of PostgreSQL, and databases on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import NoServerError, Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of PostgreSQL."""
    try:
        with serving() as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def database(server: Server, tmp_path: Path) -> str:
    """The address of an empty database."""
    return server.make_database(f"journal_{os.getpid()}_{tmp_path.name}".lower())
