"""`headrace import tensorboard`: every folder with event files is a run, as TensorBoard sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.errors import InvalidInputError
from headrace.importers.destination import Destination
from headrace.importers.made import MadeFolder
from headrace.importers.naming import derived_id
from headrace.importers.report import ImportReport
from headrace.importers.runs import RunImport
from headrace.importers.source import Folder, SourceRun
from headrace.importers.tensorboard.events import EventLog, read_events
from headrace.progress import Progress, silent
from headrace.tracking.run import Experiment, Metric, Run

__all__ = ["TensorBoardLogs", "import_tensorboard"]

PATTERN = "*tfevents*"


def import_tensorboard(
    folder: Path, to: Destination, *, experiment: str = "", dry_run: bool = False, progress: Progress = silent
) -> ImportReport:
    """Carry TensorBoard's logs: scalars, hyperparameters, texts, images and sounds. Again: only what is new.

    Args:
        folder: what TensorBoard is given as --logdir.
        experiment: the experiment to put the runs in. Default: the folder's name. It is part of what a run is known by.
        dry_run: only tell what would be carried.

    Raises:
        InvalidInputError: there are no event files.
        MissingExtraError: the extra `tensorboard` isn't installed.
    """
    source = TensorBoardLogs(folder, experiment or folder.resolve().name or "tensorboard")
    report = ImportReport(source.name, dry_run)
    runs = RunImport(source, to, report, progress)
    for found in source.experiments():
        runs.experiment(found)
        runs.carry(found, {})
    for kind, name, reason, count in source.left:
        report.leave(kind, name, reason, count)
    return report


class TensorBoardLogs:
    """Implements RunSource over a folder of event files. One run's scalars are in memory at a time.

    Attributes:
        left: what wasn't carried: kind, which, why, how many.
    """

    kind = "tensorboard"

    def __init__(self, folder: Path, experiment: str) -> None:
        self.name = str(folder)
        self.left: list[tuple[str, str, str, int]] = []
        self._folder = folder
        self._experiment = experiment
        self._logs = self._find()
        self._held: tuple[str, EventLog] | None = None

    def experiments(self) -> list[Experiment]:
        """One: all runs of the folder."""
        created = min(int(file.stat().st_mtime_ns // 1000) for files in self._logs.values() for file in files)
        return [Experiment(id=self._experiment, name=self._experiment, created=created, updated=created)]

    def run_ids(self, experiment: Experiment) -> list[str]:  # noqa: ARG002 - the contract's argument
        """The runs, by their folder."""
        return [derived_id(self.kind, self._experiment, name) for name in self._logs]

    def runs(self, experiment: Experiment, run_ids: Sequence[str]) -> Iterator[SourceRun]:
        """These runs, one at a time."""
        for name in self._logs:
            run_id = derived_id(self.kind, self._experiment, name)
            if run_id in run_ids:
                yield self._run(experiment, name, run_id)

    def history(self, run: Run, key: str) -> Iterator[Sequence[Metric]]:
        """Every point of a tag."""
        yield self._log(run.name).points[key]

    def folder(self, run: Run) -> Folder:
        """Texts, images and sounds, as files."""
        return MadeFolder(self._log(run.name).files)

    def _run(self, experiment: Experiment, name: str, run_id: str) -> SourceRun:
        log = self._log(name)
        self.left += [("file", name, problem, 1) for problem in log.problems]
        self.left += [(kind, name, "Headrace has no place for them", count) for kind, count in sorted(log.omitted.items())]
        if log.taken_back:
            reason = "the writer took them back when it was restarted; TensorBoard doesn't show them either"
            self.left.append(("scalars taken back", name, reason, log.taken_back))
        run = Run(
            id=run_id,
            name=name,
            experiment_id=experiment.id,
            experiment=experiment.name,
            status="FAILED" if log.failed else "FINISHED",
            start=log.first,
            end=log.last,
            params=log.params,
            latest={key: max(points, key=lambda point: (point.step, point.time)) for key, points in log.points.items()},
        )
        return SourceRun(run, {key: len(points) for key, points in log.points.items()}, f"{self._experiment}/{name}")

    def _log(self, name: str) -> EventLog:
        if self._held is None or self._held[0] != name:
            self._held = name, read_events(self._logs[name])
        return self._held[1]

    def _find(self) -> dict[str, list[Path]]:
        files = sorted(path for path in self._folder.rglob(PATTERN) if path.is_file()) if self._folder.is_dir() else []
        if not files:
            msg = f"there are no event files (*tfevents*) in {self._folder}; give the folder that TensorBoard has as --logdir"
            raise InvalidInputError(msg)
        found: dict[str, list[Path]] = {}
        for path in files:
            below = path.parent.relative_to(self._folder).as_posix()
            found.setdefault(self._experiment if below == "." else below, []).append(path)
        return found
