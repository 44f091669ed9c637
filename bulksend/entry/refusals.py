"""Why a campaign is not begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulksend.errors import UsageError
from bulksend.locale import _, ngettext
from bulksend.locale.formats import moment, number
from bulksend.sheet.messages import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulksend.journal import Repeat, Run


class AlreadyDone(UsageError):
    """The sheet was sent to this portal before.

    Attributes:
        run: that campaign.
        sent_before: how many of its rows were left out, because yet another campaign had sent them.
    """

    def __init__(self, run: Run, sent_before: int = 0) -> None:
        self.run, self.sent_before = run, sent_before
        if sent_before:
            sentence = _(
                "This sheet was already sent to this portal as campaign {run} on {when} (sent: {sent}, left out as "
                "sent before: {sent_before})."
            )
        else:
            sentence = _("This sheet was already sent to this portal as campaign {run} on {when} (sent: {sent}).")
        super().__init__(
            sentence.format(
                run=run.id,
                when=moment(run.created_at),
                sent=number(run.counts.sent),
                sent_before=number(sent_before),
            )
        )


class SentBefore(UsageError):
    """Other campaigns sent some of the rows in the last 24 hours: ``repeats``."""

    def __init__(self, repeats: Sequence[Repeat]) -> None:
        self.repeats = repeats
        runs = sorted({run for _row, run in repeats})
        campaigns = ngettext("campaign {runs}", "campaigns {runs}", min(len(runs), 2))
        sentence = ngettext(
            "{count} row ({rows}) was sent to the same chat with the same text in the last 24 hours by {campaigns}.",
            "{count} rows ({rows}) were sent to the same chat with the same text in the last 24 hours by {campaigns}.",
            len(repeats),
        )
        super().__init__(
            sentence.format(
                count=number(len(repeats)),
                rows=listed([str(row) for row, _run in repeats[:10]], more=len(repeats[10:])),
                campaigns=campaigns.format(runs=listed([str(run) for run in runs])),
            )
        )


class CampaignChanged(UsageError):
    """The campaign is no longer what it was when somebody decided to send it."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Another process has worked on this campaign in the meantime. Nothing was changed or "
                "sent: look at it again first."
            )
        )
