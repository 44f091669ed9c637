"""The options that several commands take, each described once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bulksend.cli.console import say_warnings
from bulksend.cli.json_output import current
from bulksend.errors import UsageError
from bulksend.folders import home
from bulksend.locale import _
from bulksend.sender.settings import BATCH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulksend.plan import SheetOptions


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """A click option that can also come from the environment, as ``BULKSEND_`` and its name."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "BULKSEND_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def typed_option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """A click option that has to be typed: a forgotten variable must not message a customer again."""
    return click.option(*names, **settings)


def combine(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator; help shows them in this order."""

    def decorate(command: Any) -> Any:
        return functools.reduce(lambda decorated, one: one(decorated), reversed(options), command)

    return decorate


PATH: Final = click.Path(path_type=Path, readable=False)
"""What cannot be read is found where it is opened: click would say less of it, and in English."""
OUTPUT_FILE: Final = click.Path(path_type=Path, readable=False, dir_okay=False)

FILE: Final = click.argument("file", type=PATH, is_eager=True)  # `--results` is compared with it


def complete_portal(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The names of saved portals that begin so, for the shell's completion."""
    from bulksend.portal.credential_store import PortalStore

    return [saved.name for saved in PortalStore(home()).list() if saved.name.startswith(begun)]


portal_option = option(
    "--portal",
    metavar="PORTAL",
    shell_complete=complete_portal,
    help="A saved name, a webhook's address, or `sandbox`.",
)
journal_option = option("--journal", metavar="PATH", help="Use another journal.")


def _results_path(context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    say_warnings(context, "bulksend.sheet")  # whoever writes results may find that somebody has changed the old ones
    if path is None:
        return None
    from bulksend.results import check_path

    return check_path(path, context.params.get("file"))


results_option = option(
    "--results",
    type=PATH,
    metavar="PATH",
    callback=_results_path,
    help="Where results go: .xlsx or .csv.",
)
yes_option = option("--yes", is_flag=True, help="Do not ask for confirmation.")


def _note_json(context: click.Context, _parameter: click.Parameter, asked: bool) -> bool:  # noqa: FBT001 - click's way
    current(context).asked = asked
    return asked


json_option = option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,  # also what is wrong with the other options is answered in JSON
    callback=_note_json,
    help="The summary as one JSON object on standard output.",
)


def _to_standard_error(context: click.Context, parameter: click.Parameter, form: str | None) -> str | None:
    if form is None:
        return None
    from bulksend.cli.events import to_standard_error

    return to_standard_error(context, parameter, form)


def _to_file(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is None:
        return None
    from bulksend.cli.events import to_file

    return to_file(context, parameter, path)


progress_option = option(
    "--progress",
    type=click.Choice(["json"]),
    is_eager=True,  # what is wrong with the other options is an event too
    expose_value=False,
    callback=_to_standard_error,
    help="Write what happens to standard error for programs: one JSON object a line.",
)
log_file_option = option(
    "--log-file",
    type=OUTPUT_FILE,
    is_eager=True,
    expose_value=False,
    metavar="PATH",
    callback=_to_file,
    help="Write what happens to a file too: one JSON object a line, no texts and no secrets.",
)
verbose_option = option("--verbose", is_flag=True, help="Say what becomes of each row, and more when something breaks.")
skip_sent_option = option(
    "--skip-sent",
    is_flag=True,
    help="Leave out rows that another campaign sent in the last 24 hours, or that were sent or may have been, by a "
    "results sheet.",
)
verify_option = option("--verify", is_flag=True, help="At the end, ask the portal which messages reached the customer.")
queue_option = option("--queue", is_flag=True, help="Leave it to those who run `bulksend worker`.")
user_option = option("--user-id", type=click.IntRange(min=1), metavar="N", help="Who speaks, for rows without a user.")

prefer_option = option("--prefer", metavar="CHANNEL", help="Of several chats take one of this channel: whatsapp, …")
rate_option = option(
    "--rate", type=click.FloatRange(min=0), metavar="CALLS", help="Calls a second; 0: no limit.  [default: 2]"
)


class _Pair(click.types.StringParamType):
    """FIELD=HEADING. In the environment there may be several, one a line or with semicolons: headings have spaces."""

    @staticmethod
    def split_envvar_value(rv: str) -> Sequence[str]:
        """The pairs of ``BULKSEND_MAP``."""
        return [pair for pair in rv.split("\n" if "\n" in rv else ";") if pair.strip()]


map_option = option(
    "--map", "mapping", type=_Pair(), multiple=True, metavar="FIELD=HEADING", help="Name a column; may be repeated."
)

sheet_options = combine(
    option("--sheet", metavar="NAME", help="The sheet of a workbook; else the first visible one."),
    map_option,
    option("--message", metavar="TEXT", help="A message template over the sheet's columns: 'Dear {{ name }}, …'."),
    option("--message-file", metavar="PATH", help="A message template from a file, or a ready-made one by its name."),
    option("--include-hidden", is_flag=True, help="Treat hidden rows like the others."),
)

reopen_option = option(
    "--reopen/--no-reopen",
    default=None,
    help="Start dialogs that are finished again; the webhook's user becomes their operator.",
)

schedule_options = combine(
    option("--at", metavar="TIME", help="Begin then: 10:00, 'tomorrow 10:00', '2026-11-24 10:00+03:00'."),
    option("--hours", metavar="FROM-TO", help="Messages leave only in these hours: 09:00-20:00."),
    option("--days", metavar="DAYS", help="Messages leave only on these days: mon-fri."),
    option(
        "--timezone",
        metavar="ZONE",
        help="Whose clock that is, for rows without a TIMEZONE: Europe/Moscow, +05:00, МСК+2.  "
        "[default: the computer's]",
    ),
    option("--over", metavar="DURATION", help="Spread the messages evenly over so long: 6h, 10m."),
    option("--not-after", metavar="TIME", help="Leave out what has not left by then; never: there is no such time."),
    option(
        "--stop-list",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="A sheet of chats or CRM entities that are not to be messaged; may be repeated.",
    ),
)

pace_options = combine(
    rate_option,
    option("--batch", type=click.IntRange(1, BATCH_LIMIT), metavar="N", help="Rows a call, 1 to 50.  [default: 1]"),
    option("--burst", type=click.IntRange(min=1), metavar="N", help="Calls that may go out at once.  [default: 1]"),
    option("--fast", is_flag=True, help="The largest batch and burst that the portal's limits allow."),
)

sending_options = combine(
    pace_options,
    option("--max-in-flight", type=click.IntRange(1, 500), metavar="N", help="Calls waiting for answers at once."),
    option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        metavar="SECONDS",
        help="Time limit for an answer.  [default: 65]",
    ),
    option(
        "--settle",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="How long after an unanswered call the portal may still be carrying it out.  [default: 60]",
    ),
    option(
        "--outage",
        type=click.FloatRange(min=0),
        metavar="MINUTES",
        help="How long a portal that went out of reach is waited for.  [default: 15]",
    ),
    option(
        "--operating-limit",
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="Execution time that the portal allows a method.  [default: 480]",
    ),
    option("--max-failures", metavar="N|P%", help="Stop after more failures than this."),
    option("--join/--no-join", default=None, help="Let a speaker who is not in a chat join it."),
    reopen_option,
    schedule_options,
    option("--late", is_flag=True, help="Begin also long after --at."),
)


def take_sheet_options(
    params: dict[str, Any], *, without_chats: bool = False, without_sent: bool = False
) -> SheetOptions:
    """Take the options of `sheet_options` out of a command's parameters.

    Raises:
        UsageError: they contradict each other.
        TemplateError: the template's file cannot be read.
    """
    from bulksend.plan import SheetOptions

    mapping = {}
    for pair in params.pop("mapping"):
        name, equals, heading = pair.partition("=")
        if not equals or not name.strip() or not heading.strip():
            raise UsageError(
                _("--map takes FIELD=HEADING, such as --map CHAT_ID='Chat no.', not {pair!r}.").format(pair=pair)
            )
        mapping[name.strip().upper()] = heading.strip()
    message, message_file = params.pop("message"), params.pop("message_file")
    if message is not None and message_file is not None:
        raise UsageError(_("Give the template with --message or with --message-file, not with both."))
    if message_file is not None:
        from bulksend.template import load_template

        message = load_template(message_file)
    return SheetOptions(
        sheet=params.pop("sheet"),
        mapping=mapping,
        message=message,
        include_hidden=params.pop("include_hidden"),
        without_chats=without_chats,
        without_sent=without_sent,
    )


def journal_address(named: str | None) -> str | Path:
    """The journal to use: the one named, else the one in the data folder."""
    return named or home() / "journal.db"


def journal_there(named: str | None) -> str | Path:
    """The journal to use for what only a journal that is there can tell.

    Raises:
        UsageError: a file is named that is not there: a new journal in its place would know of nothing that was sent.
    """
    if named and "://" not in named and not Path(named).exists():
        raise UsageError(_("There is no journal at '{path}': check --journal and BULKSEND_JOURNAL.").format(path=named))
    return journal_address(named)
