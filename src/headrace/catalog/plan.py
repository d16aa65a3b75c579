"""The difference between definitions and the catalog: what is new, what changes, and what that costs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.catalog.changes import describe_changes
from headrace.catalog.hashing import computation_hash, definition_hash
from headrace.catalog.store import CatalogState, Key
from headrace.definitions.aggregation import Aggregation
from headrace.definitions.group import FeatureGroup
from headrace.definitions.validation import Definition, ResolvedDefinitions
from headrace.definitions.version import DefinitionVersion, GroupVersion, Kind, ViewVersion
from headrace.definitions.view import FeatureView
from headrace.definitions.window import format_duration
from headrace.ids import canonical_json

__all__ = ["Plan", "PlanEntry", "Removal", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One definition of a plan.

    Attributes:
        definition: its version after the plan; for an unchanged one, the version that the catalog holds.
        before: its version now; None if it is new.
        details: what changes, a line each.
        recompute: what must be computed anew, a line each; empty if nothing must.
    """

    definition: DefinitionVersion
    before: int | None
    details: tuple[str, ...] = ()
    recompute: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """entity, source, group or view."""
        return self.definition.kind

    @property
    def name(self) -> str:
        """The definition's name."""
        return self.definition.name

    @property
    def version(self) -> int:
        """The definition's version after the plan."""
        return self.definition.version

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "before": self.before,
            "details": list(self.details),
            "recompute": list(self.recompute),
        }


