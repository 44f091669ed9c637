"""`bulksend send`, `resume` and `retry` as people run them: real processes against a portal in another process."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.journal import Journal
from tests.processes import (
    SECRET,
    SLOWEST,
    Commands,
    PortalProcess,
    TestRow,
    assert_exactly_once,
    assert_results_true,
    end,
    read_results,
    rows,
    until,
    write_sheet,
)
from tests.soak import soak
from tests.untranslate import as_asserted

QUICK = ("--user-id", 27, "--yes", "--rate", 0, "--timeout", 1, "--settle", 1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    """One portal process for the tests of this module."""
    with PortalProcess(tmp_path_factory.mktemp("portal")) as portal:
        yield portal


class Case:
    """A person with a data folder, and what the portal did since the test began."""

    def __init__(self, folder: Path, portal: PortalProcess) -> None:
        self.folder, self.portal = folder, portal
        self.commands = Commands(folder)
        self.results = folder / "out.csv"
        self._delivered = len(portal.ledger)
        self._called = len(portal.calls())

    def sheet(self, lines: list[TestRow], name: str = "sheet.csv") -> Path:
        """Write a sheet."""
        return write_sheet(self.folder / name, lines)

    def sending(self, sheet: Path, *options: object) -> tuple[object, ...]:
        """The command line that sends a sheet."""
        return ("send", sheet, "--portal", self.portal.webhook, *QUICK, "--results", self.results, *options)

    @property
    def ledger(self) -> list[dict[str, object]]:
        """What was delivered in this test."""
        return self.portal.ledger[self._delivered :]

    @property
    def calls(self) -> list[dict[str, object]]:
        """What was asked of the portal in this test."""
        return self.portal.calls(self._called)

    def wait_for(self, calls: int) -> None:
        """Wait until so many calls have arrived."""
        for _ in until(SLOWEST):
            if len(self.calls) >= calls:
                return
        raise AssertionError("the calls did not come")


@pytest.fixture
def case(tmp_path: Path, served: PortalProcess) -> Iterator[Case]:
    """A case on a portal whose dials stand at nothing."""
    yield Case(tmp_path, served)
    served.turn("dials", latency=0.0, refusal=None, scopes=["imopenlines", "crm", "im"])
    served.turn("faults")
    served.turn("world", history_refused=False)


def text_rows(count: int, chats: int, case: Case) -> list[TestRow]:
    """Rows whose texts no other test has."""
    return rows(count, chats, f"{case.folder.name} ")


def test_all_arrives_and_is_not_sent_again(case: Case) -> None:
    """Exit 0 and ids in the results; the same file, and a copy of it, are refused with exit 2 and send nothing."""
    lines = text_rows(20, 6, case)
    sheet = case.sheet(lines)
    ended = case.commands.run(*case.sending(sheet))
    assert (ended.code, ended.out.splitlines()[0]) == (0, "Campaign 1: 20 of 20 rows sent.")
    assert_exactly_once(lines, case.ledger)
    assert_results_true(case.results, lines, case.ledger)
    told = Path(shutil.copy(case.results, case.results.with_name("told.csv")))
    for again in (sheet, case.sheet(lines, "copy.csv"), told):
        ended = case.commands.run(*case.sending(again))
        assert ended.code == 2
        assert "already sent" in ended.err
    assert len(case.ledger) == 20
    assert SECRET not in ended.said


def test_three_rows_changed(case: Case) -> None:
    """A sheet of which three rows were changed is refused with a count until --skip-sent sends just the three."""
    lines = text_rows(12, 4, case)
    case.commands.run(*case.sending(case.sheet(lines)))
    changed = case.sheet([*lines[:9], *rows(3, 3, f"{case.folder.name} mended")], "changed.csv")
    ended = case.commands.run(*case.sending(changed))
    assert ended.code == 2
    assert "9 rows (2, 3" in ended.err
    assert len(case.ledger) == 12
    ended = case.commands.run(*case.sending(changed, "--skip-sent"))
    assert ended.code == 1
    assert len(case.ledger) == 15
    results = read_results(case.results)
    assert [line["status"] for line in results] == ["skipped"] * 9 + ["sent"] * 3
    assert {line["error_code"] for line in results[:9]} == {"ALREADY_SENT"}


def test_two_at_the_same_moment(case: Case) -> None:
    """Two processes on one file: one sends it, the other is refused with who holds it; every row arrives once."""
    lines = text_rows(60, 10, case)
    sheet = case.sheet(lines)
    case.portal.turn("dials", latency=0.1)
    both = [case.commands.start(*case.sending(sheet)) for _ in range(2)]
    codes = sorted(end(process).code for process in both)
    assert codes in ([0, 2], [0, 3])
    assert_exactly_once(lines, case.ledger)
    assert_results_true(case.results, lines, case.ledger)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once(case: Case, number: signal.Signals) -> None:
    """No new calls, those in flight are waited for, the results are written, the way to go on is told: exit 130."""
    lines = text_rows(300, 10, case)  # half a minute of work
    case.portal.turn("dials", latency=0.3)
    process = case.commands.start(*case.sending(case.sheet(lines), "--max-in-flight", 3, "--timeout", 30))
    case.wait_for(10)
    process.send_signal(number)
    ended = end(process)
    assert ended.code == 130
    assert "bulksend resume 1" in ended.err
    made = len(case.calls)
    delivered = len(case.ledger)
    assert made - 1 == delivered < 300  # the first call reads histories
    statuses = [line["status"] for line in read_results(case.results)]
    assert statuses.count("sent") == delivered
    assert statuses.count("not_sent") == 300 - delivered
    case.portal.turn("dials", latency=0.0)
    assert case.commands.run(*case.sending(case.sheet(lines))).code == 0
    assert_exactly_once(lines, case.ledger)


def test_interrupted_twice(case: Case) -> None:
    """The second Ctrl-C ends it at once; what was under way is settled by `resume`."""
    lines = text_rows(30, 10, case)
    case.portal.turn("dials", latency=2.0)  # they are carried out a second later, mostly when the command has ended
    sends = ["imopenlines.crm.message.add"]
    case.portal.turn("faults", methods=sends, probability={"silent_after": 1}, silent_seconds=60)
    process = case.commands.start(*case.sending(case.sheet(lines), "--timeout", 90))
    case.wait_for(5)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    next(line for line in process.stderr if "Stopping: waiting" in as_asserted(line))
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended = end(process)
    assert ended.code == 130
    assert time.monotonic() - began < 30
    assert "Traceback" not in ended.err
    case.portal.turn("faults")
    case.portal.turn("dials", latency=0.0)
    command = ("resume", "--portal", case.portal.webhook, "--yes", "--settle", 7, "--results", case.results)
    assert case.commands.run(*command).code == 0
    assert_exactly_once(lines, case.ledger)
    assert_results_true(case.results, lines, case.ledger)


def test_nobody_reads(case: Case) -> None:
    """That who read the output has gone ends nothing: every row is sent, and the exit code says so."""
    lines = text_rows(12, 4, case)
    reading, writing = os.pipe()
    os.close(reading)
    process = case.commands.start(*case.sending(case.sheet(lines), "--verbose"), stdout=writing, stderr=writing)
    os.close(writing)
    assert process.wait(30) == 0
    assert_exactly_once(lines, case.ledger)


def test_no_terminal(case: Case) -> None:
    """Without --yes and without a terminal nothing is asked and nothing is sent: exit 2."""
    command = [each for each in case.sending(case.sheet(text_rows(2, 2, case))) if each != "--yes"]
    ended = case.commands.run(*command)
    assert ended.code == 2
    assert "--yes" in ended.err
    assert not case.calls


@pytest.mark.parametrize("trouble", ["no scope", "no_auth", "overload"])
def test_refused_campaign(case: Case, trouble: str) -> None:
    """A webhook without scope, a revoked one, an overloaded portal: a handful of calls, exit 3, all rows not_sent."""
    lines = text_rows(40, 40, case)
    if trouble == "no scope":
        case.portal.turn("dials", scopes=["crm"])
    else:
        case.portal.turn("dials", refusal=trouble)
    ended = case.commands.run(*case.sending(case.sheet(lines)))
    assert ended.code == 3
    assert len(case.calls) <= 10
    assert {line["status"] for line in read_results(case.results)} == {"not_sent"}
    assert len([line for line in ended.err.splitlines() if line.startswith("Stopped: ")]) == 1
    assert SECRET not in ended.said
    case.portal.turn("dials", refusal=None, scopes=["imopenlines", "crm"])
    command = ("resume", "--portal", case.portal.webhook, "--yes", "--rate", 0, "--results", case.results)
    assert case.commands.run(*command).code == 0
    assert_exactly_once(lines, case.ledger)


def test_lost_answers_without_history(case: Case) -> None:
    """Where histories are refused, rows whose answers were lost are unknown, with what to do: exit 1, none failed."""
    lines = text_rows(20, 20, case)
    case.portal.turn("world", history_refused=True)
    case.portal.turn("faults", at={"3": "close_after", "7": "close_before"})
    ended = case.commands.run(*case.sending(case.sheet(lines), "--max-in-flight", 1))
    assert ended.code == 1
    statuses = [line["status"] for line in read_results(case.results)]
    assert statuses.count("unknown") == 2
    assert statuses.count("sent") == 18
    assert len(case.ledger) == 19
    ended = case.commands.run("retry", 1, "--portal", case.portal.webhook, "--yes", "--rate", 0)
    assert len(case.ledger) == 19
    unknown = next(line for line in read_results(case.results) if line["status"] == "unknown")
    assert "look into the chat before you send it again" in unknown["error_description"]
    assert "bulksend retry 1 --resend-unknown" in ended.err


def test_unreachable_portal(case: Case) -> None:
    """A portal that was never reached: one sentence, exit 2, rows unsent and untouched."""
    sheet = case.sheet(text_rows(3, 3, case))
    for address in (f"http://127.0.0.1:9/rest/27/{SECRET}/", f"https://no-such-host.invalid/rest/27/{SECRET}/"):
        ended = case.commands.run("send", sheet, "--portal", address, *QUICK, "--results", case.results)
        assert ended.code == 2
        assert "could not be reached" in ended.err
        assert SECRET not in ended.said
        assert {line["status"] for line in read_results(case.results)} == {"not_sent"}


@pytest.mark.parametrize(("killed", "code"), [(False, "ANSWER_LOST"), (True, "INTERRUPTED")])
def test_a_portal_that_goes_after_the_first_message(tmp_path: Path, killed: bool, code: str) -> None:
    """What has left may have arrived: exit 3, not 2, and beside the row stays why nobody knows."""
    commands, results = Commands(tmp_path), tmp_path / "out.csv"
    sheet = write_sheet(tmp_path / "sheet.csv", rows(5, 5))
    with PortalProcess(tmp_path / "portal", "--fault", "silent_after@2") as portal:
        send = (
            "send",
            sheet,
            "--portal",
            portal.webhook,
            *QUICK[:5],
            "--outage",
            0.02,
            "--results",
            results,
            "--max-in-flight",
            1,
        )
        process = commands.start(*send)
        portal.wait_for_calls(2)
        if killed:
            process.kill()
            end(process)
        portal.stop()
        ended = commands.run(*send) if killed else end(process)
    assert ended.code == 3
    assert "could not be reached" in ended.err
    assert "bulksend resume 1" in ended.err
    told = [(line["status"], line["error_code"]) for line in read_results(results)]
    assert told == [("unknown", code), *[("not_sent", "")] * 4]


def test_killed_over_and_over_while_the_same_row_leaves(tmp_path: Path) -> None:
    """Being killed is no fault of the row's: however often it happens, the row is sent in the end, and once."""
    kills = 9
    commands, results = Commands(tmp_path), tmp_path / "out.csv"
    sheet = write_sheet(tmp_path / "sheet.csv", rows(1, 1))
    sends = range(1, 2 * kills, 2)  # between two of them a history is read
    faults = [text for n in sends for text in ("--fault", f"silent_before@{n}")]
    with PortalProcess(tmp_path / "portal", *faults, "--silent-seconds", 60) as portal:
        send = ("send", sheet, "--portal", portal.webhook, "--yes", "--user-id", 27, "--rate", 0, "--settle", 0)
        for left in range(1, kills + 1):
            process = commands.start(*send)
            for _ in until(20):
                if sum(call["fault"] != "" for call in portal.calls()) == left or process.poll() is not None:
                    break
            process.kill()
            end(process)
        ended = commands.run(*send, "--results", results)
        assert ended.code == 0, ended.said
        assert sum(call["fault"] != "" for call in portal.calls()) == kills
        assert_exactly_once(rows(1, 1), portal.ledger)
    assert [line["status"] for line in read_results(results)] == ["sent"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_full_disk(case: Case) -> None:
    """A journal that cannot grow any more stops the sending: nothing is delivered that it does not know of."""
    lines = text_rows(400, 40, case)
    sheet = case.sheet(lines)
    case.commands.run("runs")

    def limit() -> None:
        import resource  # noqa: PLC0415 - Windows has none

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, resource.RLIM_INFINITY))

    ended = case.commands.run(*case.sending(sheet), preexec_fn=limit)
    assert ended.code == 3
    assert "free the disk" in ended.err
    assert "Traceback" not in ended.err
    delivered = [str(delivery["text"]) for delivery in case.ledger]
    assert 0 < len(delivered) < 400
    with Journal(case.commands.journal) as journal:
        left = {row.message for row in journal.all_rows(1) if row.left_at is not None}
    assert set(delivered) <= left
    assert case.commands.run(*case.sending(sheet)).code == 0
    assert_exactly_once(lines, case.ledger)
    assert_results_true(case.results, lines, case.ledger)


