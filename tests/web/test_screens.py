"""Every screen there is: axe-core finds nothing, light and dark, and nothing is there only with script."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

import bulksend.web
from bulksend.locale import _ as said
from bulksend.sandbox import Faults
from bulksend.sandbox.refusal import MESSAGE_ADD_ERROR
from bulksend.sheet.headings import RESULT_COLUMNS
from bulksend.web.sign_in import COOKIE
from tests.processes import rows
from tests.web.conftest import AXE, IN_A_BROWSER, Open, PageProcess, Portal, TeamPage, Visitor, csv_of, saved, wait_for
from tests.web.test_campaigns import MESSAGE_ADD, make_unknown

pytestmark = IN_A_BROWSER

WIDTHS = (360, 768, 1366, 1920)
HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")

TEMPLATES = {
    path.stem
    for path in (Path(bulksend.web.__file__).parent / "templates").glob("*.html")
    if "{% extends" in path.read_text(encoding="utf-8") and path.stem != "sheet"
}


UNREADABLE = """() => {
  const found = [], texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest(".sr, .skip, select")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width) texts.push([box, node.data.trim()]);
    const holder = parent.closest("button, .button, .state, th, td, dd, p, li, label, legend, summary");
    if (holder && holder.clientWidth && holder.scrollWidth > holder.clientWidth + 1) found.push(node.data.trim());
  }
  for (const select of document.querySelectorAll("select")) {
    const wide = select.offsetWidth;
    select.style.cssText = "width: max-content; max-width: none";
    if (select.offsetWidth > wide) found.push(select.id);
    select.style.cssText = "";
  }
  texts.forEach(([a, one], index) => {
    for (const [b, other] of texts.slice(index + 1)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 6) found.push(`${one} / ${other}`);
    }
  });
  return found;
}"""
"""What cannot be read on a screen: texts that stick out of what holds them, or lie upon another."""


class Walker(Protocol):
    """Who looks at screens: each by a name, which is its template's, and what it shows behind a hyphen."""

    visitor: Visitor
    seen: set[str]

    def open(self, name: str, path: str, ready: str = "h1") -> None:
        """Look at the screen at an address, once something is on it."""

    def open_still(self, name: str, path: str) -> None:
        """Look at a screen that its script would soon lead away from, or change."""

    def press(self, name: str, place: str, action: str, ready: str) -> None:
        """Look at what the button of a form shows."""


class Screens:
    """Looks at each screen as all kinds of people would, and says what is wrong with it for any of them."""

    def __init__(self, tab: Any, plain: Any, visitor: Visitor) -> None:
        self._tab, self._plain, self._base = tab, plain, visitor.base
        self._axe = AXE.read_text(encoding="utf-8")
        self._kept = os.environ.get("BULKSEND_SCREENSHOTS")
        self.visitor = visitor
        self.seen: set[str] = set()

    def open(self, name: str, path: str, ready: str = "h1") -> None:
        """Look at the screen at an address."""
        self._tab.goto(f"{self._base}{path}")
        self._tab.wait_for_selector(ready)
        self.look(name)

    def open_still(self, name: str, path: str) -> None:
        """Look at a screen that its script would soon lead away from, or change."""
        self._tab.route("**/page.js", lambda route: route.abort())
        self._tab.goto(f"{self._base}{path}")
        self.look(name, steady=False)
        self._tab.unroute("**/page.js")

    def press(self, name: str, place: str, action: str, ready: str) -> None:
        """Look at what the button of a form shows."""
        self._tab.goto(f"{self._base}{place}")
        self._tab.click(f"form[action$='{action}'] button")
        self._tab.wait_for_selector(ready)
        self.look(name, steady=False)

    def look(self, name: str, *, steady: bool = True) -> None:
        """Nothing for axe-core to find, nothing that sticks out of a window, nothing that is there only with script."""
        tab = self._tab
        self.seen.add(name.partition("-")[0])
        tab.wait_for_load_state()
        tab.evaluate(self._axe)
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            for width in WIDTHS if scheme == "light" or self._kept else ():
                tab.set_viewport_size({"width": width, "height": 900})
                sticks_out = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert sticks_out <= 0, f"{name} is {sticks_out} px wider than a window of {width}"
                assert tab.evaluate(UNREADABLE) == [], f"{name} in a window of {width}"
                cut = tab.evaluate(
                    "[...document.querySelectorAll('.list')].some(it => it.scrollWidth > it.parentNode.clientWidth)"
                )
                assert not cut, f"the list on {name} is cut in a window of {width}"
                if self._kept:
                    prefix = "ru-" if tab.get_attribute("html", "lang") == "ru" else ""
                    tab.screenshot(path=f"{self._kept}/{prefix}{name}-{width}-{scheme}.png", full_page=True)
            # In the dark only the colours are others.
            found = tab.evaluate("axe.run()" if scheme == "light" else "axe.run({runOnly: ['color-contrast']})")
            found = found["violations"]
            assert not found, [(name, scheme, kind["id"], [node["html"] for node in kind["nodes"]]) for kind in found]
        tab.emulate_media(color_scheme="light")
        tab.set_viewport_size({"width": 1280, "height": 900})
        if steady:
            # By its own address, as somebody whose browser runs no script comes to it.
            self._plain.goto(tab.url)
            assert self._what_can_be_done(self._plain) == self._what_can_be_done(tab), name

    @staticmethod
    def _what_can_be_done(tab: Any) -> list[str]:
        texts = "\n".join([tab.inner_text("h1"), *tab.locator("main :is(button, a, label)").all_text_contents()])
        for moment in tab.locator("main time").all_text_contents():  # with script, in the reader's own way
            texts = texts.replace(moment, "")
        return texts.split()


