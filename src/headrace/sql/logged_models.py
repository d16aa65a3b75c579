"""Logged models in the catalog: LoggedModelStore."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.errors import NotFoundError
from headrace.flavors.signature import Signature
from headrace.sql.database import Database
from headrace.sql.metrics import insert_new, metric_of, upsert
from headrace.sql.model_search import model_search
from headrace.sql.run_writes import require_active_experiment, require_active_run, require_unchanged
from headrace.sql.tables.tracking import logged_models, model_files, model_metrics, model_params, model_tags, run_outputs
from headrace.tracking.run import ACTIVE, PENDING, ArtifactEntry, LoggedModel
from headrace.tracking.search import Comparison, ModelOrder

__all__ = ["SqlLoggedModelStore"]

_PLAIN = (
    "run_id",
    "name",
    "kind",
    "artifact_uri",
    "flavor",
    "serializer",
    "status",
    "view",
    "created",
    "updated",
    "lifecycle_stage",
)


class SqlLoggedModelStore:
    """LoggedModelStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, model: LoggedModel) -> None:
        """Keep a new one with its files, params and tags; as an output of its run if it has one, unless its files are yet to
        come: whoever brings them says so too."""
        children: dict[sa.Table, list[dict[str, Any]]] = {
            model_files: [{"path": file.path, "digest": file.digest, "size": file.size} for file in model.files],
            model_params: [{"key": key, "value": value} for key, value in model.params.items()],
            model_tags: [{"key": key, "value": value} for key, value in model.tags.items()],
        }
        with self._database.write() as connection:
            require_active_experiment(connection, model.experiment_id)
            if model.run_id:
                require_active_run(connection, model.run_id)
            connection.execute(logged_models.insert(), _row(model))
            for table, rows in children.items():
                if rows:
                    connection.execute(table.insert(), [{"model_id": model.id, **row} for row in rows])
            if model.run_id and model.status != PENDING:
                output = {"run_id": model.run_id, "model_id": model.id, "step": 0}
                connection.execute(insert_new(connection, run_outputs), output)

    def get(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """One, with its metrics; a deleted one if wanted. Raises NotFoundError."""
        with self._database.read() as connection:
            query = sa.select(logged_models).where(logged_models.c.model_id == model_id)
            if not deleted:
                query = query.where(logged_models.c.lifecycle_stage == ACTIVE)
            row = connection.execute(query).mappings().first()
            if row is None:
                raise _missing(model_id)
            return _model(connection, dict(row))

    def of_run(self, run_id: str) -> list[LoggedModel]:
        """Those that a run logged, oldest first."""
        c = logged_models.c
        query = sa.select(logged_models).where(c.run_id == run_id, c.lifecycle_stage == ACTIVE).order_by(c.created, c.model_id)
        with self._database.read() as connection:
            return [_model(connection, dict(row)) for row in connection.execute(query).mappings().all()]

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
        with self._database.read() as connection:
            query = model_search(filters, order, experiments, datasets, connection.dialect.name).limit(limit).offset(offset)
            return [_model(connection, dict(row)) for row in connection.execute(query).mappings().all()]

    def update(self, model_id: str, *, status: str | None = None, stage: str | None = None, time: int) -> None:
        """Change what isn't None. Raises NotFoundError, for a deleted one too."""
        changes = {"status": status, "lifecycle_stage": stage, "updated": time}
        values = {name: value for name, value in changes.items() if value is not None}
        with self._database.write() as connection:
            _require(connection, model_id)
            connection.execute(logged_models.update().where(logged_models.c.model_id == model_id).values(values))

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags. Raises NotFoundError."""
        with self._database.write() as connection:
            _require(connection, model_id)
            rows = [{"model_id": model_id, "key": key, "value": value} for key, value in tags.items()]
            if rows:
                connection.execute(upsert(connection, model_tags, ["value"]), rows)

    def delete_tag(self, model_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the model or the tag."""
        c = model_tags.c
        with self._database.write() as connection:
            _require(connection, model_id)
            done = connection.execute(model_tags.delete().where(c.model_id == model_id, c.key == key))
            if done.rowcount == 0:
                msg = f"No tag with key '{key}' found for model with ID '{model_id}'"
                raise NotFoundError(msg)

    def add_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add params. Raises NotFoundError, and InvalidInputError for another value of one that is there."""
        c = model_params.c
        with self._database.write() as connection:
            _require(connection, model_id)
            query = sa.select(c.key, c.value).where(c.model_id == model_id)
            held = {row.key: row.value for row in connection.execute(query)}
            require_unchanged(held, params, f"model ID='{model_id}'")
            rows = [{"model_id": model_id, "key": key, "value": value} for key, value in params.items() if key not in held]
            if rows:
                connection.execute(model_params.insert(), rows)


def _require(connection: sa.Connection, model_id: str) -> None:
    c = logged_models.c
    if connection.execute(sa.select(c.model_id).where(c.model_id == model_id, c.lifecycle_stage == ACTIVE)).first() is None:
        raise _missing(model_id)


def _row(model: LoggedModel) -> dict[str, Any]:
    return {
        **{name: getattr(model, name) for name in _PLAIN},
        "model_id": model.id,
        "experiment_id": int(model.experiment_id),
        "signature": json.dumps(model.signature.to_spec()) if model.signature else "",
        "requirements": json.dumps(model.requirements),
        "details": json.dumps(dict(model.details)),
    }


def _model(connection: sa.Connection, row: Mapping[str, Any]) -> LoggedModel:
    points = _children(connection, model_metrics, row)
    return LoggedModel(
        **{name: row[name] for name in _PLAIN},
        id=row["model_id"],
        experiment_id=str(row["experiment_id"]),
        signature=Signature.from_spec(json.loads(row["signature"])) if row["signature"] else None,
        requirements=tuple(json.loads(row["requirements"])),
        details=json.loads(row["details"]),
        files=tuple(
            ArtifactEntry(item["path"], item["digest"], item["size"]) for item in _children(connection, model_files, row)
        ),
        params={item["key"]: item["value"] for item in _children(connection, model_params, row)},
        tags={item["key"]: item["value"] for item in _children(connection, model_tags, row)},
        metrics=tuple(metric_of(item) for item in points),
        measured_by=tuple(item["run_id"] for item in points),
    )


def _children(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    query = sa.select(table).where(table.c.model_id == row["model_id"]).order_by(*table.primary_key.columns)
    return [dict(item) for item in connection.execute(query).mappings()]


def _missing(model_id: str) -> NotFoundError:
    return NotFoundError(f"Logged model with ID '{model_id}' not found; a run's models: store.runs.models(run_id)")
