"""The contracts of looking through many runs, for remote stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.server.endpoint import Endpoint
from headrace.server.native.exchange import Task, quick
from headrace.server.native.tracking import PREFIX, READ, contract
from headrace.shapes import plain
from headrace.tracking.changes import Changes
from headrace.tracking.curves import CurveStore
from headrace.tracking.overview import Overview

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["TRACKING_OVERVIEW"]


def _overview(store: Store) -> Overview:
    return store.overview


def _curves(store: Store) -> CurveStore:
    return store.curves.store


def _changes(store: Store) -> Changes:
    return store.changes


def _sizes(task: Task) -> Any:
    """How much there is of each metric: run, key, chunks, points; what a run lacks is left out."""
    return [[*name, *size] for name, size in task.store.curves.store.sizes(**task.arguments).items()]


def _pieces(task: Task) -> Any:
    """The chunks of a metric from one state of the catalog, by number; those whose (number, count) is known without data."""
    asked = {**task.arguments, "known": {(number, count) for number, count in task.arguments["known"]}}
    return plain(task.store.curves.store.pieces(**asked))


_OPERATIONS = {
    "overview/experiments": contract(_overview, Overview.experiments),
    "overview/keys": contract(_overview, Overview.keys),
    "overview/table": contract(_overview, Overview.table),
    "overview/tree": contract(_overview, Overview.tree),
    "overview/values": contract(_overview, Overview.values),
    "overview/extremes": contract(_overview, Overview.extremes),
    "overview/children": contract(_overview, Overview.children),
    "overview/running": contract(_overview, Overview.running),
    "overview/statuses": contract(_overview, Overview.statuses),
    "overview/taken_in": contract(_overview, Overview.taken_in),
    "curves/sizes": quick(_sizes, {"run_ids": list, "keys": list}),
    "curves/pieces": quick(_pieces, {"run_id": str, "key": str, "known": list, "summed": bool}),
    "curves/starts": contract(_curves, CurveStore.starts),
    "changes/end": contract(_changes, Changes.end),
    "changes/since": contract(_changes, Changes.since),
}
TRACKING_OVERVIEW = tuple(Endpoint("POST", f"{PREFIX}/{path}", READ, operation) for path, operation in _OPERATIONS.items())
