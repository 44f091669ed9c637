"""Rows may have a time zone of their own, and those of one zone are found by an index."""

import sqlalchemy as sa
from alembic import op

from bulksend.journal.tables import OPEN_ROWS

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """Add the column, and put it into the index of open rows."""
    op.add_column("rows", sa.Column("timezone", sa.Text))
    if any(column["name"] == "doubt_since" for column in sa.inspect(op.get_bind()).get_columns("rows")):
        op.drop_column("rows", "doubt_since")  # some journals of the schemas 3 to 5 have kept it
    op.drop_index("rows_open", "rows")
    op.create_index(
        "rows_open",
        "rows",
        ["run_id", "state", "n", "timezone"],
        sqlite_where=OPEN_ROWS,
        postgresql_where=OPEN_ROWS,
    )
