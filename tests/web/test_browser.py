"""The page in a real Chromium: the whole way, with script and without, for keyboards and for those who see little."""

import csv
import http.server
import io
import threading
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pytest

from tests.processes import TestRow, assert_exactly_once, rows
from tests.web.conftest import IN_A_BROWSER, PASSWORD, Open, PageProcess, Portal, TeamPage, saved, wait_for

pytestmark = IN_A_BROWSER

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")


def _sheet(lines: list[TestRow], suffix: str) -> bytes:
    if suffix == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADINGS, *lines])
        return text.getvalue().encode()
    book, content = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in (("Тип сущности", "ID сделки", "ID чата", "ID сотрудника", "Текст сообщения"), *lines):
        book.active.append(list(line))
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_the_whole_way(own_page: PageProcess, portal: Portal, open_tab: Open, tmp_path: Path, suffix: str) -> None:
    """Upload, check, preview, rehearse, canary, confirm, watch, pause, kill, start, continue, download.

    In English with CSV and in Russian with XLSX.
    """
    lines: list[TestRow] = [
        (kind if suffix == "csv" else "сделка", entity, chat, user, text)
        for kind, entity, chat, user, text in rows(9, 9, "[b]Way[/b]" if suffix == "csv" else "[b]Путь[/b]")
    ]
    served = portal([("deal", *line[1:]) for line in lines])
    tab = open_tab(own_page.start().address)
    assert "token" not in tab.url

    # A portal is saved, tested, and there.
    tab.click("text=Portals")
    tab.click("text=Save a portal")
    tab.fill("#name", "crm")
    tab.fill("#webhook", served.webhook)
    tab.click("button:has-text('Save the portal')")
    tab.click("button:has-text('Test')")
    tab.wait_for_selector("text=crm answers.")

    # A sheet with faults is checked and corrected.
    faulty = list(lines)
    faulty[2] = (lines[2][0], lines[2][1], "x", "", "")  # type: ignore[assignment]
    (tmp_path / f"faulty.{suffix}").write_bytes(_sheet(faulty, suffix))
    (tmp_path / f"list.{suffix}").write_bytes(_sheet(lines, suffix))
    tab.click("text=Campaigns")
    tab.set_input_files("#file", tmp_path / f"faulty.{suffix}")
    tab.click("text=Upload and check")
    tab.wait_for_selector("h1:has-text('1 row cannot be sent')")
    assert tab.locator("td.wrong").count() == 2
    tab.click("text=Columns and message")
    tab.go_back()
    tab.set_input_files("#file", tmp_path / f"list.{suffix}")
    tab.click("text=Upload and check")
    tab.wait_for_selector("h1:has-text('The sheet is fine')")
    tab.click("text=See messages as customers read them")
    assert tab.inner_html(".bubble strong") in {"Way", "Путь"}
    tab.go_back()

    # A rehearsal reaches nobody.
    tab.click("a.button:has-text('Choose the portal')")
    tab.click("button:has-text('Go on')")
    tab.wait_for_selector("h1:has-text('Rehearse it')")
    tab.click("button:has-text('Rehearse 9 messages')")
    tab.wait_for_selector(".state.finished")
    assert not served.ledger

    # The first two, then the others, paused in between.
    tab.click("text=Choose a real portal")
    tab.check("input[value=crm]")
    tab.click("button:has-text('Go on')")
    tab.wait_for_selector("h1:has-text('once more')")
    tab.fill("#limit", "2")
    tab.select_option("#pace", "slow")
    tab.click("button:has-text('Apply – nothing is sent yet')")
    tab.click("button:has-text('Send the first 2 of 9 messages')")
    tab.wait_for_selector(".state.finished")
    assert len(served.ledger) == 2
    tab.dblclick("button:has-text('Send the other 7 messages')")
    tab.wait_for_selector(".state.sending")
    tab.click("button:has-text('Pause')")
    tab.wait_for_selector(".state.waiting")

    # The program dies; the next start says what waits.
    own_page.kill()
    tab = open_tab(own_page.start().address)
    tab.click("text=Look at campaign")
    tab.click("button:has-text('Continue with the')")
    tab.wait_for_selector(".state.finished")
    with tab.expect_download() as download:
        tab.click("text=Results as CSV")
    results = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert [line["status"] for line in results] == ["sent"] * 9
    assert_exactly_once(lines, [delivery._asdict() for delivery in served.ledger])
    tab.click("tbody th a >> nth=0")
    tab.go_back()
    tab.click("text=Delete the texts of this campaign")
    tab.goto(f"{tab.url.partition('/campaigns')[0]}/nothing")


