"""Writes of runs are kept in brief, as one row, and brought into the tables behind the answer."""

import sqlalchemy as sa
from alembic import op

from headrace.errors import StorageError

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
    """All were brought in before, but what couldn't be; that isn't thrown away."""
    left = op.get_bind().scalar(sa.text("SELECT count(*) FROM briefs"))
    if left:
        msg = f"{left} writes are kept in the table briefs and nowhere else: see its column refused, and delete what isn't needed"
        raise StorageError(msg)
    op.drop_table("briefs")
