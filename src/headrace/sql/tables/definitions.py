"""The tables of the catalog of definitions."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.sql.tables import metadata

__all__ = ["definition_names", "definition_revision", "definition_versions"]

definition_versions = sa.Table(
    "definition_versions",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("computation_hash", sa.String(64), nullable=False),
    sa.Column("basis", sa.Integer, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("author", sa.String(255), nullable=False),
    comment="Immutable: a row is written once and never changed or deleted.",
)

definition_names = sa.Table(
    "definition_names",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.ForeignKeyConstraint(
        ["kind", "name", "version"], ["definition_versions.kind", "definition_versions.name", "definition_versions.version"]
    ),
    comment="The latest version of each name. A removed name keeps its versions; defined again, it goes on from there.",
)

definition_revision = sa.Table(
    "definition_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    comment="One row: counts the commits, so that a writer notices that the state it read is old.",
)