def test_a_program_that_has_gone_is_not_shown_as_sending(own_page: PageProcess, portal: Portal, open_tab: Open) -> None:
    """Neither its state nor the time that is left holds any more."""
    lines = rows(30, 30, "Gone")
    visitor = own_page.start().enter()
    number = visitor.send(visitor.upload_rows(lines), saved(visitor, "gone", portal(lines)), pace="slow")
    tab = open_tab("about:blank")
    tab.context.add_cookies(
        [{"name": c.name, "value": c.value, "url": own_page.origin} for c in visitor.session.cookies]
    )
    tab.goto(f"{visitor.base}/campaigns/{number}")
    tab.wait_for_selector("#progress .figures")
    assert not tab.locator("svg.chart").count()
    own_page.kill()
    tab.wait_for_selector("#progress [role=alert]:has-text('bulksend does not answer')")
    assert not tab.locator("h1 .state, .figures, progress").count()
    assert tab.locator("main button:has-text('Pause')").is_disabled()


def test_without_script_everything_can_be_done(
    own_page: PageProcess, portal: Portal, open_tab: Open, tmp_path: Path
) -> None:
    """Forms and links are enough; what is under way is looked at again by itself."""
    lines = rows(3, 3, "Plain")
    served = portal(lines)
    tab = open_tab(own_page.start().address, script=False)
    tab.goto(f"{tab.url}portals/new")
    tab.fill("#name", "crm")
    tab.fill("#webhook", served.webhook)
    tab.click("button:has-text('Save the portal')")
    (tmp_path / "plain.csv").write_bytes(_sheet(lines, "csv"))
    tab.click("text=Campaigns")
    tab.set_input_files("#file", tmp_path / "plain.csv")
    tab.click("text=Upload and check")
    tab.click("a.button:has-text('Choose the portal')")
    tab.check("input[value=crm]")
    tab.click("button:has-text('Go on')")
    tab.click("button:has-text('Send 3 messages')")
    tab.wait_for_selector(".state.finished")
    assert_exactly_once(lines, [delivery._asdict() for delivery in served.ledger])


def test_a_team_over_tls(own_team_page: TeamPage, open_tab: Open, tmp_path: Path) -> None:
    """Sign in, upload, send to the sandbox, see who did it, sign out; without script."""
    tab = open_tab(f"{own_team_page.start().origin}/", script=False)
    tab.fill("#name", "anna")
    tab.fill("#password", PASSWORD)
    tab.click("button:has-text('Sign in')")
    (tmp_path / "team.csv").write_bytes(_sheet(rows(3, 3, "Team"), "csv"))
    tab.set_input_files("#file", tmp_path / "team.csv")
    tab.click("text=Upload and check")
    tab.click("a.button:has-text('Choose the portal')")
    tab.click("button:has-text('Go on')")
    tab.click("button:has-text('Rehearse 3 messages')")
    tab.wait_for_selector(".state.finished")
    done = tab.locator("#audit + .scroll tbody tr").all_inner_texts()
    assert [line.split("\t")[1:] for line in done] == [
        ["anna", "Confirmed it: 3 messages to send"],
        ["anna", "Entered the sheet"],
    ]
    campaign = tab.url
    tab.click("button:has-text('Sign out')")
    tab.wait_for_selector("h1:has-text('Sign in')")
    tab.go_back()
    tab.goto(campaign)
    assert tab.inner_text("h1") == "Sign in"
    tab.fill("#name", "vera")
    tab.fill("#password", PASSWORD)
    tab.click("button:has-text('Sign in')")
    tab.wait_for_url(campaign)
    assert tab.locator("main form").count() == 0


