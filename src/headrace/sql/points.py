"""How points of metrics get into the catalog: chunks as they were logged, joined to larger ones by and by, and beside them the
latest point of each key with what sums up its history."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from headrace.errors import StorageError
from headrace.patience import WouldWaitError, is_impatient
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.prepared import AT_ONCE, Insert, RefusedError, direct, is_blind, pipelined, run_text
from headrace.tracking.curves import LARGE, summed_up
from headrace.tracking.history import Chunk, MetricHistory, Origin, Series, decode_all, encode, pack
from headrace.tracking.run import Metric

__all__ = ["TAKEN_IN", "Added", "add_points", "add_series", "join_apart", "join_many"]

log = logging.getLogger("headrace.sql")
FANOUT = 64
"""So many chunks of a level are joined to one of the next: a history of n points is read from about 64 log(n) chunks."""
KEYS = 500
"""Keys in one query: SQLite of old builds takes 999 parameters."""
MOST_TEXTS = 500
"""Statements of so many kinds are remembered: of all numbers of metrics and of chunks they would take 140 MB."""

_Figures = tuple[int, int, int, float | None, float | None]
"""Of some points: how many, the first and the last time, the lowest and the highest value (None if all are NaN)."""
_Part = tuple[_Figures, Origin, bytes]
"""Points of one origin: a chunk that has no number yet."""


class _Tally:
    """What this process has written. Writers are one at a time, so plain numbers do."""

    points = 0


TAKEN_IN = _Tally()


@dataclass(frozen=True, slots=True)
class _Addition:
    """What one metric is given.

    Attributes:
        newest: the point of the highest step, then time, then value.
        repeats: whether two of the points may be the same.
    """

    key: str
    newest: Metric
    repeats: bool
    parts: Sequence[_Part]


class Added:
    """What a run was given, and which of its metrics have many chunks now. A blind transaction tells it when it is over.

    Args:
        new: how many chunks each metric was given.
        counts: cursors whose rows are metrics and how many chunks they have had.
    """

    def __init__(self, new: Mapping[str, int], counts: Sequence[Any]) -> None:
        self._new = new
        self._counts = counts

    def grown(self) -> list[str]:
        """The metrics whose chunks are to be joined. Asked once."""
        counts = [row for cursor in self._counts for row in cursor.fetchall()]
        return [key for key, chunks in counts if _passes(key, chunks - self._new[key], chunks)]


def add_points(connection: sa.Connection, run_id: str, points: Sequence[Metric]) -> Added:
    """Add points of one run inside the caller's transaction, which is alone in writing to it. The latest moves only forward."""
    by_key: dict[str, list[Metric]] = {}
    for point in points:
        by_key.setdefault(point.key, []).append(point)
    additions = [_Addition(key, max(group, key=_rank), _may_repeat(group), _parts(group)) for key, group in by_key.items()]
    return _add(connection, run_id, additions, [point for point in points if point.model_id])


def add_series(connection: sa.Connection, run_id: str, series: Sequence[Series]) -> Added:
    """Add points that come as columns, each a chunk as it is; else as `add_points`."""
    by_key: dict[str, list[Series]] = {}
    for item in series:
        by_key.setdefault(item.key, []).append(item)
    additions = []
    for key, group in by_key.items():
        facts = [item.facts() for item in group]
        newest = max((fact.newest for fact in facts), key=_rank) if len(facts) > 1 else facts[0].newest
        parts = [(fact.figures, item.origin, fact.data) for item, fact in zip(group, facts, strict=True)]
        additions.append(_Addition(key, newest, len(group) > 1 or facts[0].may_repeat, parts))
    return _add(connection, run_id, additions, [point for item in series if item.origin[0] for point in item.points()])


def join_many(connection: sa.Connection, run_id: str, keys: Sequence[str]) -> None:
    """Join the chunks of metrics, of every level that has many."""
    for key in keys:
        levels = _joined_levels(key, _ask_small(connection, run_id, key).fetchall())
        with pipelined(connection):
            _put_joined(connection, run_id, key, levels)


