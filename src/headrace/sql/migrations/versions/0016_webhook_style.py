"""In whose shape a webhook is told: ours, or MLflow's."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Those that are there were made for ours."""
    op.add_column("webhooks", sa.Column("style", sa.String(16), nullable=False, server_default="headrace"))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("webhooks", "style")
