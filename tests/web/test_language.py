"""The page in the visitor's language: the one chosen, else the browser's; and nothing on it is said in one alone."""

import re
from copy import copy
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests
from jinja2 import Environment, nodes

import bulksend.web
from tests.processes import SLOWEST, rows
from tests.web.conftest import PageProcess, Portal, Visitor, wait_for
from tests.web.test_screens import walk

TEMPLATES = sorted((Path(bulksend.web.__file__).parent / "templates").glob("*.html"))
NOT_WORDS = re.compile(r"bulksend|https://\S+|data-\w+=")
TYPED = re.compile(r"\S+@\S+|\S*/\S*|\S*\.(csv|xlsx)\b|crm(-\w+)?\b|\w+_\w+|MESSAGE\b|\b\d+[hm]\b|\bwat\b")
"""What is typed rather than said: users, addresses, zones, files, portals, headings, durations, cells."""
NAMES = {"bulksend", "Excel", "OpenDocument", "CSV", "CRM", "ID", "UTC", "PDF", "Refresh", "imopenlines"}
OF_THE_PORTAL = ("Sandbox Operator", "Message isn't added", "Hello")
"""What a portal says comes as it says it."""
READ_ALOUD = frozenset({"alt", "aria-label", "label", "placeholder", "title"})


class Read(HTMLParser):
    """What a person reads of a page, or has read to them; but for what is marked as being in another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in {"script", "style"} or (tag != "html" and "lang" in dict(attrs)):
            self._silent += [tag] if tag not in {"meta", "link", "input", "br"} else []
            return
        self.said += [value for name, value in attrs if name in READ_ALOUD and value]

    def handle_endtag(self, tag: str) -> None:
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.stem for path in TEMPLATES])
def test_no_template_has_a_sentence_of_its_own(template: Path) -> None:
    """What is read is in the catalogue: no words stand between the tags, nor in what is given to a macro."""
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(template.read_text(encoding="utf-8"))
    written = "".join(
        part.data if isinstance(part, nodes.TemplateData) else "{}"
        for output in tree.find_all(nodes.Output)
        for part in output.nodes
    )
    bare = [text.strip() for text in Read(written).said if re.search(r"[^\W\d_]", NOT_WORDS.sub("", text))]
    translated = {
        id(constant)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "gettext", "ngettext"}
        for constant in call.find_all(nodes.Const)
    }
    bare += [
        constant.value
        for constant in tree.find_all(nodes.Const)
        if id(constant) not in translated
        and isinstance(constant.value, str)
        and re.search(r"[^\W\d_] +[^\W\d_]|^[A-ZА-Я][a-zа-я]", constant.value)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("en-GB, ru;q=0.9", "en"),
        ("ru;q=0.5, en;q=0.8", "en"),
        ("de-DE,de;q=0.9,ru;q=0.2", "ru"),
        ("ru;q=0, en;q=0.1", "en"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        (";;q=,ru;q=x", "ru"),
    ],
)
def test_at_first_it_is_the_browsers(visitor: Visitor, wanted: str, spoken: str) -> None:
    """The one of ours that the browser wants most; where it wants none, the program's own."""
    text = visitor.get("/", headers={"Accept-Language": wanted}).text
    assert f'<html lang="{spoken}">' in text
    assert ("<h2>У вас есть таблица</h2>" in text, "<h2>You have a sheet</h2>" in text) == (
        spoken == "ru",
        spoken == "en",
    )


@pytest.fixture
def reader(visitor: Visitor) -> Visitor:
    """A browser of its own that was let in, and has chosen no language yet."""
    own = copy(visitor)
    own.session = requests.Session()
    own.session.trust_env = False
    own.session.cookies.update(visitor.session.cookies)
    return own


def test_another_can_be_chosen_on_every_page_and_stays_chosen(reader: Visitor) -> None:
    """With a button, whatever the browser wants; one is then where one was."""
    sheet = reader.upload("list.csv", b"MESSAGE\nx\n")
    for path in ("/", "/portals/new?next=/portals", f"{sheet}/columns", "/nothing"):
        shown = reader.get(path).text
        [offered] = re.findall(r'<button name="language" value="(\w+)" lang="\w+">(.+?)</button>', shown)
        assert offered in {("ru", "Русский"), ("en", "English")}
        answer = reader.post("/language", {"language": offered[0]}, referer=f"{reader.base}{path}")
        assert reader.path(answer) == (path if path != "/nothing" else "/")
        assert f'<html lang="{offered[0]}">' in reader.get(path, headers={"Accept-Language": "de"}).text
    assert reader.session.cookies["bulksend-language"] == "en"


