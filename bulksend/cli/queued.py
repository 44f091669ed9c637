"""Campaigns that a command leaves to workers."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bulksend.cli.console import put
from bulksend.cli.json_output import answer
from bulksend.cli.summary import summary
from bulksend.errors import UsageError
from bulksend.locale import N_, _
from bulksend.locale.formats import moment, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bulksend.campaign import Campaign
    from bulksend.jobs.queue import QueueEntry
    from bulksend.journal import Run
    from bulksend.target import Target


_STAGES: Final = {
    "loading": N_("loading"),
    "ready": N_("ready"),
    "running": N_("running"),
    "stopped": N_("stopped"),
    "finished": N_("finished"),
}


def require_queue(address: str | Path, *, verify: bool) -> None:
    """Make sure that campaigns of a journal can be left to workers, before anybody is asked anything.

    Raises:
        UsageError: they cannot.
        JournalError: the queue cannot be used.
    """
    from bulksend.jobs.queue import Queue

    Queue(address).close()
    if verify:
        raise UsageError(
            _("--verify waits until all is sent, and --queue does not: ask with `bulksend verify` once it is finished.")
        )


def require_saved(target: Target) -> None:
    """Make sure that workers can know a portal.

    Raises:
        UsageError: they cannot.
    """
    if not target.name or target.is_ephemeral:
        raise UsageError(
            _(
                "Workers know portals by the names under which they are saved: `bulksend portal add` saves this one; "
                "then give its name with --portal."
            )
        )


def entries_of(address: str | Path) -> dict[int, QueueEntry]:
    """The campaigns in the queue of a journal, by their numbers; none where it has no queue."""
    from bulksend.jobs.queue import Queue

    try:
        with Queue(address, make=False) as queue:
            return queue.entries()
    except UsageError:
        return {}


def enqueue(campaign: Campaign, address: str | Path, *, late: bool, as_json: bool) -> int:
    """Leave a campaign to workers, and return the exit code."""
    from bulksend.jobs.queue import Queue

    with Queue(address) as queue:
        campaign.release()
        run = campaign.run
        queue.put(run, late=late)
    if as_json:
        answer(summary(run, "queued", None, 0))
        return 0
    put(
        _("Campaign {run}: {left} of {total} rows are left to the workers.").format(
            run=run.id, left=number(run.counts.left), total=number(run.counts.total)
        )
    )
    put(_("`bulksend runs` shows how it goes; `bulksend results {run}` writes the results sheet.").format(run=run.id))
    return 0


def standing(run: Run, entry: QueueEntry | None) -> dict[str, Any]:
    """Where a campaign is and who has it, as plain values."""
    from bulksend.journal import Stage

    if run.stage is Stage.RUNNING and run.holder is not None:
        return {"state": "stopping" if run.paused else "sending", "host": run.holder.host}
    if run.paused and run.counts.left:
        return {"state": "paused"}
    if entry is not None and run.counts.left:
        if entry.at is not None and entry.at > time.time() + 1:
            until = datetime.fromtimestamp(entry.at).astimezone()
            return {"state": "waiting", "until": until.isoformat(timespec="seconds")}
        return {"state": "queued"}
    return {"state": run.stage.value}


def in_words(where: Mapping[str, Any]) -> str:
    """The same for people."""
    match where["state"]:
        case "sending":
            return _("sending on {host}").format(host=where["host"])
        case "stopping":
            return _("stopping on {host}").format(host=where["host"])
        case "paused":
            return _("paused")
        case "queued":
            return _("queued")
        case "waiting":
            return _("waiting until {time}").format(time=moment(datetime.fromisoformat(where["until"]).timestamp()))
        case other:
            return _(_STAGES[other])
