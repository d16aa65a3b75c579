"""The catalog of definitions in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from headrace.catalog.store import CatalogState, Key
from headrace.definitions.version import DefinitionVersion, Kind
from headrace.errors import ConflictError
from headrace.ids import canonical_json
from headrace.sql.database import Database
from headrace.sql.tables.definitions import definition_names, definition_revision, definition_versions

__all__ = ["SqlCatalogStore"]

_VERSIONS, _NAMES, _REVISION = definition_versions.c, definition_names.c, definition_revision.c


class SqlCatalogStore:
    """Implements `headrace.catalog.store.CatalogStore` over a catalog database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stamp(self) -> int:
        """See CatalogStore."""
        return self._database.stamp()

    def revision(self) -> int:
        """See CatalogStore."""
        with self._database.read() as connection:
            return _revision(connection)

    def state(self) -> CatalogState:
        """See CatalogStore."""
        joined = sa.and_(_NAMES.kind == _VERSIONS.kind, _NAMES.name == _VERSIONS.name, _NAMES.version == _VERSIONS.version)
        query = sa.select(definition_versions, _NAMES.removed).join_from(definition_names, definition_versions, joined)
        heads: dict[Key, DefinitionVersion] = {}
        removed: dict[Key, DefinitionVersion] = {}
        with self._database.read() as connection:
            revision = _revision(connection)
            for row in connection.execute(query.order_by(_NAMES.kind, _NAMES.name)):
                (removed if row.removed else heads)[row.kind, row.name] = _version(row)
        return CatalogState(revision, heads, removed)

    def version(self, kind: Kind, name: str, version: int) -> DefinitionVersion | None:
        """See CatalogStore."""
        query = sa.select(definition_versions).where(_VERSIONS.kind == kind, _VERSIONS.name == name, _VERSIONS.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _version(row)

    def versions(self, kind: Kind, name: str) -> list[DefinitionVersion]:
        """See CatalogStore."""
        query = sa.select(definition_versions).where(_VERSIONS.kind == kind, _VERSIONS.name == name).order_by(_VERSIONS.version)
        with self._database.read() as connection:
            return [_version(row) for row in connection.execute(query)]

    def commit(self, revision: int, added: Sequence[DefinitionVersion], removed: Sequence[Key]) -> None:
        """See CatalogStore."""
        moved = sa.update(definition_revision).where(_REVISION.revision == revision).values(revision=revision + 1)
        with self._database.write() as connection:
            if connection.execute(moved).rowcount != 1:
                msg = f"the catalog moved on from revision {revision} while it was being changed; plan again"
                raise ConflictError(msg)
            for definition in added:
                _add(connection, definition)
            for kind, name in removed:
                connection.execute(sa.update(definition_names).where(_named(kind, name)).values(removed=True))


def _add(connection: sa.Connection, definition: DefinitionVersion) -> None:
    values = {
        "kind": definition.kind,
        "name": definition.name,
        "version": definition.version,
        "hash": definition.hash,
        "computation_hash": definition.computation_hash,
        "basis": definition.basis,
        "spec": canonical_json(definition.spec),
        "created": definition.created,
        "author": definition.author,
    }
    connection.execute(sa.insert(definition_versions).values(values))
    head = {"version": definition.version, "removed": False}
    if connection.execute(sa.update(definition_names).where(_named(definition.kind, definition.name)).values(head)).rowcount == 0:
        connection.execute(sa.insert(definition_names).values(kind=definition.kind, name=definition.name, **head))


def _named(kind: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(_NAMES.kind == kind, _NAMES.name == name)


def _revision(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(_REVISION.revision)).scalar_one())


def _version(row: sa.Row[tuple[object, ...]]) -> DefinitionVersion:
    return DefinitionVersion(
        row.kind, row.name, row.version, row.hash, json.loads(row.spec), row.created, row.author, row.computation_hash, row.basis
    )
