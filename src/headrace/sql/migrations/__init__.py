"""Brings a catalog to the newest schema with Alembic. Imported only when a catalog isn't there yet."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

    from headrace.sql.database import Database

__all__ = ["configuration", "downgrade", "upgrade"]


_ALEMBIC = threading.Lock()
"""Alembic keeps what it is at in its module: of the threads of a process, one migrates at a time."""


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration: the scripts of this folder, run over an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "headrace.sql:migrations")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the catalog up to a revision, in one transaction: all of it or nothing.

    The transaction is the only writer from its first statement, so of processes that start at once one migrates and the
    others find it done.
    """
    from alembic import command

    with _ALEMBIC, database.migration() as connection:
        command.upgrade(configuration(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the catalog back to a revision, in one transaction."""
    from alembic import command

    with _ALEMBIC, database.migration() as connection:
        command.downgrade(configuration(connection), revision)
