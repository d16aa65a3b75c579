"""Brings a catalog to the newest schema, with Alembic where there is one. Imported only when there is something to bring."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headrace.sql.schema import create

if TYPE_CHECKING:
    from alembic.config import Config

    from headrace.sql.database import Database

__all__ = ["configuration", "downgrade", "migrate", "upgrade"]


_ALEMBIC = threading.Lock()
"""Alembic keeps what it is at in its module: of the threads of a process, one migrates at a time."""


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration: the scripts of this folder, run over an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "headrace.sql:migrations")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> None:
    """Bring the catalog to the newest schema, in one transaction: all of it or nothing. An empty one is made at once.

    The transaction is the only writer from its first statement, so of processes that start at once one migrates and the
    others find it done.
    """
    with _ALEMBIC, database.migration() as connection:
        if sa.inspect(connection).get_table_names():
            _run(connection, "head")
        else:
            create(connection)


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the catalog up to a revision by the migrations alone, in one transaction."""
    with _ALEMBIC, database.migration() as connection:
        _run(connection, revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the catalog back to a revision, in one transaction."""
    from alembic import command

    with _ALEMBIC, database.migration() as connection:
        command.downgrade(configuration(connection), revision)


def _run(connection: sa.Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(configuration(connection), revision)
