"""Runs in the catalog: RunStore and ArtifactIndex."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import sqlalchemy as sa

from headrace.errors import InvalidInputError, NotFoundError
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.groups import GroupCommit
from headrace.sql.metrics import insert_new, upsert
from headrace.sql.points import TAKEN_IN, Added, join_apart, join_many
from headrace.sql.prepared import Query, is_blind, pipelined
from headrace.sql.purge import purge
from headrace.sql.run_pages import INPUT_FIELDS, load_page, load_page_as, load_runs
from headrace.sql.run_plan import search_ids
from headrace.sql.run_writes import (
    add_run,
    add_to_run,
    change_run,
    experiment_number,
    is_there,
    no_run,
    require_active,
    require_active_experiment,
    require_active_run,
    require_params,
    set_tags,
)
from headrace.sql.tables.tracking import (
    is_id,
    run_artifacts,
    run_inputs,
    run_model_inputs,
    run_outputs,
    run_tags,
    runs,
)
from headrace.tracking.history import Series
from headrace.tracking.page import Form, Page, RunPage
from headrace.tracking.run import (
    ACTIVE,
    DELETED,
    ArtifactEntry,
    DatasetInput,
    DatasetUse,
    Metric,
    ModelOutput,
    Purged,
    Run,
    RunInfo,
    Status,
)
from headrace.tracking.store import RunQuery

__all__ = [
    "SqlArtifactIndex",
    "SqlRunStore",
    "require_a_tree",
]

T = TypeVar("T")
P = TypeVar("P")

_CHUNK = 500


class SqlRunStore:
    """RunStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group = GroupCommit(database)
        database.keep_briefs(_bring_in)

    def create(self, run: Run) -> None:
        """Keep a new run with its tags and params, its name mirrored in the tag that MLflow's clients read.

        The same run again, which a client sends that heard no answer, changes nothing.
        """
        number = experiment_number(run.experiment_id)
        row = (run.id, number, run.name, run.user, run.status, run.start, run.end, run.artifact_uri, run.lifecycle_stage)

        def is_new(connection: sa.Connection) -> bool:
            if not is_blind(connection) and is_there(connection, run):
                return False
            require_active_experiment(connection, run.experiment_id)
            return True

        def write(connection: sa.Connection) -> None:
            if is_new(connection):
                add_run(connection, row, run.tags, run.params)

        def brief(connection: sa.Connection) -> None:
            from headrace.sql.briefs import NewRun, keep

            if is_new(connection):
                keep(connection, NewRun(row, dict(run.tags), dict(run.params)))

        self._group.run(write, brief=brief)

    def get(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, in their order, deleted or not. Raises NotFoundError."""
        found = load_runs(self._database, list(dict.fromkeys(run_ids)))
        missing = [run_id for run_id in run_ids if run_id not in found.heads]
        if missing:
            msg = f"no run with id {missing[0]!r}; list the runs with: headrace runs list, or store.runs.search()"
            raise NotFoundError(msg)
        return found.runs(run_ids)

    def starting_with(self, prefix: str, limit: int) -> list[str]:
        """Ids that start with the prefix, sorted."""
        column = runs.c.run_id
        query = sa.select(column).where(column >= prefix, column < prefix + "\U0010ffff").order_by(column).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def update(self, run_id: str, *, status: Status | None = None, end: int | None = None, name: str | None = None) -> RunInfo:
        """Change what isn't None, the name in its tag too; returns what the run is now."""

        def write(connection: sa.Connection) -> Callable[[], list[tuple[Any, ...]]]:
            require_active_run(connection, run_id)
            with pipelined(connection):
                change_run(connection, run_id, status, end, name)
                return _INFO.ask(connection, run_id=run_id)

        def brief(connection: sa.Connection) -> Callable[[], list[tuple[Any, ...]]]:
            from headrace.sql.briefs import Change, keep

            held = _INFO.rows(connection, run_id=run_id)
            require_active(run_id, [row[-1] for row in held])
            keep(connection, Change(run_id, status, end, name))
            given = {"status": status, "end": end, "name": name}
            new = [given.get(field) for field in _INFO_FIELDS]
            return lambda: [tuple(old if value is None else value for old, value in zip(held[0], new, strict=True))]

        told: list[tuple[Any, ...]] = []
        self._group.run(write, lambda rows: told.extend(rows()), brief=brief)
        (row,) = told
        return _info(row)

    def set_stage(self, run_id: str, stage: str, time: int) -> None:
        """Delete or restore at a time, microseconds since 1970; again is a no-op. Raises NotFoundError."""
        values = {"lifecycle_stage": stage, "deleted": time if stage == DELETED else None}
        with self._database.write() as connection:
            if connection.execute(sa.select(runs.c.run_id).where(runs.c.run_id == run_id)).first() is None:
                raise no_run(run_id)
            changed = runs.c.run_id == run_id, runs.c.lifecycle_stage != stage
            if connection.execute(runs.update().where(*changed).values(values)).rowcount:
                note(connection, "changed", run_id)

    def purge(self, before: int, *, dry_run: bool = False) -> Purged:
        """Remove for good what was deleted before `before`, but what is still needed."""
        return purge(self._database, before, dry_run=dry_run)

    def log(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        series: Sequence[Series] = (),
    ) -> None:
        """Add all or nothing."""
        given, labels = params or {}, tags or {}

        def check(connection: sa.Connection) -> None:
            require_active_run(connection, run_id)
            require_params(connection, run_id, given)

        def write(connection: sa.Connection) -> list[Added]:
            check(connection)
            added = add_to_run(connection, run_id, metrics, series, given, labels)
            if is_blind(connection):
                return added  # how many chunks there are is told when it is committed
            for item in added:
                join_many(connection, run_id, item.grown())
            return []

        def then(added: list[Added]) -> None:
            grown = [key for item in added for key in item.grown()]
            if grown:
                join_apart(self._database, run_id, grown)
            TAKEN_IN.points += len(metrics) + sum(map(len, series))

        def brief(connection: sa.Connection) -> list[Added]:
            from headrace.sql.briefs import Log, keep

            check(connection)
            keep(connection, Log.of(run_id, metrics, series, given, labels))
            return []

        self._group.run(write, then, brief=brief)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError for the run or the tag."""
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            done = connection.execute(run_tags.delete().where(run_tags.c.run_id == run_id, run_tags.c.key == key))
            if done.rowcount == 0:
                msg = f"No tag with name: {key} in run with id {run_id}"
                raise NotFoundError(msg)
            note(connection, "changed", run_id)

    def append_to_tag(self, run_id: str, key: str, item: str) -> None:
        """Append a JSON value to the JSON list that the tag holds; a tag that holds none begins one. Raises NotFoundError."""
        held = sa.select(run_tags.c.value).where(run_tags.c.run_id == run_id, run_tags.c.key == key)
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            before = _json_list(connection.execute(held).scalar() or "[]")
            set_tags(connection, run_id, {key: json.dumps([*before, json.loads(item)])})

    def add_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Add datasets; the same (name, digest, context) is kept once."""
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            count = sa.select(sa.func.count()).select_from(run_inputs).where(run_inputs.c.run_id == run_id)
            first = connection.execute(count).scalar_one()
            rows = [
                {
                    "run_id": run_id,
                    "position": first + index,
                    "tags": json.dumps(dict(item.tags)),
                    **{field: getattr(item, field) for field in INPUT_FIELDS},
                }
                for index, item in enumerate(inputs)
            ]
            if rows:
                connection.execute(insert_new(connection, run_inputs), rows)
                note(connection, "changed", run_id)

    def datasets(self, experiment_ids: Sequence[str], limit: int) -> list[DatasetUse]:
        """The data that active runs of these experiments read, each once."""
        c = run_inputs.c
        columns = (runs.c.experiment_id, c.name, c.digest, c.context)
        inside = runs.c.experiment_id.in_([int(item) for item in experiment_ids if is_id(item)])
        query = sa.select(*columns).join(runs).where(inside, runs.c.lifecycle_stage == ACTIVE).distinct()
        with self._database.read() as connection:
            return [DatasetUse(str(row[0]), *row[1:]) for row in connection.execute(query.order_by(*columns).limit(limit))]

    def add_model_inputs(self, run_id: str, model_ids: Sequence[str]) -> None:
        """Add logged models that the run read; the same model is kept once."""
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            rows = [{"run_id": run_id, "model_id": model_id} for model_id in model_ids]
            if rows:
                connection.execute(insert_new(connection, run_model_inputs), rows)

    def add_outputs(self, run_id: str, outputs: Sequence[ModelOutput]) -> None:
        """Add logged models; of the same model the step that was told last is kept."""
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            rows = [{"run_id": run_id, "model_id": item.model_id, "step": item.step} for item in outputs]
            if rows:
                connection.execute(upsert(connection, run_outputs, ["step"]), rows)
                note(connection, "changed", run_id)

    def search(self, query: RunQuery) -> RunPage:
        """The runs that match."""
        with self._database.read() as connection:
            return load_page(connection, search_ids(connection, query))

    def search_as(self, form: Form[T, P], query: RunQuery) -> Page[T, P]:
        """The same in a form of the caller's, that what they have is made into as it is read."""
        with self._database.read() as connection:
            return load_page_as(form, connection, search_ids(connection, query))


class SqlArtifactIndex:
    """ArtifactIndex on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str, entries: Sequence[ArtifactEntry]) -> None:
        """Add files; a path that exists is replaced. Raises InvalidInputError if one would be a file and a folder."""
        rows = [{"run_id": run_id, "path": entry.path, "digest": entry.digest, "size": entry.size} for entry in entries]
        with self._database.write() as connection:
            require_active_run(connection, run_id)
            if rows:
                connection.execute(upsert(connection, run_artifacts, ["digest", "size"]), rows)
                note(connection, "changed", run_id)
                require_a_tree(connection, run_artifacts, run_artifacts.c.run_id == run_id, [entry.path for entry in entries])

    def list(self, run_id: str) -> list[ArtifactEntry]:
        """The files, sorted by path."""
        table = run_artifacts
        query = sa.select(table.c.path, table.c.digest, table.c.size).where(table.c.run_id == run_id).order_by(table.c.path)
        with self._database.read() as connection:
            return [ArtifactEntry(*row) for row in connection.execute(query)]


def require_a_tree(connection: sa.Connection, table: sa.Table, owned: sa.ColumnElement[bool], added: Sequence[str]) -> None:
    """Raise InvalidInputError if an added path leads through a file of the same owner, or is a folder of it."""
    path = table.c.path
    folders = sorted({str(folder) for name in added for folder in PurePosixPath(name).parents})
    wrong: list[sa.ColumnElement[bool]] = [path.in_(chunk) for chunk in _chunks(folders)]
    wrong += [sa.or_(*(path.between(f"{name}/", f"{name}0") for name in chunk)) for chunk in _chunks(added)]  # 0 follows /
    for condition in wrong:
        found = connection.execute(sa.select(path).where(owned, condition)).scalar()
        if found is not None:
            msg = f"there is a file {found!r}, and a file can't be a folder too; choose another path"
            raise InvalidInputError(msg)


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _bring_in(connection: sa.Connection) -> None:
    from headrace.sql.briefs import bring_in

    bring_in(connection)


def _info(row: tuple[Any, ...]) -> RunInfo:
    return RunInfo(**{**dict(zip(_INFO_FIELDS, row, strict=True)), "experiment_id": str(row[2])})


def _json_list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


_INFO_FIELDS = {
    "id": runs.c.run_id,
    "name": runs.c.name,
    "experiment_id": runs.c.experiment_id,
    "status": runs.c.status,
    "start": runs.c.start_time,
    "end": runs.c.end_time,
    "user": runs.c.user_id,
    "artifact_uri": runs.c.artifact_uri,
    "lifecycle_stage": runs.c.lifecycle_stage,
}
_INFO = Query(lambda _: sa.select(*_INFO_FIELDS.values()).where(runs.c.run_id == sa.bindparam("run_id")))