@pytest.mark.parametrize(
    ("came", "back"),
    [
        ("{base}/portals/crm/test", "/portals"),
        ("{base}/campaigns/7/pause", "/campaigns/7"),
        ("{base}/campaigns/7?show=sent&after=9#rows", "/campaigns/7?show=sent&after=9"),
        ("{base}/sheets?like=x", "/"),
        ("https://evil.example/portals", "/"),
        ("https://evil.example{base}/portals", "/"),
        ("//evil.example/portals", "/"),
        ("{base}//evil.example/", "/"),
        ("", "/"),
        ("%%%", "/"),
    ],
)
def test_from_an_answered_form_it_leads_to_the_page_above(reader: Visitor, came: str, back: str) -> None:
    """A form is not sent again by choosing a language, and nowhere else is one led."""
    answer = reader.post("/language", {"language": "ru"}, referer=came.format(base=reader.base))
    assert (answer.status_code, reader.path(answer)) == (303, back)


def test_an_unknown_language_is_not_kept(reader: Visitor) -> None:
    """The page stays as it was."""
    answer = reader.post("/language", {"language": "xx"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (303, False)
    reader.session.cookies.set("bulksend-language", "xx")
    assert '<html lang="en">' in reader.get("/").text


def test_the_cookie_lasts_over_a_restart_and_says_nothing(reader: Visitor) -> None:
    """It is kept by the browser, away from scripts, and holds the language alone."""
    cookie = reader.post("/language", {"language": "ru"}).headers["Set-Cookie"]
    assert cookie.startswith("bulksend-language=ru;")
    assert {"HttpOnly", "Max-Age=31536000", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))


def test_who_is_turned_away_is_told_in_their_language(page: PageProcess) -> None:
    """Also before anybody is let in."""
    answer = requests.get(f"{page.origin}/", headers={"Accept-Language": "ru"}, timeout=SLOWEST)
    assert answer.status_code == 403
    assert "Этот адрес здесь не открыть" in answer.text


class Reading:
    """Reads each screen, without a browser, and says what on it is still in English."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.seen = visitor, set[str]()
        self.english: list[tuple[str, str]] = []

    def open(self, name: str, path: str, ready: str = "h1") -> None:
        """See `tests.web.test_screens.Walker`."""
        self._read(name, self.visitor.settled(path))

    def open_still(self, name: str, path: str) -> None:
        """See `tests.web.test_screens.Walker`."""
        self._read(name, self.visitor.look(path).text)

    def press(self, name: str, place: str, action: str, ready: str) -> None:
        """See `tests.web.test_screens.Walker`."""
        self._read(name, self.visitor.post(action).text)

    def _read(self, name: str, html: str) -> None:
        self.seen.add(name.partition("-")[0])
        assert '<html lang="ru">' in html
        said = " ".join(Read(re.sub("<code>.*?</code>", "", html, flags=re.DOTALL)).said)
        for words in OF_THE_PORTAL:
            said = said.replace(words, "")
        assert re.findall(r"[а-я][.,:;!?][А-Яа-я]+", said) == [], name
        self.english += [(name, word) for word in re.findall(r"[A-Za-z]{2,}", TYPED.sub("", said)) if word not in NAMES]


@pytest.mark.screens
def test_every_screen_is_in_russian_alone(
    own_page: PageProcess, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands there in Latin letters are names, or what was typed."""
    monkeypatch.setenv("BULKSEND_LANG", "ru")
    reading = Reading(own_page.start().enter())
    walk(reading, own_page, portal)
    assert reading.english == []


def test_what_a_campaign_waits_for_is_said_in_the_viewers_language(visitor: Visitor, reader: Visitor) -> None:
    """Whoever began it, and whatever language was theirs."""
    opens = datetime.now(UTC) + timedelta(hours=2)
    hours = {"from": f"{opens:%H:00}", "to": f"{opens + timedelta(hours=2):%H:00}", "timezone": "Africa/Abidjan"}
    place = f"/campaigns/{visitor.send(visitor.upload_rows(rows(2, 2)), **hours)}"
    wait_for(lambda: "nothing is sent before" in visitor.get(f"{place}/progress").text)
    assert "По времени и часам отправки" in reader.get(f"{place}/progress", headers={"Accept-Language": "ru"}).text
    visitor.post(f"{place}/pause")
