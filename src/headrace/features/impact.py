"""What would change if a thing did: of a column or a feature, only what really takes its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.catalog.service import Catalog
from headrace.definitions.version import ViewVersion
from headrace.definitions.view import on_demand_order
from headrace.errors import NotFoundError
from headrace.lineage.graph import Graph, LineageReads, kind_of, whole_of
from headrace.lineage.store import Edge

__all__ = ["Impact", "impact_of"]


@dataclass(frozen=True, slots=True)
class Impact:
    """What takes its values from a thing, directly or not.

    Attributes:
        graph: the thing and what it touches, downstream.
        features: for each group and view that is touched: the names of its features whose values would change.
    """

    graph: Graph
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The full name of what was asked about."""
        return self.graph.root

    def nodes(self, kind: str | None = None) -> list[str]:
        """What is touched, the nearest first, the thing itself left out; only of a kind, for example `view`, `run` or `model`."""
        return [urn for urn in self.graph.nodes(kind) if urn != self.root]

    def to_dict(self) -> dict[str, Any]:
        """The impact as plain JSON values."""
        return {**self.graph.to_dict(), "features": {urn: list(names) for urn, names in self.features.items()}}

    def __str__(self) -> str:
        return self.graph.tree()

    def _repr_html_(self) -> str:
        return self.graph._repr_html_()


def impact_of(lineage: LineageReads, catalog: Catalog, urn: str) -> Impact:
    """What would change if this did.

    Of a column of a source or a feature of a group, a view is touched only if a feature that it selects, or an on-demand feature
    of it, takes the values. A group's keys and timestamp decide all of its features.

    Args:
        urn: `source:ratings.stars`, `feature:user_taste:2.likes_30d`, or anything else that the lineage knows.

    Raises:
        NotFoundError: nothing of that name is in the lineage; names the nearest.
    """
    graph = lineage.downstream(urn)
    after: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        after.setdefault(edge.source, []).append(edge)
    if not whole_of(graph.root):
        return Impact(graph, _all_features(catalog, graph))
    kept = list(after.get(graph.root, ()))
    named = [graph.root, *(edge.target for edge in kept)]
    decided = [each for each in named if kind_of(each) == "group" and kind_of(graph.root) == "source"]
    changed: dict[str, list[str] | None] = dict.fromkeys(decided)
    for feature in named:
        if kind_of(feature) == "feature":
            group = whole_of(feature)
            kept += [edge for edge in after.get(feature, ()) if edge.target == group]
            if (names := changed.setdefault(group, [])) is not None:
                names.append(feature.removeprefix(f"feature:{group.removeprefix('group:')}."))
    features: dict[str, Sequence[str]] = {}
    for group, some in changed.items():
        features[group] = _of_group(catalog, group, some)
        for edge in after.get(group, ()):
            if kind_of(edge.target) == "view" and (touched := _of_view(catalog, edge.target, group, some)):
                features[edge.target] = list(dict.fromkeys([*features.get(edge.target, ()), *touched]))
                kept.append(edge)
    kept += _following(after, [urn for urn in features if kind_of(urn) == "view"])
    wanted = set(kept)
    return Impact(Graph(graph.root, "downstream", tuple(edge for edge in graph.edges if edge in wanted)), features)


def _following(after: Mapping[str, Sequence[Edge]], urns: Iterable[str]) -> list[Edge]:
    found, waiting = [], list(urns)
    seen = set(waiting)
    while waiting:
        for edge in after.get(waiting.pop(), ()):
            found.append(edge)
            if edge.target not in seen:
                seen.add(edge.target)
                waiting.append(edge.target)
    return found


def _all_features(catalog: Catalog, graph: Graph) -> dict[str, Sequence[str]]:
    """Of a whole source or group: everything of the groups, and of the views what they take from them."""
    root = kind_of(graph.root)
    if root not in ("source", "group"):
        return {}
    groups = graph.nodes("group")
    found: dict[str, Sequence[str]] = {group: _of_group(catalog, group, None) for group in groups}
    for view in graph.nodes("view"):
        found[view] = list(dict.fromkeys(name for group in groups for name in _of_view(catalog, view, group, None)))
    return found


def _of_group(catalog: Catalog, urn: str, names: Sequence[str] | None) -> list[str]:
    if names is not None:
        return sorted(names)
    try:
        group = catalog.group(urn.removeprefix("group:")).group
    except NotFoundError:  # the lineage of an import may know more than the catalog
        return []
    return list(group.features)


def _of_view(catalog: Catalog, urn: str, group: str, names: Sequence[str] | None) -> list[str]:
    """The features of a view that take the values of these features of a group, or of any (None)."""
    try:
        view = catalog.view(urn.removeprefix("view:"))
    except NotFoundError:
        return []
    return _touched(view, group.removeprefix("group:"), None if names is None else set(names))


def _touched(view: ViewVersion, group: str, names: set[str] | None) -> list[str]:
    found = [
        selection.prefix + feature.name
        for selection in view.view.selections
        if view.groups[selection.group.name].id == group
        for feature in selection.features
        if names is None or feature.name in names
    ]
    for item in on_demand_order(view.view):
        if any(name in found for name in item.inputs):
            found.append(item.name)
    return found