def test_a_keyboard_is_enough(own_page: PageProcess, open_tab: Open) -> None:
    """The first key leads past the frame, and where one is can always be seen."""
    tab = open_tab(own_page.start().address)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    reached = set()
    for _ in range(12):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement === document.body"):
            break  # all round
        reached.add(tab.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"Campaigns", "Portals", "file", "Upload and check", "Blank sheet for Excel"} <= reached


def test_progress_keeps_up_by_itself(own_page: PageProcess, portal: Portal, open_tab: Open, tmp_path: Path) -> None:
    """Without a reload, at the latest three seconds behind the journal; the page's end is seen too."""
    lines = rows(16, 16, "Live")
    served = portal(lines)
    visitor = own_page.start()
    tab = open_tab(visitor.address)
    tab.goto(f"{tab.url}portals/new")
    tab.fill("#name", "crm")
    tab.fill("#webhook", served.webhook)
    tab.click("button:has-text('Save the portal')")
    (tmp_path / "live.csv").write_bytes(_sheet(lines, "csv"))
    tab.click("text=Campaigns")
    tab.set_input_files("#file", tmp_path / "live.csv")
    tab.click("text=Upload and check")
    tab.click("a.button:has-text('Choose the portal')")
    tab.check("input[value=crm]")
    tab.click("button:has-text('Go on')")
    tab.click("button:has-text('Send 16 messages')")
    tab.wait_for_selector(".state.sending")
    tab.evaluate("window.sameDocument = true")
    shown = tab.inner_text(".figures label")
    wait_for(lambda: tab.inner_text(".figures label") != shown, 10)
    if tab.locator(".state.sending").count():
        assert tab.evaluate("window.sameDocument") is True
    tab.wait_for_selector(".state.finished")
    assert len(served.ledger) == 16


def test_another_site_in_the_same_browser_can_do_nothing(own_page: PageProcess, open_tab: Open) -> None:
    """A hostile page on this very computer, in the browser that has the cookie: form, fetch, image, frame, socket."""
    tab = open_tab(own_page.start().address)
    base = tab.url.rstrip("/")
    attack = f"""<!doctype html><body><iframe id=f src="{base}/"></iframe>
    <form id=form method=post action="{base}/portals"><input name=name value=forged>
    <input name=webhook value="https://evil.example/rest/1/x/"></form><script>
    window.results = {{}};
    const done = (name) => (value) => {{ window.results[name] = String(value); }};
    const post = {{method: "POST", credentials: "include", body: new URLSearchParams({{name: "forged2",
      webhook: "https://evil.example/rest/1/x/"}})}};
    fetch("{base}/", {{credentials: "include"}}).then(done("read"), () => done("read")("refused"));
    fetch("{base}/portals", {{...post, mode: "no-cors"}}).then(done("post"), () => done("post")("refused"));
    const socket = new WebSocket("{base.replace("http", "ws")}/campaigns/1/progress");
    socket.onopen = () => done("socket")("open"); socket.onerror = () => done("socket")("refused");
    const image = new Image(); image.onerror = () => done("image")("refused");
    image.onload = () => done("image")("shown"); image.src = "{base}/sheets/x/file";
    document.getElementById("f").onload = () => {{ try {{ done("frame")(frames[0].document.title); }}
      catch {{ done("frame")("refused"); }} }};
    </script>""".encode()

    class Evil(http.server.BaseHTTPRequestHandler):
        cookies: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            Evil.cookies.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(attack)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        evil = tab.context.new_page()
        evil.goto(f"http://127.0.0.1:{server.server_port}/")
        wait_for(lambda: evil.evaluate("Object.keys(results).length") >= 5)
        results = evil.evaluate("results")
        assert results["read"] == results["image"] == results["socket"] == results["frame"] == "refused", results
        with evil.expect_navigation() as sent:
            evil.evaluate("document.getElementById('form').submit()")
        assert sent.value.status == 403
        tab.goto(f"{base}/portals")
        assert "forged" not in tab.content()
        assert not any("bulksend" in cookie for cookie in Evil.cookies)
    finally:
        server.shutdown()