def _workbook(*lines: tuple[object, ...]) -> bytes:
    return csv_of([HEADINGS, *lines])


def _screens(page: PageProcess, open_tab: Open) -> Screens:
    """A browser with script and one without, and the visitor who prepares what they look at: each let in once."""
    visitor = page.start().enter()
    cookies = [
        {"name": cookie.name, "value": cookie.value, "domain": "127.0.0.1", "path": cookie.path}
        for cookie in visitor.session.cookies
    ]
    tabs = []
    for script in (True, False):
        tab = open_tab("about:blank", script=script)
        tab.context.add_cookies(cookies)
        tab.goto(f"{visitor.base}/")
        tabs.append(tab)
    return Screens(tabs[0], tabs[1], visitor)


@pytest.mark.screens
@pytest.mark.timeout(600)
def test_every_screen_is_for_everybody(own_page: PageProcess, portal: Portal, open_tab: Open) -> None:
    """No screen may be added without being looked at here."""
    walk(_screens(own_page, open_tab), own_page, portal)


def test_the_way_to_the_customers_in_russian(own_page: PageProcess, open_tab: Open, tmp_path: Path) -> None:
    """From the switch to the end of a campaign, as a newcomer goes it; and back to English."""
    screens = _screens(own_page, open_tab)
    tab = screens._tab
    tab.click("button:has-text('Русский')")
    (tmp_path / "list.csv").write_bytes(_workbook(*rows(3, 3, "Добрый день")))
    tab.set_input_files("#file", tmp_path / "list.csv")
    tab.click("button:has-text('Загрузить и проверить')")
    tab.wait_for_selector("h1:has-text('В таблице все в порядке')")
    screens.look("check", steady=False)
    tab.click("a.button:has-text('Выбрать портал')")
    tab.click("button:has-text('Продолжить')")
    tab.wait_for_selector("h1:has-text('Пробная отправка')")
    screens.look("confirm", steady=False)
    tab.click("button:has-text('Пробно отправить 3 сообщения')")
    tab.wait_for_selector(".state:has-text('Завершена')")
    tab.wait_for_selector("dl time[title]")
    assert " г." in tab.inner_text("dl time >> nth=0")  # the script writes times as the language has them
    screens.look("campaign", steady=False)
    tab.click("button:has-text('English')")
    tab.wait_for_selector(".state:has-text('Finished')")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_screen_in_russian(
    own_page: PageProcess, portal: Portal, open_tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words are longer: nothing sticks out, is cut off or lies upon something else."""
    monkeypatch.setenv("BULKSEND_LANG", "ru")
    walk(_screens(own_page, open_tab), own_page, portal)


def walk(screens: Walker, page: PageProcess, portal: Portal) -> None:
    """Every screen there is, each with all that may stand on it; in the language of the process."""
    visitor = screens.visitor
    screens.open("start-empty", "/")
    screens.open("portals-empty", "/portals")
    screens.open("portal_new", "/portals/new")
    lines = rows(6, 6, "[b]Экран[/b]")
    served = portal(lines)
    saved(visitor, "crm", served)
    visitor.post("/portals", {"name": "crm-away", "webhook": "http://127.0.0.1:9/rest/1/abc/"})
    screens.open("portals", "/portals")
    screens.press("portals-tested", "/portals", "/portals/crm/test", ".notice.good")
    screens.open("portal_remove", "/portals/crm/remove")

    # A sheet until it is sent.
    wrong = [("wat", "", "x", "", "") for _ in range(60)]
    doubled = [("сделка", *line[1:]) for line in (*lines, lines[0])]
    faulty = visitor.upload("faulty.csv", _workbook(*wrong, *doubled))
    screens.open("check-faulty", faulty)
    screens.open("check-page", f"{faulty}?problem=EMPTY_MESSAGE&page=2")
    screens.open("columns", f"{faulty}/columns")
    screens.open("columns-unrecognised", visitor.upload("odd.csv", csv_of([("Сделка", "Чат"), (1, 2)])))
    screens.open("unreadable", visitor.upload("x.xlsx", b"%PDF-1.7"))
    screens.open("check-empty", visitor.upload("e.csv", csv_of([HEADINGS])))
    screens.open("row", f"{faulty}/row")
    screens.open("row-none", f"{faulty}/row?row=900")
    long = visitor.upload("long.csv", _workbook((*lines[0][:4], "Долгое сообщение. " * 1200)))
    screens.open("row-long", f"{long}/row")
    marked = [(*line, "sent", 7, "", "", "", 1, "") for line in lines[:3]]
    results = csv_of([(*HEADINGS, *RESULT_COLUMNS), *marked, (*lines[3], "failed", "", "X", "Why.", "", 1, "")])
    screens.open("check-results", visitor.upload("list.results.csv", results))
    chatless = visitor.upload("chatless.csv", _workbook(*(("сделка", line[1], "", "", line[4]) for line in lines)))
    screens.open("check-chatless", chatless)
    visitor.post(f"{chatless}/look-up")
    visitor.confirm_page(chatless, "crm")
    screens.open("confirm-looked-up", f"{chatless}/confirm", "#confirm")
    sheet = visitor.upload_rows(lines, "list.csv")
    screens.open("check", sheet)
    screens.open("portal", f"{sheet}/portal")
    visitor.post(f"{sheet}/portal", {"portal": "crm-away"})
    screens.open("portal_error", f"{sheet}/confirm", ".notice.bad")
    visitor.confirm_page(sheet)
    screens.open("confirm-rehearsal", f"{sheet}/confirm", "#confirm")
    _confirm_with_everything(screens, portal)
    _campaigns(screens, served, sheet)
    _unknown_rows(screens, page, portal)
    screens.open("error", "/nothing")
    screens.open("not_admitted", "/../")
    assert screens.seen == TEMPLATES - {"sign_in"}


def test_the_screens_of_a_team(own_team_page: TeamPage, open_tab: Open) -> None:
    """The way in, and what is shown to who may look on; all else is as above."""
    page = own_team_page.start()
    anna, vera = page.sign_in("anna"), page.sign_in("vera")
    number = anna.send(anna.upload_rows(rows(2, 2, "Team")))
    anna.wait(number)
    anna.post("/portals", {"name": "crm", "webhook": "https://portal.invalid/rest/27/abc/"})
    tabs = [open_tab(f"{page.origin}/", script=script) for script in (True, False)]
    screens = Screens(tabs[0], tabs[1], vera)
    screens.look("sign_in")
    tabs[0].fill("#name", "vera")
    tabs[0].fill("#password", "not this one")
    tabs[0].click("main button")
    tabs[0].wait_for_selector("text=The name or the password is wrong.")
    screens.look("sign_in-wrong", steady=False)
    for member, role in ((vera, "viewer"), (anna, "sender")):
        for tab in tabs:
            secret = member.session.cookies[COOKIE]
            tab.context.add_cookies([{"name": COOKIE, "value": secret, "url": f"{page.origin}/", "secure": True}])
        screens.open(f"start-{role}", "/", f"#campaigns + .scroll a[href='/campaigns/{number}']")
        screens.open(f"campaign-{role}", f"/campaigns/{number}", "#audit")
        screens.open(f"portals-{role}", "/portals", "#audit")
    assert screens.seen == {"sign_in", "start", "campaign", "portals"}


def _confirm_with_everything(screens: Walker, portal: Portal) -> None:
    """All that may stand there at once, and what is shown while the portal is asked."""
    visitor, lines = screens.visitor, rows(8, 8, "Все сразу")
    served = portal(lines)
    name = saved(visitor, "crm-full", served)
    visitor.wait(visitor.send(visitor.upload_rows(lines[:2]), name))
    served.world.add_chat(5002, status=60)
    served.world.add_chat(5003, silent=True)
    served.world.add_chat(5004, connector="whatsapp", closes_in=600)
    sheet = visitor.upload_rows([*lines, ("deal", 77, 99, "", "чужой чат"), ("x", 1, 2, "", "")])
    visitor.confirm_page(sheet, name)
    later = f"{datetime.now(UTC) + timedelta(hours=3):%Y-%m-%dT%H:%M}"
    choices = {"at": later, "timezone": "UTC", "day": ["mon", "tue", "wed"], "from": "09:00", "to": "20:00"}
    visitor.post(f"{sheet}/confirm", {"do": "choose", "over": "2h", "user_id": "27", **choices})
    stop_list = csv_of([("CHAT_ID",), (5005,)])
    visitor.post(f"{sheet}/stop-list", files={"file": ("stop.csv", stop_list)})
    visitor.settled(f"{sheet}/confirm")
    screens.open("confirm-everything", f"{sheet}/confirm", "#confirm")
    shutil.rmtree(visitor.page.home / "uploads" / sheet.rsplit("/", 1)[1] / "stop-list")
    screens.open("stop_list_gone", f"{sheet}/confirm", ".notice.bad")
    slow = visitor.upload_rows(rows(3, 3, "Медленно"))
    saved(visitor, "crm-slow", portal(rows(3, 3), latency=6.0))
    visitor.post(f"{slow}/portal", {"portal": "crm-slow"})
    screens.open_still("working", f"{slow}/confirm")


def _campaigns(screens: Walker, served: Any, sheet: str) -> None:
    """Campaigns in every state, from the first message to the deletion of the texts."""
    visitor = screens.visitor
    rehearsal = visitor.send(sheet)
    visitor.wait(rehearsal)
    screens.open("campaign-rehearsal", f"/campaigns/{rehearsal}")

    number = visitor.send(sheet, "crm", limit="4")
    visitor.wait(number)
    place = f"/campaigns/{number}"
    screens.open("campaign-canary", place)
    served.world.add_chat(5001, silent=True)
    visitor.post(f"{place}/verify")
    wait_for(lambda: said("Ask the portal again") in visitor.get(place).text)
    screens.open("campaign-verified", place)
    screens.open("campaign_row", f"{place}/rows/0")
    screens.open("delete", f"{place}/delete")
    visitor.post(f"{place}/delete")
    screens.open("campaign-deleted", place)

    refusing = served.world.chat(5002)
    assert refusing is not None
    refusing.refuses = MESSAGE_ADD_ERROR
    failed = visitor.send(visitor.upload_rows(rows(4, 4, "Отказ")), "crm")
    visitor.wait(failed)
    screens.open("campaign-failed", f"/campaigns/{failed}")
    screens.open("retry", f"/campaigns/{failed}/retry")
    again = visitor.upload_rows(rows(4, 4, "Отказ"), "again.csv")
    screens.open("check-sent", again)
    visitor.confirm_page(again, "crm")
    screens.open("confirm-sent", f"{again}/confirm")
    refusing.refuses = None

    sending = visitor.send(visitor.upload_rows(rows(60, 6, "Дальше")), "crm", pace="slow")
    wait_for(lambda: len(served.ledger) >= 6)
    screens.open_still("campaign-sending", f"/campaigns/{sending}")
    visitor.post(f"/campaigns/{sending}/stop")

    opens = datetime.now(UTC) + timedelta(hours=2)
    hours = {"from": f"{opens:%H:00}", "to": f"{opens + timedelta(hours=2):%H:00}", "timezone": "Africa/Abidjan"}
    number = visitor.send(visitor.upload_rows(rows(6, 6, "Часы")), "crm", **hours)
    place = f"/campaigns/{number}"
    wait_for(lambda: 'class="notice"' in visitor.get(f"{place}/progress").text)
    screens.open_still("campaign-hours", place)
    screens.open("stop", f"{place}/stop")
    visitor.post(f"{place}/pause")
    visitor.wait(number, "waiting")
    screens.open("campaign-paused", place)
    screens.open("start", "/")
    visitor.post(f"{place}/stop")
    visitor.wait(number, "stopped")
    screens.open("campaign-stopped", place)


def _unknown_rows(screens: Walker, page: PageProcess, portal: Portal) -> None:
    """Rows that failed, and one of which nobody knows whether it arrived."""
    lines = rows(3, 3, "Без ответа")
    served = portal(lines)
    served.world.add_chat(5002, refuses="MESSAGE_ADD_ERROR")
    served.faults = Faults(at={2: "close_after"}, methods={MESSAGE_ADD})
    number = make_unknown(page, screens.visitor, served, lines, "crm-lost")
    screens.open("campaign-unknown", f"/campaigns/{number}")
    assert said("Look into the chats and decide") in screens.visitor.get(f"/campaigns/{number}").text
    screens.open("campaign_row-unknown", f"/campaigns/{number}/rows/1")
