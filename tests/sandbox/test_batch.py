"""The method `batch`: many calls in one request."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from bulksend.sandbox import Limits, Sandbox
from tests.processes import wait_until
from tests.sandbox.conftest import MESSAGE_ADD, call, message


def command(**changes: Any) -> str:
    """One call of a batch that sends a message."""
    return f"{MESSAGE_ADD}?{urlencode(message(**changes))}"


def batch(portal: Sandbox, commands: object, **parameters: Any) -> dict[str, Any]:
    """Call a batch and give its result."""
    answer = call(portal, "batch", {"cmd": commands} | parameters)
    assert answer.status_code == 200
    result: dict[str, Any] = answer.json()["result"]
    return result


def test_calls_run_in_order_and_each_has_its_own_outcome(portal: Sandbox) -> None:
    """The bad one stands in result_error with its code, the others in result with their ids."""
    result = batch(portal, {"r1": command(MESSAGE="a"), "r2": command(CHAT_ID=404), "r3": command(MESSAGE="c")})
    first, third = portal.ledger
    assert result["result"] == {"r1": first.message_id, "r3": third.message_id}
    assert (first.text, third.text) == ("a", "c")
    assert result["result_error"]["r2"]["error"] == "CHAT_NOT_IN_CRM"
    assert set(result["result_time"]) == {"r1", "r3"}
    assert result["result_total"] == result["result_next"] == []


def test_an_empty_array_is_written_as_a_list(portal: Sandbox) -> None:
    """PHP does not know an empty object: no errors are [], no results are []."""
    assert batch(portal, {"r1": "profile"})["result_error"] == []
    refused = batch(portal, {"r1": command(CHAT_ID=404)})
    assert refused["result"] == refused["result_time"] == []
    assert call(portal, "batch").json()["result"]["result"] == []


@pytest.mark.parametrize("commands", [["server.time", "scope"], {"0": "server.time", "1": "scope"}])
def test_results_keyed_from_nought_become_a_list(portal: Sandbox, commands: object) -> None:
    """Whether the calls came as a list or under the keys 0 and 1."""
    result = batch(portal, commands)
    assert result["result"][1] == portal.scopes
    assert isinstance(result["result_time"], list)


def test_a_portal_that_answers_lists_counts_every_call(portal: Sandbox) -> None:
    """With the dial on, keys are positions: a list where none failed before, else an object of what is there."""
    portal.list_batches = True
    assert batch(portal, {"r1": "scope", "r2": "scope"})["result"] == [portal.scopes, portal.scopes]
    mixed = batch(portal, {"r1": "scope", "r2": "nonsense", "r3": "scope"})
    assert mixed["result"] == {"0": portal.scopes, "2": portal.scopes}
    assert mixed["result_error"]["1"]["error"] == "ERROR_METHOD_NOT_FOUND"


@pytest.mark.parametrize(
    ("halt", "stops"),
    [(1, True), ("1", True), (True, True), ("N", True), ("false", True), (0, False), ("0", False), ("", False)],
)
@pytest.mark.parametrize("names", [("cmd", "halt"), ("CMD", "HALT")])
def test_halt_stops_at_the_first_error_where_php_finds_it_true(
    portal: Sandbox, names: tuple[str, str], halt: object, stops: bool
) -> None:
    """What comes after the refused call is left out; the names may be in capitals."""
    commands = {"r1": command(CHAT_ID=404), "r2": command()}
    answer = call(portal, "batch", dict(zip(names, (commands, halt), strict=True))).json()["result"]
    assert answer["result_error"].keys() == {"r1"}
    assert len(answer["result"]) == len(portal.ledger) == (0 if stops else 1)
    assert portal.calls[0].commands == 2


def test_the_fifty_first_call_and_later_are_refused_each(portal: Sandbox) -> None:
    """ERROR_BATCH_LENGTH_EXCEEDED for each of them; the fifty before are carried out."""
    result = batch(portal, {f"r{number}": command() for number in range(1, 53)})
    assert len(result["result"]) == len(portal.ledger) == 50
    assert {key: error["error"] for key, error in result["result_error"].items()} == {
        "r51": "ERROR_BATCH_LENGTH_EXCEEDED",
        "r52": "ERROR_BATCH_LENGTH_EXCEEDED",
    }


def test_a_batch_in_a_batch_is_refused(portal: Sandbox) -> None:
    """ERROR_BATCH_METHOD_NOT_ALLOWED."""
    result = batch(portal, {"r1": "Batch?cmd[a]=profile"})
    assert result["result_error"]["r1"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def test_calls_that_are_no_strings_are_passed_over_silently(portal: Sandbox) -> None:
    """They have neither a result nor an error, and nothing stops at them."""
    result = batch(portal, {"r1": 5, "r2": None, "r3": ["profile"], "r4": {"method": "profile"}, "r5": "scope"}, halt=1)
    assert result["result"] == {"r5": portal.scopes}
    assert result["result_error"] == []


def test_calls_may_be_written_as_php_writes_nested_names(portal: Sandbox) -> None:
    """`cmd[r1]=…` in a form and in a query, method names in any case."""
    fields = {"halt": "0", "cmd[r1]": command(MESSAGE="x&y=z"), "cmd[r2]": "PROFILE"}
    for answer in (
        requests.post(portal.webhook + "batch", data=fields, timeout=30),
        requests.get(portal.webhook + "batch.json", params=fields, timeout=30),
    ):
        assert answer.json()["result"]["result"].keys() == {"r1", "r2"}
    assert {delivery.text for delivery in portal.ledger} == {"x&y=z"}


def test_scope_is_checked_for_each_call(portal: Sandbox) -> None:
    """The batch itself needs none: a webhook without imopenlines gets 200, and the refusal beside each call."""
    portal.scopes = ["crm"]
    result = batch(portal, {"r1": command(), "r2": "profile"})
    assert result["result_error"]["r1"]["error"] == "insufficient_scope"
    assert "r2" in result["result"]


def test_a_batch_that_works_too_long_is_cut_and_what_it_did_stays_done() -> None:
    """A gateway answers for it; the calls before the cut are delivered, those after are not."""
    commands = {f"r{number}": command() for number in range(1, 51)}
    with Sandbox(limits=Limits.none(), call_time=0.2) as portal, ThreadPoolExecutor(1) as pool:
        called = pool.submit(call, portal, "batch", {"cmd": commands})
        wait_until(lambda: portal.ledger)
        portal.request_limit = 0.0
        answer = called.result()
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (504, "text/html")
        assert 0 < len(portal.ledger) < 50


def test_times_tell_what_each_call_took() -> None:
    """result_time has start, finish and duration of each call, so that a caller can size its batches."""
    with Sandbox(limits=Limits.none(), call_time=0.05) as portal:
        began = time.monotonic()
        times = batch(portal, {"r1": "profile", "r2": "profile"})["result_time"]
        took = time.monotonic() - began
    assert all(entry["duration"] >= 0.04 for entry in times.values())
    assert sum(entry["duration"] for entry in times.values()) < took
    assert times["r2"]["start"] >= times["r1"]["finish"]


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("Your code is $result[r1], keep it", "Your code is {id} keep it"),
        ("$RESULT[r1] and $result[r1]!", "{id} and {id}"),
        ("$results[r1]", "{id}"),
        ("$result[r1][x]", "{id}"),
        ("Because $error[r2][error]: $error[r2][error]", "Because CHAT_NOT_IN_CRM CHAT_NOT_IN_CRM"),
        ("Who: $result[r3][NAME]", "Who: Sandbox"),
        ("$result[r9] in a text", "Array in a text"),
        ("$result [r1], $result, $result[] and $price[r1]", "$result [r1], $result, $result[] and $price[r1]"),
        ("Costs 5$ [r1]", "Costs 5$ [r1]"),
    ],
)
def test_a_batch_replaces_references_by_what_earlier_calls_gave(portal: Sandbox, text: str, arrives: str) -> None:
    """In any case, with the run of non-blank characters behind the name; a call that goes alone is left as it is."""
    before = {"r1": command(MESSAGE="first"), "r2": command(CHAT_ID=404), "r3": "profile"}
    result = batch(portal, before | {"r4": command(MESSAGE=text)})
    assert portal.ledger[-1].text == arrives.format(id=result["result"]["r1"])
    assert call(portal, MESSAGE_ADD, message(MESSAGE=text)).ok
    assert portal.ledger[-1].text == text


@pytest.mark.parametrize("text", ["$total[5]", "$next[r1]", "$error[r1]", "$result[r1]"])
def test_a_text_of_nothing_but_a_reference_to_nothing_is_empty(portal: Sandbox, text: str) -> None:
    """So the call is refused as one without a text."""
    error = batch(portal, {"r1": command(MESSAGE=text)})["result_error"]["r1"]
    assert error == {"error": "ERROR_ARGUMENT", "error_description": "Argument 'MESSAGE' is null or empty"}


def test_references_name_ids_too(portal: Sandbox) -> None:
    """What the vendor made them for: the chat that a call found is the one that the next call writes to."""
    portal.world.add_chat(9001, "deal", 5)
    find = "imopenlines.crm.chat.getLastId?CRM_ENTITY_TYPE=deal&CRM_ENTITY=5"
    times = "imopenlines.dialog.get?CHAT_ID=$result[chat]"
    result = batch(
        portal, {"chat": find, "send": command(CRM_ENTITY=5, CHAT_ID="$result[chat]"), "look": times, "t": "scope"}
    )
    assert portal.ledger[0].chat_id == 9001
    assert result["result"]["look"]["id"] == 9001


def test_calls_are_taken_apart_as_an_address(portal: Sandbox) -> None:
    """An unencoded `#` cuts the rest off, a line end becomes `_`; encoded ones arrive."""
    raw = command(MESSAGE=None) + "&MESSAGE="
    batch(portal, {"r1": raw + "No. #5", "r2": raw + "a\nb", "r3": raw + "%23%0A5", "r4": raw + "Привет"})
    assert [delivery.text for delivery in portal.ledger] == ["No. ", "a_b", "#\n5", "Привет"]


def test_the_protection_filter_breaks_up_scripts_in_batches(portal: Sandbox) -> None:
    """Not in a call alone, nor where the dial is off."""
    text = "<b>Hi</b> <SCRIPT>alert(1)</script> javascript:x"
    broken = "<b>Hi</b> <SC RIPT>alert(1)</sc ript> ja vascript:x"
    batch(portal, {"r1": command(MESSAGE=text)})
    call(portal, MESSAGE_ADD, message(MESSAGE=text))
    portal.filter_scripts = False
    batch(portal, {"r1": command(MESSAGE=text)})
    assert [delivery.text for delivery in portal.ledger] == [broken, text, text]
