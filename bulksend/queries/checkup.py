"""A check-up of a portal: all that can be known of it without sending anything."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bulksend.errors import PortalError
from bulksend.locale import _
from bulksend.locale.formats import number
from bulksend.portal import methods
from bulksend.portal.address import is_cloud
from bulksend.portal.codes import ANSWER_LOST
from bulksend.queries.preflight import ConnectionCheck, probe
from bulksend.queries.query import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bulksend.journal import Journal
    from bulksend.portal.methods import Call
    from bulksend.portal.outcomes import Outcome
    from bulksend.queries.query import QueryRunner
    from bulksend.target import Target

CHATS: Final = 5
"""How many chats are looked at, where none are named."""

_ROWS: Final = 200
"""Among how many rows of a campaign they are looked for."""
_CLOCK_DIFFERENCE: Final = 60.0
_ENTERPRISE: Final = "_ent"


class Mark(StrEnum):
    """How something stands."""

    GOOD = "ok"
    WARNING = "warning"
    NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes:
        what: the thing, by a name that is the same in every language.
        mark: how it stands.
        words: the same for people.
        chat: which chat it is about; 0 where it is about none.
    """

    what: str
    mark: Mark
    words: str
    chat: int = 0


def recent_chats(journal: Journal, portal: str) -> list[int]:
    """Some chats of the newest campaign that was sent to a portal."""
    runs = [run for run in journal.runs() if run.portal == portal]
    rows = journal.page(runs[-1].id, limit=_ROWS) if runs else []
    return list(dict.fromkeys(row.chat_id for row in rows if row.chat_id > 0))[:CHATS]


def check_up(queries: QueryRunner, target: Target, chats: Sequence[int]) -> list[Finding]:
    """Look at a portal and at some of its chats; nothing is sent and nothing is changed.

    Raises:
        PortalError: the portal cannot be sent to; the sentence says why and what to do.
        JournalError: the journal, which holds the pace, cannot be used.
    """
    began = time.monotonic()
    connection = probe(queries)
    if not connection.good:
        raise PortalError(connection.sentence)
    took = time.monotonic() - began
    timed: list[Outcome] = []

    def ask(call: Call) -> Outcome:
        outcome = _ask(queries, call)
        timed.append(outcome)
        return outcome

    plan = methods.read_plan(ask(methods.app_info()).result)
    findings = [
        Finding(
            "portal",
            Mark.GOOD,
            _("{portal} answers in {seconds} s").format(portal=target.shown, seconds=number(round(took, 1))),
        ),
        _sign_in(target, connection),
        _rights(connection),
        _plan(plan),
        _rate(target, plan),
    ]
    looks = [_Look(chat, ask(methods.dialog_get(chat)), ask(methods.history_get(chat))) for chat in chats]
    about_chats = [_histories(looks), *(_dialog(look, active=_active(look, ask)) for look in looks)]
    ahead = _ahead(timed)
    return [*findings, _clock(ahead), _execution_time(timed), *about_chats]


@dataclass(frozen=True, slots=True)
class _Look:
    """A chat, and what the portal says of its dialog and of its history."""

    chat: int
    asked: Outcome
    history: Outcome

    @property
    def dialog(self) -> methods.Dialog | None:
        try:
            return methods.read_dialog(self.asked.result)
        except ValueError:
            return None

    @property
    def messages(self) -> int | None:
        """How many messages its last dialog has; None where it is not shown."""
        try:
            return len(methods.read_history(self.history.result).messages)
        except ValueError:
            return None


def _ask(queries: QueryRunner, call: Call) -> Outcome:
    """One call alone, whose refusal says something of this call only."""
    try:
        (outcome,) = queries.ask([call], tries=2)
    except QueryError as ended:
        return ended.outcome
    return outcome


def _plan(plan: str) -> Finding:
    return Finding("plan", Mark.GOOD, plan) if plan else Finding("plan", Mark.NOT_TOLD, _("it is told to applications"))


def _sign_in(target: Target, connection: ConnectionCheck) -> Finding:
    who = f"{connection.user_id} {connection.name}".strip()
    application = target.authorisation.identity.startswith("application")
    sentence = (
        _("an application of user {user}, who speaks for rows without a user")
        if application
        else _("a webhook of user {user}, who speaks for rows without a user")
    )
    return Finding("sign-in", Mark.GOOD, sentence.format(user=who))


def _rights(connection: ConnectionCheck) -> Finding:
    if not connection.scopes:
        return Finding("rights", Mark.NOT_TOLD, _("the first message will show whether sending works"))
    return Finding("rights", Mark.GOOD, _("{scopes}: sending will work").format(scopes=", ".join(connection.scopes)))