@dataclass(frozen=True, slots=True)
class Removal:
    """A definition that the catalog holds and the list doesn't.

    Attributes:
        consumers: the definitions of the catalog that refer to it now, for example `view ranking`.
        pruned: whether it is removed; else it is kept.
    """

    kind: Kind
    name: str
    version: int
    consumers: tuple[str, ...]
    pruned: bool

    def to_dict(self) -> dict[str, Any]:
        """The removal as plain JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "consumers": list(self.consumers),
            "pruned": self.pruned,
        }


@dataclass(frozen=True)
class Plan:
    """What applying definitions does to the catalog. True if it changes anything; its text is a readable diff.

    Attributes:
        added, changed, unchanged: by kind (entities, sources, groups, views), each in the order given.
        removed: what the catalog holds beyond the list.
        groups, views: the added and changed ones as the catalog will hold them, for those who write lineage.
        revision: the catalog's revision that the plan was made at.
    """

    added: tuple[PlanEntry, ...]
    changed: tuple[PlanEntry, ...]
    unchanged: tuple[PlanEntry, ...]
    removed: tuple[Removal, ...]
    groups: tuple[GroupVersion, ...]
    views: tuple[ViewVersion, ...]
    revision: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or any(item.pruned for item in self.removed))

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        sections = ("added", "changed", "unchanged", "removed")
        return {section: [item.to_dict() for item in getattr(self, section)] for section in sections}


def make_plan(
    state: CatalogState, definitions: ResolvedDefinitions, listed: set[Key], *, prune: bool, now: int, author: str
) -> Plan:
    """The plan that brings a catalog in this state to these definitions.

    Args:
        definitions: the list and all that it refers to, and those of the catalog that must follow it.
        listed: the list and all that it refers to.
        prune: whether what the list doesn't hold is removed. Nothing kept can lose what it refers to, because that is listed too.
        now: microseconds since 1970.
    """
    entries: dict[Key, PlanEntry] = {}
    for kind, definition in _in_order(definitions):
        entries[kind, definition.name] = _entry(state, kind, definition, entries, now, author)
    new = [entry for entry in entries.values() if entry.before is None]
    changed = [entry for entry in entries.values() if entry.before not in (None, entry.version)]
    unchanged = [entry for entry in entries.values() if entry.before == entry.version]
    removed = [
        Removal(*key, head.version, _consumers(state, key), pruned=prune)
        for key, head in state.heads.items()
        if key not in listed and key not in {(entry.kind, entry.name) for entry in changed}
    ]
    groups, views = _versions(definitions, entries)
    written = {(entry.kind, entry.name) for entry in (*new, *changed)}
    return Plan(
        tuple(new),
        tuple(changed),
        tuple(entry for entry in unchanged if (entry.kind, entry.name) in listed),
        tuple(removed),
        tuple(group for name, group in groups.items() if ("group", name) in written),
        tuple(view for name, view in views.items() if ("view", name) in written),
        state.revision,
    )


def _in_order(definitions: ResolvedDefinitions) -> Iterator[tuple[Kind, Definition]]:
    yield from (("entity", item) for item in definitions.entities.values())
    yield from (("source", item) for item in definitions.sources.values())
    yield from (("group", item) for item in definitions.groups.values())
    yield from (("view", item) for item in definitions.views.values())


def _entry(
    state: CatalogState, kind: Kind, definition: Definition, entries: Mapping[Key, PlanEntry], now: int, author: str
) -> PlanEntry:
    head = state.heads.get((kind, definition.name))
    spec = json.loads(canonical_json(definition.to_spec()))
    computation = computation_hash(definition)
    digest = definition_hash(spec, computation)
    if head is not None and head.hash == digest:
        return PlanEntry(head, head.version)
    latest = head or state.removed.get((kind, definition.name))
    version = 1 if latest is None else latest.version + 1
    same_values = head is not None and head.computation_hash == computation
    basis = head.basis if head is not None and same_values else version
    spec["refs"] = {f"{key[0]}:{key[1]}": entries[key].version for key in _refers_to(definition)}
    made = DefinitionVersion(kind, definition.name, version, digest, spec, now, author, computation, basis)
    if head is None:
        return PlanEntry(made, None)
    details = (*describe_changes(kind, head.spec, spec), *_followed(definition, entries, same_values=same_values))
    return PlanEntry(made, head.version, details, () if same_values else tuple(_recompute(definition, head.version, version)))


def _refers_to(definition: Definition) -> list[Key]:
    if isinstance(definition, FeatureGroup):
        return [("entity", definition.entity.name), ("source", definition.source.name)]
    if isinstance(definition, FeatureView):
        return list(dict.fromkeys(("group", selection.group.name) for selection in definition.selections))
    return []


def _followed(definition: Definition, entries: Mapping[Key, PlanEntry], *, same_values: bool) -> Iterator[str]:
    """The changes of what it refers to that change its values."""
    for key in [] if same_values else _refers_to(definition):
        entry = entries[key]
        if entry.before not in (None, entry.version) and (key[0] != "group" or entry.recompute):
            yield f"reads {key[0]} {key[1]}:{entry.version} (was :{entry.before})"


def _recompute(definition: Definition, before: int, version: int) -> Iterator[str]:
    name = definition.name
    if isinstance(definition, FeatureGroup):
        values = [feature.value for feature in definition.resolved]
        lengths = sorted({value.window for value in values if isinstance(value, Aggregation) and value.window is not None})
        windows = f" (windows {', '.join(map(format_duration, lengths))})" if lengths else ""
        yield f"online state of {name} is rebuilt from the lake{windows}"
    elif isinstance(definition, FeatureView):
        yield f"new training sets and models read {name}:{version}; those of {name}:{before} keep theirs"


def _consumers(state: CatalogState, key: Key) -> tuple[str, ...]:
    ref = f"{key[0]}:{key[1]}"
    return tuple(f"{kind} {name}" for (kind, name), head in state.heads.items() if ref in head.spec["refs"])


def _versions(
    definitions: ResolvedDefinitions, entries: Mapping[Key, PlanEntry]
) -> tuple[dict[str, GroupVersion], dict[str, ViewVersion]]:
    groups = {}
    for name, group in definitions.groups.items():
        made = entries["group", name].definition
        groups[name] = GroupVersion(group, made.version, made.basis)
    views = {}
    for name, view in definitions.views.items():
        read = {selection.group.name: groups[selection.group.name] for selection in view.selections}
        views[name] = ViewVersion(view, entries["view", name].version, read)
    return groups, views


def _lines(plan: Plan) -> Iterator[str]:
    for entry in plan.added:
        yield f"+ {entry.kind} {entry.name}"
    for entry in plan.changed:
        yield f"~ {entry.kind} {entry.name} {entry.before} → {entry.version}"
        yield from (f"    {line}" for line in entry.details)
        yield from (f"    ! {line}" for line in entry.recompute)
        if not entry.recompute:
            yield "    nothing is recomputed"
    for item in plan.removed:
        yield f"- {item.kind} {item.name}" + ("" if item.pruned else " (kept unless prune)")
        if item.consumers:
            yield f"    read by {', '.join(item.consumers)}"
    kept = sum(not item.pruned for item in plan.removed)
    counts = [(len(plan.added), "to add"), (len(plan.changed), "to change"), (len(plan.removed) - kept, "to remove")]
    counts += [(len(plan.unchanged), "unchanged"), (kept, "not in the list")]
    yield ", ".join(f"{number} {words}" for number, words in counts if number) or "nothing is defined"
