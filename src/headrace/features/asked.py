"""What a request asks: the columns of its entities, as lists of one length and of the types that they must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import InvalidInputError

__all__ = ["broadcast", "listed", "require_columns"]


def require_columns(entities: Any) -> None:
    """Raise InvalidInputError if it isn't what asks about entities: a dict of columns, or a DataFrame."""
    if not isinstance(entities, Mapping) and not hasattr(entities, "columns"):
        msg = f"the entities are a {type(entities).__name__}, not columns; write for example {{'user_id': [1, 2]}}"
        raise InvalidInputError(msg)


def broadcast(
    view: str, keys: Mapping[str, str], inputs: Sequence[str], entities: Mapping[str, Any]
) -> tuple[dict[str, list[Any]], int]:
    """The request's columns as lists of one length, join keys first; names that the view doesn't know are left out.

    Args:
        view: the view version, for errors.
        keys: its join keys and their types.
        inputs: the columns that its on-demand features take.
    """
    asked: dict[str, Any] = {}
    require_columns(entities)
    for name in (*keys, *inputs):
        if name not in entities:
            need = ", ".join(repr(key) for key in (*keys, *inputs))
            msg = f"view {view!r} needs {name!r} in the request; it takes: {need}"
            raise InvalidInputError(msg)
        asked[name] = listed(entities[name])
    lengths = {name: len(column) for name, column in asked.items() if isinstance(column, list)}
    if len(set(lengths.values())) > 1:
        msg = f"the columns of a request must have one length, not {lengths}; scalars are repeated"
        raise InvalidInputError(msg)
    rows = next(iter(lengths.values()), 1)
    columns = {name: column if isinstance(column, list) else [column] * rows for name, column in asked.items()}
    for name, kind in keys.items():
        _check_key(name, kind, columns[name])
    return columns, rows


def listed(column: Any) -> Any:
    """Lists, arrays and series become lists of their own, everything else is a scalar. A missing value of pandas is None."""
    if isinstance(column, (list, tuple, range)):
        return list(column)
    if hasattr(column, "isna"):  # a pandas Series
        column = column.astype("object").where(column.notna(), None)
    elif getattr(getattr(column, "dtype", None), "kind", "") == "M":  # NumPy would list nanoseconds as plain integers
        column = column.astype("datetime64[us]")
    for listing in ("to_pylist", "to_list", "tolist"):  # Arrow; polars and pandas; NumPy
        if hasattr(column, listing):
            return getattr(column, listing)()
    return column


_EXACT = 2**53
"""Up to here every whole number has a float of its own."""
_KEY_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int32": (int,),
    "int64": (int,),
    "float32": (float, int),
    "float64": (float, int),
    "string": (str,),
    "bytes": (bytes,),
}


def _check_key(name: str, kind: str, column: list[Any]) -> None:
    allowed = _KEY_TYPES.get(kind)
    if allowed is None:
        return
    for row, value in enumerate(column):
        if value is None or (type(value) in allowed):
            continue
        if kind in ("int32", "int64") and _is_whole(value):
            column[row] = int(value)
            continue
        msg = f"join key {name!r} is {kind}; row {row} of the request holds {value!r} ({type(value).__name__})"
        raise InvalidInputError(msg)


def _is_whole(value: Any) -> bool:
    """Whether it is a whole number; pandas holds one as a float where a neighbour is missing."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _EXACT
    return hasattr(value, "__index__") and not isinstance(value, bool)
