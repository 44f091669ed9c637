"""The marks of a row's first attempt have their full names."""

from alembic import op

revision = "2"
down_revision = None


def upgrade() -> None:
    """Rename the columns."""
    op.execute("ALTER TABLE rows RENAME COLUMN began TO earliest_portal_time")
    op.execute("ALTER TABLE rows RENAME COLUMN floor_id TO min_message_id")
