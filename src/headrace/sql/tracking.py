"""All of tracking's stores on one catalog database."""

from __future__ import annotations

from headrace.sql.database import Database
from headrace.sql.experiments import SqlExperimentStore
from headrace.sql.logged_models import SqlLoggedModelStore
from headrace.sql.metrics import SqlMetricStore
from headrace.sql.runs import SqlArtifactIndex, SqlRunStore
from headrace.sql.writers import SqlWriterStore
from headrace.tracking.store import TrackingStores

__all__ = ["tracking_stores"]


def tracking_stores(database: Database) -> TrackingStores:
    """Experiments, runs, metrics, artifact index and logged models in this catalog."""
    return TrackingStores(
        experiments=SqlExperimentStore(database),
        runs=SqlRunStore(database),
        metrics=SqlMetricStore(database),
        artifacts=SqlArtifactIndex(database),
        models=SqlLoggedModelStore(database),
        writers=SqlWriterStore(database),
        nearby=database.nearby,
    )
