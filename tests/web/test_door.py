"""Nobody gets in but the browser in which the page was opened, and no other page in it can do anything."""

import http.client
import itertools
import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from bulksend.web.door import TokenDoor
from tests.processes import rows
from tests.web.conftest import NO_REDIRECT, PageProcess, Visitor

PLACES = ["/", "/sheets/0123456789abcdef01234567", "/portals", "/campaigns/1", "/campaigns/1/results.csv"]


class Answer(NamedTuple):
    """What came back to a request."""

    status: int
    text: str
    head: str


def _plain(page: PageProcess, method: str, path: str, headers: dict[str, str]) -> Answer:
    """A request with exactly these headers."""
    connection = http.client.HTTPConnection(page.host, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return Answer(answer.status, answer.read().decode(), str(answer.headers))


def _cookie(visitor: Visitor) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.session.cookies)


def _path(visitor: Visitor, path: str) -> str:
    return visitor.base.removeprefix(visitor.page.origin) + path


def test_the_first_line_is_an_address_that_works_once(own_page: PageProcess) -> None:
    """The token becomes a cookie that no script and no other site can use, and is gone from the address."""
    own_page.start()
    session = requests.Session()
    first = session.get(own_page.address, **NO_REDIRECT)
    assert first.status_code == 303
    assert "token" not in first.headers["Location"]
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    second = requests.get(own_page.address, **NO_REDIRECT)
    assert second.status_code == 403
    assert "Set-Cookie" not in second.headers
    # It looks as all pages do, says what to do, and holds nothing that leads on.
    assert "/static/style.css" in second.text
    assert "open the address that it prints then" in second.text
    assert first.headers["Location"].strip("/") not in second.text
    assert "<form" not in second.text
    assert session.get(own_page.origin + first.headers["Location"], timeout=20).ok


def test_a_wrong_token_does_not_use_the_right_one_up(own_page: PageProcess) -> None:
    """Nor does a browser that only looks ahead."""
    own_page.start()
    assert requests.get(f"{own_page.origin}/?token=guess", **NO_REDIRECT).status_code == 403
    assert requests.get(own_page.address, headers={"Sec-Purpose": "prefetch"}, **NO_REDIRECT).status_code == 403
    assert own_page.enter().get("/").ok


@pytest.mark.parametrize("path", PLACES)
def test_an_address_without_its_cookie_opens_nothing(visitor: Visitor, path: str) -> None:
    """Whoever reads an address over a shoulder, in a history or in a log has nothing by it."""
    answer = requests.get(f"{visitor.base}{path}", **NO_REDIRECT)
    assert answer.status_code == 403
    assert "campaign" not in answer.text.lower().replace("campaigns lose nothing", "")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost:{port}", "127.0.0.1", "", "[::1]:{port}"]
)
def test_a_name_that_was_turned_to_this_computer_is_refused(visitor: Visitor, host: str) -> None:
    """DNS rebinding: the page answers to its own host and port alone, even with the right cookie."""
    named = host.format(port=visitor.page.host.partition(":")[2])
    headers = {"Cookie": _cookie(visitor), **({"Host": named} if named else {})}
    answer = _plain(visitor.page, "GET", _path(visitor, "/"), headers)
    assert answer.status in {400, 421}
    assert "Send a sheet" not in answer.text


