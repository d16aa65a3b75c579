"""Verify: computes served values again from history, restricted to exactly the rows that each value reflected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.catalog.service import Catalog
from headrace.clock import Clock
from headrace.definitions.version import ViewVersion
from headrace.definitions.window import Duration, parse_duration
from headrace.engines.engine import Engine, GroupRead
from headrace.errors import HeadraceError, InvalidInputError
from headrace.features import on_demand
from headrace.features.answers import DROPPED
from headrace.features.ingest import Ingest
from headrace.features.sameness import same
from headrace.features.served import COMPLETE, INPUTS, KEY, LIVE, REFLECTED, REQUEST, VALUE, Served
from headrace.features.values import GroupColumns, columns_of, finish_columns
from headrace.lake.table import AVAILABLE_TIME, EVENT_TIME, OFFSET, PARTITION, Snapshot
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Difference", "FeatureCheck", "Verifier", "ViewVerification"]

EXAMPLES = 5
"""How many differing rows of a feature are shown."""
_ELSEWHERE = "on-demand features were computed by whoever asked"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that isn't what history gives.

    Attributes:
        keys: of the row.
        at: the moment asked about, microseconds since 1970 UTC.
        request: the id under which the request was kept.
        served, recomputed: the two values.
    """

    keys: Mapping[str, Any]
    at: int
    request: str
    served: Any
    recomputed: Any


@dataclass(frozen=True, slots=True)
class FeatureCheck:
    """One feature's served values compared with history.

    Attributes:
        equal, differing: how many rows have the same value bit by bit, and how many don't.
        missing: how many rows couldn't be computed again; `reason` says why.
        inherited: for an on-demand feature, how many of the differing rows have a differing input.
        examples: some of the differing rows, the newest first.
    """

    equal: int
    differing: int
    missing: int
    inherited: int = 0
    reason: str = ""
    examples: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True)
class ViewVerification:
    """The result of computing served values again. True if none differs.

    Attributes:
        view: the view version that served them, `ranking:3`.
        rows: how many kept rows were compared.
        dropped: how many rows of the sample couldn't be kept.
        features: by name.
        as_known: whether the values were compared with all rows that had arrived by then, not only with those that they
            reflected.
        lag: with `as_known`, the longest time in seconds between a row's arrival and its visibility online, among the answers
            that differ; None without.
    """

    view: str
    rows: int
    dropped: int
    features: Mapping[str, FeatureCheck]
    as_known: bool = False
    lag: float | None = None

    @property
    def ok(self) -> bool:
        """Whether no value differs."""
        return not any(check.differing for check in self.features.values())

    @property
    def differing(self) -> dict[str, int]:
        """Feature name to the number of rows that differ, those without any left out."""
        return {name: check.differing for name, check in self.features.items() if check.differing}

    def __bool__(self) -> bool:
        return self.ok


@dataclass
class _Again:
    """Values computed again, the rows where they can't be, and why; on-demand features also from the inputs as served."""

    values: dict[str, pa.Array] = field(default_factory=dict)
    missing: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    from_served: dict[str, pa.Array] = field(default_factory=dict)


