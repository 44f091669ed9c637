"""``bulksend sandbox``: the embedded portal in the foreground."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulksend.cli import options as opts
from bulksend.cli.console import hint, put
from bulksend.cli.summary import in_command
from bulksend.errors import UsageError
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bulksend.sandbox import Limits, Sandbox, World

_SWITCHED_OFF: dict[str, dict[str, Any]] = {"off": {"on": False}, "line-off": {"line_on": False}}
_FROM_ZERO = click.FloatRange(min=0)


def _seconds(name: str, default: float, help: str) -> Callable[[Any], Any]:  # noqa: A002 - as click calls it
    return opts.option(name, type=_FROM_ZERO, default=default, metavar="SECONDS", help=help)


@click.command(short_help="Run the embedded portal, to rehearse on.")
@opts.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port; else any free one.")
@opts.option("--secret", metavar="TEXT", help="The webhook's secret; else a random one.")
@opts.option("--world", type=opts.PATH, metavar="FILE", help="Know a sheet's chats, or what a .json describes.")
@opts.option(
    "--chats", multiple=True, metavar="NAME=VALUE", help="What chats are like, such as status=60; may be repeated."
)
@opts.option(
    "--channel",
    multiple=True,
    metavar="CONNECTOR=HOW",
    help="off, line-off, SECONDS until it confirms, or never; may be repeated.",
)
@_seconds("--latency", 0.0, "Time each HTTP request takes.")
@_seconds("--call-time", 0.0, "Time each call takes, also in a batch.")
@opts.option("--limit-rate", metavar="X,Y|off", default="50,2", help="The request bucket.", show_default=True)
@opts.option(
    "--limit-operating",
    metavar="LIMIT,WINDOW,COST|off",
    default="480,600,0.137",
    help="The execution-time budget, in seconds.",
    show_default=True,
)
@opts.option("--fault", multiple=True, metavar="KIND=P|KIND@N", help="Let calls go wrong; may be repeated.")
@opts.option(
    "--fault-all",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="P",
    help="Let calls go wrong in every way, each with P.",
)
@opts.option("--seed", type=int, default=0, metavar="N", help="Of the dice that faults are thrown with.")
@_seconds("--silent-seconds", 120.0, "How long a silent call is held.")
@_seconds("--late-seconds", 2.0, "How late a late call is carried out.")
@_seconds("--ahead-seconds", 13.0, "How far the clock of a server_ahead fault is ahead.")
@opts.option("--clock-skew", type=float, default=0.0, metavar="SECONDS", help="How far its clock is ahead.")
@opts.option("--other-traffic", type=_FROM_ZERO, default=0.0, metavar="N", help="Requests a second of somebody else.")
@opts.option("--empty-history", is_flag=True, help="Begin chats without a message of the customer's.")
@opts.option("--no-history", is_flag=True, help="Refuse to read chats back.")
@opts.option("--oauth", is_flag=True, help="Install an application too, and tell its tokens.")
@opts.option("--tls", is_flag=True, help="Serve HTTPS with a certificate made for this run.")
def sandbox(**params: Any) -> int:
    """Run a portal on this computer that behaves as Bitrix24 does, until Ctrl-C. No customer gets anything.

    Its webhook's address is the first line on standard output; GET /_sandbox/ledger shows what was delivered. Without
    --world it takes messages to any chat of any entity until it is asked for the entity's chats: then it has one of its
    own.
    """
    from bulksend.sandbox import Faults, OAuthApp, Sandbox, serve

    dial = {name: params[name] for name in ("seed", "silent_seconds", "late_seconds", "ahead_seconds")}
    chance = params["fault_all"]
    if params["fault"] and chance:
        raise UsageError(_("Give faults with --fault or with --fault-all, not with both."))
    portal = Sandbox(
        world=_world(params["world"], params["chats"], params["channel"]),
        limits=_limits(params["limit_rate"], params["limit_operating"]),
        faults=Faults.every(params["fault_all"], **dial)
        if params["fault_all"]
        else Faults.parse(params["fault"], **dial),
        latency=params["latency"],
        call_time=params["call_time"],
        tls=params["tls"],
        port=params["port"],
        secret=params["secret"],
        oauth=OAuthApp() if params["oauth"] else None,
    )
    portal.clock_skew = params["clock_skew"]
    portal.other_traffic = params["other_traffic"]
    portal.world.history_refused = params["no_history"]
    portal.world.empty_history = params["empty_history"]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    serve(portal, partial(_announce, params["world"]), stop)
    return 0


def _limits(rate: str, operating: str) -> Limits:
    from bulksend.sandbox import Limits, Operating

    try:
        bucket = None if rate == "off" else [float(part) for part in rate.split(",")]
        budget = None if operating == "off" else [float(part) for part in operating.split(",")]
        return Limits(
            rate=None if bucket is None else _pair(*bucket), operating=None if budget is None else Operating(*budget)
        )
    except (TypeError, ValueError):
        raise UsageError(
            _("Limits are numbers with commas or `off`: --limit-rate 50,2 and --limit-operating 480,600,0.137.")
        ) from None


def _pair(threshold: float, drain: float) -> tuple[float, float]:
    return threshold, drain


def _world(path: Path | None, chats: Iterable[str], channels: Iterable[str]) -> World:
    from bulksend.plan import SheetOptions, examine
    from bulksend.sandbox import World, read_world

    usual = {name.replace("-", "_"): _value(value) for name, value in map(_named, chats)}
    try:
        if path is not None and _is_description(path):
            world = read_world(path, **usual)
        else:
            rows = [] if path is None else examine(path, SheetOptions()).sandbox_rows()
            world = World.from_rows(rows, **usual)
        for connector, how in map(_named, channels):
            world.add_channel(connector, **_SWITCHED_OFF.get(how) or {"confirms_after": how})
    except (TypeError, ValueError) as error:
        raise UsageError(
            _("--chats or --channel has a value that makes no sense: {error}.").format(error=error)
        ) from None
    return world


def _is_description(world: Path) -> bool:
    return world.suffix.lower() == ".json"


def _named(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(
            _("{text!r} needs a name and a value, such as --chats status=60 or --channel telegrambot=off.").format(
                text=text
            )
        )
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _announce(world: Path | None, portal: Sandbox) -> None:
    put(portal.webhook, secrets=True)
    if portal.tls:
        put(f"certificate {portal.ca_path}")
    if portal.gate.oauth is not None:
        app = portal.oauth
        for name, value in (
            ("address", portal.rest),
            ("token-url", portal.token_endpoint),
            ("client-id", app.app.client_id),
            ("client-secret", app.app.client_secret),
            ("access-token", app.access_token),
            ("refresh-token", app.refresh_token),
        ):
            put(f"{name} {value}", secrets=True)
    sheet = None if world is None or _is_description(world) else world
    unasked = portal.world.is_open and sheet is None  # it would list other chats than those of the sheet
    file = _("FILE")
    named = in_command(sheet) if sheet else file
    command = f"bulksend send {named}{' --no-preflight' if unasked else ''} --portal {portal.webhook}"
    hint(_("The sandbox is running. In another terminal: {command}").format(command=command), secrets=True)
    if unasked:
        hint(
            _("To have it know a sheet's chats, so that it can be asked for them first: {command}").format(
                command=f"bulksend sandbox --world {file}"
            )
        )
    if portal.tls:
        hint(_("To trust it, set REQUESTS_CA_BUNDLE to {path}.").format(path=portal.ca_path))
    hint(_("Ctrl-C ends it."))
