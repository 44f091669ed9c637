"""What becomes of a command whose output cannot be written, or that this computer refuses something."""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Sandbox
from tests.cli.conftest import Command
from tests.processes import Commands, Ended, end, read_results, rows, write_sheet

SAMPLES = Path(__file__).parents[2] / "samples"
FULL = Path("/dev/full")


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands in processes of their own, whose output a test may send anywhere."""
    return Commands(tmp_path)


def _into_full(commands: Commands, *arguments: object) -> Ended:
    with FULL.open("w") as full:
        return commands.run(*arguments, stdout=full)


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a file that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ("runs",),
        ("runs", "--json"),
        ("check", SAMPLES / "campaign.csv"),
        ("check", SAMPLES / "invalid.csv", "--json"),
        ("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--dry-run"),
        ("results", 1),
        ("template", "blank.csv"),
    ],
)
def test_a_full_output_is_one_sentence(commands: Commands, words: tuple[object, ...]) -> None:
    """Nothing is sent by these: exit 2, and what is wrong with the output."""
    commands.run("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--yes", "--rate", 0, "--results", "out.csv")
    said = _into_full(commands, *words)
    told = [line for line in said.err.splitlines() if line.startswith("Error: ")]
    assert (said.code, told) == (2, ["Error: Standard output cannot be written (No space left on device)."])
    assert "Traceback" not in said.err


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a file that is always full")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_campaign_is_carried_out_though_its_tally_cannot_be_written(commands: Commands, more: tuple[str]) -> None:
    """The exit code is the campaign's, and the output's trouble is said beside how to go on."""
    sheet = write_sheet(commands.folder / "a.csv", rows(5, 5))
    with Sandbox(limits=Limits.none()) as portal:
        said = _into_full(commands, "send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, *more)
        assert said.code == 0
        assert "Error: Standard output cannot be written" in said.err
        assert len(portal.ledger) == 5
        sheet = write_sheet(commands.folder / "b.csv", [("deal", 403, 8000, "", "Hello"), *rows(3, 3, "b")])
        said = _into_full(commands, "send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, *more)
    assert said.code == 1
    assert "bulksend retry 2" in said.err
    assert len(read_results(commands.folder / "b.results.csv")) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe is closed in another way there")
def test_who_reads_the_output_may_go(commands: Commands) -> None:
    """As in `bulksend runs | head -0`: no sentence, exit 0."""
    commands.run("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--yes", "--rate", 0, "--results", "out.csv")
    reading, writing = os.pipe()
    os.close(reading)
    said = commands.run("runs", stdout=writing)
    os.close(writing)
    assert (said.code, said.err) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_a_campaign_outlives_its_terminal(commands: Commands) -> None:
    """The window with the progress bar is closed, and the campaign, which nothing else ends, goes on."""
    sheet = write_sheet(commands.folder / "a.csv", rows(20, 5))
    with Sandbox(limits=Limits.none(), latency=0.1) as portal:
        keyboard, screen = os.openpty()
        words = ("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1, "--verbose")
        process = commands.start(*words, stdout=screen, stderr=screen)
        os.close(screen)
        while not portal.ledger:
            os.read(keyboard, 1000)
        os.close(keyboard)
        assert process.wait(60) == 0
        assert len(portal.ledger) == 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other names for it")
def test_what_the_system_refuses_is_one_sentence(tmp_path: Path) -> None:
    """A data folder whose name is too long: what the system said and where, exit 2."""
    commands = Commands(tmp_path)
    commands.home = tmp_path / ("a" * 300)
    said = commands.run("portal", "remove", "ours")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert said.err.startswith("Error: The operating system refused what was to be done: File name too long (")
    assert str(commands.home) in said.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_results_that_find_no_room_are_told(commands: Commands) -> None:
    """A workbook that cannot be finished: exit 2, where and why, and nothing half-written is left."""
    sheet = write_sheet(commands.folder / "a.csv", [(*row[:4], os.urandom(2000).hex()) for row in rows(100, 5)])

    def limit() -> None:
        import resource  # noqa: PLC0415 - Windows has none
        import signal  # noqa: PLC0415

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (160_000, resource.RLIM_INFINITY))

    with Sandbox(limits=Limits.none()) as portal:
        assert commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0).code == 0
    said = commands.run("results", 1, "--results", "out.xlsx", preexec_fn=limit)
    assert said.code == 2
    assert "out.xlsx (File too large)" in said.err
    assert not (commands.folder / "out.xlsx").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such numbers")
@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_changes_nothing(commands: Commands, stream: int) -> None:
    """As with `>&-`, or in a service without a console: what was asked for is done, with its own exit code."""
    sheet = write_sheet(commands.folder / "a.csv", rows(5, 5))

    def close() -> None:
        os.close(stream)

    with Sandbox(limits=Limits.none()) as portal:
        said = commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, preexec_fn=close)
        assert (said.code, len(portal.ledger)) == (0, 5)
    for words in (("runs",), ("check", sheet), ("--version",), ("template", f"blank{stream}.csv")):
        said = commands.run(*words, preexec_fn=close)
        assert (said.code, "Traceback" in said.err) == (0, False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such numbers")
def test_a_closed_input_is_no_terminal(commands: Commands) -> None:
    """There is nobody to ask: exit 2, as where standard input is a pipe."""
    sheet = write_sheet(commands.folder / "a.csv", rows(5, 5))
    said = commands.run("send", sheet, "--portal", "sandbox", preexec_fn=lambda: os.close(0))
    assert (said.code, "There is no terminal to ask on" in said.err) == (2, True)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe is closed in another way there")
def test_nobody_needs_to_hear_the_talk(commands: Commands) -> None:
    """Who read standard error has gone: what was asked for comes, with its own exit code."""
    sheet = write_sheet(commands.folder / "a.csv", rows(5, 5))
    with Sandbox(limits=Limits.none()) as portal:
        for words in (
            ("check", sheet, "--online", "--portal", portal.webhook, "--json"),
            ("check", sheet, "--results", "mended.csv", "--json"),
            ("send", sheet, "--portal", portal.webhook, "--yes", "--dry-run", "--json"),
        ):
            reading, writing = os.pipe()
            os.close(reading)
            said = commands.run(*words, stderr=writing)
            os.close(writing)
            heard = commands.run(*words)
            answers = json.loads(said.out), json.loads(heard.out)
            for answer in answers:
                answer["forecast"] = answer["forecast"] is not None  # the calls of the one before still count
            assert (said.code, answers[0]) == (heard.code, answers[1])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signal")
def test_a_terminal_that_is_closed_ends_a_campaign_in_good_order(commands: Commands) -> None:
    """As Ctrl-C does: the calls under way are waited for, the results are written; under nohup it goes on.

    Ctrl-C itself ends it also where a shell's background has it ignored.
    """
    sheet = write_sheet(commands.folder / "a.csv", rows(200, 5))
    for sent, protected, code in ((signal.SIGHUP, False, 130), (signal.SIGHUP, True, 0), (signal.SIGINT, True, 130)):
        with Sandbox(limits=Limits.none(), latency=0.1) as portal:
            process = commands.start(
                *("send", sheet, "--portal", portal.webhook, "--yes", "--rate", 0, "--max-in-flight", 1, "--again"),
                preexec_fn=partial(signal.signal, sent, signal.SIG_IGN) if protected else None,
            )
            while len(portal.ledger) < 3:
                time.sleep(0.01)
            process.send_signal(sent)
            if code == 0:
                portal.latency = 0.0
            said = end(process)
            assert said.code == code
            assert len(read_results(commands.folder / "a.results.csv")) == 200
            assert (len(portal.ledger) == 200) is (code == 0)


@pytest.mark.parametrize("place", ["missing/out.csv", "../{folder}/sheet.results.csv"])
def test_results_that_could_not_be_kept_are_refused_before(commands: Commands, place: str) -> None:
    """A folder that is not there, the sheet itself by another way: exit 2, and nothing was sent."""
    sheet = write_sheet(commands.folder / "sheet.results.csv", rows(3, 3))
    before = sheet.read_bytes()
    with Sandbox(limits=Limits.none()) as portal:
        results = place.format(folder=commands.folder.name)
        said = commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--results", results)
        assert (said.code, portal.ledger) == (2, [])
    assert "--results" in said.err
    assert sheet.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes in another way")
@pytest.mark.parametrize("words", [("check", "--online"), ("send", "--preflight", "--yes")])
def test_being_ended_while_the_portal_is_asked(commands: Commands, words: tuple[str, ...]) -> None:
    """A polite kill is like Ctrl-C: exit 130, and with --json the one object."""
    sheet = write_sheet(commands.folder / "a.csv", rows(3000, 3000))  # half a minute of questions
    with Sandbox(limits=Limits.none(), latency=0.2) as portal:
        process = commands.start(*words, sheet, "--portal", portal.webhook, "--json")
        while len(portal.calls) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        said = end(process)
    assert (said.code, json.loads(said.out)["ended"]) == (130, "interrupted")


def test_a_mistyped_journal_is_not_made(commands: Commands) -> None:
    """An empty journal in the place of the one that guards against sending twice would not be seen to be one."""
    for words in (("runs",), ("resume",), ("retry", 1), ("results", 1)):
        said = commands.run(*words, "--journal", "mistyped/journal.db")
        assert (said.code, said.err) == (
            2,
            "Error: There is no journal at 'mistyped/journal.db': check --journal and BULKSEND_JOURNAL.\n",
        )
    assert not (commands.folder / "mistyped").exists()


WEBHOOK = "https://portal.example/rest/27/s3cr3tW3bh00kk3y/"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "--journal", "postgresql://joe@127.0.0.1:9/db?password=s3cr3tW3bh00kk3y"),
        ("runs", "--journal", "postgresql://joe:s3cr3tW3bh00kk3y@127.0.0.1:9/db"),
        ("runs", "--journal", "postgresql://joe:a@s3cr3tW3bh00kk3y@127.0.0.1:9/db"),
        ("runs", "--journal", "postgresql://joe:s3cr3tW3bh00kk3y/a@127.0.0.1:9/db"),
        ("runs", "--journal", WEBHOOK),
        ("send", WEBHOOK, "--portal", "sandbox", "--yes"),
        ("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--rate", WEBHOOK),
        ("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--yes", "--results", WEBHOOK),
        ("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--yes", "--message-file", WEBHOOK),
        ("send", SAMPLES / "campaign.csv", "--portal", "sandbox", "--map", WEBHOOK),
        ("resume", WEBHOOK),
        ("runs", WEBHOOK),
        (WEBHOOK,),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(
    command: Command, arguments: tuple[object, ...], as_json: bool
) -> None:
    """What was given as something else may be an address with a secret: no error shows it."""
    said = command(*arguments, *(["--json"] if as_json else []))
    assert said.code == 2
    assert said.err
    assert "s3cr3t" not in said.out + said.err
