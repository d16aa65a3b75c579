"""An index by stage: lists of models read the stages of all versions without reading the versions."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.create_index("ix_model_versions_stage", "model_versions", ["stage", "name", "reigned", "version"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_model_versions_stage", "model_versions")
