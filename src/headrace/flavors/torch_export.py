"""PyTorch programs of `torch.export`: graph and weights in one file, which loads where the class isn't known.

PyTorch's own reader unpickles what it can't read otherwise, and evaluates the expressions of shapes: a forged file runs code. So
loading one needs the word for pickle. Weights in safetensors don't.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import InvalidInputError
from headrace.flavors.flavor import SavedModel
from headrace.flavors.native import package, requirements
from headrace.flavors.torch import TorchModel

__all__ = ["ExportedModel", "TorchExportFlavor"]

_FILE = "model.pt2"


class ExportedModel(TorchModel):
    """An exported program that takes frames and arrays as one matrix of float32, and gives arrays.

    Attributes:
        program: PyTorch's own object.
    """

    def __init__(self, program: Any) -> None:
        self.program = program
        self.module = program.module()

    def predict(self, data: Any) -> Any:
        """What the program gives; a column alone as one dimension. Raises InvalidInputError."""
        try:
            return super().predict(data)
        except (AssertionError, ValueError) as error:  # its guards of shapes
            hint = "export it with dynamic_shapes, so that it takes any number of rows"
            msg = f"the exported program refuses {len(data)} rows: {str(error)[:300]}; {hint}"
            raise InvalidInputError(msg) from error


class TorchExportFlavor:
    """What `torch.export.export` gives."""

    name = "torch"
    serializer = "torch.export"

    def accepts(self, model: Any) -> bool:
        """Whether it is an exported program."""
        export = sys.modules.get("torch.export")
        return isinstance(model, ExportedModel) or (export is not None and isinstance(model, export.ExportedProgram))

    def wrap(self, model: Any) -> Any:
        """The program, ready to predict."""
        return model if isinstance(model, ExportedModel) else ExportedModel(model)

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """A forged file does."""
        return True

    def by_position(self, model: Any) -> bool:
        """Always."""
        return True

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.pt2."""
        program = model.program if isinstance(model, ExportedModel) else model
        try:
            _export().save(program, str(folder / _FILE))
        except Exception as error:  # PyTorch raises of many kinds
            msg = f"the program can't be saved by torch.export: {type(error).__name__}: {str(error)[:300]}"
            raise InvalidInputError(msg) from error
        return SavedModel(self.name, self.serializer, requirements("torch", "numpy"), {"file": _FILE})

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read the program. May run code of whoever wrote it: the caller has asked whether that is wanted."""
        path = folder / str(details.get("file", _FILE))
        try:
            return ExportedModel(_export().load(str(path)))
        except Exception as error:  # a damaged file fails in many ways
            what = f"{type(error).__name__}: {str(error)[:300]}"
            msg = f"the model file {path.name} can't be read ({what}); it isn't what log_model wrote"
            raise InvalidInputError(msg) from error


def _export() -> Any:
    return package("torch.export", "torch", "torch")
