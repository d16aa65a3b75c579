"""A fingerprint of a table's values that doesn't depend on how they are stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fingerprint"]


def fingerprint(table: pa.Table) -> str:
    """SHA-256 over column names, types, nulls and values, in the order of columns and rows, as 64 hex digits."""
    digest = hashlib.sha256(f"{table.num_rows}".encode())
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        digest.update(f"\x00{name}\x00{_type_name(column.type)}\x00".encode())
        _add(digest, column)
    return digest.hexdigest()


def _type_name(kind: pa.DataType) -> str:
    """The type's name without what storage may change: the name of a list's field, the width of offsets."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_type_name(kind.value_type)}>"
    if pa.types.is_fixed_size_list(kind):
        return f"vector<{_type_name(kind.value_type)}>[{kind.list_size}]"
    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    return str(kind).removeprefix("large_").removesuffix("_view")


def _add(digest: Any, column: pa.Array) -> None:
    import numpy as np
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    kind = column.type
    digest.update(np.packbits(np.asarray(column.is_valid())).tobytes())
    if pa.types.is_dictionary(kind):
        _add(digest, column.dictionary_decode())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        digest.update(_lengths(column.value_lengths()))
        _add(digest, column.flatten())
    elif pa.types.is_fixed_size_list(kind):
        _add(digest, column.flatten())
    elif pa.types.is_null(kind):
        return
    elif pa.types.is_primitive(kind):
        digest.update(_fixed(column))
    else:
        values = column.cast(pa.large_binary()) if not pa.types.is_large_binary(kind) else column
        values = values.fill_null(b"")
        digest.update(_lengths(values.binary_length() if hasattr(values, "binary_length") else pa.compute.binary_length(values)))
        digest.update(b"".join(values.to_pylist()))


def _lengths(lengths: pa.Array) -> bytes:
    import pyarrow as pa

    return bytes(lengths.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False).tobytes())


def _fixed(column: pa.Array) -> bytes:
    """The bytes of fixed-width values, nulls as zero, and one NaN for all."""
    import numpy as np
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    values = np.asarray(filled.to_numpy(zero_copy_only=False))
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values)
    return bytes(np.ascontiguousarray(values).tobytes())
