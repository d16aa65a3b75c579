"""Historical features: the values as of each row's own time, for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.catalog.service import Catalog
from headrace.definitions.schema import arrow_type
from headrace.definitions.source import Source
from headrace.definitions.version import ViewVersion
from headrace.engines.engine import Engine, GroupRead
from headrace.errors import InvalidInputError, nearest
from headrace.features import on_demand
from headrace.features.feed import through_of
from headrace.features.frames import queries_of
from headrace.features.ingest import Ingest
from headrace.features.values import GroupColumns, columns_of, finish_columns
from headrace.lake.table import EVENT_TIME, Snapshot
from headrace.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["History", "beside_on_demand", "checked", "needed_columns"]

ASKED = "__asked"
"""The column of a query that holds its moment, where the query didn't come with one."""


class History:
    """Answers reads of the past from the lake: rows in are rows out, whatever matches or not."""

    def __init__(self, catalog: Catalog, ingest: Ingest, engine: Engine) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._engine = engine

    def read(self, reference: str, frame: Any, timestamp: str, *, as_known: bool = False, progress: Progress = silent) -> Any:
        """The frame with the view's features appended: same kind of frame, rows, order, index and columns.

        Raises:
            NotFoundError: no such view.
            InvalidInputError: a join key or the timestamp is missing or of the wrong type, or a feature's name is taken.
        """
        view = self._catalog.view(reference)
        queries, restore = queries_of(frame, needed_columns(view, timestamp))
        return restore(self.append(view, queries, timestamp, self.pin(view), as_known=as_known, progress=progress))

    def pin(self, view: ViewVersion) -> dict[str, Snapshot]:
        """Source name to its table as it is now, everything pushed included."""
        return {source.name: self._ingest.snapshot(source) for source in _sources(view)}

    def pinned(self, view: ViewVersion, versions: Mapping[str, int]) -> dict[str, Snapshot]:
        """Source name to its table as it was at a version."""
        return {source.name: self._ingest.table(source).snapshot(versions[source.name]) for source in _sources(view)}

    def append(
        self,
        view: ViewVersion,
        queries: pa.Table,
        timestamp: str,
        snapshots: Mapping[str, Snapshot],
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> pa.Table:
        """The view's features for each query row, in the view's order, as columns of their own."""
        import pyarrow as pa

        asked = checked(view, queries, timestamp)
        columns: dict[str, pa.Array] = {}
        for group in columns_of(view):
            columns |= self._group(group, asked, snapshots[group.group.source.name], as_known=as_known, progress=progress)
        if view.view.on_demand:
            return beside_on_demand(view, queries, columns)
        return pa.table({name: columns[name] for name in view.view.feature_names})

    def values_at(
        self, columns: GroupColumns, queries: pa.Table, moment: int, through: Mapping[int, int]
    ) -> tuple[dict[str, list[Any]], list[int | None]]:
        """One group's values for the keys of `queries` at one moment, before ttl and default, and the newest times behind
        them, restricted to rows at or below the `through` offsets; of a partition not named there none count."""
        import pyarrow as pa

        source = columns.group.source
        kind = pa.timestamp("us", tz="UTC")
        queries = queries.append_column(ASKED, pa.array([moment] * queries.num_rows, pa.int64()).cast(kind))
        snapshot = self._ingest.snapshot(source)
        read = GroupRead(columns.group, list(columns.names), snapshot, columns.keys, through=through_of(through, snapshot))
        found = self._engine.read(queries, ASKED, read)
        times = found.column(EVENT_TIME).cast(pa.int64()).to_pylist()
        return {name: found.column(name).to_pylist() for name in columns.names}, times

    def _group(
        self, columns: GroupColumns, asked: pa.Table, snapshot: Snapshot, *, as_known: bool, progress: Progress
    ) -> dict[str, pa.Array]:
        group = columns.group
        names = list(columns.names)
        title = f"read {columns.version.id}"
        read = GroupRead(
            group, names, snapshot, columns.keys, as_known, progress=lambda done, total: progress(title, done, total)
        )
        found = self._engine.read(asked, ASKED, read)
        finished = finish_columns(group, names, found, found.column(EVENT_TIME), asked.column(ASKED))
        return {out: column for name, column in zip(names, finished, strict=True) for out in columns.names[name]}


def beside_on_demand(view: ViewVersion, queries: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A view's features in its order, the on-demand ones computed here from the others and the queries' own columns."""
    import pyarrow as pa

    request = {name: queries.column(name).combine_chunks() for name in queries.column_names if name not in columns}
    found = {**columns, **on_demand.compute(view, {**request, **columns}, queries.num_rows)}
    return pa.table({name: found[name] for name in view.view.feature_names})


def _sources(view: ViewVersion) -> Sequence[Source]:
    found = {version.group.source.name: version.group.source for version in view.groups.values()}
    return list(found.values())


def needed_columns(view: ViewVersion, timestamp: str) -> set[str]:
    """The columns that a read takes from a frame, and those that it puts there."""
    return {timestamp, *view.view.request_keys, *view.view.request_inputs, *view.view.feature_names}


def checked(view: ViewVersion, queries: pa.Table, timestamp: str) -> pa.Table:
    """The join keys, cast to their types, and the moment of each row, as ASKED."""
    import pyarrow as pa

    faults = []
    columns: dict[str, Any] = {}
    for name, kind in {**view.view.request_keys, timestamp: "timestamp"}.items():
        out = ASKED if name == timestamp and kind == "timestamp" else name
        try:
            columns[out] = _cast(queries, name, kind)
        except InvalidInputError as error:
            faults.append(str(error))
    missing = [name for name in view.view.request_inputs if name not in queries.column_names]
    faults += [f"on-demand features of view {view.id!r} need a column {name!r}, which the frame doesn't have" for name in missing]
    taken = [name for name in view.view.feature_names if name in queries.column_names]
    if taken:
        faults.append(f"the frame already has the columns {taken}, which view {view.id!r} computes; rename or drop them")
    if faults:
        raise InvalidInputError("; ".join(faults))
    return pa.table(columns)


def _cast(queries: pa.Table, name: str, kind: str) -> Any:
    import pyarrow as pa

    if name not in queries.column_names:
        msg = f"the frame has no column {name!r}{nearest(name, queries.column_names)}"
        raise InvalidInputError(msg)
    column = queries.column(name)
    if pa.types.is_null(column.type) or not len(column):
        return pa.chunked_array([pa.nulls(len(column), arrow_type(kind))])
    if kind == "timestamp":
        return _as_timestamp(column, name)
    same = pa.types.is_integer(column.type) == (kind in ("int32", "int64")) or pa.types.is_floating(column.type)
    if not same or (kind == "string") != _is_text(column.type):
        msg = f"column {name!r} is {column.type}, but the join key is {kind}; cast it"
        raise InvalidInputError(msg)
    try:
        return column.cast(arrow_type(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        msg = f"column {name!r} can't be read as the join key's type {kind}: {error}"
        raise InvalidInputError(msg) from error


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _as_timestamp(column: Any, name: str) -> Any:
    import pyarrow as pa

    from headrace.lake.casting import CastError, cast
    from headrace.lake.columns import Column

    if not pa.types.is_timestamp(column.type):
        msg = (
            f"column {name!r} is {column.type}, not timestamps; convert it first, for example with "
            f"pd.to_datetime(frame[{name!r}], utc=True)"
        )
        raise InvalidInputError(msg)
    try:
        return cast(Column(name, column), "timestamp")
    except CastError as error:
        raise InvalidInputError(str(error)) from error
