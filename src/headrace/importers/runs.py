"""Carries experiments and runs: each run once, whatever was there before and wherever an earlier import was cut off.

A run gets the tag `headrace.import.state`, a hash of all that its source tells of it, when it is complete. The next import passes
over a run whose state is the same, and completes or updates any other: points and files that are here already stay.
"""

from __future__ import annotations

import math
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.clock import system_clock
from headrace.errors import ConflictError, HeadraceError, NotFoundError, StorageError
from headrace.ids import content_hash
from headrace.importers.destination import Destination
from headrace.importers.naming import derived_id, fit_key, fit_path, is_run_id
from headrace.importers.report import ImportReport
from headrace.importers.source import LAST_MOMENT, Folder, RunSource, SourceFile, SourceRun
from headrace.progress import Progress
from headrace.tracking.rules import clean_name, clean_text
from headrace.tracking.run import ACTIVE, ALIAS_TAG, DELETED, NAME_TAG, PARENT_TAG, ArtifactEntry, Experiment, Metric, Run

__all__ = ["ID_TAG", "SOURCE_TAG", "STATE_TAG", "RunImport", "put_files"]

SOURCE_TAG = "headrace.import.source"
ID_TAG = "headrace.import.id"
STATE_TAG = "headrace.import.state"

_NUMBER = re.compile("0|[1-9][0-9]{0,8}")
_PAGE = 50
_POINTS = 20_000
_STATE = 24


