"""The method `batch`: many calls in one request."""

from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from bulksend.sandbox import Limits, Sandbox
from tests.sandbox.conftest import MESSAGE_ADD, call, message


def command(**changes: Any) -> str:
    """One call of a batch that sends a message."""
    return f"{MESSAGE_ADD}?{urlencode(message(**changes))}"


def test_calls_run_in_order_and_each_has_its_own_outcome(portal: Sandbox) -> None:
    """HTTP 200; the bad one stands in result_error with its code, the others in result with their ids."""
    commands = {"r1": command(MESSAGE="a"), "r2": command(CHAT_ID=404), "r3": command(MESSAGE="c")}
    answer = call(portal, "batch", {"halt": 0, "cmd": commands})
    result = answer.json()["result"]
    first, third = portal.ledger
    assert answer.status_code == 200
    assert result["result"] == {"r1": first.message_id, "r3": third.message_id}
    assert (first.text, third.text) == ("a", "c")
    assert result["result_error"]["r2"]["error"] == "CHAT_NOT_IN_CRM"
    assert set(result["result_time"]) == {"r1", "r3"}
    assert result["result_total"] == result["result_next"] == []
    assert "time" in answer.json()


def test_an_empty_array_is_written_as_a_list(portal: Sandbox) -> None:
    """PHP does not know an empty object: no errors are [], no results are []."""
    assert call(portal, "batch", {"cmd": {"r1": "profile"}}).json()["result"]["result_error"] == []
    refused = call(portal, "batch", {"cmd": {"r1": command(CHAT_ID=404)}}).json()["result"]
    assert refused["result"] == refused["result_time"] == []
    assert call(portal, "batch").json()["result"]["result"] == []


@pytest.mark.parametrize("commands", [["server.time", "scope"], {"0": "server.time", "1": "scope"}])
def test_results_keyed_from_nought_become_a_list(portal: Sandbox, commands: object) -> None:
    """Whether the calls came as a list or under the keys 0 and 1."""
    result = call(portal, "batch", {"cmd": commands}).json()["result"]
    assert isinstance(result["result"], list)
    assert result["result"][1] == portal.scopes
    assert isinstance(result["result_time"], list)


def test_a_portal_that_answers_lists_counts_every_call(portal: Sandbox) -> None:
    """With the dial on, keys are positions: a list where none failed before, else an object of what is there."""
    portal.list_batches = True
    good = call(portal, "batch", {"cmd": {"r1": "scope", "r2": "scope"}}).json()["result"]
    assert good["result"] == [portal.scopes, portal.scopes]
    mixed = call(portal, "batch", {"cmd": {"r1": "scope", "r2": "nonsense", "r3": "scope"}}).json()["result"]
    assert mixed["result"] == {"0": portal.scopes, "2": portal.scopes}
    assert mixed["result_error"]["1"]["error"] == "ERROR_METHOD_NOT_FOUND"


def test_halt_stops_at_the_first_error_and_only_then(portal: Sandbox) -> None:
    """halt: 1 leaves out what comes after the refused call; halt: 0 goes on."""
    commands = {"r1": command(CHAT_ID=404), "r2": command()}
    assert call(portal, "batch", {"halt": 1, "cmd": commands}).json()["result"]["result"] == []
    assert portal.ledger == []
    assert call(portal, "batch", {"halt": 0, "cmd": commands}).json()["result"]["result"].keys() == {"r2"}


def test_the_fifty_first_call_and_later_are_refused_each(portal: Sandbox) -> None:
    """ERROR_BATCH_LENGTH_EXCEEDED for each of them; the fifty before are carried out."""
    result = call(portal, "batch", {"cmd": {f"r{number}": command() for number in range(1, 53)}}).json()["result"]
    assert len(result["result"]) == len(portal.ledger) == 50
    assert {key: error["error"] for key, error in result["result_error"].items()} == {
        "r51": "ERROR_BATCH_LENGTH_EXCEEDED",
        "r52": "ERROR_BATCH_LENGTH_EXCEEDED",
    }


def test_a_batch_in_a_batch_is_refused(portal: Sandbox) -> None:
    """ERROR_BATCH_METHOD_NOT_ALLOWED."""
    result = call(portal, "batch", {"cmd": {"r1": "Batch?cmd[a]=profile"}}).json()["result"]
    assert result["result_error"]["r1"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def test_calls_may_be_written_as_php_writes_nested_names(portal: Sandbox) -> None:
    """`cmd[r1]=…` in a form and in a query, method names in any case."""
    fields = {"halt": "0", "cmd[r1]": command(MESSAGE="x&y=z"), "cmd[r2]": "PROFILE"}
    for answer in (
        requests.post(portal.webhook + "batch", data=fields, timeout=5),
        requests.get(portal.webhook + "batch.json", params=fields, timeout=5),
    ):
        assert answer.json()["result"]["result"].keys() == {"r1", "r2"}
    assert {delivery.text for delivery in portal.ledger} == {"x&y=z"}


def test_scope_is_checked_for_each_call(portal: Sandbox) -> None:
    """The batch itself needs none: a webhook without imopenlines gets 200, and the refusal beside each call."""
    portal.scopes = ["crm"]
    answer = call(portal, "batch", {"cmd": {"r1": command(), "r2": "profile"}})
    assert answer.status_code == 200
    assert answer.json()["result"]["result_error"]["r1"]["error"] == "insufficient_scope"
    assert "r2" in answer.json()["result"]["result"]


def test_a_batch_that_works_too_long_is_cut_and_what_it_did_stays_done() -> None:
    """A gateway answers for it; the calls before the cut are delivered, those after are not."""
    with Sandbox(limits=Limits.none(), call_time=0.1, request_limit=0.45) as portal:
        answer = call(portal, "batch", {"cmd": {f"r{number}": command() for number in range(1, 11)}})
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (504, "text/html")
        assert len(portal.ledger) == 4


def test_times_tell_what_each_call_took() -> None:
    """result_time has start, finish and duration of each call, so that a caller can size its batches."""
    with Sandbox(limits=Limits.none(), call_time=0.05) as portal:
        times = call(portal, "batch", {"cmd": {"r1": "profile", "r2": "profile"}}).json()["result"]["result_time"]
    assert all(0.05 <= entry["duration"] < 0.2 for entry in times.values())
    assert times["r2"]["start"] >= times["r1"]["finish"]
