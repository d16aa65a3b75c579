"""Neighbours are those of the online values now: conditions, times to live and new rows count at once."""

from __future__ import annotations

import re
import uuid

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.errors import InvalidInputError, NotFoundError

START = pd.Timestamp("2026-03-01 12:00", tz="UTC")
N = 8

user = hr.Entity("user", keys={"user_id": "int64"})
video = hr.Entity("video", keys={"video_id": "string"})
pair = hr.Entity("pair", keys={"user_id": "int64", "video_id": "string"})
videos = hr.TableSource(
    "videos",
    timestamp="at",
    stream="videos",
    schema={"video_id": "string", "genre": "string", "embedding": "vector[8]", "at": "timestamp"},
)
plays = hr.EventSource(
    "plays",
    timestamp="at",
    stream="plays",
    schema={"user_id": "int64", "video_id": "string", "taste": "vector[8]", "at": "timestamp"},
)
facts = hr.FeatureGroup(
    "facts",
    entity=video,
    source=videos,
    ttl="30d",
    features={"embedding": "embedding", "is_comedy": "genre = 'comedy'", "genre": "genre"},
)
seen = hr.FeatureGroup("seen", entity=pair, source=plays, features={"seen": hr.count()})
tastes = hr.FeatureGroup(
    "tastes", entity=user, source=plays, features={"taste": hr.last("taste"), "recent": hr.last("taste", "1h")}
)


@hr.on_demand(inputs=["seen", "boost"], returns="float64")
def weight(seen, boost):
    return seen * boost


catalog = hr.FeatureView("catalog", features=[facts])
candidates = hr.FeatureView("candidates", features=[facts, seen, weight])
people = hr.FeatureView("people", features=[tastes])
RNG = np.random.default_rng(1)
VECTORS = RNG.normal(size=(60, N)).astype(np.float32)
ASKED = RNG.normal(size=N).astype(np.float32)


class Now:
    """A clock that tests move."""

    def __init__(self):
        self.micros = START.value // 1000

    def __call__(self):
        self.micros += 1000
        return self.micros


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def store(tmp_path, now, connect):
    with connect(tmp_path, clock=now) as store:
        store.apply([catalog, candidates, people])
        yield store


def name(n):
    return f"v{n:02d}"


YESTERDAY = START - pd.Timedelta(days=1)


def rows(numbers, vectors=VECTORS, at=YESTERDAY):
    return [
        {"video_id": name(n), "genre": "comedy" if n % 3 == 0 else "drama", "embedding": vectors[n], "at": at} for n in numbers
    ]


def fill(store):
    store.write("videos", rows(range(40)))
    store.push("videos", rows(range(40, 60)))
    store.materialize()


def cosine_order(numbers, vectors=VECTORS):
    wide = vectors.astype(np.float64)
    distances = 1 - wide @ ASKED.astype(np.float64) / (np.linalg.norm(wide, axis=1) * np.linalg.norm(ASKED.astype(np.float64)))
    return [name(n) for n in sorted(numbers, key=lambda n: distances[n])], distances


def test_the_nearest_come_in_order_with_their_features(store):
    fill(store)
    found = store.nearest("catalog", ASKED, k=5)
    order, distances = cosine_order(range(60))
    assert found.keys["video_id"] == order[:5]
    assert np.allclose(found.distances, np.sort(distances)[:5], rtol=1e-9)
    assert found.values["genre"] == ["comedy" if int(key[1:]) % 3 == 0 else "drama" for key in order[:5]]
    assert np.array_equal(found.values["embedding"][0], VECTORS[int(order[0][1:])])
    assert list(found.to_dict()) == ["video_id", "distance", "embedding", "is_comedy", "genre"]
    assert found.to_pandas()["distance"].tolist() == found.distances
    assert len(store.nearest("catalog", ASKED, k=100)) == 60


@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_other_metrics(store, metric):
    fill(store)
    wide = VECTORS.astype(np.float64)
    exact = -(wide @ ASKED) if metric == "dot" else np.linalg.norm(wide - ASKED, axis=1)
    found = store.nearest("catalog", ASKED.tolist(), k=7, metric=metric, by="embedding")
    assert found.keys["video_id"] == [name(n) for n in np.argsort(exact)[:7]]
    assert np.allclose(found.distances, np.sort(exact)[:7])


def test_a_condition_over_features_of_several_groups_holds_for_all(store):
    fill(store)
    order, _ = cosine_order(range(60))
    watched = [key for key in order[:20] if int(key[1:]) % 3 == 0][:2]
    store.push("plays", [{"user_id": 7, "video_id": key, "taste": None, "at": START - pd.Timedelta(hours=1)} for key in watched])
    found = store.nearest("candidates", ASKED, k=5, where="is_comedy and seen = 0", entities={"user_id": 7, "boost": 2.0})
    expected = [key for key in order if int(key[1:]) % 3 == 0 and key not in watched]
    assert found.keys["video_id"] == expected[:5]
    assert found.keys["user_id"] == [7] * 5
    found = store.nearest("candidates", ASKED, k=9, where="weight > 3 or boost < 0", entities={"user_id": 7, "boost": 4.0})
    assert found.keys["video_id"] == watched
    assert found.values["weight"] == [4.0, 4.0]


def test_a_condition_that_few_pass_is_looked_for_to_the_end(store):
    fill(store)
    order, _ = cosine_order(range(60))
    assert store.nearest("catalog", ASKED, k=1, where=f"video_id = '{order[-1]}'").keys["video_id"] == [order[-1]]
    assert len(store.nearest("catalog", ASKED, k=3, where="genre = 'western'")) == 0
    assert len(store.nearest("catalog", ASKED, k=3, where="NULL::BOOLEAN")) == 0


