"""The ``bulksend`` command: thin shells over the library.

Only what a command needs is imported, and only when it runs, so that ``bulksend --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from importlib import import_module
from itertools import pairwise
from typing import Any, Final, NamedTuple, NoReturn

import click

from bulksend.cli.console import (
    NothingSent,
    OutputError,
    ReaderGone,
    describe_bug,
    describe_os_error,
    hint,
    quiet,
    say,
    say_traceback,
)
from bulksend.cli.json_output import BROKEN, HELD, NOT_STARTED, JsonAnswer, asked_by_environment, failure
from bulksend.cli.signals import INTERRUPTED, Interrupt, handle
from bulksend.cli.translation import spoken, translated
from bulksend.errors import BulksendError
from bulksend.locale import _, ngettext

REFUSED: Final = 2
STOPPED: Final = 3
"""Exit codes: 0 every row was sent, 1 some row was not, 2 it did not start, 3 it stopped early, 130 interrupted."""

COMMANDS: Final = {
    "send": "bulksend.cli.send:send",
    "check": "bulksend.cli.check:check",
    "resume": "bulksend.cli.resume:resume",
    "retry": "bulksend.cli.resume:retry",
    "verify": "bulksend.cli.verify:verify",
    "pause": "bulksend.cli.worker:pause",
    "runs": "bulksend.cli.runs:runs",
    "results": "bulksend.cli.runs:results",
    "lookup": "bulksend.cli.lookup:lookup",
    "template": "bulksend.cli.template:template",
    "portal": "bulksend.cli.portal:portal",
    "web": "bulksend.cli.web:web",
    "worker": "bulksend.cli.worker:worker",
    "sandbox": "bulksend.cli.sandbox:sandbox",
}
"""Each command and where it is, in the order in which help shows them."""

SUMMARIES: Final = {
    "send": "Check a sheet, confirm, send it, write the results sheet.",
    "check": "Say everything that is wrong with a sheet; send nothing.",
    "resume": "Continue an interrupted campaign.",
    "retry": "Send again the rows that failed or were not sent.",
    "verify": "Ask the portal which messages reached the customer.",
    "pause": "Stop a campaign, wherever it is being sent.",
    "runs": "List campaigns.",
    "results": "Write a campaign's results sheet (again).",
    "lookup": "Fill in the chat ids of a sheet that has only CRM entities.",
    "template": "Write a blank sheet to fill in.",
    "portal": "Save, list, test and remove portals.",
    "web": "The same in the browser.",
    "worker": "Send the campaigns of a journal that a team shares.",
    "sandbox": "Run the embedded portal, to rehearse on.",
}
"""What help says of each command, here so that help need not load them."""


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, name = place.split(":")
        return translated(getattr(import_module(module), name), shows_language=cmd_name == "template")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(summary)) for name, summary in SUMMARIES.items()])


def _show_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's way
    if asked:
        from bulksend.cli.version import show

        show(context)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option can also come from the environment, --portal from BULKSEND_PORTAL and so on, except --again "
    "and --resend-unknown. Exit codes: 0 every row was sent; 1 some row failed, is unknown, invalid or skipped; 2 it "
    "did not start; 3 it stopped early; 130 interrupted.",
)
@click.option(
    "--verbose", is_flag=True, is_eager=True, expose_value=True, help="With --version: all that a bug report needs."
)
@click.option("--version", is_flag=True, expose_value=False, callback=_show_version, help="Show the version and exit.")
def bulksend(verbose: bool) -> None:  # noqa: FBT001 - it says only how much --version shows
    """Send a spreadsheet of messages into Bitrix24 open-channel chats: never twice, never lost.

    To begin: `bulksend template blank.xlsx` writes a sheet to fill in, `bulksend check blank.xlsx` says what is wrong
    with it, `bulksend send blank.xlsx --portal sandbox` rehearses it, and with --portal YOURS it is sent.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line as this process and exit with its code; an error is one sentence, never a traceback."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a letter (Windows code pages) must not end a campaign.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        handle(Interrupt())
        code = run(sys.argv[1:] if arguments is None else arguments)
        handle(signal.SIG_IGN)  # its exit code is settled
    except KeyboardInterrupt:  # it came at the very beginning, or while something else was being reported
        code = INTERRUPTED
        handle(signal.SIG_IGN)
    _discard_unwritten()
    sys.exit(code)


