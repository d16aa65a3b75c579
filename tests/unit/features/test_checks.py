"""Rows against expectations: exactly those that break one are found, whatever the values."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

import headrace as hr
from headrace.definitions.schema import arrow_type
from headrace.engines.duckdb import DuckDBEngine
from headrace.features.checks import failures

NAN, INF = float("nan"), float("inf")
E = hr.expect


@pytest.fixture(scope="module")
def engine():
    return DuckDBEngine(threads=1)


def broken(engine, expectation, values, kind):
    rows = pa.table({"x": pa.array(values, arrow_type(kind))})
    found = failures([expectation], rows, engine.holds)
    return [] if not found else [row for row, flag in enumerate(found[0].broken) if flag]


@pytest.mark.parametrize(
    ("expectation", "kind", "values", "rows"),
    [
        (E.not_null("x"), "int64", [1, None, 3, None], [1, 3]),
        (E.not_null("x"), "float64", [NAN, INF], []),
        (E.not_null("x"), "string", ["", "😀"], []),
        (E.not_null("x"), "list<int64>", [[], None, [None]], [1]),
        (E.between("x", 0.5, 5), "float64", [0.5, 5.0, 0.4, 5.1, None, NAN, INF, -INF], [2, 3, 5, 6, 7]),
        (E.between("x", 0.1, 0.1), "float32", [0.1], []),
        (E.between("x", 0.5, 5.5), "int64", [0, 1, 5, 6, None], [0, 3]),
        (E.between("x", 0, None), "int64", [2**63 - 1, -(2**63)], [1]),
        (E.between("x", None, 10**30), "int64", [2**63 - 1, None], []),
        (E.between("x", 10**30), "int64", [2**63 - 1, None], [0]),
        (E.between("x", None, -(10**30)), "int32", [-5, 5], [0, 1]),
        (E.between("x", 2**53 + 1), "int64", [2**53, 2**53 + 1], [0]),
        (
            E.between("x", "2026-01-01T00:00:00Z", "2026-01-02T01:00:00+01:00"),
            "timestamp",
            [1767225599999999, 1767225600000000],
            [0],
        ),
        (E.between("x", "1970-01-02"), "date", [0, 1], [0]),
        (E.one_of("x", ["a", "💥"]), "string", ["a", "💥", "A", None, ""], [2, 4]),
        (E.one_of("x", [1, 2]), "int64", [1, 3, None], [1]),
        (E.one_of("x", [True]), "bool", [True, False, None], [1]),
        (E.unique("x"), "string", ["a", "b", "a", None, None, "a"], [2, 5]),
        (E.unique("x"), "int64", [2**62, 2**62 + 1, 2**62], [2]),
        (E.unique("x"), "bytes", [b"a", b"a"], [1]),
        (E.sql("x * 2 <= 10"), "float64", [5.0, 5.1, None, NAN], [1, 3]),
        (E.sql("CAST(x AS BIGINT) > 1"), "string", ["2", "one", None, "1"], [1, 3]),
        (E.not_null("x"), "int64", [], []),
        (E.unique("x"), "int64", [None], []),
        (E.sql("x > 0"), "int64", [], []),
    ],
)
def test_exactly_the_bad_rows_are_found(engine, expectation, kind, values, rows):
    assert broken(engine, expectation, values, kind) == rows


def test_a_failure_tells_column_expectation_rows_and_the_first_with_its_value(engine):
    rows = pa.table({"x": [1.0, 7.0, 9.0]})
    (found,) = failures([E.between("x", 0, 5)], rows, engine.holds)
    assert str(found) == "column 'x': between(x, 0, 5) is broken in 2 rows, first at row 1 (7.0)"


def test_many_expectations_find_what_each_alone_finds(engine):
    rng = random.Random(5)
    values = [rng.choice([None, NAN, INF, rng.randint(-3, 8), rng.random() * 6]) for _ in range(500)]
    rows = pa.table({"x": pa.array([None if v is None else float(v) for v in values], pa.float64())})
    expected = [
        E.not_null("x"),
        E.between("x", 0, 5),
        E.unique("x"),
        E.sql("x < 4 OR x IS NULL", name="a"),
        E.sql("x > 1", name="b"),
    ]
    together = {item.expectation.name: item.broken.tolist() for item in failures(expected, rows, engine.holds)}
    assert len(together) == 5
    for item in expected:
        (alone,) = failures([item], rows, engine.holds)
        assert together[item.name] == alone.broken.tolist()
    naive = [v is not None and not 0 <= v <= 5 for v in rows.column("x").to_pylist()]
    assert together["between(x, 0, 5)"] == naive


def test_chunked_columns_are_one_column(engine):
    rows = pa.table({"x": pa.chunked_array([[1, 2], [], [2, 9]])})
    found = {
        item.expectation.name: item.broken.tolist()
        for item in failures([E.unique("x"), E.between("x", 0, 5)], rows, engine.holds)
    }
    assert found == {"unique(x)": [False, False, True, False], "between(x, 0, 5)": [False, False, False, True]}