def join_apart(database: Database, run_id: str, keys: Sequence[str]) -> None:
    """The same in a transaction of its own. They are read before it, and PostgreSQL is asked twice in all; if somebody else has
    joined them meanwhile, nothing is done. Nor is it if the catalog can't be used: the points are kept, and aren't to be sent
    again. Raises WouldWaitError in a thread that is impatient."""
    if is_impatient():
        raise WouldWaitError
    try:
        with database.glance() as connection:
            asked = {key: _ask_small(connection, run_id, key) for key in keys}
        levels = {key: _joined_levels(key, cursor.fetchall()) for key, cursor in asked.items()}
        with suppress(RefusedError), database.blind() as connection:
            for key, found in levels.items():
                _put_joined(connection, run_id, key, found)
    except StorageError as error:
        log.warning("chunks of run %s are left as they are, for now: %s", run_id, error)


def _add(connection: sa.Connection, run_id: str, additions: Sequence[_Addition], on_models: Sequence[Metric]) -> Added:
    counts: Sequence[Any] = ()
    if additions:
        chunks = [
            (run_id, item.key, len(item.parts) - place, *_chunk_row(*part))
            for item in additions
            for place, part in enumerate(item.parts, start=1)
        ]
        counts = _put_latest(connection, [_latest_row(run_id, item) for item in additions], chunks)
        _sum_up(connection, _ADD_SUMS, chunks)
        note(connection, "points", run_id, [item.key for item in additions])
    if on_models:
        _ON_MODELS.run(connection, [_model_row(run_id, point) for point in on_models])
    new = {item.key: len(item.parts) for item in additions}
    return Added(new, counts or _counts(connection, run_id, list(new)))


