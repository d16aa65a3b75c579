"""The lineage around a thing, both ways, for the app's map; and what there is to look at."""

from __future__ import annotations

from typing import Any

from headrace.clock import isoformat
from headrace.errors import InvalidInputError, NotFoundError
from headrace.lineage.graph import kind_of
from headrace.lineage.store import Edge
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record, read_query

__all__ = ["LINEAGE"]

MOST_DEPTH = 50
_QUERY = {
    "up": Field("Steps towards what it was made from.", ("integer",), default=2),
    "down": Field("Steps towards what was made from it.", ("integer",), default=2),
}
_NODE = Record(
    "LineageNode", {"urn": Field("Its name."), "kind": Field("What it is."), "label": Field("A short name.")}, whole=True
)
_EDGE = Record(
    "LineageEdge",
    {
        "source": Field("The earlier thing."),
        "target": Field("The later thing."),
        "kind": Field("How they are connected."),
        "time": Field("Since when, RFC 3339; null where it always was.", nullable=True),
    },
    whole=True,
)
_GRAPH = Record(
    "LineageGraph",
    {
        "root": Field("The full name of what was asked for."),
        "nodes": Field("What is near it, itself included.", ("array",), of=_NODE),
        "edges": Field("Each once.", ("array",), of=_EDGE),
    },
    whole=True,
)


def _lineage(call: Call) -> Reply:
    """What a thing was made from and what was made from it, some steps far.

    It is named as everywhere: `models:/NAME@champion`, `view:NAME`, `run:ID`, `source:NAME.COLUMN`.
    """
    asked = read_query(call.query, _QUERY)
    if not (0 <= asked["up"] <= MOST_DEPTH and 0 <= asked["down"] <= MOST_DEPTH):
        msg = f"up and down are 0 to {MOST_DEPTH} steps, not {asked['up']} and {asked['down']}"
        raise InvalidInputError(msg)
    lineage, urn = call.store.lineage, call.path["urn"]
    up, down = lineage.upstream(urn, asked["up"]), lineage.downstream(urn, asked["down"])
    edges = {(edge.source, edge.target, edge.kind): edge for edge in (*up.edges, *down.edges)}
    urns = list(dict.fromkeys([*up.nodes(), *down.nodes()]))
    labels = _run_names(call, urns)
    nodes = [{"urn": item, "kind": kind_of(item), "label": labels.get(item) or _label(item)} for item in urns]
    return json_reply({"root": up.root, "nodes": nodes, "edges": [_told(edge) for edge in edges.values()]})


def _run_names(call: Call, urns: list[str]) -> dict[str, str]:
    """What runs and logged models are called: their ids say nothing to a person."""
    found = {}
    for urn in urns:
        try:
            if kind_of(urn) == "run":
                found[urn] = call.store.runs.get(urn.partition(":")[2]).name
            elif kind_of(urn) == "logged_model":
                found[urn] = call.store.runs.model(urn.partition(":")[2]).name
        except NotFoundError:  # it was removed for good; the line to it stays
            continue
    return found


def _label(urn: str) -> str:
    return urn.removeprefix("models:/") if urn.startswith("models:/") else urn.partition(":")[2]


def _told(edge: Edge) -> dict[str, Any]:
    time = isoformat(edge.time) if edge.time else None
    return {"source": edge.source, "target": edge.target, "kind": edge.kind, "time": time}


LINEAGE = Operation(_lineage, gives=(Content(record=_GRAPH),), query=_QUERY)
