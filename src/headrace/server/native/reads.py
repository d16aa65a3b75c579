"""Features out, for remote stores: values now and then, freshness, training sets, lineage."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, Any

from headrace.catalog.functions import unloaded
from headrace.definitions.version import ViewVersion, without_on_demand
from headrace.errors import IntegrityError, NotFoundError
from headrace.features.fingerprint import fingerprint
from headrace.features.store import TrainingSetRecord
from headrace.server.endpoint import then
from headrace.server.native.exchange import Answer, Task, quick, work
from headrace.wire.online import answer_to, shape_of, version_of

if TYPE_CHECKING:
    from headrace.features.lookup import OnlineFeatures

__all__ = ["ALL_SETS", "FRESHNESS", "GET_SET", "HISTORY", "KEEP_SET", "LINEAGE", "NEAREST", "ONLINE", "PIN", "SET_ROWS", "VERIFY"]


def _online(task: Task) -> Any:
    """The values now for some entities; without on-demand features if their code isn't here."""
    asked, lookup = task.arguments, task.store.lookup
    view = task.store.catalog.view(asked["view"])
    if asked["compute"] and not unloaded(view.view):
        found = lookup.read(view.id, asked["entities"], asked["at"], asked["sample"], asked["max_staleness"], asked["request"])
        return _answer(task, view, found, computed=True)
    return _answer(task, view, lookup.inputs(view.id, asked["entities"], asked["at"], asked["sample"]), computed=False)


def _online_at_once(task: Task) -> Any:
    """The same, or what gives the same when it's awaited, if one read of the online store is all it takes; else None."""
    from headrace.features.lookup import Lookup

    asked, lookup = task.arguments, task.store.opened_lookup
    if asked["at"] is not None or not asked["compute"] or not isinstance(lookup, Lookup):
        return None
    view = task.store.catalog.view(asked["view"])
    found = lookup.read_at_once(view, asked["entities"], asked["sample"], asked["max_staleness"], asked["request"])
    return then(found, lambda found: _answer(task, view, found, computed=True))


def _answer(task: Task, view: ViewVersion, found: OnlineFeatures, *, computed: bool) -> dict[str, Any]:
    task.metrics.read(found.view, len(found))
    known = task.arguments["known"] == version_of(view.id, computed=computed)
    return {"answer": answer_to(found), "shape": None if known else asdict(shape_of(view, computed=computed))}


def _pin(task: Task) -> Answer:
    """The versions of the lake's tables that a view reads, everything pushed included."""
    view = task.store.catalog.view(task.arguments["view"])
    return {source: pin.version for source, pin in task.store.services.history.pin(view).items()}, None


def _history(task: Task) -> Answer:
    """A view's features as of each row's own time; without on-demand features if their code isn't here."""
    arguments, history = task.arguments, task.store.services.history
    view = task.store.catalog.view(arguments["view"])
    computed = not unloaded(view.view)
    asked: ViewVersion = view if computed else without_on_demand(view)
    versions = arguments["versions"]
    pins = history.pin(asked) if versions is None else history.pinned(asked, versions)
    found = history.append(asked, task.rows, arguments["timestamp"], pins, as_known=arguments["as_known"], progress=task.progress)
    return {"computed": computed}, found


def _freshness(task: Task) -> Any:
    """How fresh each group is."""
    return [asdict(item) for item in task.store.freshness().values()]


def _verify(task: Task) -> Answer:
    """Compute the sample of what was served of a view again, and compare."""
    arguments, verifier = task.arguments, task.store.services.verifier
    found = verifier.run(
        arguments["view"], arguments["since"], arguments["limit"], as_known=arguments["as_known"], progress=task.progress
    )
    return asdict(found), None


def _nearest(task: Task) -> Any:
    """The entities nearest to a vector, with their features now."""
    asked = dict(task.arguments)
    found = task.store.services.nearest.find(asked.pop("view"), asked.pop("vector"), asked.pop("k"), **asked)
    return {item.name: getattr(found, item.name) for item in fields(found)}


def _keep_set(task: Task) -> Answer:
    """Keep a training set that a client has put together."""
    record = TrainingSetRecord(**task.arguments)
    if fingerprint(task.rows) != record.fingerprint or record.rows != task.rows.num_rows:
        msg = f"the rows of training set {record.name!r} aren't those of its fingerprint; they were damaged on the way: try again"
        raise IntegrityError(msg)
    task.store.catalog.view(record.view)
    return asdict(task.store.training_sets.kept.keep(record, task.rows)), None


def _get_set(task: Task) -> Any:
    """What a training set was made from."""
    found = task.store.training_sets.kept.get(task.arguments["name"], task.arguments["version"])
    return None if found is None else asdict(found)


def _all_sets(task: Task) -> Any:
    """What each training set was made from."""
    return [asdict(record) for record in task.store.training_sets.kept.all()]


def _set_rows(task: Task) -> Answer:
    """The rows of a training set, their bytes verified."""
    kept, name = task.store.training_sets.kept, task.arguments["name"]
    record = kept.get(name, task.arguments["version"])
    if record is None:
        raise NotFoundError.of("training set", name, [item.name for item in kept.all()])
    return None, kept.load(record)


def _lineage(task: Task) -> Answer:
    """What a thing was made from, or what was made from it."""
    lineage, urn, depth = task.store.lineage, task.arguments["urn"], task.arguments["depth"]
    found = (lineage.upstream if task.arguments["direction"] == "upstream" else lineage.downstream)(urn, depth)
    edges = [[edge.source, edge.target, edge.kind, edge.time] for edge in found.edges]
    return {"root": found.root, "edges": edges}, None


_SET: dict[str, type | UnionType] = {"name": str, "version": int | None}
_RECORD: dict[str, type | UnionType] = {
    **dict.fromkeys(("name", "fingerprint", "frame", "view", "labels", "timestamp", "label", "author"), str),
    **dict.fromkeys(("version", "rows", "created"), int),
    "tables": dict,
    "as_known": bool,
}

ONLINE = quick(
    _online,
    {
        "view": object,
        "entities": dict,
        "at": datetime | None,
        "sample": float | int | None,
        "max_staleness": float | int | None,
        "request": str | None,
        "compute": bool,
        "known": str | None,
    },
    at_once=_online_at_once,
)
PIN = work(_pin, {"view": str})
HISTORY = work(_history, {"view": str, "timestamp": str, "as_known": bool, "versions": dict | None})
FRESHNESS = quick(_freshness, {})
KEEP_SET = work(_keep_set, _RECORD, changes=True, repeatable=False)
GET_SET = quick(_get_set, _SET)
ALL_SETS = quick(_all_sets, {})
SET_ROWS = work(_set_rows, _SET)
VERIFY = work(_verify, {"view": object, "since": str | None, "limit": int | None, "as_known": bool})
NEAREST = quick(
    _nearest,
    {
        "view": object,
        "vector": object,
        "k": object,
        "by": str | None,
        "where": str | None,
        "metric": object,
        "entities": dict,
    },
)
LINEAGE = work(_lineage, {"urn": str, "direction": str, "depth": int | None})
