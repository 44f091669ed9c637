"""``runs``, ``results``, ``template``, help, and the samples as a person tries them."""

import json
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from bulksend.cli import COMMANDS
from bulksend.sandbox import Sandbox
from bulksend.sender.settings import Sending
from tests.cli.conftest import Command, Sheet, lines

SAMPLES = Path(__file__).parents[2] / "samples"
RESULT_COLUMNS = ["status", "message_id", "error_code", "error_description", "sent_at", "attempts", "delivery"]


def _send(command: Command, name: str, tmp_path: Path, *more: object) -> int:
    return command(
        *("send", SAMPLES / name, "--portal", "sandbox", "--rate", 0, "--yes", "--results"),
        *(tmp_path / f"out{Path(name).suffix}", *more),
    ).code


@pytest.mark.parametrize(("name", "rows"), [("campaign.csv", 12), ("campaign.ru.csv", 10)])
def test_a_sample_arrives_whole(command: Command, tmp_path: Path, name: str, rows: int) -> None:
    """Every row is sent and has a message id, in the sheet's own encoding and separator."""
    assert _send(command, name, tmp_path) == 0
    result = (tmp_path / "out.csv").read_bytes().decode("cp1251" if ".ru" in name else "utf-8-sig")
    body = result.splitlines()
    assert body[0].endswith((";" if ".ru" in name else ",").join(RESULT_COLUMNS))
    assert sum("sent" in line for line in body[1:]) == rows


def test_a_workbook_gets_a_workbook(command: Command, tmp_path: Path) -> None:
    """The results of a workbook are one: all original columns in order, then the six."""
    assert _send(command, "campaign.xlsx", tmp_path) == 0
    before = openpyxl.load_workbook(SAMPLES / "campaign.xlsx").worksheets[0]
    after = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    headings = [cell.value for cell in before[1]]
    assert [cell.value for cell in after[1]] == [*headings, *RESULT_COLUMNS]
    status = len(headings)
    assert all(row[status].value == "sent" and row[status + 1].value for row in list(after.rows)[1:])
    assert after.max_row == before.max_row


def test_each_refusal_is_failed_with_its_code_and_advice(command: Command, tmp_path: Path) -> None:
    """The portal's own codes, the campaign goes on behind them, exit 1."""
    assert _send(command, "refused.csv", tmp_path) == 1
    found = lines(tmp_path / "out.csv")
    codes = {line["error_code"] for line in found if line["status"] == "failed"}
    assert codes == {"CHAT_NOT_IN_CRM", "ACCESS_DENIED", "CANCELED", "ERROR_ARGUMENT", "MESSAGE_ADD_ERROR"}
    assert all(len(line["error_description"]) > 40 for line in found if line["status"] == "failed")
    assert found[-1]["status"] == "sent"


def test_invalid_rows_keep_everything_back_until_they_may_be_skipped(command: Command, tmp_path: Path) -> None:
    """Exit 2 and nothing sent; with --skip-invalid the good rows go and the others are `invalid` with a code."""
    assert _send(command, "invalid.csv", tmp_path) == 2
    assert not (tmp_path / "out.csv").exists()
    assert _send(command, "invalid.csv", tmp_path, "--skip-invalid") == 1
    found = lines(tmp_path / "out.csv")
    assert len(found) == 25
    assert {line["status"] for line in found} == {"sent", "invalid"}
    assert all(line["error_code"] for line in found if line["status"] == "invalid")


def test_runs_lists_campaigns_and_results_writes_them_again(command: Command, tmp_path: Path) -> None:
    """What the journal knows, without the original file."""
    _send(command, "refused.csv", tmp_path)
    listed = command("runs")
    assert "refused.csv → sandbox" in listed.out
    assert json.loads(command("runs", "--json").out)[0]["failed"] == 7
    first = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "out.csv").unlink()
    assert command("results", 1).code == 0
    assert (tmp_path / "out.csv").read_bytes() == first
    assert command("results", 9).code == 2


