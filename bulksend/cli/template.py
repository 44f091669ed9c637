"""``bulksend template``: a blank sheet to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put
from bulksend.locale import _, language


@click.command(short_help="Write a blank sheet to fill in.")
@opts.FILE
@opts.option("--force", is_flag=True, help="Write over a file that is there.")
def template(file: Path, force: bool) -> int:  # noqa: FBT001 - click passes it by name
    """Write a blank sheet to fill in to FILE (.xlsx or .csv), with the right headings and columns of text."""
    from bulksend.cli.summary import in_command
    from bulksend.sheet.blank import write_blank

    written = write_blank(file, lang=language(), overwrite=force)
    put(_("Blank sheet: {path}").format(path=written))
    hint(_("Fill it in and save it, then: {command}").format(command=f"bulksend check {in_command(written)}"))
    return 0
