"""Sends one campaign for a command."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bulksend.cli import REFUSED, STOPPED
from bulksend.cli.console import (
    OutputError,
    ReaderGone,
    describe_bug,
    describe_os_error,
    put,
    quiet,
    say,
    say_traceback,
)
from bulksend.cli.events import Events, emit
from bulksend.cli.hints import hints, portal_option, stop_sentence, with_hint
from bulksend.cli.json_output import answer, failure
from bulksend.cli.progress import Display, display
from bulksend.cli.signals import stopped_by_signals
from bulksend.cli.summary import exit_code, results_line, summary, tally
from bulksend.cli.verify import say_how_to_ask_again
from bulksend.errors import JournalError, UsageError
from bulksend.locale import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bulksend.campaign import Campaign
    from bulksend.cli.verify import Verified
    from bulksend.journal import Run
    from bulksend.sender.options import Options, RunResult


def run_campaign(
    campaign: Campaign,
    options: Options,
    *,
    as_json: bool,
    verbose: bool,
    verify: Callable[[], Verified] | None = None,
) -> int:
    """Send a campaign under a progress display, write its results, say how it ended, return the exit code.

    ``verify`` asks which messages reached the customer, once they are all sent.
    """
    from bulksend.journal import Action
    from bulksend.sender.options import RunResult, StopReason

    result = _send(campaign, options, verbose=verbose)
    if result.how is StopReason.INTERRUPTED:
        with suppress(JournalError):  # the campaign ended as it did
            campaign.record(Action.PAUSED)
    code, run, verified = STOPPED, None, None
    path, unwritten = _write_results(campaign)
    try:
        run = campaign.run
        code = exit_code(run, result)
    except JournalError as error:
        result = result if result.sentence else RunResult(StopReason.JOURNAL, with_hint(error))
    if verify is not None and run is not None and run.counts.sent and result.how is StopReason.ENDED:
        campaign.release()  # nothing of it is left to be sent
        verified = verify()
        code = STOPPED if verified.code == REFUSED else verified.code or code
        path, unwritten = _write_results(campaign)
        result = replace(result, sentence=verified.sentence)
    if result.sentence:
        say(_("Stopped: {reason}").format(reason=stop_sentence(result)))
    if unwritten:
        code = code or 1  # every row was sent, but nobody can see it
    reason = result.sentence or unwritten
    how = result.how.value
    facts = summary(run, how, path, code, reason) if run else failure(how, reason, code, campaign.id)
    facts |= {"delivery": verified.to_json()} if verified else {}
    emit("ended", **facts)
    _answer(run, path, verified, facts if as_json else None)
    if run is not None:
        _say_next_step(campaign, run)
        if verified is not None:
            say_how_to_ask_again(run, verified)
    return code


def _answer(run: Run | None, path: Path | None, verified: Verified | None, facts: dict[str, Any] | None) -> None:
    """Say how the campaign stands; ``facts`` where programs are to read it."""
    try:
        if facts is not None:
            answer(facts)
        elif run is not None:
            put(tally(run))
            if verified is not None:
                put(verified.line())
            if path is not None:
                put(results_line(run, path))
    except ReaderGone:
        pass
    except OutputError as error:  # the campaign ended as it did
        say(_("Error: {message}").format(message=error))


def _write_results(campaign: Campaign) -> tuple[Path | None, str]:
    """Where the results were written, or why they were not."""
    try:
        return campaign.write_results(), ""
    except (UsageError, JournalError) as error:
        sentence = with_hint(error)
        say(_("Error: {message}").format(message=sentence))
        return None, sentence


def _send(campaign: Campaign, options: Options, *, verbose: bool) -> RunResult:
    from bulksend.sender.options import RunResult, StopReason

    with (
        _display(campaign) as shown,
        stopped_by_signals(partial(_stop, campaign, shown)),
        _log(shown, verbose=verbose),
    ):
        try:
            return campaign.send(options, shown.show)
        except JournalError as error:
            return RunResult(StopReason.JOURNAL, with_hint(error))
        except OSError as error:
            return RunResult(StopReason.SYSTEM, describe_os_error(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the results sheet has to be written
            if verbose:
                say_traceback(error)
            return RunResult(StopReason.ERROR, describe_bug(error))


def _display(campaign: Campaign) -> Display:
    return Events(campaign.id, None if quiet.get() else display(campaign.run.counts))


@contextmanager
def _log(shown: Display, *, verbose: bool) -> Iterator[None]:
    """With --verbose, say what becomes of each row; never its text."""
    import logging

    class ToDisplay(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "bulksend.cli":
                shown.say(record.getMessage())

    logger, handler = logging.getLogger("bulksend"), ToDisplay(logging.INFO if verbose else logging.WARNING)
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _stop(campaign: Campaign, shown: Display) -> None:
    shown.say_soon(
        _("Stopping: waiting for the calls under way. Once more to stop at once; nothing is lost either way.")
    )
    campaign.stop()


def _say_next_step(campaign: Campaign, run: Run) -> None:
    if run.counts.sent < run.counts.total:
        for line in hints(run, campaign.codes, reopened=bool(run.settings.get("reopen"))):
            say(line)
    if run.counts.left:
        say(_("To continue: {command}").format(command=f"bulksend resume {run.id}{portal_option(run)}"))
    elif run.counts.failed:
        command = f"bulksend retry {run.id}{portal_option(run)}"
        say(_("To send the failed rows again, once their causes are removed: {command}").format(command=command))
