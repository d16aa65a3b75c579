"""The code of on-demand features in this process: what was applied here, else what the project's modules hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headrace.definitions.on_demand import Function, OnDemandFeature, load_function
from headrace.definitions.view import FeatureView
from headrace.errors import DefinitionError, HeadraceError

__all__ = ["bind_functions", "remember_functions", "unloaded"]

_APPLIED: dict[tuple[str, str], Function] = {}
"""(path, source hash) of the functions applied by this process. They may live in a notebook, where no import finds them."""


def remember_functions(views: Iterable[FeatureView]) -> None:
    """Keep the functions of views that this process applies."""
    for feature in (feature for view in views for feature in view.on_demand):
        if feature.function is not None:
            _APPLIED[feature.path, feature.source_hash] = feature.function


def bind_functions(view: FeatureView, modules: Sequence[str]) -> FeatureView:
    """The view with its functions loaded. One that can't be loaded raises the reason when it is called, not before."""
    features = [_bound(item, modules) if isinstance(item, OnDemandFeature) else item for item in view.features]
    return replace(view, features=features)


def unloaded(view: FeatureView) -> list[str]:
    """The names of on-demand features of a bound view whose code can't be loaded in this process, now tried again."""
    return [item.name for item in view.on_demand if isinstance(item.function, _Unloaded) and not item.function.loads()]


def _bound(feature: OnDemandFeature, modules: Sequence[str]) -> OnDemandFeature:
    function = _APPLIED.get((feature.path, feature.source_hash))
    if function is None:
        try:
            function = _load(feature, modules)
        except HeadraceError:
            function = _Unloaded(feature, tuple(modules))
    return replace(feature, function=function)


@dataclass(frozen=True)
class _Unloaded:
    """Stands in for a function that couldn't be loaded; a call tries again, for its module may be there by now."""

    feature: OnDemandFeature
    modules: tuple[str, ...]

    def __call__(self, *arrays: Any) -> Any:
        return _load(self.feature, self.modules)(*arrays)

    def loads(self) -> bool:
        """Whether a call would find the code."""
        try:
            _load(self.feature, self.modules)
        except HeadraceError:
            return False
        return True


def _load(feature: OnDemandFeature, modules: Sequence[str]) -> Function:
    try:
        loaded = load_function(feature, modules)
    except HeadraceError:
        raise
    except Exception as error:  # importing a user's module may raise anything
        msg = f"on-demand feature {feature.name!r}: its module can't be imported: {type(error).__name__}: {error}"
        raise DefinitionError([msg]) from error
    assert loaded.function is not None  # noqa: S101 - a decorated function holds itself
    return loaded.function
