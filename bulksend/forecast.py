"""What sending a sheet would do, known before anybody is asked: the journal is read, and stays as it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from bulksend.dispatch.slots import Slots
from bulksend.entry.codes import STOP_LISTED
from bulksend.entry.draft import NOTHING_REFUSED, Draft
from bulksend.entry.preview import Forecast, Preview
from bulksend.entry.resumption import take_up, unfinished
from bulksend.errors import UsageError
from bulksend.journal import Run, Stage, State
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.portal.methods import MESSAGE_ADD
from bulksend.ratelimit.limiter import RateLimiter
from bulksend.results import STATUS, write_run_results
from bulksend.sender.prediction import Prediction, predict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bulksend.journal import Journal, NewRow, ZoneRows
    from bulksend.plan import Plan
    from bulksend.sender.options import Options
    from bulksend.target import Target
    from bulksend.validation.stop_list import StopList


def would_be_sent() -> tuple[str, str]:
    """What the sheet of a dry run says of a row that nothing keeps from being sent."""
    return "DRY_RUN", _("This was a dry run: the row would have been sent.")


_CHUNK: Final = 1_000


class _Undo(Exception):
    """Ends a transaction so that nothing of it happens."""


def dry_run(
    journal: Journal,
    plan: Plan,
    target: Target,
    *,
    again: bool = False,
    skip_sent: bool = False,
    limit: int | None = None,
    refused: Mapping[int, tuple[str, str]] = NOTHING_REFUSED,
    results: Path | None = None,
    stop_list: StopList | None = None,
    with_other_texts: bool = False,
    once: bool = False,
    preview: Preview | None = None,
) -> Forecast:
    """Do everything that `Campaign.enter` does, and undo it.

    Args:
        journal: it is only read.
        plan: as for `Campaign.enter`.
        target: likewise.
        again: likewise.
        skip_sent: whether rows that other campaigns have sent would be left out.
        limit: as for `Campaign.enter`.
        refused: likewise.
        results: where to write what would become of each row.
        stop_list: as for `Campaign.enter`.
        once: likewise.
        preview: keeps the first messages, where more or fewer are wanted than usual.
        with_other_texts: whether it is wanted which rows of a new campaign are for chats that lately got another text,
            and, of a sheet that is sent once more, which rows were sent before.

    Raises:
        AlreadyDone: it was sent before and ``again`` is not set.
        Held: another process is sending it.
        UsageError: the sheet at ``results`` cannot be written.
    """
    again = again or target.is_ephemeral
    newest = journal.same(target.portal, plan.content)
    same = unfinished(journal, newest, again=again)
    if same is None:
        draft = Draft(
            journal,
            plan,
            target,
            again=again,
            repeats="skip" if skip_sent else None,
            limit=limit,
            refused=refused,
            stop_list=stop_list,
            with_other_texts=with_other_texts,
            once=once,
            preview=preview,
        )
        written = _write(plan, draft.rows(), results)
        run = Run(
            id=0,
            created_at=journal.now(),
            ended_at=None,
            stage=Stage.LOADING,
            reason="",
            counts=draft.counts,
            holder=None,
            **draft.described(None, {}),
        )
        return Forecast(
            run,
            draft.repeats,
            draft.preview,
            newest,
            written,
            draft.zones,
            draft.stopped,
            draft.other_texts,
            draft.duplicates,
            draft.once_more,
        )
    preview = preview or Preview()
    forecast = Forecast(same, (), preview, newest)
    with contextlib.suppress(_Undo), journal.transaction():
        repeats = take_up(
            journal,
            same,
            target,
            None,
            again=again,
            repeats="skip" if skip_sent else None,
            lift_limit=True,
            limit=limit,
            refused=refused,
            stop_list=stop_list,
        )
        run = journal.run(same.id)
        written = results and write_run_results(journal, run, results, not_sent=would_be_sent(), note=False)
        after = -1
        while (rows := journal.open_rows(same.id, State.PENDING, after, _CHUNK)) and preview.add(rows, repeats):
            after = rows[-1].n
        forecast = Forecast(
            run,
            repeats,
            preview,
            newest,
            written,
            journal.open_zones(same.id),
            journal.codes(same.id).get((State.SKIPPED, STOP_LISTED), 0),
        )
        raise _Undo
    return forecast


def predict_end(
    journal: Journal,
    target: Target,
    zones: Mapping[str, ZoneRows],
    options: Options,
    *,
    starts: int = 0,
    only: int | None = None,
) -> Prediction:
    """When the last message of these rows will have left, by all that is known of the portal's limits now.

    ``starts`` dialogs have to be started again; ``only`` so many of the rows are sent, where not all are.
    """
    limiter = RateLimiter(options.rate_limit, target.authorisation.identity)
    outlook = Slots(journal, target.portal, limiter).outlook(MESSAGE_ADD)
    return predict(zones, options, outlook, journal.now(), starts=starts, only=only)


def _write(plan: Plan, drafted: Iterator[list[NewRow]], path: Path | None) -> Path | None:
    """Read the rows to their end, and write what would become of them where that is wanted."""
    if path is None:
        for _ in drafted:
            pass
        return None
    try:
        return plan.write_rows(path, drafted, (STATUS[State.PENDING], *would_be_sent()))
    except OSError as error:
        raise UsageError(
            _("The sheet cannot be written to {path} ({reason}).").format(
                path=path, reason=reason(error) or _("write error")
            )
        ) from None
