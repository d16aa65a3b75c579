"""Computes on-demand features: one path for training and serving."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.definitions.aggregation import Aggregation
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.schema import arrow_type, is_float, is_integer, vector_size
from headrace.definitions.version import ViewVersion
from headrace.definitions.view import on_demand_order
from headrace.errors import HeadraceError, InvalidInputError
from headrace.features.values import fill

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["compute", "input_types", "type_of"]

InputType = tuple[str, bool]
"""Type name and whether the value may be null, both known from the definition, so that a function sees one dtype whatever
the batch holds."""


def input_types(view: ViewVersion) -> dict[str, InputType]:
    """The type of each feature of a view as an on-demand function receives it."""
    types: dict[str, InputType] = {}
    for selection in view.view.selections:
        group = view.groups[selection.group.name].group
        for name in selection.names or [feature.name for feature in group.resolved]:
            feature = group.feature(name)
            counted = isinstance(feature.value, Aggregation) and feature.value.function == "count" and group.ttl_micros is None
            types[selection.prefix + name] = (feature.dtype, feature.default is None and not counted)
    for item in view.view.on_demand:
        types[item.name] = (item.dtype, item.default is None)
    return types


def compute(view: ViewVersion, columns: Mapping[str, pa.Array], rows: int) -> dict[str, pa.Array]:
    """The on-demand features of a view.

    Args:
        columns: the view's other features and the request's columns, `rows` values each.

    Raises:
        InvalidInputError: a request column is missing, or a function failed or returned another length or type.
    """
    types = input_types(view)
    known: dict[str, Any] = dict(columns)
    results: dict[str, pa.Array] = {}
    for item in on_demand_order(view.view):
        arrays = [_input(item, name, known, types) for name in item.inputs]
        results[item.name] = known[item.name] = _output(item, _called(item, arrays), rows)
    return results


def _called(item: OnDemandFeature, arrays: list[np.ndarray[Any, Any]]) -> Any:
    try:
        return item(*arrays)
    except HeadraceError:
        raise
    except Exception as error:  # a user's function may raise anything
        given = ", ".join(f"{name} {array.dtype}" for name, array in zip(item.inputs, arrays, strict=True))
        msg = f"on-demand feature {item.name!r} failed, given {given}: {type(error).__name__}: {error}"
        raise InvalidInputError(msg) from error


def _input(
    item: OnDemandFeature, name: str, columns: Mapping[str, pa.Array], types: Mapping[str, InputType]
) -> np.ndarray[Any, Any]:
    if name not in columns:
        msg = (
            f"on-demand feature {item.name!r} needs {name!r}, which the view doesn't compute; give it as a column of the request"
        )
        raise InvalidInputError(msg)
    column = columns[name]
    if name in types:
        dtype, nullable = types[name]
    else:
        dtype, nullable = type_of(column), column.null_count > 0
    return _to_numpy(column, dtype, nullable=nullable)


def type_of(column: pa.Array) -> str:
    """The name of the type that a column of a request is taken for."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int64"
    if pa.types.is_floating(kind) or pa.types.is_null(kind):
        return "float64"
    return "timestamp" if pa.types.is_timestamp(kind) else "string"


def _to_numpy(column: pa.Array, dtype: str, *, nullable: bool) -> np.ndarray[Any, Any]:
    import numpy as np
    import pyarrow as pa

    size = vector_size(dtype)
    if size is not None:
        return _matrix(column, size)
    if dtype == "timestamp":
        filled = column.cast(pa.timestamp("us")) if column.null_count == 0 else column.cast(pa.int64()).fill_null(-(2**63))
        return np.asarray(filled.to_numpy(zero_copy_only=False)).astype("datetime64[us]")
    if is_float(dtype) or (is_integer(dtype) and nullable):
        return np.asarray(
            column.cast(pa.float32() if dtype == "float32" else pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        )
    if is_integer(dtype) or (dtype == "bool" and not nullable):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    values = np.empty(len(column), object)
    values[:] = column.to_pylist()
    return values


def _matrix(column: pa.Array, size: int) -> np.ndarray[Any, Any]:
    """Vectors as the rows of a float32 array, those of null as NaN."""
    import numpy as np

    valid = column.is_valid().to_numpy(zero_copy_only=False)
    rows = np.full((len(column), size), np.nan, np.float32)
    rows[valid] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return rows


def _output(item: OnDemandFeature, result: Any, rows: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    values, size = np.asarray(result), vector_size(item.dtype)
    if values.shape != ((rows,) if size is None else (rows, size)):
        wanted = "one value per row" if size is None else f"an array of shape ({rows}, {size})"
        msg = (
            f"on-demand feature {item.name!r} returned an array of shape {values.shape} for {rows} rows; it must return {wanted}"
        )
        raise InvalidInputError(msg)
    kind = arrow_type(item.dtype)
    try:
        if size is not None:
            missing = np.isnan(values).any(axis=1)
            numbers = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(numbers, type=kind, mask=pa.array(missing))
        elif is_integer(item.dtype) and values.dtype.kind == "f":  # NaN is null, the rest must be whole
            column = pa.array(values, from_pandas=True).cast(kind)
        elif item.dtype == "timestamp" and values.dtype.kind == "M":
            column = pa.array(values.astype("datetime64[us]"), from_pandas=True).cast(kind)
        else:
            column = pa.array(values if values.dtype != object else _plain(values), from_pandas=True).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        msg = f"on-demand feature {item.name!r} is declared {item.dtype} but returned {values.dtype}: {error}"
        raise InvalidInputError(msg) from error
    if item.default is not None:
        column = fill(column, item.default)
    return column


def _plain(values: Iterable[Any]) -> list[Any]:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]
