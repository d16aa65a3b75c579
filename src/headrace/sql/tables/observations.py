"""Tables of what was observed of data and features."""

import sqlalchemy as sa

from headrace.sql.tables import metadata

__all__ = ["checks", "materializations", "statistics"]

statistics = sa.Table(
    "statistics",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subject", sa.String(260), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("columns", sa.JSON, nullable=False),
    sa.Index("ix_statistics_subject", "subject", "kind", "at"),
)

materializations = sa.Table(
    "materializations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("group_id", sa.String(260), nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("keys", sa.BigInteger, nullable=False),
    sa.Column("author", sa.String(250), nullable=False),
    sa.Column("rebuilt", sa.Boolean, nullable=False),
    sa.Index("ix_materializations_group_id", "group_id", "started"),
)

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("subject", sa.String(260), primary_key=True),
    sa.Column("expectation", sa.String(1000), primary_key=True),
    sa.Column("outcome", sa.String(16), primary_key=True),
    sa.Column("broken", sa.BigInteger, nullable=False),
    sa.Column("checked", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)
