"""The tables of experiments, runs, metrics and logged models. Times are microseconds since 1970."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.sql.tables import metadata

__all__ = [
    "INDEXED_TEXT",
    "briefs",
    "changes",
    "experiment_tags",
    "experiments",
    "is_id",
    "latest_metrics",
    "logged_models",
    "metric_chunks",
    "metric_sums",
    "model_files",
    "model_metrics",
    "model_params",
    "model_tags",
    "params",
    "run_artifacts",
    "run_inputs",
    "run_model_inputs",
    "run_outputs",
    "run_tags",
    "run_writers",
    "runs",
]

INDEXED_TEXT = 200
"""Characters of a param's or a tag's value that its index holds: a B-tree page has a limit, a value hardly any."""

RUN_ID = sa.String(256)
MODEL_ID = sa.String(64)
KEY = sa.String(250)


def is_id(text: str) -> bool:
    """Whether a text is the id that an experiment may have."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def _run(**options: bool) -> sa.Column[str]:
    return sa.Column("run_id", RUN_ID, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), **options)  # type: ignore[arg-type]


def _model() -> sa.Column[str]:
    return sa.Column("model_id", MODEL_ID, sa.ForeignKey("logged_models.model_id", ondelete="CASCADE"), primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(500), nullable=False, unique=True),
    _text("artifact_location"),
    sa.Column("lifecycle_stage", sa.String(16), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

experiment_tags = sa.Table(
    "experiment_tags",
    metadata,
    sa.Column("experiment_id", sa.Integer, sa.ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    _text("value"),
    sqlite_with_rowid=False,
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", RUN_ID, primary_key=True),
    sa.Column("experiment_id", sa.Integer, sa.ForeignKey("experiments.id"), nullable=False),
    _text("name"),
    _text("user_id"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("start_time", sa.BigInteger, nullable=False),
    sa.Column("end_time", sa.BigInteger),
    _text("artifact_uri"),
    sa.Column("lifecycle_stage", sa.String(16), nullable=False),
    sa.Column("seen", sa.BigInteger, comment="When a writer of the run was last heard of."),
    sa.Column("deleted", sa.BigInteger, comment="When it was deleted, unless an older release did that."),
    sa.Index("ix_runs_recent", "lifecycle_stage", "experiment_id", "start_time", "run_id"),
    sa.Index("ix_runs_start", "lifecycle_stage", "start_time", "run_id"),
    sa.Index("ix_runs_name", "name"),
)

run_writers = sa.Table(
    "run_writers",
    metadata,
    _run(primary_key=True),
    sa.Column("writer", sa.String(64), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    comment="How far each writer of a run has come: what it sends again is known by its number.",
)

params = sa.Table(
    "params",
    metadata,
    _run(primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    _text("value"),
    sqlite_with_rowid=False,
)
sa.Index("ix_params_value", params.c.key, sa.func.substr(params.c.value, 1, INDEXED_TEXT), params.c.run_id)

run_tags = sa.Table(
    "run_tags",
    metadata,
    _run(primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    _text("value"),
    sqlite_with_rowid=False,
)
sa.Index("ix_run_tags_value", run_tags.c.key, sa.func.substr(run_tags.c.value, 1, INDEXED_TEXT), run_tags.c.run_id)

metric_chunks = sa.Table(
    "metric_chunks",
    metadata,
    _run(primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("first_time", sa.BigInteger, nullable=False),
    sa.Column("last_time", sa.BigInteger, nullable=False),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    _text("model_id"),
    _text("dataset_name"),
    _text("dataset_digest"),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="Points of a metric as they were logged together; small chunks are joined to larger ones, a level up.",
)

metric_sums = sa.Table(
    "metric_sums",
    metadata,
    _run(primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""What sums up a large chunk: a chart needs no more of it. A table of its own, read without the points."""

latest_metrics = sa.Table(
    "latest_metrics",
    metadata,
    _run(primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("is_nan", sa.Boolean, nullable=False),
    _text("model_id"),
    _text("dataset_name"),
    _text("dataset_digest"),
    sa.Column("chunks", sa.BigInteger, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("last_time", sa.BigInteger, nullable=False),
    sa.Column("mixed", sa.Boolean, nullable=False),
    sa.Column("first_time", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("ix_latest_metrics_value", "key", "is_nan", "value", "run_id"),
    sqlite_with_rowid=False,
)

run_inputs = sa.Table(
    "run_inputs",
    metadata,
    _run(primary_key=True),
    sa.Column("name", sa.String(500), primary_key=True),
    sa.Column("digest", sa.String(128), primary_key=True),
    sa.Column("context", sa.String(500), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    _text("source_type"),
    _text("source"),
    _text("schema"),
    _text("profile"),
    _text("urn"),
    sa.Column("tags", sa.Text, nullable=False, server_default="{}"),
    sa.Index("ix_run_inputs_name", "name", "digest"),
)

run_model_inputs = sa.Table(
    "run_model_inputs", metadata, _run(primary_key=True), sa.Column("model_id", MODEL_ID, primary_key=True)
)

run_outputs = sa.Table(
    "run_outputs",
    metadata,
    _run(primary_key=True),
    sa.Column("model_id", MODEL_ID, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
)

run_artifacts = sa.Table(
    "run_artifacts",
    metadata,
    _run(primary_key=True),
    sa.Column("path", sa.String(1000), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
)

logged_models = sa.Table(
    "logged_models",
    metadata,
    sa.Column("model_id", MODEL_ID, primary_key=True),
    sa.Column("experiment_id", sa.Integer, sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("run_id", RUN_ID, nullable=False, index=True),
    sa.Column("name", sa.String(500), nullable=False),
    sa.Column("flavor", sa.String(100), nullable=False),
    sa.Column("serializer", sa.String(100), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    _text("view"),
    _text("signature"),
    _text("requirements"),
    _text("details"),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("lifecycle_stage", sa.String(16), nullable=False),
    _text("kind"),
    _text("artifact_uri"),
    sa.Index("ix_logged_models_experiment", "experiment_id", "created"),
)

model_files = sa.Table(
    "model_files",
    metadata,
    _model(),
    sa.Column("path", sa.String(1000), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
)

model_params = sa.Table("model_params", metadata, _model(), sa.Column("key", KEY, primary_key=True), _text("value"))

model_tags = sa.Table("model_tags", metadata, _model(), sa.Column("key", KEY, primary_key=True), _text("value"))

model_metrics = sa.Table(
    "model_metrics",
    metadata,
    sa.Column("model_id", MODEL_ID, primary_key=True),
    sa.Column("key", KEY, primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True),
    sa.Column("time", sa.BigInteger, primary_key=True),
    sa.Column("run_id", RUN_ID, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("is_nan", sa.Boolean, nullable=False),
    sa.Column("dataset_name", sa.Text, primary_key=True, server_default=""),
    sa.Column("dataset_digest", sa.Text, primary_key=True, server_default=""),
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("part", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(500), nullable=False),
    _text("metric_keys"),
    sqlite_with_rowid=False,
    comment="What changed, in the order of commits; the last ones only.",
)

briefs = sa.Table(
    "briefs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("brief", sa.LargeBinary, nullable=False),
    sa.Column("refused", sa.Text, comment="Why it can't be brought in."),
    comment="Writes that are kept and not yet brought into the tables. PostgreSQL has none.",
)
