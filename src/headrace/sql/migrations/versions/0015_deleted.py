"""When a run was deleted: what is long deleted may be purged."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("runs", sa.Column("deleted", sa.BigInteger, comment="When it was deleted, unless an older release did that."))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("runs", "deleted")
