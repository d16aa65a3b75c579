"""What MLflow's protocol tells beyond ours: tags of inputs, models as inputs, a model's type and place."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; every model gets the place that its experiment gives it."""
    op.add_column("run_inputs", sa.Column("tags", sa.Text(), server_default="{}", nullable=False))
    op.add_column("logged_models", sa.Column("kind", sa.Text(), server_default="", nullable=False))
    op.add_column("logged_models", sa.Column("artifact_uri", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "run_model_inputs",
        sa.Column("run_id", sa.String(256), nullable=False),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_model_inputs_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "model_id", name="pk_run_model_inputs"),
    )
    op.execute(
        "UPDATE logged_models SET artifact_uri = (SELECT artifact_location FROM experiments WHERE id = experiment_id) "
        "|| '/models/' || model_id || '/artifacts'"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("run_model_inputs")
    op.drop_column("logged_models", "artifact_uri")
    op.drop_column("logged_models", "kind")
    op.drop_column("run_inputs", "tags")
