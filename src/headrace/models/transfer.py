"""Copies a version between registries, with its run, its logged model, its evaluations and every file, under their own ids.

The rows of training sets, the stage, the gates and the history stay where they are; the result names them. What they were is kept
with the run as a file, `copied/MODEL-VERSION.json`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from headrace.artifacts.store import ArtifactStore
from headrace.catalog.service import Catalog
from headrace.clock import isoformat
from headrace.definitions.version import DefinitionVersion, Kind, parse_reference
from headrace.errors import ConflictError, InvalidInputError, NotFoundError
from headrace.models.environment import is_image
from headrace.models.gates import Evaluation
from headrace.models.service import Models
from headrace.models.version import ModelVersion
from headrace.progress import Progress, silent
from headrace.tracking.run import ArtifactEntry, DatasetInput, LoggedModel, Run
from headrace.tracking.service import Runs

__all__ = ["SOURCE_TAG", "Copied", "Side", "copy_version", "side_of"]

SOURCE_TAG = "headrace.copied.from"
"""Names, on a copy, the version that it was copied from."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two registries, and what goes with it.

    Attributes:
        definition: one version of a definition, by kind, name and number; None if it isn't there.
        training_set: the record of a training set by its URN, with its `fingerprint`; None if it isn't there.
    """

    models: Models
    runs: Runs
    definition: Callable[[Kind, str, int], DefinitionVersion | None] = lambda _kind, _name, _version: None
    training_set: Callable[[str], Mapping[str, Any] | None] = lambda _urn: None


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a copy.

    Attributes:
        version: the version in the other registry.
        left: what wasn't copied and what to do about it, a sentence each.
    """

    version: ModelVersion
    left: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The copy as plain JSON values."""
        return {**self.version.to_dict(), "left": list(self.left)}


def side_of(models: Models, runs: Runs, catalog: Catalog, record_of: Callable[[str, int], Any]) -> Side:
    """The side that is a project. `record_of` gives the record of a training set by name and version, None if there is none."""

    def definition(kind: Kind, name: str, version: int) -> DefinitionVersion | None:
        found = catalog.store.versions(kind, name)
        return next((each for each in found if each.version == version), None)

    def training_set(urn: str) -> Mapping[str, Any] | None:
        name, _, version = urn.removeprefix("training_set:").rpartition(":")
        if not urn.startswith("training_set:") or not version.isdecimal():
            return None
        record = record_of(name, int(version))
        return None if record is None else asdict(record)

    return Side(models, runs, definition, training_set)


def copy_version(source: Side, to: Side, uri: str, name: str = "", *, origin: str = "", progress: Progress = silent) -> Copied:
    """Copy a version, with its run, metrics, files, evaluations and lineage, to another registry, where it starts in no stage.

    Copying again copies what is missing, and returns the version that is there.

    Args:
        uri: a `models:/` address in the source.
        name: the model's name there. Default: its name here.
        origin: the name of the source, for the copy's tags.

    Raises:
        NotFoundError, InvalidInputError: the address names no version, or one that wasn't made from a logged model.
        ConflictError: the view that the version reads has another definition in the other registry.
        IntegrityError: a file is missing, or its bytes aren't those that were logged.
    """
    version = source.models.resolve(uri)
    if not isinstance(version, ModelVersion) or not version.model_id or not version.run_id:
        msg = f"{uri} is no version of a logged model with a run, so its origin can't be copied; log the model and register it"
        raise InvalidInputError(msg)
    name = name or version.name
    mark = f"{origin} {version.uri}".strip()
    definitions = _definitions(source, "view", version.view)
    _refuse_another_view(to, version, definitions)
    made = _held(to.models, name, version.model_id, mark)
    if made is None:
        (run,) = source.runs.stores.runs.get([version.run_id])
        files = source.runs.stores.artifacts.list(run.id)
        _copy_files(source.runs.bytes, to.runs.bytes, [*version.files, *files], progress)
        _copy_run(source, to, run, files)
        _keep_facts(source, to, version, definitions, mark)
        model = _copy_model(to.runs, source.runs.stores.models.get(version.model_id))
        made = to.models.register(model, name, version.description, {**version.tags, SOURCE_TAG: mark}, docker=_image(version))
    _copy_evaluations(source, to, version, made)
    if version.owner and not made.owner:
        to.models.set_owner(name, version.owner, made.version)
    if version.card and not made.card:
        to.models.write_card(name, version.card, made.version)
    return Copied(to.models.get(name, made.version), tuple(_left(source, to, version)))


def _held(models: Models, name: str, model_id: str, mark: str) -> ModelVersion | None:
    try:
        versions = models.versions(name)
    except NotFoundError:
        return None
    return next((each for each in versions if each.model_id == model_id and each.tags.get(SOURCE_TAG) == mark), None)


def _definitions(side: Side, kind: Kind, reference: str) -> list[DefinitionVersion]:
    """A definition, `ranking:3`, and all that it refers to, the definition itself first; none if it isn't there."""
    name, number = parse_reference(reference) if reference else ("", None)
    found = side.definition(kind, name, number) if number is not None else None
    if found is None:
        return []
    out = [found]
    for other, called, version in found.refers_to():
        out += [each for each in _definitions(side, other, f"{called}:{version}") if each not in out]
    return out


