"""What is decided from an HTTP status, a body and a failure."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.portal.error_help import HELP, advice
from bulksend.portal.methods import BATCH, MESSAGE_ADD
from bulksend.portal.outcomes import (
    Cause,
    Failure,
    Outcome,
    Reason,
    Timing,
    Verdict,
    judge,
    judge_batch,
    read_timing,
)


def said(status: int, body: Any, method: str = MESSAGE_ADD) -> Outcome:
    """What is decided from an answer."""
    return judge(status, body if isinstance(body, bytes) else json.dumps(body).encode(), None, method=method)


def error(code: Any, description: str = "") -> dict[str, Any]:
    """A portal's error."""
    return {"error": code, "error_description": description}


def test_message_id() -> None:
    """A message id is an int, whatever it came as."""
    for result in (19880117, "19880117", " 19880117 "):
        assert said(200, {"result": result}) == Outcome(Verdict.DONE, result=19880117)


@pytest.mark.parametrize("result", [0, -1, "", "0", "abc", "1.5", 1.5, True, None, [], {}, [1], {"ID": 1}, 2**63, "٣"])
def test_result_that_is_no_message_id(result: Any) -> None:
    """An answer that holds no message id does not tell whether the message arrived."""
    outcome = said(200, {"result": result})
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_KNOWN, "ANSWER_LOST")


@pytest.mark.parametrize("result", [0, True, [], {}, "text"])
def test_result_of_another_method(result: Any) -> None:
    """Other methods may give anything."""
    assert said(200, {"result": result}, "profile").result == result


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ERROR_ARGUMENT"),
        (403, "ACCESS_DENIED"),
        (400, "CHAT_NOT_IN_CRM"),
        (400, "CANCELED"),
        (400, "MESSAGE_ADD_ERROR"),
        (500, "MESSAGE_ADD_ERROR"),
        (200, "CHAT_NOT_IN_CRM"),
        (400, "SOMETHING_NEW"),
        (200, "SOMETHING_NEW"),
    ],
)
def test_refusal_of_a_row(status: int, code: str) -> None:
    """The method's own refusals, and codes nobody knows, are the row's."""
    outcome = said(status, error(code, "Nein"))
    assert (outcome.verdict, outcome.code, outcome.description) == (Verdict.REFUSED, code, "Nein")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (503, "QUERY_LIMIT_EXCEEDED", Reason.RATE),
        (200, "QUERY_LIMIT_EXCEEDED", Reason.RATE),
        (429, "OPERATION_TIME_LIMIT", Reason.OPERATING),
        (200, "operation_time_limit", Reason.OPERATING),
        (401, "expired_token", Reason.TOKEN),
        (401, "EXPIRED_TOKEN", Reason.TOKEN),
    ],
)
def test_passing_refusal(status: int, code: str, reason: Reason) -> None:
    """A limit and an old token keep a call from being carried out, for now; also in HTTP 200, in any case."""
    outcome = said(status, error(code))
    assert (outcome.verdict, outcome.reason, outcome.code) == (Verdict.NOT_CARRIED_OUT, reason, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "OVERLOAD_LIMIT"),
        (401, "NO_AUTH_FOUND"),
        (401, "INVALID_CREDENTIALS"),
        (403, "INVALID_CREDENTIALS"),
        (403, "insufficient_scope"),
        (403, "user_access_error"),
        (400, "INVALID_REQUEST"),
        (404, "ERROR_METHOD_NOT_FOUND"),
        (500, "PORTAL_DELETED"),
        (401, "CHAT_NOT_IN_CRM"),
        (401, "SOMETHING_NEW"),
        (200, "NO_AUTH_FOUND"),
    ],
)
def test_refusal_of_the_campaign(status: int, code: str) -> None:
    """What every row will meet ends the campaign; HTTP 401 always does."""
    assert said(status, error(code)).verdict is Verdict.CAMPAIGN_REFUSED


@pytest.mark.parametrize(
    ("description", "verdict"),
    [
        ("REST API is available only on commercial plans", Verdict.CAMPAIGN_REFUSED),
        ("REST API доступен только на коммерческих тарифах", Verdict.CAMPAIGN_REFUSED),
        ("Access denied! You have no access to this entity", Verdict.REFUSED),
        ("", Verdict.REFUSED),
    ],
)
def test_access_denied(description: str, verdict: Verdict) -> None:
    """ACCESS_DENIED is the row's, unless it speaks of the portal's plan."""
    assert said(403, error("ACCESS_DENIED", description)).verdict is verdict


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "INTERNAL_SERVER_ERROR"), (500, "ERROR_UNEXPECTED_ANSWER"), (200, "INTERNAL_SERVER_ERROR"), (500, "NEW")],
)
def test_something_broke_in_the_portal(status: int, code: str) -> None:
    """A portal that broke may have sent the message before."""
    assert (said(status, error(code)).verdict, said(status, error(code)).code) == (Verdict.NOT_KNOWN, code)


