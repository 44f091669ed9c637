"""A campaign carried out: under a display, ended in good order by a signal, told to its end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bulksend.cli import STOPPED
from bulksend.cli.console import NobodyReads, OutputError, put, refused_by_system, say
from bulksend.cli.json_output import answer, failure
from bulksend.cli.progress import Display, display
from bulksend.cli.signals import heeding
from bulksend.cli.summary import exit_code, shown_path, summary, tally
from bulksend.errors import JournalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend.campaign import Campaign
    from bulksend.journal import Run
    from bulksend.sender.options import Options


def carry_out(campaign: Campaign, options: Options, *, as_json: bool, verbose: bool) -> int:
    """Send a campaign under a progress display, write its results, tell how it ended, return the exit code."""
    from bulksend.sender.options import RunResult, StopReason

    with display(campaign.run.counts) as shown, _interrupts(campaign, shown), _log(shown, verbose=verbose):
        try:
            ending = campaign.send(options, shown.show)
        except JournalError as error:
            ending = RunResult(StopReason.JOURNAL, str(error))
        except OSError as error:
            ending = RunResult(StopReason.SYSTEM, refused_by_system(error))
    code, run, path = STOPPED, None, None
    try:
        path = campaign.write_results()
    except (UsageError, JournalError) as error:
        say(f"Error: {error}")
    try:
        run = campaign.run
        code = exit_code(run, ending)
    except JournalError as error:
        ending = ending if ending.sentence else RunResult(StopReason.JOURNAL, str(error))
    if ending.sentence:
        say(f"Stopped: {ending.sentence}")
    try:
        if as_json:
            facts = None if run is None else summary(run, ending.how.value, path, code, ending.sentence)
            answer(facts or failure(ending.how.value, ending.sentence, code, campaign.id))
        elif run is not None:
            put(tally(run))
            if path is not None:
                put(f"Results: {shown_path(path)}")
    except NobodyReads:
        pass
    except OutputError as error:  # the campaign is what it is
        say(f"Error: {error}")
    if run is not None:
        _say_onward(run)
    return code


@contextmanager
def _log(shown: Display, *, verbose: bool) -> Iterator[None]:
    """With --verbose, say what becomes of each row; never its text."""
    import logging

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.say(record.getMessage())

    logger, handler = logging.getLogger("bulksend"), Said(logging.INFO if verbose else logging.WARNING)
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _interrupts(campaign: Campaign, shown: Display) -> Iterator[None]:
    """Ctrl-C and a polite kill end the campaign in good order; a second one ends it at once."""
    asked = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        campaign.stop()
        shown.say("Stopping: waiting for the calls under way. Once more to stop at once; nothing is lost either way.")

    with heeding(("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"), stop):
        yield


def _say_onward(run: Run) -> None:
    if run.counts.left:
        say(f"To go on: bulksend resume {run.id}{'' if run.portal_name else ' --portal ADDRESS'}")
    elif run.counts.failed:
        say(f"To send the failed rows again, once mended: bulksend retry {run.id}")
