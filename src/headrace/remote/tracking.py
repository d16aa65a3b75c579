"""Tracking's stores over HTTP."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from headrace.lineage.store import Edge
from headrace.remote.transport import Transport
from headrace.shapes import plain, shaped
from headrace.tracking.history import MetricHistory, Series, decode
from headrace.tracking.page import Form, Page, RunPage
from headrace.tracking.run import (
    ArtifactEntry,
    DatasetInput,
    DatasetUse,
    Experiment,
    LoggedModel,
    Metric,
    MetricSummary,
    ModelOutput,
    Purged,
    Run,
    RunInfo,
    Status,
    View,
)
from headrace.tracking.search import Comparison, ModelOrder, Order
from headrace.tracking.store import RunQuery, TrackingStores

__all__ = ["Remote", "WrittenThere", "remote_tracking"]

T = TypeVar("T")
P = TypeVar("P")


def remote_tracking(transport: Transport) -> TrackingStores:
    """Experiments, runs, metrics, files and logged models that a server keeps."""
    return TrackingStores(
        experiments=RemoteExperimentStore(transport),
        runs=RemoteRunStore(transport),
        metrics=RemoteMetricStore(transport),
        artifacts=RemoteArtifactIndex(transport),
        models=RemoteLoggedModelStore(transport),
    )


class WrittenThere:
    """Stands in for a lineage store where the server writes the edges with what they are about."""

    def add(self, edges: Sequence[Edge]) -> None:
        """Nothing."""

    def into(self, targets: Sequence[str]) -> list[Edge]:
        """None: `store.lineage` asks the server."""
        del targets
        return []

    def out_of(self, sources: Sequence[str]) -> list[Edge]:
        """None."""
        del sources
        return []

    def urns(self, prefix: str) -> list[str]:
        """None."""
        del prefix
        return []


class Remote:
    """A contract behind a server: each method is a call of the same name."""

    _folder = ""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _ask(self, verb: str, kind: Any, **arguments: Any) -> Any:
        return shaped(self._transport.call(f"tracking/{self._folder}/{verb}", plain(arguments)), kind)

    def _tell(self, verb: str, **arguments: Any) -> None:
        self._transport.call(f"tracking/{self._folder}/{verb}", plain(arguments), changes=True)


class RemoteExperimentStore(Remote):
    """ExperimentStore over HTTP."""

    _folder = "experiments"

    def create(
        self, name: str, tags: Mapping[str, str], time: int, artifact_location: str = "", experiment_id: str = ""
    ) -> Experiment:
        """Make one, under this id if one is given. Raises ConflictError if the name or the id is taken."""
        place = {"artifact_location": artifact_location, "experiment_id": experiment_id}
        arguments = {"name": name, "tags": dict(tags), "time": time, **place}
        made: Experiment = shaped(self._transport.call("tracking/experiments/create", arguments, changes=True), Experiment)
        return made

    def get(self, experiment_id: str) -> Experiment:
        """One, deleted or not. Raises NotFoundError."""
        found: Experiment = self._ask("get", Experiment, experiment_id=experiment_id)
        return found

    def alias(self, experiment_id: str, known_as: str, source: str) -> None:
        """Keep under which id another store knows it, and give that id to no new one. Raises NotFoundError."""
        self._tell("alias", experiment_id=experiment_id, known_as=known_as, source=source)

    def by_name(self, name: str) -> Experiment | None:
        """One by name, deleted or not."""
        found: Experiment | None = self._ask("by_name", Experiment | None, name=name)
        return found

    def list(self, view: View = "active") -> builtins.list[Experiment]:
        """All of them, newest first."""
        found: list[Experiment] = self._ask("list", builtins.list[Experiment], view=view)
        return found

    def search(
        self, filters: Sequence[Comparison], order: Sequence[Order], *, view: View = "active", limit: int = 100, offset: int = 0
    ) -> Sequence[Experiment]:
        """The experiments that match every comparison, ordered; then newest first."""
        asked = {"filters": tuple(filters), "order": tuple(order), "view": view, "limit": limit, "offset": offset}
        found: Sequence[Experiment] = self._ask("search", Sequence[Experiment], **asked)
        return found

    def rename(self, experiment_id: str, name: str, time: int) -> None:
        """Rename an active one. Raises NotFoundError, ConflictError."""
        self._tell("rename", experiment_id=experiment_id, name=name, time=time)

    def set_stage(self, experiment_id: str, stage: str, time: int) -> None:
        """Delete or restore it together with its runs."""
        self._tell("set_stage", experiment_id=experiment_id, stage=stage, time=time)

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag. Raises NotFoundError."""
        self._tell("set_tag", experiment_id=experiment_id, key=key, value=value)

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError."""
        self._tell("delete_tag", experiment_id=experiment_id, key=key)


class RemoteRunStore(Remote):
    """RunStore over HTTP."""

    _folder = "runs"

    def create(self, run: Run) -> None:
        """Keep a new run with its tags and params."""
        self._tell("create", run=run)

    def get(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, in their order, deleted or not. Raises NotFoundError."""
        found: list[Run] = self._ask("get", list[Run], run_ids=list(run_ids))
        return found

    def starting_with(self, prefix: str, limit: int) -> list[str]:
        """Ids that start with the prefix, sorted."""
        found: list[str] = self._ask("starting_with", list[str], prefix=prefix, limit=limit)
        return found

    def update(self, run_id: str, *, status: Status | None = None, end: int | None = None, name: str | None = None) -> RunInfo:
        """Change what isn't None; returns what the run is now."""
        arguments = {"run_id": run_id, "status": status, "end": end, "name": name}
        changed: RunInfo = shaped(self._transport.call("tracking/runs/update", arguments, changes=True), RunInfo)
        return changed

    def set_stage(self, run_id: str, stage: str, time: int) -> None:
        """Delete or restore; again is a no-op. Raises NotFoundError."""
        self._tell("set_stage", run_id=run_id, stage=stage, time=time)

    def purge(self, before: int, *, dry_run: bool = False) -> Purged:
        """Remove for good what was deleted before a time."""
        arguments = {"before": before, "dry_run": dry_run}
        done: Purged = shaped(self._transport.call("tracking/runs/purge", arguments, changes=True), Purged)
        return done

    def log(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        series: Sequence[Series] = (),
    ) -> None:
        """Add all or nothing."""
        pairs = {"params": dict(params or {}), "tags": dict(tags or {})}
        self._tell("log", run_id=run_id, metrics=list(metrics), **pairs, series=list(series))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the run or the tag."""
        self._tell("delete_tag", run_id=run_id, key=key)

    def add_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Add datasets, and their edges in the lineage."""
        self._tell("add_inputs", run_id=run_id, inputs=list(inputs))

    def append_to_tag(self, run_id: str, key: str, item: str) -> None:
        """Append a JSON value to the JSON list that the tag holds."""
        self._tell("append_to_tag", run_id=run_id, key=key, item=item)

    def datasets(self, experiment_ids: Sequence[str], limit: int) -> list[DatasetUse]:
        """The data that active runs of these experiments read, each once."""
        found: list[DatasetUse] = self._ask("datasets", list[DatasetUse], experiment_ids=list(experiment_ids), limit=limit)
        return found

    def add_model_inputs(self, run_id: str, model_ids: Sequence[str]) -> None:
        """Add logged models that the run read; the same model is kept once."""
        self._tell("add_model_inputs", run_id=run_id, model_ids=list(model_ids))

    def add_outputs(self, run_id: str, outputs: Sequence[ModelOutput]) -> None:
        """Add logged models; of the same model the step that was told last is kept."""
        self._tell("add_outputs", run_id=run_id, outputs=list(outputs))

    def search(self, query: RunQuery) -> RunPage:
        """The runs that match."""
        found: RunPage = self._ask("search", RunPage, query=query)
        return found

    def search_as(self, form: Form[T, P], query: RunQuery) -> Page[T, P]:
        """The same in a form of the caller's."""
        return self.search(query).told(form)


