"""A campaign sent under a progress display, stopped in good order by a signal, and reported on at its end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bulksend.cli import STOPPED
from bulksend.cli.console import OutputError, ReaderGone, describe_bug, describe_os_error, put, say, say_traceback
from bulksend.cli.hints import hints
from bulksend.cli.json_output import answer, failure
from bulksend.cli.progress import Display, display
from bulksend.cli.signals import handled
from bulksend.cli.summary import exit_code, shown_path, summary, tally
from bulksend.errors import JournalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend.campaign import Campaign
    from bulksend.journal import Run
    from bulksend.sender.options import Options, RunResult


def run_campaign(campaign: Campaign, options: Options, *, as_json: bool, verbose: bool) -> int:
    """Send a campaign under a progress display, write its results, say how it ended, return the exit code."""
    from bulksend.sender.options import RunResult, StopReason

    result = _send(campaign, options, verbose=verbose)
    code, run, path = STOPPED, None, None
    unwritten = ""
    try:
        path = campaign.write_results()
    except (UsageError, JournalError) as error:
        unwritten = str(error)
        say(f"Error: {unwritten}")
    try:
        run = campaign.run
        code = exit_code(run, result)
    except JournalError as error:
        result = result if result.sentence else RunResult(StopReason.JOURNAL, str(error))
    if result.sentence:
        say(f"Stopped: {result.sentence}")
    if unwritten:
        code = code or 1  # every row was sent, but nobody can see it
    try:
        if as_json:
            reason = result.sentence or unwritten
            facts = None if run is None else summary(run, result.how.value, path, code, reason)
            answer(facts or failure(result.how.value, reason, code, campaign.id))
        elif run is not None:
            put(tally(run))
            if path is not None:
                put(f"Results: {shown_path(path)}")
    except ReaderGone:
        pass
    except OutputError as error:  # the campaign ended as it did
        say(f"Error: {error}")
    if run is not None:
        _say_next_step(campaign, run)
    return code


def _send(campaign: Campaign, options: Options, *, verbose: bool) -> RunResult:
    from bulksend.sender.options import RunResult, StopReason

    with display(campaign.run.counts) as shown, _stopped_by_signals(campaign, shown), _log(shown, verbose=verbose):
        try:
            return campaign.send(options, shown.show)
        except JournalError as error:
            return RunResult(StopReason.JOURNAL, str(error))
        except OSError as error:
            return RunResult(StopReason.SYSTEM, describe_os_error(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the results sheet has to be written
            if verbose:
                say_traceback(error)
            return RunResult(StopReason.ERROR, describe_bug(error))


@contextmanager
def _log(shown: Display, *, verbose: bool) -> Iterator[None]:
    """With --verbose, say what becomes of each row; never its text."""
    import logging

    class ToDisplay(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.say(record.getMessage())

    logger, handler = logging.getLogger("bulksend"), ToDisplay(logging.INFO if verbose else logging.WARNING)
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _stopped_by_signals(campaign: Campaign, shown: Display) -> Iterator[None]:
    """Ctrl-C and a polite kill stop the campaign in good order; a second one ends the command at once."""
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            shown.say_soon(
                "Stopping: waiting for the calls under way. Once more to stop at once; nothing is lost either way."
            )
            campaign.stop()
        elif callable(before[number]):
            before[number](number, frame)
        else:
            raise KeyboardInterrupt

    with handled(stop) as before:
        yield


def _say_next_step(campaign: Campaign, run: Run) -> None:
    if run.counts.sent < run.counts.total:
        for line in hints(run.id, campaign.codes):
            say(line)
    if run.counts.left:
        say(f"To continue: bulksend resume {run.id}{'' if run.portal_name else ' --portal ADDRESS'}")
    elif run.counts.failed:
        say(f"To send the failed rows again, once their causes are removed: bulksend retry {run.id}")
