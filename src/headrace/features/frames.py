"""The frames that reads of the past take, and giving back the same kind of frame with columns appended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Restore", "queries_of", "to_model_frame", "to_pandas", "to_pandas_column"]

Restore = Callable[["pa.Table"], Any]
"""Takes a table of new columns, one row per row of the frame; returns the frame, of its own kind, with them appended."""


def queries_of(frame: Any, needed: Collection[str] | None = None) -> tuple[pa.Table, Restore]:
    """The frame's columns as Arrow (text as `string`, points in time of mixed zones as UTC), and the way back.

    The way back keeps rows, order, columns, types and, of pandas, the index; it never changes the frame given.

    Args:
        needed: the columns that matter; others that can't be read are left out. Default: all.

    Raises:
        InvalidInputError: it isn't a pandas or polars DataFrame or an Arrow table, or a column mixes types or is there twice.
    """
    import pyarrow as pa

    from headrace.lake.columns import columns_of

    restore = _restorer(frame)
    columns = columns_of(frame)
    checked = [column for column in columns if needed is None or column.name in needed]
    faults = [column.fault for column in checked if column.fault]
    counts = Counter(column.name for column in checked)
    faults += [f"column {name!r} is there {count} times; keep one" for name, count in counts.items() if count > 1]
    if faults:
        msg = f"the frame can't be read: {'; '.join(faults)}"
        raise InvalidInputError(msg)
    return pa.table({column.name: column.values for column in columns if not column.fault}), restore


def _restorer(frame: Any) -> Restore:
    import pyarrow as pa

    from headrace.lake.columns import is_pandas

    if is_pandas(frame):
        return lambda appended: _onto_pandas(frame, appended)
    if isinstance(frame, pa.Table):
        return lambda appended: _onto_arrow(frame, appended)
    if isinstance(frame, pa.RecordBatch):
        return lambda appended: _as_batch(_onto_arrow(pa.Table.from_batches([frame]), appended))
    if type(frame).__module__.startswith("polars") and hasattr(frame, "hstack"):
        return lambda appended: _onto_polars(frame, appended)
    msg = f"{type(frame).__name__} can't be read as a frame; give a pandas or polars DataFrame or an Arrow table"
    raise InvalidInputError(msg)


def _onto_pandas(frame: Any, appended: pa.Table) -> Any:
    import pandas as pd

    return pd.concat([frame, to_pandas(appended).set_axis(frame.index)], axis=1)


def _onto_arrow(frame: pa.Table, appended: pa.Table) -> pa.Table:
    for field, column in zip(appended.schema, appended.columns, strict=True):
        frame = frame.append_column(field, column)
    return frame


def _as_batch(table: pa.Table) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.record_batch([column.combine_chunks() for column in table.columns], schema=table.schema)


def _onto_polars(frame: Any, appended: pa.Table) -> Any:
    import polars as pl

    new = pl.from_arrow(appended)
    return frame.hstack(new.get_columns())  # type: ignore[union-attr]  # a table gives a DataFrame


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A table as pandas, the same way wherever a frame leaves Headrace."""
    import pandas as pd

    columns = {name: to_pandas_column(table.column(name)) for name in table.column_names}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))


def to_pandas_column(column: pa.ChunkedArray) -> Any:
    """A pandas Series: whole numbers and bools with gaps as nullable types, float gaps as NaN, lists as Python lists, vectors as
    NumPy arrays."""
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        return column.to_pandas()
    if pa.types.is_list(kind):
        return pd.Series(column.to_pylist(), dtype="object")
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        names: dict[Any, Any] = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
        return column.to_pandas(types_mapper=names.get)
    return column.to_pandas()


def to_model_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Arrow columns as a DataFrame that models take, typed alike in training and in serving.

    Whole numbers with gaps are float64 with NaN, for scikit-learn refuses pandas' own gaps; they are Int64 only if one has no
    float of its own. Bools with gaps are objects with None, lists are Python lists.
    """
    import pandas as pd

    return pd.DataFrame({name: _for_models(column) if _is_arrow(column) else column for name, column in columns.items()})


def _is_arrow(column: Any) -> bool:
    import pyarrow as pa

    return isinstance(column, (pa.Array, pa.ChunkedArray))


def _for_models(column: Any) -> Any:
    import pyarrow as pa

    if column.null_count and pa.types.is_boolean(column.type):
        return column.to_pandas()
    if column.null_count and pa.types.is_integer(column.type):
        with suppress(pa.ArrowInvalid):  # a whole number beyond 2**53
            return column.cast(pa.float64()).to_pandas()
    return to_pandas_column(column)