def test_results_can_be_sent_as_a_sheet(command: Command, tmp_path: Path) -> None:
    """A results sheet is a valid input, and its own six columns are written anew, not doubled."""
    _send(command, "campaign.csv", tmp_path)
    said = command(
        *("send", tmp_path / "out.csv", "--portal", "sandbox", "--rate", 0, "--yes"),
        *("--results", tmp_path / "second.csv"),
    )
    assert said.code == 0
    headings = (tmp_path / "second.csv").read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    assert headings == (tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()[0].split(",")


def test_rows_that_a_results_sheet_marks_as_sent_can_be_left_out(
    command: Command, sheet: Sheet, portal: Sandbox, tmp_path: Path
) -> None:
    """Corrected results are a sheet of their own; as they are, they are the campaign that was sent, left out or not."""
    portal.world.add_entity("deal", 1, chats=[11, 12])
    rows = [("deal", 1, 11, "Hello"), ("deal", 1, 99, "Wrong chat")]
    path = sheet("f.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"), rows)
    to = ("--portal", portal.webhook, "--rate", 0, "--yes")
    assert command("send", path, *to).code == 1
    results = path.with_name("f.results.csv")
    same = command("send", results, *to, "--skip-sent")
    assert (same.code, "already sent to this portal as campaign 1" in same.err) == (2, True)
    for more in ((), ("--preflight",), ("--dry-run",)):
        refused = command("send", results, *to, *more)
        assert refused.err.startswith("Error: This sheet was already sent")  # that rows would be sent again is untrue
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(results.read_text(encoding="utf-8").replace(",99,", ",12,"), encoding="utf-8")
    said = command("check", corrected)
    assert "1 row would be sent again: by the earlier results in the sheet it was sent, or may have been." in said.out
    assert "use --skip-sent" in said.out
    said = command("send", corrected, *to, "--skip-sent")
    assert said.code == 1
    found = lines(tmp_path / "corrected.results.csv")
    assert [(line["status"], line["error_code"]) for line in found] == [("skipped", "ALREADY_SENT"), ("sent", "")]
    assert [delivery.text for delivery in portal.ledger] == ["Hello", "Wrong chat"]


def test_formulas_stay_text_in_both_kinds_of_results(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """`=HYPERLINK(…)`, `+7 900`, `@name` reach the portal as they are and stay text in CSV and workbook."""
    texts = ['=HYPERLINK("http://x.example";"click")', "+7 900 123-45-67", "@name", "-1+1"]
    portal.world.add_entity("deal", 1, chats=[11, 12, 13, 14])
    rows = [("deal", 1, 11 + n, text) for n, text in enumerate(texts)]
    path = sheet("f.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"), rows)
    assert command("send", path, "--portal", portal.webhook, "--rate", 0, "--yes").code == 0
    assert {delivery.text for delivery in portal.ledger} == set(texts)
    assert [line["MESSAGE"] for line in lines(path.with_name("f.results.csv"))] == texts
    command("results", 1, "--results", path.with_name("f.xlsx"))
    cells = [row[3] for row in list(openpyxl.load_workbook(path.with_name("f.xlsx")).worksheets[0].rows)[1:]]
    assert [cell.value for cell in cells] == texts
    assert {cell.data_type for cell in cells} == {"s"}


def test_results_written_elsewhere_are_a_copy(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """The campaign's own results stay where they were, for whatever goes on with it."""
    portal.world.add_entity("deal", 1, chats=[11])
    rows = [("deal", 1, 11, "Hello"), ("deal", 1, 12, "Not there yet")]
    path = sheet("f.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"), rows)
    to = ("--portal", portal.webhook, "--rate", 0, "--yes")
    assert command("send", path, *to).code == 1
    assert command("results", 1, "--results", path.with_name("copy.xlsx")).code == 0
    portal.world.add_entity("deal", 1, chats=[11, 12])
    assert "f.results.csv" in command("retry", 1, *to).out
    assert [line["status"] for line in lines(path.with_name("f.results.csv"))] == ["sent", "sent"]


