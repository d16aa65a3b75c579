"""Expectations: faults are found when they are defined, and they survive storage."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.catalog.hashing import computation_hash
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import source_from_spec
from headrace.definitions.validation import resolve
from headrace.ids import canonical_json

SCHEMA = {"id": "string", "k": "int64", "stars": "float64", "kind": "string", "on": "date", "raw": "bytes", "at": "timestamp"}
thing = hr.Entity("thing", keys={"k": "int64"})


def source(*expect, **more):
    return hr.EventSource("events", timestamp="at", schema=SCHEMA, expect=expect, **more)


def group(*expect, over=None):
    features = {"avg": hr.mean("stars", "7d"), "recent": hr.last_n("kind", 3)}
    return hr.FeatureGroup("group", entity=thing, source=over or source(), features=features, expect=expect)


ALL = (
    hr.expect.not_null("stars"),
    hr.expect.between("stars", 0.5, 5, on_fail="quarantine"),
    hr.expect.between("at", datetime(2020, 1, 1, tzinfo=UTC)),
    hr.expect.one_of("kind", ["a", "b"]),
    hr.expect.unique("id"),
    hr.expect.sql("stars * 2 <= 10", name="small"),
)


def test_a_source_and_a_group_read_back_expect_the_same():
    found = resolve([group(hr.expect.between("avg", 0, 5), over=source(*ALL))])
    kept = source_from_spec("events", json.loads(canonical_json(found.sources["events"].to_spec())))
    assert kept == source(*ALL)
    spec = json.loads(canonical_json(found.groups["group"].to_spec()))
    assert FeatureGroup.from_spec("group", spec, thing, kept) == found.groups["group"]


def test_a_spec_from_before_there_were_expectations_has_none():
    spec = source().to_spec()
    assert "expect" not in spec, "or every stored definition would get a new version"
    assert source_from_spec("events", spec).expect == ()
    assert "expect" not in resolve([group()]).groups["group"].to_spec()


def test_expectations_do_not_change_what_is_computed():
    plain = resolve([group()])
    expecting = resolve([group(hr.expect.not_null("avg"), over=source(*ALL))])
    assert computation_hash(plain.groups["group"]) == computation_hash(expecting.groups["group"])
    assert computation_hash(plain.sources["events"]) == computation_hash(expecting.sources["events"])


def test_a_change_of_expectations_makes_a_version_that_recomputes_nothing(tmp_path):
    with hr.connect(tmp_path) as store:
        store.apply([group(over=source(hr.expect.between("stars", 0, 5)))])
        plan = store.apply([group(over=source(hr.expect.between("stars", 0, 10, name="between(stars, 0, 5)")))])
        assert "expectation between(stars, 0, 5): high 5 → 10" in str(plan)
        assert "nothing is recomputed" in str(plan)
        assert "expectation between(stars, 0, 5) removed" in str(store.plan([group()]))


@pytest.mark.parametrize(
    ("expectation", "fault"),
    [
        (hr.expect.not_null("starz"), "no column 'starz'; did you mean 'stars'"),
        (hr.expect.between("kind", 1, 2), "'kind' is string; between is for numbers, timestamps and dates"),
        (hr.expect.between("stars", "a", 3), "low='a' isn't a float64"),
        (hr.expect.between("stars", None, float("inf")), "high=inf isn't a float64"),
        (hr.expect.between("stars", 3, 1), "low=3 is above high=1"),
        (hr.expect.between("stars"), "needs a low or a high bound"),
        (hr.expect.between("at", "yesterday"), "low='yesterday' isn't a timestamp"),
        (hr.expect.between("on", date(2026, 1, 2), date(2026, 1, 1)), "is above"),
        (hr.expect.one_of("stars", ["a"]), "'a' isn't a float64"),
        (hr.expect.one_of("k", [1.5]), "1.5 isn't a int64"),
        (hr.expect.one_of("kind", []), "needs at least one value"),
        (hr.expect.one_of("raw", ["a"]), "one_of is for numbers, text and bools"),
        (hr.expect.sql("stars +"), "isn't valid SQL"),
        (hr.expect.sql("stars + 1"), "is float64, not a condition"),
        (hr.expect.sql("starz > 1"), "unknown column 'starz'"),
        (hr.expect.sql("random() > 0.5"), "depends on when or where it runs"),
        (hr.expect.sql("(SELECT true)"), "a subquery"),
        (hr.expect.not_null("stars", on_fail="warn"), "on_fail='warn' must be 'reject' or 'quarantine'"),
    ],
)
def test_a_fault_is_found_when_it_is_defined(expectation, fault):
    with pytest.raises(hr.DefinitionError) as error:
        resolve([source(expectation)])
    assert fault in str(error.value)
    assert "source 'events', expect " in str(error.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(hr.DefinitionError) as error:
        resolve([source(hr.expect.not_null("a"), hr.expect.not_null("b"), hr.expect.unique("id"), hr.expect.unique("id"))])
    assert len(error.value.faults) == 3
    assert "'unique(id)' is there twice" in str(error.value)


def test_what_a_group_expects_is_about_its_features():
    with pytest.raises(hr.DefinitionError) as error:
        resolve(
            [group(hr.expect.not_null("stars"), hr.expect.unique("avg"), hr.expect.between("avg", 0, 5, on_fail="quarantine"))]
        )
    assert "no feature 'stars'" in str(error.value)
    assert "unique is for the rows of a source" in str(error.value)
    assert "a feature raises an alert" in str(error.value)
    resolve([group(hr.expect.not_null("recent"), hr.expect.sql("avg < 5"))])


def test_what_is_no_expectation_is_refused():
    with pytest.raises(hr.DefinitionError, match=r"source 'events', expect: 'stars > 1' isn't an expectation"):
        source("stars > 1")
    with pytest.raises(hr.DefinitionError, match="isn't a number, text, a bool"):
        hr.expect.between("stars", object())


def test_a_column_may_not_be_named_as_what_the_quarantine_keeps():
    clashing = {**SCHEMA, "_Reasons": "string"}
    with pytest.raises(hr.DefinitionError, match="choose another"):
        resolve([hr.TableSource("t", timestamp="at", schema=clashing, expect=[hr.expect.not_null("k", on_fail="quarantine")])])
    resolve([hr.TableSource("t", timestamp="at", schema=clashing, expect=[hr.expect.not_null("k")])])


def test_bounds_and_values_are_kept_as_json_holds_them():
    assert hr.expect.between("at", pd.Timestamp("2026-01-31 12:00")).low == "2026-01-31T12:00:00Z"
    assert hr.expect.between("k", np.int64(3)).low == 3
    assert hr.expect.one_of("kind", {"b", "a"}).values == ("a", "b")
    assert source(hr.expect.not_null("k")).expect == hr.EventSource("events", "at", SCHEMA, expect=hr.expect.not_null("k")).expect
