"""Stop lists: whoever is on one gets nothing, whatever becomes of its upload, as long as a campaign needs it."""

import contextlib
import http.client
import os
import re
import shutil
from pathlib import Path

from tests.processes import rows
from tests.web.conftest import Portal, Visitor, csv_of, saved, wait_for

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")


class SlowUpload:
    """A stop list that is on its way; it ends when its `rest` is sent, or breaks off."""

    def __init__(self, visitor: Visitor, sheet: str, name: str, content: bytes) -> None:
        self._connection = http.client.HTTPConnection(visitor.page.host, timeout=20)
        self._connection.putrequest("POST", f"{visitor.base.removeprefix(visitor.page.origin)}{sheet}/stop-list")
        self._rest = content[len(content) // 2 :] + b"\r\n--x--\r\n"
        begun = (
            f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
            + content[: len(content) // 2]
        )
        cookie = next(iter(visitor.session.cookies))
        for header, value in {
            "Cookie": f"{cookie.name}={cookie.value}",
            "Origin": visitor.page.origin,
            "Content-Type": "multipart/form-data; boundary=x",
            "Content-Length": str(len(begun + self._rest)),
        }.items():
            self._connection.putheader(header, value)
        before = _kept(visitor, sheet)
        self._connection.endheaders(begun)
        wait_for(lambda: _kept(visitor, sheet) != before)

    def finish(self) -> None:
        """Send the rest."""
        self._connection.send(self._rest)
        assert self._connection.getresponse().status == 303

    def break_off(self) -> None:
        """Send nothing more."""
        self._connection.close()


def _folder(visitor: Visitor, sheet: str) -> Path:
    return visitor.page.home / "uploads" / sheet.rsplit("/", 1)[1]


def _kept(visitor: Visitor, sheet: str) -> dict[Path, int]:
    """The files of stop lists of a sheet, and when each was changed."""
    found = {}
    for folder, _, names in os.walk(_folder(visitor, sheet) / "stop-list"):
        for file in (Path(folder, name) for name in names):
            with contextlib.suppress(FileNotFoundError):  # it is being deleted
                found[file] = file.stat().st_mtime_ns
    return found


def _stop(visitor: Visitor, sheet: str, *chats: int, name: str = "stop.csv") -> str:
    """Upload a stop list and give the page that shows what it comes to."""
    content = csv_of([("CHAT_ID",), *((chat,) for chat in chats)])
    assert visitor.post(f"{sheet}/stop-list", files={"file": (name, content)}).status_code == 303
    return visitor.settled(f"{sheet}/confirm")


LONG = csv_of([("CHAT_ID",), *((chat,) for chat in range(900_000, 900_100))])


def test_an_upload_that_breaks_off_leaves_the_list_in_force(visitor: Visitor) -> None:
    """Whoever is on it gets nothing, though a longer list of the same name was begun and never arrived."""
    sheet = visitor.upload_rows(rows(4, 4, "Broken off"))
    visitor.confirm_page(sheet)
    assert "Rehearse 3 messages" in _stop(visitor, sheet, 5001)
    SlowUpload(visitor, sheet, "stop.csv", LONG).break_off()
    number = visitor.send(sheet)
    visitor.wait(number)
    counts = visitor.page.run_of(number).counts
    assert (counts.sent, counts.skipped) == (3, 1)
    wait_for(lambda: len(_kept(visitor, sheet)) == 1)


def test_a_list_that_cannot_be_read_leaves_the_list_in_force(visitor: Visitor) -> None:
    """It is said what is wrong with it, beside the numbers of the earlier one."""
    sheet = visitor.upload_rows(rows(4, 4, "Unreadable"))
    visitor.confirm_page(sheet)
    _stop(visitor, sheet, 5001)
    answer = visitor.post(f"{sheet}/stop-list", files={"file": ("other.csv", csv_of([("NAME",), ("Anna",)]))})
    assert answer.status_code == 400
    assert "names neither chats nor CRM entities" in answer.text
    assert "Rehearse 3 messages" in answer.text
    assert len(_kept(visitor, sheet)) == 1


def test_what_is_chosen_while_a_list_is_uploaded_stays_chosen(visitor: Visitor) -> None:
    """In another tab."""
    sheet = visitor.upload_rows(rows(4, 4, "Meanwhile"))
    visitor.confirm_page(sheet)
    upload = SlowUpload(visitor, sheet, "stop.csv", csv_of([("CHAT_ID",), (5001,)]))
    assert visitor.post(f"{sheet}/confirm", {"do": "choose", "limit": "2"}).status_code == 303
    upload.finish()
    text = visitor.settled(f"{sheet}/confirm")
    assert re.search(r'name="limit"[^>]* value="2"', text)
    assert "1 row of the sheet is on it" in text


def test_a_list_that_is_gone_can_be_uploaded_again_or_done_without(visitor: Visitor) -> None:
    """Nothing is sent until one of the two was chosen."""
    sheet = visitor.upload_rows(rows(4, 4, "Gone"))
    visitor.confirm_page(sheet)
    _stop(visitor, sheet, 5001)
    shutil.rmtree(_folder(visitor, sheet) / "stop-list")
    text = visitor.get(f"{sheet}/confirm?ask=1").text
    assert "The stop list stop.csv is no longer here" in text
    assert f'{sheet}/stop-list" enctype' in text
    assert 'value="send"' not in text
    corrected = visitor.upload("other.csv", csv_of([HEADINGS, *rows(4, 4)]), like=sheet.rsplit("/", 1)[1])
    assert "The stop list stop.csv is no longer here" in visitor.settled(f"{corrected}/confirm")
    assert visitor.post(f"{sheet}/stop-list/remove").status_code == 303
    assert "Rehearse 4 messages" in visitor.settled(f"{sheet}/confirm")
    assert "Rehearse 3 messages" in _stop(visitor, corrected, 5001)


def test_a_campaign_keeps_its_list_whatever_becomes_of_it_on_the_page(visitor: Visitor, portal: Portal) -> None:
    """Removed or replaced for the next campaign, it is heeded until the campaign's texts are deleted."""
    lines = rows(4, 4, "Kept")
    served = portal(lines)
    sheet = visitor.upload_rows(lines)
    visitor.confirm_page(sheet, saved(visitor, "kept", served))
    _stop(visitor, sheet, 5000)
    _stop(visitor, sheet, 5001)
    assert len(_kept(visitor, sheet)) == 1  # no campaign needs the first
    number = visitor.send(sheet, "kept", limit="1")
    visitor.wait(number)
    _stop(visitor, sheet, 5002)
    assert visitor.post(f"{sheet}/stop-list/remove").status_code == 303
    assert len(_kept(visitor, sheet)) == 1
    answer = visitor.post(f"/campaigns/{number}/rest")
    assert answer.status_code == 303, answer.text
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 3)
    visitor.wait(number)
    assert sorted(delivery.text for delivery in served.ledger) == ["Kept 0", "Kept 2", "Kept 3"]


def test_a_rehearsal_is_deleted_without_what_the_campaign_itself_needs(visitor: Visitor, portal: Portal) -> None:
    """One upload serves both, so it goes with the last of them, and the page says so before."""
    lines = rows(4, 4, "Rehearsed")
    sheet = visitor.upload_rows(lines, "both.csv")
    rehearsal = visitor.send(sheet)
    visitor.wait(rehearsal)
    visitor.confirm_page(sheet, saved(visitor, "rehearsed", portal(lines)))
    _stop(visitor, sheet, 5001)
    number = visitor.send(sheet, "rehearsed", limit="1")
    visitor.wait(number)
    asked = visitor.get(f"/campaigns/{rehearsal}/delete").text
    assert "The uploaded sheet (both.csv) stays" in asked
    assert f'/campaigns/{number}">campaign {number}</a>' in asked
    assert visitor.post(f"/campaigns/{rehearsal}/delete").status_code == 303
    answer = visitor.post(f"/campaigns/{number}/rest")
    assert answer.status_code == 303, answer.text
    wait_for(lambda: visitor.page.run_of(number).counts.sent == 3)
    visitor.wait(number)
    assert "and the uploaded sheet (both.csv) are deleted" in visitor.get(f"/campaigns/{number}/delete").text
    assert visitor.post(f"/campaigns/{number}/delete").status_code == 303
    assert not _folder(visitor, sheet).exists()


def test_a_campaigns_results_are_deleted_with_its_texts_where_the_upload_stays(
    visitor: Visitor, portal: Portal
) -> None:
    """With what was kept of them; those of the other campaign stay, even at the place where a rehearsal had its own."""
    lines = rows(2, 2, "Results")
    sheet = visitor.upload_rows(lines, "results.csv")
    numbers = [visitor.send(sheet)]
    visitor.wait(numbers[0])
    for name in ("results-a", "results-b"):
        numbers.append(visitor.send(sheet, saved(visitor, name, portal(lines))))
        visitor.wait(numbers[-1])
    rehearsal, first, second = (Path(visitor.page.run_of(number).results_path) for number in numbers)
    assert rehearsal == first != second
    kept = first.with_name(f"{first.stem}.changed-1{first.suffix}")
    kept.write_text("somebody's version", encoding="utf-8")
    left = []
    for number in numbers:
        visitor.post(f"/campaigns/{number}/delete")
        left.append([path.exists() for path in (first, kept, second)])
    assert left == [[True, True, True], [False, False, True], [False, False, False]]
