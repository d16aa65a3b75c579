"""What a request of Feast asks for, in our words: its feature view is our group, its feature service our view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.catalog.service import Catalog
from headrace.definitions.group import FeatureSelection
from headrace.definitions.schema import item_type
from headrace.definitions.version import GroupVersion, ViewVersion
from headrace.definitions.view import FeatureView
from headrace.errors import NotFoundError, nearest
from headrace.ids import content_hash
from headrace.server.columns import Shape
from headrace.server.feast.errors import not_found, unusable

__all__ = ["Column", "Part", "Selection", "select_features", "select_service"]


@dataclass(frozen=True, slots=True)
class Column:
    """A feature of the answer.

    Attributes:
        name: as the answer calls it.
        place: its name in the view that is read.
        is_time: whether its values are points in time, or lists of them.
    """

    name: str
    place: str
    is_time: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A view that is read for an answer.

    Attributes:
        shape: the types of its columns.
        made: whether it was made for the request; else the catalog holds it.
    """

    view: ViewVersion
    columns: tuple[Column, ...]
    shape: Shape
    made: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read for a request.

    Attributes:
        keys: join keys and their types.
        inputs: what on-demand features take from the request.
        names: the features in the order asked.
        groups: the names of the groups behind them.
    """

    parts: tuple[Part, ...]
    keys: Mapping[str, str]
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]


def select_service(catalog: Catalog, name: str, *, full_names: bool) -> Selection:
    """A view of ours, all its features. Raises NamedError."""
    try:
        view = catalog.view(name)
    except NotFoundError as error:
        raise not_found("FeatureServiceNotFoundException", f"Feature service {name} does not exist: {error}") from error
    owners = _owners(view)
    columns = [(name, f"{owners[name]}__{name}" if full_names else name) for name in view.view.feature_names]
    return _selection([_part(view, columns, made=False)], [shown for _, shown in columns])


def select_features(catalog: Catalog, references: Sequence[str], *, full_names: bool) -> Selection:
    """Features by references `group:feature`, `group@v2:feature`, or `view:feature` for what a view computes on demand.

    Raises:
        NamedError: a reference is malformed or names nothing, or two features have one name.
    """
    if not references:
        raise unusable("FeastError", "No features specified for retrieval: give 'features' or 'feature_service'")
    asked = [_parsed(reference) for reference in references]
    shown = [f"{owner}__{feature}" if full_names else feature for owner, _, feature in asked]
    _refuse_collisions(shown)
    groups: dict[str, list[tuple[GroupVersion, str, str]]] = {}
    views: dict[str, tuple[ViewVersion, list[tuple[str, str]]]] = {}
    for (owner, version, feature), name in zip(asked, shown, strict=True):
        found = _find(catalog, owner, version)
        if isinstance(found, GroupVersion):
            _require(feature, [item.name for item in found.group.resolved], owner)
            groups.setdefault(version, []).append((found, feature, name))
        else:
            _require(feature, found.view.feature_names, owner)
            views.setdefault(found.id, (found, []))[1].append((feature, name))
    parts = [_made(chosen) for chosen in groups.values()]
    parts += [_part(view, columns, made=False) for view, columns in views.values()]
    return _selection(parts, shown)


def _parsed(reference: str) -> tuple[str, str, str]:
    """Owner, version (`2`, or nothing), feature."""
    owner, colon, feature = reference.partition(":")
    owner, _, version = owner.partition("@")
    if colon and owner and feature and (not version or version.lstrip("v").isdigit()):
        return owner, version.lstrip("v"), feature
    text = f"Invalid feature reference {reference!r}. Expected format: '<feature_view>:<feature>'"
    raise unusable("FeastError", f"{text} or '<feature_view>@<version>:<feature>'")


def _find(catalog: Catalog, owner: str, version: str) -> GroupVersion | ViewVersion:
    reference = f"{owner}:{version}" if version else owner
    try:
        return catalog.group(reference)
    except NotFoundError as error:
        try:
            return catalog.view(reference)
        except NotFoundError:
            raise not_found("FeatureViewNotFoundException", f"Feature view {reference} does not exist: {error}") from error


def _require(feature: str, known: Sequence[str], owner: str) -> None:
    if feature not in known:
        raise not_found("FeastObjectNotFoundException", f"Feature {feature} not found in {owner}{nearest(feature, known)}")


def _refuse_collisions(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        text = f"Duplicate features named {', '.join(twice)} found: set full_feature_names, or ask for each once"
        raise unusable("FeatureNameCollisionError", text)


def _made(chosen: Sequence[tuple[GroupVersion, str, str]]) -> Part:
    """A view of features of groups, named by what it reads. Its columns bear their groups' names, so that none collide."""
    features: dict[str, list[str]] = {}
    for version, feature, _ in chosen:
        features.setdefault(version.group.name, []).append(feature)
    versions = {version.group.name: version for version, _, _ in chosen}
    name = content_hash([[versions[group].id, *names] for group, names in features.items()])
    selections = [
        FeatureSelection(versions[group].group, tuple(names)).prefixed(f"{group}__") for group, names in features.items()
    ]
    view = ViewVersion(FeatureView(name, selections), 0, versions)
    return _part(view, [(f"{version.group.name}__{feature}", name) for version, feature, name in chosen], made=True)


def _part(view: ViewVersion, columns: Sequence[tuple[str, str]], *, made: bool) -> Part:
    from headrace.features.lookup import types_of

    types = types_of(view)
    found = [Column(name, place, (item_type(types[place]) or types[place]) == "timestamp") for place, name in columns]
    return Part(view, tuple(found), Shape({place: types[place] for place, _ in columns}), made)


def _selection(parts: Sequence[Part], names: Sequence[str]) -> Selection:
    keys: dict[str, str] = {}
    for part in parts:
        keys |= part.view.view.request_keys
    inputs = tuple(name for part in parts for name in part.view.view.request_inputs if name not in keys)
    groups = dict.fromkeys(name for part in parts for name in part.view.groups)
    return Selection(tuple(parts), keys, inputs, tuple(names), tuple(groups))


def _owners(view: ViewVersion) -> dict[str, str]:
    """Feature to the group it comes from; to the view if it is computed on demand."""
    owners = {item.name: view.view.name for item in view.view.on_demand}
    for selection in view.view.selections:
        owners |= {selection.prefix + feature.name: selection.group.name for feature in selection.features}
    return owners
