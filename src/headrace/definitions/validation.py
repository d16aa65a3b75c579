"""Definitions as one consistent whole: all that they refer to, types filled in, every fault found at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.definitions.entity import Entity
from headrace.definitions.expectation_validation import feature_expectation_faults, source_expectation_faults
from headrace.definitions.expression import Binder
from headrace.definitions.faults import name_faults
from headrace.definitions.group import FeatureGroup, FeatureSelection
from headrace.definitions.group_validation import resolve_group
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import EventSource, Source, TableSource
from headrace.definitions.source_validation import entity_faults, source_faults
from headrace.definitions.view import FeatureView
from headrace.definitions.view_validation import view_faults
from headrace.errors import DefinitionError

__all__ = ["Definition", "ResolvedDefinitions", "closure", "resolve"]

Definition = Entity | Source | FeatureGroup | FeatureView


@dataclass(frozen=True)
class ResolvedDefinitions:
    """Valid definitions by name, with all that they refer to; groups have the types of their features."""

    entities: Mapping[str, Entity] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    groups: Mapping[str, FeatureGroup] = field(default_factory=dict)
    views: Mapping[str, FeatureView] = field(default_factory=dict)


class _Collected:
    """The closure over what definitions refer to. One name with two meanings is a fault."""

    def __init__(self, definitions: Iterable[Any]) -> None:
        self.faults: list[str] = []
        self.entities: dict[str, Entity] = {}
        self.sources: dict[str, Source] = {}
        self.groups: dict[str, FeatureGroup] = {}
        self.views: dict[str, FeatureView] = {}
        if not isinstance(definitions, Iterable):
            msg = f"{type(definitions).__name__} isn't a list of definitions; write [{getattr(definitions, 'name', '…')}]"
            raise DefinitionError([msg])
        for definition in definitions:
            self._add(definition)

    def _add(self, definition: Any) -> None:
        if isinstance(definition, Entity):
            self._put("entity", self.entities, definition)
        elif isinstance(definition, EventSource | TableSource):
            self._put("source", self.sources, definition)
        elif isinstance(definition, FeatureGroup):
            self._put("group", self.groups, definition)
            for part in (definition.entity, definition.source):
                if isinstance(part, Entity | EventSource | TableSource):
                    self._add(part)
        elif isinstance(definition, FeatureView):
            self._put("view", self.views, definition)
            for selection in definition.selections:
                self._add(selection.group)
        elif isinstance(definition, FeatureSelection):
            self._add(definition.group)
        elif not isinstance(definition, OnDemandFeature):  # an on-demand feature belongs to the views that name it
            self.faults.append(f"{definition!r} isn't a definition; give entities, sources, feature groups and feature views")

    def _put(self, kind: str, known: dict[str, Any], definition: Any) -> None:
        if not isinstance(definition.name, str):
            self.faults.extend(name_faults(kind, definition.name))
            return
        first = known.setdefault(definition.name, definition)
        if first is not definition and first != definition:
            self.faults.append(f"{kind} {definition.name!r} is defined twice, differently; rename one or use one object")


def closure(definitions: Sequence[Definition | FeatureSelection | OnDemandFeature]) -> ResolvedDefinitions:
    """The definitions and all that they refer to, by name, not checked."""
    found = _Collected(definitions)
    return ResolvedDefinitions(found.entities, found.sources, found.groups, found.views)


def resolve(definitions: Sequence[Definition | FeatureSelection | OnDemandFeature]) -> ResolvedDefinitions:
    """Check definitions together with all that they refer to, and fill in the types of features.

    Raises:
        DefinitionError: with every fault of every object.
    """
    found = _Collected(definitions)
    faults = found.faults
    for entity in found.entities.values():
        faults.extend(entity_faults(entity))
    for source in found.sources.values():
        faults.extend(source_faults(source))
    groups = {}
    with Binder() as binder:
        for source in found.sources.values():
            faults.extend(source_expectation_faults(source, binder))
        for name, group in found.groups.items():
            groups[name], group_faults = resolve_group(group, binder)
            faults.extend(group_faults or feature_expectation_faults(groups[name], binder))
    for view in found.views.values():
        if all(isinstance(selection.group.entity, Entity) for selection in view.selections):
            faults.extend(view_faults(view))
    if faults:
        raise DefinitionError(list(dict.fromkeys(faults)))
    views = {name: _over(view, groups) for name, view in found.views.items()}
    return ResolvedDefinitions(found.entities, found.sources, groups, views)


def _over(view: FeatureView, groups: Mapping[str, FeatureGroup]) -> FeatureView:
    """The view over the typed groups."""
    features = [
        replace(item, group=groups[item.group.name]) if isinstance(item, FeatureSelection) else item for item in view.features
    ]
    return replace(view, features=features)
