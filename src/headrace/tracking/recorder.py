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
from headrace.tracking.rules import check_artifact_path, check_experiment_name, check_key, clean_params, clean_tags, random_name
from headrace.tracking.run import (
    DELETED,
    NAME_TAG,
    PARENT_TAG,
    ArtifactEntry,
    DatasetInput,
    Experiment,
    LoggedModel,
    Metric,
    Run,
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
        home = self.experiment(experiment)
        run_id = new_id()
        run = Run(
            id=run_id,
            name=name or labels.get(NAME_TAG) or random_name(),
            experiment_id=home.id,
            experiment=home.name,
            status="RUNNING",
            start=self.clock(),
            user=user,
            artifact_uri=f"{home.artifact_location}/{run_id}/artifacts",
            params=clean_params(params or {}),
            tags=labels,
        )
        self._stores.runs.create(run)
        return run

    def create(self, run: Run) -> None:
        """Keep a run that was made elsewhere. Raises InvalidInputError for its keys."""
        self._stores.runs.create(replace(run, params=clean_params(run.params), tags=clean_tags(run.tags)))

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
    ) -> None:
        """Keep all of it or nothing. Raises InvalidInputError for a key or for another value of a param."""
        for point in metrics:
            check_key("metric", point.key)
        self._stores.runs.log(run_id, metrics, clean_params(params or {}), clean_tags(tags or {}))

    def add_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Keep which data the run read, in its inputs and in the lineage."""
        self._stores.runs.add_inputs(run_id, inputs)
        now = self.clock()
        self._lineage.add([Edge(item.urn, f"run:{run_id}", "uses", now) for item in inputs if item.urn])

    def put_bytes(self, run_id: str, path: str, data: bytes) -> ArtifactEntry:
        """Keep bytes as a file of the run."""
        entry = ArtifactEntry(check_artifact_path(path), self._artifacts.put_bytes(data), len(data))
        self._stores.artifacts.add(run_id, [entry])
        return entry

    def put_path(self, run_id: str, source: Path, below: str = "") -> list[ArtifactEntry]:
        """Keep a file, or a folder with every file below it, by its name in the folder `below` of the run.

        Raises:
            InvalidInputError: there is no such file or folder, or its path would lead through a file of the run.
        """
        if not source.exists():
            msg = f"there is no file or folder {source}; nothing was logged"
            raise InvalidInputError(msg)
        source = source.resolve() if source.name in ("", "..") else source  # `.` has a name only when it's resolved
        base = source.parent
        files = sorted(item for item in source.rglob("*") if item.is_file()) if source.is_dir() else [source]
        paths = {check_artifact_path("/".join(filter(None, (below, file.relative_to(base).as_posix())))): file for file in files}
        entries = [ArtifactEntry(path, self._artifacts.put_file(file), file.stat().st_size) for path, file in paths.items()]
        self._stores.artifacts.add(run_id, entries)
        return entries

    def add_files(self, run_id: str, entries: Sequence[ArtifactEntry]) -> None:
        """Keep files whose bytes are kept already. Raises InvalidInputError for a path."""
        for entry in entries:
            check_artifact_path(entry.path)
        self._stores.artifacts.add(run_id, entries)

    def add_model(self, model: LoggedModel, folder: Path) -> LoggedModel:
        """Keep the files in the folder and the model that they make, with its lineage; returns it complete, its view pinned."""
        view, features = self._resolve_view(model.view) if model.view and self._resolve_view else (model.view, {})
        files = sorted(item for item in folder.rglob("*") if item.is_file())
        entries = (
            ArtifactEntry(file.relative_to(folder).as_posix(), self._artifacts.put_file(file), file.stat().st_size)
            for file in files
        )
        details = {**model.details, **({"features": dict(features)} if features else {})}
        kept = replace(model, view=view, files=tuple(entries), details=json.loads(json.dumps(details)))
        self.keep_model(kept)
        return kept

    def keep_model(self, model: LoggedModel) -> None:
        """Keep a complete model whose bytes are kept already, with its lineage."""
        for file in model.files:
            check_artifact_path(file.path)
        now = self.clock()
        edges = [Edge(f"run:{model.run_id}", model.urn, "logs", now)]
        if model.view:
            edges.append(Edge(f"view:{model.view}", model.urn, "uses", now))
        self._lineage.add(edges)  # first, so that there is never a model whose origin nobody knows
        self._stores.models.create(model)
