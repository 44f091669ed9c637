"""Decides the outcome of a call from its HTTP status, body or failure.

A message must never be sent twice, so the question behind every rule is: can the portal have carried the call out?
*Refused* and *not carried out* are said only where the answer is surely no; where that is not certain, as with a page
in place of an answer or an answer that contradicts itself, the call is *not known*. The body is read before the status,
because portals also answer errors with HTTP 200.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bulksend.locale import N_, _
from bulksend.portal.codes import (
    ACCESS_DENIED,
    ANSWER_LOST,
    EXPIRED_TOKEN,
    GATEWAY_ERROR,
    LEFT_TOO_LATE,
    NO_AUTH_FOUND,
    NOT_A_REST_ADDRESS,
    NOT_THE_PORTAL,
    PORTAL_UNREACHABLE,
    REDIRECTED,
    UNNAMED_ERROR,
    about_the_plan,
)
from bulksend.portal.methods import BATCH, MESSAGE_ADD, read_message_id

__all__ = [
    "Cause",
    "Failure",
    "Outcome",
    "Reason",
    "Timing",
    "Verdict",
    "judge",
    "judge_batch",
    "judge_batch_command",
    "read_timing",
]


class Verdict(StrEnum):
    """What a call came to."""

    DONE = "done"
    """Carried out; ``Outcome.result`` holds what the portal gave."""
    REFUSED = "refused"
    """The portal said no to this call; it was not carried out, and others may fare better."""
    NOT_CARRIED_OUT = "not carried out"
    """Surely not carried out, for a passing reason; the same call may be made again."""
    CAMPAIGN_REFUSED = "campaign refused"
    """Not carried out, for a reason that every other call will meet too."""
    NOT_KNOWN = "not known"
    """It left, and whether it was carried out cannot be known from its answer."""


class Reason(StrEnum):
    """Why a call was not carried out."""

    RATE = "rate"
    OPERATING = "operating"
    TOKEN = "token"  # noqa: S105 - the name of a reason, not a token
    UNREACHABLE = "unreachable"
    TOO_LATE = "too late"


class Cause(StrEnum):
    """What broke a call, in words for people. Whether it may be made again is for `Failure.left` to say."""

    HOST_NOT_FOUND = N_("the host name was not found")
    CONNECTION_REFUSED = N_("the connection was refused")
    NO_CONNECTION = N_("no connection could be made")
    TLS = N_("no trusted TLS connection could be made")
    PROXY = N_("the proxy did not make the connection")
    TIMED_OUT = N_("no complete answer came in time")
    CLOSED = N_("the connection was closed or broken")
    CUT = N_("the answer was cut short")
    TOO_LATE = N_("the call would have left too late")
    TOO_LARGE = N_("the answer was larger than any answer should be")


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that got no complete HTTP answer.

    Attributes:
        left: whether a byte of the request can have been handed to the network.
        cause: what happened, for people.
    """

    left: bool
    cause: Cause