class RunImport:
    """One pass over a source's experiments and runs.

    Attributes:
        ids: the source's run id → the run's id here, of every run carried so far.
        homes: the source's experiment id → the experiment here.
    """

    def __init__(self, source: RunSource, to: Destination, report: ImportReport, progress: Progress) -> None:
        self._source = source
        self._to = to
        self._report = report
        self._progress = progress
        self._numbered = source.kind == "mlflow"
        self._doomed: list[str] = []
        self.ids: dict[str, str] = {}
        self.homes: dict[str, Experiment] = {}

    def experiment(self, source: Experiment) -> None:
        """Carry the experiment itself: under its id if that is free; else it is found by that too, unless another has it."""
        stores = self._to.tracking.experiments
        held = self._known(source) or stores.by_name(source.name)
        if held is None:
            self._report.count("experiments", "new")
            if self._report.dry_run:
                self.homes[source.id] = replace(source, lifecycle_stage=ACTIVE)
                return
            tags = {fit_key("tag", key): value for key, value in source.tags.items()}
            number = source.id if self._keeps_id(source) and not self._by_id(source.id) else ""
            held = stores.create(source.name, {**tags, SOURCE_TAG: self._source.name}, source.created, "", number)
        else:
            added = {key: value for key, value in source.tags.items() if fit_key("tag", key) not in held.tags}
            self._report.count("experiments", "updated" if added else "same")
            if not self._report.dry_run:
                for key, value in added.items():
                    stores.set_tag(held.id, fit_key("tag", key), value)
        self.homes[source.id] = held
        if self._numbered and held.id != source.id:
            self._alias(source, held)

    def free_first(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """The experiments, those whose ids are free before others, which get new ones."""
        return sorted(experiments, key=lambda item: not (self._keeps_id(item) and self._by_id(item.id) is None))

    def _keeps_id(self, source: Experiment) -> bool:
        return self._numbered and bool(_NUMBER.fullmatch(source.id))

    def _by_id(self, number: str) -> Experiment | None:
        try:
            return self._to.tracking.experiments.get(number)
        except NotFoundError:
            return None

    def _known(self, source: Experiment) -> Experiment | None:
        """What an earlier import made of it, though it was called otherwise then."""
        held = self._by_id(source.id) if self._numbered else None
        if held is None:
            return None
        name, others = self._source.name, {key: told for key, told in held.tags.items() if key.startswith(f"{ALIAS_TAG}/")}
        if held.id != source.id:
            return held if others.get(f"{ALIAS_TAG}/{source.id}") == name else None
        return held if held.tags.get(SOURCE_TAG) == name and name not in others.values() else None

    def _alias(self, source: Experiment, held: Experiment) -> None:
        taken = self._by_id(source.id)
        if not self._report.dry_run and held.tags.get(f"{ALIAS_TAG}/{source.id}") != self._source.name:
            self._to.tracking.experiments.alias(held.id, source.id, self._source.name)
        taken_away = taken is not None and taken.id == source.id
        reason = f"another experiment has that id here; it is {held.id}" if taken_away else f"it is {held.id} here, found by both"
        self._report.leave("experiment id", f"{source.id} of {source.name}", reason)

    def carry(self, experiment: Experiment, measured: Mapping[str, Sequence[Metric]]) -> None:
        """Carry the runs of an experiment.

        Args:
            measured: by the source's run id, the points that were measured on a logged model.
        """
        home = self.homes[experiment.id]
        ids = self._source.run_ids(experiment)
        for start in range(0, len(ids), _PAGE):
            for item in self._source.runs(experiment, ids[start : start + _PAGE]):
                self._one(item, home, measured.get(item.run.id, ()))
                self._progress(f"runs of {experiment.name}", min(start + _PAGE, len(ids)), len(ids))

    def delete_what_is_deleted(self, experiments: Sequence[Experiment]) -> None:
        """What is deleted in the source is deleted here, after all else: nothing can be added to what is deleted."""
        if self._report.dry_run:
            return
        for run_id in self._doomed:
            self._to.tracking.runs.set_stage(run_id, DELETED, system_clock())
        for experiment in experiments:
            home = self.homes.get(experiment.id)
            made_here = home is not None and home.tags.get(SOURCE_TAG) == self._source.name
            if home and made_here and experiment.lifecycle_stage == DELETED and home.lifecycle_stage == ACTIVE:
                self._to.tracking.experiments.set_stage(home.id, DELETED, experiment.updated)

    def _one(self, item: SourceRun, home: Experiment, measured: Sequence[Metric]) -> None:
        run = replace(item.run, name=clean_name(item.run.name))
        item = replace(item, run=run)
        held, run_id = self._place(item)
        self.ids[run.id] = run_id
        folder, files = self._files(run)
        state = _state(item, files)
        if held is not None and held.tags.get(STATE_TAG) == state:
            self._report.count("runs", "same")
            return self._delete(run, held)
        if held is not None and held.lifecycle_stage == DELETED and run.lifecycle_stage == ACTIVE:
            self._report.leave("run", run.id, f"it is deleted here; bring it back with: headrace runs restore {run_id}")
            return None
        if held is None and home.lifecycle_stage == DELETED:
            self._report.leave("run", run.id, f"its experiment {home.name!r} is deleted here; restore it and import again")
            return None
        self._report.count("runs", "new" if held is None else "updated")
        if self._report.dry_run:
            self._report.count("metric points", "new", sum(item.counts.values()))
            self._report.count("artifacts", "new", len(files))
            return None
        if held is None:
            held = self._create(item, run_id, home)
        elif held.lifecycle_stage == DELETED:
            self._to.tracking.runs.set_stage(run_id, ACTIVE, system_clock())
        whole = self._fill(item, held, folder, files, measured, state)
        if whole:
            self._to.tracking.runs.log(run_id, tags={STATE_TAG: state})
        self._delete(run, held)
        return None

    def _place(self, item: SourceRun) -> tuple[Run | None, str]:
        """The run as it is here already, if it is, and the id that it has or will have: its own, if that is valid and free."""
        run, mark = item.run, self._mark(item)
        own = [run.id] if is_run_id(run.id) else []
        for candidate in (*own, derived_id(mark)):
            held = self._held(candidate)
            if held is None or held.tags.get(ID_TAG) == mark:
                return held, candidate
        msg = f"run {run.id} can't be carried: both its id and the one made from it are taken"
        raise ConflictError(msg)

    def _held(self, run_id: str) -> Run | None:
        runs = self._to.tracking.runs
        return runs.get([run_id])[0] if run_id in runs.starting_with(run_id, 1) else None

    def _mark(self, item: SourceRun) -> str:
        return f"{self._source.kind}:{item.origin or item.run.id}"

    def _files(self, run: Run) -> tuple[Folder | None, list[SourceFile]]:
        try:
            folder = self._source.folder(run)
            return folder, folder.files()
        except StorageError as error:
            self._report.leave("artifacts", run.id, str(error))
            return None, []

    def _create(self, item: SourceRun, run_id: str, home: Experiment) -> Run:
        run = item.run
        tags = {SOURCE_TAG: self._source.name, ID_TAG: self._mark(item)}
        uri = f"{home.artifact_location}/{run_id}/artifacts"
        made = replace(
            run,
            id=run_id,
            experiment_id=home.id,
            experiment=home.name,
            artifact_uri=uri,
            lifecycle_stage=ACTIVE,
            params={},
            tags=tags,
            latest={},
            inputs=(),
            outputs=(),
        )
        self._to.tracking.runs.create(made)
        return made

    def _fill(
        self,
        item: SourceRun,
        held: Run,
        folder: Folder | None,
        files: Sequence[SourceFile],
        measured: Sequence[Metric],
        state: str,
    ) -> bool:
        """Add what is missing; whether all of it could be."""
        run, stores = item.run, self._to.tracking
        if (held.status, held.end, held.name) != (run.status, run.end, run.name):
            stores.runs.update(held.id, status=run.status, end=run.end, name=run.name)
        stores.runs.log(held.id, params=self._params(run, held), tags=self._tags(run))
        stores.runs.add_inputs(held.id, [given for given in run.inputs if given not in held.inputs])
        stores.runs.add_outputs(held.id, run.outputs)
        self._metrics(item, held, measured)
        before = held.tags.get(STATE_TAG, "").rpartition(".")[2]
        if folder is None or before == state.rpartition(".")[2]:
            return True
        return self._artifacts(run, held, folder, files, again=bool(before))

    def _params(self, run: Run, held: Run) -> dict[str, str]:
        params = {self._key("param", key, run): clean_text(value) for key, value in run.params.items()}
        for key, value in held.params.items():
            if params.get(key, value) != value:
                self._report.leave("param", f"{key} of {run.id}", "it has another value here, and a param is written once")
                params[key] = value
        return params

    def _tags(self, run: Run) -> dict[str, str]:
        tags = {self._key("tag", key, run): clean_text(value) for key, value in run.tags.items()} | {NAME_TAG: run.name}
        if PARENT_TAG in tags:
            tags[PARENT_TAG] = self.ids.get(tags[PARENT_TAG], tags[PARENT_TAG])
        return tags

    def _key(self, kind: str, key: str, run: Run) -> str:
        fitting = fit_key(kind, key)
        if fitting != key:
            self._report.leave(kind, f"{key!r} of {run.id}", f"such a name isn't possible here; it is called {fitting!r}")
        return fitting

    def _metrics(self, item: SourceRun, held: Run, measured: Sequence[Metric]) -> None:
        waiting: list[Metric] = []
        for point in self._missing_points(item, held, measured):
            waiting.append(point)
            if len(waiting) == _POINTS:
                self._log_points(held, waiting)
                waiting = []
        self._log_points(held, waiting)

    def _log_points(self, held: Run, points: Sequence[Metric]) -> None:
        if points:
            self._to.tracking.runs.log(held.id, points)
            self._report.count("metric points", "new", len(points))
        if far := sum(abs(point.time) == LAST_MOMENT for point in points):
            reason = "beyond what a clock tells, and not in milliseconds as it should be; kept as the last moment there is"
            self._report.leave("metric time", held.id, reason, far)

    def _missing_points(self, item: SourceRun, held: Run, measured: Sequence[Metric]) -> Iterator[Metric]:
        metrics = self._to.tracking.metrics
        known = metrics.summaries(held.id) if held.latest else {}
        origins = {(point.key, *_identity(point)): point for point in measured}
        for key in item.run.latest:
            fitting = self._key("metric", key, item.run)
            if fitting in known and known[fitting].count == item.counts.get(key):
                continue
            here = {_identity(point) for point in metrics.history(held.id, fitting)} if fitting in known else set()
            for part in self._source.history(item.run, key):
                for point in part:
                    if _identity(point) not in here:
                        here.add(_identity(point))
                        origin = origins.get((key, *_identity(point)), point)
                        yield replace(origin, key=fitting)

    def _artifacts(self, run: Run, held: Run, folder: Folder, files: Sequence[SourceFile], *, again: bool) -> bool:
        """Keep the files that aren't here; `again`: also those of the same size, for one of them has changed."""
        here = {entry.path: entry.size for entry in self._to.tracking.artifacts.list(held.id)}
        wanted = [file for file in files if again or file.size is None or here.get(fit_path(file.path)) != file.size]
        missing = 0
        for entry, file, problem in put_files(self._to, folder, wanted):
            if entry is None:
                missing += 1
                self._report.leave("artifact", f"{file.path} of {run.id}", problem)
                continue
            try:
                self._to.tracking.artifacts.add(held.id, [entry])
            except HeadraceError as error:
                missing += 1
                self._report.leave("artifact", f"{file.path} of {run.id}", str(error))
                continue
            self._report.count("artifacts", "updated" if entry.path in here else "new")
            if entry.path != file.path:
                reason = f"such a name isn't possible here; it is called {entry.path!r}"
                self._report.leave("artifact", f"{file.path!r} of {run.id}", reason)
        return missing == 0

    def _delete(self, run: Run, held: Run) -> None:
        if run.lifecycle_stage == DELETED and held.lifecycle_stage == ACTIVE:
            self._doomed.append(held.id)


def put_files(
    to: Destination, folder: Folder, files: Sequence[SourceFile]
) -> Iterator[tuple[ArtifactEntry | None, SourceFile, str]]:
    """Keep the bytes of files; yields for each what was kept, or None and the reason why not."""
    with tempfile.TemporaryDirectory(prefix="headrace-import-") as name:
        for file in files:
            try:
                path = folder.fetch(file.path, Path(name))
                yield ArtifactEntry(fit_path(file.path), to.artifacts.put_file(path), path.stat().st_size), file, ""
            except (HeadraceError, OSError) as error:
                yield None, file, str(error)


def _identity(point: Metric) -> tuple[int, int, bytes]:
    """What makes two points the same; of a NaN the bits count, for it differs from itself."""
    return point.time, point.step, struct.pack("<d", math.nan if math.isnan(point.value) else point.value)


def _state(item: SourceRun, files: Sequence[SourceFile]) -> str:
    """A hash of what the source tells of a run, and after a dot one of its files."""
    run = item.run
    latest = {key: (point.time, point.step, repr(point.value)) for key, point in run.latest.items()}
    facts = [run.name, run.status, run.start, run.end, run.user, dict(run.params), dict(run.tags), latest, dict(item.counts)]
    inputs = [[given.name, given.digest, given.context] for given in run.inputs]
    outputs = [[made.model_id, made.step] for made in run.outputs]
    kept = [[file.path, file.size, file.stamp] for file in files]
    return f"{content_hash([*facts, inputs, outputs])[:_STATE]}.{content_hash(kept)[:_STATE]}"
