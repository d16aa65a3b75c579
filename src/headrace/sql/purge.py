"""Removes runs and experiments from the catalog for good."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from headrace.sql.changes import note
from headrace.sql.database import Database
from headrace.sql.tables import registry
from headrace.sql.tables.tracking import experiments, logged_models, model_metrics, run_model_inputs, runs
from headrace.tracking.run import ACTIVE, DELETED, Purged

__all__ = ["purge"]

_AT_ONCE = 200
"""Runs in a transaction: others want to write too."""
FIRST_EXPERIMENT = 0
"""`Default`, which clients take for granted."""


def purge(database: Database, before: int, *, dry_run: bool) -> Purged:
    """Remove what was deleted before a time, microseconds since 1970. A purge that is killed goes on at the next one."""
    with database.read() as connection:
        deleted = int(connection.scalar(sa.select(sa.func.count()).select_from(runs).where(_long_deleted(before))) or 0)
        doomed = list(connection.scalars(sa.select(runs.c.run_id).where(_goes(before))))
        empty = list(connection.scalars(sa.select(experiments.c.id).where(_left_empty(before))))
    if not dry_run:
        parts = [doomed[start : start + _AT_ONCE] for start in range(0, len(doomed), _AT_ONCE)]
        doomed = [run for part in parts for run in _remove(database, part, before)]
        with database.write() as connection:
            empty = list(connection.scalars(experiments.delete().where(_left_empty(before)).returning(experiments.c.id)))
    return Purged(len(doomed), len(empty), deleted - len(doomed))


def _long_deleted(before: int) -> sa.ColumnElement[bool]:
    return sa.and_(runs.c.lifecycle_stage == DELETED, sa.func.coalesce(runs.c.deleted, 0) < before)


def _goes(before: int) -> sa.ColumnElement[bool]:
    """Long deleted, and neither a model version nor an active run stands on it or on what it logged."""
    versions, model, user = registry.versions.c, logged_models.c, runs.alias()
    used = sa.select(run_model_inputs.c.run_id).join(user, user.c.run_id == run_model_inputs.c.run_id)
    used = used.where(run_model_inputs.c.model_id == model.model_id, user.c.lifecycle_stage == ACTIVE)
    registered = sa.select(versions.name).where(versions.model_id == model.model_id)
    models = sa.select(model.model_id).where(model.run_id == runs.c.run_id, sa.or_(used.exists(), registered.exists()))
    made = sa.select(versions.name).where(versions.run_id == runs.c.run_id)
    return sa.and_(_long_deleted(before), ~made.correlate(runs).exists(), ~models.correlate(runs).exists())


def _left_empty(before: int) -> sa.ColumnElement[bool]:
    """Long deleted, with no run that stays and no model that goes with none."""
    experiment, model = experiments.c, logged_models.c
    going = sa.select(runs.c.run_id).where(_goes(before))
    stay = sa.select(runs.c.run_id).where(runs.c.experiment_id == experiment.id, runs.c.run_id.not_in(going))
    orphans = sa.select(model.model_id).where(model.experiment_id == experiment.id, model.run_id.not_in(going))
    old = sa.and_(experiment.lifecycle_stage == DELETED, experiment.updated < before, experiment.id != FIRST_EXPERIMENT)
    return sa.and_(old, ~stay.correlate(experiments).exists(), ~orphans.correlate(experiments).exists())


def _remove(database: Database, ids: Sequence[str], before: int) -> list[str]:
    """Those of the runs that still are to go, with their models and their lineage."""
    with database.write() as connection:
        going = list(connection.scalars(sa.select(runs.c.run_id).where(runs.c.run_id.in_(ids), _goes(before))))
        models = list(connection.scalars(sa.select(logged_models.c.model_id).where(logged_models.c.run_id.in_(going))))
        urns = [*(f"run:{run}" for run in going), *(f"logged_model:{model}" for model in models)]
        connection.execute(registry.edges.delete().where(registry.edges.c.source.in_(urns)))
        connection.execute(registry.edges.delete().where(registry.edges.c.target.in_(urns)))
        connection.execute(model_metrics.delete().where(model_metrics.c.model_id.in_(models)))
        connection.execute(logged_models.delete().where(logged_models.c.model_id.in_(models)))
        connection.execute(runs.delete().where(runs.c.run_id.in_(going)))
        for run in going:
            note(connection, "changed", run)
    return going
