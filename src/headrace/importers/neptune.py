"""What `neptune-exporter` wrote of Neptune's projects: Parquet files of attributes, and the files of runs beside them.

A row is a value of one attribute of one run: its path, its type, and the column that this type fills. Series have a row a step.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.clock import to_micros
from headrace.errors import InvalidInputError, StorageError
from headrace.ids import content_hash
from headrace.importers.destination import Destination
from headrace.importers.made import MadeFile, MadeFolder
from headrace.importers.report import ImportReport
from headrace.importers.runs import RunImport
from headrace.importers.source import Folder, SourceRun
from headrace.progress import Progress, silent
from headrace.tracking.run import ACTIVE, DELETED, NOTE_TAG, Experiment, Metric, Run, Status

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NeptuneExport", "import_neptune"]

COLUMNS = ("project_id", "run_id", "attribute_path", "attribute_type")
VALUES = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
}
"""The types of single values, and the column that holds them."""
FILES = ("file", "artifact", "file_set", "file_series")
SERIES = ("float_series", "string_series", "histogram_series")
SYSTEM = "sys/"
_PLACES = 6
"""Decimal places of Neptune's steps."""

Row = Mapping[str, Any]


def import_neptune(
    folder: Path, to: Destination, *, files: Path | None = None, dry_run: bool = False, progress: Progress = silent
) -> ImportReport:
    """Carry an export of Neptune: each project an experiment, each run a run. Again: only what is new.

    Args:
        folder: what neptune-exporter was given as --data-path, or the folder that holds `data` and `files`.
        files: what it was given as --files-path. Default: `files` in the folder or beside it.
        dry_run: only tell what would be carried.

    Raises:
        InvalidInputError: it holds no Parquet files of neptune-exporter.
    """
    source = NeptuneExport(folder, files)
    report = ImportReport(source.name, dry_run)
    runs = RunImport(source, to, report, progress)
    experiments = source.experiments()
    for experiment in experiments:
        runs.experiment(experiment)
        runs.carry(experiment, {})
    runs.delete_what_is_deleted(experiments)
    for kind, name, reason in source.problems:
        report.leave(kind, name, reason)
    for place, number in source.models():
        report.leave("models", str(place), "models and versions of Neptune's registry aren't imported", number)
    return report


class NeptuneExport:
    """Implements RunSource over Parquet files. One run's rows are in memory at a time."""

    kind = "neptune"

    def __init__(self, folder: Path, files: Path | None = None) -> None:
        self.name = str(folder)
        self.problems: list[tuple[str, str, str]] = []
        self._data = folder / "data" if (folder / "data").is_dir() else folder
        beside = [folder / "files", folder.parent / "files"]
        self._files = files if files is not None else next((place for place in beside if place.is_dir()), folder)
        self._parts = self._index()
        self._held: tuple[tuple[str, str], _Rows] | None = None

    def experiments(self) -> list[Experiment]:
        """The projects, by name."""
        names = sorted({project for project, _ in self._parts})
        return [Experiment(id=name, name=name, created=0, updated=0) for name in names]

    def run_ids(self, experiment: Experiment) -> list[str]:
        """The project's runs."""
        return sorted(run for project, run in self._parts if project == experiment.id)

    def runs(self, experiment: Experiment, run_ids: Sequence[str]) -> Iterator[SourceRun]:
        """These runs, one at a time."""
        for run_id in run_ids:
            rows = self._rows(experiment.id, run_id)
            run = _run(experiment, run_id, rows)
            yield SourceRun(run, {key: len(points) for key, points in rows.series.items()}, f"{experiment.id}/{run_id}")

    def history(self, run: Run, key: str) -> Iterator[Sequence[Metric]]:
        """Every point of a float series."""
        yield _points(key, self._rows(run.experiment, run.id))

    def folder(self, run: Run) -> Folder:
        """The run's files, and its series of texts and histograms as files."""
        rows = self._rows(run.experiment, run.id)
        made = dict(self._of_files(rows, run))
        for kind, ending, write in (("string_series", "csv", _texts), ("histogram_series", "jsonl", _histograms)):
            for path, found in rows.grouped(kind).items():
                made[f"{path}.{ending}"] = _made(found, write)
        return MadeFolder(made)

    def models(self) -> list[tuple[Path, int]]:
        """Where `neptune-exporter export-models` wrote, beside the runs, and how many models and versions there are."""
        beside = self._data.parent / "model_data"
        number = sum(1 for _ in beside.rglob("*_part_0.parquet"))
        return [(beside, number)] if number else []

    def _index(self) -> dict[tuple[str, str], list[Path]]:
        from pyarrow import ArrowException, parquet

        if not self._data.is_dir():
            msg = f"there is no folder {self._data}; give the folder that neptune-exporter wrote"
            raise InvalidInputError(msg)
        found: dict[tuple[str, str], list[Path]] = {}
        for path in sorted(self._data.rglob("*.parquet")):
            try:
                schema = parquet.read_schema(path)
                if not set(COLUMNS) <= set(schema.names):
                    continue
                table = parquet.read_table(path, columns=["project_id", "run_id"])
            except (ArrowException, OSError) as error:
                self.problems.append(("file", str(path), f"it can't be read: {str(error).splitlines()[0]}; export it again"))
                continue
            pairs = table.group_by(["project_id", "run_id"]).aggregate([]).to_pylist()
            for pair in pairs:
                found.setdefault((pair["project_id"], pair["run_id"]), []).append(path)
        if not found:
            msg = f"{self._data} holds no runs that neptune-exporter wrote: no Parquet file with {', '.join(COLUMNS)}"
            raise InvalidInputError(msg)
        return found

    def _rows(self, project: str, run_id: str) -> _Rows:
        key = (project, run_id)
        if self._held is None or self._held[0] != key:
            self._held = key, _Rows(self._table(project, run_id))
        return self._held[1]

    def _table(self, project: str, run_id: str) -> list[Row]:
        from pyarrow import ArrowException, parquet

        rows: list[Row] = []
        for path in self._parts[project, run_id]:
            try:
                table: pa.Table = parquet.read_table(path, filters=[("project_id", "=", project), ("run_id", "=", run_id)])
            except (ArrowException, OSError) as error:
                msg = f"{path} can't be read: {str(error).splitlines()[0]}"
                raise StorageError(msg) from error
            rows += table.to_pylist()
        return rows

    def _of_files(self, rows: _Rows, run: Run) -> Iterator[tuple[str, MadeFile]]:
        for row in rows.files:
            said = (row.get("file_value") or {}).get("path")
            place = self._find(run, said) if said else None
            step = "" if row["attribute_type"] != "file_series" else f"/step_{_number(row['step'])}"
            path = f"{row['attribute_path']}{step}"
            if place is None:
                self.problems.append(("artifact", f"{path} of {run.id}", f"there is no file {said} in {self._files}"))
            elif place.is_dir():
                for file in sorted(item for item in place.rglob("*") if item.is_file()):
                    yield f"{path}/{file.relative_to(place).as_posix()}", _there(file)
            else:
                yield path if path.endswith(place.suffix) else f"{path}{place.suffix}", _there(place)

    def _find(self, run: Run, said: str) -> Path | None:
        """Where a file is: in the project's folder, which is called as that of its rows, or as the path says; not elsewhere."""
        root = self._files.resolve()
        folders = {part.parent.name for part in self._parts[run.experiment, run.id]}
        places = [*(root / folder / said for folder in sorted(folders)), root / said]
        return next((place for place in places if place.exists() and place.resolve().is_relative_to(root)), None)


