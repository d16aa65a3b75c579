"""Experiments in the catalog: ExperimentStore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.metrics import upsert
from headrace.sql.prepared import Query, pipelined
from headrace.sql.run_search import compare
from headrace.sql.tables.tracking import experiment_tags, experiments, is_id, runs
from headrace.tracking.run import ACTIVE, ALIAS_TAG, DELETED, Experiment, View
from headrace.tracking.search import Comparison, Order

__all__ = ["SqlExperimentStore"]

_MILLI = 1000
_ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "name": experiments.c.name,
    "experiment_id": sa.cast(experiments.c.id, sa.Text),
    "creation_time": experiments.c.created // _MILLI,
    "last_update_time": experiments.c.updated // _MILLI,
}


class SqlExperimentStore:
    """ExperimentStore on the catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, name: str, tags: Mapping[str, str], time: int, artifact_location: str = "", experiment_id: str = ""
    ) -> Experiment:
        """Make one, under this id if one is given. Raises ConflictError if the name or the id is taken, by a deleted one too."""
        with self._database.write() as connection:
            _require_free(connection, name)
            given = {"id": _free_id(connection, experiment_id)} if experiment_id else {}
            row = {
                "name": name,
                "lifecycle_stage": ACTIVE,
                "created": time,
                "updated": time,
                "artifact_location": artifact_location,
                **given,
            }
            number = connection.execute(experiments.insert().returning(experiments.c.id), row).scalar_one()
            if not artifact_location:
                default = f"mlflow-artifacts:/{number}"
                connection.execute(experiments.update().where(experiments.c.id == number).values(artifact_location=default))
            for key, value in tags.items():
                connection.execute(experiment_tags.insert(), {"experiment_id": number, "key": key, "value": value})
            if given:
                _pass_over(connection, number)
            note(connection, "experiment", str(number))
            return _one(connection, experiments.c.id == number)

    def get(self, experiment_id: str) -> Experiment:
        """One, deleted or not, by its id or, if no other has that, by one that `alias` gave it. Raises NotFoundError."""
        with self._database.glance() as connection:  # every new run asks for its experiment
            asked = _ask(connection, experiment_id)
        found = _made_of(asked)
        if found is not None:
            return found
        with self._database.read() as connection:
            return _require(connection, experiment_id)

    def alias(self, experiment_id: str, known_as: str, source: str) -> None:
        """Keep under which id another store knows it, and give that id to no new one. Raises NotFoundError."""
        with self._database.write() as connection:
            held = _require(connection, experiment_id)
            row = {"experiment_id": int(held.id), "key": f"{ALIAS_TAG}/{known_as}", "value": source}
            connection.execute(upsert(connection, experiment_tags, ["value"]), row)
            if is_id(known_as):
                _pass_over(connection, int(known_as))

    def by_name(self, name: str) -> Experiment | None:
        """One by name, deleted or not."""
        with self._database.read() as connection:
            found = _select(connection, experiments.c.name == name)
            return found[0] if found else None

    def list(self, view: View = "active") -> list[Experiment]:
        """All of them, newest first."""
        stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
        with self._database.read() as connection:
            return _select(connection, experiments.c.lifecycle_stage.in_(stages))

    def search(
        self, filters: Sequence[Comparison], order: Sequence[Order], *, view: View = "active", limit: int = 100, offset: int = 0
    ) -> Sequence[Experiment]:
        """The experiments that match every comparison, ordered; then newest first."""
        stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
        with self._database.read() as connection:
            dialect = connection.dialect.name
            conditions = [_condition(item, dialect) for item in filters]
            return _select(
                connection,
                sa.and_(experiments.c.lifecycle_stage.in_(stages), *conditions),
                [_sort_key(item) for item in order],
                (limit, offset),
            )

    def rename(self, experiment_id: str, name: str, time: int) -> None:
        """Rename an active one. Raises NotFoundError, ConflictError."""
        with self._database.write() as connection:
            held = _require(connection, experiment_id)
            if held.lifecycle_stage != ACTIVE:
                msg = f"The experiment {held.name!r} must be in the 'active' state to be renamed; restore it first"
                raise ConflictError(msg)
            if held.name != name:
                _require_free(connection, name)
            _update(connection, held.id, name=name, updated=time)

    def set_stage(self, experiment_id: str, stage: str, time: int) -> None:
        """Delete or restore it together with its runs."""
        with self._database.write() as connection:
            held = _require(connection, experiment_id)
            if held.lifecycle_stage == stage:
                raise _missing(experiment_id)
            _update(connection, held.id, lifecycle_stage=stage, updated=time)
            values = {"lifecycle_stage": stage, "deleted": time if stage == DELETED else None}
            changed = runs.c.experiment_id == int(held.id), runs.c.lifecycle_stage != stage
            connection.execute(runs.update().where(*changed).values(values))

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag. Raises NotFoundError."""
        with self._database.write() as connection:
            held = _require(connection, experiment_id)
            row = {"experiment_id": int(held.id), "key": key, "value": value}
            connection.execute(upsert(connection, experiment_tags, ["value"]), row)

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag. Raises NotFoundError."""
        c = experiment_tags.c
        with self._database.write() as connection:
            held = _require(connection, experiment_id)
            done = connection.execute(experiment_tags.delete().where(c.experiment_id == int(held.id), c.key == key))
            if done.rowcount == 0:
                msg = f"No tag with name: {key} in experiment with id {experiment_id}"
                raise NotFoundError(msg)


