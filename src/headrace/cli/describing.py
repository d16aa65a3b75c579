"""Groups and views in words: what they compute, from what, how fresh they are, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.cli.output import Fields, Part, Table
from headrace.cli.values import age, moment
from headrace.definitions.aggregation import Aggregation, Column, Feature
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.version import DefinitionVersion, GroupVersion, ViewVersion, parse_reference
from headrace.definitions.window import format_duration
from headrace.errors import NotFoundError

if TYPE_CHECKING:
    from headrace.features.freshness import Freshness
    from headrace.store import Store

__all__ = ["describe", "description", "freshness_word", "groups", "overview", "views"]


def groups(store: Store) -> list[dict[str, Any]]:
    """The latest version of each group as plain values."""
    fresh = store.freshness()
    return [_group(version, fresh.get(version.id)) for version in store.catalog.groups()]


def views(store: Store) -> list[dict[str, Any]]:
    """The latest version of each view as plain values."""
    return [_view(version) for version in store.catalog.views()]


def overview(found_groups: Sequence[Mapping[str, Any]], found_views: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Both as tables."""
    group_rows = [
        (g["id"], g["entity"], g["source"], len(g["features"]), g["ttl"], g["owner"], g["state"], age(g["age_s"]))
        for g in found_groups
    ]
    view_rows = [(v["id"], v["keys"], v["request_inputs"], len(v["features"]), v["groups"], v["owner"]) for v in found_views]
    empty = "no groups yet; define some (headrace init writes an example) and run: headrace apply"
    return [
        Table(("GROUP", "ENTITY", "SOURCE", "FEATURES", "TTL", "OWNER", "STATE", "AGE"), group_rows, empty),
        "",
        Table(("VIEW", "KEYS", "INPUTS", "FEATURES", "GROUPS", "OWNER"), view_rows, empty="no views yet"),
    ]


def describe(store: Store, reference: str) -> dict[str, Any]:
    """A group or a view, with its versions and who reads it, as plain values. Raises NotFoundError with the nearest name."""
    name, _ = parse_reference(reference)
    known_groups = {version.group.name for version in store.catalog.groups()}
    known_views = {version.view.name for version in store.catalog.views()}
    if name in known_views:
        view = store.catalog.view(reference)
        return {
            **_view(view),
            "versions": _versions(store.catalog.history("view", name)),
            "consumers": _consumers(store, f"view:{view.id}"),
        }
    if name not in known_groups:
        error = NotFoundError.of("group or view", name, known_groups | known_views)
        raise error
    group = store.catalog.group(reference)
    fresh = store.freshness().get(group.id)
    return {
        **_group(group, fresh),
        "versions": _versions(store.catalog.history("group", name)),
        "consumers": _consumers(store, f"group:{group.id}"),
    }


def description(found: Mapping[str, Any]) -> list[Part]:
    """What `describe` gave, for a person."""
    shown = [
        (name.replace("_", " "), value)
        for name, value in found.items()
        if name not in ("features", "versions", "consumers", "age_s")
    ]
    features = [(f["name"], f["type"], f["computed"], f["default"], f["description"]) for f in found["features"]]
    versions = [(v["version"], v["created"], v["author"], v["hash"][:12]) for v in found["versions"]]
    return [
        Fields(shown),
        "",
        Table(("FEATURE", "TYPE", "COMPUTED AS", "DEFAULT", "DESCRIPTION"), features),
        "",
        Table(("VERSION", "CREATED", "BY", "HASH"), versions),
        "",
        Table(("READ BY",), [(urn,) for urn in found["consumers"]], empty="read by nothing yet"),
    ]


def freshness_word(fresh: Freshness) -> str:
    """stale, behind (rows wait to be brought online), empty or fresh."""
    if fresh.stale:
        return "stale"
    if fresh.waiting or fresh.lag:
        return "behind"
    return "empty" if fresh.newest is None else "fresh"


def computed(feature: Feature) -> str:
    """What computes a feature, as one would write it: `mean(stars) over 7d by 2h where stars >= 4`."""
    value = feature.value
    if isinstance(value, Column):
        return value.expression
    arguments = ", ".join(str(part) for part in (value.argument, value.n) if part is not None)
    return f"{value.function}({arguments}){_over(value)}"


def _over(value: Aggregation) -> str:
    window = "" if value.window is None else f" over {format_duration(value.window)}"
    hop = "" if value.hop is None else f" by {format_duration(value.hop)}"
    return f"{window}{hop}{'' if value.where is None else f' where {value.where}'}"


def _group(version: GroupVersion, fresh: Freshness | None) -> dict[str, Any]:
    group = version.group
    return {
        "id": version.id,
        "kind": "group",
        "entity": group.entity.name,
        "keys": group.key_columns,
        "source": group.source.name,
        "realtime": group.is_realtime,
        "ttl": None if group.ttl_micros is None else format_duration(group.ttl_micros),
        "owner": group.owner,
        "description": group.description,
        "tags": dict(group.tags),
        "state": None if fresh is None else freshness_word(fresh),
        "newest": None if fresh is None else moment(fresh.newest),
        "age_s": None if fresh is None else fresh.age,
        "features": [_feature(feature) for feature in group.resolved],
    }


def _feature(feature: Feature, prefix: str = "") -> dict[str, Any]:
    return {
        "name": prefix + feature.name,
        "type": feature.dtype,
        "computed": computed(feature),
        "default": feature.default,
        "description": feature.value.description,
    }


def _view(version: ViewVersion) -> dict[str, Any]:
    view = version.view
    features = [_feature(feature, selection.prefix) for selection in view.selections for feature in selection.features]
    return {
        "id": version.id,
        "kind": "view",
        "keys": view.request_keys,
        "request_inputs": list(view.request_inputs),
        "groups": [group.id for group in version.groups.values()],
        "owner": view.owner,
        "description": view.description,
        "tags": dict(view.tags),
        "features": features + [_on_demand(item) for item in view.on_demand],
    }


def _on_demand(item: OnDemandFeature) -> dict[str, Any]:
    call = f"{item.path}({', '.join(item.inputs)})"
    return {"name": item.name, "type": item.dtype, "computed": call, "default": item.default, "description": item.description}


def _versions(versions: Sequence[DefinitionVersion]) -> list[dict[str, Any]]:
    return [
        {"version": item.version, "created": moment(item.created), "author": item.author, "hash": item.hash} for item in versions
    ]


def _consumers(store: Store, urn: str) -> list[str]:
    try:
        return [found for found in store.lineage.downstream(urn, depth=1).nodes() if found != urn]
    except NotFoundError:  # defined, but nothing was ever made from it
        return []
