"""Experiments, runs, metrics and logged models."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_NEWEST_FIRST = (
    "model_metrics",
    "model_tags",
    "model_params",
    "model_files",
    "logged_models",
    "run_artifacts",
    "run_outputs",
    "run_inputs",
    "latest_metrics",
    "metrics",
    "run_tags",
    "params",
    "runs",
    "experiment_tags",
    "experiments",
)


def upgrade() -> None:
    """Add the tables of tracking, and the experiment that always exists."""
    _experiments()
    _runs()
    _metrics()
    _run_files()
    _models()


def downgrade() -> None:
    """Drop them."""
    for name in _NEWEST_FIRST:
        op.drop_table(name)


def _experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("artifact_location", sa.Text(), server_default="", nullable=False),
        sa.Column("lifecycle_stage", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("name", name="uq_experiments_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiment_tags",
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_experiment_tags_experiment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("experiment_id", "key", name="pk_experiment_tags"),
        sqlite_with_rowid=False,
    )
    default = sa.table(
        "experiments", *(sa.column(name) for name in ("id", "name", "artifact_location", "lifecycle_stage", "created", "updated"))
    )
    now = time.time_ns() // 1000
    row = {"id": 0, "name": "Default", "artifact_location": "mlflow-artifacts:/0", "lifecycle_stage": "active"}
    op.bulk_insert(default, [{**row, "created": now, "updated": now}])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("artifact_uri", sa.Text(), server_default="", nullable=False),
        sa.Column("lifecycle_stage", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name="fk_runs_experiment_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_name", "runs", ["name"])
    op.create_index("ix_runs_recent", "runs", ["lifecycle_stage", "experiment_id", "start_time", "run_id"])
    op.create_table(
        "params",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_params_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_params"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_tags",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_tags_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_run_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_params_value", "params", ["key", sa.text("substr(value, 1, 200)"), "run_id"])
    op.create_index("ix_run_tags_value", "run_tags", ["key", sa.text("substr(value, 1, 200)"), "run_id"])


def _metrics() -> None:
    op.create_table(
        "latest_metrics",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("model_id", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_latest_metrics_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_latest_metrics"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_latest_metrics_value", "latest_metrics", ["key", "is_nan", "value", "run_id"])
    op.create_table(
        "metrics",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("model_id", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_metrics_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "step", "time", "value", "is_nan", name="pk_metrics"),
        sqlite_with_rowid=False,
    )


def _run_files() -> None:
    op.create_table(
        "run_artifacts",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_artifacts_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "path", name="pk_run_artifacts"),
    )
    op.create_table(
        "run_inputs",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("context", sa.String(length=500), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source_type", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("schema", sa.Text(), server_default="", nullable=False),
        sa.Column("profile", sa.Text(), server_default="", nullable=False),
        sa.Column("urn", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_inputs_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", "digest", "context", name="pk_run_inputs"),
    )
    op.create_index("ix_run_inputs_name", "run_inputs", ["name", "digest"])
    op.create_table(
        "run_outputs",
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_outputs_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "model_id", name="pk_run_outputs"),
    )


def _models() -> None:
    op.create_table(
        "model_metrics",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        sa.Column("dataset_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_digest", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("model_id", "key", "step", "time", "run_id", name="pk_model_metrics"),
    )
    op.create_table(
        "logged_models",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("flavor", sa.String(length=100), nullable=False),
        sa.Column("serializer", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("view", sa.Text(), server_default="", nullable=False),
        sa.Column("signature", sa.Text(), server_default="", nullable=False),
        sa.Column("requirements", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.Text(), server_default="", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("lifecycle_stage", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name="fk_logged_models_experiment_id"),
        sa.PrimaryKeyConstraint("model_id", name="pk_logged_models"),
    )
    op.create_index("ix_logged_models_experiment", "logged_models", ["experiment_id", "created"])
    op.create_index("ix_logged_models_run_id", "logged_models", ["run_id"])
    op.create_table(
        "model_files",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.model_id"], name="fk_model_files_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "path", name="pk_model_files"),
    )
    op.create_table(
        "model_params",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.model_id"], name="fk_model_params_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "key", name="pk_model_params"),
    )
    op.create_table(
        "model_tags",
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.model_id"], name="fk_model_tags_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "key", name="pk_model_tags"),
    )