def _condition(item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    if item.entity == "attribute":
        return compare(_ATTRIBUTES[item.key], item, dialect)
    c = experiment_tags.c
    ids = sa.select(c.experiment_id).where(c.key == item.key)
    if item.operator == "IS NULL":
        return experiments.c.id.not_in(ids)
    return experiments.c.id.in_(ids if item.operator == "IS NOT NULL" else ids.where(compare(c.value, item, dialect)))


def _sort_key(item: Order) -> sa.ColumnElement[Any]:
    column = experiments.c.id if item.key == "experiment_id" else _ATTRIBUTES[item.key]
    return column.asc() if item.ascending else column.desc()


def _select(
    connection: sa.Connection,
    where: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]] = (),
    page: tuple[int, int] | None = None,
) -> list[Experiment]:
    query = sa.select(experiments).where(where).order_by(*order, experiments.c.created.desc(), experiments.c.id.desc())
    if page is not None:
        query = query.limit(page[0]).offset(page[1])
    found = connection.execute(query).mappings().all()
    tags: dict[int, dict[str, str]] = {}
    held = sa.select(experiment_tags).where(experiment_tags.c.experiment_id.in_([row["id"] for row in found]))
    for number, key, value in connection.execute(held):
        tags.setdefault(number, {})[key] = value
    return [Experiment(**{**row, "id": str(row["id"])}, tags=tags.get(row["id"], {})) for row in found]


_Asked = list[Callable[[], list[tuple[Any, ...]]]]
"""What gives the rows of an experiment and of its tags."""


def _ask(connection: sa.Connection, experiment_id: str) -> _Asked:
    number = int(experiment_id) if is_id(experiment_id) else -1
    with pipelined(connection):
        return [query.ask(connection, id=number) for query in (_EXPERIMENT, _TAGS)]


def _made_of(asked: _Asked) -> Experiment | None:
    found, tags = [rows() for rows in asked]
    if not found:
        return None
    held = dict(zip(experiments.c.keys(), found[0], strict=True))
    return Experiment(**{**held, "id": str(held["id"])}, tags=dict(tags))


_EXPERIMENT = Query(lambda _: sa.select(experiments).where(experiments.c.id == sa.bindparam("id")))
_TAGS = Query(
    lambda _: sa.select(experiment_tags.c.key, experiment_tags.c.value).where(
        experiment_tags.c.experiment_id == sa.bindparam("id")
    )
)


def _one(connection: sa.Connection, where: sa.ColumnElement[bool]) -> Experiment:
    return _select(connection, where)[0]


def _require(connection: sa.Connection, experiment_id: str) -> Experiment:
    found = _made_of(_ask(connection, experiment_id))
    if found is not None:
        return found
    known_as = sa.select(experiment_tags.c.experiment_id).where(experiment_tags.c.key == f"{ALIAS_TAG}/{experiment_id}")
    aliased = _select(connection, experiments.c.id.in_(known_as))
    if len(aliased) != 1:
        raise _missing(experiment_id)
    return aliased[0]


def _free_id(connection: sa.Connection, experiment_id: str) -> int:
    if not is_id(experiment_id):
        msg = f"no experiment can have the id {experiment_id!r}: it is a number of up to nine digits"
        raise InvalidInputError(msg)
    if _select(connection, experiments.c.id == int(experiment_id)):
        msg = f"there is an experiment with the id {experiment_id} already"
        raise AlreadyExistsError(msg)
    return int(experiment_id)


def _pass_over(connection: sa.Connection, number: int) -> None:
    """See that no new experiment gets this id, or one below."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence("experiments", "id")
        connection.execute(sa.select(sa.func.setval(sequence, sa.func.greatest(number, sa.func.nextval(sequence)))))
    else:
        words = "UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = 'experiments'"
        connection.execute(sa.text(words), {"number": number})


def _require_free(connection: sa.Connection, name: str) -> None:
    found = _select(connection, experiments.c.name == name)
    if found:
        deleted = found[0].lifecycle_stage == DELETED
        msg = f"Experiment {name!r} already exists{' in deleted state; restore it or choose another name' if deleted else ''}"
        raise AlreadyExistsError(msg)


def _update(connection: sa.Connection, experiment_id: str, **values: Any) -> None:
    note(connection, "experiment", experiment_id)
    connection.execute(experiments.update().where(experiments.c.id == int(experiment_id)).values(values))


def _missing(experiment_id: str) -> NotFoundError:
    return NotFoundError(f"No Experiment with id={experiment_id} exists; list them with: store.runs.experiments()")
