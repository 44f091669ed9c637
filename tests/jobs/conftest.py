"""A team: a database, portals, and workers that share it."""

from tests.journal.conftest import database, server

__all__ = ["database", "server"]
