"""The tables of users and tokens. Times are microseconds since 1970."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.sql.tables import metadata
from headrace.sql.tables.registry import Json

__all__ = ["tokens", "users"]

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("user", sa.String(128), sa.ForeignKey("users.name"), nullable=False, index=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=True),
    sa.Column("used", sa.BigInteger, nullable=True),
    sa.Column("revoked", sa.Boolean, nullable=False),
)
