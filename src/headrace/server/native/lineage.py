"""The lineage around a thing, both ways, for the app's map; and what would change if the thing did."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headrace.clock import isoformat
from headrace.errors import InvalidInputError, NotFoundError
from headrace.lineage.graph import kind_of
from headrace.lineage.store import Edge
from headrace.server.endpoint import Operation
from headrace.server.http import Call, Reply, json_reply
from headrace.server.schema import Content, Field, Record, read_query

__all__ = ["IMPACT", "LINEAGE"]

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
_TOUCHED = Record(
    "TouchedThing",
    {
        **_NODE.fields,
        "features": Field("Of a group or a view: its features that take the values.", ("array",), of=Field("A name.")),
        "stage": Field("Of a model version: where it stands; else empty."),
    },
    whole=True,
)
_SERVING = Record(
    "ServingVersion",
    {
        "model": Field("The registered model."),
        "version": Field("The version that services answer with.", ("integer",)),
        "role": Field("How it answers.", choices=("main", "canary", "shadow")),
        "rows": Field("Predictions of the last day that were kept.", ("integer",)),
        "last": Field("When it made the last one, RFC 3339."),
    },
    whole=True,
)
_IMPACT = Record(
    "Impact",
    {
        "root": Field("The full name of what was asked about."),
        "nodes": Field("What takes its values, the nearest first, itself left out.", ("array",), of=_TOUCHED),
        "edges": Field("How it reaches them.", ("array",), of=_EDGE),
        "services": Field("Touched versions that answered within the last day.", ("array",), of=_SERVING),
    },
    whole=True,
)
_SERVED_MICROS = 86_400_000_000
"""How long ago a version must have answered to count as one that is served."""


def _lineage(call: Call) -> Reply:
    """What a thing was made from and what was made from it, as many steps away as is asked for.

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


def _impact(call: Call) -> Reply:
    """What a change of a thing would reach: for a column or a feature, only what takes its values.

    A view is touched if it selects a feature that takes them, or computes one on demand; then its training sets, the runs that
    used them, the models, their versions and aliases, and what is served.
    """
    found = call.store.impact(call.path["urn"])
    urns = found.nodes()
    labels, stages = _run_names(call, urns), _stages(call, urns)
    nodes = [
        {
            "urn": item,
            "kind": kind_of(item),
            "label": labels.get(item) or _label(item),
            "features": list(found.features.get(item, ())),
            "stage": stages.get(item, ""),
        }
        for item in urns
    ]
    edges = [_told(edge) for edge in found.graph.edges]
    return json_reply({"root": found.root, "nodes": nodes, "edges": edges, "services": _services(call, urns)})


def _stages(call: Call, urns: list[str]) -> dict[str, str]:
    """Where model versions stand; those that were deleted are left out."""
    found: dict[str, str] = {}
    for name in _models(urns):
        try:
            lifecycle = call.store.models.model(name).lifecycle
        except NotFoundError:
            continue
        found |= {f"models:/{name}/{number}": lifecycle.stage_of(number) for number in lifecycle.versions}
    return found


def _models(urns: list[str]) -> list[str]:
    """The registered models whose versions are among these."""
    names = (urn.removeprefix("models:/").rpartition("/")[0] for urn in urns if kind_of(urn) == "model")
    return list(dict.fromkeys(names))


def _services(call: Call, urns: list[str]) -> list[dict[str, Any]]:
    names = _models(urns)
    since = call.store.runs.recorder.clock() - _SERVED_MICROS
    found = [each for name in names for each in call.store.predictions.serving(name, since)]
    touched = [each for each in found if f"models:/{each.model}/{each.version}" in urns]
    return [{**asdict(each), "last": isoformat(each.last)} for each in touched]


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
IMPACT = Operation(_impact, gives=(Content(record=_IMPACT),))
