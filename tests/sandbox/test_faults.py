"""The fault dial: what the caller sees, and whether the message was delivered all the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from bulksend.errors import UsageError
from bulksend.sandbox import FaultKind, Faults, Limits, Sandbox
from tests.processes import wait_until
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, call, message

BATCH: dict[str, object] = {
    "cmd": {
        f"r{n}": f"{MESSAGE_ADD}?CRM_ENTITY_TYPE=deal&CRM_ENTITY=288&USER_ID=27&CHAT_ID=8773&MESSAGE=x" for n in "12"
    }
}
REQUESTS = [pytest.param(MESSAGE_ADD, message(), 1, id="single"), pytest.param("batch", BATCH, 2, id="batch")]


def seen(portal: Sandbox, method: str, parameters: dict[str, object]) -> str:
    """What a caller sees: `lost` where the answer did not come whole, else status, kind and error."""
    try:
        answer = call(portal, method, parameters)
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return "lost"
    if "json" not in answer.headers["Content-Type"]:
        return f"{answer.status_code} html"
    try:
        return f"{answer.status_code} {answer.json().get('error', 'ok')}"
    except ValueError:
        return f"{answer.status_code} broken"


WHAT_IS_SEEN = {
    FaultKind.CLOSE_BEFORE: "lost",
    FaultKind.CLOSE_AFTER: "lost",
    FaultKind.SILENT_BEFORE: "lost",
    FaultKind.SILENT_AFTER: "lost",
    FaultKind.LATE: "lost",
    FaultKind.ERROR500_BEFORE: "500 INTERNAL_SERVER_ERROR",
    FaultKind.ERROR500_AFTER: "500 INTERNAL_SERVER_ERROR",
    FaultKind.HTML502_BEFORE: "502 html",
    FaultKind.HTML502_AFTER: "502 html",
    FaultKind.HTML200: "200 html",
    FaultKind.HTML200_AFTER: "200 html",
    FaultKind.HTML401_BEFORE: "401 html",
    FaultKind.HTML401_AFTER: "401 html",
    FaultKind.HTML404_BEFORE: "404 html",
    FaultKind.HTML404_AFTER: "404 html",
    FaultKind.NEW_SESSION: "lost",
    FaultKind.CUT_BODY: "lost",
    FaultKind.BROKEN_JSON: "200 broken",
    FaultKind.RESULT_AND_ERROR: "200 QUERY_LIMIT_EXCEEDED",
    FaultKind.EMPTY_ERROR: "200 ",
    FaultKind.SHORT_LIST: "200 ok",
    FaultKind.ONE_ID: "200 ok",
    FaultKind.NONSENSE_START: "200 ok",
    FaultKind.SERVER_AHEAD: "200 ok",
    FaultKind.QUERY_LIMIT: "503 QUERY_LIMIT_EXCEEDED",
    FaultKind.QUERY_LIMIT_200: "200 QUERY_LIMIT_EXCEEDED",
    FaultKind.OPERATING_LIMIT: "429 OPERATION_TIME_LIMIT",
    FaultKind.OPERATING_LIMIT_200: "200 OPERATION_TIME_LIMIT",
    FaultKind.OVERLOAD: "503 OVERLOAD_LIMIT",
    FaultKind.EXPIRED_TOKEN: "401 expired_token",
    FaultKind.NO_AUTH: "401 NO_AUTH_FOUND",
}


SILENT = {FaultKind.SILENT_BEFORE, FaultKind.SILENT_AFTER}


@pytest.mark.parametrize(("method", "parameters", "messages"), REQUESTS)
@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_shows_itself_and_delivers_or_not_as_it_says(
    portal: Sandbox, kind: FaultKind, method: str, parameters: dict[str, object], messages: int
) -> None:
    """The caller sees the fault; the ledger holds the messages exactly where the call was carried out."""
    portal.faults = Faults({kind: 1.0}, late_seconds=0.1, silent_seconds=0.3)
    began = time.monotonic()
    if kind.only_in_batches and messages == 1:
        assert seen(portal, method, parameters) == "200 ok"
        assert not portal.faults.happened
        return
    contradicts = {FaultKind.RESULT_AND_ERROR, FaultKind.EMPTY_ERROR} if messages > 1 else set()
    assert seen(portal, method, parameters) == ("200 ok" if kind in contradicts else WHAT_IS_SEEN[kind])
    assert time.monotonic() - began > (0.25 if kind in SILENT else 0.0)
    assert portal.drain()
    assert len(portal.ledger) == (messages if kind.carried_out else 0)
    assert portal.calls[0].fault == kind
    assert portal.faults.happened == {kind: 1}


def test_closing_resets_and_ends_connections_in_turn(portal: Sandbox) -> None:
    """A caller has to take both for the same."""
    portal.faults = Faults({"close_after": 1.0})
    reasons = []
    for _ in range(2):
        with pytest.raises(requests.ConnectionError) as caught:
            call(portal, MESSAGE_ADD, message())
        reasons.append("reset" in str(caught.value).lower())
    assert sorted(reasons) == [False, True]


def test_a_late_call_is_carried_out_after_its_caller_was_cut_off(portal: Sandbox) -> None:
    """The message is there so much later."""
    portal.faults = Faults(at={1: "late"}, late_seconds=0.3)
    assert seen(portal, MESSAGE_ADD, message()) == "lost"
    assert portal.drain()
    (delivery,), (cut,) = portal.ledger, portal.calls
    assert delivery.at - (time.time() - time.monotonic()) > cut.finished_at + 0.25


def test_a_certain_call_can_go_wrong(portal: Sandbox) -> None:
    """Calls are counted from 1, among the methods the dial is for."""
    portal.faults = Faults(at={2: "error500_before"}, methods=[MESSAGE_ADD])
    call(portal, "profile")
    assert [call(portal, MESSAGE_ADD, message()).status_code for _ in range(3)] == [200, 500, 200]
    assert call(portal, "profile").ok


def test_the_dial_of_a_method_meets_its_calls_in_batches_too(portal: Sandbox) -> None:
    """A batch counts where one of its calls is of the methods the dial is for, and not otherwise."""
    portal.faults = Faults(at={2: "close_before"}, methods=[MESSAGE_ADD])
    profiles: dict[str, object] = {"cmd": ["profile", "profile"]}
    assert seen(portal, MESSAGE_ADD, message()) != "lost"
    assert seen(portal, "batch", profiles) != "lost"
    assert seen(portal, "batch", BATCH) == "lost"


def results(portal: Sandbox) -> tuple[Any, Any]:
    """The results and errors of a batch of two messages."""
    answer = call(portal, "batch", BATCH).json()["result"]
    return answer["result"], answer["result_error"]


def test_answers_that_contradict_themselves(portal: Sandbox) -> None:
    """A result beside an error, an empty error for what was done, ids that moved up, one id for all."""
    told = {}
    for kind in ("result_and_error", "empty_error", "short_list", "one_id"):
        portal.faults = Faults({kind: 1.0})
        told[kind] = results(portal)
    ids = [delivery.message_id for delivery in portal.ledger]
    assert told["result_and_error"][0] == {"r1": ids[0], "r2": ids[1]}
    assert told["result_and_error"][1].keys() == {"r1", "r2"}
    nothing = {"error": "", "error_description": ""}
    assert told["empty_error"] == ([], {"r1": nothing, "r2": nothing})
    assert told["short_list"] == ([ids[5]], [])
    assert told["one_id"] == ({"r1": ids[6], "r2": ids[6]}, [])
    portal.faults = Faults({"result_and_error": 1.0})
    single = call(portal, MESSAGE_ADD, message()).json()
    assert single["result"] == portal.ledger[-1].message_id
    assert single["error"] == "QUERY_LIMIT_EXCEEDED"


def test_a_session_that_begins_after_a_lost_answer_hides_the_message(portal: Sandbox) -> None:
    """The history shows the customer's new words only; without any, where sessions begin empty."""
    for empty in (False, True):
        portal.world.empty_history = empty
        portal.faults = Faults(at={1: "new_session"})
        assert seen(portal, MESSAGE_ADD, message()) == "lost"
        told = call(portal, HISTORY_GET, {"CHAT_ID": 8773}).json()["result"]["message"]
        assert [entry["text"] for entry in told.values()] == ["Hello again!"] if not empty else told == []
    assert len(portal.ledger) == 2


