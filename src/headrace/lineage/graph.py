"""The lineage as a graph: upstream, what a node was made from; downstream, what was made from it; either as a tree of text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from headrace.arguments import checked
from headrace.clock import isoformat
from headrace.display import table_html
from headrace.errors import NotFoundError
from headrace.lineage.store import Edge, LineageStore

__all__ = ["Direction", "Graph", "Lineage", "LineageReads", "kind_of", "whole_of"]

Direction = Literal["upstream", "downstream"]

_UNVERSIONED = re.compile(r"(group|view|training_set):[^:]+|models:/[^/@]+")
_VERSION = re.compile(r"models:/.+/\d+")
_SHOWN_EDGES = 50
_BY_ID = re.compile(r"(run|logged_model):.+")
_FEATURE = re.compile(r"feature:(.+:\d+)\..+")


@dataclass(frozen=True, slots=True)
class Graph:
    """What is connected to one node, in one direction.

    Attributes:
        root: the URN that was asked for.
        direction: `upstream` for what it was made from, `downstream` for what was made from it.
        edges: each once, newest first. An edge's source is always the earlier node.
    """

    root: str
    direction: Direction
    edges: tuple[Edge, ...]

    def nodes(self, kind: str | None = None) -> list[str]:
        """The URNs, nearest to the root first and newest among equals; only those of a kind, for example `source` or `run`."""
        order = [self.root]
        seen = {self.root}
        children = self._children()
        for urn in order:
            new = [far for far, _ in children.get(urn, []) if far not in seen]
            order += dict.fromkeys(new)
            seen.update(new)
        return [urn for urn in order if kind is None or kind_of(urn) == kind]

    def __contains__(self, urn: object) -> bool:
        return urn == self.root or any(urn in (edge.source, edge.target) for edge in self.edges)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes())

    def __len__(self) -> int:
        return len(self.nodes())

    def tree(self) -> str:
        """The graph as an indented text tree, newest first; a node that was shown above is marked and not repeated in full."""
        children = self._children()
        lines = [self.root]
        shown = {self.root}
        stack = [("", *child) for child in _marked(children.get(self.root, []))]
        while stack:
            indent, urn, edge, last = stack.pop()
            below = children.get(urn, [])
            again = " (shown above)" if urn in shown else ""
            lines.append(f"{indent}{'└── ' if last else '├── '}{urn}  [{_note(edge)}]{again}")
            if urn not in shown:
                stack += [(indent + ("    " if last else "│   "), *child) for child in _marked(below)]
            shown.add(urn)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The graph as plain JSON values."""
        return {
            "root": self.root,
            "direction": self.direction,
            "nodes": [{"urn": urn, "kind": kind_of(urn)} for urn in self.nodes()],
            "edges": [{**asdict(edge), "time": isoformat(edge.time)} for edge in self.edges],
        }

    def __str__(self) -> str:
        return self.tree()

    def _repr_html_(self) -> str:
        edges = self.edges[:_SHOWN_EDGES]
        rows = [(edge.source, _note(edge), edge.target, isoformat(edge.time)[:19]) for edge in edges]
        columns = ("from", "how", "to", "when (UTC)")
        return table_html(f"{self.direction} of {self.root}", columns, rows, len(self.edges) - len(edges))

    def _children(self) -> dict[str, list[tuple[str, Edge]]]:
        out: dict[str, list[tuple[str, Edge]]] = {}
        for edge in self.edges:
            near, far = (edge.target, edge.source) if self.direction == "upstream" else (edge.source, edge.target)
            out.setdefault(near, []).append((far, edge))
        return out


class LineageReads(Protocol):
    """Reads of a Store's lineage."""

    def upstream(self, urn: str, depth: int | None = None) -> Graph:
        """What a node was made from, `depth` steps far or all the way. Raises NotFoundError."""
        ...

    def downstream(self, urn: str, depth: int | None = None) -> Graph:
        """What was made from a node, `depth` steps far or all the way. Raises NotFoundError."""
        ...

    def find(self, urn: str) -> str:
        """The full URN of a name: its newest version if it names none. Raises NotFoundError."""
        ...


