"""What the tests of questions share: a portal over HTTP, a journal on disk, and a query runner between the two."""

from __future__ import annotations

import contextlib
import csv
from typing import TYPE_CHECKING, Any

from bulksend.journal import Journal
from bulksend.portal.authorisation import parse_webhook
from bulksend.portal.client import Client
from bulksend.queries.query import QueryRunner
from bulksend.ratelimit.limiter import RateLimit
from bulksend.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bulksend.sandbox import Sandbox

UNLIMITED = RateLimit(rate=0)
HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "MESSAGE")


def target_of(address: str) -> Target:
    """The portal at a webhook's address, with user 27 to speak."""
    authorisation = parse_webhook(address)
    return Target(authorisation.portal, "", authorisation, 27)


@contextlib.contextmanager
def asking(
    portal: Sandbox | str, folder: Path, rate_limit: RateLimit = UNLIMITED, *, timeout: float = 10.0, **options: Any
) -> Iterator[QueryRunner]:
    """A query runner for a portal or an address, with a journal in ``folder``."""
    target = target_of(portal if isinstance(portal, str) else portal.webhook)
    with Journal(folder / "journal.sqlite") as journal, Client(target.authorisation, timeout=timeout) as client:
        yield QueryRunner(journal, target, client, rate_limit, **options)


def write_sheet(path: Path, rows: Iterable[Sequence[object]], headings: Sequence[str] = HEADINGS) -> Path:
    """A CSV sheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headings)
        writer.writerows(rows)
    return path


def read_sheet(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    """A CSV sheet's rows by their headings."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))
