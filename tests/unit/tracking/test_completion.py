"""The query bar offers what may come next."""

from __future__ import annotations

import pytest

from headrace.tracking.completion import complete


class Known:
    def keys(self, entity):
        return {
            "metric": {"auc": 5, "train/loss": 9, "val loss": 2},
            "param": {"depth": 5},
            "tag": {"mlflow.user": 9, "team": 1},
        }.get(entity, {})

    def values(self, entity, key, prefix):
        values = {"depth": ["4", "6", "it's"], "team": ["search"]}.get(key, [])
        return [value for value in values if value.startswith(prefix)]


def options(text, position=None, field="query"):
    return [option.text for option in complete(text, len(text) if position is None else position, Known(), field).options]


@pytest.mark.parametrize(
    ("text", "expects", "first"),
    [
        ("", "key", "metrics.train/loss"),
        ("au", "key", "metrics.auc"),
        ("metrics.au", "key", "metrics.auc"),
        ("loss", "key", "metrics.train/loss"),
        ("dep", "key", "params.depth"),
        ("metrics.`val l", "key", "metrics.`val loss`"),
        ("stat", "key", "status"),
        ("metrics.auc ", "comparison", "="),
        ("metrics.auc >", "comparison", ">"),
        ("params.depth = ", "value", "'4'"),
        ("params.depth = '6", "value", "'6'"),
        ("status = 'RUN", "value", "'RUNNING'"),
        ("tags.team = 's", "value", "'search'"),
        ("metrics.auc > 0.5 ", "AND", "AND"),
        ("metrics.auc > 0.5 a", "AND", "AND"),
        ("metrics.auc > 0.5 and te", "key", "tags.team"),
        ("params.depth is ", "NULL", "NULL"),
    ],
)
def test_what_comes_next(text, expects, first):
    found = complete(text, len(text), Known())
    assert (found.expects, found.options[0].text) == (expects, first)


def test_a_number_is_nobodys_guess():
    assert (complete("metrics.auc > ", 14, Known()).expects, options("metrics.auc > ")) == ("number", [])


def test_what_the_tools_log_themselves_comes_last():
    assert options("tags.") == ["tags.team", "tags.mlflow.user"]


def test_a_value_with_a_quote_in_it_cannot_be_written_and_is_not_offered():
    assert options("params.depth = ") == ["'4'", "'6'"]


def test_the_part_that_is_replaced_is_told():
    found = complete("metrics.auc > 0.5 and metrics.tr and status = 'x'", 32, Known())
    assert (found.start, found.end, found.options[0].text) == (22, 32, "metrics.train/loss")


def test_after_a_fault_nothing_is_offered():
    assert complete("metrics.auc LIKE 'x' and ", 25, Known()).expects == "nothing"


def test_an_order_is_a_key_and_a_direction():
    assert options("met", field="order")[0] == "metrics.train/loss"
    assert options("metrics.auc ", field="order") == ["ASC", "DESC"]
    assert options("metrics.auc de", field="order") == ["DESC"]
