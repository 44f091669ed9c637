"""A journal outlives the version that made it: any later one opens it, and no earlier one guesses at it.

``schemas`` holds a journal of each number, as the version of its time wrote it: a finished campaign of two rows, and
one whose process died with a row pending, one on its way and one in doubt.
"""

import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from bulksend.journal import Counts, Journal, State
from bulksend.journal.tables import SCHEMA, metadata
from tests.processes import Commands

SCHEMAS = {int(path.stem): path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "schemas").iterdir()}
OLDER = pytest.mark.parametrize("schema", sorted(SCHEMAS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "journal.db"


def make_file(path: Path, schema: int) -> Path:
    """A file as the version of that schema left it."""
    with sqlite3.connect(path) as file:
        file.executescript(SCHEMAS[schema])
    return path


def assert_goes_on(journal: Journal) -> None:
    """Its campaigns are as they were, and the unfinished one can be taken and settled."""
    assert [run.counts for run in journal.runs()] == [
        Counts(sent=1, failed=1),
        Counts(pending=1, sending=1, in_doubt=1, sent=1),
    ]
    journal.acquire(2, {})
    doubts = journal.open_rows(2, State.IN_DOUBT, -1, 10)
    marks = [(row.n, row.left_at, row.earliest_portal_time, row.min_message_id) for row in doubts]
    assert marks == [(n, 1790201450.0, 1790201450.5, 19880117) for n in (1, 2)]
    assert [row.message for row in journal.open_rows(2, State.PENDING, -1, 10)] == ["Message 3"]


def differences(address: str) -> list[object]:
    """How the tables of a database differ from those that the program makes itself."""
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return found


def test_a_journal_of_each_schema_is_kept() -> None:
    """Whoever raises the number keeps a journal of the one before."""
    assert sorted(SCHEMAS) == list(range(1, SCHEMA))


@OLDER
def test_upgraded_file(path: Path, schema: int) -> None:
    """A file of an older version is opened, brought up to date, and gone on with."""
    with Journal(make_file(path, schema)) as journal:
        assert_goes_on(journal)
    assert not differences(f"sqlite:///{path}")
    Journal(path).close()


@OLDER
def test_upgraded_database(database: str, schema: int) -> None:
    """A team's database likewise."""
    with psycopg.connect(database) as connection:
        dump = SCHEMAS[schema].replace("id INTEGER NOT NULL", "id SERIAL NOT NULL").replace("WITHOUT ROWID", "")
        connection.execute(dump.replace("run_id SERIAL", "run_id INTEGER").encode())
    with Journal(database) as journal:
        assert_goes_on(journal)
    assert not differences(database.replace("://", "+psycopg://"))


def test_by_a_command(path: Path, tmp_path: Path) -> None:
    """A person notices nothing of it."""
    ended = Commands(tmp_path).run("runs", "--journal", make_file(path, 1))
    assert ended.code == 0, ended.said
    assert len(ended.out.splitlines()) == 3


def test_newer(path: Path, tmp_path: Path) -> None:
    """What a newer version wrote is refused in a sentence and stays as it is."""
    Journal(path).close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE journal SET schema = 99")
    ended = Commands(tmp_path).run("runs", "--journal", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: The journal {path} was written by a newer version of bulksend (format 99,")
    assert len(ended.err.splitlines()) == 1
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT schema FROM journal").fetchall() == [(99,)]


def test_alembic_only_where_needed(path: Path) -> None:
    """A journal that is up to date is opened without it."""
    program = "import sys; from bulksend import Journal; Journal(sys.argv[1]); print('alembic' in sys.modules)"
    said = [
        subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True, encoding="utf-8").stdout
        for _ in range(2)
    ]
    assert said == ["False\n", "False\n"]
