"""Tables of the feature store's own records."""

import sqlalchemy as sa

from headrace.sql.tables import metadata

__all__ = ["training_sets"]

training_sets = sa.Table(
    "training_sets",
    metadata,
    sa.Column("name", sa.String(250), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)
