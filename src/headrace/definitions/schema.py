"""The types of columns and features, by name, and the Arrow type of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "RESERVED_COLUMNS",
    "SQL_TYPES",
    "TYPES",
    "Schema",
    "arrow_schema",
    "arrow_type",
    "is_float",
    "is_integer",
    "is_number",
    "item_type",
    "list_of",
    "sql_type",
    "vector_size",
]

TYPES: tuple[str, ...] = ("bool", "int32", "int64", "float32", "float64", "string", "bytes", "timestamp", "date")
"""The column types, beside `vector[N]`: N numbers of 32 bits. A feature may also be `list<TYPE>`."""

SQL_TYPES: Mapping[str, str] = {
    "bool": "BOOLEAN",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "bytes": "BLOB",
    "timestamp": "TIMESTAMPTZ",
    "date": "DATE",
}
"""The DuckDB type that a column type has inside an expression."""

RESERVED_COLUMNS: tuple[str, ...] = ("event_time", "available_time", "_partition", "_offset", "_day")
"""The columns that the lake adds. Only the timestamp may be called event_time, and the `available=` column available_time."""

Schema = Mapping[str, str]
"""Column name to type name, in order."""

_LIST = re.compile(r"list<(\w+)>")
_VECTOR = re.compile(r"vector\[([1-9]\d{0,4})\]")


def list_of(item: str) -> str:
    """The name of the type of lists of `item`."""
    return f"list<{item}>"


def item_type(name: str) -> str | None:
    """The item type of a list type's name; None if it isn't a list type."""
    match = _LIST.fullmatch(name)
    return match[1] if match else None


def vector_size(name: str) -> int | None:
    """How many numbers a vector type's name stands for; None if it isn't a vector type."""
    match = _VECTOR.fullmatch(name)
    return int(match[1]) if match else None


def sql_type(name: str) -> str:
    """The DuckDB type of a column's or a feature's type."""
    item, size = item_type(name), vector_size(name)
    if item is not None:
        return f"{sql_type(item)}[]"
    return SQL_TYPES[name] if size is None else f"FLOAT[{size}]"


def is_integer(name: str) -> bool:
    """Whether the type holds whole numbers."""
    return name in ("int32", "int64")


def is_float(name: str) -> bool:
    """Whether the type holds floating-point numbers."""
    return name in ("float32", "float64")


def is_number(name: str) -> bool:
    """Whether the type can be summed and averaged. A bool can't; cast it."""
    return is_integer(name) or is_float(name)


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a type name. A timestamp is UTC microseconds."""
    import pyarrow as pa

    item = item_type(name)
    if item is not None:
        return pa.list_(arrow_type(item))
    size = vector_size(name)
    if size is not None:
        return pa.list_(pa.float32(), size)
    types: dict[str, Any] = {
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "float64": pa.float64(),
        "string": pa.string(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }
    return types[name]


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of a source's or an entity's columns."""
    import pyarrow as pa

    return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in schema.items()])
