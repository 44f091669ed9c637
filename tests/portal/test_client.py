"""One call, one HTTP request, one outcome: over real connections that break in every way."""

import gzip
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest

from bulksend.errors import PortalError
from bulksend.portal import methods, transport
from bulksend.portal.authorisation import OAuth, application, parse_webhook
from bulksend.portal.client import Client, Reply, query_string
from bulksend.portal.deadline import Deadline
from bulksend.portal.outcomes import Reason, Verdict
from tests.portal.conftest import (
    SECRET,
    Connect,
    Request,
    Response,
    ServeHttp,
    ServeRaw,
    free_port,
    read_request,
    refused,
    reset,
    sent,
)
from tests.processes import wait_until

MESSAGE = methods.message_add("deal", 288, 27, 8773, "Привет, =HYPERLINK(1) & <b> 🙂")


def test_a_message(serve: ServeHttp, connect: Connect) -> None:
    """A call is a JSON POST to the webhook's address, and its reply tells both clocks."""
    portal = serve(lambda _: sent(19880117))
    before = time.time()
    reply = connect(portal.webhook).call(*MESSAGE)
    assert (reply.outcome.verdict, reply.outcome.result) == (Verdict.DONE, 19880117)
    assert before <= reply.left_at <= reply.received_at <= time.time()
    assert reply.portal_time == 1790201451
    assert reply.outcome.timing is not None
    assert reply.outcome.timing.operating == 0.1365
    (request,) = portal.requests
    assert request.path == f"/rest/27/{SECRET}/imopenlines.crm.message.add"
    assert request.headers["content-type"] == "application/json"
    assert request.json == dict(MESSAGE[1])


def test_portal_clock_from_the_http_date(serve: ServeHttp, connect: Connect) -> None:
    """Where the answer has no times, the HTTP date is the portal's clock."""
    portal = serve(lambda _: Response({"result": 5}))
    before = int(time.time())
    reply = connect(portal.webhook).call(*MESSAGE)
    assert reply.portal_time is not None
    assert before <= reply.portal_time <= time.time()


def test_text_with_half_a_surrogate_pair(serve: ServeHttp, connect: Connect) -> None:
    """A broken character does not break the call."""
    portal = serve(lambda _: sent())
    assert connect(portal.webhook).call("profile", {"MESSAGE": "x\ud83d"}).outcome.verdict is Verdict.DONE
    assert portal.requests[0].json == {"MESSAGE": "x\ud83d"}


def test_compressed_answer(serve: ServeHttp, connect: Connect) -> None:
    """A compressed answer is read."""
    portal = serve(lambda _: Response(gzip.compress(b'{"result": 7}'), headers={"Content-Encoding": "gzip"}))
    assert connect(portal.webhook).call(*MESSAGE).outcome.result == 7


def test_batch(serve: ServeHttp, connect: Connect) -> None:
    """A batch is one request with its calls as query strings; each call has its own outcome."""
    answer = {"result": {"r1": 11}, "result_error": {"r2": {"error": "CANCELED", "error_description": "No"}}}
    portal = serve(lambda _: Response({"result": answer}))
    reply = connect(portal.webhook).batch({"r1": MESSAGE, "r2": methods.history_get(8773)})
    assert reply.outcome.verdict is Verdict.DONE
    assert (reply.commands["r1"].result, reply.commands["r2"].code) == (11, "CANCELED")
    (request,) = portal.requests
    assert request.rest_method == "batch"
    assert request.json["halt"] == 0
    method, _, query = request.json["cmd"]["r1"].partition("?")
    assert method == methods.MESSAGE_ADD
    assert {key: value[0] for key, value in parse_qs(query).items()} == {k: str(v) for k, v in MESSAGE[1].items()}


def test_batch_that_is_too_large(serve: ServeHttp, connect: Connect) -> None:
    """More calls than a portal takes are the caller's mistake, and none is sent."""
    portal = serve(lambda _: sent())
    with pytest.raises(ValueError, match="51"):
        connect(portal.webhook).batch({f"r{n}": MESSAGE for n in range(51)})
    assert portal.requests == []


def test_query_string() -> None:
    """Parameters are written as PHP reads them."""
    assert query_string({"A": "x y&=+", "B": {"C": [1, {"D": True}]}, "E": None}) == (
        "A=x%20y%26%3D%2B&B[C][0]=1&B[C][1][D]=1".replace("[", "%5B").replace("]", "%5D")
    )


