"""``bulksend check``: everything that is wrong with a sheet, without sending anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bulksend.cli import options as opts


@click.command(short_help="Say everything that is wrong with a sheet; send nothing.")
@opts.FILE
@opts.results_option
@opts.sheet_options
@opts.json_option
def check(file: Path, **params: Any) -> int:
    """Say everything that is wrong with FILE and send nothing. Exits 0 without problems, 1 with, 2 unreadable.

    With --results a copy of the sheet is written with the problem beside each row, to filter and mend in Excel.
    """
    from bulksend.plan import examine

    plan = examine(file, opts.take_sheet_options(params), identify=False)
    report = plan.report
    if params["results"]:
        written = plan.write_problems(params["results"])
        click.echo(f"The sheet with its problems: {written}", err=True)
    if params["as_json"]:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        return 1 if report.errors else 0
    for line in report.lines():
        click.echo(line)
    rows = f"{report.good} of {report.rows} rows can be sent, to {report.chats} chats."
    click.echo(rows if report.errors else f"No problems: {rows}")
    for number, kind, entity, chat, _, message in report.preview:
        text = " ".join(message.split())
        click.echo(f"  row {number}, chat {chat} ({kind} {entity}): {text if len(text) <= 60 else text[:59] + '…'}")
    return 1 if report.errors else 0
