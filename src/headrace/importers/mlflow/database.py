"""An MLflow database, read directly: SQLite or PostgreSQL, of any MLflow since 1.0. Nothing is written to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.errors import InvalidInputError, MissingExtraError, StorageError
from headrace.importers.folders import open_folder
from headrace.importers.mlflow.addresses import ArtifactRoot, in_a_run
from headrace.importers.mlflow.mlmodel import read_model
from headrace.importers.mlflow.values import STATUSES, metric, micros, stage_of
from headrace.importers.source import Folder, ModelFacts, SourceModel, SourceRun, SourceVersion
from headrace.tracking.run import NAME_TAG, DatasetInput, Experiment, LoggedModel, Metric, ModelOutput, Run

__all__ = ["MlflowDatabase"]

NEEDED = ("experiments", "runs", "metrics", "params", "tags", "latest_metrics")
CONTEXT = "mlflow.data.context"
OMITTED = {
    "trace_info": "traces",
    "assessments": "assessments",
    "evaluation_datasets": "evaluation datasets",
    "scorers": "scorers",
    "webhooks": "webhooks",
    "endpoints": "gateway endpoints",
    "label_schemas": "label schemas",
    "review_queues": "review queues",
    "mcp_servers": "MCP servers",
}
"""Tables of things that have no place here, and what they hold."""
_PART = 20_000
_GONE = "Deleted_Internal"


class MlflowDatabase:
    """Implements ModelSource over MLflow's tables.

    Args:
        url: `sqlite:///mlflow.db` or `postgresql://user:password@host/mlflow`.
        artifacts: where files at `mlflow-artifacts:/…` lie: the folder or bucket that MLflow's server was started with as
            `--artifacts-destination`; None if nobody knows.

    Raises:
        InvalidInputError: the URL names no such database, or it isn't MLflow's.
        StorageError: it can't be read.
    """

    kind = "mlflow"

    def __init__(self, url: str, artifacts: str | None = None) -> None:
        parsed = _parse(url)
        self.name = parsed.render_as_string(hide_password=True)
        self._engine = _engine(parsed)
        self._root = ArtifactRoot(artifacts)
        self._tables = self._reflect()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def experiments(self) -> list[Experiment]:
        """All experiments, oldest first."""
        table = self._tables["experiments"]
        tags = self._pairs("experiment_tags", "experiment_id", None)
        rows = self._rows(sa.select(table).order_by(table.c.experiment_id))
        return [
            Experiment(
                id=str(row["experiment_id"]),
                name=row["name"],
                created=micros(row.get("creation_time")) or 0,
                updated=micros(row.get("last_update_time")) or 0,
                lifecycle_stage=stage_of(row["lifecycle_stage"]),
                artifact_location=row["artifact_location"] or "",
                tags=tags.get(row["experiment_id"], {}),
            )
            for row in rows
        ]

    def run_ids(self, experiment: Experiment) -> list[str]:
        """The experiment's runs by their start, a parent so before its children."""
        runs = self._tables["runs"].c
        query = sa.select(runs.run_uuid).where(runs.experiment_id == int(experiment.id)).order_by(runs.start_time, runs.run_uuid)
        return [row["run_uuid"] for row in self._rows(query)]

    def runs(self, experiment: Experiment, run_ids: Sequence[str]) -> list[SourceRun]:
        """These runs with everything but the histories."""
        runs = self._tables["runs"]
        found = {row["run_uuid"]: row for row in self._rows(sa.select(runs).where(runs.c.run_uuid.in_(run_ids)))}
        params, tags = (self._pairs(table, "run_uuid", run_ids) for table in ("params", "tags"))
        latest, counts = self._latest(run_ids), self._counts(run_ids)
        inputs, outputs = self._inputs(run_ids), self._outputs(run_ids)
        return [
            SourceRun(
                _run(
                    found[run_id],
                    experiment,
                    params=params.get(run_id, {}),
                    tags=tags.get(run_id, {}),
                    latest=latest.get(run_id, {}),
                    inputs=tuple(inputs.get(run_id, ())),
                    outputs=tuple(outputs.get(run_id, ())),
                ),
                counts.get(run_id, {}),
            )
            for run_id in run_ids
            if run_id in found
        ]

    def history(self, run: Run, key: str) -> Iterator[Sequence[Metric]]:
        """Every point of a metric by time, 20,000 at once."""
        table = self._tables["metrics"]
        query = sa.select(table).where(table.c.run_uuid == run.id, table.c.key == key)
        query = query.order_by(table.c.timestamp, table.c.step)
        with self._engine.connect().execution_options(stream_results=True, yield_per=_PART) as connection:
            for part in connection.execute(query).mappings().partitions(_PART):
                yield [_point(row) for row in part]

    def folder(self, run: Run) -> Folder:
        """The run's files."""
        return self.open_folder(run.artifact_uri)

    def open_folder(self, uri: str) -> Folder:
        """The files below an address; what MLflow's server stands before, in the root behind it."""
        return open_folder(self._root.resolve(self._whole(uri)))

    def _whole(self, uri: str) -> str:
        """The address itself, for one that names files of a run."""
        named = in_a_run(uri)
        if named is None:
            return uri
        runs = self._tables["runs"].c
        found = [row["artifact_uri"] for row in self._rows(sa.select(runs.artifact_uri).where(runs.run_uuid == named[0]))]
        return "/".join([*found, named[1]]) if found else uri

    def logged_models(self, experiment: Experiment) -> list[LoggedModel]:
        """The experiment's logged models that aren't deleted, oldest first."""
        if "logged_models" not in self._tables:
            return []
        table = self._tables["logged_models"]
        query = sa.select(table).where(table.c.experiment_id == int(experiment.id), table.c.lifecycle_stage == "active")
        rows = list(self._rows(query.order_by(table.c.creation_timestamp_ms)))
        ids = [row["model_id"] for row in rows]
        params = self._pairs("logged_model_params", "model_id", ids, "param_key", "param_value")
        tags = self._pairs("logged_model_tags", "model_id", ids, "tag_key", "tag_value")
        return [
            LoggedModel(
                id=row["model_id"],
                run_id=row["source_run_id"] or "",
                experiment_id=str(row["experiment_id"]),
                name=row["name"],
                flavor="",
                serializer="",
                created=micros(row["creation_timestamp_ms"]) or 0,
                updated=micros(row["last_updated_timestamp_ms"]) or 0,
                status=STATUSES.get(row["status"], "UNSPECIFIED"),
                kind=row["model_type"] or "",
                artifact_uri=row["artifact_location"],
                params=params.get(row["model_id"], {}),
                tags=tags.get(row["model_id"], {}),
            )
            for row in rows
        ]

    def measured(self, experiment: Experiment) -> dict[str, list[Metric]]:
        """By run, the points that were measured on a logged model."""
        if "logged_model_metrics" not in self._tables:
            return {}
        c = self._tables["logged_model_metrics"].c
        found: dict[str, list[Metric]] = {}
        for row in self._rows(sa.select(*c).where(c.experiment_id == int(experiment.id))):
            value = math.nan if row["metric_value"] is None else row["metric_value"]
            point = metric(row["metric_name"], value, row["metric_timestamp_ms"], row["metric_step"])
            name, digest = row["dataset_name"] or "", row["dataset_digest"] or ""
            point = replace(point, model_id=row["model_id"], dataset_name=name, dataset_digest=digest)
            found.setdefault(row["run_id"], []).append(point)
        return found

    def describe(self, files: Mapping[str, Path]) -> ModelFacts:
        """What the model's files say."""
        return read_model(files)

    def model_folder(self, model: LoggedModel) -> Folder:
        """The model's files."""
        return self.open_folder(model.artifact_uri)

    def registered_models(self) -> list[SourceModel]:
        """The registry, by name."""
        if "registered_models" not in self._tables:
            return []
        table = self._tables["registered_models"]
        tags = self._pairs("registered_model_tags", "name", None)
        aliases = self._pairs("registered_model_aliases", "name", None, "alias", "version")
        versions: dict[str, list[SourceVersion]] = {}
        for name, version in self._versions():
            versions.setdefault(name, []).append(version)
        return [
            SourceModel(
                name=row["name"],
                description=row["description"] or "",
                tags=tags.get(row["name"], {}),
                aliases={alias: int(version) for alias, version in aliases.get(row["name"], {}).items()},
                versions=tuple(versions.get(row["name"], ())),
            )
            for row in self._rows(sa.select(table).order_by(table.c.name))
        ]

    def omitted(self) -> list[tuple[str, int]]:
        """What the tables that have no place here hold."""
        found = []
        for table, kind in OMITTED.items():
            if table in self._tables:
                (row,) = self._rows(sa.select(sa.func.count().label("n")).select_from(self._tables[table]))
                found.append((kind, int(row["n"])))
        return [(kind, number) for kind, number in found if number]

    def _reflect(self) -> Mapping[str, sa.Table]:
        metadata = sa.MetaData()
        try:
            with self._engine.connect() as connection:
                names = sa.inspect(connection).get_table_names()
                missing = [name for name in NEEDED if name not in names]
                if not missing:
                    metadata.reflect(connection, resolve_fks=False)
        except (sa.exc.DBAPIError, sa.exc.OperationalError) as error:
            raise self._unreadable(error) from error
        if missing:
            msg = f"{self.name} isn't an MLflow database: it has no table {', '.join(missing)}"
            raise InvalidInputError(msg)
        return metadata.tables

    def _rows(self, query: sa.Select[Any]) -> Iterable[Mapping[str, Any]]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except sa.exc.DBAPIError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sa.exc.DBAPIError) -> StorageError:
        return StorageError(f"{self.name} can't be read: {' '.join(str(error.orig).split())}; check the address and the rights")

    def _pairs(
        self, table: str, owner: str, owners: Sequence[Any] | None, key: str = "key", value: str = "value"
    ) -> dict[Any, dict[str, Any]]:
        """Keys and values by what has them; None for all owners."""
        if table not in self._tables:
            return {}
        c = self._tables[table].c
        query = sa.select(c[owner], c[key], c[value])
        found: dict[Any, dict[str, Any]] = {}
        for row in self._rows(query if owners is None else query.where(c[owner].in_(owners))):
            found.setdefault(row[owner], {})[row[key]] = "" if row[value] is None else row[value]
        return found

    def _latest(self, run_ids: Sequence[str]) -> dict[str, dict[str, Metric]]:
        table = self._tables["latest_metrics"]
        found: dict[str, dict[str, Metric]] = {}
        for row in self._rows(sa.select(table).where(table.c.run_uuid.in_(run_ids)).order_by(table.c.key)):
            found.setdefault(row["run_uuid"], {})[row["key"]] = _point(row)
        return found

    def _counts(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        c = self._tables["metrics"].c
        query = sa.select(c.run_uuid, c.key, sa.func.count().label("n")).where(c.run_uuid.in_(run_ids))
        found: dict[str, dict[str, int]] = {}
        for row in self._rows(query.group_by(c.run_uuid, c.key)):
            found.setdefault(row["run_uuid"], {})[row["key"]] = int(row["n"])
        return found

    def _inputs(self, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
        if "inputs" not in self._tables or "datasets" not in self._tables:
            return {}
        given, data = self._tables["inputs"], self._tables["datasets"]
        joined = given.join(data, data.c.dataset_uuid == given.c.source_id)
        query = sa.select(given.c.destination_id, given.c.input_uuid, data).select_from(joined)
        query = query.where(given.c.source_type == "DATASET", given.c.destination_id.in_(run_ids))
        rows = list(self._rows(query.order_by(given.c.input_uuid)))
        tags = self._pairs("input_tags", "input_uuid", [row["input_uuid"] for row in rows], "name")
        found: dict[str, list[DatasetInput]] = {}
        for row in rows:
            said = tags.get(row["input_uuid"], {})
            found.setdefault(row["destination_id"], []).append(
                DatasetInput(
                    name=row["name"],
                    digest=row["digest"],
                    source_type=row["dataset_source_type"] or "",
                    source=row["dataset_source"] or "",
                    schema=row["dataset_schema"] or "",
                    profile=row["dataset_profile"] or "",
                    context=said.pop(CONTEXT, ""),
                    tags=said,
                )
            )
        return found

    def _outputs(self, run_ids: Sequence[str]) -> dict[str, list[ModelOutput]]:
        if "inputs" not in self._tables:
            return {}
        given = self._tables["inputs"].c
        query = sa.select(*given).where(given.source_type == "RUN_OUTPUT", given.source_id.in_(run_ids))
        found: dict[str, list[ModelOutput]] = {}
        for row in self._rows(query):
            found.setdefault(row["source_id"], []).append(ModelOutput(row["destination_id"], int(row.get("step") or 0)))
        return found

    def _versions(self) -> Iterator[tuple[str, SourceVersion]]:
        c = self._tables["model_versions"].c
        tags: dict[tuple[str, int], dict[str, str]] = {}
        for row in self._rows(sa.select(self._tables["model_version_tags"])):
            tags.setdefault((row["name"], row["version"]), {})[row["key"]] = row["value"] or ""
        for row in self._rows(sa.select(*c).where(c.current_stage != _GONE).order_by(c.name, c.version)):
            yield (
                row["name"],
                SourceVersion(
                    version=int(row["version"]),
                    stage=row["current_stage"] or "None",
                    run_id=row["run_id"] or "",
                    source=row.get("storage_location") or row["source"] or "",
                    model_id=_model_id(row["source"] or "", tags.get((row["name"], row["version"]), {})),
                    user=row["user_id"] or "",
                    description=row["description"] or "",
                    created=micros(row["creation_time"]) or 0,
                    updated=micros(row["last_updated_time"]) or 0,
                    tags=tags.get((row["name"], row["version"]), {}),
                ),
            )


def _run(row: Mapping[str, Any], experiment: Experiment, **parts: Any) -> Run:
    start = micros(row["start_time"])
    return Run(
        id=row["run_uuid"],
        name=row.get("name") or parts["tags"].get(NAME_TAG, "") or row["run_uuid"],
        experiment_id=experiment.id,
        experiment=experiment.name,
        status=row["status"],
        start=experiment.created if start is None else start,
        end=micros(row["end_time"]),
        user=row["user_id"] or "",
        artifact_uri=row["artifact_uri"] or "",
        lifecycle_stage=stage_of(row["lifecycle_stage"]),
        **parts,
    )


def _point(row: Mapping[Any, Any]) -> Metric:
    return metric(row["key"], math.nan if row["is_nan"] else row["value"], row["timestamp"], row["step"])


def _model_id(source: str, tags: Mapping[str, str]) -> str:
    """The logged model that a version's source names; empty if it names another place."""
    name = source.removeprefix("models:/")
    return name if name != source and name.startswith("m-") else tags.get("mlflow.model_id", "")


def _parse(url: str) -> sa.URL:
    try:
        return sa.make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    except sa.exc.ArgumentError as error:
        msg = f"{url!r} is no address of a database; write for example sqlite:///mlflow.db or postgresql://user@host/mlflow"
        raise InvalidInputError(msg) from error


def _engine(url: sa.URL) -> sa.Engine:
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite" and url.database:
        file = Path(url.database)
        if not file.is_file():
            msg = f"there is no file {file}; give the path of MLflow's database after sqlite:///"
            raise InvalidInputError(msg)
        return sa.create_engine(f"sqlite:///{file.resolve().as_uri()}?mode=ro&uri=true")
    if kind == "postgresql":
        try:
            engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
        except ModuleNotFoundError as error:
            raise MissingExtraError.of("psycopg", "postgres") from error
        return engine.execution_options(postgresql_readonly=True)
    msg = f"{kind} databases can't be read directly; import from MLflow's server instead, with its http://… address"
    raise InvalidInputError(msg)
