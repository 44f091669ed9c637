"""An application's tokens: renewed when they have run out, once, and saved before they are used."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulksend.errors import PortalError
from bulksend.portal import authorisation, methods
from bulksend.portal.authorisation import Application, OAuth, Tokens, application
from bulksend.portal.credential_store import PortalStore
from bulksend.portal.outcomes import Reason, Verdict
from tests.portal.conftest import Connect, HttpPortal, Request, Response, ServeHttp, free_port, refused, sent
from tests.processes import Commands, end, wait_until

CLIENT_SECRET = "cl13ntS3cret"
MESSAGE = methods.message_add("deal", 288, 27, 8773, "Hello")


class TokenPortal:
    """A portal and its token endpoint: each access token is good for some calls, each refresh token for one renewal."""

    def __init__(self, serve: ServeHttp, *, calls: int = 10**9) -> None:
        self.calls = calls
        self.number = 0
        self.left: dict[str, int] = {}
        self.refused: Response | None = None
        self.extra: dict[str, Any] = {}
        self.log: list[str] = []
        self.lock = threading.Lock()
        self.http: HttpPortal = serve(self.answer)
        self.issue()

    @property
    def pair(self) -> tuple[str, str]:
        return f"access{self.number}", f"refresh{self.number}"

    def issue(self) -> None:
        self.number += 1
        self.left[self.pair[0]] = self.calls

    def expire(self) -> None:
        self.left = dict.fromkeys(self.left, 0)

    @property
    def renewals(self) -> int:
        return self.log.count("renewed")

    def answer(self, request: Request) -> Response:
        with self.lock:
            return self.renewal(request) if request.method == "GET" else self.call(request)

    def call(self, request: Request) -> Response:
        token = request.json.get("auth")
        if token not in self.left:
            return refused("NO_AUTH_FOUND", status=401)
        if self.left[token] < 1:
            return refused("expired_token", status=401)
        self.left[token] -= 1
        self.log.append(f"call {token}")
        return sent()

    def renewal(self, request: Request) -> Response:
        if self.refused is not None:
            return self.refused
        query = request.query
        assert query["grant_type"] == "refresh_token"
        assert (query["client_id"], query["client_secret"]) == ("app.1", CLIENT_SECRET)
        if query["refresh_token"] != self.pair[1]:
            return refused("invalid_grant")
        self.issue()
        self.log.append("renewed")
        endpoint = {"client_endpoint": f"{self.http.origin}/rest/", "user_id": 27}
        return Response({"access_token": self.pair[0], "refresh_token": self.pair[1], **endpoint, **self.extra})

    def application(self, access_token: str | None = None) -> Application:
        return application(
            self.http.origin,
            client_id="app.1",
            client_secret=CLIENT_SECRET,
            access_token=self.pair[0] if access_token is None else access_token,
            refresh_token=self.pair[1],
            token_url=f"{self.http.origin}/oauth/token/",
        )


class Kept:
    """Where tokens are saved to."""

    def __init__(self, portal: TokenPortal) -> None:
        self.portal = portal
        self.tokens: list[Tokens] = []
        self.trouble = ""

    def __call__(self, tokens: Tokens) -> None:
        if self.trouble:
            raise PortalError(self.trouble)
        self.tokens.append(tokens)
        self.portal.log.append(f"saved {tokens.access_token}")


@pytest.fixture
def portal(serve: ServeHttp) -> TokenPortal:
    """A portal with an application."""
    return TokenPortal(serve)


@pytest.fixture
def kept(portal: TokenPortal) -> Kept:
    """What is saved of its tokens."""
    return Kept(portal)


def test_call_with_a_token(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """The access token goes with the parameters, and is not renewed while the portal takes it."""
    client = connect(OAuth(portal.application(), save=kept))
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert client.batch({"r1": MESSAGE}).outcome.code == "ANSWER_LOST"  # this portal knows no batches
    assert [request.json["auth"] for request in portal.http.requests] == ["access1"] * 2
    assert portal.http.requests[0].path == "/rest/imopenlines.crm.message.add"
    assert kept.tokens == []


def test_token_that_ran_out(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """The call that met the old token was not carried out; the next one has the new token, which was saved first."""
    portal.expire()
    client = connect(OAuth(portal.application(), save=kept))
    reply = client.call(*MESSAGE)
    assert (reply.outcome.verdict, reply.outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.TOKEN)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert portal.log == ["renewed", "saved access2", "call access2"]
    assert kept.tokens == [Tokens("access2", "refresh2", f"{portal.http.origin}/rest", 27)]


def test_batch_with_a_token_that_ran_out(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """No call of such a batch was carried out."""
    portal.expire()
    reply = connect(OAuth(portal.application(), save=kept)).batch({"r1": MESSAGE, "r2": MESSAGE})
    assert [outcome.reason for outcome in reply.commands.values()] == [Reason.TOKEN] * 2
    assert portal.renewals == 1


def test_many_calls_in_flight(serve: ServeHttp, connect: Connect) -> None:
    """For all calls that meet an old token there is one renewal."""
    portal = TokenPortal(serve, calls=20)
    kept = Kept(portal)
    client = connect(OAuth(portal.application(), save=kept))
    done = []

    def until_done(_: int) -> None:
        while (outcome := client.call(*MESSAGE).outcome).verdict is not Verdict.DONE:
            assert outcome.reason is Reason.TOKEN, outcome
        done.append(outcome.result)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(until_done, range(200)))
    assert len(done) == 200
    assert portal.renewals in (9, 10)
    assert len(kept.tokens) == portal.renewals
    for number, line in enumerate(portal.log):
        if line.startswith("call ") and line != "call access1":
            assert f"saved {line[5:]}" in portal.log[:number]


def test_no_access_token_yet(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """With only a refresh token, the first call gets an access token first."""
    client = connect(OAuth(portal.application(access_token=""), save=kept))
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert portal.log == ["renewed", "saved access2", "call access2"]


def test_endpoint_that_moved(portal: TokenPortal, kept: Kept, connect: Connect, serve: ServeHttp) -> None:
    """Calls follow the endpoint that a renewal names; the portal stays the same portal."""
    portal.expire()
    moved = serve(portal.answer)
    portal.extra = {"client_endpoint": f"{moved.origin}/rest/"}
    oauth = OAuth(portal.application(), save=kept)
    client = connect(oauth)
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert len(moved.requests) == 1
    assert oauth.portal == portal.http.origin.removeprefix("http://")
    assert kept.tokens[-1].endpoint == f"{moved.origin}/rest"


@pytest.mark.parametrize("endpoint", [None, "", "nonsense here", "http://portal.example/rest/", 5])
def test_endpoint_that_is_nonsense(portal: TokenPortal, kept: Kept, connect: Connect, endpoint: Any) -> None:
    """An endpoint to which a token must not be sent is not followed."""
    portal.expire()
    portal.extra = {"client_endpoint": endpoint}
    client = connect(OAuth(portal.application(), save=kept))
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "PAYMENT_REQUIRED", "invalid_scope", "other"])
def test_renewal_that_is_refused(portal: TokenPortal, kept: Kept, connect: Connect, code: str) -> None:
    """When the tokens cannot be renewed, the campaign ends with that code and a sentence, without secrets."""
    portal.expire()
    portal.refused = refused(code, "refresh1 is bad")
    outcome = connect(OAuth(portal.application(), save=kept)).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, code)
    assert outcome.description
    assert "refresh1" not in outcome.description


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"<html>Bad gateway</html>", 502),
        Response({"error": "INTERNAL_SERVER_ERROR"}, 500),
        Response({"error": "QUERY_LIMIT_EXCEEDED"}, 400),
        Response(b"", 200),
        Response({}, 200),
        Response({"access_token": "x"}, 200),
        Response({}, 302, {"Location": "https://elsewhere.example/"}),
    ],
)
def test_token_endpoint_in_trouble(portal: TokenPortal, kept: Kept, connect: Connect, answer: Response) -> None:
    """A token endpoint that is in trouble ends nothing: later the same renewal may succeed."""
    portal.expire()
    portal.refused = answer
    client = connect(OAuth(portal.application(), save=kept))
    outcome = client.call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.UNREACHABLE)
    portal.refused = None
    assert client.call(*MESSAGE).outcome.reason is Reason.TOKEN
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE


def test_token_endpoint_that_cannot_be_reached(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """Likewise where nobody listens."""
    portal.expire()
    app = application(
        portal.http.origin,
        client_id="app.1",
        client_secret=CLIENT_SECRET,
        access_token="access1",
        refresh_token="refresh1",
        token_url=f"http://127.0.0.1:{free_port()}/oauth/token/",
    )
    outcome = connect(OAuth(app, save=kept)).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.UNREACHABLE)
    assert "refused" in outcome.description


def test_new_pair_that_cannot_be_saved(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """A pair that could not be saved is not used, and not lost: it is saved and used as soon as that works."""
    portal.expire()
    kept.trouble = "The disk is full."
    client = connect(OAuth(portal.application(), save=kept))
    for _ in range(2):
        outcome = client.call(*MESSAGE).outcome
        assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, "RENEWAL_NOT_SAVED")
        assert outcome.description == "The disk is full."
    assert portal.log == ["renewed"]
    kept.trouble = ""
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert portal.log == ["renewed", "saved access2", "call access2"]


def test_pair_that_another_process_renewed(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """A newer saved pair is taken over instead of renewing again."""
    app = portal.application()
    portal.expire()
    portal.issue()
    newer = Tokens("access2", "refresh2", f"{portal.http.origin}/rest", 27)
    client = connect(OAuth(app, save=kept, load=lambda: newer))
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert portal.renewals == 0


def test_useless_renewals(portal: TokenPortal, kept: Kept, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal to which every token is an old one is not asked for tokens for ever."""
    monkeypatch.setattr(authorisation, "_MOST_USELESS_RENEWALS", 3)
    portal.calls = 0
    portal.expire()
    client = connect(OAuth(portal.application(), save=kept))
    outcomes = [client.call(*MESSAGE).outcome for _ in range(5)]
    assert [outcome.verdict for outcome in outcomes[:3]] == [Verdict.NOT_CARRIED_OUT] * 3
    assert [outcome.code for outcome in outcomes[3:]] == ["RENEWAL_USELESS"] * 2
    assert portal.renewals == 3


