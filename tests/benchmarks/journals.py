"""Journals to measure with, and a portal inside the process, for what is not about HTTP."""

from __future__ import annotations

import itertools
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from bulksend.portal.authorisation import parse_webhook
from bulksend.portal.client import BatchReply, Reply
from bulksend.portal.outcomes import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bulksend.journal import Journal
    from bulksend.target import Target

WEBHOOK = "http://127.0.0.1:9/rest/27/nobodylistenshere/"
NAME = "portal.example"


def target(portal: str = NAME) -> Target:
    """A portal that is not there, to enter campaigns for."""
    from bulksend.target import Target  # noqa: PLC0415 - only some measurements need it

    return Target(portal, "", parse_webhook(WEBHOOK), 27)


class Instant:
    """Stands for a client: every call is answered at once, with a message's id, without HTTP."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)

    def call(self, method: str, params: Mapping[str, Any], *, deadline: object = None) -> Reply:
        """One message."""
        now = time.time()
        return Reply(self._done(), now, now, now)

    def batch(self, calls: Mapping[str, tuple[str, Mapping[str, Any]]], *, deadline: object = None) -> BatchReply:
        """As many as there are."""
        now = time.time()
        commands = {key: self._done() for key in calls}
        return BatchReply(Outcome(Verdict.DONE), now, now, now, commands)

    def reset(self) -> None:
        """Nothing is kept."""

    def _done(self) -> Outcome:
        return Outcome(Verdict.DONE, result=next(self._ids))


def enter(journal: Journal, sheet: Path, results: Path) -> tuple[int, float]:
    """Enter a sheet as a campaign; its number, and the seconds that entering took (reading it a second time too)."""
    from bulksend.campaign import Campaign  # noqa: PLC0415 - only some measurements need it
    from bulksend.plan import SheetOptions, examine  # noqa: PLC0415
    from tests.benchmarks.measure import Stopwatch  # noqa: PLC0415

    plan = examine(sheet, SheetOptions())
    with Stopwatch() as watch, Campaign.enter(journal, plan, target(), results=results) as campaign:
        pass
    return campaign.id, watch.seconds


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal's database itself, to make many campaigns out of one; nothing is synced."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-500000")
        with connection:
            yield connection


def settle(path: Path, run_id: int, first: int, last: int, hours_ago: float) -> None:
    """Make rows of a campaign sent, as the sender would have."""
    at = time.time() - hours_ago * 3600
    with database(path) as connection:
        connection.execute(
            "UPDATE rows SET state = 'sent', attempts = 1, left_at = ?, earliest_portal_time = ?, sent_at = ?, "
            "message_id = ? + n WHERE run_id = ? AND n BETWEEN ? AND ?",
            (at, at, at, run_id * 10_000_000, run_id, first, last),
        )
        moved = last - first + 1
        connection.execute(
            "UPDATE runs SET count_pending = count_pending - ?, count_sent = count_sent + ? WHERE id = ?",
            (moved, moved, run_id),
        )
        connection.execute(
            "UPDATE runs SET stage = CASE WHEN count_pending = 0 THEN 'finished' ELSE 'stopped' END, created_at = ?, "
            "ended_at = ?, seen_at = ? WHERE id = ?",
            (at - 1, at, at, run_id),
        )


def copy_campaign(path: Path, run_id: int) -> int:
    """Another campaign with as many rows in the same states, to the same chats with other texts; its number."""
    with database(path) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)") if row[1] != "id"]
        changed = ["content || '+'" if name == "content" else name for name in columns]
        cursor = connection.execute(
            f"INSERT INTO runs ({', '.join(columns)}) SELECT {', '.join(changed)} FROM runs WHERE id = ?", (run_id,)
        )
        new = int(cursor.lastrowid or 0)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(rows)")]
        values = {
            "run_id": str(new),
            "message_id": f"message_id + {(new - run_id) * 10_000_000}",
            # spread again: texts differ from campaign to campaign
            "fingerprint": f"(fingerprint + {new}) * 7046029254386353131 % 4611686018427387904",
        }
        connection.execute(
            f"INSERT INTO rows ({', '.join(columns)}) SELECT {', '.join(values.get(name, name) for name in columns)} "
            "FROM rows WHERE run_id = ? ORDER BY n",
            (run_id,),
        )
    return new
