"""Whatever a caller sends, the portal answers as a portal does: never with an error of its own."""

import json
import logging
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from bulksend.sandbox import Limits, Sandbox, World
from bulksend.sandbox.methods import METHODS
from tests.sandbox.conftest import MESSAGE_ADD, call, message

JSON = {"Content-Type": "application/json"}
LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{broken", JSON),
        (b"[" * 100_000 + b"]" * 100_000, JSON),
        (b"\x1f\x8b", JSON | {"Content-Encoding": "gzip"}),
        (json.dumps(message(MESSAGE="\ud800")).encode(), JSON),
        (b'{"CRM_ENTITY_TYPE": NaN}', JSON),
        (json.dumps(message()).encode("utf-16"), JSON),
        (b"--x\r\n", {"Content-Type": "multipart/form-data"}),
        (b"nothing of use", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"a" + b"[b]" * 100_000 + b"=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"\xff\xfe=%zz&=", {}),
    ],
    ids=range(10),
)
def test_a_body_that_cannot_be_read_counts_as_no_parameters(
    portal: Sandbox, body: bytes, headers: dict[str, str]
) -> None:
    """PHP reads nothing from it, so the first field is missing."""
    answer = requests.post(portal.webhook + MESSAGE_ADD, data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (400, "ERROR_ARGUMENT")


def test_a_header_that_speaks_of_gzip_is_not_believed(portal: Sandbox) -> None:
    """The body is read as it came."""
    headers = {"Content-Encoding": "gzip"}
    assert requests.post(portal.webhook + MESSAGE_ADD, json=message(), headers=headers, timeout=30).ok


@pytest.mark.parametrize(
    ("chat", "taken"),
    [
        ('"' + "9" * 5000 + '"', True),
        (f'"{LARGEST + 1}"', True),
        ('"1e400"', True),
        (str(LARGEST), True),
        (str(LARGEST + 1), False),
        ("9" * 5000, False),
        ("1e400", False),
    ],
    ids=range(7),
)
def test_a_number_that_does_not_fit(portal: Sandbox, chat: str, taken: bool) -> None:
    """In a text it is the largest that does, as PHP has it; in JSON it is a float, which makes no id."""
    body = json.dumps(message()).replace("8773", chat).encode()
    answer = requests.post(portal.webhook + MESSAGE_ADD, data=body, headers=JSON, timeout=30)
    assert answer.status_code == (200 if taken else 400)
    assert [delivery.chat_id for delivery in portal.ledger] == ([LARGEST] if taken else [])


@pytest.mark.parametrize("value", [True, False, None, [], ["1"], {"a": 1}, "", "abc", "0x1A", "1_000", "١٢"])
def test_what_php_does_not_call_a_number_is_none(portal: Sandbox, value: object) -> None:
    """A JSON true neither."""
    assert call(portal, MESSAGE_ADD, message(CRM_ENTITY=value) | {"CRM_ENTITY": value}).status_code == 400
    assert portal.ledger == []


def test_in_a_batch_the_calls_before_and_after_the_bad_one_keep_their_results(closed_world: World) -> None:
    """Each has its own outcome."""
    good = f"{MESSAGE_ADD}?{urlencode(message())}"
    bad = good.replace("8773", "9" * 5000)
    with Sandbox(world=closed_world, limits=Limits.none()) as portal:
        result = call(portal, "batch", {"cmd": {"r1": good, "r2": bad, "r3": good}}).json()["result"]
        assert result["result"].keys() == {"r1", "r3"}
        assert result["result_error"]["r2"]["error"] == "CHAT_NOT_IN_CRM"
        assert len(portal.ledger) == 2


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1", "deal", "$result[a]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE", "SESSION_ID", "DIALOG_ID", "cmd", "HALT", "auth"]
)


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from([*METHODS, "batch", "nonsense"]),
    given_=st.dictionaries(names, values),
    query=st.text(max_size=20),
    transport=st.sampled_from(["", ".json", ".xml"]),
)
def test_no_request_breaks_the_portal(
    any_portal: Sandbox, method: str, given_: dict[str, Any], query: str, transport: str
) -> None:
    """Any method with any parameters is answered, in JSON or XML, and never with 500."""
    given_.setdefault("cmd", {"a": "profile", "b": f"{method}?{query}"})
    answer = requests.post(
        f"{any_portal.webhook}{method}{transport}",
        params={"q": query},
        data=json.dumps(given_),
        headers=JSON,
        timeout=30,
    )
    assert answer.status_code in {200, 400, 403, 404}


@pytest.fixture(scope="module")
def any_portal() -> Any:
    """One portal for all examples."""
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    with Sandbox(limits=Limits.none()) as portal:
        yield portal
