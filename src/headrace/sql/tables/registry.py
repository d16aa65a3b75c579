"""Tables of the registry, the audit trail and the lineage."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from headrace.sql.tables import metadata

__all__ = ["Json", "aliases", "audit", "edges", "evaluations", "models", "requests", "versions"]

_URN = sa.String().with_variant(sa.String(collation="C"), "postgresql")  # byte order, so that prefix ranges use the index


class Json(sa.TypeDecorator[Any]):
    """A JSON value kept as text, NaN and infinities too: databases' own JSON types refuse those, and reorder keys."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To text; None is NULL."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """From text."""
        return None if value is None else json.loads(value)


models = sa.Table(
    "registered_models",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("tags", Json, nullable=False),
    sa.Column("gates", Json, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("staging", Json, nullable=False),
    sa.Column("predecessors", Json, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.String, nullable=False, server_default=""),
    sa.Column("card", sa.Text, nullable=False, server_default=""),
)

versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("name", sa.String, sa.ForeignKey("registered_models.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("reigned", sa.Boolean, nullable=False),
    sa.Column("model_id", sa.String, nullable=False, index=True),
    sa.Column("run_id", sa.String, nullable=False, index=True),
    sa.Column("flavor", sa.String, nullable=False),
    sa.Column("serializer", sa.String, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("view", sa.String, nullable=False),
    sa.Column("signature", Json, nullable=True),
    sa.Column("files", Json, nullable=False),
    sa.Column("requirements", Json, nullable=False),
    sa.Column("origin", Json, nullable=False),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("tags", Json, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("source", sa.Text, nullable=False, server_default=""),
    sa.Column("link", sa.Text, nullable=False, server_default=""),
    sa.Column("owner", sa.String, nullable=False, server_default=""),
    sa.Column("card", sa.Text, nullable=False, server_default=""),
)

sa.Index("ix_model_versions_stage", versions.c.stage, versions.c.name, versions.c.reigned, versions.c.version)
sa.Index(
    "uq_model_versions_production",
    versions.c.name,
    unique=True,
    sqlite_where=versions.c.stage == "Production",
    postgresql_where=versions.c.stage == "Production",
)

aliases = sa.Table(
    "model_aliases",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("alias", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["name", "version"], ["model_versions.name", "model_versions.version"], name="fk_model_aliases_name"),
)

evaluations = sa.Table(
    "model_evaluations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("dataset", sa.String, nullable=False),
    sa.Column("fingerprint", sa.String, nullable=False),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("figures", Json, nullable=False),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("examples", sa.String(64), nullable=False, server_default=""),
    sa.Column("slices", Json, nullable=False, server_default="{}"),
    sa.ForeignKeyConstraint(
        ["name", "version"], ["model_versions.name", "model_versions.version"], name="fk_model_evaluations_name"
    ),
    sa.Index("ix_model_evaluations_version", "name", "version"),
)

requests = sa.Table(
    "model_requests",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("remarks", Json, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Index("ix_model_requests_version", "name", "version"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=True),
    sa.Column("before", Json, nullable=False),
    sa.Column("after", Json, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("report", Json, nullable=True),
    sa.Column("user", sa.String, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("origin", sa.String, nullable=False, server_default=""),
    sa.Index("ix_audit_time", "time"),
)

edges = sa.Table(
    "lineage_edges",
    metadata,
    sa.Column("source", _URN, primary_key=True),
    sa.Column("target", _URN, primary_key=True, index=True),
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
)
