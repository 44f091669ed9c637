"""A server of PostgreSQL, and databases on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Server, serving_or_skip


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of PostgreSQL."""
    with serving_or_skip() as server:
        yield server


@pytest.fixture
def database(server: Server, tmp_path: Path) -> str:
    """The address of an empty database."""
    return server.make_database(f"journal_{os.getpid()}_{tmp_path.name}".lower())
