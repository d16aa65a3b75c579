"""Screening: the rows that break an expectation are refused together, or set aside with every reason."""

from __future__ import annotations

import pyarrow as pa
import pytest

import headrace as hr
from headrace.engines.duckdb import DuckDBEngine
from headrace.features.screening import REASONS, admit, admit_first_times

E = hr.expect


@pytest.fixture(scope="module")
def holds():
    return DuckDBEngine(threads=1).holds


def source(*expect, **more):
    schema = {"id": "int64", "x": "float64", "at": "timestamp"}
    return hr.EventSource("events", timestamp="at", schema=schema, expect=expect, **more)


def rows(*values):
    return pa.table({"id": list(range(len(values))), "x": pa.array(values, pa.float64()), "at": [0] * len(values)})


def test_rows_that_are_as_expected_go_on_as_they_are(holds):
    given = rows(1.0, 2.0)
    found = admit(source(E.between("x", 0, 5)), given, holds)
    assert found.rows is given
    assert (found.rejected, found.quarantined, found.broken) == (None, 0, {})


def test_a_refusal_names_every_broken_expectation_with_its_first_row_and_count(holds):
    with pytest.raises(hr.InvalidInputError) as error:
        admit(
            source(E.between("x", 0, 5), E.sql("id < 3", name="few"), E.not_null("x")), rows(1, 9, 7, None), holds, where="here"
        )
    assert str(error.value) == (
        "here: 3 expectations are broken; nothing was changed; mend the rows, or let the source set such rows aside with "
        "on_fail='quarantine':\n"
        "  - column 'x': between(x, 0, 5) is broken in 2 rows, first at row 1 (9.0)\n"
        "  - few is broken in 1 row, first at row 3\n"
        "  - column 'x': not_null(x) is broken in 1 row, first at row 3"
    )


def test_rows_that_are_set_aside_carry_all_their_reasons(holds):
    expected = [E.between("x", 0, 5, on_fail="quarantine"), E.sql("id < 2", name="few", on_fail="quarantine")]
    found = admit(source(*expected), rows(1, 9, 7, 2), holds)
    assert found.rows.column("id").to_pylist() == [0]
    assert found.rejected.column("id").to_pylist() == [1, 2, 3]
    assert found.rejected.column(REASONS).to_pylist() == ["between(x, 0, 5)", "between(x, 0, 5); few", "few"]
    assert found.broken == {"between(x, 0, 5)": 2, "few": 2}
    assert found.quarantined == 3


def test_one_expectation_that_rejects_refuses_all_though_another_sets_aside(holds):
    with pytest.raises(hr.InvalidInputError) as error:
        admit(source(E.between("x", 0, 5, on_fail="quarantine"), E.sql("id < 2", name="few")), rows(9, 1, 1), holds)
    assert "few" in str(error.value)
    assert "between" not in str(error.value)


def test_messages_are_set_aside_whatever_the_expectation_says(holds):
    found = admit(source(E.between("x", 0, 5), E.unique("at")), rows(1, 9), holds, streamed=True)
    assert found.rows.column("x").to_pylist() == [1.0]
    assert found.rejected.column(REASONS).to_pylist() == ["between(x, 0, 5)"]


def test_no_rows_break_nothing(holds):
    assert admit(source(E.not_null("x"), E.unique("x"), E.sql("x > 1")), rows(), holds).rejected is None


@pytest.mark.parametrize("on_fail", ["reject", "quarantine"])
def test_an_id_that_was_counted_before_breaks_unique_and_is_else_left_out(holds, on_fail):
    given = rows(1, 2, 3)
    fresh = given.slice(1, 1)
    plain = admit_first_times(source(id="id"), given, fresh, where="here")
    assert (plain.rows.num_rows, plain.rejected) == (1, None)
    unique = source(E.unique("id", on_fail=on_fail), id="id")
    if on_fail == "reject":
        with pytest.raises(hr.InvalidInputError, match=r"unique\(id\) is broken in 2 rows, first at row 0 \(0\)"):
            admit_first_times(unique, given, fresh, where="here")
    else:
        found = admit_first_times(unique, given, fresh, where="here")
        assert found.rows.column("id").to_pylist() == [1]
        assert found.rejected.column("id").to_pylist() == [0, 2]