def _open_streams() -> None:
    """Where a service or a script has closed a standard stream, Python has none: read and write nothing there."""
    if None not in {sys.stdin, sys.stdout, sys.stderr}:
        return
    from pathlib import Path

    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - open as long as the process
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - likewise


def run(arguments: list[str]) -> int:
    """Run the command line within a process that has other things to do, and return the exit code."""
    with spoken(arguments):
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    answer = JsonAnswer(asked="--json" in arguments)
    was_quiet = quiet.set(False)
    try:
        command = translated(bulksend, shows_language=True)
        code: Any = command.main(arguments, prog_name="bulksend", standalone_mode=False, obj=answer)
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except ReaderGone:
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - even what was not foreseen is one sentence
        if isinstance(error, click.UsageError) and error.ctx is not None:
            answer.asked |= asked_by_environment(error.ctx)
        error = _explained(error)
        failed = _failure(error)
        if not quiet.get() and _asks_for_events(arguments):  # the parser failed before the option was taken
            from bulksend.cli.events import to_standard_error

            to_standard_error(click.Context(bulksend), bulksend.params[0], "json")
        _say_failure(error, failed, verbose="--verbose" in arguments)
        with contextlib.suppress(OutputError):
            answer.give_failure(failed.how, failed.sentence, failed.code)
        _close_events(failure(failed.how, failed.sentence, failed.code))
        return failed.code
    finally:
        _close_events()
        quiet.reset(was_quiet)
    return code if isinstance(code, int) else 0


def _asks_for_events(arguments: list[str]) -> bool:
    return "--progress=json" in arguments or ("--progress", "json") in pairwise(arguments)


def _close_events(failed: dict[str, Any] | None = None) -> None:
    """End what was written for programs, where any was."""
    events = sys.modules.get("bulksend.cli.events")
    if events is not None:
        events.close(failed)


class _Failure(NamedTuple):
    """A command that ended by an error: its exit code, in a word for programs how, and what is said."""

    code: int
    how: str
    sentence: str


def _failure(error: BaseException) -> _Failure:
    # A terminal that is closed interrupts, and click cannot write the new line that it begins then.
    closed = isinstance(error, OSError) and isinstance(error.__context__, KeyboardInterrupt)
    if closed or isinstance(error, KeyboardInterrupt | click.Abort):
        said = str(error) if isinstance(error, click.Abort) else ""
        return _Failure(INTERRUPTED, "interrupted", said or _("Interrupted."))
    if isinstance(error, click.ClickException):
        return _Failure(REFUSED, NOT_STARTED, error.format_message())
    if isinstance(error, BulksendError):
        from bulksend.cli.hints import with_hint
        from bulksend.journal import Held

        held = isinstance(error, Held)
        return _Failure(STOPPED if held else REFUSED, HELD if held else NOT_STARTED, with_hint(error))
    if isinstance(error, OSError):
        return _Failure(REFUSED, NOT_STARTED, describe_os_error(error))
    return _Failure(STOPPED, BROKEN, describe_bug(error))


def _explained(error: Exception | KeyboardInterrupt) -> Exception | KeyboardInterrupt:
    """An error; where there are arguments too many, it says how to keep a file's name with spaces together."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return error
    sentences = (
        ngettext("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})", count)
        for count in (1, 2)
    )
    starts = tuple(sentence.partition("{")[0] for sentence in sentences)
    takes_file = any(each.name == "file" for each in error.ctx.command.params)
    if not takes_file or not error.message.startswith(starts):
        return error
    sentence = _("{problem}: put a name with spaces in quotation marks.").format(problem=error.message)
    return click.UsageError(sentence, error.ctx)


def _say_failure(error: BaseException, failed: _Failure, *, verbose: bool) -> None:
    if isinstance(error, click.ClickException):
        usage = io.StringIO()
        error.show(usage)
        hint(usage.getvalue(), end="")
        return
    plain = failed.code == INTERRUPTED or isinstance(error, NothingSent)
    say(failed.sentence if plain else _("Error: {message}").format(message=failed.sentence))
    if verbose and failed.how == BROKEN:
        say_traceback(error)


def _discard_unwritten() -> None:
    """Drop output that could not be written, or Python would try again when it ends, and end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
