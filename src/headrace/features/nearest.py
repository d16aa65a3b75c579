"""Nearest neighbours online: the entities whose vectors are nearest to one, with their features now."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.catalog.service import Catalog
from headrace.clock import Clock, from_micros
from headrace.definitions.aggregation import Aggregation
from headrace.definitions.expression import Binder, check_expression
from headrace.definitions.expression import columns_of as columns_in
from headrace.definitions.schema import arrow_type, vector_size
from headrace.definitions.version import ViewVersion
from headrace.engines.engine import Engine
from headrace.errors import InvalidInputError, NotFoundError, nearest
from headrace.features import on_demand
from headrace.features.feed import Feed
from headrace.features.frames import to_model_frame
from headrace.features.history import History
from headrace.features.ingest import Ingest
from headrace.features.lookup import Lookup, OnlineFeatures, types_of
from headrace.features.online import OnlineGroups
from headrace.features.values import GroupColumns, columns_of, to_arrow
from headrace.features.vector_index import METRICS, NEVER, VectorIndex

if TYPE_CHECKING:
    import pandas as pd

    from headrace.features.vector_index import Search

__all__ = ["Nearest", "Neighbours"]

FOREVER = 2**62
"""Later than any moment."""
READ_TOGETHER = 10_000
"""How many keys are read from the online store at once when an index is filled."""
FIRST_SHARE = 0.25
"""How many are taken to pass a condition that was never asked before; later it's what passed the last time."""
WIDENED = 4
"""How many times more neighbours are looked at when too few of them pass a condition."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest entities, nearest first.

    Attributes:
        view: the view version that answered, `videos:3`.
        keys: the join keys and inputs of each.
        distances: from the vector asked about; less is nearer, whatever the metric.
        values: feature name to each one's value now.
        at: the moment of the answer, microseconds since 1970 UTC.
    """

    view: str
    keys: Mapping[str, list[Any]]
    distances: list[float]
    values: Mapping[str, list[Any]]
    at: int
    types: Mapping[str, str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.distances)

    def to_dict(self) -> dict[str, list[Any]]:
        """Column-major: keys, `distance`, features."""
        return {**self.keys, "distance": self.distances, **self.values}

    def to_pandas(self) -> pd.DataFrame:
        """Keys, `distance` and features as a pandas DataFrame, typed as in training sets."""
        columns = self.to_dict().items()
        return to_model_frame(
            {name: to_arrow(column, self.types[name]) if name in self.types else column for name, column in columns}
        )


@dataclass
class _Held:
    """The index of one feature of one group, and what it reflects."""

    index: VectorIndex
    generation: str
    applied: dict[int, int] = field(default_factory=dict)
    ahead: dict[bytes, tuple[Any, ...]] = field(default_factory=dict)
    """Keys whose value changes by itself, for a row of them lies in the future."""


