"""How a search over runs is answered fast: from a filter that few runs match, or along the order until the page is full.

A database that doesn't know how many rows match reads all of them. So each filter with an index is counted up to a small number
first. If few rows match one of them, those are looked at and no others. Else, if the order is that of an index, a stretch of it
is walked, and each run on it looked at: most pages are full after that. What is left is the plain statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from headrace.sql.run_search import candidates, condition, indexed, scope, search_statement, with_value
from headrace.sql.tables.tracking import latest_metrics, params, run_tags, runs
from headrace.tracking.run import View
from headrace.tracking.search import Comparison, Order

__all__ = ["count_runs", "search_ids"]

FEW = 1000
"""So many rows are looked at one by one without a thought."""
ORDERED: dict[str, tuple[sa.Table, sa.ColumnElement[Any]]] = {
    "metric": (latest_metrics, latest_metrics.c.value),
    "param": (params, indexed(params)),
    "tag": (run_tags, indexed(run_tags)),
}
"""What an order may be walked along: a table, and its value as the index has it."""
STRETCH = 8
"""A walk looks at so many runs for each one that the page needs."""
SET = 4
"""A filter is a set of ids if not more than so many times the runs of a walk match it."""


def search_ids(
    connection: sa.Connection,
    filters: Sequence[Comparison],
    order: Sequence[Order],
    experiments: Sequence[str] | None,
    view: View,
    *,
    limit: int,
    offset: int = 0,
    before: int | None = None,
) -> list[str]:
    """The ids of a page of the runs that match, in order.

    Args:
        before: leave out runs that started after this, microseconds since 1970.
    """
    dialect = connection.dialect.name
    walks = bool(order) and order[0].entity in ORDERED
    counts = _counts(connection, filters, dialect, _most_in_a_set(limit + offset, dialect) if walks else FEW)
    driver = _fewest(counts)
    if driver is None and walks:
        found = _walked(connection, filters, order, experiments, view, limit + offset, before, [item for item, _ in counts])
        if found is not None:
            return found[offset:]
    statement = search_statement(filters, order, experiments, view, dialect, driver=driver, before=before)
    return list(connection.execute(statement.limit(limit).offset(offset)).scalars())


def count_runs(
    connection: sa.Connection, filters: Sequence[Comparison], experiments: Sequence[str] | None, view: View, before: int | None
) -> int:
    """How many runs match."""
    dialect = connection.dialect.name
    driver = _fewest(_counts(connection, filters, dialect, FEW))
    matching = search_statement(filters, (), experiments, view, dialect, driver=driver, before=before).order_by(None).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(matching)).scalar_one()


def _counts(connection: sa.Connection, filters: Sequence[Comparison], dialect: str, most: int) -> list[tuple[Comparison, int]]:
    """The filters that at most so many rows match, each with how many."""
    found = [(item, rows) for item in filters if (rows := candidates(item, dialect)) is not None]
    if not found:
        return []
    counted = [sa.select(sa.func.count()).select_from(rows.limit(most + 1).subquery()).scalar_subquery() for _, rows in found]
    numbers = connection.execute(sa.select(*counted)).one()
    return [(item, number) for (item, _), number in zip(found, numbers, strict=True) if number <= most]


def _fewest(counts: Sequence[tuple[Comparison, int]]) -> Comparison | None:
    """The filter that the fewest runs match, if they are few."""
    fewest = min(counts, key=lambda pair: pair[1], default=None)
    return fewest[0] if fewest is not None and fewest[1] <= FEW else None


def _most_in_a_set(wanted: int, dialect: str) -> int:
    """SQLite asks a set of ids faster than the rows of each run; PostgreSQL makes a hash of either by itself."""
    return SET * _stretch(wanted) if dialect == "sqlite" else FEW


def _stretch(wanted: int) -> int:
    return STRETCH * wanted + FEW


def _walked(
    connection: sa.Connection,
    filters: Sequence[Comparison],
    order: Sequence[Order],
    experiments: Sequence[str] | None,
    view: View,
    wanted: int,
    before: int | None,
    sets: Sequence[Comparison],
) -> list[str] | None:
    """The first runs along the order of an index; None if the stretch that was walked holds too few that match.

    Args:
        sets: the filters whose runs are found all at once.
    """
    first, dialect = order[0], connection.dialect.name
    table, value = ORDERED[first.entity]
    direction = value if first.ascending else value.desc()
    stretch = _stretch(wanted)
    named = [table.c.key == first.key, *([table.c.is_nan == sa.false()] if first.entity == "metric" else [])]
    last = sa.select(value).where(*named).order_by(direction).limit(1).offset(stretch)
    bound = connection.execute(last).scalar()
    walk = sa.select(table.c.run_id, table.c.value, value.label("place")).where(
        *named, *_up_to(value, bound, ascending=first.ascending)
    )
    walk = walk.order_by(direction).limit(stretch)
    page = _page(walk.subquery("walk"), filters, order, experiments, view, dialect, before, sets)
    found = list(connection.execute(page.limit(wanted)).scalars())
    return found if len(found) == wanted else None


def _up_to(value: sa.ColumnElement[Any], bound: Any, *, ascending: bool) -> list[sa.ColumnElement[bool]]:
    """What is wholly within the stretch: of the values equal to the first one beyond it, some may be outside."""
    if bound is None:
        return []
    return [value < bound if ascending else value > bound]


def _page(
    walk: sa.Subquery,
    filters: Sequence[Comparison],
    order: Sequence[Order],
    experiments: Sequence[str] | None,
    view: View,
    dialect: str,
    before: int | None,
    sets: Sequence[Comparison],
) -> sa.Select[str]:
    source: sa.FromClause = walk.join(runs, runs.c.run_id == walk.c.run_id)
    keys: list[sa.ColumnElement[Any]] = [
        column if order[0].ascending else column.desc() for column in (walk.c.place, walk.c.value)
    ]
    for index, item in enumerate(order[1:]):
        source, columns = with_value(source, item, index)
        keys.extend(columns)
    if not any(item.entity == "attribute" and item.key == "start_time" for item in order):
        keys.append(runs.c.start_time.desc())
    where = scope(experiments, view, before)
    for asked in filters:
        found = candidates(asked, dialect) if any(asked is other for other in sets) else None
        where.append(condition(asked, dialect) if found is None else walk.c.run_id.in_(found))
    return sa.select(runs.c.run_id).select_from(source).where(*where).order_by(*keys, runs.c.run_id)
