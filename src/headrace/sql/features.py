"""Training set records in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import sqlalchemy as sa

from headrace.features.store import TrainingSetRecord
from headrace.sql.database import Database
from headrace.sql.tables.features import training_sets

__all__ = ["SqlTrainingSetStore"]


class SqlTrainingSetStore:
    """Keeps TrainingSetRecord values as rows; see headrace.features.store.TrainingSetStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: TrainingSetRecord) -> TrainingSetRecord:
        """Keep a record under the next version of its name."""
        newest = sa.select(sa.func.max(training_sets.c.version)).where(training_sets.c.name == record.name)
        with self._database.write() as connection:
            kept = replace(record, version=(connection.execute(newest).scalar() or 0) + 1)
            row = {"name": kept.name, "version": kept.version, "fingerprint": kept.fingerprint, "created": kept.created}
            connection.execute(training_sets.insert().values(**row, record=asdict(kept)))
        return kept

    def get(self, name: str, version: int | None = None) -> TrainingSetRecord | None:
        """The newest record of the name, or the one of this version."""
        query = (
            sa.select(training_sets.c.record)
            .where(training_sets.c.name == name)
            .order_by(training_sets.c.version.desc())
            .limit(1)
        )
        if version is not None:
            query = query.where(training_sets.c.version == version)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else TrainingSetRecord(**found)

    def all(self) -> Sequence[TrainingSetRecord]:
        """All records, by name and version."""
        query = sa.select(training_sets.c.record).order_by(training_sets.c.name, training_sets.c.version)
        with self._database.read() as connection:
            return [TrainingSetRecord(**record) for record in connection.execute(query).scalars()]
