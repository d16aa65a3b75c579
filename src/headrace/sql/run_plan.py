"""How a search over runs is answered fast: from a filter that few runs match, or along the order until the page is full.

A database that doesn't know how many rows match reads all of them. So each filter with an index is counted up to a small number
first. If few rows match one of them, those are looked at and no others. Else, if the order is that of an index, it is walked, and
each run on it looked at until the page is full: what that costs depends on the page, not on the number of runs. It ends after a
stretch; what is left then is the plain statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from headrace.sql.packing import is_one, one_of
from headrace.sql.prepared import PLANNED_ANEW
from headrace.sql.rows import tuples
from headrace.sql.run_search import candidates, condition, indexed, scope, search_statement
from headrace.sql.tables.tracking import INDEXED_TEXT, latest_metrics, params, run_tags, runs
from headrace.tracking.run import View
from headrace.tracking.search import Comparison, Order
from headrace.tracking.store import RunQuery

__all__ = ["count_runs", "search_ids"]

FEW = 1000
"""So many rows are looked at one by one without a thought."""
WORTH = 3
"""So many rows for each run of the page too: a walk would look at as many."""
GATHERED = 4
"""So many rows of an index cost PostgreSQL what it costs to ask one run."""
MOST_TOLD = 30_000
"""So many ids are a megabyte, more than which isn't sent to and fro."""
ORDERED: dict[str, tuple[sa.Table, sa.ColumnElement[Any]]] = {
    "metric": (latest_metrics, latest_metrics.c.value),
    "param": (params, indexed(params)),
    "tag": (run_tags, indexed(run_tags)),
}
"""What an order may be walked along besides the runs' start: a table, and its value as the index has it."""
STRETCH = 8
"""A walk looks at so many runs at most for each one that the page needs."""
_ANEW = {PLANNED_ANEW: True}
NEWEST_FIRST = Order("attribute", "start_time", ascending=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search: what matches, where, and in which order."""

    filters: Sequence[Comparison]
    order: Sequence[Order]
    experiments: Sequence[str] | None
    view: View
    before: int | None
    dialect: str
    roots: bool = False

    @property
    def first(self) -> Order:
        """What comes first in the order."""
        return self.order[0] if self.order else NEWEST_FIRST

    def scope(self) -> list[sa.ColumnElement[bool]]:
        """Where it looks."""
        return scope(self.experiments, self.view, self.before, roots=self.roots)

    def statement(self, drivers: Sequence[Comparison] = (), among: sa.ColumnElement[bool] | None = None) -> sa.Select[str]:
        """All of it, by way of some of its filters if they are given."""
        places = (self.experiments, self.view, self.dialect)
        return search_statement(
            self.filters, self.order, *places, drivers=drivers, among=among, before=self.before, roots=self.roots
        )


def search_ids(connection: sa.Connection, query: RunQuery, before: int | None = None, *, roots: bool = False) -> list[str]:
    """The ids of the runs that match, in order.

    Args:
        before: leave out runs that started after this, microseconds since 1970.
        roots: leave out runs that are nested in another one of where the search looks.
    """
    asked = _Asked(query.filters, query.order, query.experiments, query.view, before, connection.dialect.name, roots)
    return _found(connection, asked, query.limit, query.offset)


def count_runs(connection: sa.Connection, query: RunQuery, before: int | None = None, *, roots: bool = False) -> int:
    """How many runs match, on all pages."""
    asked = _Asked(query.filters, (), query.experiments, query.view, before, connection.dialect.name, roots)
    matching = asked.statement(*_drivers(connection, asked, FEW)).order_by(None).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(matching), execution_options=_ANEW).scalar_one()


def _found(connection: sa.Connection, asked: _Asked, limit: int, offset: int = 0) -> list[str]:
    drivers, among = _drivers(connection, asked, max(FEW, WORTH * (limit + offset)))
    if not drivers and (walk := _walk(asked, limit + offset)) is not None:
        found = _walked(connection, asked, walk, limit + offset)
        if found is not None:
            return found[offset:]
    statement = asked.statement(drivers, among).limit(limit).offset(offset)
    return [run_id for (run_id,) in tuples(connection, statement.execution_options(**_ANEW))]


def _drivers(connection: sa.Connection, asked: _Asked, few: int) -> tuple[list[Comparison], sa.ColumnElement[bool] | None]:
    """The filter that the fewest runs match, if they are few; after it those whose runs cost less to gather than to ask. And what
    says which runs those are: PostgreSQL, told their ids, knows how many."""
    found = [(item, rows) for item in asked.filters if (rows := candidates(item, asked.dialect)) is not None]
    if not found:
        return [], None
    numbers = connection.execute(sa.select(*_counts(found, asked.dialect, few + 1))).one()
    fewest = min(numbers)
    if fewest > few:
        return [], None
    driver, rows = found.pop(list(numbers).index(fewest))
    if asked.dialect == "sqlite" or (not found and fewest <= FEW):  # SQLite asks a run for next to nothing
        return [driver], None
    most = GATHERED * fewest
    ids = sa.null() if fewest > MOST_TOLD else _ids(rows)
    told, *others = connection.execute(sa.select(ids, *_counts(found, asked.dialect, most + 1))).one()
    among = None if told is None else is_one(connection, runs.c.run_id, sa.bindparam(None, told, type_=sa.types.NullType()))
    return [driver, *(item for (item, _), number in zip(found, others, strict=True) if number <= most)], among


def _counts(found: Sequence[tuple[Comparison, sa.Select[str]]], dialect: str, most: int) -> list[sa.ScalarSelect[int]]:
    """How many runs match each filter, as far as that."""
    begun = (_begun(item, rows, dialect, most).subquery() for item, rows in found)
    return [sa.select(sa.func.count()).select_from(rows).scalar_subquery() for rows in begun]


def _ids(rows: sa.Select[str]) -> sa.ScalarSelect[str]:
    """All of them, as `is_one` takes them on PostgreSQL."""
    return sa.select(sa.cast(sa.func.array_agg(rows.subquery().c.run_id), sa.Text)).scalar_subquery()


def _begun(item: Comparison, rows: sa.Select[str], dialect: str, most: int) -> sa.Select[str]:
    """The first few rows of an index. PostgreSQL gathers all of them to begin with, unless they are to come in its order; SQLite
    would sort them."""
    if item.entity in ORDERED and dialect == "postgresql":
        table, value = ORDERED[item.entity]
        rows = rows.order_by(value, table.c.run_id)
    return rows.limit(most)


def _walk(asked: _Asked, wanted: int) -> sa.Select[Any] | None:
    """A stretch of the index that is in the asked order: run_id, and its `place`; None where there is none, or no need."""
    first = asked.first
    if first.entity in ORDERED:
        table, value = ORDERED[first.entity]
        where = [table.c.key == first.key, *([table.c.is_nan == sa.false()] if first.entity == "metric" else [])]
    elif first.key == "start_time" and asked.filters:  # without a filter, the plain statement is that walk
        table, value, where = runs, runs.c.start_time, asked.scope()
    else:
        return None
    direction = value if first.ascending else value.desc()
    return sa.select(table.c.run_id, value.label("place")).where(*where).order_by(direction).limit(STRETCH * wanted + FEW)


def _walked(connection: sa.Connection, asked: _Asked, walk: sa.Select[Any], wanted: int) -> list[str] | None:
    """The first runs along a walk that match; None if too few do."""
    path = walk.subquery("walk")
    place = path.c.place if asked.first.ascending else path.c.place.desc()
    filters = [condition(item, asked.dialect, path.c.run_id) for item in sorted(asked.filters, key=_rarer_first)]
    where = [*filters, *asked.scope()]
    query = sa.select(path.c.run_id, path.c.place).join(runs, runs.c.run_id == path.c.run_id).where(*where)
    found = tuples(connection, query.order_by(place).limit(wanted + 1))
    if len(found) <= wanted:
        return None
    if len({at for _, at in found}) == len(found):
        return [run_id for run_id, _ in found[:wanted]]
    return _settled(connection, asked, found, wanted)


def _rarer_first(item: Comparison) -> bool:
    """Runs are asked first what most of them deny: to be equal to something."""
    return item.operator != "="


def _settled(connection: sa.Connection, asked: _Asked, found: Sequence[tuple[Any, ...]], wanted: int) -> list[str]:
    """The first runs of a walk on which places tie, by the rest of the order.

    Those before the last place are all there. Those that tie in the last one may be many more than are wanted: they are searched
    for by the rest of the order, with their place as a filter.
    """
    first, last = asked.first, found[-1][1]
    if first.entity not in ORDERED:
        reached = runs.c.start_time <= last if first.ascending else runs.c.start_time >= last
        return list(connection.execute(asked.statement().where(reached).limit(wanted)).scalars())
    if isinstance(last, str) and len(last) >= INDEXED_TEXT:  # the place isn't all of the value
        return list(connection.execute(asked.statement().limit(wanted)).scalars())
    before = [run_id for run_id, place in found if place != last]
    rest = asked.statement().where(one_of(connection, runs.c.run_id, before))
    settled = list(connection.execute(rest).scalars()) if before else []
    tied = replace(asked, filters=(*asked.filters, Comparison(first.entity, first.key, "=", last)), order=asked.order[1:])
    return settled + _found(connection, tied, wanted - len(settled))