def test_application_as_given() -> None:
    """What is missing or would send tokens in the open is said."""
    given = {"client_id": "a", "client_secret": "b", "refresh_token": "c"}
    assert application("portal.example", **given).tokens.endpoint == "https://portal.example/rest"
    with pytest.raises(PortalError, match="are missing: client id, refresh token"):
        application("portal.example", **(given | {"client_id": " ", "refresh_token": ""}))
    with pytest.raises(PortalError, match="in the open"):
        application("http://portal.example", **given)
    with pytest.raises(PortalError, match="in the open"):
        application("portal.example", **given, token_url="http://oauth.example/")


WORKER = """
import sys
from pathlib import Path
from bulksend.portal.client import Client
from bulksend.portal.outcomes import Reason, Verdict
from bulksend.portal.credential_store import PortalStore
home, calls = Path(sys.argv[1]), int(sys.argv[2])
client = Client(PortalStore(home).get("prod"))
done = 0
print("ready", flush=True)
while done < calls:
    outcome = client.call("imopenlines.crm.message.add", {"CHAT_ID": 1}).outcome
    done += outcome.verdict is Verdict.DONE
    if outcome.verdict is not Verdict.DONE and outcome.reason is not Reason.TOKEN:
        sys.exit(f"{outcome}")
"""


