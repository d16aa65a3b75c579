"""The sequence of changes that pages follow, and runs by their start in all experiments."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("metric_keys", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("number", "part", name="pk_changes"),
        sqlite_with_rowid=False,
        comment="What changed, in the order of commits; the last ones only.",
    )
    op.create_index("ix_runs_start", "runs", ["lifecycle_stage", "start_time", "run_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_runs_start", "runs")
    op.drop_table("changes")
