"""``bulksend lookup``: fill in the chat ids of a sheet that has only CRM entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put, say
from bulksend.folders import home
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.sender.settings import Sending


@click.command(short_help="Fill in the chat ids of a sheet that has only CRM entities.")
@opts.FILE
@opts.portal_option
@opts.results_option
@opts.prefer_option
@opts.reopen_option
@opts.option("--sheet", metavar="NAME", help="The sheet of a workbook; else the first visible one.")
@opts.map_option
@opts.option("--include-hidden", is_flag=True, help="Treat hidden rows like the others.")
@opts.rate_option
@opts.option(
    "--operating-limit",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Execution time allowed a method.  [default: 480]",
)
@opts.journal_option
@opts.yes_option
def lookup(file: Path, **params: Any) -> int:
    """Write a copy of FILE in which each row has a chat: that of its lead, deal, contact or company which changed last.

    Rows that name a chat keep it. With --reopen, where no dialog is active, it is the chat of the newest one that is
    not, which `bulksend send --reopen` starts again. Where there is no chat, or it may not be read, the copy says why
    beside the row. Nothing is sent. The copy is FILE.filled.xlsx or .csv, unless --results says otherwise. Exits 0
    where every row has a chat, 1 where some have none, 2 where it could not be done.
    """
    from bulksend.cli.connection import asking, require_connection
    from bulksend.cli.summary import in_command, shown_path
    from bulksend.journal import Journal
    from bulksend.queries.lookup import fill_chats
    from bulksend.target import find_target

    sending = Sending(rate=params["rate"], operating_limit=params["operating_limit"])
    params |= {"message": None, "message_file": None}
    sheet_options = opts.take_sheet_options(params, without_chats=True)
    with (
        find_target(params["portal"], home()) as target,
        Journal(opts.journal_address(params["journal"])) as journal,
        asking(journal, target, sending.options(0).rate_limit) as queries,
    ):
        require_connection(queries)
        filled = fill_chats(
            file,
            sheet_options,
            queries,
            prefer=params["prefer"],
            to=params["results"],
            reopen=bool(params["reopen"]),
        )
    for line in filled.report.lines():
        say(line)
    text = ngettext(
        "{filled} of {rows} row got a chat; had one: {had}; have none: {empty}.",
        "{filled} of {rows} rows got a chat; had one: {had}; have none: {empty}.",
        filled.rows,
    )
    words = {"filled": filled.filled, "rows": filled.rows, "had": filled.had, "empty": filled.empty}
    put(text.format(**{name: number(rows) for name, rows in words.items()}))
    put(_("Filled sheet: {path}").format(path=shown_path(filled.path)))
    if filled.filled or filled.had:
        portal = target.name or _("ADDRESS")
        command = f"bulksend send {in_command(filled.path)} --portal {portal}"
        hint(_("Then: {command}").format(command=command))
    return 1 if filled.empty else 0
