"""What the catalog holds at one revision, as definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from headrace.catalog.functions import bind_functions
from headrace.catalog.store import CatalogState
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import Source, source_from_spec
from headrace.definitions.version import DefinitionVersion, GroupVersion, Kind, ViewVersion, parse_reference
from headrace.definitions.view import FeatureView
from headrace.errors import NotFoundError

__all__ = ["Contents"]


class Contents:
    """The definitions of one revision, each made from its spec at first use and then kept.

    A group version on the same basis as the latest one computes the same, so it reads the latest entity and source; an older one
    reads those it was made over.

    Args:
        versions: all versions of a name, oldest first.
        modules: import paths that on-demand functions may be loaded from.
    """

    def __init__(
        self, state: CatalogState, versions: Callable[[Kind, str], Sequence[DefinitionVersion]], modules: Sequence[str]
    ) -> None:
        self.state = state
        self._versions = versions
        self._modules = modules
        self._groups: dict[tuple[str, int], GroupVersion] = {}
        self._views: dict[str, ViewVersion] = {}

    def entity(self, reference: str) -> Entity:
        """An entity, the latest version or a pinned one."""
        found = self.find("entity", reference)
        return Entity.from_spec(found.name, found.spec)

    def source(self, reference: str) -> Source:
        """A source, the latest version or a pinned one."""
        found = self.find("source", reference)
        return source_from_spec(found.name, found.spec)

    def group(self, reference: str) -> GroupVersion:
        """A group, the latest version or a pinned one."""
        found = self.find("group", reference)
        key = found.name, found.version
        if key not in self._groups:
            self._groups[key] = self._make_group(found)
        return self._groups[key]

    def view(self, reference: str) -> ViewVersion:
        """A view, the latest version or a pinned one, its on-demand functions loaded."""
        parse_reference(reference)  # what isn't text may not even be a key
        if reference not in self._views:
            self._views[reference] = self._make_view(self.find("view", reference))
        return self._views[reference]

    @cached_property
    def by_source(self) -> dict[str, list[GroupVersion]]:
        """Each source's groups: the latest versions, and older ones that the latest version of some view reads."""
        latest = [self.group(name) for name in self.names("group")]
        read = [group for name in self.names("view") for group in self._groups_of(self.find("view", name)).values()]
        found: dict[str, dict[str, GroupVersion]] = {name: {} for name in self.names("source")}
        for group in (*latest, *read):
            found.setdefault(group.group.source.name, {}).setdefault(group.id, group)
        return {source: list(groups.values()) for source, groups in found.items()}

    def names(self, kind: Kind) -> list[str]:
        """The names of a kind."""
        return [name for found, name in self.state.heads if found == kind]

    def find(self, kind: Kind, reference: str) -> DefinitionVersion:
        """The stored version that `name` or `name:version` means. Raises NotFoundError."""
        name, version = parse_reference(reference)
        head = self.state.heads.get((kind, name))
        if head is not None and version in (None, head.version):
            return head
        versions = [] if version is None else self._versions(kind, name)
        for found in versions:
            if found.version == version:
                return found
        if versions:
            numbers = ", ".join(str(found.version) for found in versions)
            msg = f"{kind} {name!r} has no version {version}; there is: {numbers}"
            raise NotFoundError(msg)
        raise NotFoundError.of(kind, name, self.names(kind))

    def _is_current(self, found: DefinitionVersion) -> bool:
        head = self.state.heads.get((found.kind, found.name))
        return head is not None and head.basis == found.basis

    def _make_group(self, found: DefinitionVersion) -> GroupVersion:
        entity, source = found.spec["entity"], found.spec["source"]
        if not self._is_current(found):
            refs = found.spec["refs"]
            entity, source = f"{entity}:{refs[f'entity:{entity}']}", f"{source}:{refs[f'source:{source}']}"
        group = FeatureGroup.from_spec(found.name, found.spec, self.entity(entity), self.source(source))
        return GroupVersion(group, found.version, found.basis)

    def _make_view(self, found: DefinitionVersion) -> ViewVersion:
        groups = self._groups_of(found)
        view = FeatureView.from_spec(found.name, found.spec, {name: group.group for name, group in groups.items()})
        return ViewVersion(bind_functions(view, self._modules), found.version, groups)

    def _groups_of(self, view: DefinitionVersion) -> dict[str, GroupVersion]:
        """The groups that a view version reads; where the latest computes the same as the one it was made over, the latest."""
        groups = {}
        for _, name, version in view.refers_to():
            pinned = self.find("group", f"{name}:{version}")
            groups[name] = self.group(name if self._is_current(pinned) else f"{name}:{version}")
        return groups
