"""A campaign's results sheet: what it says of each row, out of the journal."""

import csv
from pathlib import Path

import pytest

from bulksend.journal import Change, Journal, NewRow, State
from bulksend.plan import fingerprint
from bulksend.results import write_run_results


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "journal.db")


def _begin(journal: Journal, results: Path, count: int) -> int:
    run_id = journal.begin(
        file="sheet.csv",
        sheet={"format": "csv"},
        headings=["MESSAGE"],
        message_column=0,
        portal="portal.example",
        portal_name="",
        portal_address="https://portal.example/rest/27/…",
        identity="webhook 27",
        content="c1",
        user_id=27,
        again=False,
        results_path=str(results),
        settings={},
    )
    texts = [f"Message {n}" for n in range(count)]
    rows = [NewRow(n + 2, [text], "deal", 288, 8773, 0, text, fingerprint(8773, text)) for n, text in enumerate(texts)]
    journal.add_rows(run_id, 0, rows, 0)
    journal.entered(run_id, count)
    journal.acquire(run_id, {})
    return run_id


def _described(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["error_description"] for row in csv.DictReader(file)]


def test_what_the_portal_said_stays_as_it_was_but_for_secrets(journal: Journal, tmp_path: Path) -> None:
    """Whatever the words are; only where addresses have their secrets nothing is repeated."""
    run_id = _begin(journal, tmp_path / "out.csv", 2)
    said = ["The portal says: TEST RUN is over.", "The portal says: https://portal.example/rest/27/s3cret/ is over."]
    journal.apply(run_id, [Change(n, State.PENDING, State.FAILED, "ERROR_CORE", text) for n, text in enumerate(said)])
    written = write_run_results(journal, journal.run(run_id))
    assert _described(written) == [said[0], said[1].replace("s3cret", "…")]
