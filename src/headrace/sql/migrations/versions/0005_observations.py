"""Statistics, materializations and broken expectations."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables of what was observed of data and features."""
    op.create_table(
        "statistics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(260), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statistics"),
    )
    op.create_index("ix_statistics_subject", "statistics", ["subject", "kind", "at"])
    op.create_table(
        "materializations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.String(260), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("keys", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(250), nullable=False),
        sa.Column("rebuilt", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_materializations"),
    )
    op.create_index("ix_materializations_group_id", "materializations", ["group_id", "started"])
    op.create_table(
        "checks",
        sa.Column("subject", sa.String(260), nullable=False),
        sa.Column("expectation", sa.String(1000), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("checked", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "expectation", "outcome", name="pk_checks"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("checks")
    op.drop_index("ix_materializations_group_id", "materializations")
    op.drop_table("materializations")
    op.drop_index("ix_statistics_subject", "statistics")
    op.drop_table("statistics")
