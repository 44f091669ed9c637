"""Nothing leaves unasked: a campaign that was not confirmed, at whatever question and in whatever way, is as it was."""

import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bulksend.sandbox import Faults, Limits, Sandbox
from tests.processes import TestRow, rows, wait_until, write_sheet
from tests.terminal import CTRL_C, CTRL_D, Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")

Refusals = Mapping[str, Callable[[Terminal], object]]

NOT_CONFIRMING: Refusals = {
    "the end of the input": lambda terminal: terminal.type(CTRL_D),
    "Ctrl-C": lambda terminal: terminal.type(CTRL_C),
    "the terminal's closing": Terminal.close,
    "SIGHUP": lambda terminal: terminal.signal(signal.SIGHUP),
    "SIGTERM": lambda terminal: terminal.signal(signal.SIGTERM),
}


class Desk:
    """A person at a terminal with a portal, a journal and a few sheets."""

    def __init__(self, folder: Path, portal: Sandbox) -> None:
        self.portal, self.folder, self.home = portal, folder, folder / "home"
        self.to = ("--portal", portal.webhook, "--rate", 0)
        self.quick = ("--portal", portal.webhook, "--rate", 0, "--timeout", 1, "--settle", 0)

    def sheet(self, lines: list[TestRow], name: str = "sheet.csv") -> Path:
        """Write a sheet."""
        return write_sheet(self.folder / name, lines)

    def run(self, *arguments: object, code: int, changes: Mapping[str, str] | None = None) -> str:
        """Run a command that asks nothing, and give all that it said."""
        with Terminal(self.home, *arguments, changes=changes) as terminal:
            assert terminal.end() == code, terminal.shown
            return " ".join(terminal.shown.split())

    def journal(self) -> list[str]:
        """All that the journal knows of campaigns, as it would be written down anew."""
        path = self.home / "journal.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as journal:
            return [
                line for line in journal.iterdump() if line.startswith(('INSERT INTO "runs"', 'INSERT INTO "rows"'))
            ]

    def texts(self) -> list[str]:
        """What customers have read."""
        self.portal.drain()
        return [delivery.text for delivery in self.portal.ledger]

    def leave_unanswered(self, question: str, *arguments: object, answers: tuple[tuple[str, str], ...] = ()) -> None:
        """Come to a question in a command and do not confirm, in every way there is: nothing may change by it.

        ``answers`` are the questions before it, each with what is typed.
        """
        before, read = self.journal(), self.texts()
        no = "cancel\n" if "cancel" in question else "n\n"
        refusals: Refusals = {**NOT_CONFIRMING, "no": partial(Terminal.type, text=no)}
        for way, refuse in refusals.items():
            with Terminal(self.home, *arguments) as terminal:
                for earlier, answer in answers:
                    terminal.read_until(earlier)
                    terminal.type(answer)
                terminal.read_until(question)
                time.sleep(0.05)  # a signal just before Python begins to read is handled only at the next key
                refuse(terminal)
                code = terminal.end()
            assert code == (2 if way == "no" else 130), f"{way}: {terminal.shown}"
            assert "Traceback" not in terminal.shown
            assert way == "the terminal's closing" or "othing was sent." in terminal.shown, way
            assert self.journal() == before, way
            assert self.texts() == read, way

    def confirm(self, *arguments: object, answers: tuple[tuple[str, str], ...], code: int = 0) -> str:
        """Answer the questions of a command; all that it showed."""
        with Terminal(self.home, *arguments) as terminal:
            for question, answer in answers:
                terminal.read_until(question)
                terminal.type(answer)
            assert terminal.end() == code, terminal.shown
        return terminal.shown


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a portal without limits, on which the first chats are there already."""
    with Sandbox(limits=Limits.none()) as portal:
        for number in range(4):
            portal.world.add_chat(5000 + number, "deal", 1000 + number)
        yield Desk(tmp_path, portal)


def test_first_send(desk: Desk) -> None:
    """The campaign does not exist: `runs` lists none, and there is nothing to go on with."""
    sheet = desk.sheet(rows(6, 3))
    desk.leave_unanswered("Send 6 messages? [y/N]", "send", sheet, *desk.to)
    desk.leave_unanswered("Send 2 messages? [y/N]", "send", sheet, *desk.to, "--limit", 2, "--results", "other.csv")
    assert "no campaigns" in desk.run("runs", code=0)
    assert "no unfinished campaign" in desk.run("resume", *desk.quick, "--yes", code=2)
    assert desk.texts() == []


def test_the_rest_after_a_canary(desk: Desk) -> None:
    """The limit stands, with the options and the place for results; `resume` sends nothing beyond the limit."""
    sheet = desk.sheet(rows(6, 3))
    desk.run("send", sheet, *desk.quick, "--yes", "--limit", 2, code=1)
    more = ("--again", "--results", "other.csv", "--batch", 50)
    desk.leave_unanswered("Send 4 messages? [y/N]", "send", sheet, *desk.to)
    desk.leave_unanswered("Send 1 message? [y/N]", "send", sheet, *desk.to, "--limit", 3, "--batch", 50)
    desk.leave_unanswered("Send 6 messages? [y/N]", "send", sheet, *desk.to, *more)
    desk.run("resume", 1, *desk.quick, "--yes", code=1)
    assert sorted(desk.texts()) == ["Message 0", "Message 1"]


def test_rows_that_another_campaign_sent(desk: Desk) -> None:
    """Neither is anything skipped or sent again, nor is there a campaign; whichever of the two questions it is."""
    desk.run("send", desk.sheet(rows(3, 3)), *desk.quick, "--yes", code=0)
    sheet = desk.sheet(rows(5, 3), "more.csv")
    question = "send nothing (cancel)?"
    desk.leave_unanswered(question, "send", sheet, *desk.to)
    desk.leave_unanswered("Send 2 messages? [y/N]", "send", sheet, *desk.to, answers=((question, "skip\n"),))
    desk.leave_unanswered("Send 5 messages? [y/N]", "send", sheet, *desk.to, answers=((question, "again\n"),))
    desk.leave_unanswered("Send 2 messages? [y/N]", "send", sheet, *desk.to, "--skip-sent")
    assert "no unfinished campaign" in desk.run("resume", *desk.quick, "--yes", code=2)
    assert len(desk.texts()) == 3


def _interrupted(desk: Desk) -> None:
    """Two campaigns: of the first a row was refused and later sent by the second, which was stopped early."""
    desk.portal.world.add_chat(5001, status=60)
    desk.run("send", desk.sheet(rows(4, 4)), *desk.quick, "--yes", "--max-failures", 0, "--max-in-flight", 1, code=3)
    desk.portal.world.add_chat(5001, status=40)
    desk.run("send", desk.sheet([*rows(3, 4)[1:], *rows(1, 1, "More")], "more.csv"), *desk.quick, "--yes", code=0)


def test_resume(desk: Desk) -> None:
    """A campaign of which another has sent a row meanwhile: it is gone on with only after an answer."""
    _interrupted(desk)
    question = "send nothing (cancel)?"
    more = ("--batch", 9, "--results", "other.csv")
    desk.leave_unanswered(question, "resume", 1, *desk.to, *more)
    assert "--skip-sent" in desk.run("resume", 1, *desk.quick, "--yes", *more[2:], code=2)
    assert len(desk.texts()) == 4


def test_retry(desk: Desk) -> None:
    """Likewise, with the failed row that another campaign has sent meanwhile."""
    _interrupted(desk)
    desk.leave_unanswered("send nothing (cancel)?", "retry", 1, *desk.to, "--results", "other.csv", "--batch", 9)
    assert "--skip-sent" in desk.run("retry", 1, *desk.quick, "--yes", code=2)
    assert len(desk.texts()) == 4


def test_retry_of_unknown_rows(desk: Desk) -> None:
    """They stay unknown, and what had failed stays failed."""
    desk.portal.world.history_refused = True
    desk.portal.world.add_chat(5002, status=60)
    desk.portal.faults = Faults(at={2: "close_after"})
    desk.run("send", desk.sheet(rows(3, 3)), *desk.quick, "--yes", "--max-in-flight", 1, code=1)
    desk.portal.world.add_chat(5002, status=40)
    desk.leave_unanswered("sent again? [y/N]", "retry", 1, "--resend-unknown", *desk.to, "--batch", 9)
    desk.run("resume", 1, *desk.quick, "--yes", code=1)
    assert desk.texts() == ["Message 0", "Message 1"]


def test_no_variable_lets_a_customer_be_messaged_again(desk: Desk) -> None:
    """`--again` and `--resend-unknown` can only be typed: a forgotten variable must not undo a promise."""
    desk.portal.world.history_refused = True
    desk.portal.faults = Faults(at={2: "close_after"})
    sheet = desk.sheet(rows(3, 3))
    desk.run("send", sheet, *desk.quick, "--yes", "--max-in-flight", 1, code=1)
    variables = {"BULKSEND_AGAIN": "1", "BULKSEND_RESEND_UNKNOWN": "1"}
    assert "already sent" in desk.run("send", sheet, *desk.quick, "--yes", code=2, changes=variables)
    desk.run("resume", 1, *desk.quick, "--yes", code=1, changes=variables)
    desk.run("retry", 1, *desk.quick, "--yes", code=1, changes=variables)
    repeated = desk.sheet([*rows(3, 3), *rows(1, 1, "More")], "more.csv")
    assert "--skip-sent" in desk.run("send", repeated, *desk.quick, "--yes", code=2, changes=variables)
    assert len(desk.texts()) == 3


def test_what_is_confirmed_is_sent(desk: Desk) -> None:
    """The first rows, then the rest; of rows that another campaign sent those that were chosen."""
    sheet, question = desk.sheet(rows(4, 4)), "send nothing (cancel)?"
    desk.confirm("send", sheet, *desk.to, "--limit", 2, answers=(("Send 2 messages?", "y\n"),), code=1)
    desk.confirm("send", sheet, *desk.to, answers=(("Send 2 messages?", "y\n"),))
    more = desk.sheet([*rows(4, 4), *rows(1, 1, "More")], "more.csv")
    with Terminal(
        desk.home, "send", more, "--portal", desk.portal.webhook, "--rate", 0.1, "--no-preflight"
    ) as terminal:
        terminal.read_until(question)
        terminal.type("skip\n")
        takes = re.search(r"Takes: +about (\d+) s", terminal.read_until("Send 1 message?"))
        assert takes, terminal.shown
        assert int(takes[1]) < 30  # as long as that message, not all five
    shown = desk.confirm("send", more, *desk.to, answers=((question, "skip\n"), ("Send 1 message?", "y\n")), code=1)
    assert "4 rows (2, 3, 4 and 5) were sent" in " ".join(shown.split())
    assert "row 6, chat 5000 (deal 1000): More 0" in shown
    assert "Message 0" not in shown  # only what will be sent is shown
    assert desk.texts()[4:] == ["More 0"]
    assert sorted(desk.texts()[:4]) == [f"Message {number}" for number in range(4)]


def test_resume_says_what_it_continues(desk: Desk) -> None:
    """Before the first call: the sheet, how many messages, the portal, how long, what was sent; so does retry."""
    _interrupted(desk)
    more = (*desk.quick, "--yes", "--again", "--max-failures", 9)
    said = desk.run("resume", 1, *more, code=1)
    parts = ["sheet.csv, 2 messages of campaign 1", "Portal: http://127.0.0.1", "Takes: about", "Sent: 1 row already"]
    places = [said.index(part) for part in parts]
    assert places == sorted(places)
    assert "sheet.csv, 1 message of campaign 1" in desk.run("retry", 1, *more, code=0)


@pytest.mark.parametrize(
    ("before", "words", "meanwhile"),
    [
        ((), ("send",), ("send", "--yes")),
        (("--limit", 2), ("send",), ("send", "--yes")),
        ((), ("send", "--again"), ("send", "--again", "--yes")),
    ],
)
def test_another_process_sends_it_while_one_is_asked(
    desk: Desk, before: tuple[object, ...], words: tuple[str, ...], meanwhile: tuple[str, ...]
) -> None:
    """What was confirmed is not what would be sent any more: a sentence, exit 2, and nothing twice."""
    sheet = desk.sheet(rows(4, 4))
    if before or "--again" in words:
        desk.run("send", sheet, *desk.quick, "--yes", *before, code=1 if before else 0)
    with Terminal(desk.home, *words, sheet, *desk.to) as terminal:
        terminal.read_until("[y/N]")
        desk.run(*meanwhile, sheet, *desk.quick, code=0)
        read, journal = desk.texts(), desk.journal()
        terminal.type("y\n")
        assert terminal.end() == 2
    assert "already sent" in terminal.shown or "Another process has worked on this campaign" in terminal.shown
    assert (desk.texts(), desk.journal()) == (read, journal)
    assert len(read) == (8 if "--again" in words else 4)


def test_another_process_is_sending_it_when_it_is_confirmed(desk: Desk) -> None:
    """Exit 3, and who holds it; each message arrives once."""
    sheet = desk.sheet(rows(40, 4))
    with Terminal(desk.home, "send", sheet, *desk.to) as terminal:
        terminal.read_until("[y/N]")
        desk.portal.latency = 0.5
        with Terminal(desk.home, "send", sheet, *desk.to, "--yes", "--max-in-flight", 1) as other:
            wait_until(lambda: desk.portal.ledger)
            terminal.type("y\n")
            assert terminal.end() == 3
            desk.portal.latency = 0.0
            assert other.end() == 0
    assert "is being sent by process" in " ".join(terminal.shown.split())
    assert sorted(desk.texts()) == sorted(f"Message {number}" for number in range(40))
