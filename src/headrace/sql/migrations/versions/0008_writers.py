"""Writers of runs: how far each has come, and when a run was last heard of."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column."""
    op.add_column("runs", sa.Column("seen", sa.BigInteger(), comment="When a writer of the run was last heard of."))
    op.create_table(
        "run_writers",
        sa.Column("run_id", sa.String(256), nullable=False),
        sa.Column("writer", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_writers_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "writer", name="pk_run_writers"),
        comment="How far each writer of a run has come: what it sends again is known by its number.",
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("run_writers")
    op.drop_column("runs", "seen")
