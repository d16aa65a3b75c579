"""A loaded model: checks and orders the columns it is given, then predicts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headrace.arguments import checked
from headrace.errors import InvalidInputError, nearest
from headrace.flavors.signature import Signature, to_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoadedModel"]


@checked()
class LoadedModel:
    """A model in memory.

    Attributes:
        model: the object itself, for example a scikit-learn pipeline.
        signature: the columns it takes and gives; None if it was logged without an example: input then goes in as it comes.
        flavor: how it was saved.
        by_position: whether it takes its columns by their order alone, so that an array may stand for a frame of numbers.
    """

    def __init__(self, model: Any, signature: Signature | None, flavor: str, *, by_position: bool = False) -> None:
        self.model = model
        self.signature = signature
        self.flavor = flavor
        self.by_position = by_position

    def __repr__(self) -> str:
        return f"LoadedModel({type(self.model).__name__}, {self.signature or 'no signature'})"

    def predict(self, data: Any) -> Any:
        """Predictions, one a row.

        Args:
            data: pandas, polars or Arrow table, NumPy array, mapping of columns. Columns are found by name, in any order;
                further ones are left out.

        Raises:
            InvalidInputError: columns are missing, an array has another number of columns, or the model refuses the values.
        """
        return self.call("predict", data)

    def predict_proba(self, data: Any) -> Any:
        """Class probabilities, shape (rows, classes), if the model gives them. Takes and raises what `predict` does."""
        return self.call("predict_proba", data)

    def call(self, method: str, data: Any) -> Any:
        """What a method of the model's gives, `predict`, `predict_proba` or another that takes rows. Raises as `predict` does."""
        return self.call_prepared(method, lambda: self.prepare(data))

    def call_prepared(self, method: str, prepare: Callable[[], Any]) -> Any:
        """As `call`, for what somebody else prepares."""
        function = getattr(self.model, method, None)
        if function is None:
            msg = f"{type(self.model).__name__} has no {method}; it can be reached as .model"
            raise InvalidInputError(msg)
        prepared = prepare()
        try:
            return function(prepared)
        except (TypeError, ValueError) as error:
            msg = f"the model refuses these values: {error}; it takes {self.signature or 'what it was trained on'}"
            raise InvalidInputError(msg) from error

    def prepare(self, data: Any) -> Any:
        """What the model itself is given: the signature's columns in its order, as the kind of object it was fitted on."""
        if self.signature is None:
            return data
        frame = to_frame(data)
        names = self._names
        if self.signature.container == "array" or type(data).__module__ == "numpy":
            if len(frame.columns) != len(names):
                msg = f"the model takes {len(names)} columns ({', '.join(names)}), but {len(frame.columns)} were given"
                raise InvalidInputError(msg)
            frame = frame.set_axis(names, axis=1)
        if list(frame.columns) != names:
            missing = [name for name in names if name not in frame.columns]
            if missing:
                hint = nearest(missing[0], [str(name) for name in frame.columns])
                msg = f"the model's input lacks {', '.join(map(repr, missing))}{hint}"
                raise InvalidInputError(msg)
            frame = frame[names]
        chosen = _as_numbers(frame, self.signature)
        return chosen.to_numpy() if self._takes_array else chosen

    @cached_property
    def _names(self) -> list[str]:
        return list(self.signature.names) if self.signature is not None else []

    @cached_property
    def _takes_array(self) -> bool:
        return (self.signature is not None and self.signature.container == "array") or _fitted_on_array(self.model)


def _as_numbers(frame: pd.DataFrame, signature: Signature) -> pd.DataFrame:
    """Numbers that arrive as objects or in nullable columns, as online reads with nulls give them, become floats with NaN.

    The frame has the signature's columns, in its order.
    """
    import numpy as np

    pairs = zip(signature.inputs, frame.dtypes, strict=True)
    loose = [
        column.name
        for column, kind in pairs
        if (not isinstance(kind, np.dtype) or kind.kind not in "fiub") and column.type.startswith(("float", "int", "uint"))
    ]
    try:
        return frame.assign(**{name: frame[name].astype("float64") for name in loose}) if loose else frame
    except (TypeError, ValueError) as error:
        msg = f"the model refuses these values: {error}; it takes {signature}"
        raise InvalidInputError(msg) from error


def _fitted_on_array(model: Any) -> bool:
    """scikit-learn remembers the names of a frame's columns; an estimator that has none warns when it is given some."""
    return hasattr(model, "n_features_in_") and not hasattr(model, "feature_names_in_")
