"""Metric points in the catalog: chunks as they were logged, joined to larger ones by and by, and the latest of each key."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headrace.errors import InvalidInputError
from headrace.patience import WouldWaitError, is_impatient
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.prepared import Prepared, direct, pipelined
from headrace.sql.rows import tuples
from headrace.sql.tables.tracking import latest_metrics, metric_chunks, metric_sums, model_metrics
from headrace.tracking.curves import LARGE, summed_up
from headrace.tracking.history import Chunk, MetricHistory, Origin, Series, decode, decode_all, encode, pack
from headrace.tracking.run import Metric, MetricSummary

__all__ = ["TAKEN_IN", "SqlMetricStore", "add_points", "add_series", "insert_new", "metric_of", "upsert"]

FANOUT = 64
"""So many chunks of a level are joined to one of the next: a history of n points is read from about 64 log(n) chunks."""
SHORT, LONG, MOST_LONG = 20_000, 2_000_000, 4
"""Histories of so many points are kept, and so many of them: less than 200 MB in all."""
KEYS = 500
"""Keys in one query: SQLite of old builds takes 999 parameters."""


class _Tally:
    """What this process has written. Writers are one at a time, so plain numbers do."""

    points = 0


TAKEN_IN = _Tally()


class SqlMetricStore:
    """MetricStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._long: dict[tuple[str, str], tuple[tuple[int, int], MetricHistory]] = {}

    def history(self, run_id: str, key: str) -> MetricHistory:
        """All points ordered by (time, step, value); none for an unknown key. A few long ones are kept: pages come."""
        c = latest_metrics.c
        size = sa.select(c.chunks, c.count).where(c.run_id == run_id, c.key == key)
        with self._database.read() as connection:
            found = [(chunks, count) for chunks, count in tuples(connection, size)]
            held = self._long.get((run_id, key))
            if held is not None and [held[0]] == found:
                return held[1]
            history = MetricHistory(key, _chunks(connection, run_id, key))
        if found and SHORT < len(history) <= LONG:
            while len(self._long) >= MOST_LONG:
                self._long.pop(next(iter(self._long), (run_id, key)), None)
            self._long[run_id, key] = found[0], history
        return history

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        """Every metric of the run, summed up. Where points may be repeats of others, they are looked at."""
        c = latest_metrics.c
        query = sa.select(c.key, c.count, c.low, c.high, c.mixed).where(c.run_id == run_id)
        with self._database.read() as connection:
            found = {}
            for key, count, low, high, mixed in connection.execute(query):
                known = len(MetricHistory(key, _chunks(connection, run_id, key))) if mixed else count
                found[key] = MetricSummary(known, math.nan if low is None else low, math.nan if high is None else high)
        return found


def add_points(connection: sa.Connection, run_id: str, points: Sequence[Metric]) -> None:
    """Add points of one run inside the caller's transaction, which is alone in writing to it. The latest moves only forward."""
    if not points:
        return
    by_key: dict[str, list[Metric]] = {}
    for point in points:
        by_key.setdefault(point.key, []).append(point)
    known = _latest(connection, run_id, list(by_key))
    rows, chunks = [], []
    for key, group in by_key.items():
        row = known.get(key) or {"run_id": run_id, "key": key, "chunks": 0, "count": 0, "mixed": False}
        made = _new_chunks(run_id, key, group, row["chunks"])
        newest = max(group, key=lambda point: _rank(point.step, point.time, point.value))
        rows.append(_advanced(row, newest, len(group), made, repeats=_may_repeat(group)))
        chunks += made
    _keep(connection, run_id, chunks, rows, known)
    TAKEN_IN.points += len(points)
    on_models = [_model_row(run_id, point) for point in points if point.model_id]
    if on_models:
        connection.execute(insert_new(connection, model_metrics), on_models)


def add_series(connection: sa.Connection, run_id: str, series: Sequence[Series]) -> None:
    """Add points that come as columns, each a chunk as it is; else as `add_points`."""
    if not series:
        return
    by_key: dict[str, list[Series]] = {}
    for item in series:
        by_key.setdefault(item.key, []).append(item)
    known = _latest(connection, run_id, list(by_key))
    rows, chunks = [], []
    for key, group in by_key.items():
        row = known.get(key) or {"run_id": run_id, "key": key, "chunks": 0, "count": 0, "mixed": False}
        facts = [item.facts() for item in group]
        made = [
            _chunk_row(run_id, key, row["chunks"] + number, fact.figures, item.origin, fact.data)
            for number, (item, fact) in enumerate(zip(group, facts, strict=True), start=1)
        ]
        newest = max((fact.newest for fact in facts), key=lambda point: _rank(point.step, point.time, point.value))
        repeats = len(group) > 1 or facts[0].may_repeat
        rows.append(_advanced(row, newest, sum(len(item) for item in group), made, repeats=repeats))
        chunks += made
    _keep(connection, run_id, chunks, rows, known)
    TAKEN_IN.points += sum(map(len, series))
    on_models = [_model_row(run_id, point) for item in series if item.origin[0] for point in item.points()]
    if on_models:
        connection.execute(insert_new(connection, model_metrics), on_models)


