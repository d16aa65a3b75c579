"""The files of runs and logged models in the catalog: FileIndex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from headrace.errors import ConflictError, NotFoundError
from headrace.sql.database import Database
from headrace.sql.metrics import upsert
from headrace.sql.run_writes import require_active_run
from headrace.sql.runs import require_a_tree
from headrace.sql.tables.tracking import experiments, logged_models, model_files, run_artifacts, runs
from headrace.tracking.files import Home
from headrace.tracking.run import ACTIVE, ArtifactEntry

__all__ = ["SqlFileIndex"]

_CHUNK = 500
_TABLES = {"run": (run_artifacts, run_artifacts.c.run_id), "model": (model_files, model_files.c.model_id)}


class SqlFileIndex:
    """FileIndex on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def home(self, kind: Literal["run", "model"], id: str) -> Home | None:  # noqa: A002 - what it is
        """The run or logged model of this id; a deleted run too, a deleted model not."""
        query = sa.select(runs.c.artifact_uri).where(runs.c.run_id == id)
        if kind == "model":
            m = logged_models.c
            query = sa.select(m.artifact_uri, experiments.c.artifact_location)
            query = query.join(experiments, experiments.c.id == m.experiment_id)
            query = query.where(m.model_id == id, m.lifecycle_stage == ACTIVE)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return Home(kind, id, row.artifact_uri or f"{row.artifact_location}/models/{id}/artifacts")

    def add(self, home: Home, entries: Sequence[ArtifactEntry]) -> None:
        """Add files; a path that exists is replaced. Raises as the contract says."""
        table, owner = _TABLES[home.kind]
        rows = [{owner.name: home.id, "path": item.path, "digest": item.digest, "size": item.size} for item in entries]
        with self._database.write() as connection:
            _require_open(connection, home)
            if rows:
                connection.execute(upsert(connection, table, ["digest", "size"]), rows)
                require_a_tree(connection, table, owner == home.id, [item.path for item in entries])

    def remove(self, home: Home, path: str) -> int:
        """Remove a file, or a folder with all below it; how many files that were. An empty path means all."""
        table, owner = _TABLES[home.kind]
        with self._database.write() as connection:
            _require_open(connection, home)
            names = [item.path for item in _below(connection, home, path)]
            for start in range(0, len(names), _CHUNK):
                some = table.c.path.in_(names[start : start + _CHUNK])
                connection.execute(table.delete().where(owner == home.id, some))
        return len(names)

    def below(self, home: Home, path: str = "") -> list[ArtifactEntry]:
        """The file at a path, or those in the folder there, sorted by path. An empty path means all."""
        with self._database.read() as connection:
            return _below(connection, home, path)


def _below(connection: sa.Connection, home: Home, path: str) -> list[ArtifactEntry]:
    table, owner = _TABLES[home.kind]
    c = table.c
    query = sa.select(c.path, c.digest, c.size).where(owner == home.id)
    if path:
        query = query.where(sa.or_(c.path == path, c.path.startswith(f"{path}/", autoescape=True)))
    found = sorted((ArtifactEntry(*row) for row in connection.execute(query)), key=lambda item: item.path)
    # SQLite's LIKE takes a for A.
    return [item for item in found if not path or item.path == path or item.path.startswith(f"{path}/")]


def _require_open(connection: sa.Connection, home: Home) -> None:
    if home.kind == "run":
        require_active_run(connection, home.id)
        return
    c = logged_models.c
    status = connection.execute(sa.select(c.status).where(c.model_id == home.id, c.lifecycle_stage == ACTIVE)).scalar()
    if status is None:
        msg = f"Logged model with ID '{home.id}' not found."
        raise NotFoundError(msg)
    if status == "READY":
        msg = f"the logged model {home.id} is READY, so its files don't change any more; log another model"
        raise ConflictError(msg)