@dataclass(frozen=True, slots=True)
class Timing:
    """The ``time`` part of an answer; what is missing or nonsense is None.

    Attributes:
        start: when the portal began, Unix seconds by its own clock.
        finish: when it ended, likewise.
        duration: seconds between the two.
        operating: seconds of execution time charged to this method so far.
        operating_reset_at: when the oldest part of that charge falls out, Unix seconds by the portal's clock.
    """

    start: float | None = None
    finish: float | None = None
    duration: float | None = None
    operating: float | None = None
    operating_reset_at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call came to.

    Attributes:
        verdict: the decision.
        code: the portal's error code as it gave it, or one of ours; empty when done.
        description: the portal's own words, perhaps in its language; or for a code of ours a few words of detail.
        result: what the portal gave (for a sent message its id, an int).
        reason: why it was not carried out, for `Verdict.NOT_CARRIED_OUT`.
        timing: what the portal said of time, where it said it.
    """

    verdict: Verdict
    code: str = ""
    description: str = ""
    result: Any = field(default=None, repr=False)  # a history is made of people's messages, which no log should show
    reason: Reason | None = None
    timing: Timing | None = None


_PASSING: Mapping[str, Reason] = {
    "QUERY_LIMIT_EXCEEDED": Reason.RATE,
    "OPERATION_TIME_LIMIT": Reason.OPERATING,
    EXPIRED_TOKEN: Reason.TOKEN,
}
_CAMPAIGN = frozenset(
    {
        "APPLICATION_NOT_FOUND",
        "ERROR_BATCH_METHOD_NOT_ALLOWED",
        "ERROR_METHOD_NOT_FOUND",
        "INSUFFICIENT_SCOPE",
        "INVALID_CLIENT",
        "INVALID_CREDENTIALS",
        "INVALID_GRANT",
        "INVALID_REQUEST",
        "INVALID_SCOPE",
        "INVALID_TOKEN",
        "METHOD_CONFIRM_DENIED",
        "METHOD_CONFIRM_WAITING",
        NO_AUTH_FOUND,
        "OVERLOAD_LIMIT",
        "PAYMENT_REQUIRED",
        "PORTAL_DELETED",
        "USER_ACCESS_ERROR",
        "WRONG_AUTH_TYPE",
    }
)
_REFUSED = frozenset(
    {
        ACCESS_DENIED,
        "CANCELED",
        "CHAT_NOT_IN_CRM",
        "CRM_CHAT_EMPTY_CRM_DATA",
        "CRM_CHAT_USER_NOT_ACTIVE",
        "ERROR_ARGUMENT",
        "ERROR_BATCH_LENGTH_EXCEEDED",
        "INVALID_SESSION_ID",
        "MESSAGE_ADD_ERROR",
        "MISSING_REQUIRED_PARAM",
        "WRONG_REQUEST",
    }
)
_NOT_KNOWN = frozenset({"INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"})

_LONGEST_DESCRIPTION = 500


def judge(
    status: int | None, body: bytes | None, failure: Failure | None, *, method: str = "", location: str = ""
) -> Outcome:
    """Decide what a call came to.

    Args:
        status: the HTTP status, None where there was no answer.
        body: the complete body, decompressed.
        failure: what broke the call, if anything did; then status and body do not count.
        method: the REST method that was called; its result must make sense for it.
        location: where a redirect pointed to, without path and query.
    """
    if failure is not None or status is None or body is None:
        return _broken(failure or Failure(left=True, cause=Cause.CLOSED))
    if 300 <= status < 400:
        return Outcome(
            Verdict.CAMPAIGN_REFUSED,
            REDIRECTED,
            _("HTTP {status} leads to {location}").format(status=status, location=location or "?"),
        )
    answer = _json_object(body)
    if answer is None:
        return _without_json(status, body)
    timing = read_timing(answer.get("time"))
    error = _error_in(answer)
    if error is not None:
        if answer.get("result") is not None:
            return _lost(_("the answer gives both a result and an error"), timing)
        return _refusal(*error, status=status, timing=timing)
    if status >= 400:
        return Outcome(
            Verdict.NOT_KNOWN,
            GATEWAY_ERROR,
            _("HTTP {status} without an error code").format(status=status),
            timing=timing,
        )
    if "result" not in answer:
        return _lost(_("the answer holds neither a result nor an error"), timing)
    return _result(method, answer["result"], timing)


def judge_batch(
    status: int | None,
    body: bytes | None,
    failure: Failure | None,
    *,
    methods: Mapping[str, str],
    location: str = "",
) -> tuple[Outcome, dict[str, Outcome]]:
    """Decide what a batch came to, as a whole and for each of its calls.

    Args:
        status: as for `judge`.
        body: as for `judge`.
        failure: as for `judge`.
        methods: for each call's key its method, in the order in which they were sent.
        location: as for `judge`.

    Returns:
        The whole's outcome, and one for every key. A whole that was not done gives each call its own outcome.
    """
    whole = judge(status, body, failure, method=BATCH, location=location)
    if whole.verdict is not Verdict.DONE:
        return whole, dict.fromkeys(methods, whole)
    keys = list(methods)
    try:
        named_errors = whole.result.get("result_error")
        errors = _by_key(named_errors, keys)
        failed = errors if isinstance(named_errors, Mapping) else {}
        results = _by_key(whole.result.get("result"), keys, failed=failed)
        if isinstance(named_errors, list) and not results.keys().isdisjoint(errors):
            raise ValueError("two lists for the same calls")  # noqa: TRY301 - as unreadable as what _by_key finds
    except ValueError:
        lost = _lost(_("the answer does not say which result belongs to which call"), whole.timing)
        return lost, dict.fromkeys(methods, lost)
    try:
        times = _by_key(whole.result.get("result_time"), keys, failed=failed)
    except ValueError:
        times = {}  # only hints for the pace: nothing depends on them
    commands = {
        key: judge_batch_command(
            methods[key], result=results.get(key), error=errors.get(key), timing=read_timing(times.get(key))
        )
        for key in keys
    }
    return whole, _without_shared_ids(commands, methods)


def _without_shared_ids(commands: dict[str, Outcome], methods: Mapping[str, str]) -> dict[str, Outcome]:
    """Messages that were given one id between them are not known: it can be the id of one of them at the most."""
    sent = {
        key: outcome.result
        for key, outcome in commands.items()
        if outcome.verdict is Verdict.DONE and methods[key].lower() == MESSAGE_ADD
    }
    times = Counter(sent.values())
    shared = {
        key: _lost(_("the answer gives several messages the same id"), commands[key].timing)
        for key, message_id in sent.items()
        if times[message_id] > 1
    }
    return commands | shared


def judge_batch_command(method: str, *, result: Any, error: Any, timing: Timing | None) -> Outcome:
    """Decide what one call of a batch came to, from its own parts of the batch's answer (None where it has none)."""
    if error is not None:
        if result is not None:
            return _lost(_("the answer gives both a result and an error for this call"), timing)
        code, description = _error_in({"error": error}) or ("", "")
        return _refusal(code, description, status=None, timing=timing)
    if result is None:
        return _lost(_("the answer leaves this call out"), timing)
    return _result(method, result, timing)


