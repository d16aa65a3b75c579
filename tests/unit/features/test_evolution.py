"""Definitions change while data is there; nothing is lost and old versions keep their meaning."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr

AT = pd.Timestamp("2026-03-01 12:00", tz="UTC")
LATER = AT + pd.Timedelta(hours=1)
thing = hr.Entity("thing", keys={"k": "int64"})


def source(**columns):
    return hr.EventSource(
        "events", timestamp="at", stream="events", schema={"k": "int64", "x": "float64", "at": "timestamp", **columns}
    )


def view(events, **features):
    group = hr.FeatureGroup("group", entity=thing, source=events, features={"n": hr.count(), **features})
    return hr.FeatureView("view", features=[group])


def rows(**columns):
    return pd.DataFrame({"k": [1], "x": [2.0], "at": [AT], **columns})


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply([view(source())])
        store.push("events", rows())
        store.write("events", rows())
        store.materialize()
        yield store


def both(store, name="view"):
    online = store.online_features(name, {"k": 1}, at=LATER).values
    trained = store.historical_features(name, pd.DataFrame({"k": [1], "t": [LATER]}), timestamp="t")
    assert {key: None if pd.isna(trained[key].iloc[0]) else trained[key].iloc[0] for key in online} == {
        key: v[0] for key, v in online.items()
    }
    return {key: value[0] for key, value in online.items()}


def test_a_column_added_to_a_source_is_null_in_what_came_before(store):
    store.push("events", rows())  # waits in the log when the definition changes
    store.apply([view(source(y="int64"), y=hr.last("y"), known=hr.count(where="y IS NOT NULL"))])
    store.push("events", rows(y=[5]))
    store.materialize()
    assert both(store) == {"n": 4, "y": 5, "known": 1}


def test_a_changed_feature_is_computed_from_all_that_came_before(store):
    store.apply([view(source(), total=hr.sum("x * 10"))])
    store.push("events", rows())
    store.materialize()
    assert both(store) == {"n": 3, "total": 60.0}
    assert both(store, "view:1") == {"n": 3}


def test_a_superseded_version_can_be_retired_and_the_current_one_cannot(store):
    store.apply([view(source(), total=hr.sum("x"))])
    store.materialize()
    store.retire("group:1")
    store.push("events", rows())
    assert store.online_features("view:1", {"k": 1}, at=LATER).statuses["n"] == ["NOT_FOUND"]
    assert both(store)["n"] == 3
    with pytest.raises(hr.ConflictError, match="current"):
        store.retire("group:2")


def test_a_change_of_words_alone_keeps_the_online_values(store):
    group = hr.FeatureGroup("group", entity=thing, source=source(), features={"n": hr.count()}, description="how often")
    plan = store.apply([hr.FeatureView("view", features=[group])])
    assert "group" in str(plan)
    assert both(store)["n"] == 2


def test_a_column_that_changes_its_type_is_refused_before_anything_comes_in(store):
    other = hr.EventSource("events", timestamp="at", stream="events", schema={"k": "int64", "x": "string", "at": "timestamp"})
    with pytest.raises(hr.DefinitionError, match="'x'"):
        store.apply([view(other)])
    store.push("events", rows())
    assert both(store)["n"] == 3


def test_a_rebuild_gives_the_same_values(store):
    before = both(store)
    store.materialize(rebuild=True)
    assert both(store) == before


def test_a_column_can_be_dropped_while_a_superseded_group_that_reads_it_is_online(store):
    store.apply([view(source(y="int64"), y=hr.last("y"))])
    store.push("events", rows(y=[5]))
    store.materialize()
    store.apply([view(source())])
    store.push("events", rows())
    store.write("events", rows())
    store.materialize()
    assert both(store) == {"n": 5}
    assert both(store, "view:2") == {"n": 5, "y": 5}


def test_a_row_that_an_expression_fails_on_is_refused_and_the_source_goes_on(store):
    store.apply([view(source(s="string"), total=hr.sum("CAST(s AS BIGINT)"))])
    for verb in store.push, store.write:
        with pytest.raises(hr.InvalidInputError, match=r"(?s)nothing was changed.*'group:2', feature 'total', row 1.*TRY_CAST"):
            verb("events", pd.concat([rows(s=["1"]), rows(s=["one"])]))
    store.push("events", rows(s=["7"]))
    store.materialize()
    assert both(store) == {"n": 3, "total": 7}


def test_a_lake_that_is_gone_is_told_and_the_online_values_stay(store, tmp_path):
    before = both(store)
    (tmp_path / ".headrace" / "lake").rename(tmp_path / "elsewhere")
    with hr.connect(tmp_path) as other:
        with pytest.raises(hr.StorageError, match="setting 'lake'"):
            other.materialize(rebuild=True)
        with pytest.raises(hr.StorageError, match="setting 'lake'"):
            other.historical_features("view", pd.DataFrame({"k": [1], "t": [LATER]}), timestamp="t")
    (tmp_path / "elsewhere").rename(tmp_path / ".headrace" / "lake")
    assert both(store) == before


def test_a_version_that_a_model_in_production_reads_cannot_be_retired(store, tmp_path):
    pytest.importorskip("sklearn", reason="needs the extra sklearn to log a model")
    from sklearn.linear_model import LinearRegression

    with hr.connect(tmp_path) as project, project.start_run() as run:
        logged = run.log_model(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), "m", view="view")
        version = project.models.register(logged, "model")
        project.models.promote("model", version.version, to="Production", reason="first")
    store.apply([view(source(), total=hr.sum("x"))])
    store.materialize()
    with pytest.raises(hr.ConflictError, match="models:/model/1"):
        store.retire("group:1")
    assert store.online_features("view:1", {"k": 1}, at=LATER).statuses["n"] == ["PRESENT"]
    with hr.connect(tmp_path) as project:
        project.models.transition("model", version.version, to="Archived", reason="done")
    store.retire("group:1")
    assert store.online_features("view:1", {"k": 1}, at=LATER).statuses["n"] == ["NOT_FOUND"]
