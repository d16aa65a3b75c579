"""What a model takes and gives: columns with names and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Signature", "infer_columns", "to_frame"]

Container = Literal["frame", "array"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: its name; the position as text for the columns of an array.
        type: bool, int64, float64, string, timestamp, … ; `object` if its values are mixed.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns that a model takes and gives.

    Attributes:
        container: what the example was: a frame with named columns, or an array.
    """

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...] = ()
    container: Container = "frame"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the input columns, in the order that the model takes them."""
        return tuple(column.name for column in self.inputs)

    def to_spec(self) -> dict[str, Any]:
        """JSON values that `from_spec` reads."""
        return asdict(self)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Signature:
        """The signature that `to_spec` described."""
        inputs, outputs = (tuple(Column(**column) for column in spec[side]) for side in ("inputs", "outputs"))
        return cls(inputs, outputs, spec["container"])

    def __str__(self) -> str:
        return " → ".join(f"({_told(side)})" for side in (self.inputs, self.outputs))


def _told(columns: tuple[Column, ...]) -> str:
    """Names and types; of many columns the first ones and the last."""
    told = [f"{column.name} {column.type}" for column in columns]
    return ", ".join(told if len(told) <= 20 else [*told[:6], "…", f"{told[-1]}: {len(told)} columns"])


def infer_columns(data: Any) -> tuple[tuple[Column, ...], Container]:
    """The columns of a frame, an array or a list of predictions, and which of them it is.

    Raises:
        InvalidInputError: it is none of these.
    """
    data = _as_array(data)
    if _is_array(data):
        width = data.shape[1] if data.ndim == 2 else 1
        return tuple(Column(str(index), str(data.dtype)) for index in range(width)), "array"
    frame = to_frame(data)
    return tuple(Column(str(name), _type_name(frame[name])) for name in frame.columns), "frame"


def to_frame(data: Any) -> pd.DataFrame:
    """A pandas frame from pandas, polars, Arrow, NumPy, a mapping of columns or a list of rows.

    Raises:
        InvalidInputError: it is none of these.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    data = _as_array(data)
    if isinstance(data, pd.Series):
        return data.to_frame(str(data.name) if data.name is not None else "0")
    if hasattr(data, "to_pandas"):
        return pd.DataFrame(data.to_pandas())
    if isinstance(data, Mapping):
        scalars = all(not hasattr(value, "__len__") or isinstance(value, str) for value in data.values())
        return pd.DataFrame([data] if scalars else dict(data))
    if _is_array(data) or isinstance(data, list | tuple):
        frame = pd.DataFrame(data)
        return frame.set_axis([str(name) for name in frame.columns], axis=1)
    if type(data).__module__ == "numpy" and getattr(data, "ndim", 0) > 2:
        hint = "give rows and columns, or leave the example out: input then goes into the model as it comes"
        msg = f"an array of shape {data.shape} has no columns; {hint}"
        raise InvalidInputError(msg)
    msg = f"expected a pandas, polars or Arrow table, a NumPy array or a mapping of columns, not {type(data).__name__}"
    raise InvalidInputError(msg)


def _as_array(data: Any) -> Any:
    """A tensor of PyTorch as an array; anything else as it is."""
    return data.detach().cpu().numpy() if type(data).__module__ == "torch" and hasattr(data, "detach") else data


def _is_array(data: Any) -> bool:
    return type(data).__module__ == "numpy" and hasattr(data, "ndim") and data.ndim in (1, 2)


def _type_name(column: pd.Series) -> str:
    from pandas.api import types

    if types.is_datetime64_any_dtype(column.dtype):
        return "timestamp"
    kind = types.infer_dtype(column, skipna=True)
    if kind == "string":
        return "string"
    return "object" if kind.startswith("mixed") else str(column.dtype)