def test_settings_of_an_interrupted_campaign(case: Case) -> None:
    """`resume` without a portal's name tells why it needs one; the secret is nowhere."""
    process = case.commands.start(*case.sending(case.sheet(text_rows(100, 4, case)), "--rate", 4))
    case.wait_for(3)
    process.kill()
    end(process)
    ended = case.commands.run("resume", "--yes")
    assert ended.code == 2
    assert "--portal" in ended.err
    assert SECRET.encode() not in case.commands.journal.read_bytes()


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 50])
def test_small_soak(tmp_path: Path, batch: int) -> None:
    """Kills and faults of every kind, in small (`python -m tests.soak` does it at length): nothing twice or lost."""
    figures = soak(5, tmp_path, batch=batch, count=16, chats=6, kills=3)
    assert figures.delivered + figures.unknown >= 16
    assert figures.broken == 0


def test_exit_codes_of_rows(case: Case) -> None:
    """Refused rows: the campaign goes on, exit 1; `retry` sends what was mended: exit 0."""
    lines = text_rows(6, 6, case)
    case.portal.turn("world", chats=[{"chat_id": 5002, "status": 60}])
    ended = case.commands.run(*case.sending(case.sheet(lines)))
    case.portal.turn("world", chats=[{"chat_id": 5002, "status": 40}])
    assert ended.code == 1
    failed = [line for line in read_results(case.results) if line["status"] == "failed"]
    assert [(line["CHAT_ID"], line["error_code"]) for line in failed] == [("5002", "CHAT_NOT_IN_CRM")]
    command = ("retry", 1, "--portal", case.portal.webhook, "--yes", "--rate", 0, "--results", case.results)
    assert case.commands.run(*command).code == 0
    assert len(case.ledger) == 6
    assert_results_true(case.results, lines, case.ledger)


def test_process_list(case: Case) -> None:
    """The kernel's list of processes shows what the user typed and nothing more: no process is renamed."""
    process = case.commands.start(
        *("send", case.sheet(text_rows(30, 3, case)), *QUICK),
        changes={"BULKSEND_PORTAL": case.portal.webhook},
        close_fds=True,  # so that it is started: one that is forked has the name of what forked it
    )
    case.wait_for(1)
    shown = Path(f"/proc/{process.pid}/cmdline")
    seen = shown.read_bytes() if shown.exists() else b""
    end(process)
    assert SECRET.encode() not in seen
