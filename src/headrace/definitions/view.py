"""FeatureView: what a model consumes, for training and for serving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.definitions.faults import mapping
from headrace.definitions.group import FeatureGroup, FeatureSelection
from headrace.definitions.on_demand import OnDemandFeature
from headrace.errors import DefinitionError

__all__ = ["FeatureView", "on_demand_order"]


@dataclass(frozen=True)
class FeatureView:
    """A named, versioned selection of features from one or more groups, plus on-demand features.

    Args:
        name: unique among views.
        features: groups (all their features), selections (`group["a", "b"]`, `.prefixed`, `.keyed`) and on-demand features.
        owner, description, tags: for people and for search.
    """

    name: str
    features: Sequence[FeatureGroup | FeatureSelection | OnDemandFeature]
    owner: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.features, str | bytes | Mapping) or not isinstance(self.features, Iterable):
            msg = f"view {self.name!r}, features: {self.features!r} isn't a list; write for example features=[user_taste, gap]"
            raise DefinitionError([msg])
        features = tuple(FeatureSelection(item) if isinstance(item, FeatureGroup) else item for item in self.features)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "tags", mapping(f"view {self.name!r}, tags", self.tags, "tags={'team': 'recsys'}"))

    @property
    def selections(self) -> tuple[FeatureSelection, ...]:
        """What it takes from groups, in order."""
        return tuple(item for item in self.features if isinstance(item, FeatureSelection))

    @property
    def on_demand(self) -> tuple[OnDemandFeature, ...]:
        """Its on-demand features, in order of declaration."""
        return tuple(item for item in self.features if isinstance(item, OnDemandFeature))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its columns, in order of declaration."""
        names: list[str] = []
        for item in self.features:
            if isinstance(item, FeatureSelection):
                names.extend(item.prefix + feature.name for feature in item.features)
            elif isinstance(item, OnDemandFeature):
                names.append(item.name)
        return tuple(names)

    @property
    def request_keys(self) -> dict[str, str]:
        """The join key columns that a request must hold, and their types."""
        keys: dict[str, str] = {}
        for selection in self.selections:
            for key, column in selection.request_keys.items():
                keys.setdefault(column, selection.group.entity.keys[key])
        return keys

    @property
    def request_inputs(self) -> tuple[str, ...]:
        """The columns of the request, join keys left out, that its on-demand features take."""
        known = set(self.feature_names)
        names = [name for item in self.on_demand for name in item.inputs if name not in known and name not in self.request_keys]
        return tuple(dict.fromkeys(names))

    def to_spec(self) -> dict[str, Any]:
        """The definition as plain JSON values, its groups by name."""
        items: list[dict[str, Any]] = []
        for item in self.features:
            if isinstance(item, OnDemandFeature):
                items.append({"on_demand": item.to_spec()})
            elif isinstance(item, FeatureSelection):
                items.append(
                    {
                        "group": item.group.name,
                        "names": list(item.names),
                        "prefix": item.prefix,
                        "keys": dict(item.renamed_keys),
                    }
                )
        return {"features": items, "owner": self.owner, "description": self.description, "tags": dict(self.tags)}

    @classmethod
    def from_spec(cls, name: str, spec: Mapping[str, Any], groups: Mapping[str, FeatureGroup]) -> FeatureView:
        """The definition that `to_spec` wrote, its on-demand functions not loaded."""
        features: list[FeatureSelection | OnDemandFeature] = []
        for item in spec["features"]:
            if "on_demand" in item:
                features.append(OnDemandFeature.from_spec(item["on_demand"]))
            else:
                features.append(FeatureSelection(groups[item["group"]], tuple(item["names"]), item["prefix"], item["keys"]))
        return cls(name, features, spec["owner"], spec["description"], spec["tags"])


def on_demand_order(view: FeatureView) -> tuple[OnDemandFeature, ...]:
    """The view's on-demand features so that each comes after those it takes as inputs; else as declared.

    Raises:
        DefinitionError: a feature depends on itself through others.
    """
    by_name = {item.name: item for item in view.on_demand}
    order: dict[str, OnDemandFeature] = {}

    def visit(item: OnDemandFeature, path: tuple[str, ...]) -> None:
        if item.name in path:
            circle = " → ".join((*path[path.index(item.name) :], item.name))
            msg = f"view {view.name!r}: on-demand feature {item.name!r} depends on itself: {circle}"
            raise DefinitionError([msg])
        if item.name not in order:
            for name in item.inputs:
                if name in by_name:
                    visit(by_name[name], (*path, item.name))
            order[item.name] = item

    for item in view.on_demand:
        visit(item, ())
    return tuple(order.values())
