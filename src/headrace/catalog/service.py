"""The catalog: plan and apply definitions, look them up, and tell their history."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from headrace.arguments import checked
from headrace.catalog.acceptance import accepted, definitions_of
from headrace.catalog.contents import Contents
from headrace.catalog.followers import followers_of
from headrace.catalog.functions import remember_functions
from headrace.catalog.plan import Plan, make_plan
from headrace.catalog.store import CatalogStore, Key
from headrace.clock import Clock
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureSelection
from headrace.definitions.on_demand import OnDemandFeature
from headrace.definitions.source import Source
from headrace.definitions.validation import Definition, ResolvedDefinitions, closure, resolve
from headrace.definitions.version import DefinitionVersion, GroupVersion, Kind, Reference, ViewVersion
from headrace.errors import ConflictError, DefinitionError, NotFoundError

__all__ = ["Catalog"]

ATTEMPTS = 100
PAUSE_SECONDS = 0.01


@checked()
class Catalog:
    """The registry of definitions.

    A look-up costs microseconds while nothing changes: definitions are cached until the store's stamp changes, and dropped only
    if its revision has changed too. So a reader sees another process's apply at its next look-up.

    Args:
        store: where versions are kept, also for those who pass it on.
        clock: gives their time of creation.
        author: who applies.
        modules: import paths that on-demand functions may be loaded from.
    """

    def __init__(self, store: CatalogStore, clock: Clock, author: str = "", modules: Sequence[str] = ()) -> None:
        self.store = store
        self._clock = clock
        self._author = author
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._cached: tuple[int, Contents] | None = None

    def plan(self, definitions: Sequence[Definition | FeatureSelection | OnDemandFeature], *, prune: bool = False) -> Plan:
        """Plan what `apply` would do; nothing is changed.

        Raises:
            DefinitionError: with every fault of the definitions, and of those in the catalog that depend on them.
        """
        contents = Contents(self.store.state(), self.store.versions, self._modules)
        listed = closure(definitions)
        followers = [] if prune else followers_of(listed, contents)
        resolved = resolve([*definitions, *followers])
        self._refuse_new_meanings(resolved)
        return make_plan(contents.state, resolved, _keys(listed), prune=prune, now=self._clock(), author=self._author)

    def apply(self, definitions: Sequence[Definition | FeatureSelection | OnDemandFeature], *, prune: bool = False) -> Plan:
        """Bring the catalog to the definitions, all or nothing, and say what changed.

        A plan is made from one state of the catalog and committed only if the catalog is still in that state; else it is made
        again. So processes that apply at the same time don't undo each other's work.

        Args:
            definitions: what to define; what they refer to is included.
            prune: remove what the list doesn't hold. Default: keep it. Versions of a removed name stay readable by number.

        Raises:
            DefinitionError: with every fault; nothing was changed.
            ConflictError: others kept changing the catalog.
        """
        for attempt in range(ATTEMPTS):
            plan = self.plan(definitions, prune=prune)
            try:
                self._commit(plan)
            except ConflictError:
                time.sleep(PAUSE_SECONDS * min(attempt, 10))
                continue
            remember_functions(closure(definitions).views.values())
            with self._lock:
                self._cached = None  # its views may hold functions that couldn't be loaded and now can
            return plan
        msg = f"other processes changed the catalog {ATTEMPTS} times while these definitions were applied; try again"
        raise ConflictError(msg)

    def accept(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> Plan:
        """Commit versions that another process planned, and return the plan. They are planned again from their specs, so that
        nothing is committed that `apply` would refuse.

        Raises:
            DefinitionError: with every fault; nothing was changed.
            ConflictError: the catalog isn't at `revision` any more.
            InvalidInputError: they aren't what planning them gives; nothing was changed.
        """
        contents = Contents(self.store.state(), self.store.versions, self._modules)
        plan = self.plan(definitions_of(added, contents))
        if not plan.revision == contents.state.revision == revision:
            msg = f"the catalog moved on from revision {revision} while it was being changed; plan again"
            raise ConflictError(msg)
        self.store.commit(revision, accepted(plan, added, removed), removed)
        with self._lock:
            self._cached = None
        return plan

    def revision(self) -> int:
        """A number that stays while every look-up gives what it gave."""
        return self._contents().state.revision

    def reach(self, revision: int) -> None:
        """Make sure that look-ups see at least this revision: somebody has seen it, though the store's stamp may not tell yet."""
        with self._lock:
            if self._cached is not None and self._cached[1].state.revision < revision:
                self._cached = None

    def entity(self, reference: Reference) -> Entity:
        """An entity: `"user"` is the latest version, `"user:2"` a pinned one. Raises NotFoundError."""
        return self._contents().entity(reference)

    def source(self, reference: Reference) -> Source:
        """A source, by `name` or `name:version`. Raises NotFoundError."""
        return self._contents().source(reference)

    def group(self, reference: Reference) -> GroupVersion:
        """A group, by `name` or `name:version`, with the types of its features. Raises NotFoundError."""
        return self._contents().group(reference)

    def view(self, reference: Reference) -> ViewVersion:
        """A view, by `name` or `name:version`, with its groups, its on-demand functions loaded.

        A function that can't be loaded raises the reason when it is called.

        Raises:
            NotFoundError: no such view or version; names the nearest, or the versions there are.
        """
        return self._contents().view(reference)

    def entities(self) -> list[Entity]:
        """The latest version of each entity, by name."""
        contents = self._contents()
        return [contents.entity(name) for name in contents.names("entity")]

    def sources(self) -> list[Source]:
        """The latest version of each source, by name."""
        contents = self._contents()
        return [contents.source(name) for name in contents.names("source")]

    def groups(self) -> list[GroupVersion]:
        """The latest version of each group, by name."""
        contents = self._contents()
        return [contents.group(name) for name in contents.names("group")]

    def views(self) -> list[ViewVersion]:
        """The latest version of each view, by name."""
        contents = self._contents()
        return [contents.view(name) for name in contents.names("view")]

    def groups_of(self, source: str) -> list[GroupVersion]:
        """The groups that a source feeds: the latest versions, and older ones that the latest version of some view reads."""
        contents = self._contents()
        if source not in contents.by_source:
            raise NotFoundError.of("source", source, contents.names("source"))
        return list(contents.by_source[source])

    def history(self, kind: Kind, name: str) -> list[DefinitionVersion]:
        """All versions of a definition, oldest first, those of a removed one too. Raises NotFoundError for an unknown name."""
        versions = self.store.versions(kind, name)
        if not versions:
            raise NotFoundError.of(kind, name, self._contents().names(kind))
        return versions

    def _refuse_new_meanings(self, resolved: ResolvedDefinitions) -> None:
        """A source's timestamp and the types of its columns stay: the lake may hold rows, under a removed name too."""
        faults = []
        for name, source in resolved.sources.items():
            versions = self.store.versions("source", name)
            if versions:
                faults += [
                    f"source {name!r}: {change}, for the lake may hold such rows; give the column or the source another name"
                    for change in _new_meanings(versions[-1], source)
                ]
        if faults:
            raise DefinitionError(faults)

    def _commit(self, plan: Plan) -> None:
        if plan:
            added = [entry.definition for entry in (*plan.added, *plan.changed)]
            self.store.commit(plan.revision, added, [(item.kind, item.name) for item in plan.removed if item.pruned])

    def _contents(self) -> Contents:
        stamp = self.store.stamp()
        cached = self._cached
        if cached is not None and cached[0] == stamp:
            return cached[1]
        with self._lock:
            cached = self._cached
            if cached is not None and self.store.revision() == cached[1].state.revision:
                contents = cached[1]
            else:
                contents = Contents(self.store.state(), self.store.versions, self._modules)
            self._cached = stamp, contents
            return contents


def _keys(definitions: ResolvedDefinitions) -> set[Key]:
    kinds: list[tuple[Kind, Sequence[str]]] = [
        ("entity", list(definitions.entities)),
        ("source", list(definitions.sources)),
        ("group", list(definitions.groups)),
        ("view", list(definitions.views)),
    ]
    return {(kind, name) for kind, names in kinds for name in names}


def _new_meanings(before: DefinitionVersion, source: Source) -> list[str]:
    kinds = dict(before.spec["schema"])
    changes = [
        f"column {column!r} was {kinds[column]} and can't become {kind}"
        for column, kind in source.schema.items()
        if kinds.get(column, kind) != kind
    ]
    if source.timestamp != before.spec["timestamp"]:
        changes.append(f"its timestamp was {before.spec['timestamp']!r} and can't become {source.timestamp!r}")
    return changes
