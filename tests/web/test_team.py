"""A page beyond one computer: over TLS, for users who sign in, each of whom may do what their role allows."""

import contextlib
import http.client
import io
import re
import socket
import sqlite3
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bulksend.cli import run as run_command
from bulksend.errors import UsageError
from bulksend.journal import Journal, Role, User
from bulksend.web.accounts import PER_ADDRESS, PER_USER
from bulksend.web.door import SAFE_METHODS
from bulksend.web.language import LANGUAGE
from bulksend.web.listening import Listening
from bulksend.web.page import Page
from bulksend.web.passwords import as_name, hashed, matches
from bulksend.web.server import ROUTES, make_app
from bulksend.web.sign_in import COOKIE, SIGN_IN, SIGN_OUT, SignInDoor, place
from tests.processes import Commands, rows
from tests.terminal import Terminal
from tests.web.conftest import NO_REDIRECT, PASSWORD, Certificate, Member, TeamPage, password_hash

WRONG = "wrong horse battery staple"

METRICS_TOKEN = "of a program that watches"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamPage]:
    """One page for the tests of a module."""
    page = TeamPage(tmp_path_factory.mktemp("team"))
    page.start("--metrics-token", METRICS_TOKEN)
    yield page
    page.kill()


@pytest.fixture(scope="module")
def anna(team: TeamPage) -> Member:
    """A sender who stays signed in."""
    return team.sign_in("anna")


@pytest.fixture(scope="module")
def vera(team: TeamPage) -> Member:
    """A viewer who stays signed in."""
    return team.sign_in("vera")


@pytest.fixture(autouse=True)
def nothing_has_failed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves no failures to those after it."""
    yield
    if "team" in request.fixturenames:
        _change(request.getfixturevalue("team"), "DELETE FROM sign_in_failures")


def _change(team: TeamPage, statement: str) -> None:
    """Change the journal behind the page's back."""
    with contextlib.closing(sqlite3.connect(team.journal, timeout=60)) as file, file:
        file.execute(statement)


def _cookie(member: Member) -> str:
    return next(cookie.value or "" for cookie in member.session.cookies if cookie.name == COOKIE)


def _with_cookie(team: TeamPage, value: str) -> Member:
    member = Member(team)
    member.session.cookies.set(COOKIE, value, domain="127.0.0.1", path="/", secure=True)
    return member


def _is_out(member: Member) -> bool:
    """Whether the page shows nothing but the way to sign in."""
    answer = member.session.get(f"{member.base}/", **NO_REDIRECT)
    return answer.status_code == 303 and answer.headers["Location"].startswith(SIGN_IN)


