"""Campaigns remember how far their rows may have left, in case the newest part of a file is lost."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("may_leave_to", sa.Integer))
