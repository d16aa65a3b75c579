"""New SQLite catalogs in a twentieth of the time: one is migrated, the others are made by the statements that its tables need.

Tests make a thousand of them, and the migrations, one after the other, take a tenth of a second for each.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headrace.sql import migrations
from headrace.sql.database import Database

__all__ = ["Catalogs"]


class Catalogs:
    """Stands before `headrace.sql.migrations.upgrade`. What has tables, or isn't SQLite, is migrated as ever."""

    def __init__(self) -> None:
        self._migrate = migrations.upgrade
        self._at_once = True
        self._statements: list[str] = []
        self._lock = threading.Lock()

    def upgrade(self, database: Database, revision: str = "head") -> None:
        """Make an empty SQLite catalog at once."""
        if self._at_once and revision == "head" and database.url.get_backend_name() == "sqlite":
            statements = self._migrated()
            with database.migration() as connection:
                made = connection.connection.dbapi_connection
                if made.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                    for statement in statements:
                        made.execute(statement)
                    return
        self._migrate(database, revision)

    @contextmanager
    def made_by_migrations(self) -> Iterator[None]:
        """Within the block every catalog is made by the migrations."""
        before, self._at_once = self._at_once, False
        try:
            yield
        finally:
            self._at_once = before

    def _migrated(self) -> list[str]:
        """What makes a catalog as the migrations make it."""
        with self._lock:
            if not self._statements:
                with tempfile.TemporaryDirectory() as folder, self.made_by_migrations():
                    path = Path(folder) / "catalog.db"
                    Database(f"sqlite:///{path}").close()
                    with closing(sqlite3.connect(path)) as connection:
                        self._statements = list(connection.iterdump())[1:-1]  # without its BEGIN and COMMIT
            return self._statements
