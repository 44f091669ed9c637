"""Recorded answers of Bitrix24: the client reads them, and the sandbox answers the same calls in the same shape."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from bulksend.portal import methods
from bulksend.portal.authorisation import OAuth, RenewalRefusedError, application, parse_webhook
from bulksend.portal.client import BatchReply, Client
from bulksend.portal.outcomes import Verdict
from bulksend.sandbox import Faults, Limits, OAuthApp, Sandbox, World
from bulksend.sandbox.description import change
from bulksend.sandbox.limits import Operating
from bulksend.sandbox.refusal import Refusal

RECORDED = Path(__file__).parent / "recorded"
TOKEN = "oauth/token"
READERS: dict[str, Callable[[Any], object]] = {
    methods.MESSAGE_ADD: methods.read_message_id,
    methods.HISTORY_GET: methods.read_history,
    methods.CHAT_GET: methods.read_chats,
    methods.DIALOG_GET: methods.read_dialog,
    methods.PROFILE: methods.read_profile,
    methods.SCOPE: methods.read_scopes,
    methods.APP_INFO: methods.read_plan,
    methods.USER_ADD: int,
    methods.SESSION_START: bool,
}

_OLDER = "the documentation's example was made before portals said so"
_BEFORE = {
    methods.PROFILE: ("time.operating_reset_at",),
    methods.SCOPE: ("time.operating_reset_at",),
    methods.APP_INFO: ("time.operating_reset_at",),
    methods.BATCH: (
        *("time.operating", "time.operating_reset_at"),
        *(f"result.result_time.{key}.{name}" for key in ("r1", "r2") for name in ("operating", "operating_reset_at")),
    ),
}
_NO_FILES = "the sandbox has no files"
_ATTACHED = "the example's message is a form's, the sandbox's says that it was sent automatically"
_MESSAGES = "result.message.*.params"

DISAGREEMENTS: dict[tuple[str, str], str] = {
    **{(method, place): _OLDER for method, places in _BEFORE.items() for place in places},
    (methods.HISTORY_GET, f"{_MESSAGES}.fileId"): _NO_FILES,
    (methods.HISTORY_GET, f"{_MESSAGES}.attach.*.blocks.*.link"): _ATTACHED,
    (methods.HISTORY_GET, f"{_MESSAGES}.attach.*.blocks.*.grid"): _ATTACHED,
    (methods.HISTORY_GET, f"{_MESSAGES}.attach.*.blocks.*.message"): _ATTACHED,
    (methods.HISTORY_GET, f"{_MESSAGES}.class"): "by the server's code; the example leaves it out",
}
"""What a recording and the sandbox differ in, by method and place, and why it stays so."""


def _exchanges() -> Iterator[dict[str, Any]]:
    for path in sorted(RECORDED.glob("*.json")):
        recording = json.loads(path.read_text(encoding="utf-8"))
        for number, exchange in enumerate(recording["exchanges"], 1):
            code = (exchange["body"] or {}).get("error", "")
            name = f"{path.stem}-{number}{f'-{code}' if code else ''}"
            yield {"name": name, "sign_in": recording["sign_in"], **exchange}


EXCHANGES = list(_exchanges())
each_exchange = pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["name"])


@contextmanager
def answering(status: int, body: Any) -> Iterator[str]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@each_exchange
def test_the_client_reads_it(exchange: dict[str, Any]) -> None:
    """It takes the answer for what it is, and finds in it what it looks for."""
    with answering(exchange["status"], exchange["body"]) as address:
        if exchange["method"] == TOKEN:
            _renews(address, exchange)
            return
        with Client(parse_webhook(f"{address}/rest/27/{'s' * 16}/")) as client:
            if exchange["method"] == methods.BATCH:
                _reads_batch(client, exchange)
                return
            outcome = client.call(exchange["method"], exchange["params"]).outcome
    if exchange["sign_in"] == "application" and outcome.code == "expired_token":
        return  # what is done about it is for an application's sign-in, and tested there
    if "verdict" in exchange:
        assert outcome.verdict.value == exchange["verdict"]
    if outcome.verdict is Verdict.DONE:
        READERS[exchange["method"]](outcome.result)
        assert outcome.timing is not None
    else:
        assert outcome.code == exchange["body"]["error"]


def _reads_batch(client: Client, exchange: dict[str, Any]) -> None:
    cmd = exchange["params"]["cmd"]
    reply = client.batch({key: (command.partition("?")[0], {}) for key, command in cmd.items()})
    assert isinstance(reply, BatchReply)
    assert reply.outcome.verdict is Verdict.DONE
    answered = exchange["body"]["result"]
    for key, command in cmd.items():
        outcome = reply.commands[key]
        if key in answered["result_error"]:
            assert outcome.code == answered["result_error"][key]["error"]
        elif key in answered["result"]:
            READERS[command.partition("?")[0]](outcome.result)


def _renews(address: str, exchange: dict[str, Any]) -> None:
    app = application(
        "https://portal.example", client_id="id", client_secret="secret", refresh_token="old", token_url=address
    )
    authorisation = OAuth(app, save=lambda _: None)
    if exchange["verdict"] == "done":
        authorisation.renew(authorisation.generation)
        assert authorisation.parameters() == {"auth": exchange["body"]["access_token"]}
        assert authorisation.url("profile") == f"{exchange['body']['client_endpoint']}profile"
    else:
        with pytest.raises(RenewalRefusedError) as refused:
            authorisation.renew(authorisation.generation)
        assert refused.value.code == exchange["body"]["error"]


@contextmanager
def sandbox_for(exchange: dict[str, Any]) -> Iterator[Sandbox]:
    """A sandbox that is as the exchange needs it."""
    asked = exchange.get("sandbox", {})
    world = World.closed() if "world" in asked else World()
    change(world, asked.get("world", {}))
    world.inactive_users = set(asked.get("inactive_users", ()))
    limits = asked.get("limits", {})
    with Sandbox(world=world, oauth=OAuthApp()) as portal:
        portal.limits = Limits(
            rate=tuple(limits["rate"]) if "rate" in limits else None, operating=Operating(**limits.get("operating", {}))
        )
        portal.faults = Faults(at={int(n): kind for n, kind in asked.get("faults", {}).get("at", {}).items()})
        for name, value in asked.get("dials", {}).items():
            setattr(portal, name, value)
        if asked.get("expired"):
            portal.oauth.expire()
        if "renewal" in asked:
            portal.oauth.refusal = Refusal(exchange["status"], asked["renewal"], "…")
        yield portal


def ask_the_sandbox(exchange: dict[str, Any], portal: Sandbox) -> requests.Response:
    """Make the recorded call."""
    with requests.Session() as session:
        session.trust_env = False
        if exchange["method"] == TOKEN:
            app = portal.oauth.app
            own = {"client_id": app.client_id, "client_secret": app.client_secret}
            params = {**exchange["params"], **own, "refresh_token": portal.oauth.refresh_token}
            return session.get(portal.token_endpoint, params=params, timeout=30)
        params, base = dict(exchange["params"]), portal.webhook
        if exchange["sign_in"] == "application":
            params, base = {**params, "auth": portal.oauth.access_token}, portal.rest
        return session.post(base + exchange["method"], json=params, timeout=30)


@each_exchange
def test_the_sandbox_answers_alike(exchange: dict[str, Any]) -> None:
    """The same status, the same code or the same keys with the same kinds of values."""
    if "not_in_sandbox" in exchange:
        pytest.skip(exchange["not_in_sandbox"])
    with sandbox_for(exchange) as portal:
        answer = ask_the_sandbox(exchange, portal)
    assert answer.status_code == exchange["status"]
    body = answer.json()
    assert body.get("error") == exchange["body"].get("error")
    method = exchange["method"]
    found = dict(differences(shape(exchange["body"]), shape(body)))
    known = {place for of, place in DISAGREEMENTS if of == method}
    assert {place: said for place, said in found.items() if place not in known} == {}


def test_no_disagreement_is_out_of_date() -> None:
    """What is listed is still so."""
    seen = set()
    for exchange in EXCHANGES:
        if "not_in_sandbox" in exchange or not any(of == exchange["method"] for of, _ in DISAGREEMENTS):
            continue
        with sandbox_for(exchange) as portal:
            body = ask_the_sandbox(exchange, portal).json()
        seen |= {(exchange["method"], place) for place, _ in differences(shape(exchange["body"]), shape(body))}
    assert sorted(DISAGREEMENTS.keys() - seen) == []


def test_every_method_that_is_called_is_recorded() -> None:
    """Also the batch and the renewal of tokens."""
    called = {value for name, value in vars(methods).items() if name.isupper() and isinstance(value, str)}
    called -= {methods.CUT_MARK}
    recorded = {exchange["method"] for exchange in EXCHANGES}
    assert sorted({*called, TOKEN} - recorded) == []


Shape = str | dict[str, Any] | None
"""``None`` for what is empty and so fits everything; the kind of a value; or the shapes behind each key."""


def shape(value: Any) -> Shape:
    """The shape of a JSON value: ids as keys, and the places of a list, all stand for each other."""
    if isinstance(value, Mapping):
        return merged((_key(key), shape(item)) for key, item in value.items()) or None
    if isinstance(value, list):
        return merged(("*", shape(item)) for item in value) or None
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return None if value in (None, "") else "text"


def _key(name: str) -> str:
    return "*" if re.fullmatch(r"(chat)?\d+", name) else name


def merged(items: Any) -> dict[str, Any]:
    """One shape of several items."""
    shapes: dict[str, Any] = {}
    for key, item in items:
        now = shapes.get(key)
        shapes[key] = (
            merged([*now.items(), *item.items()]) if isinstance(now, dict) and isinstance(item, dict) else now or item
        )
    return shapes


def differences(recorded: Shape, ours: Shape, place: str = "") -> Iterator[tuple[str, str]]:
    """Where two shapes differ."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in recorded.keys() | ours.keys():
            here = f"{place}.{key}".removeprefix(".")
            if key not in ours:
                yield here, "only recorded"
            elif key not in recorded:
                yield here, "only in the sandbox"
            else:
                yield from differences(recorded[key], ours[key], here)
    elif recorded is not None and ours is not None and recorded != ours:
        yield place, f"recorded: {_kind(recorded)}; in the sandbox: {_kind(ours)}"


def _kind(of: Shape) -> str:
    return of if isinstance(of, str) else "object"