def after(*chunks: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    """Send some bytes, then close."""

    def behave(connection: socket.socket) -> None:
        for chunk in chunks:
            connection.sendall(chunk)
            time.sleep(pause)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def silent(connection: socket.socket) -> None:
    """Say nothing until the other side goes away, or for longer than any test waits."""
    connection.settimeout(60)
    while connection.recv(65536):
        pass


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"result": 19880117}'


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(after(), id="closed without an answer"),
        pytest.param(reset, id="reset"),
        pytest.param(after(HEAD), id="cut in the head"),
        pytest.param(after(b"HTTP/1."), id="cut in the status line"),
        pytest.param(after(HEAD + b"Content-Length: 50\r\n\r\n" + BODY), id="cut in the body"),
        pytest.param(
            after(HEAD + b"Transfer-Encoding: chunked\r\n\r\n14\r\n" + BODY + b"\r\n"), id="cut before the end"
        ),
        pytest.param(after(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY), id="nonsense chunks"),
        pytest.param(after(HEAD + b"\r\n" + BODY[:9]), id="cut without a length"),
        pytest.param(after(HEAD + b"Content-Encoding: gzip\r\n\r\n" + BODY), id="broken compression"),
        pytest.param(after(b"\x16\x03\x01 no HTTP at all\r\n\r\n"), id="not HTTP"),
        pytest.param(silent, id="silent"),
        pytest.param(after(HEAD, b"X: ", *[b"y"] * 600, pause=0.1), id="a head that trickles in"),
        pytest.param(
            after(HEAD + b"Content-Length: 900\r\n\r\n", *[b" "] * 600, pause=0.1), id="a body that trickles in"
        ),
    ],
)
def test_answer_that_does_not_come_whole(
    serve_raw: ServeRaw, connect: Connect, behave: Callable[[socket.socket], None]
) -> None:
    """A call that left and got no whole answer is not known, is not repeated, and ends at its time-out."""
    portal = serve_raw(behave)
    began = time.monotonic()
    outcome = connect(portal.webhook, timeout=0.7).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_KNOWN, "ANSWER_LOST")
    assert time.monotonic() - began < 30
    wait_until(lambda: portal.requests)  # the portal may see it after the caller gave it up
    assert len(portal.requests) == 1


def test_call_that_was_given_up(serve_raw: ServeRaw, connect: Connect) -> None:
    """Its connection is reset, so that this computer does not go on sending what has not got through by then."""
    ends: queue.SimpleQueue[str] = queue.SimpleQueue()

    def wait(connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                pass
            ends.put("closed")
        except ConnectionResetError:
            ends.put("reset")

    portal = serve_raw(wait, read=False)
    assert connect(portal.webhook, timeout=0.3).call(*MESSAGE).outcome.code == "ANSWER_LOST"
    assert ends.get(timeout=30) == "reset"


def test_lost_answer_to_a_batch(serve_raw: ServeRaw, connect: Connect) -> None:
    """A lost answer to a batch leaves every call in it not known."""
    reply = connect(serve_raw(reset).webhook).batch({"r1": MESSAGE, "r2": MESSAGE})
    assert [outcome.code for outcome in reply.commands.values()] == ["ANSWER_LOST"] * 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param(lambda: f"http://127.0.0.1:{free_port()}", "the connection was refused", id="refused"),
        pytest.param(lambda: "https://no-such-portal.invalid", "the host name was not found", id="no such host"),
        pytest.param(lambda: "http://[::1]:9", "", id="no such network, or nobody there"),
    ],
)
def test_portal_that_cannot_be_reached(connect: Connect, address: Callable[[], str], words: str) -> None:
    """A call that never left was not carried out, and the reply says why in words."""
    client = connect(parse_webhook(f"{address()}/rest/27/{SECRET}/"))
    outcome = client.call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.UNREACHABLE)
    assert outcome.code == "PORTAL_UNREACHABLE"
    assert words in outcome.description
    assert outcome.description


def test_host_that_does_not_speak_tls(serve_raw: ServeRaw, connect: Connect) -> None:
    """A failed TLS handshake is no call."""
    portal = serve_raw(reset, read=False)
    port = portal.webhook.portal.rpartition(":")[2]
    outcome = connect(parse_webhook(f"https://127.0.0.1:{port}/rest/27/{SECRET}/")).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_CARRIED_OUT, "PORTAL_UNREACHABLE")