class Verifier:
    """Computes kept answers again. The engine must be one that takes limits for each query."""

    def __init__(self, catalog: Catalog, ingest: Ingest, engine: Engine, served: Served, clock: Clock) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._engine = engine
        self._served = served
        self._clock = clock

    def run(
        self,
        reference: str,
        since: Duration | None = None,
        limit: int | None = None,
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> ViewVerification:
        """Compare what was served of a view with history.

        Args:
            reference: the view, `"ranking"` or pinned `"ranking:3"`; each version has its own sample.
            since: how far to look back, `"7d"`. Default: all.
            limit: at most so many rows, the newest.
            as_known: compare with all that had reached us at each moment. Rows that asked about another moment are left out.

        Raises:
            NotFoundError: no such view.
        """
        import pyarrow as pa

        view = self._catalog.view(reference)
        if limit is not None and limit < 1:
            msg = f"limit is {limit}; it is a number of rows, at least 1"
            raise InvalidInputError(msg)
        start = None if since is None else self._clock() - parse_duration(since)
        rows, dropped = _newest(self._served.read(view, start), limit, live=as_known)
        again = self._again(view, rows, as_known=as_known, progress=progress)
        features, differing = {}, np.zeros(rows.num_rows, bool)
        for name in view.view.feature_names:
            features[name], found = _check(view, rows, again, name)
            differing |= found
        lag = self._lag(view, rows.filter(pa.array(differing))) if as_known else None
        return ViewVerification(view.id, rows.num_rows, dropped, features, as_known, lag)

    def _again(self, view: ViewVersion, rows: pa.Table, *, as_known: bool, progress: Progress) -> _Again:
        found = _Again()
        for columns, limits in _limits(view, rows):
            outs = [out for names in columns.names.values() for out in names]
            lacking = np.ones(rows.num_rows, bool)
            try:
                snapshot = self._ingest.snapshot(columns.group.source)
                lacking = _lacking(limits, snapshot)
                values = self._group(columns, rows, snapshot, None if as_known else limits, progress)
                reason = f"the lake has no longer all rows of source {columns.group.source.name!r} that the values reflected"
            except HeadraceError as error:
                values, reason = {}, str(error)
            for out in outs:
                found.values[out] = values.get(out, _nulls(rows.column(VALUE + out)))
                found.missing[out], found.reasons[out] = lacking, reason if lacking.any() else ""
        if view.view.on_demand:
            _compute(view, rows, found)
        return found

    def _group(
        self,
        columns: GroupColumns,
        rows: pa.Table,
        snapshot: Snapshot,
        limits: Sequence[Mapping[int, int]] | None,
        progress: Progress,
    ) -> dict[str, pa.Array]:
        names, title = list(columns.names), f"compute {columns.version.id} again"
        keys = {key: KEY + request for key, request in columns.keys.items()}
        read = GroupRead(
            columns.group,
            names,
            snapshot,
            keys,
            limits is None,
            limits=limits,
            progress=lambda done, total: progress(title, done, total),
        )
        found = self._engine.read(rows, EVENT_TIME, read)
        finished = finish_columns(columns.group, names, found, found.column(EVENT_TIME), rows.column(EVENT_TIME))
        return {out: column for name, column in zip(names, finished, strict=True) for out in columns.names[name]}

    def _lag(self, view: ViewVersion, rows: pa.Table) -> float:
        """The longest that a row which had reached us and counts at a moment asked about was not reflected yet, in seconds."""
        return max((self._group_lag(columns, rows, limits) for columns, limits in _limits(view, rows)), default=0) / 1e6

    def _group_lag(self, columns: GroupColumns, rows: pa.Table, limits: Sequence[Mapping[int, int]]) -> int:
        import pyarrow as pa

        moments = rows.column(EVENT_TIME).cast(pa.int64()).to_pylist()
        keys = zip(*(rows.column(KEY + name).to_pylist() for name in columns.keys.values()), strict=True)
        asked: dict[tuple[Any, ...], list[tuple[int, Mapping[int, int]]]] = {}
        for key, moment, limit in zip(keys, moments, limits, strict=True):
            asked.setdefault(key, []).append((moment, limit))
        longest = 0
        snapshot = self._ingest.snapshot(columns.group.source)
        names = [*columns.group.key_columns.values(), EVENT_TIME, AVAILABLE_TIME, PARTITION, OFFSET]
        first = rows.column(KEY + next(iter(columns.keys.values()))).combine_chunks()
        for batch in snapshot.scan([*dict.fromkeys(names)]):
            late = _not_reflected(batch, names[0], first, limits)
            times = [late.column(name).cast(pa.int64()).to_pylist() for name in names[-4:]]
            held = zip(*(late.column(name).to_pylist() for name in names[:-4]), strict=True)
            for key, event, available, partition, offset in zip(held, *times, strict=True):
                for moment, limit in asked.get(key, ()):
                    if event < moment and available <= moment and limit.get(partition, -1) < offset:
                        longest = max(longest, moment - available)
        return longest


def _not_reflected(batch: pa.RecordBatch, column: str, keys: pa.Array, limits: Sequence[Mapping[int, int]]) -> pa.RecordBatch:
    """The rows that some answer about one of the keys may not have reflected."""
    import pyarrow as pa
    import pyarrow.compute as pc

    batch = batch.filter(pc.is_in(batch.column(column), value_set=keys))
    partitions, offsets = batch.column(PARTITION).to_numpy(), batch.column(OFFSET).to_numpy()
    wanted = np.zeros(batch.num_rows, bool)
    for partition in np.unique(partitions).tolist():
        least = min((limit.get(partition, -1) for limit in limits), default=-1)
        wanted |= (partitions == partition) & (offsets > least)
    return batch.filter(pa.array(wanted))


def _newest(rows: pa.Table, limit: int | None, *, live: bool) -> tuple[pa.Table, int]:
    """The newest rows, newest first, and how many were dropped."""
    import pyarrow.compute as pc

    dropped = pc.sum(rows.column(DROPPED)).as_py() or 0
    if live:
        rows = rows.filter(rows.column(LIVE))
    rows = rows.sort_by([(EVENT_TIME, "descending"), (REQUEST, "ascending")])
    return (rows if limit is None else rows.slice(0, min(limit, rows.num_rows))).combine_chunks(), dropped


def _limits(view: ViewVersion, rows: pa.Table) -> list[tuple[GroupColumns, list[dict[int, int]]]]:
    """Each group of the view with each row's limits: partition to the highest offset reflected."""
    found = [json.loads(text) for text in rows.column(REFLECTED).to_pylist()]
    return [
        (columns, [{int(partition): last for partition, last in groups[place]["through"].items()} for groups in found])
        for place, columns in enumerate(columns_of(view))
    ]


def _lacking(limits: Sequence[Mapping[int, int]], snapshot: Snapshot) -> NDArray[np.bool_]:
    """The rows that reflect offsets that the lake hasn't got."""
    held = {partition: snapshot.committed(partition) for partition in {partition for limit in limits for partition in limit}}
    return np.array([any(last > held[partition] for partition, last in limit.items()) for limit in limits], bool)


def _compute(view: ViewVersion, rows: pa.Table, found: _Again) -> None:
    """Add the on-demand features: of the values computed again."""
    needed = {item.name: item.inputs for item in view.view.on_demand}
    elsewhere = ~rows.column(COMPLETE).to_numpy()
    try:
        found.values |= _on_demand(view, rows, found.values)
        reason, broken = "", False
        found.from_served = _on_demand(view, rows, {name: rows.column(VALUE + name).combine_chunks() for name in found.missing})
    except HeadraceError as error:
        reason, broken = str(error), True
    for name in needed:
        inputs = _closure(name, needed)
        lacking = [found.missing[item] for item in inputs if item in found.missing and item not in needed]
        missing = np.logical_or.reduce([elsewhere | broken, *lacking])
        found.missing[name] = missing
        reasons = [reason, *(found.reasons.get(item, "") for item in inputs), _ELSEWHERE if elsewhere.any() else ""]
        found.reasons[name] = next(filter(None, reasons), "")
        found.values.setdefault(name, _nulls(rows.column(VALUE + name)))


def _on_demand(view: ViewVersion, rows: pa.Table, values: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """The on-demand features of each row; rows whose inputs had other types are computed apart, as they were then."""
    import pyarrow as pa

    elsewhere = np.flatnonzero(~rows.column(COMPLETE).to_numpy())
    order: list[NDArray[np.int64]] = [elsewhere]
    pieces = {item.name: [_nulls(rows.column(VALUE + item.name).slice(0, len(elsewhere)))] for item in view.view.on_demand}
    for places, inputs in _inputs(rows):
        taken = pa.array(places)
        known = {name: column.take(taken) for name, column in values.items() if name not in pieces}
        known |= {name: rows.column(KEY + name).combine_chunks().take(taken) for name in view.view.request_keys}
        for name, column in on_demand.compute(view, {**known, **inputs}, len(places)).items():
            pieces[name].append(column)
        order.append(places)
    back = pa.array(np.argsort(np.concatenate(order)))
    return {name: pa.concat_arrays(columns).take(back) for name, columns in pieces.items()}


def _inputs(rows: pa.Table) -> list[tuple[NDArray[np.int64], dict[str, pa.Array]]]:
    """The rows whose on-demand features were computed, by the types of their requests' inputs, with these."""
    import pyarrow as pa

    by_schema: dict[Any, tuple[list[int], list[pa.Table]]] = {}
    complete = rows.column(COMPLETE).to_pylist()
    for row, packed in enumerate(rows.column(INPUTS).to_pylist()):
        if not complete[row]:
            continue
        table = pa.table({}) if packed is None else pa.ipc.open_stream(packed).read_all()
        places, tables = by_schema.setdefault(table.schema, ([], []))
        places.append(row)
        tables.append(table)
    found = []
    for places, tables in by_schema.values():
        whole = pa.concat_tables(tables).combine_chunks()
        found.append((np.array(places), {name: whole.column(name).combine_chunks() for name in whole.column_names}))
    return found


def _closure(name: str, needed: Mapping[str, Sequence[str]]) -> list[str]:
    """Everything that an on-demand feature comes from, itself left out."""
    found: list[str] = []
    for item in needed[name]:
        found += [item, *(_closure(item, needed) if item in needed else ())]
    return found


def _nulls(column: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(len(column), column.type)


def _check(view: ViewVersion, rows: pa.Table, again: _Again, name: str) -> tuple[FeatureCheck, NDArray[np.bool_]]:
    """What a feature showed, and the rows that differ."""
    served, values, missing = rows.column(VALUE + name).combine_chunks(), again.values[name], again.missing[name]
    equal = same(served, values)
    differing = ~equal & ~missing
    examples = []
    for row in np.flatnonzero(differing)[:EXAMPLES].tolist():
        keys = {key: rows.column(KEY + key)[row].as_py() for key in view.view.request_keys}
        moment = rows.column(EVENT_TIME)[row].cast("int64").as_py()
        examples.append(Difference(keys, moment, rows.column(REQUEST)[row].as_py(), served[row].as_py(), values[row].as_py()))
    check = FeatureCheck(
        equal=int((equal & ~missing).sum()),
        differing=int(differing.sum()),
        missing=int(missing.sum()),
        inherited=int(same(served, again.from_served[name])[differing].sum()) if name in again.from_served else 0,
        reason=again.reasons[name],
        examples=examples,
    )
    return check, differing
