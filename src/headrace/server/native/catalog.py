"""What is defined: the latest version of everything, and one definition in full."""

from __future__ import annotations

from typing import Any

from headrace.clock import isoformat
from headrace.definitions.plain import plain
from headrace.definitions.version import DefinitionVersion, Kind, parse_reference
from headrace.errors import NotFoundError
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record
from headrace.store import Store

__all__ = ["CATALOG", "DEFINITION"]

KINDS: tuple[Kind, ...] = ("entity", "source", "group", "view")
_CATALOG = Record("Catalog", {kind: Field(f"The latest version of each {kind}.", ("array",)) for kind in KINDS})
_DEFINITION = Record(
    "Definition",
    {
        "kind": Field("entity, source, group or view."),
        "name": Field("Its name."),
        "version": Field("Its number.", ("integer",)),
        "id": Field("Name and version: `ranking:3`."),
        "basis": Field("Name and the first version that computes the same: what names a group in the stores and the lineage."),
        "hash": Field("SHA-256 of what it says."),
        "created": Field("When, RFC 3339."),
        "author": Field("Who applied it."),
        "spec": Field("What it says.", ("object",)),
        "versions": Field("All versions of the name, oldest first, without their specs.", ("array",)),
    },
)


def _catalog(call: Call) -> Reply:
    """The latest version of every entity, source, group and view."""
    return json_reply({kind: [_told(_latest(call.store, kind, name)) for name in _names(call.store, kind)] for kind in KINDS})


def _definition(call: Call) -> Reply:
    """One definition: the latest version of a name, or the one asked for, `ranking:3`."""
    kind, (name, version) = _kind(call.path["kind"]), parse_reference(call.path["name"])
    versions = call.store.catalog.history(kind, name)
    chosen = versions[-1] if version is None else next((item for item in versions if item.version == version), None)
    if chosen is None:
        msg = f"{kind} {name!r} has no version {version}; it has 1 to {versions[-1].version}"
        raise NotFoundError(msg)
    headers = [{name: value for name, value in _told(item).items() if name != "spec"} for item in versions]
    return json_reply({**_told(chosen), "versions": headers})


def _kind(text: str) -> Kind:
    if text not in KINDS:
        raise NotFoundError.of("kind of definition", text, KINDS)
    return text


def _names(store: Store, kind: Kind) -> list[str]:
    catalog = store.catalog
    names: dict[Kind, list[str]] = {
        "entity": [entity.name for entity in catalog.entities()],
        "source": [source.name for source in catalog.sources()],
        "group": [version.group.name for version in catalog.groups()],
        "view": [version.view.name for version in catalog.views()],
    }
    return names[kind]


def _latest(store: Store, kind: Kind, name: str) -> DefinitionVersion:
    return store.catalog.history(kind, name)[-1]


def _told(item: DefinitionVersion) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "id": f"{item.name}:{item.version}",
        "basis": f"{item.name}:{item.basis or item.version}",
        "hash": item.hash,
        "created": isoformat(item.created),
        "author": item.author,
        "spec": plain(item.spec),
    }


CATALOG = Operation(_catalog, gives=(Content(record=_CATALOG),))
DEFINITION = Operation(_definition, gives=(Content(record=_DEFINITION),))
