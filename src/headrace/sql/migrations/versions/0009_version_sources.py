"""When a model version last changed, where it came from, and a link to its run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there was last changed when it was made, as far as we know."""
    op.add_column("model_versions", sa.Column("updated", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("model_versions", sa.Column("source", sa.Text(), server_default="", nullable=False))
    op.add_column("model_versions", sa.Column("link", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE model_versions SET updated = created, source = 'models:/' || model_id")


def downgrade() -> None:
    """Drop them."""
    for name in ("link", "source", "updated"):
        op.drop_column("model_versions", name)
