"""On-demand features: computed at request time by one function, used for training and serving."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.errors import DefinitionError, IntegrityError, nearest

__all__ = ["Function", "OnDemandFeature", "load_function", "on_demand"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class OnDemandFeature:
    """A feature computed from other features of its view and from columns of the request.

    Called like the function it wraps. The function takes one NumPy array per input, all of one length, and returns an
    array of that length: numbers that may be null come as float64 with NaN, other numbers as they are, text and lists as
    object arrays with None, timestamps as datetime64[us] with NaT. A column of the request that holds nothing but null comes
    as numbers do. A returned NaN, NaT or None is null.

    Attributes:
        name: its name in the view.
        inputs: features of the view, other on-demand features, or columns of the request, in the function's order.
        dtype: the name of its type.
        path: where to import it, as `module:qualified.name`.
        source_hash: SHA-256 of its source text; a process that would run another text refuses.
    """

    name: str
    inputs: tuple[str, ...]
    dtype: str
    path: str
    source_hash: str
    default: Any = None
    description: str = ""
    function: Function | None = field(default=None, repr=False, compare=False)

    def __call__(self, *arrays: Any) -> Any:
        if self.function is None:
            msg = f"on-demand feature {self.name!r} isn't loaded; its code is {self.path}"
            raise DefinitionError([msg])
        return self.function(*arrays)

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values: the code by import path and hash, never the code itself."""
        return {
            "name": self.name,
            "inputs": list(self.inputs),
            "type": self.dtype,
            "path": self.path,
            "source_hash": self.source_hash,
            "default": self.default,
            "description": self.description,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> OnDemandFeature:
        """The definition that `to_spec` wrote, its function not loaded."""
        fields = dict(spec)
        return cls(inputs=tuple(fields.pop("inputs")), dtype=fields.pop("type"), **fields)


def on_demand(
    inputs: Sequence[str], returns: str, name: str | None = None, default: Any = None, description: str = ""
) -> Callable[[Function], OnDemandFeature]:
    """Make a function an on-demand feature.

    Args:
        inputs: names of features of the view or of columns of the request, in the order of the function's parameters.
        returns: the type of the result, for example `"float64"`.
        name: its name in the view. Default: the function's name.
        default: the value in place of null.
    """

    if isinstance(inputs, str) or not isinstance(inputs, Iterable):
        example = inputs if isinstance(inputs, str) else "amount"
        msg = f"on-demand feature, inputs: {inputs!r} isn't a list of names; write inputs=[{example!r}]"
        raise DefinitionError([msg])

    def wrap(function: Function) -> OnDemandFeature:
        return OnDemandFeature(
            name=name or function.__name__,
            inputs=tuple(inputs),
            dtype=returns,
            path=f"{function.__module__}:{function.__qualname__}",
            source_hash=_source_hash(function),
            default=default,
            description=description or inspect.getdoc(function) or "",
            function=function,
        )

    return wrap


def load_function(feature: OnDemandFeature, modules: Sequence[str]) -> OnDemandFeature:
    """The feature with its function imported from one of the listed modules.

    Raises:
        DefinitionError: its module isn't among `modules`, or doesn't hold it.
        IntegrityError: the code there isn't the code that was applied.
    """
    module_name, _, qualified = feature.path.partition(":")
    if module_name not in modules:
        msg = (
            f"on-demand feature {feature.name!r} is defined in module {module_name!r}, which 'modules' in headrace.toml doesn't "
            f"list{nearest(module_name, modules)}. Add it there, or apply the definitions in this process"
        )
        raise DefinitionError([msg])
    found: Any = importlib.import_module(module_name)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, OnDemandFeature):
        msg = f"on-demand feature {feature.name!r}: {feature.path} isn't an on-demand feature any more"
        raise DefinitionError([msg])
    if found.source_hash != feature.source_hash:
        msg = f"on-demand feature {feature.name!r}: its code at {feature.path} has changed since it was applied; apply it again"
        raise IntegrityError(msg)
    return found


def _source_hash(function: Function) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # typed at a prompt: no source text, so its bytecode stands for it
        code = function.__code__
        text = repr((code.co_code, code.co_consts, code.co_names))
    return hashlib.sha256(text.encode()).hexdigest()