def test_new_rows_count_at_once_and_old_values_no_more(store, now):
    fill(store)
    store.nearest("catalog", ASKED, k=1)
    moved = VECTORS.copy()
    moved[3] = ASKED
    store.push("videos", rows([3], moved, at=START))
    assert store.nearest("catalog", ASKED, k=1).keys["video_id"] == ["v03"]
    store.push("videos", [{**rows([3])[0], "embedding": None, "at": START + pd.Timedelta(milliseconds=1)}])
    assert "v03" not in store.nearest("catalog", ASKED, k=60).keys["video_id"]
    store.write("videos", rows([3], moved, at=START + pd.Timedelta(milliseconds=2)))
    assert "v03" not in store.nearest("catalog", ASKED, k=60).keys["video_id"]
    store.materialize()
    assert store.nearest("catalog", ASKED, k=1).keys["video_id"] == ["v03"]


def test_rebuilt_values_make_a_new_index(store):
    fill(store)
    store.nearest("catalog", ASKED, k=1)
    store.materialize(rebuild=True)
    order, _ = cosine_order(range(60))
    assert store.nearest("catalog", ASKED, k=60).keys["video_id"] == order


def test_a_value_older_than_its_time_to_live_is_not_found(store, now):
    fill(store)
    moved = VECTORS.copy()
    store.push("videos", rows([5], moved, at=START + pd.Timedelta(seconds=1)))
    now.micros += 28 * 86_400_000_000
    assert len(store.nearest("catalog", ASKED, k=60)) == 60
    now.micros = (START + pd.Timedelta(days=29)).value // 1000
    found = store.nearest("catalog", ASKED, k=60)
    assert found.keys["video_id"] == ["v05"]


def test_a_record_of_the_future_holds_when_its_time_comes(store, now):
    fill(store)
    moved = VECTORS.copy()
    moved[9] = ASKED
    store.push("videos", rows([9], moved, at=START + pd.Timedelta(hours=1)))
    order, _ = cosine_order(range(60))
    assert store.nearest("catalog", ASKED, k=60).keys["video_id"] == order
    now.micros += 3_600_000_000
    assert store.nearest("catalog", ASKED, k=1).keys["video_id"] == ["v09"]


def test_vectors_of_events_count_too_but_not_those_of_a_window(store):
    taste = [{"user_id": n, "video_id": "v", "taste": VECTORS[n], "at": START - pd.Timedelta(minutes=n)} for n in range(10)]
    store.push("plays", taste)
    assert store.nearest("people", VECTORS[4], k=1, by="taste").keys["user_id"] == [4]
    with pytest.raises(InvalidInputError, match="leave out its window"):
        store.nearest("people", VECTORS[4], by="recent")


def test_equal_distances_come_by_key(store):
    same = np.repeat(ASKED[None], 60, axis=0)
    store.write("videos", rows([7, 3, 5, 1], same))
    store.materialize()
    assert store.nearest("catalog", ASKED, k=3).keys["video_id"] == ["v01", "v03", "v05"]


REFUSED = [
    ({"vector": [1, 2]}, r"shape \(2,\), but 'embedding' is vector\[8\]: give 8 numbers"),
    ({"vector": ["a"] * N}, "isn't a list of numbers"),
    ({"vector": [np.nan] * N}, "NaN or infinity"),
    ({"vector": [0] * N}, "no direction"),
    ({"k": 0}, "at least 1"),
    ({"metric": "cosin"}, "did you mean 'cosine'"),
    ({"by": "genre"}, "isn't a vector"),
    ({"where": "genre"}, "not a condition"),
    ({"where": "gendre = 'x'"}, "did you mean 'genre'"),
    ({"where": "embedding["}, "isn't valid SQL"),
    ({"entities": {"video_id": "v01"}}, "what is looked for"),
]


def test_what_cannot_be_asked_is_refused(store):
    fill(store)
    for options, said in REFUSED:
        with pytest.raises(InvalidInputError) as caught:
            store.nearest("catalog", **{"vector": ASKED, **options})
        assert re.search(said, str(caught.value)), options


def test_a_view_whose_other_keys_are_not_given_says_which(store):
    fill(store)
    with pytest.raises(InvalidInputError, match="needs 'user_id'"):
        store.nearest("candidates", ASKED)
    with pytest.raises(NotFoundError, match="embedding"):
        store.nearest("catalog", ASKED, by="embeding")
    with pytest.raises(InvalidInputError, match="say which with by="):
        store.nearest("people", ASKED)


def test_redis_is_searched_by_the_same_index(tmp_path, redis_url, now):
    (tmp_path / "headrace.toml").write_text(f'online = "{redis_url}?prefix={uuid.uuid4().hex}"', encoding="utf-8")
    with hr.connect(tmp_path, clock=now) as store, hr.connect(tmp_path, clock=now) as other:
        store.apply([catalog])
        fill(store)
        order, _ = cosine_order(range(60))
        assert store.nearest("catalog", ASKED, k=60).keys["video_id"] == order
        assert (
            other.nearest("catalog", ASKED, k=9, where="is_comedy").keys["video_id"]
            == [key for key in order if int(key[1:]) % 3 == 0][:9]
        )
        moved = VECTORS.copy()
        moved[3] = ASKED
        store.push("videos", rows([3], moved, at=START))
        assert other.nearest("catalog", ASKED, k=1).keys["video_id"] == ["v03"]
        store.materialize(rebuild=True)
        assert other.nearest("catalog", ASKED, k=1).keys["video_id"] == ["v03"]