def test_a_server_whose_clock_is_ahead_answers_some_calls(portal: Sandbox) -> None:
    """Its answer, its Date and the message's date are ahead; the next call is answered by the others."""
    portal.faults = Faults(at={1: "server_ahead"}, ahead_seconds=50)
    answers = [call(portal, MESSAGE_ADD, message()) for _ in range(2)]
    ahead, right = (answer.json()["time"]["start"] for answer in answers)
    assert ahead - right == pytest.approx(50, abs=30)
    assert parsedate_to_datetime(answers[0].headers["Date"]).timestamp() == pytest.approx(ahead, abs=30)
    assert [delivery.at for delivery in portal.ledger] == pytest.approx([ahead, right], abs=30)


def test_a_start_that_is_nonsense(portal: Sandbox) -> None:
    """Of a single call, of a batch and of the calls in it; all else is right."""
    portal.faults = Faults({"nonsense_start": 1.0})
    single, batch = call(portal, "profile").json(), call(portal, "batch", BATCH).json()
    for told in (single["time"], batch["time"], *batch["result"]["result_time"].values()):
        assert told["start"] > time.time() + 1e9
        assert told["finish"] == pytest.approx(time.time(), abs=30)


def test_the_dice_are_the_same_for_the_same_seed() -> None:
    """A run that went wrong can be repeated."""

    def run(seed: int) -> list[str | None]:
        faults = Faults.every(0.02, seed=seed)
        return [faults.pick("batch", [MESSAGE_ADD]) for _ in range(500)]

    assert run(7) == run(7) != run(8)
    assert 200 < sum(kind is not None for kind in run(7)) < 380


def test_faults_are_read_as_a_command_line_gives_them() -> None:
    """KIND=PROBABILITY and KIND@CALL."""
    faults = Faults.parse(["close_after=0.5", "late@3"], seed=1)
    assert (faults.probability, faults.at) == ({FaultKind.CLOSE_AFTER: 0.5}, {3: FaultKind.LATE})


@pytest.mark.parametrize(
    "texts", [["close_after"], ["close_after=much"], ["explode=0.1"], ["late@x"], ["late=0.9", "no_auth=0.9"]]
)
def test_a_fault_that_makes_no_sense_is_told_in_a_sentence(texts: list[str]) -> None:
    """What is wrong and what there is."""
    with pytest.raises(UsageError, match=r"\.$"):
        Faults.parse(texts)


def test_a_stopping_sandbox_does_not_wait_for_silence() -> None:
    """Calls that hang are given up at once."""
    with ThreadPoolExecutor(1) as pool:
        with Sandbox(limits=Limits.none(), faults=Faults({"silent_before": 1.0}, silent_seconds=3600)) as portal:
            call = pool.submit(seen, portal, "profile", {})
            wait_until(lambda: portal.faults.happened)
        assert call.result() == "lost"
