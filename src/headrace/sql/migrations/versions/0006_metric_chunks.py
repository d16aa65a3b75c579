"""Points of metrics in chunks, and what sums them up beside the latest one."""

import itertools
import math
import struct
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ORIGIN = ("model_id", "dataset_name", "dataset_digest")
_SUMS = ("chunks", "count", "low", "high", "last_time", "mixed")
_AT_ONCE = 100_000


def upgrade() -> None:
    """Make the chunks, bring every point into them, and drop the rows of single points."""
    op.create_table(
        "metric_chunks",
        sa.Column("run_id", sa.String(256), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in _ORIGIN),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_metric_chunks_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "number", name="pk_metric_chunks"),
        sqlite_with_rowid=False,
        comment="Points of a metric as they were logged together; small chunks are joined to larger ones, a level up.",
    )
    with op.batch_alter_table("latest_metrics") as table:
        table.add_column(sa.Column("chunks", sa.BigInteger(), server_default="0", nullable=False))
        table.add_column(sa.Column("count", sa.BigInteger(), server_default="0", nullable=False))
        table.add_column(sa.Column("low", sa.Double(), nullable=True))
        table.add_column(sa.Column("high", sa.Double(), nullable=True))
        table.add_column(sa.Column("last_time", sa.BigInteger(), server_default="0", nullable=False))
        table.add_column(sa.Column("mixed", sa.Boolean(), server_default=sa.false(), nullable=False))
    _bring_points()
    op.drop_table("metrics")
    with op.batch_alter_table("latest_metrics") as table:
        for name, kind in (("chunks", sa.BigInteger()), ("count", sa.BigInteger()), ("last_time", sa.BigInteger())):
            table.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
        table.alter_column("mixed", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    """Bring the points back into rows of their own."""
    op.create_table(
        "metrics",
        sa.Column("run_id", sa.String(256), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("is_nan", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in _ORIGIN),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_metrics_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "step", "time", "value", "is_nan", name="pk_metrics"),
        sqlite_with_rowid=False,
    )
    _spread_points()
    with op.batch_alter_table("latest_metrics") as table:
        for name in _SUMS:
            table.drop_column(name)
    op.drop_table("metric_chunks")


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


def _bring_points() -> None:
    points = _table("metrics", "run_id", "key", "step", "time", "value", "is_nan", *_ORIGIN)
    order = [points.c[name] for name in ("run_id", "key", *_ORIGIN, "time", "step")]
    connection = op.get_bind()
    query = sa.select(points).order_by(*order).execution_options(yield_per=10_000)
    rows = connection.execute(query).mappings()
    for (run_id, key), of_key in itertools.groupby(rows, lambda row: (row["run_id"], row["key"])):
        chunks: list[dict[str, Any]] = []
        for origin, group in itertools.groupby(of_key, lambda row: tuple(row[name] for name in _ORIGIN)):
            while part := list(itertools.islice(group, _AT_ONCE)):
                chunks.append(_chunk(run_id, key, len(chunks) + 1, origin, part))
        _keep(connection, run_id, key, chunks)


def _chunk(run_id: str, key: str, number: int, origin: tuple[str, ...], rows: list[sa.RowMapping]) -> dict[str, Any]:
    values = [math.nan if row["is_nan"] else row["value"] for row in rows]
    numbers = [value for value in values if not math.isnan(value)]
    times, steps, count = [row["time"] for row in rows], [row["step"] for row in rows], len(rows)
    level = 0
    while count >= 64 ** (level + 1):
        level += 1
    return {
        "run_id": run_id,
        "key": key,
        "number": number,
        "level": level,
        "count": count,
        "first_time": min(times),
        "last_time": max(times),
        "low": min(numbers, default=None),
        "high": max(numbers, default=None),
        **dict(zip(_ORIGIN, origin, strict=True)),
        "data": struct.pack("<BI", 1, count) + struct.pack(f"<{2 * count}q{count}d", *times, *steps, *values),
    }


def _keep(connection: sa.Connection, run_id: str, key: str, chunks: list[dict[str, Any]]) -> None:
    kept = _table(
        "metric_chunks", "run_id", "key", "number", "level", "count", "first_time", "last_time", "low", "high", *_ORIGIN, "data"
    )
    connection.execute(kept.insert(), chunks)
    latest = _table("latest_metrics", "run_id", "key", *_SUMS)
    sums = {
        "chunks": len(chunks),
        "count": sum(chunk["count"] for chunk in chunks),
        "low": min((chunk["low"] for chunk in chunks if chunk["low"] is not None), default=None),
        "high": max((chunk["high"] for chunk in chunks if chunk["high"] is not None), default=None),
        "last_time": max(chunk["last_time"] for chunk in chunks),
        "mixed": False,  # rows of single points held no repeats
    }
    connection.execute(latest.update().where(latest.c.run_id == run_id, latest.c.key == key).values(sums))


def _spread_points() -> None:
    from headrace.tracking.history import MetricHistory, decode

    chunks = _table("metric_chunks", "run_id", "key", "number", *_ORIGIN, "data")
    points = _table("metrics", "run_id", "key", "step", "time", "value", "is_nan", *_ORIGIN)
    connection = op.get_bind()
    keys = connection.execute(sa.select(chunks.c.run_id, chunks.c.key).distinct()).all()
    for run_id, key in keys:
        query = sa.select(chunks).where(chunks.c.run_id == run_id, chunks.c.key == key).order_by(chunks.c.number)
        found = [decode(row["data"], tuple(row[name] for name in _ORIGIN)) for row in connection.execute(query).mappings()]
        rows = [
            {
                "run_id": run_id,
                "key": key,
                "step": point.step,
                "time": point.time,
                "value": 0.0 if math.isnan(point.value) else point.value,
                "is_nan": math.isnan(point.value),
                **{name: getattr(point, name) for name in _ORIGIN},
            }
            for point in MetricHistory(key, found)
        ]
        connection.execute(points.insert(), rows)
