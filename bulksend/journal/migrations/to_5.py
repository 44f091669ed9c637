"""Rows remember what became of their message after the portal took it."""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Add the column."""
    op.add_column("rows", sa.Column("delivery", sa.String(9)))