def test_tls_handshake_that_hangs(serve_raw: ServeRaw, connect: Connect) -> None:
    """A handshake that gets nowhere ends at the time-out, as no call."""
    portal = serve_raw(silent, read=False)
    port = portal.webhook.portal.rpartition(":")[2]
    client = connect(parse_webhook(f"https://127.0.0.1:{port}/rest/27/{SECRET}/"), timeout=0.4)
    assert client.call(*MESSAGE).outcome.code == "PORTAL_UNREACHABLE"


@pytest.mark.parametrize("batch", [False, True])
def test_call_that_would_leave_too_late(serve: ServeHttp, connect: Connect, batch: bool) -> None:
    """After its deadline nothing of a call leaves, be it that a renewal took so long; the next call is on time."""

    def slow_renewal(request: Request) -> Response:
        if request.method == "GET":
            time.sleep(0.4)
            return Response({"access_token": "a2", "refresh_token": "r2"})
        return Response({"result": {"result": {"r1": 1}, "result_error": []}}) if batch else sent()

    portal = serve(slow_renewal)
    app = application(
        portal.origin,
        client_id="app.1",
        client_secret="s3cret",
        refresh_token="r1",
        token_url=f"{portal.origin}/oauth/token/",
    )
    client = connect(OAuth(app, save=lambda _: None))

    def call(within: float) -> Reply:
        deadline = Deadline.after(within)
        return client.batch({"r1": MESSAGE}, deadline=deadline) if batch else client.call(*MESSAGE, deadline=deadline)

    outcome = call(within=0.2).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.TOO_LATE)
    assert [request.method for request in portal.requests] == ["GET"]
    assert call(within=60).outcome.verdict is Verdict.DONE


