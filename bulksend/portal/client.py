"""Calls to one portal: each is exactly one HTTP request, whose outcome is returned, never raised."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import quote

from bulksend.portal.authorisation import Authorisation, RenewalRefusedError, RenewalUnreachableError
from bulksend.portal.codes import PORTAL_UNREACHABLE
from bulksend.portal.deadline import Deadline
from bulksend.portal.methods import BATCH, LONGEST_BATCH, Call
from bulksend.portal.outcomes import Outcome, Reason, Verdict, judge, judge_batch
from bulksend.portal.transport import Answer, Transport


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call.

    Attributes:
        outcome: the decision.
        left_at: this computer's clock just before the HTTP request, Unix seconds.
        received_at: likewise just after it.
        portal_time: the portal's clock while it worked on the call, Unix seconds; None if the answer does not say.
    """

    outcome: Outcome
    left_at: float
    received_at: float
    portal_time: float | None


@dataclass(frozen=True, slots=True)
class BatchReply(Reply):
    """What came of a batch: as a whole, and for every key its own outcome."""

    commands: Mapping[str, Outcome] = field(default_factory=dict)


class Client:
    """A portal's REST, for any number of threads."""

    def __init__(
        self,
        authorisation: Authorisation,
        *,
        timeout: float = 65.0,
        connections: int = 32,
        on_answer: Callable[[str, Mapping[str, Any], Answer], None] = lambda *_: None,
    ) -> None:
        """Set up without connecting.

        Args:
            authorisation: whose portal, and how calls show that they may.
            timeout: seconds for an answer, counted from when its request leaves. The default is longer than the
                60 s after which a portal cuts a request (portal documentation: limits).
            connections: how many are kept open; as many as calls are made at once.
            on_answer: given each method, its parameters without credentials, and what came of the request.

        Raises:
            PortalError: the CA bundle that the environment names is not there.
        """
        self.authorisation = authorisation
        self._transport = Transport(timeout=timeout, connections=connections)
        self._on_answer = on_answer

    def __repr__(self) -> str:
        return f"Client({self.authorisation.masked})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: str, params: Mapping[str, Any], *, deadline: Deadline | None = None) -> Reply:
        """Make one call by exactly one HTTP request.

        After ``deadline`` nothing of it leaves any more, whatever it was waiting for: new credentials, a connection, or
        the computer, which slept. It is *not carried out* then, with `Reason.TOO_LATE`.

        Where the portal says that the access token has run out, it is renewed (once for all calls in flight) and
        the outcome is *not carried out*: the caller makes the call again when its pace allows.
        """
        refused = self._renewal_of_stale()
        if refused is not None:
            return Reply(refused, time.time(), time.time(), None)
        generation = self.authorisation.generation
        answer = self._post(method, params, deadline)
        outcome = judge(answer.status, answer.body, answer.failure, method=method, location=answer.location)
        outcome = self._after(outcome, generation)
        return Reply(outcome, answer.left_at, answer.received_at, _portal_time(outcome, answer))

    def batch(
        self, calls: Mapping[str, tuple[str, Mapping[str, Any]]], *, deadline: Deadline | None = None
    ) -> BatchReply:
        """Make up to 50 calls by exactly one HTTP request; the portal carries them out in their order.

        Args:
            calls: key → (method, parameters). Keys are names such as ``r1``: a portal that is given numbers may
                answer with lists. A call that fails does not keep the portal from the next.
            deadline: as for `call`.

        Raises:
            ValueError: more calls than a portal takes.
        """
        if len(calls) > LONGEST_BATCH:
            raise ValueError(f"a batch of {len(calls)} calls; a portal takes {LONGEST_BATCH}")
        refused = self._renewal_of_stale()
        if refused is not None:
            return BatchReply(refused, time.time(), time.time(), None, dict.fromkeys(calls, refused))
        generation = self.authorisation.generation
        commands = {key: f"{method}?{query_string(params)}" for key, (method, params) in calls.items()}
        answer = self._post(BATCH, {"halt": 0, "cmd": commands}, deadline)
        whole, outcomes = judge_batch(
            answer.status,
            answer.body,
            answer.failure,
            methods={key: method for key, (method, _) in calls.items()},
            location=answer.location,
        )
        whole = self._after(whole, generation)
        if whole.verdict is Verdict.DONE:
            outcomes = {key: self._after(outcome, generation) for key, outcome in outcomes.items()}
        else:
            outcomes = dict.fromkeys(calls, whole)
        return BatchReply(whole, answer.left_at, answer.received_at, _portal_time(whole, answer), outcomes)

    def reset(self) -> None:
        """Use no connection again that is open now, as after an outage; calls in flight go on undisturbed."""
        self._transport.reset()

    def close(self) -> None:
        """Close the connections that no call is using."""
        self._transport.close()

    def _post(self, method: str, params: Mapping[str, Any], deadline: Deadline | None) -> Answer:
        body = _json_body({**params, **self.authorisation.parameters()})
        answer = self._transport.post(self.authorisation.url(method), body, deadline)
        self._on_answer(method, params, answer)
        return answer

    def _after(self, outcome: Outcome, generation: int) -> Outcome:
        """Renew a token that has run out, and take secrets out of what the portal said."""
        if outcome.verdict is Verdict.DONE:
            self.authorisation.accepted(generation)
            return outcome
        if outcome.reason is Reason.TOKEN:
            outcome = self._renewal(generation) or outcome
        conceal = self.authorisation.conceal
        return replace(outcome, code=conceal(outcome.code), description=conceal(outcome.description))

    def _renewal_of_stale(self) -> Outcome | None:
        return self._renewal(self.authorisation.generation) if self.authorisation.stale else None

    def _renewal(self, generation: int) -> Outcome | None:
        """Renew the credentials of a generation; an outcome if that did not succeed."""
        try:
            self.authorisation.renew(generation)
        except RenewalRefusedError as error:
            return Outcome(Verdict.CAMPAIGN_REFUSED, error.code, str(error))
        except RenewalUnreachableError as error:
            return Outcome(Verdict.NOT_CARRIED_OUT, PORTAL_UNREACHABLE, str(error), reason=Reason.UNREACHABLE)
        return None


