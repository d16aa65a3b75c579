"""scikit-learn estimators, saved with skops: a format that names types and holds no code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.errors import InvalidInputError, MissingExtraError, UnsafeModelError
from headrace.flavors.flavor import SavedModel

__all__ = ["SklearnFlavor", "is_allowed_type"]

_FILE = "model.skops"
_REQUIREMENTS = ("scikit-learn", "skops", "numpy", "scipy")
_ALLOWED_MODULES = ("sklearn.", "numpy.random.", "scipy.sparse.", "scipy.interpolate.", "scipy.stats.")
_ALLOWED_TYPES = ("numpy.dtype",)  # skops rebuilds one from an empty array; imputers and encoders hold them
_BY_COLUMN = (
    "sklearn.compose.",
    "sklearn.feature_extraction.",
    "sklearn.preprocessing._encoders",
    "sklearn.preprocessing._target_encoder",
)
"""Where estimators live that treat the columns of a frame each in its own way."""
_REFUSED_MODULES = ("sklearn.externals.", "sklearn.utils._testing", "sklearn.datasets.", "sklearn.conftest")


class SklearnFlavor:
    """Estimators and pipelines of scikit-learn."""

    name = "sklearn"
    serializer = "skops"

    def accepts(self, model: Any) -> bool:
        """Whether it is an estimator of scikit-learn, or derived from one."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(model, base.BaseEstimator)

    def wrap(self, model: Any) -> Any:
        """The estimator itself."""
        return model

    def runs_code(self, details: Mapping[str, Any]) -> bool:
        """Never: its types are checked before anything is built."""
        return False

    def by_position(self, model: Any) -> bool:
        """Unless a part of it chooses columns by name, or looks at the type of each."""
        return not any(_sees_columns(part) for part in _parts(model))

    def save(self, model: Any, folder: Path) -> SavedModel:
        """Write model.skops. The types that skops doesn't know are recorded; all must be of scikit-learn, NumPy or SciPy."""
        skops = _skops()
        path = folder / _FILE
        try:
            skops.dump(model, path)
        except Exception as error:  # skops raises whatever the object's own state raises
            msg = f"{type(model).__name__} can't be saved with skops ({error}); {_PICKLE_ADVICE}"
            raise InvalidInputError(msg) from error
        types = sorted(skops.get_untrusted_types(file=path))
        _refuse([name for name in types if not is_allowed_type(name)], _PICKLE_ADVICE)
        return SavedModel(self.name, self.serializer, _requirements(), {"file": _FILE, "types": types})

    def load(self, folder: Path, details: Mapping[str, Any]) -> Any:
        """Read model.skops. A type that wasn't recorded at save, or isn't on our list, is refused before anything is built."""
        skops = _skops()
        path = folder / _FILE
        try:
            found = sorted(skops.get_untrusted_types(file=path))
        except Exception as error:  # a damaged or forged file fails in many ways
            msg = f"the model file {_FILE} can't be read ({error}); it isn't what log_model wrote"
            raise InvalidInputError(msg) from error
        recorded = set(details.get("types", ()))
        _refuse(
            [name for name in found if name not in recorded or not is_allowed_type(name)],
            "log the model again from a source you trust",
        )
        return skops.load(path, trusted=found)


def _parts(model: Any) -> Iterator[Any]:
    """An estimator and all that it holds."""
    base = sys.modules["sklearn.base"].BaseEstimator
    waiting, seen = [model], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, base):
            yield item
            waiting += vars(item).values()
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item


def _sees_columns(part: Any) -> bool:
    kind = type(part)
    return (
        not kind.__module__.startswith("sklearn.")
        or kind.__module__.startswith(_BY_COLUMN)
        or kind.__name__ == "FunctionTransformer"
        or hasattr(part, "_sklearn_output_config")
    )


def is_allowed_type(name: str) -> bool:
    """Whether `package.module.Name` is a class of scikit-learn, or one of the NumPy and SciPy classes that estimators hold.

    Functions never are: a file could have one called with arguments of its author's choice.
    """
    if name in _ALLOWED_TYPES:
        return True
    if not name.startswith(_ALLOWED_MODULES) or name.startswith(_REFUSED_MODULES):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        return isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except ImportError:
        return False


_PICKLE_ADVICE = 'log it with serializer="pickle" if you must; loading it then runs code and needs allow_pickle=True'


def _refuse(types: Sequence[str], advice: str) -> None:
    if types:
        msg = f"the model holds types that can't be loaded safely: {', '.join(types)}; {advice}"
        raise UnsafeModelError(msg)


def _skops() -> ModuleType:
    for package, distribution in (("sklearn", "scikit-learn"), ("skops.io", "skops")):
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise MissingExtraError.of(distribution, "sklearn") from error
    return module


def _requirements() -> tuple[str, ...]:
    return tuple(f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS)
