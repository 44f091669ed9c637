"""``bulksend verify``, ``send --verify``: what became of the messages, in words, in JSON, in the results sheet."""

import json
import re
import signal
import sqlite3
import sys
import zipfile
from pathlib import Path

import pytest
import python_calamine as calamine

from bulksend.sandbox import Sandbox
from tests.cli.conftest import Command, Sheet, lines
from tests.journal.test_migrations import SCHEMAS
from tests.processes import Commands, PortalProcess, end, rows, until, write_sheet

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def sent(portal: Sandbox, sheet: Sheet, command: Command) -> Path:
    """A campaign of two messages, of which one was delivered and the other hidden; where its results are."""
    portal.world.add_chat(1, "deal", 1)
    portal.world.add_chat(2, "deal", 2, silent=True)
    path = sheet("a.csv", HEADINGS, [("deal", 1, 1, "Hello"), ("deal", 2, 2, "Hello")])
    assert command("send", path, "--portal", portal.webhook, "--yes", "--rate", 0, "--no-preflight").code == 0
    return path.with_name("a.results.csv")


def test_results_have_the_delivery(portal: Sandbox, command: Command, sent: Path) -> None:
    """The last column, empty until it is asked for; the latest campaign where none is named; exit 1 if some are not."""
    assert [line["delivery"] for line in lines(sent)] == ["", ""]
    said = command("verify", "--portal", portal.webhook, "--rate", 0)
    assert said.code == 1
    assert "Of 2 sent messages: delivered: 1, hidden by silent mode: 1." in said.out
    assert "a.results.csv" in said.out
    results = lines(sent)
    assert [(line["status"], line["delivery"]) for line in results] == [("sent", "delivered"), ("sent", "hidden")]
    assert list(results[0])[-2:] == ["attempts", "delivery"]
    portal.world.add_chat(1, read_after=0)
    summary = json.loads(command("verify", 1, "--portal", portal.webhook, "--rate", 0, "--json").out)
    assert summary["delivery"] == {"read": 1, "delivered": 0, "sending": 0, "hidden": 1, "not_told": 0}
    assert (summary["run"], summary["ended"], summary["sent"], summary["exit_code"]) == (1, "ended", 2, 1)
    assert lines(sent)[0]["delivery"] == "read"


def test_at_the_end_of_sending(portal: Sandbox, sheet: Sheet, command: Command) -> None:
    """`--verify` of send, resume and retry asks at once; exit 0 where all arrived."""
    portal.world.add_chat(1, "deal", 1)
    portal.world.add_chat(2, "deal", 2, connector="whatsapp", closes_in=-60)
    one = sheet("a.csv", HEADINGS, [("deal", 1, 1, "Hello")])
    send = ("--portal", portal.webhook, "--yes", "--rate", 0, "--verify")
    said = command("send", one, *send)
    assert said.code == 0, said.err
    assert "Of 1 sent message: delivered: 1." in said.out
    two = sheet("b.csv", HEADINGS, [("deal", 1, 1, "Hello again"), ("deal", 2, 2, "Hello again")])
    said = command("send", two, *send, "--json")
    assert said.code == 1
    assert json.loads(said.out)["delivery"]["sending"] == 1
    assert "bulksend verify 2 --wait 10" in said.err
    assert [line["delivery"] for line in lines(two.with_name("b.results.csv"))] == ["delivered", "sending"]


def test_a_rehearsal(command: Command) -> None:
    """Its portal ends with it, so it is verified at its end or not at all."""
    said = command(
        "send",
        SAMPLES / "dialogs.csv",
        "--portal",
        "sandbox",
        "--rate",
        0,
        "--yes",
        "--verify",
        "--results",
        "out.xlsx",
    )
    assert said.code == 1
    read = re.search(r"read: (\d),", said.out)  # one at once; another customer reads theirs some seconds later
    assert read is not None
    assert "hidden by silent mode: 1" in said.out
    assert "bulksend verify" not in said.err  # there will be nobody to ask
    book = calamine.CalamineWorkbook.from_path("out.xlsx")
    told = {str(row[0]): row[1] for row in book.get_sheet_by_index(1).to_python() if row[0]}
    assert (told["read"], told["hidden"]) == (int(read[1]), 1)
    with zipfile.ZipFile("out.xlsx") as archive:
        assert sum(name.startswith("xl/charts/chart") for name in archive.namelist()) == 2
    later = command("verify")
    assert later.code == 2
    assert "rehearsal" in later.err


