"""What would change if a column did: what takes its values, and nothing else."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, NotFoundError

user = hr.Entity("user", keys={"user_id": "int64"})
ratings = hr.EventSource(
    "ratings",
    timestamp="at",
    stream="ratings",
    schema={"user_id": "int64", "stars": "float64", "seen": "float64", "at": "timestamp"},
)
taste = hr.FeatureGroup(
    "taste",
    entity=user,
    source=ratings,
    features={"stars_avg": hr.mean("stars"), "seen_sum": hr.sum("seen"), "count": hr.count()},
)


@hr.on_demand(inputs=["stars_avg"], returns="float64")
def doubled(stars_avg):
    return stars_avg * 2


@hr.on_demand(inputs=["doubled"], returns="float64")
def again(doubled):
    return doubled * 2


VIEWS = [
    hr.FeatureView("stars", features=[taste["stars_avg"].prefixed("user_")]),
    hr.FeatureView("seen", features=[taste["seen_sum"]]),
    hr.FeatureView("made", features=[taste["stars_avg", "seen_sum"], doubled, again]),
    hr.FeatureView("counts", features=[taste["count"]]),
]


@pytest.fixture
def store(tmp_path, connect):
    with connect(tmp_path) as store:
        store.apply(VIEWS)
        yield store


@pytest.mark.parametrize(
    ("urn", "features"),
    [
        (
            "source:ratings.stars",
            {
                "group:taste:1": ["stars_avg"],
                "view:stars:1": ["user_stars_avg"],
                "view:made:1": ["stars_avg", "doubled", "again"],
            },
        ),
        ("source:ratings.seen", {"group:taste:1": ["seen_sum"], "view:seen:1": ["seen_sum"], "view:made:1": ["seen_sum"]}),
        ("feature:taste:1.count", {"group:taste:1": ["count"], "view:counts:1": ["count"]}),
    ],
)
def test_a_view_is_touched_only_if_it_takes_the_values(store, urn, features):
    found = store.impact(urn)
    assert found.features == features
    assert set(found.nodes("view")) == {urn for urn in features if urn.startswith("view:")}


@pytest.mark.parametrize("urn", ["source:ratings", "source:ratings.user_id", "source:ratings.at", "group:taste"])
def test_a_key_the_timestamp_and_a_whole_thing_touch_everything(store, urn):
    found = store.impact(urn)
    assert set(found.nodes("view")) == {f"view:{view.name}:1" for view in VIEWS}
    assert found.features["group:taste:1"] == ["stars_avg", "seen_sum", "count"]
    assert found.features["view:made:1"] == ["stars_avg", "seen_sum", "doubled", "again"]


def test_it_goes_on_to_what_was_made_of_the_views(store):
    labels = pd.DataFrame({"user_id": [1], "timestamp": pd.to_datetime(["2026-01-01"], utc=True), "label": [1]})
    with store.start_run(experiment="e", capture=False) as run:
        run.use(store.training_set("stars", labels, label="label", name="set"))
    with store.start_run(experiment="e", capture=False) as other:
        other.use(store.training_set("seen", labels, label="label", name="other"))
    found = store.impact("source:ratings.stars")
    assert (found.nodes("training_set"), found.nodes("run")) == (["training_set:set:1"], [f"run:{run.id}"])
    assert "run:" + other.id in store.lineage.downstream("source:ratings.stars")  # the graph alone knows groups, not columns
    assert found.to_dict()["features"]["view:stars:1"] == ["user_stars_avg"]
    with pytest.raises(NotFoundError, match="did you mean"):
        store.impact("source:ratings.starz")


def test_online_values_are_compared_with_history_to_the_bit(store):
    at = pd.Timestamp("2026-02-01", tz="UTC")
    store.push("ratings", [{"user_id": 1, "stars": 4.0, "seen": 0.5, "at": at}])
    same = store.parity("made:1", {"user_id": [1, 2]})
    assert same
    assert same.features["doubled"].online == [8.0, None] == list(same.features["doubled"].offline)
    rows = {"user_id": [1, 2], "stars": [2.0, 1.0], "seen": [0.5, 1.0], "at": [at + pd.Timedelta(seconds=1)] * 2}
    store.write("ratings", pd.DataFrame(rows))  # in the lake, and not online before it is materialized
    found = store.parity("made", {"user_id": [1, 2, 3]})
    assert not found
    assert found.features["stars_avg"].verdicts == ["differs", "missing", "equal"]
    assert (found.features["stars_avg"].online, list(found.features["stars_avg"].offline)) == (
        [4.0, None, None],
        [3.0, 1.0, None],
    )
    assert found.to_pandas()["verdict"].tolist().count("missing") == 4
    store.materialize()
    assert store.parity("made", {"user_id": [1, 2, 3]})
    with pytest.raises(InvalidInputError, match="at most 1,000"):
        store.parity("made", {"user_id": list(range(1001))})
