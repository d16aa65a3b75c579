"""The lineage in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.lineage.store import Edge
from headrace.sql.database import Database
from headrace.sql.tables import registry as t

__all__ = ["SqlLineageStore", "add_edges", "rename_nodes"]

_PER_QUERY = 500
"""URNs in one query: SQLite of old builds takes 999 parameters."""


class SqlLineageStore:
    """A LineageStore in the catalog, indexed from both ends."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, edges: Sequence[Edge]) -> None:
        """Add edges, all or none."""
        with self._database.write() as connection:
            add_edges(connection, edges)

    def into(self, targets: Sequence[str]) -> list[Edge]:
        """The edges that end in any of these."""
        return self._select(t.edges.c.target, targets)

    def out_of(self, sources: Sequence[str]) -> list[Edge]:
        """The edges that start in any of these."""
        return self._select(t.edges.c.source, sources)

    def urns(self, prefix: str) -> list[str]:
        """The URNs with edges that start with the prefix; those with the newest edge first."""
        ends = sa.union_all(*[self._range(column, prefix) for column in (t.edges.c.source, t.edges.c.target)]).subquery()
        query = sa.select(ends.c.urn).group_by(ends.c.urn).order_by(sa.func.max(ends.c.time).desc(), ends.c.urn)
        with self._database.read() as connection:
            return list(connection.scalars(query))

    @staticmethod
    def _range(column: sa.Column[str], prefix: str) -> sa.Select[Any]:
        # A range, not LIKE: it uses the index, respects case, and needs no escaping.
        return sa.select(column.label("urn"), t.edges.c.time).where(column >= prefix, column < prefix + "\U0010ffff")

    def _select(self, column: sa.Column[str], urns: Sequence[str]) -> list[Edge]:
        edges: list[Edge] = []
        with self._database.read() as connection:
            for part in _parts(sorted(set(urns))):
                query = sa.select(t.edges).where(column.in_(part)).order_by(t.edges.c.time, t.edges.c.source, t.edges.c.target)
                edges += [Edge(row.source, row.target, row.kind, row.time) for row in connection.execute(query)]
        return edges


def add_edges(connection: sa.Connection, edges: Sequence[Edge]) -> None:
    """Add edges within the caller's transaction; one that exists keeps its first time."""
    for edge in edges:
        key = (t.edges.c.source == edge.source) & (t.edges.c.target == edge.target) & (t.edges.c.kind == edge.kind)
        row = sa.select(*(sa.literal(value) for value in (edge.source, edge.target, edge.kind, edge.time)))
        query = row.where(~sa.exists().where(key))
        connection.execute(t.edges.insert().from_select(["source", "target", "kind", "time"], query))


def rename_nodes(connection: sa.Connection, names: Mapping[str, str]) -> None:
    """Give URNs other names in every edge, within the caller's transaction."""
    for old, new in names.items():
        touching = (t.edges.c.source == old) | (t.edges.c.target == old)
        rows = connection.execute(sa.select(t.edges).where(touching)).all()
        connection.execute(t.edges.delete().where(touching))
        turned = [(new if row.source == old else row.source, new if row.target == old else row.target) for row in rows]
        add_edges(connection, [Edge(*ends, row.kind, row.time) for ends, row in zip(turned, rows, strict=True)])


def _parts(urns: Sequence[str]) -> list[Sequence[str]]:
    return [urns[start : start + _PER_QUERY] for start in range(0, len(urns), _PER_QUERY)]
