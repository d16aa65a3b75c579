"""The catalog of definitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of definitions, and the revision's one row."""
    op.create_table(
        "definition_versions",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("computation_hash", sa.String(64), nullable=False),
        sa.Column("basis", sa.Integer, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "version", name="pk_definition_versions"),
        comment="Immutable: a row is written once and never changed or deleted.",
    )
    op.create_table(
        "definition_names",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_definition_names"),
        sa.ForeignKeyConstraint(
            ["kind", "name", "version"],
            ["definition_versions.kind", "definition_versions.name", "definition_versions.version"],
            name="fk_definition_names_kind_name_version",
        ),
        comment="The latest version of each name. A removed name keeps its versions; defined again, it goes on from there.",
    )
    revisions = op.create_table(
        "definition_revision",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_definition_revision"),
        comment="One row: counts the commits, so that a writer notices that the state it read is old.",
    )
    op.bulk_insert(revisions, [{"id": 1, "revision": 0}])


def downgrade() -> None:
    """Drop the tables of definitions."""
    for table in ("definition_revision", "definition_names", "definition_versions"):
        op.drop_table(table)