def test_a_canary_goes_first_and_the_rest_later(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """`--limit 3` sends three rows; without it the same command goes on with the rest, and nothing twice."""
    portal.world.add_entity("deal", 1, chats=range(11, 21))
    rows = [("deal", 1, 11 + n, f"Hello {n}") for n in range(10)]
    path = sheet("c.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"), rows)
    send = ("send", path, "--portal", portal.webhook, "--rate", 0, "--yes")
    assert command(*send, "--limit", 3).code == 1
    assert {delivery.chat_id for delivery in portal.ledger} == {11, 12, 13}
    found = lines(path.with_name("c.results.csv"))
    assert [line["error_code"] for line in found] == [""] * 3 + ["BEYOND_LIMIT"] * 7
    assert command(*send).code == 0
    assert sorted(delivery.text for delivery in portal.ledger) == [f"Hello {n}" for n in range(10)]


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_a_blank_sheet_is_written_and_never_over_another(command: Command, tmp_path: Path, lang: str) -> None:
    """`template` writes a workbook that `check` can read, and does not overwrite what is there."""
    assert command("template", tmp_path / "blank.xlsx", "--lang", lang).code == 0
    assert "NO_ROWS" in command("check", tmp_path / "blank.xlsx").out
    assert command("template", tmp_path / "blank.xlsx").code == 2
    assert command("template", tmp_path / "blank.docx").code == 2


def test_without_a_terminal_nothing_is_asked(command: Command) -> None:
    """In a pipe `send` without --yes refuses, instead of waiting for an answer."""
    said = command("send", SAMPLES / "campaign.csv", "--portal", "sandbox")
    assert said.code == 2
    assert "--yes" in said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    """`--help` of every command, and the same first words in the list of commands."""
    assert command(name, "--help").out.startswith(f"Usage: bulksend {name}")
    assert name in command("--help").out


