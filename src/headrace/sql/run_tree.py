"""Runs below the runs that they are nested in: which rows a table has, of whose runs some are open.

Only open runs are looked into, and those only as far as the page that is asked for: an experiment may have very many of both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from headrace.sql.packing import one_of
from headrace.sql.rows import tuples
from headrace.sql.run_plan import count_runs, search_ids
from headrace.sql.run_search import PARENT, indexed, is_nested, within
from headrace.sql.tables.tracking import INDEXED_TEXT, run_tags, runs
from headrace.tracking.run import PARENT_TAG
from headrace.tracking.search import Comparison
from headrace.tracking.store import RunQuery

__all__ = ["TreePage", "Trees"]

FIRST = 10
"""If nobody says which runs are open, those among so many first rows are."""


@dataclass(frozen=True, slots=True)
class TreePage:
    """Rows of a tree: the runs' ids, how deep each is nested and how many are nested in it; how many rows there are, and what is
    open."""

    ids: list[str]
    depths: list[int]
    children: list[int]
    rows: int
    opened: list[str]


@dataclass(frozen=True, slots=True)
class Trees:
    """The tree of the runs that a query without filters is about, in its order.

    Attributes:
        before: leave out runs that started after this, microseconds since 1970.
    """

    connection: sa.Connection
    query: RunQuery
    before: int | None

    def page(self, opened: Sequence[str] | None) -> TreePage:
        """The page of its rows. `opened` None: the runs among the first rows that others are nested in."""
        limit, offset = self.query.limit, self.query.offset
        if not self._has_nested():
            ids = self._search(limit, offset)
            return TreePage(ids, [0] * len(ids), [0] * len(ids), self._count(), [])
        if opened is None:
            opened = [run_id for run_id, depth in self._rows(None, FIRST) if self._children(run_id, 1)]
        standing = self._standing(opened)
        rows = self._rows(set(standing), offset + limit)[offset:]
        ids = [run_id for run_id, _ in rows]
        counts = self._child_counts([*ids, *standing])
        total = self._count(roots=True) + sum(counts.get(run_id, 0) for run_id in standing)
        return TreePage(ids, [depth for _, depth in rows], [counts.get(run_id, 0) for run_id in ids], total, standing)

    def _rows(self, opened: Collection[str] | None, most: int) -> list[tuple[str, int]]:
        """The first rows: runs, and how deep they are nested. `opened` None: all are."""
        rows: list[tuple[str, int]] = []
        waiting = [(run_id, 0) for run_id in reversed(self._search(most, roots=True))]
        while waiting and len(rows) < most:
            run_id, depth = waiting.pop()
            rows.append((run_id, depth))
            if opened is None or run_id in opened:
                waiting += [(child, depth + 1) for child in reversed(self._children(run_id, most - len(rows)))]
        return rows

    def _search(self, limit: int, offset: int = 0, *, roots: bool = False, nested_in: str = "") -> list[str]:
        inside = [Comparison("tag", PARENT_TAG, "=", nested_in), Comparison("attribute", "run_id", "!=", nested_in)]
        query = replace(self.query, filters=inside if nested_in else (), limit=limit, offset=offset)
        return search_ids(self.connection, query, self.before, roots=roots)

    def _children(self, run_id: str, most: int) -> list[str]:
        return self._search(most, nested_in=run_id) if most > 0 else []

    def _count(self, *, roots: bool = False) -> int:
        return count_runs(self.connection, self.query, self.before, roots=roots)

    def _has_nested(self) -> bool:
        """Whether any run of the catalog is nested in another."""
        query = sa.select(run_tags.c.run_id).where(run_tags.c.key == PARENT_TAG).limit(1)
        return bool(tuples(self.connection, query))

    def _standing(self, opened: Sequence[str]) -> list[str]:
        """Those of the open runs that have a row: all that they are nested in is open too."""
        nested = is_nested(self.query.experiments, self.query.view, self.before)
        parent = sa.select(PARENT.c.run_id).where(nested).scalar_subquery()
        here = within(runs, self.query.experiments, self.query.view, self.before)
        query = sa.select(runs.c.run_id, parent).where(one_of(self.connection, runs.c.run_id, sorted(set(opened))), *here)
        parents: dict[str, str | None] = dict(tuples(self.connection, query))
        standing = {run_id for run_id, inside in parents.items() if inside is None}
        while more := {run_id for run_id, inside in parents.items() if inside in standing} - standing:
            standing |= more
        return [run_id for run_id in dict.fromkeys(opened) if run_id in standing]

    def _child_counts(self, ids: Sequence[str]) -> dict[str, int]:
        value = run_tags.c.value
        starts = sorted({run_id[:INDEXED_TEXT] for run_id in ids})
        here = within(runs, self.query.experiments, self.query.view, self.before)
        query = (
            sa.select(value, sa.func.count())
            .join(runs, runs.c.run_id == run_tags.c.run_id)
            .where(
                run_tags.c.key == PARENT_TAG, one_of(self.connection, indexed(run_tags), starts), value != runs.c.run_id, *here
            )
            .group_by(value)
        )
        return dict(tuples(self.connection, query))
