"""Campaigns remember how far their rows may have left, in case the newest part of a file is lost.

When a row came into doubt is no longer kept: by whose clock would it be?
"""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add the one column, and take out the other."""
    op.add_column("runs", sa.Column("may_leave_to", sa.Integer))
    op.drop_column("rows", "doubt_since")
