"""What curves are made of, in the catalog: CurveStore."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.rows import tuples
from headrace.sql.tables.tracking import latest_metrics, metric_chunks, metric_sums, runs
from headrace.tracking.curves import Piece, Size

__all__ = ["SqlCurveStore"]

_AT_ONCE = 500


class SqlCurveStore:
    """CurveStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sizes(self, run_ids: Sequence[str], keys: Sequence[str]) -> dict[tuple[str, str], Size]:
        """How much there is of each metric; what a run lacks is left out."""
        c = latest_metrics.c
        found: dict[tuple[str, str], Size] = {}
        with self._database.read() as connection:
            for some in _parts(keys):
                for ids in _parts(run_ids):
                    query = sa.select(c.run_id, c.key, c.chunks, c.count).where(c.run_id.in_(ids), c.key.in_(some))
                    found |= {(run_id, key): (chunks, count) for run_id, key, chunks, count in tuples(connection, query)}
        return found

    def pieces(self, run_id: str, key: str, known: Collection[tuple[int, int]], *, summed: bool = False) -> list[Piece]:
        """The chunks of a metric from one state of the catalog, by number; those whose (number, count) is known without data,
        those that are summed up with their sums instead, if they are asked for."""
        c, s = metric_chunks.c, metric_sums.c
        named = sa.and_(c.run_id == run_id, c.key == key)
        with self._database.read() as connection:
            heads = tuples(connection, sa.select(c.number, c.count).where(named).order_by(c.number))
            sums: dict[tuple[int, int], bytes] = {}
            if summed and any(head not in known for head in heads):
                summing: sa.Select[Any] = sa.select(s.number, s.count, s.data).where(s.run_id == run_id, s.key == key)
                sums = {(number, count): bytes(found) for number, count, found in tuples(connection, summing)}
            wanted = [number for number, count in heads if (number, count) not in known and (number, count) not in sums]
            data: dict[int, bytes] = {}
            for some in _parts(wanted):
                query = sa.select(c.number, c.data).where(named, c.number.in_(some))
                data |= {number: bytes(found) for number, found in tuples(connection, query)}
        return [Piece(number, count, data.get(number), sums.get((number, count))) for number, count in heads]

    def starts(self, run_ids: Sequence[str]) -> dict[str, int]:
        """When runs started; what isn't there is left out."""
        found: dict[str, int] = {}
        with self._database.read() as connection:
            for ids in _parts(list(dict.fromkeys(run_ids))):
                query = sa.select(runs.c.run_id, runs.c.start_time).where(runs.c.run_id.in_(ids))
                found |= {run_id: start for run_id, start in tuples(connection, query)}  # noqa: C416 - tuples of any length
        return found


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