def _rate(target: Target, plan: str) -> Finding:
    host = urlsplit(f"//{target.portal}").hostname or ""
    if not is_cloud(host):
        words = _("outside of Bitrix24's cloud, the portal's administrator sets it")
        return Finding("rate", Mark.NOT_TOLD, words)
    burst, rate = (250, 5) if _ENTERPRISE in plan else (50, 2)
    words = _("by the documentation {burst} requests at once, then {rate} a second").format(burst=burst, rate=rate)
    return Finding("rate", Mark.GOOD if plan else Mark.NOT_TOLD, words)


def _ahead(timed: Sequence[Outcome]) -> float | None:
    """Seconds by which the portal's clock was ahead of this computer's when it last answered."""
    starts = [outcome.timing.start for outcome in timed if outcome.timing and outcome.timing.start is not None]
    return starts[-1] - time.time() if starts else None


def _clock(ahead: float | None) -> Finding:
    if ahead is None:
        return Finding("clock", Mark.NOT_TOLD, _("the portal does not say what time it is"))
    if abs(ahead) < 1:
        return Finding("clock", Mark.GOOD, _("the same as this computer's"))
    sentence = _("{seconds} s ahead of this computer's") if ahead > 0 else _("{seconds} s behind this computer's")
    words = sentence.format(seconds=number(round(abs(ahead))))
    if abs(ahead) < _CLOCK_DIFFERENCE:
        return Finding("clock", Mark.GOOD, words)
    wrong = _("hours and days go by this computer's clock, so see that it is right")
    return Finding("clock", Mark.WARNING, f"{words}: {wrong}")


def _execution_time(timed: Sequence[Outcome]) -> Finding:
    used = [outcome.timing.operating for outcome in timed if outcome.timing and outcome.timing.operating is not None]
    if not used:
        return Finding("execution time", Mark.NOT_TOLD, _("the portal does not count it"))
    words = _("it is counted; the method that was asked most has used {seconds} s")
    return Finding("execution time", Mark.GOOD, words.format(seconds=number(round(max(used), 1))))


def _histories(looks: Sequence[_Look]) -> Finding:
    if not looks:
        return Finding("histories", Mark.NOT_TOLD, _("no chat was looked at"))
    refused = Counter(look.history.code or ANSWER_LOST for look in looks if look.messages is None)
    words = _("{read} of {chats} can be read").format(read=len(looks) - refused.total(), chats=len(looks))
    if not refused:
        return Finding("histories", Mark.GOOD, words)
    lost = _("where they cannot, a message whose answer is lost stays unknown")
    return Finding("histories", Mark.WARNING, f"{words} ({', '.join(refused)}); {lost}")


def _active(look: _Look, ask: Callable[[Call], Outcome]) -> bool | None:
    """Whether a chat would take a message, None where the portal does not say."""
    if look.dialog is None or look.dialog.entity is None:
        return None
    try:
        listed = methods.read_chats(ask(methods.chat_get(*look.dialog.entity)).result)
    except ValueError:
        return None
    return look.chat in {chat.id for chat in listed}


def _dialog(look: _Look, *, active: bool | None) -> Finding:
    dialog = look.dialog
    if dialog is None:
        words = _("its dialog is not shown ({code})").format(code=look.asked.code or ANSWER_LOST)
        return Finding("chat", Mark.WARNING, words, look.chat)
    bound = f"{dialog.entity[0]} {dialog.entity[1]}" if dialog.entity else _("bound to no CRM entity")
    parts = [bound, *_state(dialog, active=active)]
    if look.messages is not None:
        parts.append(_("messages in its last dialog: {count}").format(count=number(look.messages)))
    good = active and not (dialog.silent or dialog.forbidden)
    return Finding("chat", Mark.GOOD if good else Mark.WARNING, ", ".join(parts), look.chat)


def _state(dialog: methods.Dialog, *, active: bool | None) -> Iterator[str]:
    if active is None:
        yield _("whether it is active is not told")
    else:
        yield _("active") if active else _("not active: it takes no messages now")
    if dialog.silent:
        yield _("in silent mode: the customer gets nothing")
    if dialog.forbidden:
        yield _("the customer has forbidden messages")
    elif dialog.closes_at:
        closes = time.strftime("%Y-%m-%d %H:%M", time.localtime(dialog.closes_at))
        yield _("its channel takes messages until {time}").format(time=closes)