def test_what_cannot_be_verified(portal: Sandbox, command: Command, sent: Path) -> None:
    """Another portal, a campaign that is not there, a webhook that is wrong: a sentence, and the results stay."""
    assert command("verify", 7).code == 2
    with Sandbox() as other:
        said = command("verify", 1, "--portal", other.webhook)
    assert said.code == 2
    assert "belongs to" in said.err
    portal.refusal = "no_auth"
    said = command("verify", 1, "--portal", portal.webhook)
    assert said.code == 3
    assert "Of 2 sent messages: not asked for: 2." in said.out
    assert [line["status"] for line in lines(sent)] == ["sent", "sent"]


def test_nothing_to_verify(command: Command) -> None:
    """A new journal has no campaigns."""
    said = command("verify")
    assert said.code == 2
    assert "no campaigns" in said.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process of its own")
@pytest.mark.parametrize("number", [signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGINT)])
def test_interrupted_and_continued(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends it in good order and kill -9 anyhow; the next look asks for the rest alone."""
    commands = Commands(tmp_path)
    sheet = write_sheet(tmp_path / "a.csv", rows(400, 400))
    with PortalProcess(tmp_path / "portal") as portal:
        assert commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--fast", "--rate", 0).code == 0
        before = len(portal.calls())
        portal.turn("dials", latency=0.3)
        verify = ("verify", 1, "--portal", portal.webhook)
        asked = len(portal.calls())
        process = commands.start(*verify, "--rate", 0.5)
        for _ in until(30):
            with sqlite3.connect(commands.journal) as file:
                known = file.execute("SELECT count(delivery) FROM rows").fetchone()[0]
            if known:
                break
        process.send_signal(number)
        said = end(process)
        with sqlite3.connect(commands.journal) as file:
            known = file.execute("SELECT count(delivery) FROM rows").fetchone()[0]
        assert 0 < known < 400
        if number == signal.SIGINT:
            assert said.code == 130
            calls = sum(call["commands"] for call in portal.calls(asked) if call["method"] == "batch")
            assert calls == 2 * known, "answers that were under way were dropped"
            assert f"delivered: {known}, not asked for: {400 - known}" in said.out
            assert "bulksend verify 1" in said.err
            assert sum(line["delivery"] == "delivered" for line in lines(tmp_path / "a.results.csv")) == known
        before = len(portal.calls())
        said = commands.run(*verify, "--rate", 0)
        assert said.code == 0, said.said
        assert len(portal.calls()) - before <= (400 - known) / 25 + 2
    assert {line["delivery"] for line in lines(tmp_path / "a.results.csv")} == {"delivered"}


def test_a_results_sheet_of_six_columns_is_an_input(portal: Sandbox, sheet: Sheet, command: Command) -> None:
    """One that was written before there was a delivery is sent like its sheet, and its columns are written anew."""
    portal.world.add_chat(1, "deal", 1)
    old = ("status", "message_id", "error_code", "error_description", "sent_at", "attempts")
    path = sheet("old.csv", (*HEADINGS, *old), [("deal", 1, 1, "Hello", "failed", "", "X", "x", "", "1")])
    assert command("send", path, "--portal", portal.webhook, "--yes", "--results", "out.csv", "--verify").code == 0
    assert list(lines(Path("out.csv"))[0]) == [*HEADINGS, *old, "delivery"]


def test_the_results_of_an_old_journal(command: Command, tmp_path: Path) -> None:
    """They have the new column, empty."""
    journal = tmp_path / "old.db"
    with sqlite3.connect(journal) as file:
        file.executescript(SCHEMAS[1])
    assert command("results", 1, "--journal", journal, "--results", "out.csv").code == 0
    assert [line["delivery"] for line in lines(Path("out.csv"))] == ["", ""]
