"""Lossless casts of a column to its declared type, and the advice when there is none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.definitions.schema import arrow_type, is_float, is_integer, vector_size
from headrace.lake.columns import Column

__all__ = ["CastError", "cast", "first_row"]

_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
_EXACT = 2**53
_PER_MICRO = 1000


class CastError(Exception):
    """A column that can't have the declared type; the text says what it holds, where, and how to mend it."""


def cast(column: Column, kind: str) -> pa.ChunkedArray:
    """The column's values as the type named `kind`, exactly the same values. Nanoseconds are floored to microseconds.

    Raises:
        CastError: there is no lossless way.
    """
    if column.values is None:
        raise CastError(column.fault)
    values, target = column.values, arrow_type(kind)
    if pa.types.is_null(values.type) or (column.gaps_as_nan and values.null_count == len(values)):
        return pa.chunked_array([pa.nulls(len(values), target)])
    if vector_size(kind) is not None:
        return _to_vectors(column.name, values, target)
    if pa.types.is_timestamp(values.type) and kind == "timestamp":
        return _to_micros(column.name, values)
    if values.type == target:
        return values
    if _may_fit(values, kind):
        return _exactly(column.name, values, target)
    raise CastError(_mismatch(column.name, values, kind))


def _to_vectors(name: str, values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Lists of the right length as vectors; their numbers are rounded to 32 bits."""
    size = target.list_size
    held = values.type
    lists = pa.types.is_list(held) or pa.types.is_large_list(held) or pa.types.is_fixed_size_list(held)
    if not lists or not (pa.types.is_floating(held.value_type) or pa.types.is_integer(held.value_type)):
        shown = "" if (row := first_row(pc.is_valid(values))) is None else f" ({_short(values[row].as_py())} at row {row})"
        msg = (
            f"column {name!r} holds {_called(held)}{shown}, but vector[{size}] is expected; give a list or an array of {size} "
            "numbers in each row, or one two-dimensional NumPy array"
        )
        raise CastError(msg)
    row = first_row(pc.not_equal(pc.list_value_length(values), size))
    if row is not None:
        found = len(values[row].as_py())
        msg = f"column {name!r}, row {row}: a vector of {found} numbers, but vector[{size}] is expected; give exactly {size}"
        raise CastError(msg)
    if any(chunk.flatten().null_count for chunk in values.chunks):
        row = next(row for row, item in enumerate(values.to_pylist()) if item is not None and None in item)
        msg = f"column {name!r}, row {row}: the vector lacks a number; give {size} numbers, or null for the whole vector"
        raise CastError(msg)
    plain = values.cast(pa.list_(pa.float32(), size) if pa.types.is_fixed_size_list(held) else pa.list_(pa.float32()), safe=False)
    return plain.cast(target)


def _may_fit(values: pa.ChunkedArray, kind: str) -> bool:
    """Whether the values can be of the other type, if each of them is.

    Pandas holds whole numbers with gaps as floats, also in those parts of a frame that have no gap, and in its Parquet files.
    """
    if is_integer(kind) or is_float(kind):
        return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))
    return kind == "date" and bool(pa.types.is_date(values.type))


def _exactly(name: str, values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """The cast values, each the same as before."""
    found = values.cast(target, safe=False)
    if pa.types.is_date(target):
        return found
    row = first_row(pc.invert(_same(values, found)))
    if row is not None:
        msg = (
            f"column {name!r} holds {_called(values.type)}: {values[row].as_py()!r} at row {row} can't be {_called(target)} "
            f"without loss; declare a wider type, or round it on purpose: frame[{name!r}].astype({_called(target)!r})"
        )
        raise CastError(msg)
    return found


def _same(before: pa.ChunkedArray, after: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each value came through a cast: there and back alike, and inside the range where that tells."""
    same = pc.equal(after.cast(before.type, safe=False), before)
    if pa.types.is_floating(before.type) and pa.types.is_floating(after.type):
        return pc.or_(same, pc.is_nan(before))
    if pa.types.is_floating(before.type):  # pandas rounded whole numbers beyond 2**53 before they came here
        return pc.and_(same, pc.less_equal(pc.abs(before), _EXACT))
    if pa.types.is_floating(after.type):  # 2**63 - 1 becomes 2**63, and back again
        return pc.and_(same, pc.less(after.cast(pa.float64()), float(2**63)))
    return pc.and_(same, pc.equal(_below_zero(before), _below_zero(after)))


def _below_zero(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.less(values, pa.scalar(0, values.type))


def _to_micros(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """UTC microseconds. A time zone only says how an instant is shown; without one the values are UTC."""
    unit = values.type.unit
    numbers = values.cast(pa.timestamp(unit)).cast(pa.int64()) if values.type.tz is None else values.cast(pa.int64())
    if unit == "ns":
        whole = pc.divide(numbers, _PER_MICRO)  # toward zero
        below = pc.less(numbers, pc.multiply(whole, _PER_MICRO))
        numbers = pc.subtract(whole, below.cast(pa.int64()))
    else:
        scale = {"s": 1_000_000, "ms": 1000, "us": 1}[unit]
        _refuse_outside(name, values, numbers, _EARLIEST // scale, _LATEST // scale)
        numbers = pc.multiply(numbers, scale)
    return numbers.cast(arrow_type("timestamp"))


def _refuse_outside(name: str, values: pa.ChunkedArray, numbers: pa.ChunkedArray, low: int, high: int) -> None:
    row = first_row(pc.or_(pc.less(numbers, low), pc.greater(numbers, high)))
    if row is not None:
        msg = (
            f"column {name!r}, row {row}: {numbers[row].as_py()} {values.type.unit} since 1970 is outside the years 1 to 9999; "
            "is it in another unit?"
        )
        raise CastError(msg)


def first_row(flags: pa.ChunkedArray) -> int | None:
    """The place of the first true; None if there is none."""
    row = pc.index(flags, pa.scalar(True)).as_py()
    return None if row < 0 else row


def _mismatch(name: str, values: pa.ChunkedArray, kind: str) -> str:
    row = first_row(pc.is_valid(values))
    shown = "" if row is None else f" ({_short(values[row].as_py())} at row {row})"
    return f"column {name!r} holds {_called(values.type)}{shown}, but {kind} is expected; {_advice(name, values.type, kind)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _called(kind: pa.DataType) -> str:
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))


def _advice(name: str, found: pa.DataType, kind: str) -> str:
    place = f"frame[{name!r}]"
    if kind == "timestamp":
        unit = ", unit='s'" if pa.types.is_integer(found) or pa.types.is_floating(found) else ""
        return f"convert it: {place} = pd.to_datetime({place}{unit}, utc=True)"
    if kind == "date":
        return f"convert it: {place} = pd.to_datetime({place}).dt.date"
    if pa.types.is_string(found) and kind not in ("bytes", "bool"):
        return f"convert it: {place} = pd.to_numeric({place})"
    if kind == "string":
        return f"convert it: {place} = {place}.astype('str')"
    if kind == "bytes":
        return f"convert it: {place} = {place}.str.encode('utf-8')"
    return f"convert it: {place} = {place}.astype({kind!r}), or declare the column with the type that it has"
