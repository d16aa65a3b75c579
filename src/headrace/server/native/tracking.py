"""The contracts of tracking's stores for remote stores. What is written is checked here once more, and its lineage is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from headrace.server.endpoint import Endpoint, Operation
from headrace.server.native.exchange import Task, quick
from headrace.shapes import plain, shaped
from headrace.tracking.history import pack
from headrace.tracking.run import ArtifactEntry, LoggedModel, Run
from headrace.tracking.store import ArtifactIndex, ExperimentStore, LoggedModelStore, MetricStore, RunStore

if TYPE_CHECKING:
    from headrace.store import Store

__all__ = ["PREFIX", "READ", "TRACKING", "contract"]

PREFIX = "/api/v1/store/tracking"
READ, WRITE, PURGE = "runs:read", "runs:write", "runs:purge"


def contract(of: Callable[[Store], Any], method: Callable[..., Any], *, changes: bool = False, name: str = "") -> Operation:
    """The operation that is one method of a contract: its arguments and its result are converted by its declared types.

    Args:
        of: what has the method in a store.
        name: what the method is called there, if not as in the contract.
    """
    called = name or method.__name__

    @cache
    def hints() -> Mapping[str, Any]:
        return get_type_hints(method)

    def verb(task: Task) -> Any:
        arguments = {key: shaped(value, hints()[key]) for key, value in task.arguments.items()}
        return plain(getattr(of(task.store), called)(**arguments))

    verb.__doc__, verb.__name__ = method.__doc__, method.__qualname__
    wanted = dict.fromkeys(
        list(method.__code__.co_varnames[1 : method.__code__.co_argcount + method.__code__.co_kwonlyargcount]), object
    )
    return quick(verb, wanted, changes=changes)


def _experiments(store: Store) -> ExperimentStore:
    return store.runs.stores.experiments


def _runs(store: Store) -> RunStore:
    return store.runs.stores.runs


def _files(store: Store) -> ArtifactIndex:
    return store.runs.stores.artifacts


def _models(store: Store) -> LoggedModelStore:
    return store.runs.stores.models


def _create_run(task: Task) -> None:
    """Keep a new run with its tags and params. The same run again changes nothing: its client gave it the id."""
    task.store.runs.recorder.create(shaped(task.arguments["run"], Run))


def _add_files(task: Task) -> None:
    """Add files to a run whose bytes were put before."""
    entries = shaped(task.arguments["entries"], Sequence[ArtifactEntry])
    task.store.runs.recorder.add_files(task.arguments["run_id"], entries)


def _create_model(task: Task) -> None:
    """Keep a new logged model whose files were put before, as an output of its run."""
    task.store.runs.recorder.keep_model(shaped(task.arguments["model"], LoggedModel))


def _history(task: Task) -> Any:
    """All points of a metric: chunks, each with its origin."""
    found = task.store.runs.stores.metrics.history(task.arguments["run_id"], task.arguments["key"])
    return [[list(chunk.origin), pack(chunk)] for chunk in found.chunks()]


def _endpoints() -> list[Endpoint]:
    reads: Mapping[str, Operation] = {
        "experiments/get": contract(_experiments, ExperimentStore.get),
        "experiments/by_name": contract(_experiments, ExperimentStore.by_name),
        "experiments/list": contract(_experiments, ExperimentStore.list),
        "experiments/search": contract(_experiments, ExperimentStore.search),
        "runs/get": contract(_runs, RunStore.get),
        "runs/starting_with": contract(_runs, RunStore.starting_with),
        "runs/search": contract(_runs, RunStore.search),
        "runs/datasets": contract(_runs, RunStore.datasets),
        "metrics/history": quick(_history, {"run_id": str, "key": str}),
        "metrics/summaries": contract(lambda store: store.runs.stores.metrics, MetricStore.summaries),
        "files/list": contract(_files, ArtifactIndex.list),
        "models/get": contract(_models, LoggedModelStore.get),
        "models/search": contract(_models, LoggedModelStore.search),
        "models/of_run": contract(_models, LoggedModelStore.of_run),
    }
    writes: Mapping[str, Operation] = {
        "experiments/create": contract(_experiments, ExperimentStore.create, changes=True),
        "experiments/alias": contract(_experiments, ExperimentStore.alias, changes=True),
        "experiments/rename": contract(_experiments, ExperimentStore.rename, changes=True),
        "experiments/set_stage": contract(_experiments, ExperimentStore.set_stage, changes=True),
        "experiments/set_tag": contract(_experiments, ExperimentStore.set_tag, changes=True),
        "experiments/delete_tag": contract(_experiments, ExperimentStore.delete_tag, changes=True),
        "runs/create": quick(_create_run, {"run": dict}, changes=True, repeatable=True),
        "runs/update": contract(_runs, RunStore.update, changes=True),
        "runs/set_stage": contract(_runs, RunStore.set_stage, changes=True),
        "runs/log": contract(lambda store: store.runs.recorder, RunStore.log, changes=True),
        "runs/delete_tag": contract(_runs, RunStore.delete_tag, changes=True),
        "runs/add_inputs": contract(lambda store: store.runs.recorder, RunStore.add_inputs, changes=True),
        "runs/append_to_tag": contract(_runs, RunStore.append_to_tag, changes=True),
        "runs/add_model_inputs": contract(_runs, RunStore.add_model_inputs, changes=True),
        "runs/add_outputs": contract(_runs, RunStore.add_outputs, changes=True),
        "files/add": quick(_add_files, {"run_id": str, "entries": list}, changes=True),
        "models/create": quick(_create_model, {"model": dict}, changes=True),
        "models/update": contract(_models, LoggedModelStore.update, changes=True),
        "models/set_tags": contract(_models, LoggedModelStore.set_tags, changes=True),
        "models/delete_tag": contract(_models, LoggedModelStore.delete_tag, changes=True),
        "models/add_params": contract(_models, LoggedModelStore.add_params, changes=True),
    }
    final: Mapping[str, Operation] = {"runs/purge": contract(_runs, RunStore.purge, changes=True)}
    return [
        Endpoint("POST", f"{PREFIX}/{path}", permission, operation)
        for permission, group in ((READ, reads), (WRITE, writes), (PURGE, final))
        for path, operation in group.items()
    ]


TRACKING = tuple(_endpoints())
"""The routes of tracking."""
