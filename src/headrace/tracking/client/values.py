"""Turns what people log into what is kept: numbers, datasets, files."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sized
from typing import Any, Protocol, runtime_checkable

from headrace.arguments import is_text
from headrace.capture.dataset import DatasetFacts, describe_dataset
from headrace.errors import InvalidInputError, MissingExtraError
from headrace.tracking.run import DatasetInput

__all__ = ["VersionedDataset", "dataset_input", "dict_bytes", "figure_bytes", "image_bytes", "table_bytes", "to_float", "to_step"]


@runtime_checkable
class VersionedDataset(Protocol):
    """What a training set offers, as tracking sees it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def version(self) -> int:
        """Its version under that name, from 1."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of its content."""
        ...

    @property
    def urn(self) -> str:
        """Its name in the lineage graph."""
        ...


def to_float(value: Any) -> float:
    """A number of Python, NumPy, torch, … as a float; NaN and infinities stay.

    Raises:
        InvalidInputError: it isn't one number, or is too large for a float.
    """
    try:
        single = value.item() if hasattr(value, "item") else value
        number = float(single)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        msg = f"{_short(value)} isn't a number that a float can hold ({error}); log one number a metric"
        raise InvalidInputError(msg) from error
    return number


def dataset_input(data: Any, context: str, name: str | None = None, source: str | None = None) -> DatasetInput:
    """What a run's inputs say of a training set, a frame or a path. Raises InvalidInputError."""
    for what, told in (("name", name), ("source", source), ("context", context)):
        if not isinstance(told, str | None):
            msg = f"the {what} of the data must be text, not of type {type(told).__name__}"
            raise InvalidInputError(msg)
        if told is not None and not is_text(told):
            msg = f"the {what} of the data holds NUL or half of a character, which no catalog can keep; take that out"
            raise InvalidInputError(msg)
    if isinstance(data, DatasetInput):
        return data
    if isinstance(data, VersionedDataset):
        profile: dict[str, Any] = {"version": data.version}
        if isinstance(data, Sized):
            profile["num_rows"] = len(data)
        return DatasetInput(
            name=name or data.name,
            digest=data.fingerprint,
            source_type="training_set",
            source=data.urn,
            profile=json.dumps(profile),
            context=context,
            urn=data.urn,
        )
    return _described(describe_dataset(data, name, source), context)


def _described(facts: DatasetFacts, context: str) -> DatasetInput:
    columns = [{"name": name, "type": kind} for name, kind in facts.schema]
    profile = {"num_rows": facts.rows, "size": facts.size}
    return DatasetInput(
        name=facts.name,
        digest=facts.digest,
        source_type=facts.source_type,
        source=facts.source,
        schema=json.dumps({"columns": columns}) if columns else "",
        profile=json.dumps({key: value for key, value in profile.items() if value is not None}),
        context=context,
    )


def dict_bytes(value: Any, path: str) -> bytes:
    """JSON text, whatever the name's ending; values JSON doesn't know become their text. `path` is named in errors."""
    try:
        return json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str).encode()
    except (TypeError, ValueError) as error:
        msg = f"{path} can't be written as JSON: {error}"
        raise InvalidInputError(msg) from error


def table_bytes(frame: Any, path: str) -> bytes:
    """A frame as CSV, Parquet or JSON (MLflow's columns and data), by the path's ending. Raises InvalidInputError."""
    from headrace.flavors.signature import to_frame

    table = to_frame(frame)
    if path.endswith(".csv"):
        return table.to_csv(index=False).encode()
    if path.endswith(".parquet"):
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if path.endswith(".json"):
        return str(table.to_json(orient="split", index=False, date_format="iso")).encode()
    msg = f"{path!r}: a table is written as .csv, .parquet or .json"
    raise InvalidInputError(msg)


def figure_bytes(figure: Any, path: str) -> bytes:
    """A matplotlib figure in the format of the path's ending; a plotly figure as HTML. Raises InvalidInputError."""
    ending = path.rpartition(".")[2].lower()
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=ending, bbox_inches="tight")
        return buffer.getvalue()
    if hasattr(figure, "to_html") and ending == "html":
        return str(figure.to_html(include_plotlyjs="cdn")).encode()
    msg = f"{path!r}: give a path and a matplotlib figure (or a plotly one for .html), not a {type(figure).__name__}"
    raise InvalidInputError(msg)


def image_bytes(image: Any, path: str) -> bytes:
    """A PIL image, or an array of shape (height, width[, 1, 3 or 4]) of bytes or of floats in 0..1. Raises InvalidInputError."""
    if not hasattr(image, "save"):
        image = _to_pil(image)
    ending = path.rpartition(".")[2].lower()
    buffer = io.BytesIO()
    image.save(buffer, format={"jpg": "JPEG"}.get(ending, ending.upper()))
    return buffer.getvalue()


def _to_pil(image: Any) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("pillow", "demo") from error
    import numpy as np

    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3):
        msg = f"an image has shape (height, width) or (height, width, channels), not {array.shape}"
        raise InvalidInputError(msg)
    if array.dtype.kind == "f":
        array = (np.clip(array, 0, 1) * 255).round()
    return Image.fromarray(array.astype("uint8"))


def _plain(value: Any) -> Any:
    """The value with mapping keys as text and non-finite floats as text, so that it is JSON for everybody."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def to_step(step: Any) -> int:
    """The step of a point; none is 0. Raises InvalidInputError for what is none, or beyond 64 bits."""
    try:
        number = int(step or 0)
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"{_short(step)} isn't a step, which is a whole number"
        raise InvalidInputError(msg) from error
    if not -(2**63) <= number < 2**63:
        msg = f"step {number} has more than 64 bits"
        raise InvalidInputError(msg)
    return number
