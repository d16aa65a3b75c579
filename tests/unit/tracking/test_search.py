"""The search grammar."""

from __future__ import annotations

import pytest

from headrace.errors import InvalidInputError
from headrace.tracking.search import Comparison, Order, parse_filter, parse_order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.auc > 0.8", ("metric", "auc", ">", 0.8)),
        ("metric.auc>=-1e-3", ("metric", "auc", ">=", -0.001)),
        ("metrics.train/loss < .5", ("metric", "train/loss", "<", 0.5)),
        ("metrics.`val loss` != 1.", ("metric", "val loss", "!=", 1.0)),
        ('params."a b" = "x y"', ("param", "a b", "=", "x y")),
        ("parameters.depth = '6'", ("param", "depth", "=", "6")),
        ("params.a = 'it''s'", ("param", "a", "=", "it''s")),
        ("tags.mlflow.user LIKE '%a_'", ("tag", "mlflow.user", "LIKE", "%a_")),
        ("tag.x ilike 'a'", ("tag", "x", "ILIKE", "a")),
        ("tags.x is  not\n null", ("tag", "x", "IS NOT NULL", None)),
        ("params.x IS NULL", ("param", "x", "IS NULL", None)),
        ("status = 'RUNNING'", ("attribute", "status", "=", "RUNNING")),
        ("attributes.run_id IN ('a', 'b',)", ("attribute", "run_id", "IN", ("a", "b"))),
        ("run_id not in ('a')", ("attribute", "run_id", "NOT IN", ("a",))),
        ("created > 5", ("attribute", "start_time", ">", 5.0)),
        ("`run name` = 'n'", ("attribute", "run_name", "=", "n")),
        ('"Run Name" = "n"', ("attribute", "run_name", "=", "n")),
        ("`params`.a = 'x'", ("param", "a", "=", "x")),
        ("datasets.context = 'training'", ("dataset", "context", "=", "training")),
        ("params.é = 'ü'", ("param", "é", "=", "ü")),
    ],
)
def test_each_form_of_a_comparison_is_read(text, expected):
    assert parse_filter(text) == (Comparison(*expected),)


def test_comparisons_are_joined_by_and_in_any_case():
    assert [item.key for item in parse_filter("metrics.a>1 and params.b='x' AND tags.c = 'y'")] == ["a", "b", "c"]
    assert parse_filter("") == parse_filter("  ") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.a > 1 OR metrics.b > 2", r"Invalid clause\(s\) in filter string: 'OR'"),
        ("NOT metrics.a > 1", "no OR, NOT"),
        ("(metrics.a > 1)", "parenthesis"),
        ("metrics.a > 1;", "semicolon"),
        ("metrics.a > 1 params.b = '2'", "expected AND"),
        ("metrics.a > 1 AND", "ends where a key"),
        ("metrics.a >", "ends where a number"),
        ("metrics.a = 'x'", "Expected numeric value type for metric"),
        ("metrics.a LIKE 'x'", "Expected numeric value type for metric"),
        ("metrics.a > nan", "Expected numeric value type for metric"),
        ("start_time > '1'", "Expected numeric value type for numeric attribute: start_time"),
        ("params.a = 6", "Expected a quoted string value"),
        ("params.a > '6'", "Invalid comparator '>'"),
        ("params.a IN ('6')", "Invalid comparator 'IN'"),
        ("status IN ('a')", "Invalid comparator 'IN'"),
        ("metrics.a IS NULL", "Invalid comparator 'IS NULL'"),
        ("metrics.a == 1", "Invalid comparator '=='"),
        ("auc > 0.8", "Invalid attribute key 'auc'.*metrics.auc"),
        ("statu = 'x'", "did you mean 'status'"),
        ("metricz.a > 1", "Invalid entity type 'metricz'"),
        ("dataset.schema = 'x'", "Invalid dataset key 'schema'"),
        ("1 < metrics.a", "expected a key"),
        ("run_id IN ()", "quoted string"),
        ("params.a = 'open", "quoted string"),
    ],
)
def test_a_fault_says_what_is_wrong(text, message):
    with pytest.raises(InvalidInputError, match=message):
        parse_filter(text)


def test_a_fault_is_marked_under_its_token():
    with pytest.raises(InvalidInputError) as caught:
        parse_filter("metrics.a > 1 and params.b = 2")
    _, line, mark = str(caught.value).splitlines()
    assert line[mark.index("^")] == "2"


def test_a_filter_holds_as_much_as_a_database_reads():
    assert len(parse_filter(" and ".join(["metrics.a > 1"] * 500))) == 500
    with pytest.raises(InvalidInputError, match="at most 500 comparisons, not 501"):
        parse_filter(" and ".join(["metrics.a > 1"] * 501))


def test_orders_are_read_with_their_direction():
    assert parse_order(["metrics.`a b` DESC", "status"]) == (
        Order("metric", "a b", ascending=False),
        Order("attribute", "status"),
    )
    assert parse_order("Created asc") == (Order("attribute", "start_time"),)
    assert parse_order(()) == ()


@pytest.mark.parametrize(
    "clauses",
    [
        "metrics.a sideways",
        "metrics.a desc asc",
        "x",
        "",
        "dataset.name",
        ["metrics.a", "metrics.a desc"],
        [f"metrics.m{number}" for number in range(21)],
    ],
)
def test_an_order_with_a_fault_is_refused(clauses):
    with pytest.raises(InvalidInputError):
        parse_order(clauses)
