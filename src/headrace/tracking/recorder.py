"""The writing half of tracking: what a run's client and the service hand over, checked and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.artifacts.store import ArtifactStore
from headrace.clock import Clock, system_clock
from headrace.errors import ConflictError, InvalidInputError
from headrace.ids import new_id
from headrace.lineage.store import Edge, LineageStore
from headrace.tracking.history import Series
from headrace.tracking.rules import (
    check_artifact_path,
    check_dataset,
    check_experiment_name,
    check_experiment_tag,
    check_key,
    check_location,
    check_model_kind,
    check_model_name,
    check_origin,
    check_pairs,
    clean_name,
    clean_params,
    clean_tags,
    random_name,
)
from headrace.tracking.run import (
    ACTIVE,
    DELETED,
    NAME_TAG,
    PARENT_TAG,
    PENDING,
    ArtifactEntry,
    DatasetInput,
    Experiment,
    LoggedModel,
    Metric,
    ModelOutput,
    Run,
    RunInfo,
    Status,
)
from headrace.tracking.store import TrackingStores

__all__ = ["DEFAULT_EXPERIMENT", "Recorder", "ResolveView"]

DEFAULT_EXPERIMENT = "Default"

ResolveView = Callable[[str], tuple[str, Mapping[str, str]]]
"""`"ranking"` → (`"ranking:3"`, its features with their types)."""


class Recorder:
    """Checks what is logged, keeps it, and writes the lineage of it. Everything is durable when a call returns.

    Args:
        resolve_view: pins a view's reference; without one, references are kept as they are given.
    """

    def __init__(
        self,
        stores: TrackingStores,
        artifacts: ArtifactStore,
        lineage: LineageStore,
        *,
        clock: Clock = system_clock,
        resolve_view: ResolveView | None = None,
    ) -> None:
        self._stores = stores
        self._artifacts = artifacts
        self._lineage = lineage
        self.clock = clock
        self._resolve_view = resolve_view

    def experiment(self, name: str) -> Experiment:
        """The active experiment of this name, made if there is none. Raises ConflictError for a deleted one."""
        check_experiment_name(name)
        found: Experiment | None
        try:
            found = self._stores.experiments.by_name(name) or self._stores.experiments.create(name, {}, self.clock())
        except ConflictError:  # another process made it in between
            found = self._stores.experiments.by_name(name)
        if found is None or found.lifecycle_stage == DELETED:
            way = f"restore it with store.runs.restore_experiment({name!r})"
            msg = f"the experiment {name!r} is deleted; {way}, or choose another name"
            raise ConflictError(msg)
        return found

    def start(
        self,
        experiment: str,
        name: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        parent: str | None = None,
        user: str = "",
    ) -> Run:
        """Keep a new run that is running. Raises InvalidInputError for keys, ConflictError for a deleted experiment."""
        labels = clean_tags(tags or {})
        if parent is not None:
            labels[PARENT_TAG] = self._stores.runs.get([parent])[0].id
        return self._begin(self.experiment(experiment), name, clean_params(params or {}), labels, user, self.clock())

    def start_in(
        self, experiment_id: str, name: str | None = None, *, tags: Mapping[str, Any], user: str = "", start: int | None = None
    ) -> Run:
        """Keep a new run in an experiment that is named by its id.

        Args:
            start: when it began, microseconds. Default: now.

        Raises:
            InvalidInputError: a key, or a name that differs from the one in the tags.
            NotFoundError, ConflictError: no such experiment, or a deleted one.
        """
        labels = clean_tags(tags)
        tagged, name = labels.get(NAME_TAG), clean_name(name or "")
        if name and tagged and name != tagged:
            both = f"run_name='{name}', {NAME_TAG}='{tagged}'"
            msg = f"Both 'run_name' argument and '{NAME_TAG}' tag are specified, but with different values ({both})."
            raise InvalidInputError(msg)
        home = self._stores.experiments.get(experiment_id)
        return self._begin(home, name, {}, labels, user, self.clock() if start is None else start)

    def _begin(
        self, home: Experiment, name: str | None, params: dict[str, str], tags: dict[str, str], user: str, start: int
    ) -> Run:
        run_id = new_id()
        name = clean_name(name or tags.get(NAME_TAG) or random_name())
        run = Run(
            id=run_id,
            name=name,
            experiment_id=home.id,
            experiment=home.name,
            status="RUNNING",
            start=start,
            user=user,
            artifact_uri=f"{home.artifact_location}/{run_id}/artifacts",
            params=params,
            tags={**tags, NAME_TAG: name},
        )
        self._stores.runs.create(run)
        return run

    def create(self, run: Run) -> None:
        """Keep a run that was made elsewhere. Raises InvalidInputError for its keys."""
        kept = replace(run, name=clean_name(run.name), params=clean_params(run.params), tags=clean_tags(run.tags))
        self._stores.runs.create(kept)

    def create_experiment(self, name: str, tags: Mapping[str, Any] | None = None, location: str = "") -> Experiment:
        """Keep a new experiment.

        Args:
            location: where the files of its runs are to be. Default: with those of all others.

        Raises:
            InvalidInputError: a name, a tag or a location that can't be used.
            AlreadyExistsError: the name is taken, by a deleted one too.
        """
        labels = dict(check_experiment_tag(key, value) for key, value in check_pairs("tag", tags or {}).items())
        place = check_location(location) if location else ""
        return self._stores.experiments.create(check_experiment_name(name), labels, self.clock(), place)

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        """Rename an active experiment. Raises NotFoundError, ConflictError, AlreadyExistsError."""
        self._stores.experiments.rename(experiment_id, check_experiment_name(name), self.clock())

    def tag_experiment(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment. Raises InvalidInputError, NotFoundError."""
        self._stores.experiments.set_tag(experiment_id, *check_experiment_tag(key, value))

    def set_experiment_stage(self, experiment_id: str, stage: str) -> None:
        """Delete or restore an experiment with its runs. Raises NotFoundError, also if it is in that stage already."""
        self._stores.experiments.set_stage(experiment_id, stage, self.clock())

    def set_run_stage(self, run_id: str, stage: str) -> None:
        """Delete or restore a run; again is a no-op. Raises NotFoundError."""
        self._stores.runs.set_stage(run_id, stage, self.clock())

    def finish(self, run_id: str, status: Status) -> None:
        """Set the final status and the end time."""
        self._stores.runs.update(run_id, status=status, end=self.clock())

    def log(
        self,
        run_id: str,
        *,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        series: Sequence[Series] = (),
    ) -> None:
        """Keep all of it or nothing. Raises InvalidInputError for a key, for what a point was
        measured on, or for another value of a param."""
        for key in [*(point.key for point in metrics), *(item.key for item in series)]:
            check_key("metric", key)
        for point in metrics:
            if point.model_id or point.dataset_name or point.dataset_digest:
                check_origin(point.model_id, point.dataset_name, point.dataset_digest)
        self._stores.runs.log(run_id, metrics, clean_params(params or {}), clean_tags(tags or {}), series)

    def update(self, run_id: str, *, status: Status | None = None, end: int | None = None, name: str | None = None) -> RunInfo:
        """Change what isn't None; returns what the run is now. Raises NotFoundError, ConflictError for a deleted run."""
        return self._stores.runs.update(run_id, status=status, end=end, name=name and clean_name(name))

    def append_to_tag(self, run_id: str, key: str, item: Mapping[str, Any]) -> None:
        """Append to the JSON list that a tag holds; it may grow beyond what a tag is cut to."""
        self._stores.runs.append_to_tag(run_id, check_key("tag", key), json.dumps(item))

    def add_outputs(self, run_id: str, outputs: Sequence[ModelOutput]) -> None:
        """Keep which logged models the run made, in its outputs and in the lineage. Raises NotFoundError for one of them."""
        made = [self._stores.models.get(item.model_id) for item in outputs]
        self._stores.runs.add_outputs(run_id, outputs)
        now = self.clock()
        self._lineage.add([Edge(f"run:{run_id}", model.urn, "logs", now) for model in made])

    def add_inputs(self, run_id: str, inputs: Sequence[DatasetInput], models: Sequence[str] = ()) -> None:
        """Keep which data, and which logged models by id, the run read, in its inputs and in the lineage."""
        for item in inputs:
            check_dataset(item)
        read = [self._stores.models.get(model_id) for model_id in models]
        self._stores.runs.add_inputs(run_id, inputs)
        if read:
            self._stores.runs.add_model_inputs(run_id, models)
            self._lineage.add([Edge(model.urn, f"run:{run_id}", "uses", self.clock()) for model in read])
        now = self.clock()
        self._lineage.add([Edge(item.urn, f"run:{run_id}", "uses", now) for item in inputs if item.urn])

    def put_bytes(self, run_id: str, path: str, data: bytes) -> ArtifactEntry:
        """Keep bytes as a file of the run."""
        entry = ArtifactEntry(check_artifact_path(path), self._artifacts.put_bytes(data), len(data))
        self._stores.artifacts.add(run_id, [entry])
        return entry

    @staticmethod
    def files_of(source: Path, below: str = "") -> dict[str, Path]:
        """A file, or every file below a folder, by its path in a run. Raises InvalidInputError: there is nothing, or a path
        that can't be."""
        if not source.exists():
            msg = f"there is no file or folder {source}; nothing was logged"
            raise InvalidInputError(msg)
        source = source.resolve() if source.name in ("", "..") else source  # `.` has a name only when it's resolved
        base = source.parent
        files = sorted(item for item in source.rglob("*") if item.is_file()) if source.is_dir() else [source]
        return {check_artifact_path("/".join(filter(None, (below, file.relative_to(base).as_posix())))): file for file in files}

    def model(self, model_id: str) -> LoggedModel:
        """A model that is kept. Raises NotFoundError."""
        return self._stores.models.get(model_id)

    def add_files(self, run_id: str, entries: Sequence[ArtifactEntry]) -> None:
        """Keep files whose bytes are kept already. Raises InvalidInputError for a path."""
        for entry in entries:
            check_artifact_path(entry.path)
        self._stores.artifacts.add(run_id, entries)

    def add_model(self, model: LoggedModel, folder: Path) -> LoggedModel:
        """Keep the files in the folder and the model that they make, with its lineage; returns it complete, its view pinned."""
        pinned = self.pinned(model)
        files = sorted(item for item in folder.rglob("*") if item.is_file())
        entries = (
            ArtifactEntry(file.relative_to(folder).as_posix(), self._artifacts.put_file(file), file.stat().st_size)
            for file in files
        )
        kept = replace(pinned, files=tuple(entries))
        self.keep_model(kept)
        return kept

    def pinned(self, model: LoggedModel) -> LoggedModel:
        """The model with its view pinned and that view's features in its details. Raises NotFoundError for the view."""
        if "features" in model.details or not model.view or self._resolve_view is None:
            return replace(model, details=json.loads(json.dumps(dict(model.details))))
        view, features = self._resolve_view(model.view)
        return replace(model, view=view, details=json.loads(json.dumps({**model.details, "features": dict(features)})))

    def keep_model(self, model: LoggedModel) -> None:
        """Keep a complete model whose bytes are kept already, with its lineage."""
        for file in model.files:
            check_artifact_path(file.path)
        if not model.artifact_uri:
            model = replace(model, artifact_uri=self.place_of(model))
        now = self.clock()
        edges = [Edge(f"run:{model.run_id}", model.urn, "logs", now)]
        if model.view:
            edges.append(Edge(f"view:{model.view}", model.urn, "uses", now))
        self._lineage.add(edges)  # first, so that there is never a model whose origin nobody knows
        self._stores.models.create(model)

    def create_model(
        self,
        experiment_id: str,
        name: str = "",
        *,
        kind: str = "",
        run_id: str = "",
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> LoggedModel:
        """Keep a model whose files are yet to come; returns it.

        Raises:
            InvalidInputError: a name or a key that can't be used.
            NotFoundError, ConflictError: no such run or experiment, or a deleted one.
        """
        now = self.clock()
        model = LoggedModel(
            id=f"m-{new_id()}",
            run_id=run_id,
            experiment_id=experiment_id,
            name=check_model_name(name) if name else random_name(),
            kind=check_model_kind(kind),
            flavor="mlflow",
            serializer="",
            created=now,
            updated=now,
            status=PENDING,
            params=clean_params(params or {}),
            tags=clean_tags(tags or {}),
        )
        model = replace(model, artifact_uri=self.place_of(model))
        if run_id:
            self._lineage.add([Edge(f"run:{run_id}", model.urn, "logs", now)])
        self._stores.models.create(model)
        return model

    def finish_model(self, model_id: str, status: str) -> None:
        """Say whether all files of a model came: READY or UPLOAD_FAILED. Raises NotFoundError."""
        self._stores.models.update(model_id, status=status, time=self.clock())

    def delete_model(self, model_id: str) -> None:
        """Delete a model; again changes nothing. Raises NotFoundError."""
        if self._stores.models.get(model_id, deleted=True).lifecycle_stage == ACTIVE:
            self._stores.models.update(model_id, stage=DELETED, time=self.clock())

    def tag_model(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model. Raises InvalidInputError, NotFoundError."""
        self._stores.models.set_tags(model_id, clean_tags(tags))

    def add_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Add params of a model. Raises InvalidInputError, also for another value of one that is there, NotFoundError."""
        self._stores.models.add_params(model_id, clean_params(params))

    def place_of(self, model: LoggedModel) -> str:
        """Where MLflow's clients find the files of a model. Raises NotFoundError for its experiment."""
        return f"{self._stores.experiments.get(model.experiment_id).artifact_location}/models/{model.id}/artifacts"
