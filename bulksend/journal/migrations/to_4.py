"""Rows that are settled, but not sent, are found by an index: a page of them, and why there are how many."""

from alembic import op

from bulksend.journal.tables import NOT_SENT_ROWS

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "rows_not_sent",
        "rows",
        ["run_id", "state", "n", "error_code"],
        sqlite_where=NOT_SENT_ROWS,
        postgresql_where=NOT_SENT_ROWS,
    )
