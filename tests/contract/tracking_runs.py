"""Runs for the contracts of tracking."""

from __future__ import annotations

from headrace.ids import new_id
from headrace.tracking.run import Run
from headrace.tracking.search import parse_filter, parse_order
from headrace.tracking.store import RunQuery

__all__ = ["make_run", "names"]


def make_run(stores, **changes):
    values = {"id": new_id(), "name": "r", "experiment_id": "0", "experiment": "Default", "status": "RUNNING", "start": 1_000}
    run = Run(**{**values, **changes})
    stores.runs.create(run)
    return run.id


def names(stores, filters="", order=(), **options):
    return [run.name for run in stores.runs.search(RunQuery(parse_filter(filters), parse_order(tuple(order)), **options)).runs()]
