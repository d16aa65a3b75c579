"""Copies a version between registries, with its run, its logged model, its data's names and every file, under their own ids."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.artifacts.store import ArtifactStore
from headrace.errors import InvalidInputError, NotFoundError
from headrace.models.service import Models
from headrace.models.version import ModelVersion
from headrace.progress import Progress, silent
from headrace.tracking.run import ArtifactEntry, LoggedModel, Run
from headrace.tracking.service import Runs

__all__ = ["SOURCE_TAG", "Side", "copy_version"]

SOURCE_TAG = "headrace.copied.from"
"""Names, on a copy, the version that it was copied from."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two registries, and the runs that go with it."""

    models: Models
    runs: Runs


def copy_version(
    source: Side, to: Side, uri: str, name: str = "", *, origin: str = "", progress: Progress = silent
) -> ModelVersion:
    """The version as it is in the other registry: in no stage, with its run, metrics, files and lineage.

    Copying again copies what is missing, and gives the version that is there.

    Args:
        uri: a `models:/` address in the source.
        name: what to call the model there. Default: as here.
        origin: what to call the source, for people; goes into the copy's tags.

    Raises:
        NotFoundError, InvalidInputError: the address names no version, or one that no logged model stands for.
        IntegrityError: a file is gone, or isn't what was logged.
    """
    version = source.models.resolve(uri)
    if not isinstance(version, ModelVersion) or not version.model_id or not version.run_id:
        msg = f"{uri} is no version of a logged model with a run, so its origin can't be copied; log the model and register it"
        raise InvalidInputError(msg)
    name = name or version.name
    mark = f"{origin} {version.uri}".strip()
    held = _held(to.models, name, version.model_id, mark)
    if held is not None:
        return held
    (run,) = source.runs.stores.runs.get([version.run_id])
    files = source.runs.stores.artifacts.list(run.id)
    _copy_files(source.runs.bytes, to.runs.bytes, [*version.files, *files], progress)
    _copy_run(source.runs, to.runs, run, files)
    model = _copy_model(to.runs, source.runs.stores.models.get(version.model_id))
    return to.models.register(model, name, version.description, {**version.tags, SOURCE_TAG: mark})


def _held(models: Models, name: str, model_id: str, mark: str) -> ModelVersion | None:
    try:
        versions = models.versions(name)
    except NotFoundError:
        return None
    return next((each for each in versions if each.model_id == model_id and each.tags.get(SOURCE_TAG) == mark), None)


def _copy_files(source: ArtifactStore, to: ArtifactStore, files: Sequence[ArtifactEntry], progress: Progress) -> None:
    """Each file through a temporary one, checked against its SHA-256 on the way out of one store and into the other."""
    wanted = list({file.digest: file for file in files}.values())
    with tempfile.TemporaryDirectory(prefix="headrace-copy-") as folder:
        for done, file in enumerate(wanted):
            progress("files", done, len(wanted))
            if to.size(file.digest) != file.size:
                path = Path(folder) / file.digest
                source.get_file(file.digest, path)
                to.put_file(path)
                path.unlink()
        progress("files", len(wanted), len(wanted))


def _copy_run(source: Runs, to: Runs, run: Run, files: Sequence[ArtifactEntry]) -> None:
    """The run with its points, unless it is there; what a copy that was cut off left out is added."""
    home = to.recorder.experiment(run.experiment)
    try:
        to.stores.runs.get([run.id])
    except NotFoundError:
        to.stores.runs.create(replace(run, experiment_id=home.id, experiment=home.name, status="RUNNING", end=None))
    points = [point for key in run.latest for point in source.stores.metrics.history(run.id, key)]
    to.stores.runs.log(run.id, [replace(point, model_id="") for point in points], run.params, run.tags)
    held = {(data.name, data.digest) for data in to.stores.runs.get([run.id])[0].inputs}
    to.recorder.add_inputs(run.id, [data for data in run.inputs if (data.name, data.digest) not in held])
    to.recorder.add_files(run.id, files)
    to.stores.runs.update(run.id, status=run.status, end=run.end)


def _copy_model(to: Runs, model: LoggedModel) -> LoggedModel:
    try:
        return to.stores.models.get(model.id)
    except NotFoundError:
        (run,) = to.stores.runs.get([model.run_id])
        to.recorder.keep_model(replace(model, experiment_id=run.experiment_id, artifact_uri=""))
        return to.stores.models.get(model.id)
