"""Which artifacts the catalog names: those of runs, logged models and model versions, deleted ones too."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.sql.database import Database
from headrace.sql.tables import registry
from headrace.sql.tables.tracking import model_files, run_artifacts

__all__ = ["named_artifacts"]


def named_artifacts(database: Database) -> set[str]:
    """The digests of all files that something in the catalog names, as of one moment."""
    with database.read() as connection:
        names = set(connection.scalars(sa.union(sa.select(run_artifacts.c.digest), sa.select(model_files.c.digest))))
        for files in connection.scalars(sa.select(registry.versions.c.files)):
            names.update(file["digest"] for file in files)
        kept = sa.select(registry.evaluations.c.examples).where(registry.evaluations.c.examples != "")
        names.update(connection.scalars(kept))
    return names
