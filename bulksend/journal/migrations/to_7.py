"""Why rows were not sent, and which messages arrived, is counted by indices, however many rows there are."""

from alembic import op

from bulksend.journal.tables import HAS_DELIVERY, NOT_SENT_ROWS

revision = "7"
down_revision = "6"


def upgrade() -> None:
    """Make the indices; the one of rows that were not sent no longer needs their codes."""
    op.drop_index("rows_not_sent", "rows")
    for name, columns, where in (
        ("rows_not_sent", ["run_id", "state", "n"], NOT_SENT_ROWS),
        ("rows_by_code", ["run_id", "state", "error_code"], NOT_SENT_ROWS),
        ("rows_by_delivery", ["run_id", "delivery"], HAS_DELIVERY),
    ):
        op.create_index(name, "rows", columns, sqlite_where=where, postgresql_where=where)