def worker(home: Path, calls: int) -> subprocess.Popen[str]:
    """Another process that calls through the saved portal."""
    return Commands(home, ("-c", WORKER)).start(home, calls)


@pytest.fixture
def saved(serve: ServeHttp, tmp_path: Path) -> tuple[TokenPortal, PortalStore]:
    """A saved portal whose tokens run out after a few calls."""
    portal = TokenPortal(serve, calls=5)
    store = PortalStore(tmp_path)
    store.add("prod", portal.application())
    return portal, store


def stored(home: Path) -> tuple[str, str]:
    """The pair that is saved."""
    kept = json.loads((home / "portals" / "portal-prod.json").read_text(encoding="utf-8"))["secrets"]
    return kept["access_token"], kept["refresh_token"]


def test_several_processes(saved: tuple[TokenPortal, PortalStore], tmp_path: Path) -> None:
    """Processes that share a saved portal renew in turns: no refresh token is used twice, and the newest is saved."""
    portal, _ = saved
    workers = [worker(tmp_path, 10) for _ in range(3)]
    assert [end(process).code for process in workers] == [0, 0, 0]
    assert sum(line.startswith("call ") for line in portal.log) == 30
    assert portal.renewals in (5, 6)
    assert stored(tmp_path) == portal.pair


def test_killed_while_renewing(saved: tuple[TokenPortal, PortalStore], tmp_path: Path) -> None:
    """After a kill at any moment the saved pair is the newest: the process that renews is another one."""
    portal, _ = saved
    chance = random.Random(4)
    for _ in range(4):
        process = worker(tmp_path, 10**9)
        assert process.stdout is not None
        process.stdout.readline()
        renewals = portal.renewals
        wait_until(lambda: portal.renewals > renewals)  # noqa: B023 - waited for at once
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        end(process)
        wait_until(lambda: stored(tmp_path) == portal.pair)