@checked()
class Lineage:
    """The lineage of a project.

    Some edges aren't stored but follow from names: a column is part of its source, a feature of its group, and an alias points at
    the version that the registry gives for it now.

    Args:
        store: the edges.
        resolve_alias: `models:/name@alias`, `models:/name/Production`, … to the URNs it names now.
        aliases_of: the URN of a model version to the URNs of the aliases that point at it now.
        predictions: `prediction:REQUEST` to the edges that lead to it; predictions are kept in the lake, as there are so many.
    """

    def __init__(
        self,
        store: LineageStore,
        resolve_alias: Callable[[str], list[str]] = lambda _: [],
        aliases_of: Callable[[str], list[str]] = lambda _: [],
        predictions: Callable[[str], list[Edge]] = lambda _: [],
    ) -> None:
        self._predictions = predictions
        self._store = store
        self._resolve_alias = resolve_alias
        self._aliases_of = aliases_of

    def add(self, edges: Sequence[Edge]) -> None:
        """Add edges, all or none."""
        self._store.add(edges)

    def upstream(self, urn: str, depth: int | None = None) -> Graph:
        """What a node was made from, `depth` steps far or all the way.

        A name without a version, such as `view:ranking`, means its newest version. The id of a run or a logged model may be cut
        short, as long as it is unique.

        Raises:
            NotFoundError: nothing of that name is in the lineage; names the nearest.
        """
        return self._walk(self.find(urn), "upstream", depth)

    def downstream(self, urn: str, depth: int | None = None) -> Graph:
        """What was made from a node, `depth` steps far or all the way. Arguments and errors as for `upstream`."""
        return self._walk(self.find(urn), "downstream", depth)

    def find(self, urn: str) -> str:
        """The full URN of a name: its newest version if it names none; of the beginning of an id. Raises NotFoundError."""
        newest = self._newest(urn)
        if newest is not None:
            return newest
        if (_is_pointer(urn) and self._resolve_alias(urn)) or self._exists(urn) or self._implied_prediction(urn):
            return urn
        begun = self._store.urns(urn) if _BY_ID.fullmatch(urn) else []
        if len(begun) == 1:
            return begun[0]
        scheme = urn.partition(":")[0]
        if scheme == "prediction":
            kept = "a service keeps a prediction within half a minute of its answer, or with --log-share only some"
            msg = f"no {urn!r} is kept; {kept}"
            raise NotFoundError(msg)
        error = NotFoundError.of("node of the lineage", urn, self._store.urns(f"{scheme}:") or self._store.urns(""))
        raise error

    def _implied_prediction(self, urn: str) -> bool:
        return kind_of(urn) == "prediction" and bool(self._predictions(urn))

    def _newest(self, urn: str) -> str | None:
        if not _UNVERSIONED.fullmatch(urn):
            return None
        stem = f"{urn}/" if urn.startswith("models:/") else f"{urn}:"
        numbers = [int(rest) for known in self._store.urns(stem) if (rest := known.removeprefix(stem)).isdecimal()]
        return f"{stem}{max(numbers)}" if numbers else None

    def _exists(self, urn: str) -> bool:
        return bool(self._store.into([urn]) or self._store.out_of([urn]) or self._parts(urn))

    def _walk(self, root: str, direction: Direction, depth: int | None) -> Graph:
        found: dict[tuple[str, str, str], Edge] = {}
        seen, frontier = {root}, [root]
        while frontier and depth != 0:
            edges = self._into(frontier) if direction == "upstream" else self._out_of(frontier)
            found |= {(edge.source, edge.target, edge.kind): edge for edge in edges}
            ends = [edge.source if direction == "upstream" else edge.target for edge in edges]
            frontier = [urn for urn in dict.fromkeys(ends) if urn not in seen]
            seen.update(frontier)
            depth = None if depth is None else depth - 1
        ordered = sorted(found.values(), key=lambda edge: (-edge.time, edge.source, edge.target, edge.kind))
        return Graph(root, direction, tuple(ordered))

    def _into(self, urns: Sequence[str]) -> list[Edge]:
        edges = self._store.into(urns)
        implied = [edge for urn in urns for edge in self._implied_into(urn)]
        return _merged(edges, implied)

    def _out_of(self, urns: Sequence[str]) -> list[Edge]:
        edges = self._store.out_of(urns)
        implied = [edge for urn in urns for edge in self._implied_out_of(urn)]
        return _merged(edges, implied)

    def _implied_into(self, urn: str) -> list[Edge]:
        kind = kind_of(urn)
        if _is_pointer(urn):
            return [Edge(version, urn, "points", 0) for version in self._resolve_alias(urn)]
        if kind == "prediction":
            return self._predictions(urn)
        if kind == "group":
            return [Edge(part, urn, "contains", 0) for part in self._parts(urn)]
        if kind == "source" and whole_of(urn):
            return [Edge(whole_of(urn), urn, "contains", 0)]
        return []

    def _implied_out_of(self, urn: str) -> list[Edge]:
        kind = kind_of(urn)
        if kind == "model":
            return [Edge(urn, alias, "points", 0) for alias in self._aliases_of(urn)]
        if kind == "source":
            return [Edge(urn, part, "contains", 0) for part in self._parts(urn)]
        if kind == "feature" and whole_of(urn):
            return [Edge(urn, whole_of(urn), "contains", 0)]
        return []

    def _parts(self, urn: str) -> list[str]:
        kind = kind_of(urn)
        if kind == "source" and not whole_of(urn):
            return self._store.urns(f"{urn}.")
        return self._store.urns(f"feature:{urn.removeprefix('group:')}.") if kind == "group" else []


def kind_of(urn: str) -> str:
    """What a URN names: source, group, feature, view, training_set, run, logged_model, …; `model` for a version, `alias`."""
    if urn.startswith("models:/"):
        return "model" if _VERSION.fullmatch(urn) else "alias"
    return urn.partition(":")[0]


def _is_pointer(urn: str) -> bool:
    return kind_of(urn) == "alias"


def whole_of(urn: str) -> str:
    """The source of a column, the group of a feature; empty for a node that isn't a part."""
    feature = _FEATURE.fullmatch(urn)
    if feature:
        return f"group:{feature[1]}"
    name, dot, _ = urn.partition(".")
    return name if dot and kind_of(urn) == "source" else ""


def _merged(edges: Iterable[Edge], implied: Iterable[Edge]) -> list[Edge]:
    written = list(edges)
    pairs = {(edge.source, edge.target) for edge in written}
    return [*written, *(edge for edge in implied if (edge.source, edge.target) not in pairs)]


def _marked(children: Sequence[tuple[str, Edge]]) -> list[tuple[str, Edge, bool]]:
    """The children in the order a stack wants them, each with whether it is the last to be shown."""
    return [(urn, edge, index == len(children) - 1) for index, (urn, edge) in enumerate(children)][::-1]


def _note(edge: Edge) -> str:
    return f"{edge.kind} {isoformat(edge.time)}" if edge.time else edge.kind
