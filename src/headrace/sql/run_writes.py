"""What the writes of runs change in the tables, and what must hold before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from headrace.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from headrace.sql.changes import note
from headrace.sql.packing import is_one, listed
from headrace.sql.points import Added, add_points, add_series
from headrace.sql.prepared import Insert, Query, direct, is_blind, pipelined
from headrace.sql.tables.tracking import is_id, params
from headrace.tracking.history import Series
from headrace.tracking.run import ACTIVE, NAME_TAG, Metric, Run

__all__ = [
    "RunRow",
    "add_run",
    "add_to_run",
    "change_run",
    "experiment_number",
    "is_there",
    "no_run",
    "require_active",
    "require_active_experiment",
    "require_active_run",
    "require_params",
    "require_unchanged",
    "set_tags",
]

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


RunRow = tuple[str, int, str, str, str, int, int | None, str, str]
"""A run's id, its experiment's number, its name, user, status, start, end, the place of its files, its stage."""


def add_run(connection: sa.Connection, row: RunRow, tags: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Add a run with its tags and params, its name mirrored in the tag that MLflow's clients read."""
    run_id, name = row[0], row[2]
    with pipelined(connection):
        _ADD_RUN.run(connection, [row])
        set_tags(connection, run_id, {**tags, NAME_TAG: name})
        _write_pairs(connection, _KEEP_PARAMS, run_id, given)
        note(connection, "created", run_id)


def add_to_run(
    connection: sa.Connection,
    run_id: str,
    metrics: Sequence[Metric],
    series: Sequence[Series],
    given: Mapping[str, str],
    tags: Mapping[str, str],
) -> list[Added]:
    """Add points, params and tags to a run; returns what its metrics have now."""
    with pipelined(connection):
        _write_pairs(connection, _KEEP_PARAMS, run_id, given)
        added = [add_points(connection, run_id, metrics), add_series(connection, run_id, series)]
        set_tags(connection, run_id, tags)
        if NAME_TAG in tags:
            direct(connection, _RENAME, (tags[NAME_TAG], run_id))
        if given or tags:
            note(connection, "changed", run_id)
    return added


def change_run(connection: sa.Connection, run_id: str, status: str | None, end: int | None, name: str | None) -> None:
    """Change what isn't None, the name in its tag too. Only within a block of `pipelined`."""
    if status is not None or end is not None:
        direct(connection, _MOVE, (status, end, run_id))
    if name is not None:
        direct(connection, _RENAME, (name, run_id))
        set_tags(connection, run_id, {NAME_TAG: name})
    note(connection, "changed" if end is None else "ended", run_id)


def set_tags(connection: sa.Connection, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; those it has keep their place."""
    _write_pairs(connection, _SET_TAGS, run_id, tags)


def require_active_run(connection: sa.Connection, run_id: str) -> None:
    """Raise NotFoundError for a run that doesn't exist, ConflictError for a deleted one."""
    if is_blind(connection):
        direct(connection, _INSIST_ON_RUN, (run_id,))
        return
    require_active(run_id, [stage for (stage,) in direct(connection, _STAGE, (run_id,)).fetchall()])


def require_active(run_id: str, stages: Sequence[str]) -> None:
    """The same of what is known of the run: its stage, or none if it doesn't exist."""
    if not stages:
        raise no_run(run_id)
    (stage,) = stages
    if stage != ACTIVE:
        state = f"The run {run_id} must be in the 'active' state. Current state is {stage}."
        msg = f"{state} Restore it with: store.runs.restore({run_id!r})"
        raise ConflictError(msg)


def require_active_experiment(connection: sa.Connection, experiment_id: str) -> None:
    """Raise NotFoundError for an experiment that doesn't exist, ConflictError for a deleted one."""
    number = experiment_number(experiment_id)
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


def is_there(connection: sa.Connection, run: Run) -> bool:
    """Whether a run was made already. Raises AlreadyExistsError for another one of its id."""
    held = direct(connection, _BIRTH, (run.id,)).fetchone()
    if held is None:
        return False
    if held != (experiment_number(run.experiment_id), run.start, run.user):
        msg = f"another run with id {run.id} exists already"
        raise AlreadyExistsError(msg)
    return True


def experiment_number(experiment_id: str) -> int:
    """An experiment's number; for what can't be an id one that none has."""
    return int(experiment_id) if is_id(experiment_id) else -1


def no_run(run_id: str) -> NotFoundError:
    """What to raise where there is no such run."""
    return NotFoundError(f"Run with id={run_id} not found; list the runs with: headrace runs list, or store.runs.search()")


def require_unchanged(held: Mapping[str, str], new: Mapping[str, str], owner: str) -> None:
    """Raise InvalidInputError for another value of a param that is there."""
    for key, value in new.items():
        if held.get(key, value) != value:
            msg = (
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{held[key]}' "
                f"for {owner}. Attempted logging new value '{value}'."
            )
            raise InvalidInputError(msg)


def require_params(connection: sa.Connection, run_id: str, new: Mapping[str, str]) -> None:
    """Raise InvalidInputError for another value of a param that the run has. Where nothing can be asked, the writing fails."""
    if new and not is_blind(connection):
        held = dict(_HELD.rows(connection, run_id=run_id, keys=listed(connection, list(new))))
        require_unchanged(held, new, f"run ID='{run_id}'")


def _write_pairs(connection: sa.Connection, statement: Insert, run_id: str, pairs: Mapping[str, str]) -> None:
    if pairs:
        statement.run(connection, [(run_id, key, value) for key, value in pairs.items()])


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
