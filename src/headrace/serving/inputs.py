"""From columns of plain values to what a model takes: a frame typed as in training, or an array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError
from headrace.features.frames import to_model_frame
from headrace.features.values import to_arrow

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["array_type", "make_array", "make_frame", "typed"]

FEATURE, COLUMN = "feature", "column"
Kind = tuple[str, str]
"""Where a column comes from, a view's feature or a request, and its type."""


def typed(features: Mapping[str, str], signature: Mapping[str, str]) -> dict[str, Kind]:
    """The kind of each column: by the view's types if it has the column, else by the model's signature."""
    own = {name: (COLUMN, kind) for name, kind in signature.items()}
    return own | {name: (FEATURE, kind) for name, kind in features.items()}


def array_type(kinds: Iterable[Kind]) -> str:
    """The type of the array that holds columns of these kinds as exactly as a frame does; empty if none does."""
    types = {kind for _, kind in kinds}
    return "float64" if "float64" in types and types <= {"float64", "int64", "int32"} else ""


def make_array(columns: Mapping[str, Sequence[Any]], dtype: str) -> np.ndarray[Any, Any]:
    """Columns of plain values as one array, shape (rows, columns), laid out in memory as a frame lays it out. None is NaN.

    Raises:
        InvalidInputError: a column holds what isn't a number.
    """
    import numpy as np

    try:
        return np.array(list(columns.values()), dtype).T
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"the rows aren't of the types that the model takes: {error}"
        raise InvalidInputError(msg) from error


def make_frame(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """Columns of plain values as a frame. Features get the types that training sets have, see `OnlineFeatures.to_pandas`.

    Raises:
        InvalidInputError: a column holds what its type doesn't.
    """
    import numpy as np
    import pandas as pd

    try:
        if all(kinds.get(name, ("", ""))[1] == "float64" for name in columns):  # nearly always, and many times as fast
            return pd.DataFrame(np.array(list(columns.values()), np.float64).T, columns=list(columns))
        return pd.DataFrame({name: _column(name, column, kinds.get(name)) for name, column in columns.items()})
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"the rows aren't of the types that the model takes: {error}"
        raise InvalidInputError(msg) from error


def _column(name: str, column: Sequence[Any], kind: Kind | None) -> Any:
    import numpy as np

    if kind is None:
        return column
    origin, dtype = kind
    if dtype in ("float64", "float32"):
        return np.array(column, dtype)
    if dtype in ("int64", "int32") and set(map(type, column)) == {int}:
        return np.array(column, dtype)
    if dtype == "bool" and set(map(type, column)) == {bool}:
        return np.array(column, dtype)
    if origin == FEATURE:
        return to_model_frame({name: to_arrow(column, dtype)})[name]
    return _loose(column, dtype)


def _loose(column: Sequence[Any], dtype: str) -> Any:
    """A column of a request as its signature's type, as far as its values are of it: what is left the model judges."""
    import pandas as pd

    if dtype == "timestamp":
        return pd.to_datetime(pd.Series(column))
    return pd.Series(column, dtype="object" if dtype in ("object", "string") else None)
