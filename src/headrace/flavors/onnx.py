"""ONNX models, run by onnxruntime: a graph of known operators, no code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements

__all__ = ["ONNXFlavor", "ONNXModel"]

_FILE = "model.onnx"
_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}


class ONNXModel:
    """A graph that takes frames and arrays: all columns as one matrix if it has one input, else a column for each input.

    Attributes:
        data: the serialized graph.
        session: onnxruntime's own object.
    """

    def __init__(self, data: bytes) -> None:
        onnxruntime = package("onnxruntime", "onnxruntime", "onnx")
        self.data = data
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # a batch is small, and a process that was forked has no threads of its parent's
        try:
            self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception class for each of its failures
            msg = f"the ONNX model can't be loaded: {str(error)[:300]}"
            raise InvalidInputError(msg) from error
        if len(self.session.get_outputs()) > 1:
            self.predict_proba = lambda data: _scores(self._run(data)[1])

    def predict(self, data: Any) -> Any:
        """The graph's first output, one row each; a column alone as one dimension."""
        found = self._run(data)[0]
        return found[:, 0] if getattr(found, "ndim", 1) == 2 and found.shape[1] == 1 else found

    def _run(self, data: Any) -> list[Any]:
        inputs = self.session.get_inputs()
        if len(inputs) == 1:
            return list(self.session.run(None, {inputs[0].name: _array(data, inputs[0].type)}))
        columns = {name: data[name] for name in data} if hasattr(data, "columns") else dict(enumerate(data.T))
        names = [item.name if item.name in columns else place for place, item in enumerate(inputs)]
        given = {item.name: _array(columns[name], item.type).reshape(-1, 1) for item, name in zip(inputs, names, strict=True)}
        return list(self.session.run(None, given))


def _array(data: Any, kind: str) -> Any:
    import numpy as np

    values = data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data)
    return np.ascontiguousarray(values.astype(_TYPES.get(kind, object)))


def _scores(found: Any) -> Any:
    """Probabilities as a matrix; converters of scikit-learn's models give a mapping of classes a row."""
    import numpy as np

    return np.array([list(row.values()) for row in found]) if isinstance(found, list) else np.asarray(found)


class ONNXFlavor:
    """Graphs as `onnx` holds them, or as `ONNXModel`."""

    name = "onnx"
    serializer = "onnx"

    def accepts(self, model: Any) -> bool:
        """Whether it is a graph."""
        onnx = sys.modules.get("onnx")
        return isinstance(model, ONNXModel) or (onnx is not None and isinstance(model, onnx.ModelProto))

    def wrap(self, model: Any) -> Any:
        """The graph, ready to run."""
        return model if isinstance(model, ONNXModel) else ONNXModel(model.SerializeToString())

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Never."""
        return False

    def by_position(self, model: Any) -> bool:
        """A graph with one input takes a matrix; one with several takes columns by name."""
        return len(model.session.get_inputs()) == 1

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.onnx, weights included."""
        (folder / _FILE).write_bytes(self.wrap(model).data)
        return SavedModel(self.name, self.serializer, requirements("onnxruntime", "numpy"), {"file": _FILE})

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read the graph. One whose weights are in other files isn't read: it could name any file of the machine."""
        return ONNXModel((folder / str(details.get("file", _FILE))).read_bytes())