def _refuse_another_view(to: Side, version: ModelVersion, definitions: Sequence[DefinitionVersion]) -> None:
    there = _definitions(to, "view", version.view)[:1]
    if there and definitions and there[0].computation_hash != definitions[0].computation_hash:
        msg = (
            f"version {version.version} of {version.name!r} reads the view {version.view}, and the one of that name and number "
            "there computes something else, so the copy would be served with other features; apply the same definitions there, "
            "in the same order, or give the view another name and train again. Nothing was copied"
        )
        raise ConflictError(msg)


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


def _copy_run(source: Side, to: Side, run: Run, files: Sequence[ArtifactEntry]) -> None:
    """The run with its points, unless it is there; what a copy that was cut off left out is added."""
    stores, recorder = to.runs.stores, to.runs.recorder
    home = recorder.experiment(run.experiment)
    try:
        stores.runs.get([run.id])
    except NotFoundError:
        stores.runs.create(replace(run, experiment_id=home.id, experiment=home.name, status="RUNNING", end=None))
    points = [point for key in run.latest for point in source.runs.stores.metrics.history(run.id, key)]
    stores.runs.log(run.id, [replace(point, model_id="") for point in points], run.params, run.tags)
    held = {(data.name, data.digest) for data in stores.runs.get([run.id])[0].inputs}
    recorder.add_inputs(run.id, [_named(to, data) for data in run.inputs if (data.name, data.digest) not in held])
    recorder.add_files(run.id, files)
    stores.runs.update(run.id, status=run.status, end=run.end)


def _named(to: Side, data: DatasetInput) -> DatasetInput:
    """The data under the name that it has in the lineage, unless that is other data's there."""
    return replace(data, urn="") if _is_another(to.training_set(data.urn), data) else data


def _is_another(there: Mapping[str, Any] | None, data: DatasetInput) -> bool:
    return there is not None and there.get("fingerprint") != data.digest


def _copy_model(to: Runs, model: LoggedModel) -> LoggedModel:
    try:
        return to.stores.models.get(model.id)
    except NotFoundError:
        (run,) = to.stores.runs.get([model.run_id])
        to.recorder.keep_model(replace(model, experiment_id=run.experiment_id, artifact_uri=""))
        return to.stores.models.get(model.id)


def _copy_evaluations(source: Side, to: Side, version: ModelVersion, made: ModelVersion) -> None:
    """The figures with what was said of each row, so that gates can be judged there."""
    held = [_facts_of(each) for each in to.models.evaluations(made.name, made.version)]
    for evaluation in source.models.evaluations(version.name, version.version):
        if _facts_of(evaluation) not in held:
            size = source.runs.bytes.size(evaluation.examples) if evaluation.examples else None
            if size is not None:
                entry = ArtifactEntry("examples", evaluation.examples, size)
                _copy_files(source.runs.bytes, to.runs.bytes, [entry], silent)
            examples = "" if size is None else evaluation.examples
            to.models.store.add_evaluation(replace(evaluation, name=made.name, version=made.version, examples=examples))


def _facts_of(evaluation: Evaluation) -> tuple[object, ...]:
    return evaluation.data, evaluation.time, sorted(evaluation.figures.items())


def _image(version: ModelVersion) -> str:
    """The container image that was declared, if it is one."""
    image = version.origin.environment.get("image", "")
    return image if is_image(image) else ""


def _keep_facts(source: Side, to: Side, version: ModelVersion, definitions: Sequence[DefinitionVersion], mark: str) -> None:
    """What the version was at its source, as a file of its run: the same again when it is copied again."""
    facts = {
        "copied_from": mark,
        "registered_by": version.user,
        "registered": isoformat(version.created),
        "view": version.view,
        "definitions": [
            {"kind": each.kind, "name": each.name, "version": each.version, "hash": each.hash, "spec": dict(each.spec)}
            for each in definitions
        ],
        "training_sets": [
            {"urn": data.urn, "fingerprint": data.digest, **(source.training_set(data.urn) or {})} for data in version.datasets
        ],
    }
    with tempfile.TemporaryDirectory(prefix="headrace-copy-") as folder:
        path = Path(folder) / "facts.json"
        path.write_text(json.dumps(facts, indent=1, sort_keys=True, default=str), encoding="utf-8")
        size = path.stat().st_size
        entry = ArtifactEntry(f"copied/{version.name}-{version.version}.json", to.runs.bytes.put_file(path), size)
    to.runs.recorder.add_files(version.run_id, [entry])


def _left(source: Side, to: Side, version: ModelVersion) -> list[str]:
    """What isn't in the other registry."""
    left = []
    if version.view and not _definitions(to, "view", version.view):
        left.append(f"the view {version.view} isn't there: apply its definitions before the version is served")
    for data in version.datasets:
        there = to.training_set(data.urn)
        if _is_another(there, data):
            left.append(f"{data.urn} is other data there; the copy names its own by the fingerprint {data.digest[:12]} alone")
        elif there is None:
            known = "" if source.training_set(data.urn) is None else "; its fingerprint, view and labels are"
            left.append(f"the rows of the data {data.name!r} aren't copied{known}")
    model = source.models.model(version.name)
    kept = [f"its stage ({version.stage})"] * (version.stage != "None") + ["its aliases"] * bool(version.aliases)
    kept += ["the model's gates"] * bool(model.gates)
    return [*left, f"{', '.join([*kept, 'its history'])}: the other registry has its own"]
