"""The last step of every feature value, in training and in serving alike: time to live, default, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headrace.definitions.aggregation import Feature
from headrace.definitions.group import FeatureGroup
from headrace.definitions.schema import arrow_type, vector_size
from headrace.definitions.version import GroupVersion, ViewVersion

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NOT_FOUND",
    "NULL_VALUE",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "GroupColumns",
    "are_fresh",
    "columns_of",
    "fill",
    "finish_columns",
    "finish_values",
    "is_stored_as_given",
    "to_arrow",
    "to_values",
]

PRESENT = "PRESENT"
NULL_VALUE = "NULL_VALUE"
NOT_FOUND = "NOT_FOUND"
OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"


@dataclass(frozen=True)
class GroupColumns:
    """The columns that a view takes from one group under one set of request keys.

    Attributes:
        keys: entity key to request column, in the entity's order.
        names: feature name in the group to column name in the view, in order.
    """

    version: GroupVersion
    keys: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]

    @property
    def group(self) -> FeatureGroup:
        """The group, its features' types resolved."""
        return self.version.group


def columns_of(view: ViewVersion) -> list[GroupColumns]:
    """What a view reads, one entry per group and request keys, so that each is read once."""
    merged: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, tuple[str, ...]]] = {}
    for selection in view.view.selections:
        group = view.groups[selection.group.name].group
        chosen = selection.names or tuple(feature.name for feature in group.resolved)
        names = merged.setdefault((group.name, tuple(selection.request_keys.items())), {})
        for name in chosen:
            names[name] = (*names.get(name, ()), selection.prefix + name)
    return [GroupColumns(view.groups[name], dict(keys), names) for (name, keys), names in merged.items()]


def finish_columns(
    group: FeatureGroup, names: Sequence[str], values: pa.Table, times: pa.ChunkedArray, asked: pa.ChunkedArray
) -> list[pa.Array]:
    """Apply ttl and defaults to whole columns.

    Args:
        values: one column per feature, as the engine computed it.
        times: newest event or record time that each row sees, null if none: timestamp[us, UTC].
        asked: the time that each row asks about.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    expired = None
    if group.ttl_micros is not None:
        age = pc.subtract(asked.cast(pa.int64()), times.cast(pa.int64()))
        expired = pc.fill_null(pc.greater(age, group.ttl_micros), False)
    finished = []
    for name in names:
        column = values.column(name)
        if expired is not None:
            column = pc.if_else(expired, pa.scalar(None, column.type), column)
        default = group.feature(name).default
        if default is not None:
            column = fill(column, default)
        finished.append(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return finished


def fill(column: Any, default: Any) -> Any:
    """An Arrow array or chunked array with `default` in place of null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_nested(column.type):
        return pc.fill_null(column, pa.scalar(default, column.type))
    return pa.array([default if item is None else item for item in column.to_pylist()], column.type)


def are_fresh(times: Sequence[int | None], ttl: int | None, at: int) -> bool:
    """Whether every row has an event or a record, none older than the ttl."""
    try:
        oldest: Any = min(times, default=at)  # type: ignore[type-var]
        return (ttl is None and oldest is not None) or at - oldest <= (ttl or 0)
    except TypeError:  # some row has none
        return False


def is_stored_as_given(feature: Feature) -> bool:
    """Whether a stored value is what a caller gets."""
    return feature.dtype not in _FROM_STORED and vector_size(feature.dtype) is None


def finish_values(
    feature: Feature, ttl: int | None, values: list[Any], times: Sequence[int | None], at: int
) -> tuple[list[Any], list[str]]:
    """Apply ttl and default to the values of one feature, and say the status of each. Changes `values` in place."""
    pairs = zip(values, times, strict=True)
    statuses = [NOT_FOUND if time is None else PRESENT if value is not None else NULL_VALUE for value, time in pairs]
    if ttl is not None:
        for row, time in enumerate(times):
            if time is not None and at - time > ttl:
                values[row], statuses[row] = None, OUTSIDE_MAX_AGE
    if feature.default is not None and None in values:
        default = to_arrow([feature.default], feature.dtype)[0].as_py()  # 2 is 2.0 in a feature of floats
        values[:] = [default if value is None else value for value in values]
    convert = _to_vector if vector_size(feature.dtype) is not None else _FROM_STORED.get(feature.dtype)
    if convert is not None:
        values[:] = [None if value is None else convert(value) for value in values]
    return values, statuses


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _to_datetime(value: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=value) if isinstance(value, int) else value


def _to_vector(value: Any) -> Any:
    import numpy as np

    return np.frombuffer(value, "<f4") if isinstance(value, bytes) else np.asarray(value, np.float32)


def _to_date(value: Any) -> date:
    return (_EPOCH + timedelta(days=value)).date() if isinstance(value, int) else value


_FROM_STORED: dict[str, Callable[[Any], Any]] = {
    "timestamp": _to_datetime,
    "date": _to_date,
    "list<timestamp>": lambda items: [_to_datetime(item) for item in items],
    "list<date>": lambda items: [_to_date(item) for item in items],
}
"""Online states hold times as integers and vectors as bytes; a caller gets what Arrow and pandas would give."""


def to_values(column: pa.Array) -> list[Any]:
    """The values of a feature as callers get them: vectors as NumPy arrays."""
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    if pa.types.is_fixed_size_list(column.type):
        return [None if value is None else _to_vector(value) for value in values]
    return values


def to_arrow(values: Sequence[Any], dtype: str) -> pa.Array:
    """Python values as an Arrow array of a feature type."""
    import pyarrow as pa

    return pa.array(values, arrow_type(dtype))