def _put_latest(connection: sa.Connection, latest: Sequence[Sequence[Any]], chunks: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Bring the latest rows of metrics up to date, and add their chunks; returns PostgreSQL's cursors, whose rows are metrics and
    how many chunks they have had."""
    if connection.dialect.name == "postgresql" and max(len(latest), len(chunks)) <= AT_ONCE:
        values = [value for rows in (latest, chunks) for row in rows for value in row]
        return [run_text(connection, _with_chunks_text(len(latest), len(chunks)), values)]
    counts = _SET_LATEST.run(connection, latest)
    _ADD_CHUNKS.run(connection, chunks)
    return counts


def _counts(connection: sa.Connection, run_id: str, keys: Sequence[str]) -> list[Any]:
    """Ask how many chunks metrics have had."""
    parts = [keys[start : start + KEYS] for start in range(0, len(keys), KEYS)]
    return [direct(connection, _counts_text(len(some)), (run_id, *some)) for some in parts]


def _sum_up(connection: sa.Connection, statement: Insert, chunks: Sequence[tuple[Any, ...]]) -> None:
    """Keep beside each large chunk what a chart needs of it."""
    for run_id, key, place, _, count, *_, data in chunks:
        sums = summed_up(data, count)
        if sums is not None:
            statement.run(connection, [(run_id, key, place, count, sums)])


_ORIGIN = ("model_id", "dataset_name", "dataset_digest")
_POINT = ("step", "time", "value", "is_nan", *_ORIGIN)
_LATEST = ("run_id", "key", *_POINT, "chunks", "count", "low", "high", "first_time", "last_time", "mixed")
_CHUNK_KINDS = {
    **dict.fromkeys(("run_id", "key"), "VARCHAR"),
    "number": "BIGINT",
    "level": "INTEGER",
    **dict.fromkeys(("count", "first_time", "last_time"), "BIGINT"),
    **dict.fromkeys(("low", "high"), "DOUBLE PRECISION"),
    **dict.fromkeys(_ORIGIN, "VARCHAR"),
    "data": "BYTEA",
}
_CHUNK = tuple(_CHUNK_KINDS)
_SUMS = ("run_id", "key", "number", "count", "data")
_MODEL = ("run_id", "key", *_POINT)

_NEWER = (
    "(excluded.step, excluded.time, NOT excluded.is_nan, excluded.value) > "
    "(latest_metrics.step, latest_metrics.time, NOT latest_metrics.is_nan, latest_metrics.value)"
)
"""Whether the point of the highest step, then time, then value is among the new ones; a NaN comes before every number."""
_MERGED = {
    **{name: f"CASE WHEN {_NEWER} THEN excluded.{name} ELSE latest_metrics.{name} END" for name in _POINT},
    **{name: f"latest_metrics.{name} + excluded.{name}" for name in ("chunks", "count")},
    **{
        name: f"CASE WHEN latest_metrics.{name} IS NULL OR excluded.{name} {beyond} latest_metrics.{name} "
        f"THEN excluded.{name} ELSE latest_metrics.{name} END"
        for name, beyond in (("low", "<"), ("high", ">"), ("first_time", "<"), ("last_time", ">"))
    },
    "mixed": "latest_metrics.mixed OR excluded.mixed OR excluded.first_time <= latest_metrics.last_time",
}
_SET_LATEST = Insert(
    "latest_metrics",
    _LATEST,
    tail=f"ON CONFLICT (run_id, key) DO UPDATE SET {', '.join(f'{name} = {value}' for name, value in _MERGED.items())}",
    tells="key, chunks",
)
_NUMBER = "(SELECT chunks FROM latest_metrics WHERE run_id = CAST(?1 AS VARCHAR) AND key = CAST(?2 AS VARCHAR)) - ?3"
"""The number of a new chunk: how many the metric has had, less those that come after it."""


def _numbered(table: str, columns: Sequence[str], number: str) -> Insert:
    """Into a table whose rows are of chunks."""
    others = (f"?{place}" for place in range(4, len(columns) + 1))
    return Insert(table, columns, ", ".join(("?1", "?2", number, *others)))


_ADD_CHUNKS, _PUT_CHUNKS = (_numbered("metric_chunks", _CHUNK, number) for number in (_NUMBER, "?3"))
_ADD_SUMS, _PUT_SUMS = (_numbered("metric_sums", _SUMS, number) for number in (_NUMBER, "?3"))


@lru_cache(MOST_TEXTS)
def _with_chunks_text(metrics: int, chunks: int) -> bytes:
    """PostgreSQL's statement for the latest rows of metrics and their chunks. In one of their own the chunks would look for the
    rows of their metrics, and a plan that knows nothing of a new table may go through all runs that have such a metric."""
    firsts = range(len(_LATEST) * metrics + 1, len(_LATEST) * metrics + len(_CHUNK) * chunks + 1, len(_CHUNK))
    rows = (", ".join(f"CAST(${place} AS {kind})" for place, kind in enumerate(_CHUNK_KINDS.values(), first)) for first in firsts)
    columns = ", ".join(_CHUNK)
    added = ", ".join("latest.chunks - added.number" if name == "number" else f"added.{name}" for name in _CHUNK)
    return b"".join(
        (
            b"WITH latest AS (",
            _SET_LATEST.text(metrics),
            f"), added ({columns}) AS (VALUES ({'), ('.join(rows)})), ".encode(),
            f"kept AS (INSERT INTO metric_chunks ({columns}) SELECT {added} FROM added JOIN latest USING (key)) ".encode(),
            b"SELECT key, chunks FROM latest",
        )
    )


_ON_MODELS = Insert("model_metrics", _MODEL, tail="ON CONFLICT DO NOTHING")

_NAMED = "FROM metric_chunks WHERE run_id = ? AND key = ?"
_SMALL = (
    f"SELECT level, model_id, dataset_name, dataset_digest, number, low, high, data {_NAMED} AND level IN "
    f"(SELECT level {_NAMED} GROUP BY level HAVING count(*) >= ?) ORDER BY level, number"
)
_OF_LEVEL = f"{_NAMED} AND level = ? AND number <= ?"
_INSIST_ON_LEVEL = f"SELECT 1 / CASE WHEN count(*) = ? THEN 1 ELSE 0 END {_OF_LEVEL}"
"""Divides by zero, an error on PostgreSQL, unless the level has so many chunks: a check whose answer nobody has to read."""
_DROP_LEVEL = f"DELETE {_OF_LEVEL}"
_DROP_SUMS = f"DELETE FROM metric_sums WHERE run_id = ? AND key = ? AND number IN (SELECT number {_OF_LEVEL})"


@cache
def _counts_text(count: int) -> str:
    return f"SELECT key, chunks FROM latest_metrics WHERE run_id = ? AND key IN ({', '.join('?' * count)})"


def _passes(key: str, before: int, after: int) -> bool:
    """Whether a number of chunks has passed a multiple of FANOUT. Each key has its own turn: keys that are logged together aren't
    joined together, which takes milliseconds."""
    turn = zlib.crc32(key.encode())
    return (after + turn) // FANOUT > (before + turn) // FANOUT


_Level = tuple[int, int, int, list[tuple[Any, ...]]]
"""Chunks that are joined: their level, how many, the last one's number; and those that they make, from their numbers on."""


def _ask_small(connection: sa.Connection, run_id: str, key: str) -> Any:
    """Ask for the chunks of every level that has many; returns the cursor."""
    return direct(connection, _SMALL, (run_id, key, run_id, key, FANOUT))


def _joined_levels(key: str, rows: Sequence[tuple[Any, ...]]) -> list[_Level]:
    """What the chunks of every level that has many are joined to."""
    found: list[_Level] = []
    for level, group in groupby(rows, key=itemgetter(0)):
        if level and is_impatient():  # more than a few thousand points
            raise WouldWaitError
        by_origin: dict[Origin, list[tuple[Any, ...]]] = {}
        for _, model_id, dataset_name, dataset_digest, *rest in group:
            by_origin.setdefault((model_id, dataset_name, dataset_digest), []).append(tuple(rest))
        last = max(part[-1][0] for part in by_origin.values())
        joined = [_joined(key, origin, part) for origin, part in by_origin.items()]
        found.append((level, sum(map(len, by_origin.values())), last, joined))
    return found


def _put_joined(connection: sa.Connection, run_id: str, key: str, levels: Sequence[_Level]) -> None:
    """Replace chunks by what they are joined to."""
    for level, count, last, made in levels:
        named = (run_id, key, level, last)
        if is_blind(connection):
            direct(connection, _INSIST_ON_LEVEL, (count, *named))
        if level >= _level(LARGE):
            direct(connection, _DROP_SUMS, (run_id, key, *named))
        direct(connection, _DROP_LEVEL, named)
        rows = [(run_id, key, *row) for row in made]
        _PUT_CHUNKS.run(connection, rows)
        _sum_up(connection, _PUT_SUMS, rows)


def _joined(key: str, origin: Origin, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The row, from its number on, of the chunk that those make whose number, low, high and data these are."""
    numbers, lows, highs, data = zip(*rows, strict=True)
    whole = MetricHistory(key, decode_all(data, origin))
    low = min((item for item in lows if item is not None), default=None)
    high = max((item for item in highs if item is not None), default=None)
    figures = (len(whole), int(whole.times[0]), int(whole.times[-1]), low, high)
    return numbers[-1], *_chunk_row(figures, origin, pack(Chunk(whole.times, whole.steps, whole.values)))


def _parts(points: Sequence[Metric]) -> list[_Part]:
    by_origin: dict[Origin, list[Metric]] = {}
    for point in points:
        by_origin.setdefault((point.model_id, point.dataset_name, point.dataset_digest), []).append(point)
    found = []
    for origin, group in by_origin.items():
        times = [point.time for point in group]
        values = [point.value for point in group if not math.isnan(point.value)]
        figures = (len(group), min(times), max(times), min(values, default=None), max(values, default=None))
        found.append((figures, origin, encode(group)))
    return found


def _chunk_row(figures: _Figures, origin: Origin, data: bytes) -> tuple[Any, ...]:
    """What follows a chunk's number."""
    return _level(figures[0]), *figures, *origin, data


def _latest_row(run_id: str, item: _Addition) -> tuple[Any, ...]:
    """The latest row of a metric that had none."""
    if len(item.parts) == 1:  # nearly always
        (count, first, last, low, high), _, _ = item.parts[0]
        return run_id, item.key, *_point(item.newest), 1, count, low, high, first, last, item.repeats
    counts, firsts, lasts, lows, highs = zip(*(figures for figures, _, _ in item.parts), strict=True)
    low = min((value for value in lows if value is not None), default=None)
    high = max((value for value in highs if value is not None), default=None)
    sums = (len(counts), sum(counts), low, high, min(firsts), max(lasts), item.repeats)
    return run_id, item.key, *_point(item.newest), *sums


def _model_row(run_id: str, point: Metric) -> tuple[Any, ...]:
    return run_id, point.key, *_point(point)


def _point(point: Metric) -> tuple[Any, ...]:
    """A NaN is stored as 0 with a flag: SQLite has no NaN, and NaN has no order."""
    is_nan = math.isnan(point.value)
    value = 0.0 if is_nan else point.value
    return point.step, point.time, value, is_nan, point.model_id, point.dataset_name, point.dataset_digest


def _level(count: int) -> int:
    return (count.bit_length() - 1) // 6  # FANOUT is the sixth power of two


def _may_repeat(points: Sequence[Metric]) -> bool:
    return len(points) > 1 and len({(point.time, point.step) for point in points}) < len(points)


def _rank(point: Metric) -> tuple[int, int, bool, float]:
    """The latest point is the one of the highest step, then time, then value; a NaN comes before every number."""
    nan = math.isnan(point.value)
    return point.step, point.time, not nan, 0.0 if nan else point.value