# Starting it


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """A certificate in files."""
    return Certificate.make(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--listen", "0.0.0.0:0"], "Beyond this computer the page is served only over TLS and to users who sign in."),
        (["--listen", ":0"], "Beyond this computer the page is served only over TLS and to users who sign in."),
        (["--listen", "0.0.0.0:0", "--tls-cert", "cert.pem"], "give --tls-cert and --tls-key"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "give --listen too"),
        (["--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"], "Nobody could sign in"),
        (["--listen", "0.0.0.0:0", "--tls-cert", "key.pem", "--tls-key", "key.pem"], "cannot be used"),
        (["--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "missing.pem"], "cannot be used"),
        (["--listen", "127.0.0.1:0", "--port", "8080"], "leave out --port"),
        (["--listen", "127.0.0.1"], "give HOST:PORT"),
        (["--listen", "127.0.0.1:" + "9" * 5_000], "give HOST:PORT"),
        (["--listen", "127.0.0.1:0", "--url", "https://bulksend.example"], "--url is for a page"),
    ],
)
def test_what_is_refused(
    options: list[str],
    sentence: str,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a sentence, before anybody is served: no TLS, no users, files that are of no use, options that contradict."""
    monkeypatch.setenv("BULKSEND_HOME", str(certificate.cert.parent / "home"))
    monkeypatch.chdir(certificate.cert.parent)
    assert run_command(["web", "--no-open", *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("", "at all addresses"), ("http://bulksend.example", "is not an address"), ("https://a.example/b", "is not an")],
)
def test_what_browsers_name_it_by_has_to_be_known(
    url: str,
    sentence: str,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A page at all addresses of a computer cannot tell which of them people open."""
    home = certificate.cert.parent / "home"
    monkeypatch.setenv("BULKSEND_HOME", str(home))
    with Journal(home / "journal.db") as journal:
        journal.add_user(User("anna", Role.SENDER), "hash")
    files = ["--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)]
    assert run_command(["web", "--listen", "0.0.0.0:0", *files, *(["--url", url] if url else [])]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listen", "url", "origin"),
    [
        ("0.0.0.0:8443", "https://Bulksend.Example/", "https://bulksend.example"),
        ("bulksend.example:443", "", "https://bulksend.example"),
        ("bulksend.example:8443", "", "https://bulksend.example:8443"),
        ("[::1]:8443", "", "https://[::1]:8443"),
        ("10.0.0.7:8443", "https://рассылки.example:444", "https://xn--80aqfdxha4f.example:444"),
    ],
)
def test_how_browsers_name_it(listen: str, url: str, origin: str, certificate: Certificate) -> None:
    """By the address that is given for it, else by where it listens; as browsers send it."""
    place = Listening.parse(listen, cert=certificate.cert, key=certificate.key, url=url)
    assert place.origin(place.port) == origin


def _shown(context: ssl.SSLContext) -> bytes:
    """The certificate that a server shows."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor, server = client.wrap_bio(ours, theirs), context.wrap_bio(theirs, ours, server_side=True)
    for _ in range(3):
        for side in (visitor, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return visitor.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate_is_taken_up(certificate: Certificate) -> None:
    """For the next connections; one that is half written is not, and the one before stays."""
    place = Listening(cert=certificate.cert, key=certificate.key)
    context = place.tls()
    assert context is not None
    first = _shown(context)
    certificate.cert.write_text("half")
    with pytest.raises(UsageError, match="cannot be used"):
        place.load(context)
    assert _shown(context) == first
    Certificate.make(certificate.cert.parent)
    place.load(context)
    assert _shown(context) not in {first, b""}


# Users


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("BULKSEND_HOME", str(tmp_path))
    return tmp_path


def _user(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = "") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return run_command(["web", "user", *arguments])


def test_users_are_added_listed_changed_and_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password comes from standard input, never from an option, and is kept as a hash alone."""
    assert _user(monkeypatch, "add", "Anna", typed=f"{PASSWORD}\n") == 0
    assert _user(monkeypatch, "add", "vera", "--role", "viewer", typed=PASSWORD) == 0
    assert _user(monkeypatch, "add", "anna", typed=f"{PASSWORD}\n") == 2
    capsys.readouterr()
    assert _user(monkeypatch, "list") == 0
    assert capsys.readouterr().out.splitlines() == ["anna  sender", "vera  viewer"]
    with Journal(home / "journal.db") as journal:
        before = journal.password_of("anna")
    assert matches(PASSWORD, before)
    assert _user(monkeypatch, "password", "anna", typed=f"{WRONG}\n") == 0
    assert _user(monkeypatch, "remove", "vera") == 0
    with Journal(home / "journal.db") as journal:
        assert matches(WRONG, journal.password_of("anna"))
        assert journal.users() == [User("anna", Role.SENDER)]
    capsys.readouterr()
    for arguments, typed in ((["remove", "nobody"], ""), (["password", "nobody"], WRONG), (["add", "x y"], WRONG)):
        assert _user(monkeypatch, *arguments, typed=typed) == 2
    assert _user(monkeypatch, "add", "short", typed="elevenchars\n") == 2
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert b"horse" not in b"".join(path.read_bytes() for path in home.glob("journal.db*"))


def test_a_password_is_asked_for_twice(tmp_path: Path) -> None:
    """And not shown; two that differ are asked for again."""
    with Terminal(tmp_path / "home", "web", "user", "add", "anna") as terminal:
        terminal.read_until("Password")
        terminal.type(f"{PASSWORD}\r")
        terminal.read_until("Once more")
        terminal.type(f"{PASSWORD}\r")
        assert terminal.end() == 0
        assert "horse" not in terminal.shown
    with Journal(tmp_path / "home" / "journal.db") as journal:
        assert matches(PASSWORD, journal.password_of("anna"))


def test_a_name_is_the_same_however_it_is_typed() -> None:
    """Capitals, blanks around it and ways to write a letter make no other user."""
    assert as_name(" Anna ") == as_name("ANNA") == "anna"
    assert as_name("\u0439") == as_name("\u0438\u0306")
    assert matches("\u0439" * 12, hashed("\u0438\u0306" * 12))


# Signing in


def test_signing_in_and_out(team: TeamPage) -> None:
    """The session is a cookie that no script, no other host and no plain HTTP gets; the journal has its hash alone."""
    member = Member(team)
    answer = member.post(SIGN_IN, {"name": "Anna", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert "Send a sheet" in member.get("/").text
    assert member.get(f"{SIGN_IN}?next=/portals").url == f"{team.origin}/portals"
    secret = _cookie(member)
    assert secret.encode() not in b"".join(path.read_bytes() for path in team.home.glob("journal.db*"))
    assert member.post(SIGN_OUT).status_code == 303
    assert _is_out(member)
    assert _is_out(_with_cookie(team, secret))
    assert _is_out(_with_cookie(team, "\xff"))  # no UTF-8


def test_metrics_are_for_whoever_names_their_token(team: TeamPage, anna: Member) -> None:
    """Signed in or not: a program that watches needs no user, and a user is no program that watches."""
    assert anna.get("/metrics").status_code == 401
    bearer = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    stranger = Member(team)
    told = stranger.get("/metrics", headers=bearer)
    assert (told.status_code, "bulksend_rows" in told.text, told.cookies.get_dict()) == (200, True, {})
    assert _is_out(stranger)


def test_browsers_are_told_to_come_over_tls(team: TeamPage) -> None:
    """Every answer says so, also to strangers; and keeps other pages out as on one computer."""
    for path in (SIGN_IN, "/", "/static/style.css"):
        answer = Member(team).session.get(f"{team.origin}{path}", **NO_REDIRECT)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_plain_http_gets_nothing(team: TeamPage) -> None:
    """Neither a page nor a way to one."""
    host, _, port = team.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(f"GET /sign-in HTTP/1.1\r\nHost: {team.host}\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := plain.recv(1000):
                answer += piece
    assert b"HTTP" not in answer


@pytest.mark.parametrize("path", ["/", "/campaigns/1", "/campaigns/1/results.csv", "/portals", "/nothing"])
def test_strangers_see_the_way_in_alone(team: TeamPage, path: str) -> None:
    """Whatever they ask for."""
    stranger = Member(team)
    answer = stranger.session.get(f"{team.origin}{path}", **NO_REDIRECT)
    assert (answer.status_code, answer.text.strip()) == (303, "303: See Other")
    shown = stranger.get(path).text
    assert "Sign in" in shown
    assert "Portals" not in shown
    posted = stranger.post("/portals", {"name": "mine", "webhook": "https://portal.invalid/rest/27/abc/"})
    assert posted.status_code == 403
    assert "Your session has ended" in posted.text


@pytest.mark.parametrize("name", ["anna", "nobody", "a" * 5000, "\x00"])
def test_a_wrong_password_says_no_more_than_that(team: TeamPage, name: str) -> None:
    """For names there are and for those there are not."""
    answer = Member(team).post(SIGN_IN, {"name": name, "password": WRONG})
    assert answer.status_code == 403
    assert "The name or the password is wrong." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert WRONG not in answer.text


def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    """Nobody can find out by a clock which users there are."""

    def fastest(kept: str | None) -> float:
        took = []
        for _ in range(2):
            began = time.process_time()
            assert not matches(WRONG, kept)
            took.append(time.process_time() - began)
        return min(took)

    assert fastest(None) > fastest(password_hash()) / 4


def test_guessing_a_password_is_slowed_down(team: TeamPage) -> None:
    """After a few wrong ones even the right one has to wait; other users need not."""
    guesser = Member(team)
    for _ in range(PER_USER.free):
        assert guesser.post(SIGN_IN, {"name": "anna", "password": WRONG}).status_code == 403
    # However slow this test is, the next attempt comes right after the last failure.
    _change(team, "UPDATE sign_in_failures SET last_at = last_at + 60 WHERE origin = 'user anna'")
    assert guesser.post(SIGN_IN, {"name": "ANNA", "password": WRONG}).status_code == 429
    _change(team, "UPDATE sign_in_failures SET failures = 30 WHERE origin = 'user anna'")
    slowed = guesser.post(SIGN_IN, {"name": "anna", "password": PASSWORD})
    assert slowed.status_code == 429
    assert 1 < int(slowed.headers["Retry-After"]) <= PER_USER.longest + 60
    assert "Set-Cookie" not in slowed.headers
    team.sign_in("boris")
    _change(team, "UPDATE sign_in_failures SET last_at = last_at - 200 WHERE origin = 'user anna'")
    team.sign_in("anna")


def test_guessing_names_is_slowed_down(team: TeamPage) -> None:
    """One computer that tries many names; the count is in the journal, so every process of the page knows it."""
    Member(team).post(SIGN_IN, {"name": "somebody", "password": WRONG})
    counted = f"failures = {PER_ADDRESS.free}, last_at = last_at + 60"
    _change(team, f"UPDATE sign_in_failures SET {counted} WHERE origin LIKE 'address %'")
    assert Member(team).post(SIGN_IN, {"name": "anna", "password": PASSWORD}).status_code == 429


def test_a_session_that_was_there_before_is_not_taken(team: TeamPage) -> None:
    """Whoever plants a cookie has nothing of the session that begins; the one of before ends."""
    planted = _with_cookie(team, "planted-by-somebody-else-0123456789")
    assert planted.post(SIGN_IN, {"name": "anna", "password": PASSWORD}).status_code == 303
    assert _is_out(_with_cookie(team, "planted-by-somebody-else-0123456789"))
    member = team.sign_in("anna")
    first = _cookie(member)
    assert member.post(SIGN_IN, {"name": "boris", "password": PASSWORD}).status_code == 303
    assert _cookie(member) != first
    assert _is_out(_with_cookie(team, first))


@pytest.mark.parametrize("change", ["removal", "password", "idle", "absolute"])
def test_what_ends_a_session(team: TeamPage, anna: Member, change: str) -> None:
    """At once, for every browser of the user: removal and a new password; and time, used or not."""
    name = f"gone-{change}"
    with Journal(team.journal) as journal:
        journal.add_user(User(name, Role.SENDER), password_hash())
        member = team.sign_in(name)
        assert not _is_out(member)
        if change == "removal":
            journal.remove_user(name)
        elif change == "password":
            journal.set_password(name, "another hash")
    if change == "idle":
        _change(team, f"UPDATE sessions SET seen_at = seen_at - 3601 WHERE name = '{name}'")
    elif change == "absolute":
        _change(team, f"UPDATE sessions SET created_at = created_at - 43201 WHERE name = '{name}'")
    assert _is_out(member)
    refused = member.post("/portals", {"name": "late", "webhook": "https://portal.invalid/rest/27/abc/"})
    assert refused.status_code == 403
    assert "late" not in anna.get("/portals").text


# Other pages in the browser


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:{port}", "bulksend.example:{port}", ""])
def test_another_name_is_refused(team: TeamPage, anna: Member, host: str) -> None:
    """DNS rebinding, and a name that is in the certificate but is not the page's."""
    context = ssl.create_default_context(cafile=str(team.certificate.cert))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(team.host, timeout=20, context=context)
    connection.putrequest("GET", "/", skip_host=True)
    if host:
        connection.putheader("Host", host.format(port=team.host.partition(":")[2]))
    connection.putheader("Cookie", f"{COOKIE}={_cookie(anna)}")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status in {400, 421}
    assert "Send a sheet" not in answer.read().decode()


FORGED = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "the same host over http": {"Origin": "http://{host}"},
    "another port": {"Origin": "https://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a program that says nothing": {},
}


@pytest.mark.parametrize("forger", FORGED)
def test_a_form_of_another_page_does_nothing(team: TeamPage, anna: Member, forger: str) -> None:
    """Neither a change by who is signed in, nor signing somebody in or out unasked."""
    headers = {name: value.format(host=team.host) for name, value in FORGED[forger].items()}
    for path, form in (
        ("/portals", {"name": "forged", "webhook": "https://evil.example/rest/1/abc/"}),
        (SIGN_OUT, {}),
        (SIGN_IN, {"name": "boris", "password": PASSWORD}),
    ):
        answer = anna.session.post(f"{team.origin}{path}", data=form, headers=headers, **NO_REDIRECT)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert ">anna</span>" in anna.get("/portals").text
    assert "forged" not in anna.get("/portals").text


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("/campaigns/7", "/campaigns/7"),
        ("/portals", "/portals"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/sheets/../sign-out", "/"),
        ("/sign-out", "/"),
    ],
)
def test_where_signing_in_leads_is_a_place_of_ours(link: str, leads_to: str) -> None:
    """Whatever a link to the form says."""
    assert place(link) == leads_to


@pytest.mark.parametrize(
    ("came", "leads_to"),
    [
        ("/sign-in?next=/portals", "/sign-in?next=/portals"),
        ("/sign-out", "/"),
        ("//evil.example/", "/"),
        ("/portals//evil.example/", "/portals"),
        ("/\\evil.example/", "/"),
    ],
)
def test_the_language_is_chosen_by_strangers_too(team: TeamPage, came: str, leads_to: str) -> None:
    """On the form to sign in; whatever an address says, it leads to a place of ours."""
    stranger = Member(team)
    answer = stranger.post("/language", {"language": "ru"}, referer=f"{team.origin}{came}")
    assert (answer.status_code, answer.headers["Location"]) == (303, leads_to)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "<h1>Войти</h1>" in stranger.get("/sign-in").text


# Roles


def test_every_route_has_a_role(tmp_path: Path) -> None:
    """What changes anything is for senders; without a role are the places to sign in and out, and the styles."""
    app = make_app(Page(tmp_path, tmp_path / "journal.db", SignInDoor("https://127.0.0.1:1")))
    roles = {(method, re.sub(r"(\{\w+):[^}]*", r"\1", path)): role for method, path, _, role in ROUTES}
    assert len(roles) == len(ROUTES)
    free = {("GET", SIGN_IN), ("POST", SIGN_IN), ("POST", SIGN_OUT), ("GET", "/static"), ("POST", LANGUAGE)}
    assert [(method, path) for method, path, _, role in ROUTES if role is None] == [("POST", LANGUAGE)]
    for route in app.router.routes():
        assert route.resource is not None
        method = "GET" if route.method == "HEAD" else route.method
        path = route.resource.canonical
        if (method, path) in free:
            continue
        role = roles[method, path]
        assert role is Role.SENDER or method in SAFE_METHODS, (method, path)
        # Each is asked whether the user may.
        assert route.handler.__qualname__.startswith("for_role"), (method, path)


def _example(path: str) -> str:
    for part, example in {
        "{run}": "1",
        "{row}": "0",
        "{draft}": "0123456789abcdef01234567",
        "{name}": "crm",
        "{format:xlsx|csv}": "csv",
    }.items():
        path = path.replace(part, example)
    return path


def test_a_viewer_sees_campaigns_and_changes_nothing(team: TeamPage, anna: Member, vera: Member) -> None:
    """Every place that changes something, and every place on the way to one, is closed."""
    number = anna.send(anna.upload_rows(rows(2, 2, "Seen")))
    anna.wait(number)
    anna.post("/portals", {"name": "crm", "webhook": "https://portal.invalid/rest/27/abc/"})
    before = [anna.get(path).text for path in (f"/campaigns/{number}", "/portals", "/")]
    for method, path, _, role in ROUTES:
        answer = vera.session.request(
            method,
            f"{team.origin}{_example(path)}",
            headers={"Origin": team.origin},
            data={"name": "x", "decision": "resend"} if method == "POST" else None,
            **NO_REDIRECT,
        )
        allowed = answer.status_code != 403
        assert allowed is (role is not Role.SENDER), (method, path, answer.status_code)
    assert [anna.get(path).text for path in (f"/campaigns/{number}", "/portals", "/")] == before
    assert "Seen 1" in vera.get(f"/campaigns/{number}").text
    assert "Its secret is kept on the server; nobody sees it on this page." in vera.get("/portals").text
    assert "Seen 1" in vera.get(f"/campaigns/{number}/results.csv").text
    for path in (f"/campaigns/{number}", "/portals", "/", f"/campaigns/{number}/rows/0"):
        forms = re.findall('<form class="[^"]*" method="post" action="([^"]*)"', vera.get(path).text)
        assert forms == [SIGN_OUT, LANGUAGE], path
    assert "/delete" not in vera.get(f"/campaigns/{number}").text


# Who did what


def test_who_did_what_is_shown(team: TeamPage, anna: Member, vera: Member) -> None:
    """Who uploaded, who confirmed, who sent again: by name, on the campaign's page; and who saved a portal."""
    boris = team.sign_in("boris")
    sheet = anna.upload_rows(rows(3, 3, "Shown"))
    number = boris.send(sheet)
    boris.wait(number)
    anna.post(f"/campaigns/{number}/delete")
    boris.post("/portals", {"name": "second", "webhook": "https://portal.invalid/rest/27/abc/"})
    boris.post("/portals/second/remove")
    shown = vera.get(f"/campaigns/{number}").text
    at = [shown.index(part) for part in ("Who did what", "Deleted its texts", "Confirmed it: 3 messages", "Entered")]
    assert at == sorted(at)
    with Journal(team.journal) as journal:
        assert [(entry.actor, entry.action.value) for entry in journal.audit(number)] == [
            ("anna", "deleted"),
            ("boris", "confirmed"),
            ("anna", "entered"),
        ]
        assert [(entry.actor, entry.action.value, entry.detail) for entry in journal.audit(None, 2)] == [
            ("boris", "portal_removed", "second"),
            ("boris", "portal_saved", "second"),
        ]
    assert "Removed portal second" in vera.get("/portals").text


def test_requests_of_two_users_on_one_connection_are_each_their_own(team: TeamPage, anna: Member, vera: Member) -> None:
    """A browser keeps a connection open; who is signed in is told by each request."""
    member = Member(team)
    for cookie, name in ((_cookie(anna), "anna"), (_cookie(vera), "vera"), ("", "")):
        member.session.cookies.clear()
        if cookie:
            member.session.cookies.set(COOKIE, cookie, domain="127.0.0.1", path="/", secure=True)
        text = member.get("/portals").text
        assert (f">{name}</span>" in text) is bool(name)
        assert ("Sign out" in text) is bool(name)


def test_without_tls_it_is_for_one_browser_on_this_computer(tmp_path: Path) -> None:
    """As ever, at the address that was asked for; nobody signs in there."""
    process = Commands(tmp_path).start("web", "--no-open", "--listen", "127.0.0.1:0")
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert "?token=" in address
        assert requests.get(f"{address.partition('/?')[0]}{SIGN_IN}", **NO_REDIRECT).status_code == 403
    finally:
        process.kill()
        process.communicate()
