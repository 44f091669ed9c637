"""Upgrades of a journal that an older version made, with Alembic.

To change the tables: change `bulksend.journal.tables`, raise ``SCHEMA`` there, and add a file ``to_N.py`` here, N being
the new number::

    \"\"\"Rows remember how their message was delivered.\"\"\"

    import sqlalchemy as sa
    from alembic import op

    revision = "N"
    down_revision = "N-1"


    def upgrade() -> None:
        op.add_column("rows", sa.Column("delivery", sa.Text))

It runs on SQLite and PostgreSQL, in one transaction, on a journal of a million rows: SQLite adds and renames columns at
no cost, but a column of its own that is ``NOT NULL`` needs a ``server_default``. A test upgrades a journal of every
earlier number (``tests/journal/schemas``) and compares what comes of it with the tables. Once a number is released, add
a dump of such a journal there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    import sqlalchemy as sa


def upgrade(connection: sa.Connection, found: int) -> None:
    """Bring the tables of a journal of schema ``found`` to the newest one, within the connection's transaction."""
    here = str(Path(__file__).parent)
    revisions = ScriptDirectory(here, version_locations=[here]).walk_revisions()
    with Operations.context(MigrationContext.configure(connection)):
        for revision in sorted(revisions, key=lambda revision: int(revision.revision)):
            if int(revision.revision) > found:
                revision.module.upgrade()