FORGED = {
    "a form of another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a form of another program on this computer": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "an old browser": {"Origin": "https://evil.example"},
    "a program that says nothing": {},
    "one that says the one and not the other": {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
    "one that has our site and another origin": {
        "Origin": "https://evil.example",
        "Sec-Fetch-Site": "same-origin",
    },
    "typed by hand": {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("forger", FORGED)
def test_a_change_that_no_page_of_ours_asked_for_is_not_made(visitor: Visitor, forger: str) -> None:
    """Even with the right cookie: a browser sends cookies along with what other pages ask for."""
    headers = {name: value.format(origin=visitor.page.origin) for name, value in FORGED[forger].items()}
    form = {"name": "forged", "kind": "webhook", "webhook": "https://evil.example/rest/1/abc/"}
    answer = visitor.session.post(f"{visitor.base}/portals", data=form, headers=headers, **NO_REDIRECT)
    assert answer.status_code == 403
    assert "forged" not in visitor.get("/portals").text


@pytest.mark.parametrize("headers", [{"Origin": "{origin}"}, {"Sec-Fetch-Site": "same-origin"}])
def test_one_sign_that_it_is_ours_is_enough(visitor: Visitor, headers: dict[str, str]) -> None:
    """Not every browser gives both."""
    given = {name: value.format(origin=visitor.page.origin) for name, value in headers.items()}
    answer = visitor.session.post(f"{visitor.base}/portals", data={"name": "!"}, headers=given, **NO_REDIRECT)
    assert answer.status_code == 400  # a name that cannot be used: it got as far as that


def test_changes_by_other_methods_are_no_way_around(visitor: Visitor) -> None:
    """A link or an image can only make a GET, and a GET changes nothing."""
    sheet = visitor.upload_rows(rows(2, 2))
    for path in (f"{sheet}/confirm?do=send", "/campaigns/1/pause", "/portals/x/remove?do=1"):
        before = visitor.get("/").text
        visitor.get(path)
        assert visitor.get("/").text == before
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = visitor.session.request(method, f"{visitor.base}/portals", **NO_REDIRECT)
        assert answer.status_code in {403, 405}


def test_a_socket_is_not_to_be_had(visitor: Visitor) -> None:
    """What is not bound by the same-origin rule, a WebSocket, leads nowhere."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    answer = visitor.session.get(f"{visitor.base}/campaigns/1/progress", headers=headers, **NO_REDIRECT)
    assert answer.status_code != 101


def test_cookies_of_other_programs_on_the_host_open_nothing(visitor: Visitor) -> None:
    """The cookie's name is chosen at random, and another value under it is not ours."""
    name = next(iter(visitor.session.cookies)).name
    for cookie in (
        "session=1",
        "token=x",
        f"{name}=guess",
        f"{name}=",
        f"{name}=\xff",  # no UTF-8
        "bulksend=" + _cookie(visitor).partition("=")[2],
    ):
        answer = requests.get(f"{visitor.base}/", headers={"Cookie": cookie.encode("latin-1")}, **NO_REDIRECT)
        assert answer.status_code == 403


def test_other_programs_on_the_host_are_not_sent_the_cookie(visitor: Visitor) -> None:
    """A browser sends cookies to all ports of a host: this one only where the address begins with our own secret."""
    cookie = next(iter(visitor.session.cookies))
    assert cookie.path == _path(visitor, "/")
    assert len(cookie.path) > 12
    assert TokenDoor(visitor.page.origin).prefix != TokenDoor(visitor.page.origin).prefix


FOREIGN = [
    "/",
    "/?token=guess",
    "/metrics",
    "/metrics/",
    "/static",
    "/static/",
    "/static/style.css",
    "/static/nothing",
    "/static/../x",
    "/static/%2e%2e/x",
    "/x",
    "//",
    "/0123456789abcdef/",
    "/sign-in",
    "/language",
    "http://evil.example/metrics",
    "*",
    "/%ff",
]
METHODS = ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.mark.parametrize("metrics", [(), ("--metrics-token", "of a program")], ids=["no metrics", "metrics"])
def test_no_answer_names_our_path_to_whoever_was_not_let_in(own_page: PageProcess, metrics: tuple[str, ...]) -> None:
    """A page elsewhere that knew the path could have a browser send the cookie there: all ports are one site."""
    secret = _path(own_page.start(*metrics).enter(), "").strip("/")
    hosts = [{"Host": own_page.host}, {"Host": own_page.host, "Origin": own_page.origin}, {"Host": "evil.example"}, {}]
    for method, path, headers in itertools.product(METHODS, FOREIGN, hosts):
        answer = _plain(own_page, method, path, headers)
        assert secret not in answer.head + answer.text, (method, path, headers)


def test_every_answer_keeps_other_pages_out(visitor: Visitor) -> None:
    """No inline script or style, no frames, nothing from elsewhere, nothing kept by the browser; errors too."""
    answers = [visitor.get(path) for path in ("/", "/portals/new", "/nothing", "/campaigns/77")]
    answers.append(requests.get(f"{visitor.base}/", timeout=20))
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style=" not in answer.text
        assert "<script>" not in answer.text
        assert " onclick" not in answer.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folders for that user")
def test_other_users_of_the_computer_cannot_read_uploads(visitor: Visitor) -> None:
    """Nor the journal, nor what was made of an upload."""
    sheet = visitor.upload_rows(rows(2, 2))
    assert visitor.get(sheet).ok
    visitor.get(f"{sheet}/problems")
    home = visitor.page.home
    for folder in (home / "uploads", home / "uploads" / sheet.rsplit("/", 1)[1]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (home / "uploads").rglob("*"):
        if path.is_file() and not path.name.startswith("problems"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_nobody_else_on_the_network_is_served(page: PageProcess) -> None:
    """The page listens on loopback alone."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("only Linux tells so easily who listens where")
    port = f":{int(page.host.partition(':')[2]):04X} "
    lines = [line for line in Path("/proc/net/tcp").read_text().splitlines() if port in line and " 0A " in line]
    assert [line.split()[1].partition(":")[0] for line in lines] == ["0100007F"]
    assert os.name == "posix"


def test_secrets_are_typed_once_and_never_shown_again(visitor: Visitor) -> None:
    """Not in the list, not in an error, not in a form that comes back."""
    secret = "n0b0dysees1t"
    saved = visitor.post("/portals", {"name": "quiet", "webhook": f"https://portal.invalid/rest/27/{secret}/"})
    assert saved.status_code == 303
    wrong = visitor.post("/portals", {"name": "not a name", "webhook": f"https://portal.invalid/rest/27/{secret}/"})
    again = visitor.post("/portals", {"name": "quiet", "webhook": f"https://portal.invalid/rest/27/{secret}/"})
    tested = visitor.post("/portals/quiet/test")
    for answer in (wrong, again, tested, visitor.get("/portals"), visitor.get("/portals/new")):
        assert secret not in answer.text
    assert wrong.status_code == again.status_code == 400
    assert "be reached" in tested.text


def test_where_a_form_leads_is_a_place_of_ours(visitor: Visitor) -> None:
    """A crafted link to a form cannot make it lead to another site once it is sent."""
    for number, place in enumerate(("https://evil.example/", "//evil.example", "/\\evil.example", "/sheets/../../x")):
        assert "evil" not in visitor.get(f"/portals/new?next={place}").text
        form = {"name": f"p{number}", "webhook": "https://portal.invalid/rest/27/abc/", "next": place}
        assert visitor.path(visitor.post("/portals", form)) == f"/portals?saved=p{number}"
