"""From whatever a user hands over to an Arrow table of exactly the source's columns, or one error with every fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.definitions.schema import arrow_schema
from headrace.errors import InvalidInputError, nearest
from headrace.kernel.keyless import first_keyless
from headrace.lake.casting import CastError, cast, first_row
from headrace.lake.columns import Column, columns_of

__all__ = ["read_frame"]


def read_frame(
    data: Any,
    schema: Mapping[str, str],
    timestamp: str,
    *,
    available: str | None = None,
    where: str,
    keys: Sequence[Sequence[str]] = (),
    nullable: Collection[str] = (),
) -> pa.Table:
    """The data as an Arrow table with the schema's columns, in its order and with its types.

    Casts lose nothing: int32 to int64, whole numbers that are held as float64 (as pandas does where one is missing), int to
    float64 up to 2**53. Naive timestamps are UTC, others are converted; nanoseconds are floored to microseconds. NaN is null
    where it comes from pandas. A frame without rows is fine.

    Args:
        data: pandas or polars DataFrame, Arrow table or batch, list of rows, dict of columns, or path of Parquet files.
        schema: column name to type name.
        timestamp: the column that says when; never null.
        available: the column that says when a row reached us; never null.
        where: the call that the error names, for example `store.write('ratings')`.
        keys: the key columns of each group that the rows feed. A null key matches nothing, so a row may lack the keys of some
            groups, but not of all.
        nullable: columns that may be null after all, because somebody else looks after it.

    Raises:
        InvalidInputError: a column is missing, unknown, twice there, of another type, or null where it must not be.
    """
    try:
        columns = columns_of(data)
    except InvalidInputError as error:
        msg = f"{where}: {error}"
        raise InvalidInputError(msg) from error
    faults: list[str] = []
    if isinstance(data, Sequence) and not columns and not isinstance(data, str):
        columns = [Column(name, pa.chunked_array([pa.nulls(0)])) for name in schema]
    found = _matched(columns, schema, faults)
    arrays = _converted(found, schema, faults)
    needed = {name: values for name, values in arrays.items() if name not in nullable}
    for name in dict.fromkeys(filter(None, (timestamp, available, *(keys[0] if len(keys) == 1 else ())))):
        if name in needed:
            _refuse_nulls(name, needed[name], faults)
    if len(keys) > 1:
        _refuse_keyless(keys, needed, faults)
    if faults:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        msg = f"{where}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}; nothing was changed:\n{lines}"
        raise InvalidInputError(msg)
    return pa.table(arrays, schema=arrow_schema(schema))


def _matched(columns: Sequence[Column], schema: Mapping[str, str], faults: list[str]) -> dict[str, Column]:
    """Column by name, and a fault for each that is unknown, missing or twice there."""
    counts = Counter(column.name for column in columns)
    faults += [f"column {name!r} is there {count} times; keep one" for name, count in counts.items() if count > 1]
    missing = [name for name in schema if name not in counts]
    for name in counts:
        if name not in schema:
            hint = nearest(name, missing or schema)
            faults.append(f"column {name!r} isn't in the source: rename it, drop it, or add it to the schema{hint}")
    faults += [f"column {name!r} ({schema[name]}) is missing" for name in missing]
    return {column.name: column for column in columns if counts[column.name] == 1 and column.name in schema}


def _converted(columns: Mapping[str, Column], schema: Mapping[str, str], faults: list[str]) -> dict[str, pa.ChunkedArray]:
    arrays = {}
    for name in schema:
        if name in columns:
            try:
                arrays[name] = cast(columns[name], schema[name])
            except CastError as error:
                faults.append(str(error))
    return arrays


def _refuse_keyless(keys: Sequence[Sequence[str]], needed: Mapping[str, pa.ChunkedArray], faults: list[str]) -> None:
    """Refuse rows that belong to no group at all: they would never be seen."""
    row = first_keyless(keys, needed)
    if row is not None:
        names = ", ".join(repr(name) for name in dict.fromkeys(name for columns in keys for name in columns))
        faults.append(f"row {row} has the key of no group; give a value in one of {names}, or drop it")


def _refuse_nulls(name: str, values: pa.ChunkedArray, faults: list[str]) -> None:
    if values.null_count:
        row = first_row(pc.is_null(values))
        rows = "1 row" if values.null_count == 1 else f"{values.null_count} rows"
        faults.append(f"column {name!r} is null in {rows}, first at row {row}; drop them: frame.dropna(subset=[{name!r}])")
