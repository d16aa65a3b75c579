"""Runs in the catalog: RunStore and ArtifactIndex."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import sqlalchemy as sa

from headrace.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.groups import GroupCommit
from headrace.sql.metrics import insert_new, upsert
from headrace.sql.packing import is_one, listed
from headrace.sql.points import TAKEN_IN, Added, add_points, add_series, join_apart, join_many
from headrace.sql.prepared import Insert, Query, direct, is_blind, pipelined
from headrace.sql.purge import purge
from headrace.sql.run_pages import INPUT_FIELDS, load_page, load_page_as, load_runs
from headrace.sql.run_plan import search_ids
from headrace.sql.tables.tracking import (
    is_id,
    params,
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
    NAME_TAG,
    ArtifactEntry,
    DatasetInput,
    DatasetUse,
    Metric,
    ModelOutput,
    Purged,
    Run,
    RunInfo,
    Status,
    View,
)
from headrace.tracking.search import Comparison, Order

__all__ = [
    "SqlArtifactIndex",
    "SqlRunStore",
    "require_a_tree",
    "require_active_experiment",
    "require_active_run",
    "require_unchanged",
]

T = TypeVar("T")
P = TypeVar("P")

_CHUNK = 500
_INSIST = f"SELECT 1 / count(CASE WHEN lifecycle_stage = '{ACTIVE}' THEN {{}} END) FROM {{}} WHERE {{}} = ?"
"""Divides by zero, an error on PostgreSQL, unless there is such a row and it is active: a check whose answer nobody has to read.
The stage is no condition of the query. Of runs it has an index, and while PostgreSQL has no statistics of a new table, it might
choose that one and go through everything that is active, instead of looking the id up."""
_INSIST_ON_RUN = _INSIST.format("status", "runs", "run_id")
_INSIST_ON_EXPERIMENT = _INSIST.format("created", "experiments", "id")
_STAGE = "SELECT lifecycle_stage FROM runs WHERE run_id = ?"
_BIRTH = "SELECT experiment_id, start_time, user_id FROM runs WHERE run_id = ?"
_HOME = "SELECT lifecycle_stage, name FROM experiments WHERE id = ?"
_MOVE = "UPDATE runs SET status = coalesce(?, status), end_time = coalesce(?, end_time) WHERE run_id = ?"
_RENAME = "UPDATE runs SET name = ? WHERE run_id = ?"


class SqlRunStore:
    """RunStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group = GroupCommit(database)

    def create(self, run: Run) -> None:
        """Keep a new run with its tags and params, its name mirrored in the tag that MLflow's clients read.

        The same run again, which a client sends that heard no answer, changes nothing.
        """
        row = (
            run.id,
            _number(run.experiment_id),
            run.name,
            run.user,
            run.status,
            run.start,
            run.end,
            run.artifact_uri,
            run.lifecycle_stage,
        )

        def write(connection: sa.Connection) -> None:
            if not is_blind(connection) and _is_there(connection, run):
                return
            require_active_experiment(connection, run.experiment_id)
            with pipelined(connection):
                _ADD_RUN.run(connection, [row])
                _write_pairs(connection, _SET_TAGS, run.id, {**run.tags, NAME_TAG: run.name})
                _write_pairs(connection, _KEEP_PARAMS, run.id, run.params)
                note(connection, "created", run.id)

        self._group.run(write)

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
                if status is not None or end is not None:
                    direct(connection, _MOVE, (status, end, run_id))
                if name is not None:
                    direct(connection, _RENAME, (name, run_id))
                    _write_pairs(connection, _SET_TAGS, run_id, {NAME_TAG: name})
                note(connection, "changed" if end is None else "ended", run_id)
                return _INFO.ask(connection, run_id=run_id)

        told: list[tuple[Any, ...]] = []
        self._group.run(write, lambda rows: told.extend(rows()))
        (row,) = told
        return RunInfo(**{**dict(zip(_INFO_FIELDS, row, strict=True)), "experiment_id": str(row[2])})

    def set_stage(self, run_id: str, stage: str, time: int) -> None:
        """Delete or restore at a time, microseconds since 1970; again is a no-op. Raises NotFoundError."""
        values = {"lifecycle_stage": stage, "deleted": time if stage == DELETED else None}
        with self._database.write() as connection:
            if connection.execute(sa.select(runs.c.run_id).where(runs.c.run_id == run_id)).first() is None:
                raise _no_run(run_id)
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

        def write(connection: sa.Connection) -> list[Added]:
            require_active_run(connection, run_id)
            _add_params(connection, run_id, params or {})
            with pipelined(connection):
                added = [add_points(connection, run_id, metrics), add_series(connection, run_id, series)]
                _write_pairs(connection, _SET_TAGS, run_id, tags or {})
                if tags and NAME_TAG in tags:
                    direct(connection, _RENAME, (tags[NAME_TAG], run_id))
                if params or tags:
                    note(connection, "changed", run_id)
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

        self._group.run(write, then)

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
            _write_pairs(connection, _SET_TAGS, run_id, {key: json.dumps([*before, json.loads(item)])})

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

    def search(
        self,
        filters: Sequence[Comparison],
        order: Sequence[Order],
        *,
        experiments: Sequence[str] | None = None,
        view: View = "active",
        limit: int = 100,
        offset: int = 0,
    ) -> RunPage:
        """The runs that match every comparison, ordered; then newest first, then by id."""
        with self._database.read() as connection:
            ids = search_ids(connection, filters, order, experiments, view, limit=limit, offset=offset)
            return load_page(connection, ids)

    def search_as(
        self,
        form: Form[T, P],
        filters: Sequence[Comparison],
        order: Sequence[Order],
        *,
        experiments: Sequence[str],
        view: View,
        limit: int,
        offset: int,
    ) -> Page[T, P]:
        """The same in a form of the caller's, that what they have is made into as it is read."""
        with self._database.read() as connection:
            ids = search_ids(connection, filters, order, experiments, view, limit=limit, offset=offset)
            return load_page_as(form, connection, ids)


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


