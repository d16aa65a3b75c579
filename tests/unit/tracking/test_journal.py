"""What writers of runs send is taken in once, however often it comes."""

from __future__ import annotations

import struct

import pytest

from headrace.errors import InvalidInputError


def points(*values):
    """An entry's content: points of one metric, a step apart."""
    steps = range(len(values))
    columns = (struct.pack(f"<{len(values)}{kind}", *column) for kind, column in (("q", steps), ("q", steps), ("d", values)))
    return [["loss", "", "", "", *columns]]


@pytest.fixture
def run_id(runs):
    with runs.start(capture=False) as run:
        assert run.flush()
        yield run.id


def values(runs, run_id):
    return [point.value for point in runs.metric_history(run_id, "loss")]


def test_a_batch_that_comes_again_changes_nothing(runs, run_id):
    batch = [(1, "metrics", points(0.5)), (2, "metrics", points(0.25))]
    assert [runs.sink.append(run_id, "w", batch).seq for _ in range(2)] == [2, 2]
    assert sorted(values(runs, run_id)) == [0.25, 0.5]


def test_of_a_batch_that_came_in_part_only_the_rest_is_taken_in(runs, run_id):
    runs.sink.append(run_id, "w", [(1, "tags", {"n": "1"}), (2, "metrics", points(1.0))])
    runs.sink.append(run_id, "w", [(1, "tags", {"n": "again"}), (2, "metrics", points(2.0)), (3, "metrics", points(3.0))])
    assert runs.get(run_id).tags["n"] == "1"
    assert sorted(values(runs, run_id)) == [1.0, 3.0]


def test_writers_are_numbered_apart(runs, run_id):
    for writer, value in (("one", 1.0), ("other", 2.0)):
        runs.sink.append(run_id, writer, [(1, "metrics", points(value))])
    assert sorted(values(runs, run_id)) == [1.0, 2.0]


def test_an_entry_that_was_refused_is_refused_once(runs, run_id):
    batch = [(1, "metrics", [["loss"]]), (2, "metrics", points(1.0))]
    ((seq, error),) = runs.sink.append(run_id, "w", batch).refused
    assert (seq, isinstance(error, InvalidInputError)) == (1, True)
    assert list(runs.sink.append(run_id, "w", batch).refused) == []
    assert values(runs, run_id) == [1.0]