def test_help_and_runs_do_not_load_pandas() -> None:
    """What needs no sheet does not wait for the libraries that read sheets."""
    source = (
        "import sys\nfrom bulksend.cli import run\nrun(['--help'])\nrun(['runs', '--journal', sys.argv[1]])\n"
        "assert not {'pandas', 'numpy', 'aiohttp', 'requests'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, ":memory:"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_correction_keeps_what_the_first_results_said(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """A corrected sheet is another campaign: its results are written beside the first ones, not over them."""
    portal.world.add_entity("deal", 1, chats=[11, 12])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    path = sheet("c.csv", headings, [("deal", 1, 11, "Hello"), ("deal", 1, "x", "Hello")])
    send = ("send", path, "--portal", portal.webhook, "--rate", 0, "--yes")
    assert command(*send, "--skip-invalid").code == 1
    first = path.with_name("c.results.csv").read_bytes()
    sheet("c.csv", headings, [("deal", 1, 11, "Hello"), ("deal", 1, 12, "Hello")])
    assert command(*send, "--skip-sent").code == 1
    assert path.with_name("c.results.csv").read_bytes() == first
    assert [line["status"] for line in lines(path.with_name("c.results.2.csv"))] == ["skipped", "sent"]


def test_a_sheet_whose_rows_were_all_left_out_counts_them(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """Its rows were sent by an earlier campaign: "0 sent" alone would not be the truth."""
    portal.world.add_entity("deal", 1, chats=[11, 12])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    good = [("deal", 1, 11, "Hello"), ("deal", 1, 12, "Hello")]
    send = ("--portal", portal.webhook, "--yes", "--rate", 0, "--skip-sent")
    assert command("send", sheet("a.csv", headings, good), *send).code == 0
    assert "(sent: 2)." in command("send", "a.csv", *send).err
    other = sheet("b.csv", headings, reversed(good))
    assert command("send", other, *send).code == 1
    assert "as campaign 2 on" in (said := command("send", other, *send).err)
    assert "(sent: 0, left out as sent before: 2). To send all of it once more, add --again." in said


def test_what_was_left_out_as_sent_before_can_still_be_sent(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """`resume RUN --again` opens the rows that --skip-sent left out; without --again they stay left out."""
    portal.world.add_entity("deal", 1, chats=[11, 12])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    to = ("--portal", portal.webhook, "--yes", "--rate", 0)
    command("send", sheet("a.csv", headings, [("deal", 1, 11, "Hello")]), *to)
    second = sheet("b.csv", headings, [("deal", 1, 11, "Hello"), ("deal", 1, 12, "Hello")])
    assert command("send", second, *to, "--skip-sent").code == 1
    assert command("resume", 2, *to).code == 1
    assert [delivery.chat_id for delivery in portal.ledger] == [11, 12]
    assert command("resume", 2, *to, "--again").code == 0
    assert [delivery.chat_id for delivery in portal.ledger] == [11, 12, 11]
    assert {line["status"] for line in lines(second.with_name("b.results.csv"))} == {"sent"}


def test_results_never_go_over_the_sheet_itself(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """`--results` naming the sheet, or `-`, is refused before anything is sent."""
    portal.world.add_entity("deal", 1, chats=[11])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    path = sheet("c.csv", headings, [("deal", 1, 11, "Hello")])
    before = path.read_bytes()
    for name in (path, "c.csv", "-"):
        said = command("send", path, "--portal", portal.webhook, "--yes", "--results", name)
        assert (said.code, said.err[:7]) == (2, "Error: ")
    assert path.read_bytes() == before
    assert not portal.ledger


NOTES = b"name,phone\nAnn,+7 900 123-45-67\n"


@pytest.mark.parametrize(
    "content", [NOTES, b"PK\x03\x04 half a workbook", b"CRM_ENTITY_TYPE,CRM_ENTITY,CHAT_ID,MESSAGE\n"]
)
def test_results_never_replace_a_file_that_bulksend_did_not_make(
    command: Command, sheet: Sheet, portal: Sandbox, tmp_path: Path, content: bytes
) -> None:
    """Named with --results it is refused before anything is sent; in the usual place it gets one beside it."""
    portal.world.add_entity("deal", 1, chats=[11])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    path = sheet("c.csv", headings, [("deal", 1, 11, "Hello")])
    own = tmp_path / "own.csv"
    own.write_bytes(content)
    to = ("--portal", portal.webhook, "--yes", "--rate", 0)
    for words in (("send", path, *to), ("check", path), ("lookup", path, *to)):
        said = command(*words, "--results", own)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "own.csv' exists and was not made by bulksend" in said.err
    assert not portal.calls
    for name in ("c.results.csv", "c.filled.csv"):
        (tmp_path / name).write_bytes(content)
    assert command("send", path, *to).code == 0
    assert lines(tmp_path / "c.results.2.csv")[0]["status"] == "sent"
    assert command("lookup", path, *to).code == 2
    for known in (("resume", 1, *to), ("retry", 1, *to), ("results", 1)):
        assert command(*known, "--results", own).code == 2
    assert {file.read_bytes() for file in (own, tmp_path / "c.results.csv", tmp_path / "c.filled.csv")} == {content}


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_what_bulksend_made_may_be_made_anew(
    command: Command, sheet: Sheet, portal: Sandbox, tmp_path: Path, name: str
) -> None:
    """An empty file, problems, a filled sheet, a rehearsal's and a campaign's results are written over unasked."""
    portal.world.add_entity("deal", 1)
    portal.world.add_chat(11, "deal", 1)
    path = sheet("c.csv", ("Сделка ID", "N", "CRM_ENTITY_TYPE", "CHAT_ID", "MESSAGE"), [(1, 7, "deal", 11, "Hello")])
    named = ("--map", "CRM_ENTITY=Сделка ID", "--results", tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    to = ("--portal", portal.webhook, "--yes", "--rate", 0)
    rehearsal = ("send", path, "--portal", "sandbox", "--yes", "--rate", 0)
    for words in (("check", path), ("lookup", path, *to), rehearsal, rehearsal, ("send", path, *to), ("check", path)):
        assert command(*words, *named).code == 0
    assert command("results", 3, "--results", name).code == 0
    assert len(portal.ledger) == 1


def _work_on(path: Path) -> bytes:
    """Add a column or a worksheet, as a person does, and give what the sheet holds then."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        book.create_sheet("My notes")["A1"] = "called"
        book.save(path)
    else:
        path.write_bytes(path.read_bytes().replace(b"\r\n", b",called\r\n"))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
@pytest.mark.parametrize("words", ["results 1", "verify 1", "resume 1", "check c.csv --results out", "lookup c.csv"])
def test_what_a_person_has_changed_is_kept(
    command: Command, sheet: Sheet, portal: Sandbox, tmp_path: Path, words: str, name: str
) -> None:
    """Under a name of its own, which is said; the new sheet is in its place, and replaced where nobody changed it."""
    portal.world.add_entity("deal", 1, chats=[11])
    headings = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")
    path = sheet("c.csv", headings, [("deal", 1, 11, "Hello")])
    to = ("--portal", portal.webhook, "--yes", "--rate", 0)
    assert command("send", path, *to, "--results", name).code == 0
    again = words.replace("out", name).split()
    again += [] if again[0] in {"results", "check"} else map(str, to)
    again += ["--results", name] if again[0] == "lookup" else []
    out = tmp_path / name
    for number in (1, 2):
        changed = _work_on(out)
        said = command(*again)
        assert said.code == 0, said.err
        kept = out.with_name(f"out.changed-{number}{out.suffix}")
        assert f"kept as {kept}" in said.err
        assert kept.read_bytes() == changed
        assert b"called" not in out.read_bytes()
        assert "kept as" not in command(*again).err


@pytest.mark.parametrize("name", ["out.pdf", "out.xls", "out", "folder/"])
@pytest.mark.parametrize(
    "words", [("send", "c.csv"), ("check", "c.csv"), ("lookup", "c.csv"), ("resume",), ("retry", 1), ("results", 1)]
)
def test_results_have_a_name_that_says_what_they_are(
    command: Command, sheet: Sheet, portal: Sandbox, tmp_path: Path, words: tuple[object, ...], name: str
) -> None:
    """What is neither a workbook nor a text is refused before anything is sent or asked."""
    sheet("c.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE"), [("deal", 1, 11, "Hello")])
    (tmp_path / "folder").mkdir()
    target = () if words[0] in {"check", "results"} else ("--portal", portal.webhook)
    said = command(*words, *target, "--yes", "--results", name)
    assert said.code == 2
    assert ".xlsx or .csv" in said.err
    assert not portal.calls
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.csv", "folder"]


def test_what_resume_is_told_wins_even_where_it_is_zero() -> None:
    """`resume --rate 0 --no-join` lifts a rate and a join that the campaign was begun with."""
    begun = Sending(rate=2.0, join=True, fast=True).settings()
    options = Sending(rate=0.0, settle=0.0, join=False).over_earlier(begun).options(10)
    assert (options.rate_limit.rate, options.settle, options.join, options.batch) == (0.0, 0.0, False, 50)


def test_the_journal_is_for_its_owner_alone(command: Command, home: Path, tmp_path: Path) -> None:
    """It holds what is written to customers."""
    _send(command, "campaign.csv", tmp_path)
    if sys.platform != "win32":
        assert (home / "journal.db").stat().st_mode & 0o077 == 0