@pytest.mark.parametrize("told", ["", "no JSON", "[]", "{}"])
def test_process_that_does_not_renew(
    saved: tuple[TokenPortal, PortalStore], connect: Connect, monkeypatch: pytest.MonkeyPatch, told: str, tmp_path: Path
) -> None:
    """Where no other process renews, this one does."""
    portal, store = saved
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf %s '{told}'\n", encoding="utf-8")
    script.chmod(0o700 if told else 0o600)
    monkeypatch.setattr(sys, "executable", str(script))
    portal.expire()
    client = connect(store.get("prod"))
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert stored(tmp_path) == portal.pair
    assert portal.renewals == 1


@pytest.mark.parametrize("change", ["another portal", "another application", "a webhook", "removed"])
def test_another_portal_under_the_same_name(
    saved: tuple[TokenPortal, PortalStore], serve: ServeHttp, connect: Connect, change: str
) -> None:
    """What is saved meanwhile under the name is not called in the place of the portal that a campaign is for."""
    portal, store = saved
    client = connect(store.get("prod"))
    other = TokenPortal(serve)
    match change:
        case "another portal":
            store.add("prod", other.application(), replace=True)
        case "another application":
            store.add("prod", replace(portal.application(), client_id="app.2"), replace=True)
        case "a webhook":
            store.add("prod", other.http.webhook, replace=True)
        case _:
            store.remove("prod")
    portal.expire()
    for _ in range(2):
        outcome = client.call(*MESSAGE).outcome
        assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, "PORTAL_CHANGED")
    assert not other.log
    assert portal.renewals == 0


@contextmanager
def no_file_written() -> Iterator[None]:
    """Neither this process nor those that it starts can write to files."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_the_renewing_process_tells(
    saved: tuple[TokenPortal, PortalStore], connect: Connect, tmp_path: Path
) -> None:
    """What its endpoint says comes back; a pair that it could not save is saved here when that works."""
    portal, store = saved
    client = connect(store.get("prod"))
    portal.expire()
    portal.refused = refused("invalid_client")
    outcome = client.call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.CAMPAIGN_REFUSED, "invalid_client")
    portal.refused = Response(b"<html>", status=502)
    outcome = client.call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_CARRIED_OUT, Reason.UNREACHABLE)
    portal.refused = None
    with no_file_written():
        assert client.call(*MESSAGE).outcome.code == "RENEWAL_NOT_SAVED"
    client.call(*MESSAGE)
    assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert stored(tmp_path) == portal.pair
    assert portal.renewals == 1


def test_calls_meanwhile(portal: TokenPortal, kept: Kept, connect: Connect) -> None:
    """A call that met the old token late, after it was renewed, does not renew the new one."""
    oauth = OAuth(portal.application(), save=kept)
    portal.expire()
    client = connect(oauth)
    client.call(*MESSAGE)
    wait_until(lambda: oauth.generation == 1)
    oauth.renew(0)
    assert portal.renewals == 1
