"""``bulksend web``: the page in the browser, and its users."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import _, ngettext
from bulksend.locale.formats import number

if TYPE_CHECKING:
    from bulksend.web.listening import Listening


@click.group(
    short_help="The same in the browser.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",  # not every click says that it may be left out
)
@opts.option("--port", type=click.IntRange(0, 65535), metavar="N", help="The port; else any free one.")
@opts.option("--no-open", is_flag=True, help="Do not open the browser.")
@opts.option(
    "--listen",
    metavar="HOST:PORT",
    help="Listen there. Beyond this computer that needs TLS, and users (`bulksend web user add`), who sign in.",
)
@opts.option("--tls-cert", type=opts.PATH, metavar="FILE", help="The certificate, with its chain (PEM).")
@opts.option("--tls-key", type=opts.PATH, metavar="FILE", help="The certificate's key (PEM).")
@opts.option("--url", metavar="ADDRESS", help="The address that people open, if it is not https://HOST:PORT.")
@opts.queue_option
@opts.option("--metrics-token", metavar="TOKEN", help="Serve /metrics to programs that name this token (OpenMetrics).")
@opts.journal_option
@click.pass_context
def web(context: click.Context, /, **params: Any) -> int:
    """Serve the page on this computer and open it in the browser.

    Closing the browser stops nothing. Ctrl-C here pauses the campaigns; the page offers to continue them next time.
    """
    if context.invoked_subcommand is not None:
        return 0
    from bulksend.web.server import serve

    place = _place(**{name: params[name] for name in ("listen", "port", "tls_cert", "tls_key", "url")})

    def announce(address: str) -> None:
        put(address)
        if place.cert is not None:
            hint(_("Users sign in there. Ctrl-C here ends the page."))
            return
        hint(_("The address can be opened once, in a browser on this computer. Ctrl-C here ends the page."))
        if not params["no_open"]:
            import webbrowser

            webbrowser.open(address)

    address, token = opts.journal_address(params["journal"]), params["metrics_token"] or ""
    paused = serve(home(), address, place, announce, queue=params["queue"], metrics_token=token)
    if paused:
        text = ngettext(
            "{count} campaign paused: the page offers to continue next time.",
            "{count} campaigns paused: the page offers to continue next time.",
            paused,
        )
        hint(text.format(count=number(paused)))
    return 0


def _place(
    *, listen: str | None, port: int | None, tls_cert: Path | None, tls_key: Path | None, url: str | None
) -> Listening:
    """Where the page is to be served.

    Raises:
        UsageError: the options do not go together.
    """
    from bulksend.web.listening import Listening

    if (tls_cert is None) is not (tls_key is None):
        raise UsageError(_("TLS takes both a certificate and its key: give --tls-cert and --tls-key."))
    if tls_cert is not None and listen is None:
        raise UsageError(_("TLS is for a page that listens beyond this computer: give --listen too."))
    if url is not None and tls_cert is None:
        raise UsageError(_("--url is for a page that is served over TLS: give --tls-cert and --tls-key too."))
    if listen is None:
        return Listening(port=port or 0)
    if port is not None:
        raise UsageError(_("--listen names the port already: leave out --port."))
    return Listening.parse(listen, cert=tls_cert, key=tls_key, url=url or "")


@web.group(short_help="Who may use the page beyond this computer.")
def user() -> None:
    """Add, list and remove the users of a page beyond this computer, and change their passwords.

    They are kept in the journal. A password is asked for twice on a terminal, else it is the first line of standard
    input.
    """


@user.command(short_help="Add a user.")
@click.argument("name")
@opts.option(
    "--role",
    type=click.Choice(["sender", "viewer"]),
    default="sender",
    show_default=True,
    help="A viewer sees campaigns and results, and changes nothing.",
)
@opts.journal_option
def add(name: str, role: str, journal: str | None) -> int:
    """Add user NAME, with a password that is asked for."""
    from bulksend.journal import Journal, Role, User
    from bulksend.web.passwords import hashed, new_name

    who = User(new_name(name), Role(role))
    with Journal(opts.journal_address(journal)) as opened:
        if who.name in {known.name for known in opened.users()}:
            raise UsageError(_("There is a user {name} already.").format(name=who.name), code="USER_EXISTS")
        opened.add_user(who, hashed(_ask_password()))
    put(_("Added {name}.").format(name=who.name))
    return 0


@user.command("list", short_help="List the users.")
@opts.journal_option
@opts.json_option
def list_users(journal: str | None, as_json: bool) -> int:  # noqa: FBT001 - click passes it by name
    """List the users and their roles."""
    from dataclasses import asdict

    from bulksend.cli.json_output import answer
    from bulksend.journal import Journal

    with Journal(opts.journal_address(journal)) as opened:
        users = opened.users()
    if as_json:
        answer([asdict(known) for known in users])
        return 0
    if not users:
        hint(_("There are no users: `bulksend web user add NAME` adds one."))
    for known in users:
        put(f"{known.name}  {known.role}")
    return 0


@user.command(short_help="Remove a user.")
@click.argument("name")
@opts.journal_option
def remove(name: str, journal: str | None) -> int:
    """Remove user NAME and end their sessions. What they have done stays written down; their campaigns go on."""
    from bulksend.journal import Journal
    from bulksend.web.passwords import as_name

    with Journal(opts.journal_address(journal)) as opened:
        opened.remove_user(as_name(name))
    put(_("Removed {name}.").format(name=as_name(name)))
    return 0


@user.command(short_help="Change a user's password.")
@click.argument("name")
@opts.journal_option
def password(name: str, journal: str | None) -> int:
    """Change the password of user NAME, which ends their sessions."""
    from bulksend.journal import Journal
    from bulksend.web.passwords import as_name, hashed

    who = as_name(name)
    with Journal(opts.journal_address(journal)) as opened:
        if who not in {known.name for known in opened.users()}:
            raise UsageError(_("There is no user {name}.").format(name=who), code="NO_SUCH_USER")
        opened.set_password(who, hashed(_ask_password()))
    put(_("Changed the password of {name}.").format(name=who))
    return 0


def _ask_password() -> str:
    """Ask for a new password: twice on a terminal, else it is a line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt(_("Password"), hide_input=True, confirmation_prompt=_("Once more"), err=True))
