"""Writes of runs are kept in brief, as one row, and brought into the tables behind the answer."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None is left yet."""
    op.create_table(
        "briefs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("brief", sa.LargeBinary, nullable=False),
        sa.Column("refused", sa.Text, comment="Why it can't be brought in."),
        comment="Writes that are kept and not yet brought into the tables. PostgreSQL has none.",
    )


def downgrade() -> None:
    """All were brought in before."""
    op.drop_table("briefs")
