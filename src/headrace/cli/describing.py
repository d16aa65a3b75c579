"""Definitions in words: what groups and views compute, from what, how fresh they are, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.cli.output import Fields, Part, Table
from headrace.cli.values import age, moment
from headrace.definitions.aggregation import Aggregation, Column, Feature
from headrace.definitions.entity import Entity
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import EventSource, Source
from headrace.definitions.version import DefinitionVersion, GroupVersion, Kind, ViewVersion, parse_reference
from headrace.definitions.window import format_duration
from headrace.errors import NotFoundError

if TYPE_CHECKING:
    from headrace.features.freshness import Freshness
    from headrace.store import Store

__all__ = ["describe", "description", "freshness_word", "overview", "overview_data"]

KINDS: tuple[Kind, ...] = ("view", "group", "source", "entity")


def overview_data(store: Store) -> dict[str, Any]:
    """The latest version of each source, group and view as plain values."""
    fresh = store.freshness()
    return {
        "sources": [_source(source) for source in store.catalog.sources()],
        "groups": [_group(version, fresh.get(version.id)) for version in store.catalog.groups()],
        "views": [_view(version) for version in store.catalog.views()],
    }


def overview(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Part]:
    """What `overview_data` gave, as tables."""
    sources = [(s["id"], s["type"], s["timestamp"], s["stream"], len(s["columns"]), s["owner"]) for s in found["sources"]]
    groups = [
        (g["id"], g["entity"], g["source"], len(g["features"]), g["ttl"], g["owner"], g["state"], age(g["age_s"]))
        for g in found["groups"]
    ]
    views = [(v["id"], v["keys"], v["request_inputs"], len(v["features"]), v["groups"], v["owner"]) for v in found["views"]]
    empty = "nothing is defined yet; headrace init writes an example, headrace apply makes it current"
    return [
        Table(("SOURCE", "TYPE", "TIMESTAMP", "STREAM", "COLUMNS", "OWNER"), sources, empty),
        Table(("GROUP", "ENTITY", "SOURCE", "FEATURES", "TTL", "OWNER", "STATE", "AGE"), groups),
        Table(("VIEW", "KEYS", "INPUTS", "FEATURES", "GROUPS", "OWNER"), views),
    ]


def describe(store: Store, reference: str) -> dict[str, Any]:
    """A view, group, source or entity, with its versions and what is made from it, as plain values.

    Args:
        reference: its name, perhaps with a version; a kind before it (`group:ranking`) where two kinds share the name.

    Raises:
        NotFoundError: there is none; names the nearest.
    """
    prefix, _, rest = reference.partition(":")
    asked = rest if prefix in KINDS else reference
    name, _ = parse_reference(asked)
    names = _names(store)
    for kind in KINDS:
        if name in names[kind] and (asked == reference or kind == prefix):
            found = _find(store, kind, asked)
            consumers = _consumers(store, f"{kind}:{found['id']}")
            return {**found, "versions": _versions(store.catalog.history(kind, name)), "consumers": consumers}
    error = NotFoundError.of("view, group, source or entity", name, {item for known in names.values() for item in known})
    raise error


def description(found: Mapping[str, Any]) -> list[Part]:
    """What `describe` gave, for a person."""
    apart = ("features", "versions", "consumers", "age_s")
    features = [(f["name"], f["type"], f["computed"], f["default"], f["description"]) for f in found.get("features", [])]
    versions = [(v["version"], v["created"], v["author"], v["hash"][:12]) for v in found["versions"]]
    return [
        Fields([(name.replace("_", " "), value) for name, value in found.items() if name not in apart]),
        Table(("FEATURE", "TYPE", "COMPUTED AS", "DEFAULT", "DESCRIPTION"), features),
        Table(("VERSION", "CREATED", "BY", "HASH"), versions),
        Table(("READ BY",), [(urn,) for urn in found["consumers"]], empty="read by nothing yet"),
    ]


def _names(store: Store) -> dict[Kind, set[str]]:
    catalog = store.catalog
    return {
        "view": {version.view.name for version in catalog.views()},
        "group": {version.group.name for version in catalog.groups()},
        "source": {source.name for source in catalog.sources()},
        "entity": {entity.name for entity in catalog.entities()},
    }


def _find(store: Store, kind: Kind, reference: str) -> dict[str, Any]:
    if kind == "view":
        return _view(store.catalog.view(reference))
    if kind == "group":
        version = store.catalog.group(reference)
        return _group(version, store.freshness().get(version.id))
    if kind == "source":
        return _source(store.catalog.source(reference))
    return _entity(store.catalog.entity(reference))


def freshness_word(fresh: Freshness) -> str:
    """stale, behind (rows wait to be brought online), empty or fresh."""
    if fresh.stale:
        return "stale"
    if fresh.waiting or fresh.lag:
        return "behind"
    return "empty" if fresh.newest is None else "fresh"


def _computed(feature: Feature) -> str:
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


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.name,
        "kind": "entity",
        "keys": dict(entity.keys),
        "owner": entity.owner,
        "description": entity.description,
        "tags": dict(entity.tags),
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "id": source.name,
        "kind": "source",
        "type": "table" if source.is_table else "events",
        "timestamp": source.timestamp,
        "available": source.available,
        "stream": source.stream,
        "event_id": source.id if isinstance(source, EventSource) else None,
        "columns": dict(source.schema),
        "expects": [f"{item.name}: {item.on_fail}" for item in source.expect],
        "owner": source.owner,
        "description": source.description,
        "tags": dict(source.tags),
    }


def _group(version: GroupVersion, fresh: Freshness | None) -> dict[str, Any]:
    group = version.group
    return {
        "id": version.id,
        "kind": "group",
        "version": version.version,
        "entity": group.entity.name,
        "keys": group.key_columns,
        "source": group.source.name,
        "realtime": group.is_realtime,
        "ttl": None if group.ttl_micros is None else format_duration(group.ttl_micros),
        "expects": [item.name for item in group.expect],
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
        "computed": _computed(feature),
        "default": feature.default,
        "description": feature.value.description,
    }


def _view(version: ViewVersion) -> dict[str, Any]:
    view = version.view
    features = [_feature(feature, selection.prefix) for selection in view.selections for feature in selection.features]
    return {
        "id": version.id,
        "kind": "view",
        "version": version.version,
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