@pytest.mark.parametrize("jump", [30.0, -30.0])
def test_deadline_by_two_clocks(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """Late by the steady clock or by the wall clock is late, and so is a wall clock that was set back."""
    deadline = Deadline.after(10.0)
    assert not deadline.passed
    for clock in ("time", "monotonic"):
        real = getattr(time, clock)
        with monkeypatch.context() as patch:
            patch.setattr(time, clock, lambda real=real: real() + jump)
            assert deadline.passed or (clock, jump) == ("monotonic", -30.0)


def test_reset_connection_that_was_used_before(serve_raw: ServeRaw, connect: Connect) -> None:
    """On a connection kept open, too, a call that left and was not answered is not known and not repeated."""
    seen = []

    def once(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        seen.append(read_request(connection))
        reset(connection)

    portal = serve_raw(once)
    client = connect(portal.webhook)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert client.call(*MESSAGE).outcome.code == "ANSWER_LOST"
    assert (len(portal.requests), len(seen)) == (1, 1)


def test_connection_closed_while_idle(serve_raw: ServeRaw, connect: Connect) -> None:
    """A connection that the portal closed meanwhile is not used again: nobody's fate becomes unknown by that."""
    answer = after(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
    closed = threading.Semaphore(0)

    def once(connection: socket.socket) -> None:
        answer(connection)
        closed.release()

    portal = serve_raw(once)
    client = connect(portal.webhook)
    for _ in range(3):
        assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
        assert closed.acquire(timeout=30)
    assert len(portal.requests) == 3


def test_connections_are_kept(serve: ServeHttp, connect: Connect) -> None:
    """Calls one after another share a connection."""
    portal = serve(lambda _: sent())
    client = connect(portal.webhook)
    for _ in range(5):
        client.call(*MESSAGE)
    assert portal.connections == 1


def test_connections_after_a_reset(serve: ServeHttp, connect: Connect) -> None:
    """After `reset` no old connection is used, and a call in flight is not disturbed by it."""
    started, was_reset = threading.Event(), threading.Event()

    def slow(request: Request) -> Response:
        started.set()
        was_reset.wait(30)
        return sent(request.number)

    portal = serve(slow)
    client = connect(portal.webhook)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.call, *MESSAGE)
        started.wait(30)
        client.reset()
        was_reset.set()
        assert first.result().outcome.result == 1
    client.call(*MESSAGE)
    client.call(*MESSAGE)
    assert portal.connections == 2


def test_connection_that_was_idle_for_long(serve: ServeHttp, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for long is not trusted: the portal may be about to close it."""
    monkeypatch.setattr(transport, "LONGEST_IDLE", 0.1)
    portal = serve(lambda _: sent())
    client = connect(portal.webhook)
    client.call(*MESSAGE)
    time.sleep(0.2)
    client.call(*MESSAGE)
    assert portal.connections == 2


def test_many_threads(serve: ServeHttp, connect: Connect) -> None:
    """Any number of threads call at once, and each gets its own answer."""
    portal = serve(lambda request: sent(request.json["CHAT_ID"]))
    client = connect(portal.webhook, connections=16)

    def call(chat_id: int) -> bool:
        return bool(client.call(*methods.message_add("deal", 1, 2, chat_id, "x")).outcome.result == chat_id)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(1, 401)))
    assert portal.connections <= 16


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect(serve: ServeHttp, connect: Connect, status: int) -> None:
    """A redirect is not followed, not even to the same host; where it points to is said, without its path."""
    elsewhere = serve(lambda _: sent())
    location = f"{elsewhere.origin}/rest/27/{SECRET}/x"
    portal = serve(lambda _: Response({}, status, {"Location": location}))
    outcome = connect(portal.webhook).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, "REDIRECTED")
    assert "http://127.0.0.1" in outcome.description
    assert SECRET not in outcome.description
    assert elsewhere.requests == []


def test_answer_of_absurd_size(serve: ServeHttp, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without end is not read to its end."""
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 100_000)
    bomb = gzip.compress(b" " * 50_000_000)
    portal = serve(lambda _: Response(bomb, headers={"Content-Encoding": "gzip"}))
    assert connect(portal.webhook).call(*MESSAGE).outcome.code == "ANSWER_LOST"


def test_netrc_is_not_used(
    serve: ServeHttp, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Credentials for the host in a .netrc are not sent."""
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login someone password something", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    portal = serve(lambda _: sent())
    connect(portal.webhook).call(*MESSAGE)
    assert "authorization" not in portal.requests[0].headers


def test_cookies_are_not_kept(serve: ServeHttp, connect: Connect) -> None:
    """A portal's cookies do not tie calls together: PHP would make them wait for each other."""
    portal = serve(lambda _: Response({"result": 5}, headers={"Set-Cookie": "PHPSESSID=1"}))
    client = connect(portal.webhook)
    client.call(*MESSAGE)
    client.call(*MESSAGE)
    assert "cookie" not in portal.requests[1].headers


def test_proxy_is_not_used_for_this_computer(
    serve: ServeHttp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback portal is reached directly, whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert connect(serve(lambda _: sent()).webhook).call(*MESSAGE).outcome.verdict is Verdict.DONE


def test_proxy(serve_raw: ServeRaw, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other portals are reached through the environment's proxy, and one that says no is no call."""
    proxy = serve_raw(after(b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.webhook.portal}")
    outcome = connect(parse_webhook(f"https://portal.example/rest/27/{SECRET}/")).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.UNREACHABLE)
    assert proxy.requests[0].startswith(b"CONNECT portal.example:443")
    assert SECRET.encode() not in proxy.requests[0]


def test_ca_bundle_that_is_not_there(serve: ServeHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong REQUESTS_CA_BUNDLE is said at once, not taken for a portal that cannot be reached."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-file.pem")
    with pytest.raises(PortalError, match=r"REQUESTS_CA_BUNDLE names no-such-file\.pem, which does not exist"):
        Client(serve(lambda _: sent()).webhook)


def test_refusals_reach_the_caller(serve: ServeHttp, connect: Connect) -> None:
    """A portal's refusal comes with its code and words, free of the secret if the portal repeats it."""
    portal = serve(lambda _: refused("CANCELED", f"/rest/27/{SECRET}/ says no"))
    outcome = connect(portal.webhook).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.REFUSED, "CANCELED")
    assert outcome.description == "/rest/27/…/ says no"


def test_webhook_that_expired(serve: ServeHttp, connect: Connect) -> None:
    """A webhook cannot be renewed: the campaign ends with a sentence."""
    outcome = connect(serve(lambda _: refused("expired_token", status=401)).webhook).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, "expired_token")
    assert "make a new one in the portal" in outcome.description


def test_large_batch_over_a_slow_line(serve_raw: ServeRaw, connect: Connect) -> None:
    """A request that takes longer to send than a connection takes to make is still sent whole."""
    body = json.dumps({"result": {"result": {"r1": 1}, "result_error": []}}).encode()

    def slow(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    portal = serve_raw(slow)
    call = methods.message_add("deal", 1, 2, 3, "ж" * 1_000_000)
    assert connect(portal.webhook).batch({"r1": call}).commands["r1"].result == 1
    assert len(portal.requests[0]) > 6_000_000
