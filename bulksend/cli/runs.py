"""``bulksend runs`` and ``bulksend results``: what the journal knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put
from bulksend.cli.json_output import answer
from bulksend.locale import _
from bulksend.locale.formats import moment


@click.command(short_help="List campaigns.")
@opts.journal_option
@opts.json_option
def runs(journal: str | None, as_json: bool) -> int:  # noqa: FBT001 - click passes it by name
    """List the campaigns of the journal: when, file, portal, and how many rows were sent, failed, are unknown, left."""
    from bulksend.cli.queued import entries_of, in_words, standing
    from bulksend.journal import Journal

    address = opts.journal_there(journal)
    with Journal(address) as opened:
        found = opened.runs()
    entries = entries_of(address)
    where = {run.id: standing(run, entries.get(run.id)) for run in found}
    if as_json:
        from bulksend.cli.summary import summary

        answer([{**summary(run, run.stage.value, Path(run.results_path), None), **where[run.id]} for run in found])
        return 0
    if not found:
        hint(_("There are no campaigns yet: `bulksend send FILE --portal sandbox` rehearses one."))
        return 0
    states = {run_id: in_words(one) for run_id, one in where.items()}
    wide = max(9, *map(len, states.values()))
    heads = _("run"), _("when"), _("sent"), _("failed"), _("unknown"), _("left"), _("state"), _("file → portal")
    put("{:>5}  {:16}  {:>7} {:>7} {:>7} {:>7}  {:{wide}} {}".format(*heads, wide=wide))
    for run in found:
        counts = run.counts
        put(
            f"{run.id:>5}  {moment(run.created_at):16}  {counts.sent:>7} {counts.failed:>7} "
            f"{counts.unknown + counts.sending + counts.in_doubt:>7} {counts.pending:>7}  {states[run.id]:{wide}} "
            f"{Path(run.file).name} → {run.portal_name or run.portal_address}"
        )
    return 0


@click.command(short_help="Write a campaign's results sheet (again).")
@click.argument("run", type=int)
@opts.results_option
@opts.journal_option
@opts.yes_option
def results(run: int, results: Path | None, journal: str | None, **_params: Any) -> int:
    """Write the results sheet of campaign RUN, from what the journal knows now.

    With --results it is a copy: the campaign's own results stay where they are.
    """
    from bulksend.cli.summary import results_line, tally
    from bulksend.journal import Journal
    from bulksend.results import write_run_results

    with Journal(opts.journal_there(journal)) as opened:
        found = opened.run(run)
        path = write_run_results(opened, found, results, note=results is None)
    put(tally(found))
    put(results_line(found, path))
    return 0