def call_all(client: Client, calls: Sequence[Call], deadline: Deadline | None = None) -> Reply:
    """Make calls by one HTTP request: one alone as it is, several as a batch."""
    if len(calls) == 1:
        return client.call(*calls[0], deadline=deadline)
    return client.batch({f"r{position}": call for position, call in enumerate(calls, 1)}, deadline=deadline)


def outcomes_of(reply: Reply) -> list[Outcome]:
    """The outcome of each call that `call_all` made, in their order."""
    return list(reply.commands.values()) if isinstance(reply, BatchReply) else [reply.outcome]


def portal_seconds(reply: Reply) -> float:
    """How long the portal took for the calls of a batch that it answered: by its own account, else all in all."""
    outcomes = outcomes_of(reply)
    durations = [outcome.timing.duration for outcome in outcomes if outcome.timing and outcome.timing.duration]
    return sum(durations) if len(durations) == len(outcomes) > 1 else reply.received_at - reply.left_at


def query_string(params: Mapping[str, Any]) -> str:
    """The parameters of one call in a batch, as PHP reads them: ``A=1&B[C]=2&B[D][0]=3``."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in _flat(params))


def _quoted(text: str) -> str:
    # Most of a call is names and numbers: to see that they stay as they are is a fifth of the work of quoting them.
    if text.isascii() and text.replace("_", "0").isalnum():
        return text
    return quote(text, safe="", errors="replace")


def _flat(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            for inner, item in _flat({str(name): part for name, part in value.items()}):
                name, bracket, rest = inner.partition("[")
                yield f"{key}[{name}]{bracket}{rest}", item
        elif isinstance(value, list | tuple):
            yield from _flat({key: dict(enumerate(value))})
        elif isinstance(value, bool):
            yield key, str(int(value))
        elif value is not None:
            yield key, str(value)


def _json_body(params: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as broken exports have them
        return json.dumps(params, separators=(",", ":")).encode()


def _portal_time(outcome: Outcome, answer: Answer) -> float | None:
    timing = outcome.timing
    if timing is not None and timing.start is not None:
        return timing.start
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
