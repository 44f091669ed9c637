"""How a request may be written, and how it is answered."""

import http.client
import socket
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlencode
from xml.etree import ElementTree as ET

import pytest
import requests

from bulksend.sandbox import Limits, Sandbox
from tests.processes import wait_until
from tests.sandbox.conftest import MESSAGE_ADD, call, message


def test_parameters_may_come_in_every_way_that_php_reads(portal: Sandbox) -> None:
    """JSON, a form with or without its type, multipart/form-data, the query: all deliver the same message."""
    address = portal.webhook + MESSAGE_ADD
    fields = message(MESSAGE="Привет & до 100 %")
    for answer in (
        requests.post(address, json=fields, timeout=30),
        requests.post(address, data=fields, timeout=30),
        requests.post(address, data=urlencode(fields).encode(), timeout=30),
        requests.post(address, files={name: (None, str(value)) for name, value in fields.items()}, timeout=30),
        requests.get(address, params=fields, timeout=30),
        requests.post(address + "?" + urlencode({"MESSAGE": "overridden"}), json=fields, timeout=30),
    ):
        assert answer.status_code == 200
    assert [delivery.text for delivery in portal.ledger] == ["Привет & до 100 %"] * 6


def test_a_query_may_hold_raw_utf8(portal: Sandbox) -> None:
    """As some programs write it; http.client refuses to, so this speaks to the socket."""
    path = portal.webhook.removeprefix(portal.base) + MESSAGE_ADD
    line = f"GET {path}?{unquote(urlencode(message(MESSAGE='Привет')))} HTTP/1.1"
    with socket.create_connection(("127.0.0.1", portal.port), timeout=30) as connection:
        connection.sendall(f"{line}\r\nHost: localhost\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert portal.ledger[0].text == "Привет"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_bodies_are_read_of_post_only(portal: Sandbox, method: str) -> None:
    """The query counts with every other method too."""
    address = portal.webhook + MESSAGE_ADD
    assert requests.request(method, address, json=message(), timeout=30).status_code == 400
    assert requests.request(method, address, params=message(), json={"MESSAGE": "x"}, timeout=30).status_code == 200
    assert [delivery.text for delivery in portal.ledger] == ["Hello"]


def test_a_browser_may_call_from_anywhere(portal: Sandbox) -> None:
    """Its preflight is answered and carries nothing out; answers say that any origin may read them."""
    address = portal.webhook + MESSAGE_ADD
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    preflight = requests.options(address, params=message(), headers=headers, timeout=30)
    assert (preflight.status_code, preflight.text, portal.ledger) == (200, "", [])
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"]
    refused = call(portal, "nonsense")
    for answer in (preflight, refused, call(portal, MESSAGE_ADD, message())):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_method_with_xml_behind_it_answers_in_xml(portal: Sandbox) -> None:
    """Results, refusals and batches."""
    answer = call(portal, MESSAGE_ADD + ".xml", message())
    assert answer.headers["Content-Type"].startswith("text/xml")
    assert ET.fromstring(answer.content).findtext("result") == str(portal.ledger[0].message_id)
    refused = ET.fromstring(call(portal, "nonsense.xml").content)
    assert refused.findtext("error") == "ERROR_METHOD_NOT_FOUND"
    batch = ET.fromstring(call(portal, "batch.xml", {"cmd": {"a": "scope", "0 b": "profile"}}).content)
    assert [item.text for item in batch.iterfind("result/result/a/item")] == portal.scopes


@pytest.mark.parametrize(
    "name",
    ["IMOPENLINES.CRM.MESSAGE.ADD", "imOpenLines.crm.message.Add.json", MESSAGE_ADD + ".JSON", MESSAGE_ADD + "/"],
)
def test_method_names_are_taken_in_any_case_with_or_without_json(portal: Sandbox, name: str) -> None:
    """The portal's names are case-insensitive and may end in .json."""
    assert call(portal, name, message()).status_code == 200
    assert portal.calls[0].method.startswith(MESSAGE_ADD)


def test_every_answer_carries_its_time() -> None:
    """start, finish, duration, processing, both dates with offset, and the execution time with its reset."""
    with Sandbox() as portal:
        before = time.time()
        times = call(portal, MESSAGE_ADD, message()).json()["time"]
    assert before - 1 <= times["start"] <= times["finish"] <= time.time()
    assert times["duration"] == pytest.approx(times["finish"] - times["start"])
    assert datetime.fromisoformat(times["date_start"]).timestamp() == int(times["start"])
    assert datetime.fromisoformat(times["date_finish"]).tzinfo is not None
    assert times["processing"] >= 0
    assert times["operating"] == pytest.approx(0.137)
    assert int(times["start"]) <= times["operating_reset_at"] - 600 <= int(times["finish"])


def test_a_portal_that_does_not_measure_execution_time_does_not_tell_it(portal: Sandbox) -> None:
    """Without the limit both keys are missing."""
    assert not {"operating", "operating_reset_at"} & call(portal, "profile").json()["time"].keys()


def test_an_address_outside_rest_is_answered_with_a_page(portal: Sandbox) -> None:
    """404 and HTML, as a web server does."""
    answer = requests.get(portal.base + "/online/", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (404, "text/html")


def test_profile_scope_server_time_and_app_info_answer(portal: Sandbox) -> None:
    """The read-only calls a caller finds out with whom it talks by."""
    assert call(portal, "profile").json()["result"]["ADMIN"] is True
    assert "imopenlines" in call(portal, "scope").json()["result"]
    assert abs(datetime.fromisoformat(call(portal, "server.time").json()["result"]).timestamp() - time.time()) < 30
    assert call(portal, "app.info").json()["result"]["SCOPE"] == portal.scopes


def test_the_portals_clock_can_be_wrong(portal: Sandbox) -> None:
    """A skewed clock shows in `time`, in the Date header, in the ledger and in histories."""
    portal.clock_skew = -7200
    answer = call(portal, MESSAGE_ADD, message())
    assert answer.json()["time"]["start"] == pytest.approx(time.time() - 7200, abs=30)
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == pytest.approx(time.time() - 7200, abs=30)
    assert portal.ledger[0].at == pytest.approx(time.time() - 7200, abs=30)


def test_every_request_is_recorded_in_order_of_arrival(portal: Sandbox) -> None:
    """Method, number of calls, status, error and times of each."""
    call(portal, "profile")
    call(portal, "batch", {"cmd": {"r1": "profile", "r2": "scope"}})
    call(portal, MESSAGE_ADD, message(CHAT_ID=404))
    records = portal.calls
    assert [(record.method, record.commands, record.status, record.error) for record in records] == [
        ("profile", 1, 200, ""),
        ("batch", 2, 200, ""),
        (MESSAGE_ADD, 1, 400, "CHAT_NOT_IN_CRM"),
    ]
    assert all(record.arrived_at <= record.finished_at <= time.monotonic() for record in records)


def test_latency_is_each_requests_own_and_does_not_queue() -> None:
    """A slow portal answers many at the same time."""
    with Sandbox(limits=Limits.none(), latency=0.3) as portal:
        connections = [http.client.HTTPConnection("127.0.0.1", portal.port, timeout=30) for _ in range(50)]
        began = time.monotonic()
        for connection in connections:
            connection.request("GET", portal.webhook.removeprefix(portal.base) + "profile")
        assert all(connection.getresponse().status == 200 for connection in connections)
        assert 0.3 <= time.monotonic() - began < 50 * 0.3
        for connection in connections:
            connection.close()


def test_a_batch_of_fifty_long_texts_fits() -> None:
    """Fifty Russian texts of 20,000 letters: six megabytes of query strings."""
    query = urlencode(message(MESSAGE="я" * 20_000))
    with Sandbox(limits=Limits.none()) as portal:
        answer = call(portal, "batch", {"cmd": {f"r{number}": f"{MESSAGE_ADD}?{query}" for number in range(1, 51)}})
        assert len(answer.json()["result"]["result"]) == 50
        assert {len(delivery.text) for delivery in portal.ledger} == {20_000}


def test_a_sandbox_that_stops_and_starts_again_is_the_same_portal() -> None:
    """An outage: connections are refused, then the portal is back at its address with all it knew."""
    with Sandbox(limits=Limits.none()) as portal:
        call(portal, MESSAGE_ADD, message())
        portal.stop()
        with pytest.raises(requests.ConnectionError):
            call(portal, "profile")
        with socket.socket() as other, pytest.raises(OSError, match=r"in use|only one usage"):
            other.bind(("127.0.0.1", portal.port))
        portal.start()
        assert call(portal, MESSAGE_ADD, message()).ok
        assert len(portal.ledger) == 2


def given_up_before_it_is_carried_out(latency: float) -> bool:
    """Make a call and give it up; it has to be carried out, before or after that."""
    with Sandbox(limits=Limits.none(), latency=latency) as portal:
        path = portal.webhook.removeprefix(portal.base) + MESSAGE_ADD
        with socket.create_connection(("127.0.0.1", portal.port)) as connection:
            connection.sendall(f"GET {path}?{urlencode(message())} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_until(lambda: portal.calls)
        given_up_before = portal.ledger == []
        assert portal.drain()
        assert len(portal.ledger) == 1
    return given_up_before


def test_a_call_whose_caller_gave_up_is_carried_out_all_the_same() -> None:
    """The portal does not notice that nobody waits for the answer any more, however slow the caller's computer is."""
    assert any(map(given_up_before_it_is_carried_out, (0.2, 2.0, 20.0)))
