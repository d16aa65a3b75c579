"""When the first point of a metric was measured, beside the last one: what comes later is put to it without being looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Ask the chunks, all of them once: to look for those of each metric reads megabytes on SQLite."""
    op.add_column("latest_metrics", sa.Column("first_time", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE latest_metrics SET first_time = firsts.first_time FROM "
        "(SELECT run_id, key, min(first_time) AS first_time FROM metric_chunks GROUP BY run_id, key) AS firsts "
        "WHERE firsts.run_id = latest_metrics.run_id AND firsts.key = latest_metrics.key"
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_column("latest_metrics", "first_time")
