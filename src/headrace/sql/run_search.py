"""Compiles a search over runs to one SQL statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from headrace.clock import system_clock
from headrace.sql.tables.tracking import INDEXED_TEXT, experiments, is_id, latest_metrics, params, run_inputs, run_tags, runs
from headrace.tracking.run import ACTIVE, DELETED, LOST, LOST_AFTER, PARENT_TAG, View
from headrace.tracking.search import Comparison, Order

__all__ = [
    "OPERATORS",
    "PARENT",
    "STATE",
    "candidates",
    "compare",
    "condition",
    "indexed",
    "is_nested",
    "scope",
    "search_statement",
    "with_value",
    "within",
]

Rows = sa.FromClause

_MILLI = 1000
STATE: sa.ColumnElement[str] = sa.case(
    (
        sa.and_(
            runs.c.status == "RUNNING",
            runs.c.seen < sa.bindparam(None, callable_=lambda: system_clock() - LOST_AFTER, type_=sa.BigInteger),
        ),
        LOST,
    ),
    else_=runs.c.status,
)
"""`state_of` a run, as SQL: what filters and figures by status mean. The moment is that at which the statement runs."""
_ATTRIBUTE_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "run_id": runs.c.run_id,
    "run_name": runs.c.name,
    "status": STATE,
    "user_id": runs.c.user_id,
    "artifact_uri": runs.c.artifact_uri,
    "start_time": runs.c.start_time,
    "end_time": runs.c.end_time,
}
_TIMES = ("start_time", "end_time")
PARENT = runs.alias("parents")
_TEXT_TABLES = {"param": params, "tag": run_tags}


def search_statement(
    filters: Sequence[Comparison],
    order: Sequence[Order],
    experiment_ids: Sequence[str] | None,
    view: View,
    dialect: str,
    *,
    drivers: Sequence[Comparison] = (),
    among: sa.ColumnElement[bool] | None = None,
    before: int | None = None,
    roots: bool = False,
) -> sa.Select[str]:
    """The ids of the runs that match, in order. The caller adds limit and offset.

    Args:
        drivers: filters that few runs match, those with `candidates`. The runs of the first are found first; those of each other
            are gathered at once, and the rest of the filters is asked for each run.
        among: says which runs those of the first are, where they are known; the database knows how many then.
        before: leave out runs that started after this, microseconds since 1970.
        roots: leave out runs that are nested in another one of where the search looks.
    """
    found = [rows for item in drivers if (rows := candidates(item, dialect)) is not None]
    others = [item for item in filters if item not in drivers]
    walked = None if among is None else runs.c.run_id
    gathered = [runs.c.run_id.in_(rows) for rows in found[1:]]
    within = scope(experiment_ids, view, before, roots=roots)
    where = [*gathered, *within, *(condition(item, dialect, walked) for item in others)]
    if among is not None:
        where = [among, *where]
    elif found:  # what no index can be used for leaves the first as the only way in
        where = [runs.c.run_id.in_(found[0]), sa.case((sa.and_(*where), 1)) == 1]
    keys: list[sa.ColumnElement[Any]] = []
    source: sa.FromClause = runs
    for index, item in enumerate(order):
        source, columns = with_value(source, item, index)
        keys.extend(columns)
    if not any(item.entity == "attribute" and item.key == "start_time" for item in order):
        keys.append(runs.c.start_time.desc())
    return sa.select(runs.c.run_id).where(*where).select_from(source).order_by(*keys, runs.c.run_id)


def scope(
    experiment_ids: Sequence[str] | None, view: View, before: int | None = None, *, roots: bool = False
) -> list[sa.ColumnElement[bool]]:
    """Where a search looks."""
    found = within(runs, experiment_ids, view, before)
    return [*found, sa.not_(sa.exists().where(is_nested(experiment_ids, view, before)))] if roots else found


def within(
    table: sa.FromClause, experiment_ids: Sequence[str] | None, view: View, before: int | None
) -> list[sa.ColumnElement[bool]]:
    """Which rows of the table of runs, or of an alias of it, a search looks at."""
    stages = {"active": [ACTIVE], "deleted": [DELETED], "all": [ACTIVE, DELETED]}[view]
    found: list[sa.ColumnElement[bool]] = [table.c.lifecycle_stage.in_(stages)]
    if experiment_ids is not None:
        found.append(table.c.experiment_id.in_([int(item) for item in experiment_ids if is_id(item)]))
    elif view == "active":
        found.append(table.c.experiment_id.in_(sa.select(experiments.c.id).where(experiments.c.lifecycle_stage == ACTIVE)))
    if before is not None:
        found.append(table.c.start_time <= before)
    return found


def is_nested(experiment_ids: Sequence[str] | None, view: View, before: int | None) -> sa.ColumnElement[bool]:
    """Whether a run names as its parent another one (PARENT) that the search looks at too."""
    return sa.and_(
        run_tags.c.run_id == runs.c.run_id,
        run_tags.c.key == PARENT_TAG,
        PARENT.c.run_id == run_tags.c.value,
        PARENT.c.run_id != runs.c.run_id,
        *within(PARENT, experiment_ids, view, before),
    )


def condition(item: Comparison, dialect: str, walked: sa.ColumnElement[str] | None = None) -> sa.ColumnElement[bool]:
    """A filter of runs.

    Args:
        walked: the ids of runs that are asked one by one. Else PostgreSQL may find all that match at once.
    """
    if item.entity == "attribute":
        return _attribute(item, dialect)
    rows = _rows(item, dialect, runs.c.run_id if walked is None else walked)
    if walked is not None and dialect == "postgresql":
        rows = rows.offset(0)  # which it makes no join of
    return sa.not_(rows.exists()) if item.operator == "IS NULL" else rows.exists()


def candidates(item: Comparison, dialect: str) -> sa.Select[str] | None:
    """The ids of the runs that match a filter, all at once from an index; None where there is none for it."""
    if item.entity == "metric" and item.operator != "!=":
        return sa.select(latest_metrics.c.run_id).where(*_metric_is(latest_metrics, item))
    if item.entity in _TEXT_TABLES and item.operator in ("=", "LIKE", "ILIKE", "IS NOT NULL"):
        table = _TEXT_TABLES[item.entity]
        return sa.select(table.c.run_id).where(*_text_is(table, item, dialect))
    if item.entity == "dataset" and item.key == "name" and item.operator == "=":
        return sa.select(run_inputs.c.run_id).where(*_dataset_is(run_inputs, item, dialect))
    return None


def _rows(item: Comparison, dialect: str, run_id: sa.ColumnElement[str]) -> sa.Select[Any]:
    """What a run has that the filter is about."""
    if item.entity == "metric":
        table = latest_metrics.alias()
        where = _metric_is(table, item)
    elif item.entity == "dataset":
        table = run_inputs.alias()
        where = _dataset_is(table, item, dialect)
    else:
        table = _TEXT_TABLES[item.entity].alias()
        where = _text_is(table, item, dialect)
    return sa.select(sa.literal_column("1")).where(table.c.run_id == run_id, *where)


def _dataset_is(table: Rows, item: Comparison, dialect: str) -> list[sa.ColumnElement[bool]]:
    column = table.c[item.key]
    has_context = [column != ""] if item.key == "context" else []  # a dataset without a context has none to compare
    return [compare(column, item, dialect), *has_context]


def _text_is(table: Rows, item: Comparison, dialect: str) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [table.c.key == item.key]
    if item.operator in ("IS NULL", "IS NOT NULL"):
        return where
    if item.operator == "=":
        where.append(indexed(table) == str(item.value)[:INDEXED_TEXT])
        if len(str(item.value)) < INDEXED_TEXT:
            return where  # all of the value was compared; once more, and SQLite forgets the index
    return [*where, compare(table.c.value, item, dialect)]


def indexed(table: Rows) -> sa.ColumnElement[str]:
    """The value as its index has it, word for word: a bound number in it isn't the index's."""
    return sa.func.substr(table.c.value, sa.literal_column("1"), sa.literal_column(str(INDEXED_TEXT)))


def _metric_is(table: Rows, item: Comparison) -> list[sa.ColumnElement[bool]]:
    """NaN is stored as 0 beside a flag: it satisfies `!=` and nothing else."""
    matches = OPERATORS[item.operator](table.c.value, item.value)
    named = table.c.key == item.key
    if item.operator == "!=":
        return [named, sa.or_(matches, table.c.is_nan.is_(True))]
    return [named, table.c.is_nan == sa.false(), matches]


def _attribute(item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    column = _ATTRIBUTE_COLUMNS[item.key]
    if item.key not in _TIMES:
        return compare(column, item, dialect)
    return compare(column // _MILLI, item, dialect)


def compare(column: sa.ColumnElement[Any], item: Comparison, dialect: str) -> sa.ColumnElement[bool]:
    """The comparison of a column, as this kind of database says it."""
    if item.operator == "LIKE" and dialect == "sqlite":  # whose LIKE ignores case
        return column.op("GLOB", is_comparison=True)(_glob(str(item.value)))
    if item.operator in ("LIKE", "ILIKE") and dialect == "postgresql":  # where a backslash would escape what follows it
        return OPERATORS[item.operator](column, str(item.value).replace("\\", "\\\\"))
    return OPERATORS[item.operator](column, item.value)


def _glob(pattern: str) -> str:
    return "".join({"%": "*", "_": "?"}.get(char, f"[{char}]" if char in "*?[" else char) for char in pattern)


OPERATORS: dict[str, Callable[[sa.ColumnElement[Any], Any], sa.ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "LIKE": lambda column, value: column.like(value),
    "ILIKE": lambda column, value: column.ilike(value),
    "IN": lambda column, value: column.in_(value),
    "NOT IN": lambda column, value: column.not_in(value),
}


def with_value(source: sa.FromClause, item: Order, index: int) -> tuple[sa.FromClause, list[sa.ColumnElement[Any]]]:
    """The source joined with what it is ordered by, and the sort keys: numbers, then NaN, then runs without a value."""
    if item.entity == "attribute":
        column: sa.ColumnElement[Any] = _ATTRIBUTE_COLUMNS[item.key]
        missing: sa.ColumnElement[Any] = column.is_(None)
        return source, [missing, column if item.ascending else column.desc()]
    table = (latest_metrics if item.entity == "metric" else _TEXT_TABLES[item.entity]).alias(f"order_{index}")
    joined = source.outerjoin(table, sa.and_(table.c.run_id == runs.c.run_id, table.c.key == item.key))
    value = table.c.value
    rank = (
        sa.case((value.is_(None), 2), (table.c.is_nan == sa.true(), 1), else_=0) if item.entity == "metric" else value.is_(None)
    )
    return joined, [rank, value if item.ascending else value.desc()]
