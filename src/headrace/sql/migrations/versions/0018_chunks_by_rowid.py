"""Chunks of points, and what sums them up, found in SQLite by an index of their own. A table that is its own index compares whole
rows on its way to one, and of large chunks that read megabytes."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAMED = (("run_id", sa.String(256)), ("key", sa.String(250)), ("number", sa.BigInteger()))
_ORIGIN = ("model_id", "dataset_name", "dataset_digest")


def upgrade() -> None:
    """Bring them into tables with row ids."""
    _rebuild(with_rowid=True)


def downgrade() -> None:
    """Bring them back."""
    _rebuild(with_rowid=False)


def _rebuild(*, with_rowid: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    chunks: list[sa.Column[Any]] = [
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in _ORIGIN),
    ]
    _copy("metric_chunks", chunks, with_rowid=with_rowid)
    _copy("metric_sums", [sa.Column("count", sa.BigInteger(), nullable=False)], with_rowid=with_rowid)


def _copy(name: str, columns: Sequence[sa.Column[Any]], *, with_rowid: bool) -> None:
    former = f"former_{name}"
    op.rename_table(name, former)
    made = op.create_table(
        name,
        *(sa.Column(column, kind, autoincrement=False, nullable=False) for column, kind in _NAMED),
        *columns,
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{name}_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "number", name=f"pk_{name}"),
        sqlite_with_rowid=with_rowid,
    )
    names = list(made.c.keys())
    op.execute(
        made.insert().from_select(names, sa.select(*(sa.column(column) for column in names)).select_from(sa.table(former)))
    )
    op.drop_table(former)
