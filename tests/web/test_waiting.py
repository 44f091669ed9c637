"""Whoever waits for a slow portal or a slow disk waits alone: everybody else's campaigns can be watched and paused."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.processes import rows, until
from tests.web.conftest import PageProcess, Portal, Visitor, saved

SOON = 20
"""Seconds in which a page is there, however busy the computer of the tests is; a silent portal is given up after 30."""


@pytest.fixture
def visitor(own_page: PageProcess) -> Visitor:
    """The browser that was let in at a page of the test's own."""
    return own_page.start().enter()


@pytest.fixture
def silent() -> Iterator[str]:
    """The webhook of a portal that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/rest/1/abcdefghijklmnop/"


@pytest.fixture
def begin(own_page: PageProcess) -> Iterator[Callable[..., None]]:
    """Ask for something that is not answered before the page ends."""
    waiting: list[threading.Thread] = []

    def ask(visit: Callable[..., Any], *arguments: Any) -> None:
        def wait() -> None:
            with contextlib.suppress(requests.RequestException):
                visit(*arguments)

        waiting.append(threading.Thread(target=wait))
        waiting[-1].start()
        waiting[-1].join(0.2)

    yield ask
    own_page.kill()
    for thread in waiting:
        thread.join()


def _is_there(visitor: Visitor, path: str = "/") -> bool:
    return visitor.session.get(f"{visitor.base}{path}", timeout=SOON).ok


def _wait_until_checked(visitor: Visitor, sheet: str) -> None:
    for _ in until(SOON):
        if "data-onward" not in visitor.look(sheet).text:
            return
    raise AssertionError("the sheet was not checked")


def test_a_portal_that_never_answers_keeps_nobody_waiting(
    visitor: Visitor, silent: str, begin: Callable[..., None]
) -> None:
    """Neither who looks at campaigns nor who has a sheet checked."""
    visitor.post("/portals", {"name": "silent", "webhook": silent})
    for name in ("first", "second"):
        sheet = visitor.upload_rows(rows(3, 3, name), f"{name}.csv")
        visitor.post(f"{sheet}/portal", {"portal": "silent"})
        visitor.settled(sheet)
        begin(visitor.look, f"{sheet}/confirm")
    third = visitor.upload_rows(rows(3, 3, "third"), "third.csv")
    _wait_until_checked(visitor, third)
    for _ in range(4):
        begin(visitor.post, "/portals/silent/test")
    assert _is_there(visitor)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("place", ["row?row=3", "problems"])
def test_a_sheet_that_takes_long_to_be_read_keeps_nobody_waiting(
    visitor: Visitor, begin: Callable[..., None], place: str
) -> None:
    """As one on a disk that does not answer, or a row near the end of a large one."""
    sheet = visitor.upload_rows(rows(3, 3), "sheet.csv")
    visitor.settled(sheet)
    (file,) = (visitor.page.home / "uploads").rglob("*.csv")
    _make_endless(file)
    for _ in range(4):
        begin(visitor.look, f"{sheet}/{place}")
    assert _is_there(visitor)


def _make_endless(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def test_a_question_that_is_asked_anew_is_asked_once(
    visitor: Visitor, silent: str, portal: Portal, begin: Callable[..., None]
) -> None:
    """However often somebody asks a silent portal once more, others can be asked too."""
    visitor.post("/portals", {"name": "silent", "webhook": silent})
    good = saved(visitor, "good", portal())
    sheet = visitor.upload_rows(rows(3, 3))
    visitor.post(f"{sheet}/portal", {"portal": "silent"})
    visitor.settled(sheet)
    for _ in range(10):
        begin(visitor.look, f"{sheet}/confirm?ask=1")
    tested = visitor.session.post(
        f"{visitor.base}/portals/{good}/test", headers={"Origin": visitor.page.origin}, timeout=SOON
    )
    assert tested.ok