def read_timing(value: Any) -> Timing | None:
    """Read the ``time`` part of an answer; None if there is nothing of use in it."""
    if not isinstance(value, Mapping):
        return None
    start = _seconds(value.get("start"))
    timing = Timing(
        start=_moment(value.get("date_start")) if start is None else start,
        finish=_seconds(value.get("finish")),
        duration=_seconds(value.get("duration")),
        operating=_seconds(value.get("operating")),
        operating_reset_at=_seconds(value.get("operating_reset_at")),
    )
    return None if timing == Timing() else timing


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _moment(value: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def _broken(failure: Failure) -> Outcome:
    if failure.left:
        return _lost(_(failure.cause), None)
    code, reason = (
        (LEFT_TOO_LATE, Reason.TOO_LATE)
        if failure.cause is Cause.TOO_LATE
        else (PORTAL_UNREACHABLE, Reason.UNREACHABLE)
    )
    return Outcome(Verdict.NOT_CARRIED_OUT, code, _(failure.cause), reason=reason)


def _lost(description: str, timing: Timing | None) -> Outcome:
    return Outcome(Verdict.NOT_KNOWN, ANSWER_LOST, description, timing=timing)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _without_json(status: int, body: bytes) -> Outcome:
    # Whoever answered: the portal's PHP may have broken after the work was done, or printed a warning before its JSON.
    if status == 404:
        return Outcome(Verdict.NOT_KNOWN, NOT_A_REST_ADDRESS, f"HTTP {status}")
    if status in {401, 403, 407} or (status < 300 and body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")):
        return Outcome(Verdict.NOT_KNOWN, NOT_THE_PORTAL, _("HTTP {status} with a page").format(status=status))
    if status < 300:
        return _lost(_("the answer is not readable"), None)
    return Outcome(Verdict.NOT_KNOWN, GATEWAY_ERROR, f"HTTP {status}")


def _error_in(answer: Mapping[str, Any]) -> tuple[str, str] | None:
    """The (code, description) of an answer that holds an error; the error may be an object of its own.

    The code is empty where the answer holds no result, and an error without a name.
    """
    error = answer.get("error")
    if isinstance(error, Mapping):
        inner = error.get("error") or error.get("code") or ""
        said = error.get("error_description") or error.get("message") or answer.get("error_description")
        return _text(inner), _text(said)
    said = answer.get("error_description")
    if error or ((error is not None or said) and "result" not in answer):
        return _text(error or ""), _text(said)
    return None


def _text(value: Any) -> str:
    if value is None or isinstance(value, Mapping | list):
        return ""
    # What neither a database nor a file may be able to hold; it is nobody's words.
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return " ".join(text.split())[:_LONGEST_DESCRIPTION]


def _refusal(code: str, description: str, *, status: int | None, timing: Timing | None) -> Outcome:
    if not code:
        return Outcome(Verdict.NOT_KNOWN, UNNAMED_ERROR, description, timing=timing)
    verdict, reason = _verdict(code.upper(), description, status)
    return Outcome(verdict, code, description, reason=reason, timing=timing)


def _verdict(code: str, description: str, status: int | None) -> tuple[Verdict, Reason | None]:
    if code in _PASSING:
        return Verdict.NOT_CARRIED_OUT, _PASSING[code]
    if status == 401 or code in _CAMPAIGN or (code == ACCESS_DENIED and about_the_plan(description)):
        return Verdict.CAMPAIGN_REFUSED, None
    if code in _REFUSED:
        return Verdict.REFUSED, None
    if code in _NOT_KNOWN or (status is not None and status >= 500):
        return Verdict.NOT_KNOWN, None
    return Verdict.REFUSED, None


def _result(method: str, result: Any, timing: Timing | None) -> Outcome:
    name = method.lower()
    if name == MESSAGE_ADD:
        try:
            return Outcome(Verdict.DONE, result=read_message_id(result), timing=timing)
        except ValueError:
            return _lost(_("the answer holds no message id"), timing)
    if name == BATCH and not (isinstance(result, Mapping) and ("result" in result or "result_error" in result)):
        return _lost(_("the answer is not one to a batch"), timing)
    return Outcome(Verdict.DONE, result=result, timing=timing)


def _by_key(part: Any, keys: list[str], *, failed: Collection[str] = ()) -> dict[str, Any]:
    """Give each part of a batch's answer to the key of its call.

    PHP writes an empty array as ``[]`` and one keyed 0…n-1 as a list, so a part may be keyed by our names, by
    position, or be a list. A list that is not as long as the batch may only lack the calls that failed.

    Raises:
        ValueError: it is not clear what belongs to which call.
    """
    if part is None or part == []:
        return {}
    if isinstance(part, Mapping):
        if all(key in keys for key in part):
            return {key: value for key, value in part.items() if value is not None}
        if all(str(key).isdecimal() and int(key) < len(keys) for key in part):
            return {keys[int(key)]: value for key, value in part.items() if value is not None}
        raise ValueError("keys of no call")
    if not isinstance(part, list):
        raise ValueError("no parts of these calls")  # noqa: TRY004 - unreadable is one thing for the caller
    by_position = {key: value for key, value in zip(keys, part, strict=False) if value is not None}
    if len(part) == len(keys) and by_position.keys().isdisjoint(failed):
        return by_position
    done = [key for key in keys if key not in failed]
    if len(done) == len(part):
        return dict(zip(done, part, strict=True))
    raise ValueError("more or fewer parts than calls")
