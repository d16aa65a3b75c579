"""Carries logged models with their files, and registered models: versions under their own numbers, stages and aliases."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from headrace.errors import HeadraceError, InvalidInputError, NotFoundError, StorageError
from headrace.importers.destination import Destination
from headrace.importers.lifecycles import LIFECYCLE_TAG, current, following, wanted
from headrace.importers.naming import derived_id, fit_path
from headrace.importers.report import ImportReport
from headrace.importers.runs import ID_TAG, SOURCE_TAG, RunImport
from headrace.importers.source import Folder, ModelFacts, ModelSource, SourceModel, SourceVersion
from headrace.lineage.store import Edge
from headrace.models.audit import difference
from headrace.models.store import Edit
from headrace.models.version import ModelVersion, Origin, RegisteredModel, check_name
from headrace.progress import Progress
from headrace.tracking.run import ArtifactEntry, Experiment, LoggedModel

__all__ = ["ModelImport"]

PROMPT_TAG = "mlflow.prompt.is_prompt"
"""MLflow keeps prompts as registered models that bear this tag."""


class ModelImport:
    """One pass over a source's models, after its runs.

    Args:
        runs: the pass over the runs, which knows under which ids they are here.
    """

    def __init__(self, source: ModelSource, to: Destination, report: ImportReport, progress: Progress, runs: RunImport) -> None:
        self._source = source
        self._to = to
        self._report = report
        self._progress = progress
        self._runs = runs

    def logged(self, experiment: Experiment) -> None:
        """Carry the logged models of an experiment."""
        models = self._source.logged_models(experiment)
        for number, model in enumerate(models, 1):
            try:
                self._one_logged(model)
            except HeadraceError as error:
                self._report.leave("logged model", model.id, str(error))
            self._progress(f"models of {experiment.name}", number, len(models))

    def registered(self) -> None:
        """Carry the registry."""
        models = self._source.registered_models()
        for number, model in enumerate(models, 1):
            try:
                if model.tags.get(PROMPT_TAG) == "true":
                    self._report.leave("prompt", model.name, "Headrace keeps none")
                    continue
                check_name(model.name)
                self._one_registered(model)
            except HeadraceError as error:
                self._report.leave("registered model", model.name, str(error))
            self._progress("registered models", number, len(models))

    def _one_logged(self, model: LoggedModel) -> None:
        held = self._logged(model.id)
        if held is not None:
            added = {key: value for key, value in model.tags.items() if held.tags.get(key) != value}
            self._report.count("logged models", "updated" if added else "same")
            if added and not self._report.dry_run:
                self._to.tracking.models.set_tags(model.id, added)
            return
        if model.run_id and model.run_id not in self._runs.ids:
            self._report.leave("logged model", model.id, "the run that logged it isn't carried")
        elif model.status == "PENDING":
            self._report.leave("logged model", model.id, "it is still being uploaded; import again when it is done")
        else:
            self._keep(model, self._source.model_folder(model))
            self._report.count("logged models", "new")

    def _keep(self, model: LoggedModel, folder: Folder) -> LoggedModel:
        """Keep a model of a run that is here, with its files. Raises StorageError if one can't be had: a model never changes."""
        if self._report.dry_run:
            return model
        home, run_id = self._home(model)
        facts, entries = self._files(folder)
        kept = replace(
            model,
            run_id=run_id,
            experiment_id=home.id,
            artifact_uri=f"{home.artifact_location}/models/{model.id}/artifacts",
            flavor=facts.flavor,
            serializer=facts.serializer,
            signature=facts.signature,
            requirements=facts.requirements,
            details=facts.details,
            files=entries,
        )
        if run_id:
            self._to.lineage.add([Edge(f"run:{run_id}", kept.urn, "logs", model.created)])
        self._to.tracking.models.create(kept)
        return kept

    def _home(self, model: LoggedModel) -> tuple[Experiment, str]:
        """The experiment here of a model, and its run; of a model without one that of the source's experiment."""
        if not model.run_id:
            return self._runs.homes[model.experiment_id], ""
        (run,) = self._to.tracking.runs.get([self._runs.ids[model.run_id]])
        return self._to.tracking.experiments.get(run.experiment_id), run.id

    def _files(self, folder: Folder) -> tuple[ModelFacts, tuple[ArtifactEntry, ...]]:
        """Keep a model's files; what they say, and what was kept."""
        entries, paths = [], {}
        with tempfile.TemporaryDirectory(prefix="headrace-import-") as name:
            for number, file in enumerate(folder.files()):
                place = Path(name) / str(number)
                place.mkdir()
                path = paths[file.path] = folder.fetch(file.path, place)
                entries.append(ArtifactEntry(fit_path(file.path), self._to.artifacts.put_file(path), path.stat().st_size))
            if not entries:
                msg = "its files aren't there any more"
                raise StorageError(msg)
            return self._source.describe(paths), tuple(entries)

    def _logged(self, model_id: str) -> LoggedModel | None:
        try:
            return self._to.tracking.models.get(model_id)
        except NotFoundError:
            return None

    def _one_registered(self, model: SourceModel) -> None:
        here = self._to.models.model(model.name)
        self._report.count("registered models", "new" if here is None else "same")
        if not model.versions and here is None and not self._report.dry_run:
            entry = self._to.author.entry("create", reason=self._reason)
            self._to.models.add_model(RegisteredModel(name=model.name, created=entry.time, updated=entry.time), entry)
        known = {version.tags.get(ID_TAG): version for version in self._to.models.versions(model.name)} if here else {}
        foreign = any(mark is None for mark in known)
        numbers: dict[int, int] = {}
        for version in model.versions:
            held = known.get(self._mark(model, version))
            if held is not None:
                self._report.count("model versions", "same")
                numbers[version.version] = held.version
                continue
            self._report.count("model versions", "new")
            if not self._report.dry_run:
                numbers[version.version] = self._add(model, version).version
        if not self._report.dry_run:
            self._texts(model)
            self._lifecycle(model, numbers, foreign=foreign)

    def _mark(self, model: SourceModel, version: SourceVersion) -> str:
        return f"{self._source.kind}:{model.name}/{version.version}"

    def _add(self, model: SourceModel, version: SourceVersion) -> ModelVersion:
        here = self._to.models.model(model.name)
        taken = set(here.lifecycle.versions) if here else set()
        number = 0 if version.version in taken else version.version
        if not number:
            self._report.leave(
                "model version", f"{model.name}/{version.version}", "the number is taken; it got the next free one"
            )
        author = replace(self._to.author, user=version.user or self._to.author.user)
        logged = self._logged_of(model, version)
        entry = self._to.author.entry("register", after={"model_id": logged.id, "run_id": logged.run_id}, reason=self._reason)
        draft = ModelVersion(
            name=model.name,
            version=number,
            model_id=logged.id,
            run_id=logged.run_id,
            flavor=logged.flavor,
            serializer=logged.serializer,
            details=logged.details,
            signature=logged.signature,
            files=logged.files,
            requirements=logged.requirements,
            user=author.user,
            created=version.created,
            updated=version.updated,
            source=f"models:/{logged.id}" if logged.files else version.source,
            description=version.description,
            tags={**version.tags, ID_TAG: self._mark(model, version), SOURCE_TAG: self._source.name},
            origin=self._origin(logged.run_id),
        )
        return self._to.models.add_version(draft, entry)

    @property
    def _reason(self) -> str:
        return f"imported from {self._source.name}"

    def _logged_of(self, model: SourceModel, version: SourceVersion) -> LoggedModel:
        """The logged model behind a version; before MLflow 3 there was none, and its files are taken as one."""
        held = self._logged(version.model_id) if version.model_id else None
        model_id = version.model_id or f"m-{derived_id(self._source.kind, version.run_id, version.source)}"
        held = held or self._logged(model_id)
        if held is not None:
            return held
        draft = LoggedModel(
            id=model_id,
            run_id=version.run_id,
            experiment_id="",
            name=urlsplit(version.source).path.rstrip("/").rpartition("/")[2] or model.name,
            flavor="unknown",
            serializer=self._source.kind,
            created=version.created,
            updated=version.updated,
        )
        name = f"{model.name}/{version.version}"
        try:
            folder = self._source.open_folder(version.source)
            if version.run_id in self._runs.ids:
                return self._keep(draft, folder)
            facts, entries = self._files(folder)
        except HeadraceError as error:
            self._report.leave("files of a model version", name, str(error))
            return replace(draft, run_id=self._runs.ids.get(version.run_id, version.run_id))
        return replace(
            draft,
            flavor=facts.flavor,
            serializer=facts.serializer,
            signature=facts.signature,
            requirements=facts.requirements,
            details=facts.details,
            files=entries,
        )

    def _origin(self, run_id: str) -> Origin:
        try:
            (run,) = self._to.tracking.runs.get([run_id])
        except NotFoundError:
            return Origin()
        return Origin(metrics=run.metrics, params=run.params, datasets=run.inputs, tags=run.tags)

    def _texts(self, model: SourceModel) -> None:
        """The model's description and tags, where it has none here."""
        here = self._require(model.name)
        tags = {key: value for key, value in model.tags.items() if key not in here.tags}
        text = model.description if model.description and not here.description else None
        if tags or text is not None:
            after = {"tags": tags, **({} if text is None else {"description": text})}
            entry = self._to.author.entry("describe" if text is not None else "tag", after=after, reason=self._reason)
            self._to.models.edit(model.name, None, Edit(description=text, tags=tags), entry)

    def _lifecycle(self, model: SourceModel, numbers: Mapping[int, int], *, foreign: bool) -> None:
        """Bring stages and aliases to where the source has them, unless somebody moved them here since the last import."""
        here = self._require(model.name)
        target, left = wanted(model, numbers)
        for name, reason in left:
            self._report.leave("stage or alias", f"{model.name}{name}", reason)
        record = here.tags.get(LIFECYCLE_TAG)
        before = here.lifecycle
        after = following(before, target)
        if current(after) != current(before):
            if (record is None and foreign) or (record is not None and record != current(before)):
                reason = "it has a life of its own here; stages and aliases stay as they are"
                self._report.leave("stages and aliases", model.name, reason)
                return
            old, new = difference(before, after)
            entry = self._to.author.entry("import", before=old, after=new, reason=self._reason)
            if not self._to.models.commit(model.name, before, after, entry):
                msg = "somebody changed its stages in this moment; import again"
                raise InvalidInputError(msg)
        if record != current(after):
            tag = {LIFECYCLE_TAG: current(after)}
            entry = self._to.author.entry(
                "tag", before={"tags": {LIFECYCLE_TAG: record}}, after={"tags": tag}, reason=self._reason
            )
            self._to.models.edit(model.name, None, Edit(tags=tag), entry)

    def _require(self, name: str) -> RegisteredModel:
        here = self._to.models.model(name)
        if here is None:
            msg = f"no model {name!r}: it was removed during the import"
            raise NotFoundError(msg)
        return here
