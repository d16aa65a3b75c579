"""What runs have: params, tags and metrics, all of a run in one row."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from headrace.sql.packing import Packing, is_one, packing_of, read_doubles
from headrace.sql.prepared import Asked, Query
from headrace.sql.tables.tracking import latest_metrics
from headrace.tracking.page import Origin

__all__ = ["NUMBERS", "POINTS", "Cells", "by_key", "texts_of"]

T = TypeVar("T")
M = TypeVar("M")
Pairs = tuple[Sequence[str], Sequence[T]]
"""Keys, and the value of each."""
Points = tuple[Sequence[str], Sequence[float], Sequence[int], Sequence[int], Mapping[str, Origin]]
"""The columns of LatestPoints."""

_NONE: tuple[Any, ...] = (None, "[]", "{}")
"""Nothing, as it comes."""


class Cells(Generic[T]):
    """A query for what the runs of `run_ids` have in a table; `keyed`, only of the `keys`.

    Args:
        pack: the columns of a run's row.
        unpack: reads what the run has from them.
    """

    def __init__(
        self,
        table: sa.Table,
        pack: Callable[[Packing], Sequence[sa.ColumnElement[Any]]],
        unpack: Callable[[_Reader, Sequence[Any]], T],
        *,
        keyed: bool = False,
    ) -> None:
        def make(connection: sa.Connection) -> sa.Select[Any]:
            packing = packing_of(connection)
            where = [is_one(connection, table.c.key, sa.bindparam("keys"))] if keyed else []
            return packing.by_run(table, pack(packing), where)

        self._query = Query(make)
        self._unpack = unpack

    def asked(self, connection: sa.Connection, make: Callable[[T], M], **values: Any) -> Asked[dict[str, M]]:
        """What `read_each` reads by run, each made into something; a run that has nothing is left out."""
        packing, unpack = packing_of(connection), self._unpack

        def read(rows: Sequence[tuple[Any, ...]]) -> dict[str, M]:
            reader = _Reader(packing)
            return {run_id: make(unpack(reader, held)) for run_id, *held in rows}

        return self._query, values, read


class _Reader:
    """Reads the packed columns of one answer. Most runs have the same keys, which are read once."""

    def __init__(self, packing: Packing) -> None:
        self.packing = packing
        self._keys: dict[Any, list[str]] = {}

    def keys(self, packed: Any) -> list[str]:
        found = self._keys.get(packed)
        if found is None:
            found = self._keys[packed] = self.packing.read_texts(packed)
        return found

    def values(self, keys: Sequence[str], packed: bytes, nans: Any) -> Sequence[float]:
        found = read_doubles(packed)
        if nans in _NONE:
            return found
        unknown = set(self.packing.read_texts(nans))
        return [math.nan if key in unknown else value for key, value in zip(keys, found, strict=True)]


def texts_of(table: sa.Table, *, keyed: bool = False) -> Cells[Pairs[str]]:
    """The params or the tags."""

    def unpack(reader: _Reader, row: Sequence[Any]) -> Pairs[str]:
        return reader.keys(row[0]), reader.packing.read_texts(row[1])

    return Cells(table, lambda packing: [packing.texts(table.c.key), packing.texts(table.c.value)], unpack, keyed=keyed)


def by_key(pairs: Pairs[T]) -> dict[str, T]:
    """Values by key."""
    return dict(zip(*pairs, strict=True))


def _numbers(packing: Packing) -> list[sa.ColumnElement[Any]]:
    """Keys, values, and the keys of those that are NaN, which is stored as 0 beside a flag."""
    latest = latest_metrics.c
    return [packing.texts(latest.key), packing.doubles(latest.value), packing.texts(latest.key).filter(latest.is_nan.is_(True))]


def _numbers_read(reader: _Reader, row: Sequence[Any]) -> Pairs[float]:
    keys = reader.keys(row[0])
    return keys, reader.values(keys, row[1], row[2])


def _points(packing: Packing) -> list[sa.ColumnElement[Any]]:
    latest = latest_metrics.c
    origin = (latest.model_id, latest.dataset_name, latest.dataset_digest)
    has_origin = sa.or_(*(column != "" for column in origin))
    integers = [packing.integers(column) for column in (latest.time, latest.step)]
    return [*_numbers(packing), *integers, sa.cast(packing.by_key(latest.key, origin).filter(has_origin), sa.Text)]


def _points_read(reader: _Reader, row: Sequence[Any]) -> Points:
    packed, values, nans, times, steps, origins = row
    keys, read = reader.keys(packed), reader.packing.read_integers
    measured = {} if origins in _NONE else {key: tuple(origin) for key, origin in json.loads(origins).items()}
    return keys, reader.values(keys, values, nans), read(times), read(steps), measured


NUMBERS = Cells(latest_metrics, _numbers, _numbers_read, keyed=True)
"""The latest values of some metrics."""
POINTS = Cells(latest_metrics, _points, _points_read)
"""The latest points."""