class _Rows:
    """The rows of one run by what they are."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self.values = {row["attribute_path"]: _value(row) for row in rows if row["attribute_type"] in VALUES}
        self.values = {path: value for path, value in self.values.items() if value is not None}
        self.files = [row for row in rows if row["attribute_type"] in FILES]
        self.series = self.grouped("float_series")
        self.scale = _scale([row["step"] for points in self.series.values() for row in points])

    def grouped(self, kind: str) -> dict[str, list[Row]]:
        """The rows of a type of series by path, by step."""
        found: dict[str, list[Row]] = {}
        for row in self._rows:
            if row["attribute_type"] == kind:
                found.setdefault(row["attribute_path"], []).append(row)
        return {path: sorted(points, key=lambda row: row["step"] or Decimal(0)) for path, points in sorted(found.items())}


def _run(experiment: Experiment, run_id: str, rows: _Rows) -> Run:
    said = {path.removeprefix(SYSTEM): value for path, value in rows.values.items() if path.startswith(SYSTEM)}
    start = _moment(said.get("creation_time"))
    took = said.get("running_time")
    end = start + round(float(took) * 1e6) if took is not None and start else _moment(said.get("modification_time")) or None
    note = {NOTE_TAG: str(said["description"])} if said.get("description") else {}
    scale = {"headrace.import.step_scale": str(rows.scale)} if rows.scale != 1 else {}
    running = said.get("state") in ("active", "running")
    status: Status = "FAILED" if said.get("failed") else "RUNNING" if running else "FINISHED"
    return Run(
        id=run_id,
        name=str(said.get("name") or run_id),
        experiment_id=experiment.id,
        experiment=experiment.name,
        status=status,
        start=start,
        end=None if running else end,
        user=str(said.get("owner") or ""),
        lifecycle_stage=DELETED if said.get("trashed") else ACTIVE,
        params={path: _text(value) for path, value in rows.values.items() if not path.startswith(SYSTEM)},
        tags={**{f"neptune.{SYSTEM}{path}": _text(value) for path, value in said.items()}, **note, **scale},
        latest={key: max(_points(key, rows), key=lambda point: (point.step, point.time)) for key in rows.series},
    )


def _points(key: str, rows: _Rows) -> list[Metric]:
    return [
        Metric(
            key, float("nan") if row["float_value"] is None else row["float_value"], _moment(row["timestamp"]), _step(row, rows)
        )
        for row in rows.series[key]
    ]


def _step(row: Row, rows: _Rows) -> int:
    return int((row["step"] or Decimal(0)) * rows.scale)


def _scale(steps: Sequence[Decimal | None]) -> int:
    """The smallest power of ten that makes all steps whole."""
    places = max((-int(step.normalize().as_tuple().exponent) for step in steps if step), default=0)
    return int(10 ** max(0, min(places, _PLACES)))


def _value(row: Row) -> Any:
    return row.get(VALUES[row["attribute_type"]])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _moment(value: Any) -> int:
    return 0 if value is None else to_micros(value)


def _number(step: Decimal | None) -> str:
    return format((step or Decimal(0)).normalize(), "f")


def _there(path: Path) -> MadeFile:
    facts = path.stat()
    return MadeFile(path, facts.st_size, str(facts.st_mtime_ns))


def _made(rows: Sequence[Row], write: Callable[[Sequence[Row]], str]) -> MadeFile:
    text = write(rows)
    return MadeFile(text.encode, len(text.encode()), content_hash(text)[:16])


def _texts(rows: Sequence[Row]) -> str:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(("step", "time", "value"))
    writer.writerows((_number(row["step"]), _text(row["timestamp"] or ""), row["string_value"] or "") for row in rows)
    return target.getvalue()


def _histograms(rows: Sequence[Row]) -> str:
    lines = [
        {"step": float(row["step"] or 0), "time": _text(row["timestamp"] or ""), **(row["histogram_value"] or {})} for row in rows
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)
