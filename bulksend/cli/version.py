"""``bulksend --version --verbose``: what a bug report needs, and nothing secret."""

from __future__ import annotations

import locale
import os
import platform
import sqlite3
import ssl
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

import click

from bulksend import __version__
from bulksend.cli import options as opts
from bulksend.folders import home
from bulksend.portal.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES: Final = (
    *("aiohttp", "alembic", "babel", "click", "filelock", "jinja2", "keyring", "pandas", "procrastinate", "psycopg"),
    *("python-calamine", "requests", "sqlalchemy", "tzdata", "urllib3", "xlsxwriter"),
)


def show(context: click.Context) -> None:
    """Show the version and exit; with ``--verbose``, which click has read before, all the rest too."""
    click.echo(f"bulksend {__version__}")
    if context.params.get("verbose"):
        for what, words in details():
            click.echo(without_secrets(f"{what:<12}  {words}"))
    context.exit()


def details() -> Iterator[tuple[str, str]]:
    """What a bug report needs, one thing after the other."""
    frozen = " (in one executable file)" if getattr(sys, "frozen", False) else ""
    yield "python", f"{platform.python_version()} {platform.python_implementation()}{frozen}"
    yield "system", f"{platform.platform()}, {os.cpu_count()} processors"
    yield "libraries", ", ".join(_libraries())
    yield "sqlite", f"{sqlite3.sqlite_version}; {ssl.OPENSSL_VERSION}"
    yield "keyring", _keyring()
    yield "encodings", f"output {sys.stdout.encoding}, file names {sys.getfilesystemencoding()}, {locale.getencoding()}"
    yield "language", ".".join(filter(None, locale.getlocale())) or "C"
    yield "time zone", f"{time.tzname[0]}, now {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
    yield "data folder", f"{home()}{'' if home().is_dir() else ' (not there yet)'}"
    yield "journal", _journal()
    yield "proxies", ", ".join(sorted(getproxies())) or "none"
    yield "environment", ", ".join(sorted(name for name in os.environ if name.startswith("BULKSEND_"))) or "nothing set"


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _keyring() -> str:
    import keyring

    try:
        backend = keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - backends fail in as many ways as there are
        return f"fails: {type(error).__name__}"
    return f"{backend.name} (priority {backend.priority})"


def _journal() -> str:
    address = str(opts.journal_address(os.environ.get("BULKSEND_JOURNAL")))
    if "://" in address:
        return address.partition("://")[0]
    path = Path(address)
    return f"{path}, {path.stat().st_size:,} bytes" if path.exists() else f"{path} (not there yet)"
