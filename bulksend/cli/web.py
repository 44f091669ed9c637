"""``bulksend web``: the page in the browser."""

from __future__ import annotations

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put


@click.command(short_help="The same in the browser.")
@opts.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port; else any free one.")
@opts.option("--no-open", is_flag=True, help="Do not open the browser.")
@opts.journal_option
def web(port: int, no_open: bool, journal: str | None) -> int:  # noqa: FBT001 - click passes it by name
    """Serve the page on this computer and open it in the browser.

    Closing the browser stops nothing. Ctrl-C here pauses the campaigns; the page offers to continue them next time.
    """
    from bulksend.web.server import serve

    def announce(address: str) -> None:
        put(address)
        hint("The address can be opened once, in a browser on this computer. Ctrl-C here ends the page.")
        if not no_open:
            import webbrowser

            webbrowser.open(address)

    paused = serve(opts.home(), opts.journal_address(journal), port, announce)
    if paused:
        hint(f"{paused} {'campaign' if paused == 1 else 'campaigns'} paused: the page offers to continue next time.")
    return 0
