"""The public API as the design states it, from definitions to a served prediction."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import headrace as hr

START = datetime(2026, 1, 1, tzinfo=UTC)

user = hr.Entity("user", keys={"user_id": "int64"})
video = hr.Entity("video", keys={"video_id": "int64"})
ratings = hr.EventSource(
    "ratings",
    timestamp="rated_at",
    stream="ratings",
    schema={"user_id": "int64", "video_id": "int64", "stars": "float64", "rated_at": "timestamp"},
)
videos = hr.TableSource(
    "videos",
    timestamp="updated_at",
    schema={"video_id": "int64", "title": "string", "genres": "string", "updated_at": "timestamp"},
)
user_taste = hr.FeatureGroup(
    "user_taste",
    entity=user,
    source=ratings,
    ttl="365d",
    owner="recsys",
    features={
        "ratings_10m": hr.count("10m"),
        "stars_avg_7d": hr.mean("stars", "7d"),
        "likes_30d": hr.count("30d", where="stars >= 4"),
        "last_videos": hr.last_n("video_id", 5),
    },
)
video_taste = hr.FeatureGroup(
    "video_taste", entity=video, source=ratings, features={"video_stars_avg_30d": hr.mean("stars", "30d")}
)
video_facts = hr.FeatureGroup(
    "video_facts", entity=video, source=videos, features={"is_comedy": "contains(genres, 'Comedy')", "title": "title"}
)


@hr.on_demand(inputs=["stars_avg_7d", "video_stars_avg_30d"], returns="float64")
def taste_gap(user_avg, video_avg):
    return user_avg - video_avg


ranking = hr.FeatureView("ranking", features=[user_taste, video_facts["is_comedy"], video_taste, taste_gap])
FEATURES = ["stars_avg_7d", "likes_30d", "video_stars_avg_30d", "taste_gap"]


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(7)
    rows = 3000
    stars = rng.integers(1, 11, rows) / 2
    at = pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.integers(0, 60 * 86_400, rows)), unit="s")
    return pd.DataFrame(
        {
            "user_id": rng.integers(0, 40, rows),
            "video_id": rng.integers(0, 60, rows),
            "stars": stars,
            "rated_at": at.as_unit("us"),
        }
    )


@pytest.fixture
def store(tmp_path, history, connect):
    with connect(tmp_path) as store:
        fill(store, history)
        yield store


@pytest.fixture
def project(tmp_path, history):
    """Runs and models are kept in projects that are opened by their directory."""
    with hr.connect(tmp_path) as store:
        fill(store, history)
        yield store


def fill(store, history):
    store.apply([ranking])
    store.write("ratings", history.iloc[:2000], batch_id="first")
    genres = ["Comedy|Drama" if number % 3 else "Drama" for number in range(60)]
    store.write(
        "videos", pd.DataFrame({"video_id": range(60), "title": "t", "genres": genres, "updated_at": pd.Timestamp(START)})
    )
    store.materialize()


def labels(history):
    return history.assign(liked=history["stars"] >= 4).drop(columns="stars")


def test_a_batch_id_is_written_once(store, history):
    assert store.write("ratings", history.iloc[:2000], batch_id="first").replayed
    at = START + timedelta(days=100)
    counts = store.online_features("ranking", {"user_id": list(range(40)), "video_id": 1}, at=at)
    assert all(len(set(videos)) <= 5 for videos in counts.values["last_videos"] if videos)
    assert store.freshness()["user_taste:1"].waiting is False


def test_training_and_serving_agree_on_the_stream(store, history):
    store.push("ratings", history.iloc[2000:])
    at = START + timedelta(days=61)
    entities = {"user_id": 7, "video_id": [1, 2, 3]}
    served = store.online_features("ranking", entities, at=at)
    trained = store.historical_features("ranking", pd.DataFrame({**entities, "ts": pd.Timestamp(at)}), timestamp="ts")
    for name in ranking.feature_names:
        for online, historical in zip(served.values[name], trained[name], strict=True):
            if isinstance(online, list):
                assert online == list(historical)
            else:
                assert online == historical or (online is None and pd.isna(historical))
    assert served.to_numpy().shape == (3, len(ranking.feature_names))
    assert list(served.to_pandas().columns) == ["user_id", "video_id", *ranking.feature_names]
    assert served.statuses["is_comedy"] == ["PRESENT"] * 3
    assert served.ages["is_comedy"][0] == 61 * 86_400


def test_a_label_never_sees_its_own_event(store, history):
    hist = store.historical_features("ranking", labels(history).iloc[:500], timestamp="rated_at")
    for row in hist.itertuples():
        before = history[(history.user_id == row.user_id) & (history.rated_at < row.rated_at)]
        recent = before[before.rated_at >= (row.rated_at - pd.Timedelta(days=30)).floor("12h")]
        assert row.likes_30d == (recent.stars >= 4).sum()


def test_a_training_set_survives_later_writes(store, history):
    made = store.training_set("ranking", labels(history).iloc[:800], timestamp="rated_at", label="liked", name="ranking-2026-11")
    again = store.training_set("ranking", labels(history).iloc[:800], timestamp="rated_at", label="liked", name="ranking-2026-11")
    assert (made.version, made.fingerprint) == (again.version, again.fingerprint) == (1, again.fingerprint)
    store.write("ratings", history.iloc[:300])
    store.push("ratings", history.iloc[300:400])
    assert made.verify()
    kept = store.training_sets.get("ranking-2026-11").to_pandas()
    assert len(kept) == 800
    changed = store.training_set(
        "ranking", labels(history).iloc[:800], timestamp="rated_at", label="liked", name="ranking-2026-11"
    )
    assert changed.version == 2
    assert changed.fingerprint != made.fingerprint
    assert made.verify()


def train(store, history, strength):
    ts = store.training_set("ranking", labels(history).iloc[:1500], timestamp="rated_at", label="liked", name="ranking-2026-11")
    frame = ts.to_pandas()
    x, y = frame[FEATURES].fillna(0.0).astype(float), frame["liked"]
    with store.start_run(experiment="ranker", params={"C": strength}, tags={"team": "recsys"}) as run:
        run.use(ts)
        model = LogisticRegression(C=strength).fit(x, y)
        run.log_metrics({"accuracy": float(model.score(x, y))}, step=3)
        logged = run.log_model(model, "ranker", view="ranking", example=x[:3])
    return run, logged, x


def test_from_a_run_to_a_rollback(project, history):
    run, logged, x = train(project, history, 1.0)
    assert project.runs.get(run.id).status == "FINISHED"
    assert [
        found.id
        for found in project.runs.search(
            "metrics.accuracy > 0.1 and params.C = '1.0'", order_by=["metrics.accuracy desc"], limit=5
        )
    ] == [run.id]
    first = project.models.register(logged, "video-ranker")
    assert (first.name, first.version, first.run_id) == ("video-ranker", 1, run.id)
    project.models.promote("video-ranker", first.version, to="Production", reason="the first")
    second = project.models.register(train(project, history, 0.1)[1], "video-ranker")
    project.models.promote("video-ranker", second.version, to="Production", reason="better")
    assert project.models.get("video-ranker", "@champion").version == 2
    assert project.models.get("video-ranker", 1).stage == "Archived"
    project.models.rollback("video-ranker", reason="worse after all")
    assert project.models.get("video-ranker", "@champion").version == 1
    loaded = project.models.load("models:/video-ranker@champion")
    assert list(loaded.predict(x)) == list(logged_predictions(project, logged, x))
    assert len(project.models.history("video-ranker")) >= 3


def logged_predictions(store, logged, x):
    return store.models.load(f"models:/{logged.id}").predict(x)


def test_lineage_runs_from_a_column_to_the_champion_and_back(project, history):
    version = project.models.register(train(project, history, 1.0)[1], "video-ranker")
    project.models.promote("video-ranker", version.version, to="Production", reason="the first")
    upstream = str(project.lineage.upstream("models:/video-ranker@champion").tree())
    for urn in ("run:", "training_set:ranking-2026-11:1", "view:ranking:1", "group:user_taste:1", "source:ratings"):
        assert urn in upstream
    downstream = str(project.lineage.downstream("source:ratings.stars").tree())
    for urn in ("group:video_taste:1", "view:ranking:1", "models:/video-ranker/1"):
        assert urn in downstream
    assert "group:video_facts" not in downstream


def test_a_pinned_view_keeps_its_meaning(store, history):
    frame = labels(history).iloc[:50]
    before = store.historical_features("ranking:1", frame, timestamp="rated_at")
    changed = hr.FeatureGroup(
        "video_taste", entity=video, source=ratings, features={"video_stars_avg_30d": hr.mean("stars + 100", "30d")}
    )
    store.apply([hr.FeatureView("ranking", features=[user_taste, video_facts["is_comedy"], changed, taste_gap])])
    pd.testing.assert_frame_equal(store.historical_features("ranking:1", frame, timestamp="rated_at"), before)
    now = store.historical_features("ranking", frame, timestamp="rated_at")["video_stars_avg_30d"]
    assert np.nanmin(now) > 100
    at = START + timedelta(days=50)
    entities = {"user_id": 7, "video_id": 3}
    store.materialize()
    old, new = (
        store.online_features(name, entities, at=at).values["video_stars_avg_30d"][0] for name in ("ranking:1", "ranking")
    )
    assert math.isclose(old + 100, new)