def _keep(
    connection: sa.Connection,
    run_id: str,
    chunks: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write new chunks and the latest rows that count them, and join what has become many."""
    with pipelined(connection):
        _ADD_CHUNKS.run(connection, chunks)
        _sum_up(connection, chunks)
        _SET_LATEST.run(connection, rows)
        note(connection, "points", run_id, [row["key"] for row in rows])
    for row in rows:
        before = known[row["key"]]["chunks"] if row["key"] in known else 0
        turn = zlib.crc32(row["key"].encode())  # keys that are logged together aren't joined together: it takes milliseconds
        if (row["chunks"] + turn) // FANOUT > (before + turn) // FANOUT:
            _join_small(connection, run_id, row["key"])


def _sum_up(connection: sa.Connection, chunks: Sequence[Mapping[str, Any]]) -> None:
    """Keep beside each large chunk what a chart needs of it."""
    names = ("run_id", "key", "number", "count")
    large = [(chunk, sums) for chunk in chunks if (sums := summed_up(chunk["data"], chunk["count"])) is not None]
    if large:
        _ADD_SUMS.run(connection, [{**{name: chunk[name] for name in names}, "data": sums} for chunk, sums in large])


def metric_of(row: Mapping[str, Any]) -> Metric:
    """The point that a row holds."""
    value = math.nan if row["is_nan"] else row["value"]
    origin = (row["model_id"], row["dataset_name"], row["dataset_digest"])
    return Metric(row["key"], value, row["time"], row["step"], *origin)


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that skips rows whose primary key exists."""
    return _insert_new(connection.dialect.name, table)


def upsert(connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> Any:
    """An INSERT that replaces these columns where the primary key exists."""
    return _upsert(connection.dialect.name, table, tuple(columns))


@cache
def _insert_new(dialect: str, table: sa.Table) -> Any:
    return _insert(dialect)(table).on_conflict_do_nothing(index_elements=list(table.primary_key))


@cache
def _upsert(dialect: str, table: sa.Table, columns: tuple[str, ...]) -> Any:
    """Made once: to make it takes longer than to run it."""
    statement = _insert(dialect)(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={name: statement.excluded[name] for name in columns}
    )


_LATEST = tuple(column.name for column in latest_metrics.c if not column.primary_key)
_NAMES = tuple(latest_metrics.c.keys())
_KEY_PLACE = _NAMES.index("key")
_ADD_CHUNKS = Prepared(lambda _: metric_chunks.insert(), metric_chunks.c.keys())
_ADD_SUMS = Prepared(lambda _: metric_sums.insert(), metric_sums.c.keys())
_SET_LATEST = Prepared(lambda connection: upsert(connection, latest_metrics, _LATEST), latest_metrics.c.keys())


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _latest(connection: sa.Connection, run_id: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The latest row of each key that has one."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(keys), KEYS):
        asked = keys[start : start + KEYS]
        rows = direct(connection, _latest_text(len(asked)), (run_id, *asked)).fetchall()
        found |= {row[_KEY_PLACE]: dict(zip(_NAMES, row, strict=True)) for row in rows}
    return found


@cache
def _latest_text(count: int) -> str:
    columns = ", ".join(f'"{name}"' for name in _NAMES)
    return f"SELECT {columns} FROM latest_metrics WHERE run_id = ? AND key IN ({', '.join('?' * count)})"


def _advanced(
    row: Mapping[str, Any], newest: Metric, count: int, chunks: Sequence[Mapping[str, Any]], *, repeats: bool
) -> dict[str, Any]:
    """The latest row of a key, with `count` more points in it, of which `newest` is the latest."""
    point = _point(newest)
    if row["chunks"]:
        value = math.nan if row["is_nan"] else row["value"]
        if _rank(row["step"], row["time"], value) >= _rank(newest.step, newest.time, newest.value):
            point = {name: row[name] for name in point}
    low = [chunk["low"] for chunk in chunks if chunk["low"] is not None]
    high = [chunk["high"] for chunk in chunks if chunk["high"] is not None]
    old = [] if row["chunks"] == 0 or row["low"] is None else [row["low"], row["high"]]
    first, last = min(chunk["first_time"] for chunk in chunks), max(chunk["last_time"] for chunk in chunks)
    return {
        "run_id": row["run_id"],
        "key": row["key"],
        **point,
        "chunks": row["chunks"] + len(chunks),
        "count": row["count"] + count,
        "low": min([*low, *old], default=None),
        "high": max([*high, *old], default=None),
        "last_time": max(last, row["last_time"]) if row["chunks"] else last,
        "mixed": row["mixed"] or repeats or (row["chunks"] > 0 and first <= row["last_time"]),
    }


def _may_repeat(points: Sequence[Metric]) -> bool:
    return len(points) > 1 and len({(point.time, point.step) for point in points}) < len(points)


def _rank(step: int, time: int, value: float) -> tuple[int, int, bool, float]:
    """The latest point is the one of the highest step, then time, then value; a NaN comes before every number."""
    nan = math.isnan(value)
    return step, time, not nan, 0.0 if nan else value


def _new_chunks(run_id: str, key: str, points: Iterable[Metric], number: int) -> list[dict[str, Any]]:
    by_origin: dict[Origin, list[Metric]] = {}
    for point in points:
        by_origin.setdefault((point.model_id, point.dataset_name, point.dataset_digest), []).append(point)
    found = []
    for origin, group in by_origin.items():
        number += 1
        times = [point.time for point in group]
        values = [point.value for point in group if not math.isnan(point.value)]
        figures = (len(group), min(times), max(times), min(values, default=None), max(values, default=None))
        found.append(_chunk_row(run_id, key, number, figures, origin, encode(group)))
    return found


def _chunk_row(run_id: str, key: str, number: int, figures: tuple[Any, ...], origin: Origin, data: bytes) -> dict[str, Any]:
    names = ("count", "first_time", "last_time", "low", "high")
    origins = dict(zip(("model_id", "dataset_name", "dataset_digest"), origin, strict=True))
    about = dict(zip(names, figures, strict=True))
    return {"run_id": run_id, "key": key, "number": number, "level": _level(figures[0]), **about, **origins, "data": data}


def _level(count: int) -> int:
    return (count.bit_length() - 1) // 6  # FANOUT is the sixth power of two


def _chunks(connection: sa.Connection, run_id: str, key: str) -> list[Chunk]:
    c = metric_chunks.c
    query = sa.select(c.data, c.model_id, c.dataset_name, c.dataset_digest)
    found = connection.execute(query.where(c.run_id == run_id, c.key == key).order_by(c.number))
    return [decode(data, (model, name, digest)) for data, model, name, digest in found]


def _join_small(connection: sa.Connection, run_id: str, key: str) -> None:
    """Join the chunks of every level that has many."""
    named = (run_id, key)
    for level, count in direct(connection, _LEVELS, named).fetchall():
        if count < FANOUT:
            continue
        if level and is_impatient():  # more than a few thousand points
            raise WouldWaitError
        by_origin: dict[Origin, list[tuple[Any, ...]]] = {}
        for model_id, dataset_name, dataset_digest, *rest in direct(connection, _OF_LEVEL, (*named, level)).fetchall():
            by_origin.setdefault((model_id, dataset_name, dataset_digest), []).append(tuple(rest))
        if level >= _level(LARGE):
            direct(connection, _DROP_SUMS, (*named, *named, level))
        direct(connection, _DROP_LEVEL, (*named, level))
        joined = [_joined(run_id, key, origin, group) for origin, group in by_origin.items()]
        _ADD_CHUNKS.run(connection, joined)
        _sum_up(connection, joined)


_NAMED = "FROM metric_chunks WHERE run_id = ? AND key = ?"
_LEVELS = f"SELECT level, count(*) {_NAMED} GROUP BY level ORDER BY level"
_OF_LEVEL = f"SELECT model_id, dataset_name, dataset_digest, number, low, high, data {_NAMED} AND level = ? ORDER BY number"
_DROP_LEVEL = f"DELETE {_NAMED} AND level = ?"
_DROP_SUMS = f"DELETE FROM metric_sums WHERE run_id = ? AND key = ? AND number IN (SELECT number {_NAMED} AND level = ?)"


def _joined(run_id: str, key: str, origin: Origin, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """One chunk of those whose number, low, high and data these are."""
    numbers, lows, highs, data = zip(*rows, strict=True)
    whole = MetricHistory(key, decode_all(data, origin))
    low = min((item for item in lows if item is not None), default=None)
    high = max((item for item in highs if item is not None), default=None)
    figures = (len(whole), int(whole.times[0]), int(whole.times[-1]), low, high)
    return _chunk_row(run_id, key, numbers[-1], figures, origin, pack(Chunk(whole.times, whole.steps, whole.values)))


def _point(point: Metric) -> dict[str, Any]:
    """A NaN is stored as 0 with a flag: SQLite has no NaN, and NaN has no order."""
    is_nan = math.isnan(point.value)
    return {
        "step": point.step,
        "time": point.time,
        "value": 0.0 if is_nan else point.value,
        "is_nan": is_nan,
        "model_id": point.model_id,
        "dataset_name": point.dataset_name,
        "dataset_digest": point.dataset_digest,
    }


def _model_row(run_id: str, point: Metric) -> dict[str, Any]:
    for what, told, most in (("name", point.dataset_name, 500), ("digest", point.dataset_digest, 128)):
        if len(told) > most:
            msg = f"the {what} of the dataset of metric {point.key!r} has {len(told)} characters, more than {most}"
            raise InvalidInputError(msg)
    return {"run_id": run_id, "key": point.key, **_point(point)}
