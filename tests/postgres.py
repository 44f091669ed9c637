"""A server of PostgreSQL for tests and drills."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tests.ports import unused_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoServerError(Exception):
    """PostgreSQL cannot be started here; the text says why."""


def _as_nobody_special() -> dict[str, Any]:
    """Options for a process that may run a server, which the superuser may not."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise NoServerError("the superuser may not run PostgreSQL, and there is no account for it") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is running."""

    port: int
    folder: Path
    options: dict[str, Any]

    @property
    def address(self) -> str:
        """Its address without a database."""
        return f"postgresql://team@127.0.0.1:{self.port}"

    def make_database(self, name: str) -> str:
        """Make an empty database and return its address."""
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"{self.address}/{name}"

    def start(self) -> None:
        """Serve."""
        settings = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories=''"
        self._control("-w", "-l", self.folder / "log", "-o", settings, "start")

    def stop(self) -> None:
        """Stop at once, as by a power cut."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: object) -> None:
        pg_ctl = shutil.which("pg_ctl")
        assert pg_ctl is not None
        command = [pg_ctl, "-D", str(self.folder / "data"), *map(str, arguments)]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **self.options)


@contextmanager
def serving_or_skip() -> Iterator[Server]:
    """A server for a test, which is skipped where there can be none."""
    try:
        with serving() as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port.

    Raises:
        NoServerError: there can be none here.
    """
    initdb = shutil.which("initdb")
    if initdb is None or shutil.which("pg_ctl") is None:
        raise NoServerError("PostgreSQL is not installed here")
    options = _as_nobody_special()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        if options:
            shutil.chown(place, options["user"], options["group"])
        make = [initdb, "-D", f"{place}/data", "-U", "team", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, cwd=place, stdout=subprocess.DEVNULL, **options)
        with ExitStack() as stack:
            server = Server(stack.enter_context(unused_port()), Path(place), options)
            if sys.platform != "linux":
                stack.close()
            server.start()
            try:
                yield server
            finally:
                server.stop()
