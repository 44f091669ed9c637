"""Addresses as people paste them."""

import pytest

from bulksend.errors import PortalError
from bulksend.portal.address import AddressError, is_loopback, read_endpoint
from bulksend.portal.authorisation import parse_webhook

SECRET = "x0aBc9dEf8gHi7jK"


@pytest.mark.parametrize(
    "text",
    [
        "https://portal.example/rest/27/{}/",
        "https://portal.example/rest/27/{}",
        "https://portal.example/rest/27/{}/profile",
        "https://portal.example/rest/27/{}/profile.json",
        "https://portal.example/rest/27/{}/imopenlines.crm.message.add.json?CHAT_ID=1&x=2#y",
        "https://portal.example/rest/27/{}/?x=1",
        "https://portal.example/rest/27/{}//",
        "https://Portal.Example:443/rest/27/{}/",
        "HTTPS://PORTAL.EXAMPLE./rest/27/{}/",
        "portal.example/rest/27/{}/",
        "//portal.example/rest/27/{}/",
        "  <https://portal.example/rest/27/{}/>\n",
        '"https://portal.example/rest/27/{}/",',
        "«https://portal.example/rest/27/{}/»",
        "\ufeffhttps://portal.example/rest/27/{}/\u200b",
    ],
)
def test_webhook_as_pasted(text: str) -> None:
    """However an address is pasted, the same webhook is read from it."""
    webhook = parse_webhook(text.format(SECRET))
    assert webhook.url("profile") == f"https://portal.example/rest/27/{SECRET}/profile"
    assert (webhook.portal, webhook.user_id, webhook.identity) == ("portal.example", 27, "webhook 27")
    assert webhook.masked == "https://portal.example/rest/27/…"
    assert webhook.parameters() == {}


@pytest.mark.parametrize(
    ("text", "portal", "url"),
    [
        ("http://127.0.0.1:8080/rest/1/s/", "127.0.0.1:8080", "http://127.0.0.1:8080/rest/1/s/x"),
        ("http://127.3.2.1/rest/1/s/", "127.3.2.1", "http://127.3.2.1/rest/1/s/x"),
        ("http://localhost:80/rest/1/s", "localhost", "http://localhost/rest/1/s/x"),
        ("http://[::1]:8080/rest/1/s", "[::1]:8080", "http://[::1]:8080/rest/1/s/x"),
        (
            "https://portal.example:8443/b24/rest/1/s/",
            "portal.example:8443",
            "https://portal.example:8443/b24/rest/1/s/x",
        ),
        ("https://портал.рф/rest/1/s/", "xn--80awhdgm.xn--p1ai", "https://xn--80awhdgm.xn--p1ai/rest/1/s/x"),
    ],
)
def test_places_of_a_portal(text: str, portal: str, url: str) -> None:
    """A portal may be on this computer by plain http, in a folder, on a port, or have a national name."""
    webhook = parse_webhook(text)
    assert (webhook.portal, webhook.url("x")) == (portal, url)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ('  "" ', "is empty"),
        (f"https://a.example/rest/1/{SECRET}/ https://b.example/rest/1/{SECRET}/", "spaces or line breaks"),
        (f"http://portal.example/rest/27/{SECRET}/", "in the open"),
        (f"http://192.168.0.5/rest/27/{SECRET}/", "in the open"),
        (f"http://127.0.0.1.portal.example/rest/27/{SECRET}/", "in the open"),
        (f"http://localhost.example/rest/27/{SECRET}/", "in the open"),
        (f"ftp://portal.example/rest/27/{SECRET}/", "must begin with https://"),
        (f"https://user:{SECRET}@portal.example/rest/27/{SECRET}/", "user name"),
        ("https://portal.example/", "not that of an incoming webhook"),
        ("https://portal.example/rest/27/", "not that of an incoming webhook"),
        ("https://portal.example/rest/27/profile.json", "not that of an incoming webhook"),
        (f"https://portal.example/rest/{SECRET}/", "not that of an incoming webhook"),
        (f"https://portal.example/rest/0/{SECRET}/", "not that of an incoming webhook"),
        (f"https://portal.example/rest/27/{SECRET}/a/b", "not that of an incoming webhook"),
        (f"https:///rest/27/{SECRET}/", "no host"),
        (f"https://portal_..example/rest/27/{SECRET}/", "no host"),
        (f"https://portal.example:99999/rest/27/{SECRET}/", "no host"),
        (f"https://[::1/rest/27/{SECRET}/", "cannot be read"),
        (f"https://{'x' * 70}.example/rest/27/{SECRET}/", "no host"),
    ],
)
def test_address_that_cannot_be_used(text: str, sentence: str) -> None:
    """One sentence says what is wrong, and never repeats the secret."""
    with pytest.raises(AddressError, match=sentence) as caught:
        parse_webhook(text)
    assert isinstance(caught.value, PortalError)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_endpoint_of_an_application() -> None:
    """An application's portal is given by its host or by its REST base."""
    for text in ("portal.example", "https://portal.example/", "https://portal.example/rest/", "portal.example/rest"):
        origin, path = read_endpoint(text)
        assert (str(origin), path) == ("https://portal.example", "/rest")
    for text in ("http://portal.example/rest/", "https://portal.example/crm/deal/"):
        with pytest.raises(AddressError):
            read_endpoint(text)


def test_loopback() -> None:
    """Only what cannot be another computer is this one."""
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.255.0.1", "::1", "localhost", "localhost."))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "portal.example", "", "localhost.example"))