class RemoteMetricStore(Remote):
    """MetricStore over HTTP."""

    _folder = "metrics"

    def history(self, run_id: str, key: str) -> MetricHistory:
        """All points; none for an unknown key."""
        found = self._ask("history", list[tuple[tuple[str, str, str], bytes]], run_id=run_id, key=key)
        return MetricHistory(key, [decode(data, origin) for origin, data in found])

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        """Every metric of the run, summed up."""
        found: dict[str, MetricSummary] = self._ask("summaries", dict[str, MetricSummary], run_id=run_id)
        return found


class RemoteArtifactIndex(Remote):
    """ArtifactIndex over HTTP."""

    _folder = "files"

    def add(self, run_id: str, entries: Sequence[ArtifactEntry]) -> None:
        """Add files whose bytes the server has; a path that exists is replaced."""
        self._tell("add", run_id=run_id, entries=list(entries))

    def list(self, run_id: str) -> builtins.list[ArtifactEntry]:
        """The files, sorted by path."""
        found: list[ArtifactEntry] = self._ask("list", builtins.list[ArtifactEntry], run_id=run_id)
        return found


class RemoteLoggedModelStore(Remote):
    """LoggedModelStore over HTTP."""

    _folder = "models"

    def create(self, model: LoggedModel) -> None:
        """Keep a new one, and its edges in the lineage."""
        self._tell("create", model=model)

    def get(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """One, with its metrics; a deleted one if wanted. Raises NotFoundError."""
        found: LoggedModel = self._ask("get", LoggedModel, model_id=model_id, deleted=deleted)
        return found

    def of_run(self, run_id: str) -> list[LoggedModel]:
        """Those that a run logged, oldest first."""
        found: list[LoggedModel] = self._ask("of_run", list[LoggedModel], run_id=run_id)
        return found

    def search(
        self,
        filters: Sequence[Comparison],
        order: Sequence[ModelOrder],
        *,
        experiments: Sequence[str],
        datasets: Sequence[tuple[str, str]] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> list[LoggedModel]:
        """Those that match every comparison, ordered; then newest first, then by id."""
        asked = {"filters": list(filters), "order": list(order), "experiments": list(experiments), "datasets": list(datasets)}
        found: list[LoggedModel] = self._ask("search", list[LoggedModel], **asked, limit=limit, offset=offset)
        return found

    def update(self, model_id: str, *, status: str | None = None, stage: str | None = None, time: int) -> None:
        """Change what isn't None. Raises NotFoundError."""
        self._tell("update", model_id=model_id, status=status, stage=stage, time=time)

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags. Raises NotFoundError."""
        self._tell("set_tags", model_id=model_id, tags=dict(tags))

    def delete_tag(self, model_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the model or the tag."""
        self._tell("delete_tag", model_id=model_id, key=key)

    def add_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add params. Raises NotFoundError, and InvalidInputError for another value of one that is there."""
        self._tell("add_params", model_id=model_id, params=dict(params))
