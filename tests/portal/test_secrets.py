"""No secret tells: not in a text, an error, a traceback, or a log record, whatever happens."""

import datetime as dt
import ipaddress
import logging
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bulksend.errors import PortalError
from bulksend.portal import methods
from bulksend.portal.authorisation import Application, OAuth, Tokens, application, parse_webhook
from bulksend.portal.client import Client
from bulksend.portal.credential_store import PortalStore, resolve
from bulksend.portal.outcomes import Verdict
from bulksend.portal.redaction import without_secrets
from tests.portal.conftest import (
    SECRET,
    Connect,
    HttpPortal,
    Request,
    Response,
    ServeHttp,
    ServeRaw,
    free_port,
    refused,
    reset,
    sent,
)

CLIENT_SECRET, ACCESS, REFRESH = "cl13ntS3cret", "acc3ssT0ken", "r3freshT0ken"
NEW_ACCESS, NEW_REFRESH = "n3wAcc3ssT0ken", "n3wR3freshT0ken"
TEXT = "Dear Anna, your parcel"
SECRETS = (SECRET, CLIENT_SECRET, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH, TEXT)
MESSAGE = methods.message_add("deal", 288, 27, 8773, TEXT)


def assert_no_secret(*shown: Any) -> None:
    """Look for every secret in every form of every thing."""
    for thing in shown:
        forms = [str(thing), repr(thing), f"{thing}"]
        if isinstance(thing, BaseException):
            forms += traceback.format_exception(thing)
            forms += traceback.format_exception(type(thing), thing, thing.__traceback__, chain=True)
        for form in forms:
            assert [secret for secret in SECRETS if secret in form] == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that is logged, with every library's debug records."""
    for name in ("", "urllib3", "urllib3.connectionpool", "urllib3.connection", "requests", "filelock"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    formatter = logging.Formatter("%(name)s %(message)s")

    def text() -> str:
        return "\n".join(formatter.format(record) + str(vars(record)) for record in caplog.records)

    yield text
    assert_no_secret(text())


def an_application(origin: str) -> Application:
    """An application whose tokens have run out."""
    return application(
        origin,
        client_id="app.1",
        client_secret=CLIENT_SECRET,
        access_token=ACCESS,
        refresh_token=REFRESH,
        token_url=f"{origin}/oauth/token/",
    )


def test_things_that_hold_secrets() -> None:
    """Nothing that holds a secret shows it."""
    app = an_application("https://portal.example")
    oauth = OAuth(app, save=lambda _: None)
    webhook = parse_webhook(f"https://portal.example/rest/27/{SECRET}/")
    assert_no_secret(app, app.tokens, oauth, webhook, Client(webhook), Client(oauth))
    assert_no_secret(webhook.masked, webhook.identity, webhook.portal, oauth.masked, oauth.identity, oauth.portal)
    assert repr(webhook) == "Webhook(https://portal.example/rest/27/…)"


@pytest.mark.parametrize(
    "answer",
    [
        sent(),
        refused("CANCELED", f"https://portal.example/rest/27/{SECRET}/ says no"),
        Response(f"<html>/rest/27/{SECRET}/ was not found</html>".encode(), 404),
        Response(f"/rest/27/{SECRET}/".encode(), 502),
        Response({}, 302, {"Location": f"https://elsewhere.example/rest/27/{SECRET}/"}),
        refused("expired_token", status=401),
        refused(f"NO_{SECRET}", status=401),
        Response(b"", headers={"Connection": "close", "Broken header": "x", "Link": f"</rest/27/{SECRET}>"}),
    ],
)
def test_answers(serve: ServeHttp, connect: Connect, logged: Callable[[], str], answer: Response) -> None:
    """Whatever a portal answers, with debug logging on."""
    client = connect(serve(lambda _: answer).webhook)
    assert_no_secret(client.call(*MESSAGE), client.batch({"r1": MESSAGE}))
    assert "/rest/27/.../imopenlines.crm.message.add" in logged()


def test_logs_of_the_host(serve: ServeHttp, connect: Connect) -> None:
    """Whoever imports the library keeps its loggers as they are."""
    connect(serve(lambda _: sent()).webhook).call(*MESSAGE)
    for name in ("urllib3", "urllib3.connectionpool", "urllib3.connection", "requests"):
        assert logging.getLogger(name).filters == []


def test_broken_calls(serve_raw: ServeRaw, connect: Connect, logged: Callable[[], str]) -> None:
    """However a call breaks."""
    addresses = [
        serve_raw(reset).webhook,
        parse_webhook(f"http://127.0.0.1:{free_port()}/rest/27/{SECRET}/"),
        parse_webhook(f"https://no-such-portal.invalid/rest/27/{SECRET}/"),
        parse_webhook(f"https://127.0.0.1:{free_port()}/rest/27/{SECRET}/"),
    ]
    for webhook in addresses:
        assert_no_secret(connect(webhook).call(*MESSAGE))


def test_renewals(serve: ServeHttp, connect: Connect, logged: Callable[[], str]) -> None:
    """A renewal has four secrets in its address and its answer."""
    renewal = Response({"access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH})

    def answer(request: Request) -> Response:
        if request.method == "GET":
            return renewal
        if request.json["auth"] == ACCESS:
            return refused("expired_token", f"{ACCESS} has run out", 401)
        return refused("CANCELED", f"auth={NEW_ACCESS} may not")

    portal = serve(answer)
    client = connect(OAuth(an_application(portal.origin), save=lambda _: None))
    assert_no_secret(client.call(*MESSAGE), client.call(*MESSAGE), client.authorisation)
    assert portal.requests[-1].json["auth"] == NEW_ACCESS
    assert "grant_type=refresh_token" in logged()
    renewal.status, renewal.body = 400, {"error": "invalid_grant", "error_description": f"{REFRESH} {CLIENT_SECRET}"}
    client = connect(OAuth(an_application(portal.origin), save=lambda _: None))
    assert_no_secret(client.call(*MESSAGE))


def test_errors_of_saved_portals(tmp_path: Path, logged: Callable[[], str]) -> None:
    """Nor does what goes wrong with saved portals and addresses."""
    store = PortalStore(tmp_path)
    store.add("prod", parse_webhook(f"https://portal.example/rest/27/{SECRET}/"))
    assert_no_secret(store, *store.list(), store.get("prod"))
    (tmp_path / "portals" / "portal-bad.json").write_text(f'{{"name": "{SECRET}"', encoding="utf-8")
    attempts: list[Callable[[], object]] = [
        lambda: resolve(SECRET, store),
        lambda: resolve(f"http://portal.example/rest/27/{SECRET}/", store),
        lambda: resolve(f"https://u:{SECRET}@portal.example/rest/27/{SECRET}/", store),
        lambda: resolve(f"https://portal.example/rest/27/{SECRET}/a b", store),
        lambda: store.add("prod", parse_webhook(f"https://portal.example/rest/27/{SECRET}/")),
        lambda: store.get("bad"),
        lambda: an_application(f"https://{SECRET}@portal.example"),
        lambda: an_application(f"http://portal.example/{SECRET}"),
    ]
    for attempt in attempts:
        with pytest.raises(PortalError) as caught:
            attempt()
        assert caught.value.__context__ is None or caught.value.__suppress_context__
        assert "\n" not in str(caught.value)
        # The test's own source lines are part of a traceback, so only the error itself is searched.
        assert [secret for secret in SECRETS if secret in f"{caught.value} {caught.value!r}"] == []


def test_masking_of_texts() -> None:
    """Addresses and parameters are masked wherever they stand in a text."""
    for text in (
        f"POST /rest/27/{SECRET}/profile.json HTTP/1.1",
        f"https://portal.example/rest/27/{SECRET}",
        f"GET /oauth/token/?client_secret={SECRET}&refresh_token={SECRET}&x=1",
        f"{{'auth': '{SECRET}'}}",
        f"url: /rest/x?auth={SECRET}",
        f"There is no file https:/portal.example/rest/27/{SECRET}.",
        f"There is no file https:\\portal.example\\rest\\27\\{SECRET}\\profile.",
        f"postgresql://joe@db.example/journal?connect_timeout=5&password={SECRET}",
        f"postgresql://joe:{SECRET}@db.example/journal",
        f"postgresql://joe:a@{SECRET}@db.example/journal",
        f"postgresql://joe:a/{SECRET}@db.example:5432/journal cannot be used",
    ):
        assert SECRET not in without_secrets(text)
    assert without_secrets(f"/rest/27/{SECRET}/profile?auth={SECRET}&x=1") == "/rest/27/…/profile?auth=…&x=1"
    assert without_secrets("nothing to hide: author=Anna") == "nothing to hide: author=Anna"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A throw-away certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "portal.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


def over_tls(serve: ServeHttp, certificate: Path) -> HttpPortal:
    """A portal behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return serve(lambda _: sent(), context)


def test_certificate_nobody_knows(serve: ServeHttp, connect: Connect, certificate: Path) -> None:
    """A portal whose certificate is not trusted is told nothing."""
    portal = over_tls(serve, certificate)
    outcome = connect(portal.webhook).call(*MESSAGE).outcome
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_CARRIED_OUT, "PORTAL_UNREACHABLE")
    assert "TLS" in outcome.description
    assert portal.requests == []


def test_certificate_of_the_companys_own(
    serve: ServeHttp, connect: Connect, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQUESTS_CA_BUNDLE makes a company's own certificates known."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    portal = over_tls(serve, certificate)
    client = connect(portal.webhook)
    for _ in range(3):
        assert client.call(*MESSAGE).outcome.verdict is Verdict.DONE
    assert portal.connections == 1


def test_tokens_are_values() -> None:
    """Two equal pairs are equal, so that a newer one can be told."""
    assert Tokens("a", "b", "https://portal.example/rest") == Tokens("a", "b", "https://portal.example/rest")
