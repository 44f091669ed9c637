"""A server of PostgreSQL, and databases on it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

PROGRAMS = (shutil.which("initdb"), shutil.which("pg_ctl"))


def as_nobody_special() -> dict[str, Any]:
    """Options for a process that may run a server, which the superuser may not."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    pwd = pytest.importorskip("pwd")
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("the superuser may not run PostgreSQL, and there is no account for it")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A server of PostgreSQL on a free port, and its address."""
    initdb, pg_ctl = PROGRAMS
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not installed here")
    user = as_nobody_special()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        data = Path(place) / "data"
        if user:
            shutil.chown(place, user["user"], user["group"])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        quiet: dict[str, Any] = {"cwd": place, "stdout": subprocess.DEVNULL, **user}
        subprocess.run(
            [initdb, "-D", data, "-U", "team", "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **quiet
        )
        settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''"
        subprocess.run(
            [pg_ctl, "-D", data, "-w", "-l", Path(place) / "log", "-o", settings, "start"], check=True, **quiet
        )
        try:
            yield f"postgresql://team@127.0.0.1:{port}"
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], check=True, **quiet)


@pytest.fixture
def database(server: str, tmp_path: Path) -> str:
    """The address of an empty database."""
    name = f"journal_{os.getpid()}_{tmp_path.name}".lower()
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server}/{name}"
