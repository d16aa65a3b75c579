"""Rows that break what a source expects never count: they are refused whole, or set aside and kept with the reasons."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.features.quality import Check

E = hr.expect
NOW = pd.Timestamp("2026-03-01 12:00", tz="UTC")
thing = hr.Entity("thing", keys={"k": "int64"})


def source(*expect, **more):
    schema = {"id": "string", "k": "int64", "x": "float64", "at": "timestamp"}
    return hr.EventSource("events", timestamp="at", stream="events", schema=schema, expect=expect, **more)


def view(over, *expect):
    group = hr.FeatureGroup(
        "group", entity=thing, source=over, features={"n": hr.count(), "avg": hr.mean("x", "7d")}, expect=expect, freshness="1h"
    )
    return hr.FeatureView("view", features=[group])


def rows(*values, first=0, k=1):
    count = len(values)
    ids = [f"e{first + number}" for number in range(count)]
    return pd.DataFrame({"id": ids, "k": k, "x": list(values), "at": [NOW - timedelta(minutes=5)] * count})


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path, clock=lambda: NOW.value // 1000) as store:
        yield store


@pytest.fixture
def here(tmp_path):
    """A store of this process, whose parts can be made to fail."""
    with hr.connect(tmp_path, clock=lambda: NOW.value // 1000) as store:
        yield store


def online(store):
    return store.online_features("view", {"k": 1}, at=NOW).values["n"][0]


def landed(store):
    return store.historical_features("view", pd.DataFrame({"k": [1], "t": [NOW]}), timestamp="t")["n"].iloc[0]


ASIDE = E.between("x", 0, 5, on_fail="quarantine")


@pytest.mark.parametrize("verb", ["write", "push"])
def test_a_refused_batch_changes_nothing_and_is_counted(store, verb):
    store.apply([view(source(E.between("x", 0, 5)))])
    with pytest.raises(
        hr.InvalidInputError, match=r"(?s)store\.\w+\('events'\).*nothing was changed.*column 'x'.*2 rows.*row 1 \(9\.0\)"
    ):
        getattr(store, verb)("events", rows(1, 9, -1))
    store.materialize()
    assert (online(store), landed(store)) == (0, 0)
    assert len(store.quarantine("events")) == 0
    (check,) = store.quality()
    assert (check.subject, check.expectation, check.outcome, check.broken) == ("source:events", "between(x, 0, 5)", "rejected", 2)


@pytest.mark.parametrize("verb", ["write", "push"])
def test_bad_rows_are_set_aside_and_the_good_ones_go_on(store, verb):
    store.apply([view(source(ASIDE, E.sql("x <> 2", name="not two", on_fail="quarantine")))])
    done = getattr(store, verb)("events", rows(1, 9, 2, 3, -1))
    assert (done.rows, done.quarantined, done.repeats) == (2, 3, 0)
    store.materialize()
    assert (online(store), landed(store)) == (2, 2)
    found = store.quarantine("events")
    assert found["id"].tolist() == ["e1", "e2", "e4"]
    assert found["_reasons"].tolist() == ["between(x, 0, 5)", "not two", "between(x, 0, 5)"]
    assert found["_origin"].unique().tolist() == [verb]
    assert found["_quarantined_at"].unique().tolist() == [NOW]
    assert {check.expectation: (check.outcome, check.broken) for check in store.quality()} == {
        "between(x, 0, 5)": ("quarantined", 2),
        "not two": ("quarantined", 1),
    }


@pytest.mark.parametrize("verb", ["write", "push"])
def test_a_batch_of_bad_rows_alone_is_set_aside(store, verb):
    store.apply([view(source(ASIDE))])
    done = getattr(store, verb)("events", rows(9, 9))
    assert (done.rows, done.quarantined) == (0, 2)
    assert len(store.quarantine("events")) == 2
    assert online(store) == 0


def test_a_batch_that_was_written_before_sets_nothing_aside_again(store):
    store.apply([view(source(ASIDE))])
    for _ in range(2):
        done = store.write("events", rows(1, 9), batch_id="one")
    assert done.replayed
    found = store.quarantine("events")
    assert found["_batch_id"].tolist() == ["one"]
    assert store.quality()[0].broken == 1


def test_the_quarantine_of_a_write_that_was_cut_off_counts_when_it_is_repeated(here, monkeypatch):
    """Killed between the two appends, a batch is in the quarantine and not in the lake: it counts once it is in both."""
    here.apply([view(source(ASIDE))])
    ingest = here.services.ingest
    with monkeypatch.context() as patch:
        patch.setattr(ingest._log, "reserve", lambda *_: (_ for _ in ()).throw(hr.StorageError("power cut")))
        for batch_id in ("one", None):
            with pytest.raises(hr.StorageError, match="power cut"):
                here.write("events", rows(1, 9), batch_id=batch_id)
    assert len(here.quarantine("events")) == 0, "nobody was told that they had landed"
    here.write("events", rows(1, 9), batch_id="one")
    here.write("events", rows(1, 9))
    here.materialize()
    assert online(here) == 2
    assert here.quarantine("events")["_batch_id"].tolist()[0] == "one"
    assert len(here.quarantine("events")) == 2


def test_a_push_that_was_cut_off_and_repeated_has_each_event_once(here, monkeypatch):
    here.apply([view(source(ASIDE, id="id"))])
    ingest = here.services.ingest
    with monkeypatch.context() as patch:
        patch.setattr(ingest._log, "append", lambda *_: (_ for _ in ()).throw(hr.StorageError("power cut")))
        with pytest.raises(hr.StorageError, match="power cut"):
            here.push("events", rows(1, 9))
    assert len(here.quarantine("events")) == 1, "what was set aside isn't lost"
    here.push("events", rows(1, 9))
    assert len(here.quarantine("events")) == 1
    assert online(here) == 1


@pytest.mark.parametrize("verb", ["write", "push"])
def test_unique_ids_hold_against_what_was_counted_before(store, verb):
    store.apply([view(source(E.unique("id", on_fail="quarantine"), id="id"))])
    getattr(store, verb)("events", rows(1, 2))
    done = getattr(store, verb)("events", pd.concat([rows(3, 4), rows(5, 6, first=7), rows(7, first=7)]))
    assert (done.rows, done.quarantined, done.repeats) == (2, 3, 0)
    assert sorted(store.quarantine("events")["x"]) == [3, 4, 7]
    store.materialize()
    assert online(store) == 4
    store.apply([view(source(E.unique("id"), id="id"))])
    with pytest.raises(hr.InvalidInputError, match=r"unique\(id\) is broken in 1 row"):
        getattr(store, verb)("events", rows(1))
    assert online(store) == 4


def test_a_null_key_or_time_can_be_set_aside(store):
    expect = [E.not_null(name, on_fail="quarantine") for name in ("k", "at")]
    store.apply([view(source(*expect))])
    bad = rows(1, 2, 3)
    bad["k"] = pd.array([1, None, 1], dtype="Int64")
    bad.loc[2, "at"] = pd.NaT
    assert store.push("events", bad).quarantined == 2
    assert store.write("events", bad).quarantined == 2
    assert store.quarantine("events")["_reasons"].tolist() == ["not_null(k)", "not_null(at)"] * 2
    store.apply([view(source())])
    with pytest.raises(hr.InvalidInputError, match="column 'k' is null in 1 row"):
        store.push("events", bad)
    store.apply([view(source(E.not_null("k")))])
    with pytest.raises(hr.InvalidInputError, match=r"column 'k': not_null\(k\) is broken in 1 row, first at row 1"):
        store.push("events", bad.assign(at=NOW))
    told = {(check.expectation, check.outcome): check.broken for check in store.quality()}
    assert told["not_null(k)", "rejected"] == 1


def test_a_null_key_matches_nothing_and_leaves_the_row_to_the_other_groups(store):
    """A sale without a coupon is a sale: its customer has it, and no coupon does."""
    schema = {"customer": "int64", "coupon": "string", "paid": "float64", "at": "timestamp"}
    sales = hr.EventSource("sales", timestamp="at", stream="sales", schema=schema)
    features = {"sales": hr.count(), "paid": hr.sum("paid", "1h")}
    customers, coupons = hr.Entity("customer", keys={"customer": "int64"}), hr.Entity("coupon", keys={"coupon": "string"})
    by_customer = hr.FeatureGroup("by_customer", entity=customers, source=sales, features=features)
    by_coupon = hr.FeatureGroup("by_coupon", entity=coupons, source=sales, features=features)
    store.apply([hr.FeatureView("both", features=[by_customer, by_coupon.prefixed("coupon_")])])
    keys = {"customer": pd.array([1, None, 1], "Int64"), "coupon": ["A", "A", None]}
    sold = pd.DataFrame({**keys, "paid": [1.0, 2.0, 4.0], "at": NOW - timedelta(minutes=5)})
    assert store.write("sales", sold).rows == 3
    store.materialize()
    assert store.push("sales", sold.assign(paid=8 * sold["paid"])).rows == 3
    with pytest.raises(hr.InvalidInputError, match="row 1 has the key of no group; give a value in one of 'coupon', 'customer'"):
        store.push("sales", sold.assign(coupon=[None, None, "A"]))
    asked = {"customer": [1, None, 1], "coupon": ["A", "A", None]}
    now = store.online_features("both", asked, at=NOW)
    then = store.historical_features("both", pd.DataFrame({**keys, "t": NOW}), timestamp="t")
    expected = {"sales": [4, 0, 4], "paid": [45.0, None, 45.0], "coupon_sales": [4, 4, 0], "coupon_paid": [27.0, 27.0, None]}
    assert now.values == expected
    assert {name: then[name].astype(object).where(then[name].notna(), None).tolist() for name in expected} == expected
    assert now.statuses["coupon_paid"] == ["PRESENT", "PRESENT", "NOT_FOUND"]


def test_a_row_that_breaks_an_expectation_needs_not_suit_the_groups_expressions(store):
    schema = {"k": "int64", "s": "string", "at": "timestamp"}
    events = hr.EventSource(
        "texts", timestamp="at", stream="texts", schema=schema, expect=[E.sql("s SIMILAR TO '[0-9]+'", on_fail="quarantine")]
    )
    group = hr.FeatureGroup("sums", entity=thing, source=events, features={"total": hr.sum("CAST(s AS BIGINT)")})
    store.apply([hr.FeatureView("v", features=[group])])
    done = store.push("texts", pd.DataFrame({"k": 1, "s": ["1", "😀", "2"], "at": NOW - timedelta(minutes=1)}))
    assert (done.rows, done.quarantined) == (2, 1)
    assert store.online_features("v", {"k": 1}, at=NOW).values["total"] == [3]


def test_a_table_source_expects_too(store):
    things = hr.TableSource(
        "things",
        timestamp="at",
        schema={"k": "int64", "name": "string", "at": "timestamp"},
        expect=[E.one_of("name", ["a", "b"])],
    )
    store.apply([things])
    with pytest.raises(hr.InvalidInputError, match=r"one_of\(name\) is broken in 1 row, first at row 1 \('c'\)"):
        store.write("things", pd.DataFrame({"k": [1, 2], "name": ["a", "c"], "at": [NOW] * 2}))


def test_new_expectations_hold_from_then_on(store):
    store.apply([view(source())])
    store.push("events", rows(9))
    store.apply([view(source(E.between("x", 0, 5)))])
    with pytest.raises(hr.InvalidInputError):
        store.push("events", rows(9, first=1))
    assert (online(store), landed(store)) == (1, 1)


def test_the_quarantine_follows_the_sources_columns(store):
    store.apply([view(source(ASIDE))])
    store.push("events", rows(9))
    wider = {**source().schema, "y": "int64"}
    store.apply([view(hr.EventSource("events", timestamp="at", stream="events", schema=wider, expect=[ASIDE]))])
    store.push("events", rows(9, first=1).assign(y=5))
    assert store.quarantine("events")["y"].isna().tolist() == [True, False]


def test_a_feature_that_breaks_what_its_group_expects_is_an_alert(store):
    store.apply([view(source(), E.between("avg", 0, 5), E.not_null("avg"), E.sql("n < 100", name="few"))])
    assert [(check.expectation, check.at, check.alert) for check in store.quality()] == [
        ("between(avg, 0, 5)", None, False),
        ("not_null(avg)", None, False),
        ("few", None, False),
    ]
    store.write("events", pd.concat([rows(9, first=1), rows(1, first=2, k=2), rows(np.nan, first=3, k=3)]))
    store.materialize()
    found = {check.expectation: check for check in store.quality()}
    assert [check.alert for check in store.quality()] == [True, True, False]
    assert found["between(avg, 0, 5)"] == Check(
        "group:group", "between(avg, 0, 5)", "feature", 1, 3, NOW.value // 1000, example="9.0"
    )
    assert (found["not_null(avg)"].broken, found["few"].broken) == (1, 0)
    store.push("events", pd.concat([rows(-9, first=4), rows(1, first=5, k=3)]))
    store.profile("group")
    assert not any(check.alert for check in store.quality()), "the newest sample decides"


def test_a_catalog_that_cannot_count_refuses_and_admits_all_the_same(here, monkeypatch):
    here.apply([view(source(ASIDE, E.not_null("id")))])
    quality = here.services.ingest._quality
    monkeypatch.setattr(quality._store, "count_broken", lambda _: (_ for _ in ()).throw(hr.StorageError("disk full")))
    assert here.push("events", rows(1, 9)).quarantined == 1
    with pytest.raises(hr.InvalidInputError, match="not_null"):
        here.push("events", rows(1, first=5).assign(id=[None]))


def test_what_was_set_aside_can_be_mended_and_written_again(store, tmp_path):
    store.apply([view(source(ASIDE))])
    store.push("events", rows(1, 9))
    mended = store.quarantine("events").assign(x=5.0)[list(source().schema)]
    mended.to_parquet(tmp_path / "mended.parquet")
    assert pq.read_table(tmp_path / "mended.parquet").num_rows == 1
    assert store.write("events", str(tmp_path / "mended.parquet")).rows == 1
    store.materialize()
    assert online(store) == 2


def test_a_batch_of_a_streaming_query_is_never_refused_and_sets_bad_rows_aside_once(here):
    here.apply([view(source(E.between("x", 0, 5), E.not_null("k", on_fail="quarantine")))])
    take = here.services.streams.take
    first = rows(1, 9, 2, 3)
    first["k"] = pd.array([1, 1, None, 1], dtype="Int64")
    for _ in range(2):
        take("events", "query", first, 0)
    assert take("events", "query", rows(9, 9, first=5), 1) == 0
    take("events", "query", rows(4, -4, first=8), 2)
    assert (online(here), landed(here)) == (3, 3)
    found = here.quarantine("events")
    assert found["id"].tolist() == ["e1", "e2", "e5", "e6", "e9"]
    assert set(found["_origin"]) == {"stream"}
    assert {(check.expectation, check.outcome): check.broken for check in here.quality()} == {
        ("between(x, 0, 5)", "rejected"): 0,
        ("between(x, 0, 5)", "quarantined"): 4,
        ("not_null(k)", "quarantined"): 1,
    }