def require_active_run(connection: sa.Connection, run_id: str) -> None:
    """Raise NotFoundError for a run that doesn't exist, ConflictError for a deleted one."""
    if is_blind(connection):
        direct(connection, _INSIST_ON_RUN, (run_id,))
        return
    found = direct(connection, _STAGE, (run_id,)).fetchone()
    if found is None:
        raise _no_run(run_id)
    stage = found[0]
    if stage != ACTIVE:
        state = f"The run {run_id} must be in the 'active' state. Current state is {stage}."
        msg = f"{state} Restore it with: store.runs.restore({run_id!r})"
        raise ConflictError(msg)


def require_active_experiment(connection: sa.Connection, experiment_id: str) -> None:
    """Raise NotFoundError for an experiment that doesn't exist, ConflictError for a deleted one."""
    number = _number(experiment_id)
    if is_blind(connection):
        direct(connection, _INSIST_ON_EXPERIMENT, (number,))
        return
    row = direct(connection, _HOME, (number,)).fetchone()
    if row is None:
        msg = f"No Experiment with id={experiment_id} exists"
        raise NotFoundError(msg)
    stage, name = row
    if stage != ACTIVE:
        msg = f"The experiment {name!r} must be in the 'active' state; restore it or choose another name"
        raise ConflictError(msg)


def _is_there(connection: sa.Connection, run: Run) -> bool:
    """Whether a run was made already. Raises AlreadyExistsError for another one of its id."""
    held = direct(connection, _BIRTH, (run.id,)).fetchone()
    if held is None:
        return False
    if held != (_number(run.experiment_id), run.start, run.user):
        msg = f"another run with id {run.id} exists already"
        raise AlreadyExistsError(msg)
    return True


def _number(experiment_id: str) -> int:
    """An experiment's number; for what can't be an id one that none has."""
    return int(experiment_id) if is_id(experiment_id) else -1


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError(f"Run with id={run_id} not found; list the runs with: headrace runs list, or store.runs.search()")


def _write_pairs(connection: sa.Connection, statement: Insert, run_id: str, pairs: Mapping[str, str]) -> None:
    if pairs:
        statement.run(connection, [(run_id, key, value) for key, value in pairs.items()])


def require_unchanged(held: Mapping[str, str], new: Mapping[str, str], owner: str) -> None:
    """Raise InvalidInputError for another value of a param that is there."""
    for key, value in new.items():
        if held.get(key, value) != value:
            msg = (
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{held[key]}' "
                f"for {owner}. Attempted logging new value '{value}'."
            )
            raise InvalidInputError(msg)


def _json_list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _add_params(connection: sa.Connection, run_id: str, new: Mapping[str, str]) -> None:
    if not new:
        return
    if not is_blind(connection):
        held = dict(_HELD.rows(connection, run_id=run_id, keys=listed(connection, list(new))))
        require_unchanged(held, new, f"run ID='{run_id}'")
    _write_pairs(connection, _KEEP_PARAMS, run_id, new)


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
_ADD_RUN = Insert(
    "runs",
    ["run_id", "experiment_id", "name", "user_id", "status", "start_time", "end_time", "artifact_uri", "lifecycle_stage"],
)
_PAIR = ("run_id", "key", "value")
_SET_TAGS = Insert("run_tags", _PAIR, tail="ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value")
_KEEP_PARAMS = Insert(
    "params",
    _PAIR,
    tail="ON CONFLICT (run_id, key) DO UPDATE SET value = CASE WHEN excluded.value = params.value THEN params.value END",
)
"""Another value would be none at all, which the column refuses."""
_HELD = Query(
    lambda connection: sa.select(params.c.key, params.c.value).where(
        params.c.run_id == sa.bindparam("run_id"), is_one(connection, params.c.key, sa.bindparam("keys"))
    )
)
