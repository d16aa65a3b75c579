"""From where something was done, in the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Entries that are there don't say it, and were hashed without: they hold as they are."""
    op.add_column("audit", sa.Column("origin", sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    """Forget it; entries that said it no longer hold."""
    op.drop_column("audit", "origin")
