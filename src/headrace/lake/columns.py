"""Columns of whatever a user hands over (pandas, polars, Arrow, rows, dicts of columns, Parquet files), as Arrow arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from headrace.clock import to_micros
from headrace.errors import InvalidInputError

__all__ = ["Column", "columns_of", "is_pandas"]

_KINDS = (
    "a pandas or polars DataFrame, an Arrow table, a row or a list of rows, a dict of columns, "
    "or the path of a Parquet file or folder"
)
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it came.

    Attributes:
        name: as it came, turned into text.
        values: an Arrow array, dictionaries decoded and text as `string`; None if it can't be one.
        fault: why it can't.
        gaps_as_nan: whether it comes from pandas, where a missing number makes whole numbers float64 and NaN means null.
    """

    name: str
    values: pa.ChunkedArray | None
    fault: str = ""
    gaps_as_nan: bool = False


def columns_of(data: Any) -> list[Column]:
    """The columns of the data, in order; names may repeat.

    Raises:
        InvalidInputError: it is none of the kinds that can be read, or the file can't be read.
    """
    if is_pandas(data):
        return [_from_objects(str(name), values, pandas=True) for name, values in data.items()]
    if isinstance(data, (str, Path)):
        return _of_table(_read_parquet(Path(data)))
    if isinstance(data, pa.RecordBatch):
        return _of_table(pa.Table.from_batches([data]))
    if hasattr(data, "__arrow_c_stream__") and not hasattr(data, "to_frame"):  # a Series has one column without a place
        return _of_table(pa.table(data))
    if isinstance(data, Mapping):
        return _of_rows([data]) if data and all(map(_is_one, data.values())) else _of_mapping(data)
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return _of_rows(data)
    hint = "; call .collect() first" if hasattr(data, "collect") else ""
    msg = f"{type(data).__name__} can't be read{hint}; give {_KINDS}"
    raise InvalidInputError(msg)


def is_pandas(data: Any) -> bool:
    """Whether it is a pandas DataFrame; asks without importing pandas."""
    return any(kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame" for kind in type(data).__mro__)


def _of_table(table: pa.Table) -> list[Column]:
    return [Column(field.name, _plain(column)) for field, column in zip(table.schema, table.columns, strict=True)]


def _of_mapping(data: Mapping[Any, Any]) -> list[Column]:
    columns = [_from_objects(str(name), values, pandas=_is_series(values)) for name, values in data.items()]
    lengths = {column.name: len(column.values) for column in columns if column.values is not None}
    if len(set(lengths.values())) > 1:
        msg = f"columns differ in length: {lengths}"
        raise InvalidInputError(msg)
    return columns


def _of_rows(rows: Sequence[Mapping[Any, Any]]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [_from_objects(str(name), [row.get(name) for row in rows], pandas=False) for name in names]


def _is_one(values: Any) -> bool:
    """Whether it is a single value, not a column of them."""
    return isinstance(values, (str, bytes)) or not isinstance(values, Iterable)


def _is_series(values: Any) -> bool:
    return type(values).__module__.partition(".")[0] == "pandas"


def _read_parquet(path: Path) -> pa.Table:
    if not path.exists():
        msg = f"there is no file or folder {str(path)!r}; give {_KINDS}"
        raise InvalidInputError(msg)
    files = sorted(str(file) for file in path.rglob("*.parquet")) if path.is_dir() else [str(path)]
    if not files:
        msg = f"the folder {str(path)!r} holds no .parquet file"
        raise InvalidInputError(msg)
    try:
        return ds.dataset(files, format="parquet", partitioning="hive").to_table()
    except (pa.ArrowException, OSError) as error:
        msg = f"{str(path)!r} can't be read as Parquet: {str(error).splitlines()[0]}"
        raise InvalidInputError(msg) from error


def _from_objects(name: str, values: Any, *, pandas: bool) -> Column:
    """A column of Python objects, NumPy values or a pandas Series."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return Column(name, _plain(pa.chunked_array(values) if isinstance(values, pa.Array) else values))
    if getattr(values, "ndim", 1) == 2 and hasattr(values, "reshape"):
        return _from_matrix(name, values)
    if _is_one(values):
        return Column(name, None, f"column {name!r} is one {type(values).__name__}, not a column of values")
    items: Any = values
    if isinstance(values, list) or str(getattr(values, "dtype", "")) == "object":
        items = list(values)
        if _holds_times(items):
            return _times(name, items)
    try:
        found = _plain(_chunked(pa.array(items, from_pandas=pandas)))
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return Column(name, None, f"column {name!r} {_mixture(list(values))}")
    return Column(name, _nan_to_null(found) if pandas else found, gaps_as_nan=pandas)


def _from_matrix(name: str, values: Any) -> Column:
    """A column of vectors: the rows of a NumPy array."""
    try:
        return Column(name, pa.chunked_array([pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])]))
    except (pa.ArrowException, ValueError, TypeError):
        return Column(name, None, f"column {name!r} is an array of shape {values.shape} that holds no numbers")


def _chunked(array: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _holds_times(items: list[Any]) -> bool:
    first = next((item for item in items if not _is_missing(item)), None)
    return (hasattr(first, "utcoffset") and hasattr(first, "date")) or type(first).__name__ == "datetime64"


def _is_missing(item: Any) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (isinstance(item, float) and math.isnan(item))


def _times(name: str, items: list[Any]) -> Column:
    """Points in time one by one: each may have its own time zone."""
    micros: list[int | None] = []
    for row, item in enumerate(items):
        try:
            micros.append(None if _is_missing(item) else to_micros(item))
        except InvalidInputError as error:
            return Column(name, None, f"column {name!r}, row {row}: {error}")
    return Column(name, pa.chunked_array([pa.array(micros, pa.int64())]).cast(_TIME))


def _mixture(items: list[Any]) -> str:
    """What is in a column that has no single type: the first row of each type found."""
    found: dict[str, int] = {}
    for row, item in enumerate(items):
        if not _is_missing(item):
            found.setdefault(type(item).__name__, row)
    shown = ", ".join(f"{kind} (first at row {row})" for kind, row in found.items())
    if len(found) > 1:
        return f"mixes types: {shown}; make it one type"
    return f"holds values that have no column type, or that are too large for one: {shown}"


def _nan_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without dictionaries and views, text as `string` and bytes as `binary`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _decoded(column)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _narrowed(column, pa.string())
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return _narrowed(column, pa.binary())
    return column


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    values = _plain(pa.chunked_array([], column.type.value_type))
    chunks = [_plain(pa.chunked_array([chunk.dictionary])).combine_chunks().take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, values.type)


def _narrowed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast to a type whose chunks hold at most 2 GB, in smaller chunks if need be."""
    chunks: list[pa.Array] = []
    for chunk in column.chunks:
        rows = max(1, len(chunk) * 2**29 // max(1, chunk.nbytes))
        chunks += [chunk.slice(start, rows).cast(kind) for start in range(0, len(chunk), rows)]
    return pa.chunked_array(chunks, kind)