@pytest.mark.parametrize(
    ("status", "body", "verdict", "code"),
    [
        (502, b"<html>Bad gateway</html>", Verdict.NOT_KNOWN, "GATEWAY_ERROR"),
        (504, b"", Verdict.NOT_KNOWN, "GATEWAY_ERROR"),
        (500, b"{", Verdict.NOT_KNOWN, "GATEWAY_ERROR"),
        (503, b"[]", Verdict.NOT_KNOWN, "GATEWAY_ERROR"),
        (400, b'{"result": 5}', Verdict.NOT_KNOWN, "GATEWAY_ERROR"),
        (403, b"<html>Blocked</html>", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (404, b"<html>Not found</html>", Verdict.NOT_KNOWN, "NOT_A_REST_ADDRESS"),
        (401, b"<html>Sign in</html>", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (401, b"Authorization required", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (407, b"<html>Sign in to the proxy</html>", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (200, b"<!DOCTYPE html><title>Free wifi</title>", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (200, b"\xef\xbb\xbf\n <HTML>x</HTML>", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (200, b"<br />\n<b>Fatal error</b>: out of memory in x.php", Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (200, b'<br />\n<b>Warning</b> in x.php\n{"result": 19880117}', Verdict.NOT_KNOWN, "NOT_THE_PORTAL"),
        (200, b"", Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (204, b"", Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (200, b'{"result": 1988', Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (200, b"[" * 100_000, Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (200, b"\xff\xfe\xfd", Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (200, b"19880117", Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (200, b'{"time": {}}', Verdict.NOT_KNOWN, "ANSWER_LOST"),
        (301, b'{"result": 5}', Verdict.CAMPAIGN_REFUSED, "REDIRECTED"),
        (302, b"", Verdict.CAMPAIGN_REFUSED, "REDIRECTED"),
    ],
)
def test_answers_that_are_not_the_portals(status: int, body: bytes, verdict: Verdict, code: str) -> None:
    """Whoever answered, a call may be taken for not carried out only where that is sure."""
    outcome = said(status, body)
    assert (outcome.verdict, outcome.code) == (verdict, code)


@pytest.mark.parametrize(
    "body",
    [
        {"result": 19880117, "error": "QUERY_LIMIT_EXCEEDED"},
        {"result": [], "error": "CANCELED", "error_description": "No"},
        {"error": "", "error_description": ""},
        {"error": "", "error_description": "No"},
        {"error": 0, "error_description": "No"},
        {"error": {}},
        {"error_description": "No"},
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_answer_at_odds_with_itself(status: int, body: dict[str, Any]) -> None:
    """A result beside an error, or an error that is none, does not tell whether the message arrived."""
    assert said(status, body).verdict is Verdict.NOT_KNOWN


@pytest.mark.parametrize(("status", "code"), [(401, "NO_AUTH_FOUND"), (404, "ERROR_METHOD_NOT_FOUND")])
def test_refusal_with_the_status_of_a_page(status: int, code: str) -> None:
    """REST's own 401 and 404 stay what they are."""
    assert said(status, error(code)).verdict is Verdict.CAMPAIGN_REFUSED


@pytest.mark.parametrize(
    ("body", "code", "description"),
    [
        ({"error": {"error": "CANCELED", "error_description": "No"}}, "CANCELED", "No"),
        ({"error": {"code": "CANCELED", "message": "No"}}, "CANCELED", "No"),
        ({"error": "CANCELED", "error_description": ["x"]}, "CANCELED", ""),
    ],
)
def test_shapes_of_an_error(body: dict[str, Any], code: str, description: str) -> None:
    """An error is read in each shape that portals have given it."""
    outcome = said(400, body)
    assert (outcome.verdict, outcome.code, outcome.description) == (Verdict.REFUSED, code, description)


@pytest.mark.parametrize(("said", "kept"), [("No\0 way", "No way"), ("A half \ud83d of it", "A half ? of it")])
def test_words_that_no_journal_holds(said: str, kept: str) -> None:
    """Neither NUL, which PostgreSQL does not take, nor half of a surrogate pair, which no file takes, gets further."""
    outcome = judge(400, json.dumps({"error": said, "error_description": said}).encode(), None, method=MESSAGE_ADD)
    assert (outcome.code, outcome.description) == (kept, kept)


def test_failures() -> None:
    """What decides over a broken call is whether it left, not how it broke."""
    for cause in Cause:
        outcome = judge(None, None, Failure(left=False, cause=cause))
        assert outcome.verdict is Verdict.NOT_CARRIED_OUT
        late = cause is Cause.TOO_LATE
        assert outcome.reason is (Reason.TOO_LATE if late else Reason.UNREACHABLE)
        assert outcome.code == ("LEFT_TOO_LATE" if late else "PORTAL_UNREACHABLE")
        outcome = judge(None, None, Failure(left=True, cause=cause))
        assert (outcome.verdict, outcome.code) == (Verdict.NOT_KNOWN, "ANSWER_LOST")


@given(st.integers(100, 599), st.binary(max_size=60) | st.from_regex(rb'\{"(result|error)":.{0,20}\}', fullmatch=True))
def test_any_answer(status: int, body: bytes) -> None:
    """No answer breaks the decision, and only HTTP 2xx with a message id is a message that was sent."""
    outcome = judge(status, body, None, method=MESSAGE_ADD)
    if outcome.verdict is Verdict.DONE:
        assert status < 300
        assert int(outcome.result) > 0
    else:
        assert outcome.code


def test_timing() -> None:
    """Times are read where they make sense."""
    assert read_timing(
        {"start": 1790201451, "finish": 1790201452.5, "duration": 1.5, "operating": 0.1, "operating_reset_at": 17}
    ) == Timing(1790201451.0, 1790201452.5, 1.5, 0.1, 17.0)
    assert read_timing({"date_start": "2026-09-24T01:10:51+03:00"}) == Timing(start=1790201451.0)


@pytest.mark.parametrize("nonsense", ["1", None, -1, True, float("nan"), float("inf"), [], {}, 10**400])
def test_nonsense_times(nonsense: Any) -> None:
    """A time that makes no sense is no time."""
    assert read_timing({"operating": nonsense, "start": 5}) == Timing(start=5.0)
    assert read_timing({"operating": nonsense}) is None
    assert read_timing(nonsense) is None


METHODS = {"r1": MESSAGE_ADD, "r2": MESSAGE_ADD, "r3": MESSAGE_ADD}


def batch(result: Any, errors: Any = (), times: Any = (), status: int = 200) -> dict[str, Outcome]:
    """What is decided for each call of a batch."""
    body = {"result": {"result": result, "result_error": errors, "result_total": [], "result_time": times}}
    whole, commands = judge_batch(status, json.dumps(body).encode(), None, methods=METHODS)
    assert list(commands) == list(METHODS)
    assert whole.verdict is Verdict.DONE or set(commands.values()) == {whole}
    return commands


def in_short(commands: dict[str, Outcome]) -> list[Any]:
    """Each outcome's result, or its code."""
    return [outcome.result or outcome.code for outcome in commands.values()]


NO = {"error": "CHAT_NOT_IN_CRM", "error_description": "No"}


@pytest.mark.parametrize(
    ("result", "errors", "expected"),
    [
        ({"r1": 1, "r2": 2, "r3": 3}, [], [1, 2, 3]),
        ({"r1": 1, "r3": 3}, {"r2": NO}, [1, "CHAT_NOT_IN_CRM", 3]),
        ([], {"r1": NO, "r2": NO, "r3": NO}, ["CHAT_NOT_IN_CRM"] * 3),
        ([1, 2, 3], [], [1, 2, 3]),
        ({"0": 1, "2": 3}, {"1": NO}, [1, "CHAT_NOT_IN_CRM", 3]),
        ({"1": 2, "2": 3}, [NO], ["ANSWER_LOST"] * 3),
        ([1, None, 3], [None, NO, None], [1, "CHAT_NOT_IN_CRM", 3]),
        ([1, 3], {"r2": NO}, [1, "CHAT_NOT_IN_CRM", 3]),
        ([1, 2], {"r3": NO}, [1, 2, "CHAT_NOT_IN_CRM"]),
        ([1, 2], {"2": NO}, [1, 2, "CHAT_NOT_IN_CRM"]),
        ([1, 2], [], ["ANSWER_LOST"] * 3),
        ([2, 3], {}, ["ANSWER_LOST"] * 3),
        ({"r1": 7, "r2": 7, "r3": 3}, [], ["ANSWER_LOST", "ANSWER_LOST", 3]),
        ({"r1": 7, "r2": "7", "r3": 7}, [], ["ANSWER_LOST"] * 3),
        ({"r1": 1, "r2": 2}, {"r3": {"error": "", "error_description": ""}}, [1, 2, "UNNAMED_ERROR"]),
        ([1, 2], [NO], ["ANSWER_LOST"] * 3),
        ([1, 2, 3, 4], [], ["ANSWER_LOST"] * 3),
        ({"x": 1}, [], ["ANSWER_LOST"] * 3),
        ({"r1": 1, "r2": 2, "7": 3}, [], ["ANSWER_LOST"] * 3),
        ("text", [], ["ANSWER_LOST"] * 3),
        ({"r1": 1, "r2": 2}, [], [1, 2, "ANSWER_LOST"]),
        ({"r1": 1, "r2": 2, "r3": 3}, {"r3": NO}, [1, 2, "ANSWER_LOST"]),
        ({"r1": 1, "r2": 2, "r3": "x"}, [], [1, 2, "ANSWER_LOST"]),
    ],
)
def test_shapes_of_a_batch(result: Any, errors: Any, expected: list[Any]) -> None:
    """PHP's objects and lists are both understood, and no result is ever given to a call that it may not belong to."""
    assert in_short(batch(result, errors)) == expected


def test_batch_with_each_kind_of_refusal() -> None:
    """A call in a batch is judged as a call by itself."""
    commands = batch([], {"r1": error("OPERATION_TIME_LIMIT"), "r2": error("insufficient_scope"), "r3": "CANCELED"})
    assert [outcome.verdict for outcome in commands.values()] == [
        Verdict.NOT_CARRIED_OUT,
        Verdict.CAMPAIGN_REFUSED,
        Verdict.REFUSED,
    ]
    assert batch([], {"r1": error("INTERNAL_SERVER_ERROR")})["r1"].verdict is Verdict.NOT_KNOWN


def test_times_of_a_batch() -> None:
    """Each call of a batch has its own times; times that cannot be told apart do no harm."""
    commands = batch({"r1": 1, "r2": 2, "r3": 3}, [], {"r2": {"operating": 0.5}})
    assert commands["r2"].timing == Timing(operating=0.5)
    assert commands["r1"].timing is None
    assert in_short(batch({"r1": 1, "r2": 2, "r3": 3}, [], {"x": 1})) == [1, 2, 3]


@pytest.mark.parametrize("result", [[], 5, None, {}, {"total": 1}, "x"])
def test_answer_that_is_not_a_batchs(result: Any) -> None:
    """An answer of another shape leaves every call of the batch not known."""
    whole, commands = judge_batch(200, json.dumps({"result": result}).encode(), None, methods=METHODS)
    assert (whole.verdict, whole.code) == (Verdict.NOT_KNOWN, "ANSWER_LOST")
    assert list(commands.values()) == [whole] * 3


def test_batch_that_failed_as_a_whole() -> None:
    """A refusal or failure of the whole is that of each of its calls."""
    for outcome in (
        judge_batch(503, b'{"error": "QUERY_LIMIT_EXCEEDED"}', None, methods=METHODS),
        judge_batch(None, None, Failure(left=True, cause=Cause.CUT), methods=METHODS),
    ):
        assert list(outcome[1].values()) == [outcome[0]] * 3
    assert judge(200, b'{"result": 5}', None, method=BATCH).verdict is Verdict.NOT_KNOWN


def test_advice_says_what_to_do() -> None:
    """Every code has a sentence, in any case; one that nobody knows is at least named."""
    assert "member" in advice("CANCELED")
    assert "finished" in advice("chat_not_in_crm")
    assert "look into the chat" in advice("ANSWER_LOST")
    assert "SOMETHING_NEW" in advice("SOMETHING_NEW")
    assert advice("").endswith("administrator.")


def test_advice_where_nothing_was_to_be_sent() -> None:
    """Who only asked something is not told of a message."""
    for code, text in HELP.items():
        assert advice(code, asking=True).endswith(text.asking or text.advice)


@pytest.mark.parametrize("code", HELP)
def test_advice_without_commands(code: str) -> None:
    """It is read on a page and in a results sheet too: it names no command and no option; it is whole sentences."""
    text = HELP[code]
    assert not re.search("bulksend|--", f"{text.means} {text.advice} {text.asking}")
    assert text.means[0].islower()
    assert not text.means.endswith(".")
    assert text.advice.endswith(".")
    assert not text.asking or text.asking.endswith(".")


def test_advice_with_the_portals_words() -> None:
    """What the portal said is added, but never twice."""
    assert "(the portal says: Argument 'X' is null). " in advice("ERROR_ARGUMENT", "Argument 'X' is null.")
    assert "(the host name was not found). " in advice("PORTAL_UNREACHABLE", "the host name was not found")
    assert advice("INVALID_GRANT", advice("INVALID_GRANT")) == advice("INVALID_GRANT")
    assert "commercial plan" in advice("ACCESS_DENIED", "REST API is available only on commercial plans")
    assert "commercial plan" not in advice("ACCESS_DENIED", "Access denied!")
