"""Versions of definitions that another process planned, as definitions again, so that they can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headrace.catalog.contents import Contents
from headrace.catalog.plan import Plan
from headrace.catalog.store import Key
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import Source, source_from_spec
from headrace.definitions.validation import Definition
from headrace.definitions.version import DefinitionVersion
from headrace.definitions.view import FeatureView
from headrace.errors import InvalidInputError

__all__ = ["accepted", "definitions_of"]


def definitions_of(added: Sequence[DefinitionVersion], contents: Contents) -> list[Definition]:
    """The definitions of new versions; what they refer to is among them, or in the catalog.

    Raises:
        NotFoundError: they refer to what isn't there.
        InvalidInputError: a spec isn't one that this release can read.
    """
    made = _Made(contents)
    for kind in ("entity", "source", "group", "view"):
        for version in added:
            if version.kind == kind:
                made.add(version)
    return [*made.entities.values(), *made.sources.values(), *made.groups.values(), *made.views]


def accepted(plan: Plan, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> list[DefinitionVersion]:
    """The plan's versions, in the name of those who made them.

    Raises:
        InvalidInputError: what was added isn't what planning it here gives.
    """
    authors = {(version.kind, version.name): version.author for version in added}
    gone = {(kind, name) for kind, name in removed}
    planned = [entry.definition for entry in (*plan.added, *plan.changed) if (entry.kind, entry.name) not in gone]
    if _identities(planned) != _identities(added):
        msg = (
            "these versions of definitions aren't what planning them here gives; nothing was changed. "
            "Client and server must be of one release of headrace"
        )
        raise InvalidInputError(msg)
    return [replace(version, author=authors[version.kind, version.name]) for version in planned]


def _identities(versions: Sequence[DefinitionVersion]) -> set[tuple[object, ...]]:
    return {
        (version.kind, version.name, version.version, version.hash, version.computation_hash, version.basis)
        for version in versions
    }


class _Made:
    """Definitions made so far."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.entities: dict[str, Entity] = {}
        self.sources: dict[str, Source] = {}
        self.groups: dict[str, FeatureGroup] = {}
        self.views: list[FeatureView] = []

    def add(self, version: DefinitionVersion) -> None:
        name, spec = version.name, version.spec
        try:
            if version.kind == "entity":
                self.entities[name] = Entity.from_spec(name, spec)
            elif version.kind == "source":
                self.sources[name] = source_from_spec(name, spec)
            elif version.kind == "group":
                self.groups[name] = self._group(name, spec)
            else:
                read = [ref.removeprefix("group:") for ref in spec["refs"]]
                groups = {group: self.groups.get(group) or self._contents.group(group).group for group in read}
                self.views.append(FeatureView.from_spec(name, spec, groups))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            msg = f"{version.kind} {name!r} isn't a definition that this release of headrace can read ({error!r})"
            raise InvalidInputError(msg) from error

    def _group(self, name: str, spec: Any) -> FeatureGroup:
        entity = self.entities.get(spec["entity"]) or self._contents.entity(spec["entity"])
        source = self.sources.get(spec["source"]) or self._contents.source(spec["source"])
        return FeatureGroup.from_spec(name, spec, entity, source)
