"""``bulksend worker`` and ``bulksend pause``: campaigns that others have entered."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bulksend.cli import options as opts
from bulksend.cli.console import put
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import _
from bulksend.locale.formats import reason

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Send the campaigns of a journal that a team shares.")
@opts.option(
    "--campaigns", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N", help="How many at once."
)
@opts.option(
    "--metrics", type=click.IntRange(1, 65535), metavar="PORT", help="Serve /metrics there, to this computer alone."
)
@opts.journal_option
def worker(campaigns: int, metrics: int | None, journal: str | None) -> int:
    """Send what was entered with --queue, N campaigns at once, until this is stopped.

    Any number of workers may share a journal on PostgreSQL. Each sends through the portals that are saved on its own
    machine, and takes over what another one left that has died. Ctrl-C or SIGTERM hands all campaigns over.
    """
    from bulksend.cli import worker_processes as processes
    from bulksend.cli.signals import stopped_by_signals
    from bulksend.jobs.queue import Queue

    address = opts.journal_address(journal)
    Queue(address).close()  # it says in a sentence what is missing
    if metrics is not None:
        _serve_metrics(metrics, address)
    if len(parts := processes.shares(campaigns)) > 1:
        return processes.work(address, home(), parts)
    made = processes.make_worker(address, home(), campaigns)
    with stopped_by_signals(processes.announced(made.stop)):
        made.run()
    return 0


def _serve_metrics(port: int, journal: str | Path) -> None:
    from bulksend.metrics.server import serve_metrics

    try:
        serve_metrics(port, journal)
    except OSError as error:
        raise UsageError(
            _("The metrics cannot be served on port {port} ({why}): choose another.").format(
                port=port, why=reason(error)
            )
        ) from None


@click.command(short_help="Stop a campaign, wherever it is being sent.")
@click.argument("run", type=int)
@opts.journal_option
def pause(run: int, journal: str | None) -> int:
    """Have campaign RUN stop within a few seconds, whoever sends it, here or elsewhere.

    Calls under way are waited for. `bulksend resume RUN` continues it.
    """
    from bulksend.jobs.queue import Queue
    from bulksend.journal import Action, Journal

    address = opts.journal_there(journal)
    with Journal(address) as opened:
        found = opened.run(run)
        if not found.counts.left:
            raise UsageError(_("Campaign {run} has no rows left to send.").format(run=run))
        opened.pause(run)
        opened.record(Action.PAUSED, run)
    with suppress(UsageError), Queue(address, make=False) as queue:
        queue.remove(run)
    said = _("Campaign {run}: it stops within a few seconds.") if found.holder else _("Campaign {run}: paused.")
    put(said.format(run=run))
    return 0
