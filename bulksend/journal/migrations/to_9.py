"""Campaigns can be paused from anywhere."""

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = "8"


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("paused", sa.Boolean))
