"""What other processes do in the tests of the catalog; in a module that a spawned process can import."""

from __future__ import annotations

from headrace.catalog.service import Catalog
from headrace.definitions.entity import Entity
from headrace.sql.database import Database
from headrace.sql.definitions import SqlCatalogStore


def apply_rounds(url, name, rounds, barrier):
    """Apply an entity of one's own, and one that everybody changes, in each round."""
    database = Database(url)
    catalog = Catalog(SqlCatalogStore(database), lambda: 0, author=name)
    for number in range(rounds):
        barrier.wait(60)
        shared = Entity("shared", {"id": "int64"}, description=f"{name} {number}")
        catalog.apply([Entity(f"{name}_{number}", {"id": "int64"}), shared])
    database.close()


def open_and_close(url):
    """Open a catalog, migrating it if need be."""
    Database(url).close()
