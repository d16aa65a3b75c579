"""Definitions of the catalog that a list doesn't hold, over the list's versions of what they refer to."""

from __future__ import annotations

import json
from typing import Any

from headrace.catalog.contents import Contents
from headrace.definitions.group import FeatureGroup
from headrace.definitions.validation import ResolvedDefinitions
from headrace.definitions.version import Kind
from headrace.definitions.view import FeatureView
from headrace.ids import canonical_json

__all__ = ["followers_of"]


def followers_of(listed: ResolvedDefinitions, contents: Contents) -> list[FeatureGroup | FeatureView]:
    """The catalog's groups whose entity or source the list changes, and its views of groups that the list holds or changes.

    They must stay valid, and get new versions where their values change.
    """
    groups = _groups(listed, contents)
    return [*groups.values(), *_views(listed, contents, groups)]


def _groups(listed: ResolvedDefinitions, contents: Contents) -> dict[str, FeatureGroup]:
    entities = {name: entity for name, entity in listed.entities.items() if _differs(contents, "entity", name, entity)}
    sources = {name: source for name, source in listed.sources.items() if _differs(contents, "source", name, source)}
    groups = {}
    for name in contents.names("group"):
        spec = contents.find("group", name).spec
        if name not in listed.groups and (spec["entity"] in entities or spec["source"] in sources):
            held = contents.group(name).group
            entity, source = entities.get(held.entity.name, held.entity), sources.get(held.source.name, held.source)
            groups[name] = FeatureGroup.from_spec(name, spec, entity, source)
    return groups


def _views(listed: ResolvedDefinitions, contents: Contents, groups: dict[str, FeatureGroup]) -> list[FeatureView]:
    views = []
    moved = {**listed.groups, **groups}
    for name in contents.names("view"):
        spec = contents.find("view", name).spec
        read = {ref.removeprefix("group:") for ref in spec["refs"]}
        if name not in listed.views and read & set(moved):
            over = {group: moved[group] if group in moved else contents.group(group).group for group in read}
            views.append(FeatureView.from_spec(name, spec, over))
    return views


def _differs(contents: Contents, kind: Kind, name: str, definition: Any) -> bool:
    head = contents.state.heads.get((kind, name))
    if head is None:
        return False
    held = {field: value for field, value in head.spec.items() if field != "refs"}
    return bool(held != json.loads(canonical_json(definition.to_spec())))
