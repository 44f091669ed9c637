"""``bulksend portal``: saved portals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put
from bulksend.cli.json_output import answer
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import N_, _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.journal import Action
    from bulksend.queries.checkup import Finding


_OF_APPLICATIONS: Final = ("address", "client_id", "client_secret", "refresh_token", "access_token", "token_url")


@click.group(short_help="Save, list, test and remove portals.")
def portal() -> None:
    """Save, list, test and remove portals, so that an address with its secret is given only once."""


@portal.command(short_help="Save a portal.")
@click.argument("name")
@opts.option("--webhook", metavar="ADDRESS", help="An incoming webhook's address; asked for if not given.")
@opts.option("--address", metavar="ADDRESS", help="For an application: the portal's address.")
@opts.option("--client-id", metavar="ID", help="For an application: its id.")
@opts.option("--client-secret", metavar="TEXT", help="For an application: its secret; asked for if not given.")
@opts.option("--refresh-token", metavar="TEXT", help="For an application: its token; asked for if not given.")
@opts.option("--access-token", metavar="TEXT", help="For an application: the other token, if there is one.")
@opts.option("--token-url", metavar="ADDRESS", help="For an application: where tokens are renewed, if not usual.")
@opts.option(
    "--settle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long this portal may go on with an unanswered call; used where sending is not given another.",
)
@opts.option("--replace", is_flag=True, help="Write over the portal saved under this name.")
@opts.journal_option
def add(name: str, **params: Any) -> int:
    """Save a portal under NAME. What is secret is asked for without showing it, or taken from the environment."""
    from bulksend.journal import Action
    from bulksend.portal.authorisation import TOKEN_URL, application, parse_webhook
    from bulksend.portal.credential_store import PortalStore

    if _is_application(params):
        credentials: Any = application(
            params["address"] or _ask(_("The portal's address"), "--address", hidden=False),
            client_id=params["client_id"] or _ask(_("The application's id"), "--client-id", hidden=False),
            client_secret=params["client_secret"] or _ask(_("The application's secret"), "--client-secret"),
            refresh_token=params["refresh_token"] or _ask(_("The refresh token"), "--refresh-token"),
            access_token=params["access_token"] or "",
            token_url=params["token_url"] or TOKEN_URL,
        )
    else:
        credentials = parse_webhook(params["webhook"] or _ask(_("The webhook's address"), "--webhook"))
    saved = PortalStore(home()).add(name, credentials, replace=params["replace"], settle=params["settle"])
    _record(Action.PORTAL_SAVED, saved.name, params["journal"])
    put(
        _("Saved {name}: {address}. Its secret is {where}.").format(
            name=saved.name, address=saved.masked, where=saved.where
        )
    )
    hint(_("See whether it works: {command}").format(command=f"bulksend portal test {saved.name}"))
    return 0


def _is_application(params: dict[str, Any]) -> bool:
    """Whether an application is to be saved rather than a webhook; what was typed wins over the environment.

    Raises:
        UsageError: both were typed, or neither of two was.
    """
    if not (params["webhook"] and params["client_id"]):
        return not params["webhook"] and any(params[name] for name in _OF_APPLICATIONS)
    source = click.get_current_context().get_parameter_source
    webhook, client_id = (source(name) is ParameterSource.COMMANDLINE for name in ("webhook", "client_id"))
    if webhook == client_id:
        raise UsageError(_("Give --webhook, or --client-id of an application, not both."))
    return client_id


def _record(action: Action, name: str, journal: str | None) -> None:
    """Write down who saved or removed a portal."""
    from bulksend.errors import JournalError
    from bulksend.journal import Journal

    try:
        with Journal(opts.journal_address(journal)) as opened:
            opened.record(action, detail=name)
    except JournalError as error:
        hint(_("Who did this is not written down. {why}").format(why=error))


def _ask(what: str, name: str, *, hidden: bool = True) -> str:
    if not sys.stdin.isatty():
        what = f"{what[0].lower()}{what[1:]}"
        raise UsageError(_("There is no terminal to ask on: give {what} with {option}.").format(what=what, option=name))
    suffix = _(" (not shown while you paste it): ") if hidden else ": "
    return str(click.prompt(what, hide_input=hidden, prompt_suffix=suffix, err=True))


@portal.command("list", short_help="List the saved portals.")
@opts.json_option
def list_portals(as_json: bool) -> int:  # noqa: FBT001 - click passes it by name
    """List the saved portals, without their secrets."""
    from dataclasses import asdict

    from bulksend.portal.credential_store import DAMAGED, PortalStore

    found = PortalStore(home()).list()
    if as_json:
        answer([asdict(saved) for saved in found])
        return 0
    if not found:
        hint(_("No portal is saved: `bulksend portal add NAME` saves one."))
    for saved in found:
        if saved.kind == DAMAGED:
            put(f"{saved.name}  {saved.where}")
        else:
            put(
                _("{name}  {address}  ({kind}, secret {where})").format(
                    name=saved.name, address=saved.masked, kind=saved.kind, where=saved.where
                )
            )
    return 0


@portal.command(short_help="Forget a saved portal.")
@click.argument("name", shell_complete=opts.complete_portal)
@opts.journal_option
def remove(name: str, journal: str | None) -> int:
    """Forget the portal saved under NAME, with its secret."""
    from bulksend.journal import Action
    from bulksend.portal.credential_store import PortalStore

    PortalStore(home()).remove(name)
    _record(Action.PORTAL_REMOVED, name, journal)
    put(_("Forgot {name}.").format(name=name))
    return 0


@portal.command(short_help="Ask a portal who speaks and whether sending will work.")
@click.argument("name", shell_complete=opts.complete_portal)
@opts.option(
    "--chat",
    "chats",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="A chat to look at; may be repeated.  [default: some of the latest campaign]",
)
@opts.option(
    "--record",
    type=opts.OUTPUT_FILE,
    metavar="FILE",
    help="Keep the portal's answers in a file, without names, texts, secrets and real ids, to show them to others.",
)
@opts.journal_option
@opts.json_option
def test(name: str, chats: tuple[int, ...], record: Path | None, journal: str | None, as_json: bool) -> int:  # noqa: FBT001 - click passes it by name
    """Check up the portal saved under NAME (or an address). Sends nothing.

    Shows who speaks, with which rights and under which limits, whether the clocks agree, whether histories can be read,
    and how some dialogs stand. Exits 0 if the portal can be sent to, 2 if not.
    """
    from dataclasses import asdict

    from bulksend.cli.connection import asking
    from bulksend.journal import Journal
    from bulksend.portal.recording import Recorder
    from bulksend.queries.checkup import check_up, recent_chats
    from bulksend.ratelimit.limiter import RateLimit
    from bulksend.target import find_target

    recorder = Recorder()
    with find_target(name, home()) as target, Journal(opts.journal_address(journal)) as opened:
        looked_at = chats or recent_chats(opened, target.portal)
        try:
            with asking(opened, target, RateLimit(), on_answer=recorder.take) as queries:
                findings = check_up(queries, target, looked_at)
        finally:
            if record is not None:
                recorder.write(record, target.authorisation)
    if as_json:
        answer([asdict(finding) for finding in findings])
    else:
        _show_table(findings)
    if not looked_at:
        hint(_("See how a dialog stands and whether its history can be read: --chat N"))
    if record is not None:
        kept = _(
            "The answers are in {file}, without names, texts, secrets and real ids: look through it, then show it."
        )
        hint(kept.format(file=record))
    return 0


_WORDS: Final = {
    "portal": N_("portal"),
    "sign-in": N_("sign-in"),
    "rights": N_("rights"),
    "plan": N_("plan"),
    "rate": N_("rate"),
    "clock": N_("clock"),
    "execution time": N_("execution time"),
    "histories": N_("histories"),
    "chat": N_("chat"),
    "ok": N_("ok"),
    "warning": N_("warning"),
    "not told": N_("not told"),
}
"""What a check-up looks at, and how it stands, in the table for people."""


def _show_table(findings: Sequence[Finding]) -> None:
    rows = []
    for finding in findings:
        chat = f" {finding.chat}" if finding.chat else ""
        rows.append((f"{_(_WORDS[finding.what])}{chat}", _(_WORDS[finding.mark]), finding.words))
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    for what, mark, words in rows:
        put(f"{what:<{first}}  {mark:<{second}}  {words}")
