"""The registry, the audit trail and the lineage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        # INSERT OR REPLACE deletes without firing the trigger on deletes.
        (
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE subject = NEW.subject AND seq = NEW.seq) "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        ),
    ),
}


def upgrade() -> None:
    """Make the tables, and the triggers that keep the audit trail append-only."""
    _registry()
    _evaluations()
    _audit()
    _lineage()


def _registry() -> None:
    op.create_table(
        "registered_models",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("gates", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("staging", sa.Text, nullable=False),
        sa.Column("predecessors", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_registered_models"),
    )
    op.create_table(
        "model_versions",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("reigned", sa.Boolean, nullable=False),
        sa.Column("model_id", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("flavor", sa.String, nullable=False),
        sa.Column("serializer", sa.String, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("view", sa.String, nullable=False),
        sa.Column("signature", sa.Text, nullable=True),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("requirements", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_model_versions"),
        sa.ForeignKeyConstraint(["name"], ["registered_models.name"], name="fk_model_versions_name"),
    )
    op.create_index("ix_model_versions_model_id", "model_versions", ["model_id"])
    op.create_index("ix_model_versions_run_id", "model_versions", ["run_id"])
    production = sa.text("stage = 'Production'")
    op.create_index(
        "uq_model_versions_production",
        "model_versions",
        ["name"],
        unique=True,
        sqlite_where=production,
        postgresql_where=production,
    )
    op.create_table(
        "model_aliases",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("alias", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", "alias", name="pk_model_aliases"),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["model_versions.name", "model_versions.version"], name="fk_model_aliases_name"
        ),
    )


def _evaluations() -> None:
    op.create_table(
        "model_evaluations",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_evaluations"),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["model_versions.name", "model_versions.version"], name="fk_model_evaluations_name"
        ),
    )
    op.create_index("ix_model_evaluations_version", "model_evaluations", ["name", "version"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=True),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("subject", "seq", name="pk_audit"),
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def _lineage() -> None:
    urn = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "lineage_edges",
        sa.Column("source", urn, nullable=False),
        sa.Column("target", urn, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "target", "kind", name="pk_lineage_edges"),
    )
    op.create_index("ix_lineage_edges_target", "lineage_edges", ["target"])


def downgrade() -> None:
    """Drop the tables; their triggers go with them."""
    for table in ("lineage_edges", "audit", "model_evaluations", "model_aliases", "model_versions", "registered_models"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_append_only()")
