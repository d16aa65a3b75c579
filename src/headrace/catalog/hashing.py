"""What of a definition decides its values, and the hashes of that.

Two hashes: the *computation hash* covers what decides the values; the *hash* covers that and everything else that was written.
A change of owner, description, tags, freshness or expectations changes only the second: a new version, on the same basis, with
nothing to recompute. A group's computation covers the parts of its entity and source that it uses, so a new column of the
source, its topic or its owner don't touch the group. A view's covers its groups' computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.definitions.aggregation import Aggregation
from headrace.definitions.entity import Entity
from headrace.definitions.expression import columns_of
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import Source
from headrace.definitions.view import FeatureView
from headrace.ids import content_hash

__all__ = ["computation_hash", "definition_hash", "feature_columns", "group_computation"]

_METADATA = ("owner", "description", "tags", "freshness", "expect")


def definition_hash(spec: Mapping[str, Any], computation: str) -> str:
    """The hash of a definition: of its spec, the versions that it refers to left out, and of its computation hash."""
    return content_hash({"spec": {name: value for name, value in spec.items() if name != "refs"}, "computation": computation})


def computation_hash(definition: Entity | Source | FeatureGroup | FeatureView) -> str:
    """The hash of what decides the values of a definition; groups must have their types."""
    if isinstance(definition, FeatureGroup):
        return content_hash(group_computation(definition))
    computation = _without_metadata(definition.to_spec())
    computation.pop("stream", None)
    if isinstance(definition, FeatureView):
        computation["features"] = [_without_item_metadata(item) for item in computation["features"]]
        groups = {selection.group.name: selection.group for selection in definition.selections}
        computation["groups"] = {name: computation_hash(group) for name, group in groups.items()}
    return content_hash(computation)


def group_computation(group: FeatureGroup) -> dict[str, Any]:
    """What decides a group's values, as plain JSON values."""
    used = {group.source.timestamp, *group.key_columns.values()}
    for columns in feature_columns(group).values():
        used |= columns
    computation = _without_metadata(group.to_spec())
    computation["features"] = [_without_metadata(feature) for feature in computation["features"]]
    computation["entity"] = [[key, kind] for key, kind in group.entity.keys.items()]
    computation["source"] = {
        "name": group.source.name,
        "table": group.source.is_table,
        "timestamp": group.source.timestamp,
        "columns": {column: group.source.schema[column] for column in used},
    }
    computation["keys"] = group.key_columns
    return computation


def feature_columns(group: FeatureGroup) -> dict[str, set[str]]:
    """Each feature's columns of the source, those of its condition included."""
    found = {}
    for feature in group.resolved:
        value = feature.value
        texts = [value.argument, value.where] if isinstance(value, Aggregation) else [value.expression]
        found[feature.name] = set().union(*(columns_of(text, group.source.schema) for text in texts if text is not None))
    return found


def _without_metadata(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _METADATA}


def _without_item_metadata(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"on_demand": _without_metadata(item["on_demand"])} if "on_demand" in item else dict(item)