class Nearest:
    """Finds neighbours by an exact index in this process. Each call first brings it to what the online store reflects."""

    def __init__(
        self,
        catalog: Catalog,
        ingest: Ingest,
        feed: Feed,
        groups: OnlineGroups,
        lookup: Lookup,
        history: History,
        engine: Engine,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._feed = feed
        self._groups = groups
        self._lookup = lookup
        self._history = history
        self._engine = engine
        self._clock = clock
        self._held: dict[tuple[str, str], _Held] = {}
        self._conditions: dict[tuple[str, str, tuple[tuple[str, str], ...]], str] = {}
        self._shares: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def find(
        self,
        reference: str,
        vector: Any,
        k: int = 10,
        *,
        by: str | None = None,
        where: str | None = None,
        metric: str = "cosine",
        entities: Mapping[str, Any] | None = None,
    ) -> Neighbours:
        """The `k` entities nearest to a vector, of those for which a condition is true.

        Args:
            reference: the view, `"videos"` or pinned `"videos:3"`.
            vector: as many numbers as the feature has.
            by: the view's feature to compare. Default: its only vector.
            where: a SQL condition over the view's features, keys and inputs; null counts as false.
            metric: cosine, l2 or dot.
            entities: the view's other join keys and inputs, one value each.

        Raises:
            NotFoundError: no such view or feature.
            InvalidInputError: the vector, the condition or something else isn't what it should be.
        """
        view = self._catalog.view(reference)
        columns, feature, out = _vector_of(view, by)
        asked = _checked(vector, columns.group.feature(feature).dtype, out, k, metric)
        given = dict(entities or {})
        taken = [name for name in columns.keys.values() if name in given]
        if taken:
            msg = f"entities has {taken}, but these are what is looked for: the keys of {out!r}'s group"
            raise InvalidInputError(msg)
        now = self._clock()
        with self._lock:
            held = self._fresh(columns, feature, now)
            ttl = columns.group.ttl_micros
            search = held.index.search(asked, metric, None if ttl is None else now - ttl)
            return self._passing(view, columns, search, k, where, given, now)

    def _passing(
        self,
        view: ViewVersion,
        columns: GroupColumns,
        search: Search,
        k: int,
        where: str | None,
        given: Mapping[str, Any],
        now: int,
    ) -> Neighbours:
        """The nearest that pass the condition: of ever more neighbours, until there are enough or no more."""
        known = view.id, where or ""
        count, seen, passed = (k if where is None else int(2 * k / self._shares.get(known, FIRST_SHARE))), 0, 0
        pieces: list[tuple[OnlineFeatures, Sequence[float], list[int]]] = []
        missing = k
        while True:
            found = search.nearest(count)
            keys = {name: [key[i] for key in found.keys[seen:]] for i, name in enumerate(columns.keys.values())}
            answer = self._lookup.read(view.id, {**given, **keys}, from_micros(now))
            rows = [*range(len(answer))] if where is None else self._true(view, where, answer)
            pieces.append((answer, found.distances[seen:].tolist(), rows[:missing]))
            missing -= len(rows[:missing])
            passed += len(rows)
            if missing <= 0 or found.whole:
                self._shares[known] = max(passed, 1) / max(len(found.keys), 1)
                return _joined(view, pieces, now)
            seen, count = count, count * WIDENED

    def _true(self, view: ViewVersion, where: str, answer: OnlineFeatures) -> list[int]:
        """The rows of an answer for which a condition is true."""
        import pyarrow as pa

        known = {**answer.keys, **answer.values}
        named = {name.lower() for name in columns_in(where)}
        columns = {
            name: to_arrow(column, answer.types[name]) if name in answer.types else pa.array(column)
            for name, column in known.items()
            if name.lower() in named
        }
        schema = {name: answer.types.get(name) or on_demand.type_of(column) for name, column in columns.items()}
        schema |= {name: kind for name, kind in answer.types.items() if name not in schema}
        self._check(view, where, schema)
        if not len(answer):
            return []
        rows = pa.table(columns or {"__row": pa.nulls(len(answer))})
        passed = self._engine.project(rows, {"passed": f"COALESCE(({where}), FALSE)"}).column("passed")
        return np.flatnonzero(passed.to_numpy()).tolist()

    def _check(self, view: ViewVersion, where: str, schema: Mapping[str, str]) -> None:
        key = view.id, where, tuple(schema.items())
        if key not in self._conditions:
            with Binder() as binder:
                checked = check_expression(where, schema, binder)
            fault = "; ".join(checked.faults)
            if not fault and checked.dtype != "bool":
                fault = f"{where!r} is {checked.dtype}, not a condition; compare it with something"
            self._conditions[key] = fault
        if self._conditions[key]:
            msg = f"where: {self._conditions[key]}"
            raise InvalidInputError(msg)

    def _fresh(self, columns: GroupColumns, feature: str, now: int) -> _Held:
        """The index, with all that the online store reflects."""
        version = columns.version
        held = self._held.get((version.id, feature))
        if held is None:
            self._ingest.drain(version.group.source)  # what a crash left between the log and here
        status = self._groups.status(version)
        if held is None or held.generation != status.generation:
            size = vector_size(version.group.feature(feature).dtype) or 0
            held = self._held[version.id, feature] = _Held(VectorIndex(size), status.generation)
        changed = dict(held.ahead)
        for partition, last in status.applied.items():
            changed |= self._changed(columns, partition, held.applied.get(partition, -1), last)
        codes, keys = list(changed), list(changed.values())
        for start in range(0, len(codes), READ_TOGETHER):
            part = slice(start, start + READ_TOGETHER)
            self._put(held, columns, feature, codes[part], keys[part], now)
        held.applied = dict(status.applied)
        return held

    def _changed(self, columns: GroupColumns, partition: int, after: int, last: int) -> dict[bytes, tuple[Any, ...]]:
        """The keys of the rows of a partition between two offsets, by their codes."""
        changed: dict[bytes, tuple[Any, ...]] = {}
        if after >= last:
            return changed
        state = self._groups.state(columns.version)
        for reached, rows in self._feed.rows(columns.group.source, partition, after):
            names = list(dict.fromkeys(columns.group.key_columns.values()))
            distinct = rows.select(names).group_by(names).aggregate([])
            keys = [distinct.column(name).to_pylist() for name in columns.group.key_columns.values()]
            codes = state.keys(keys)
            changed |= {code: key for code, key in zip(codes, zip(*keys, strict=True), strict=True) if code is not None}
            if reached >= last:
                break
        return changed

    def _put(
        self, held: _Held, columns: GroupColumns, feature: str, codes: list[bytes], keys: list[tuple[Any, ...]], now: int
    ) -> None:
        """Read keys from the online store into the index."""
        state = self._groups.state(columns.version)
        stored = self._groups.read([(columns.version.id, codes)])[0]
        reading = state.read(stored, now, [feature])
        values, times = reading.values[feature], reading.times
        if reading.inexact:
            values, times = self._from_history(columns, feature, keys, now, reading.inexact, values, times)
        later = state.read(stored, FOREVER, [feature]).times
        held.ahead = {code: key for code, key in held.ahead.items() if code not in codes}
        rows = zip(codes, keys, times, later, strict=True)
        held.ahead |= {code: key for code, key, time, last in rows if time != last}
        size = vector_size(columns.group.feature(feature).dtype) or 0
        vectors = np.zeros((len(codes), size), np.float32)
        places = [row for row, value in enumerate(values) if value is not None]
        if places:
            vectors[places] = np.frombuffer(b"".join(values[row] for row in places), "<f4").reshape(-1, size)
        seen = [NEVER if time is None or value is None else time for time, value in zip(times, values, strict=True)]
        held.index.put(codes, keys, vectors, np.array(seen, np.int64))

    def _from_history(
        self,
        columns: GroupColumns,
        feature: str,
        keys: list[tuple[Any, ...]],
        now: int,
        rows: Sequence[int],
        values: list[Any],
        times: list[int | None],
    ) -> tuple[list[Any], list[int | None]]:
        """The values and times with those rows replaced that the online state can't answer now."""
        import pyarrow as pa

        kinds = columns.group.entity.keys
        names = columns.keys.items()
        asked = {
            request: pa.array([keys[row][i] for row in rows], arrow_type(kinds[key])) for i, (key, request) in enumerate(names)
        }
        applied = self._groups.status(columns.version).applied
        found, found_times = self._history.values_at(columns, pa.table(asked), now, applied)
        values, times = list(values), list(times)
        for row, value, time in zip(rows, found[feature], found_times, strict=True):
            values[row], times[row] = None if value is None else np.asarray(value, "<f4").tobytes(), time
        return values, times


def _vector_of(view: ViewVersion, by: str | None) -> tuple[GroupColumns, str, str]:
    """The group that holds the vector feature, the feature's name there, and its name in the view."""
    vectors = {
        out: (columns, name)
        for columns in columns_of(view)
        for name, outs in columns.names.items()
        for out in outs
        if vector_size(columns.group.feature(name).dtype) is not None
    }
    if by is None:
        if len(vectors) != 1:
            have = f"these vectors: {', '.join(vectors)}; say which with by=" if vectors else "no feature that is a vector"
            msg = f"view {view.id!r} has {have}"
            raise InvalidInputError(msg)
        by = next(iter(vectors))
    if by not in vectors:
        if by not in view.view.feature_names:
            raise NotFoundError.of("feature", by, view.view.feature_names)
        known = f"; these are: {', '.join(vectors)}" if vectors else ""
        msg = f"feature {by!r} of view {view.id!r} isn't a vector that a group holds{known}"
        raise InvalidInputError(msg)
    columns, name = vectors[by]
    value = columns.group.feature(name).value
    if isinstance(value, Aggregation) and value.window is not None:
        msg = f"feature {by!r} is of a window, so it changes by itself; neighbours need one that holds: leave out its window"
        raise InvalidInputError(msg)
    return columns, name, by


def _checked(vector: Any, dtype: str, by: str, k: int, metric: str) -> Any:
    """The vector as float32."""
    if metric not in METRICS:
        msg = f"there is no metric {metric!r}{nearest(str(metric), METRICS)}; it is one of {', '.join(METRICS)}"
        raise InvalidInputError(msg)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        msg = f"k is {k!r}; it is how many neighbours to find, at least 1"
        raise InvalidInputError(msg)
    try:
        found = np.asarray(vector, np.float32)
    except (TypeError, ValueError) as error:
        msg = f"the vector asked about isn't a list of numbers: {error}"
        raise InvalidInputError(msg) from error
    size = vector_size(dtype)
    if found.shape != (size,):
        msg = f"the vector asked about has the shape {found.shape}, but {by!r} is {dtype}: give {size} numbers"
        raise InvalidInputError(msg)
    if not np.isfinite(found).all():
        msg = "the vector asked about holds NaN or infinity"
        raise InvalidInputError(msg)
    if metric == "cosine" and not found.any():
        msg = "the vector asked about is all zeros, so it has no direction; use metric='l2' or 'dot'"
        raise InvalidInputError(msg)
    return found


def _joined(view: ViewVersion, pieces: Sequence[tuple[OnlineFeatures, Sequence[float], list[int]]], now: int) -> Neighbours:
    first = pieces[0][0]
    keys = {name: [answer.keys[name][row] for answer, _, rows in pieces for row in rows] for name in first.keys}
    values = {name: [answer.values[name][row] for answer, _, rows in pieces for row in rows] for name in first.values}
    distances = [distances[row] for _, distances, rows in pieces for row in rows]
    return Neighbours(view.id, keys, distances, values, now, types_of(view))
