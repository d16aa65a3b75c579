"""What the recommender knows: entities, sources, feature groups and the view that its models read."""

from __future__ import annotations

import warnings

import numpy as np

import headrace as hr

__all__ = ["DEFINITIONS", "GENRES", "VECTOR", "candidates", "genre_gap", "ranking", "taste_gap"]

GENRES = ("Action", "Comedy", "Drama", "Thriller")
VECTOR = 16
"""How many numbers describe a film's place among films."""

user = hr.Entity("user", keys={"user_id": "int64"})
video = hr.Entity("video", keys={"video_id": "int64"})
user_genre = hr.Entity("user_genre", keys={"user_id": "int64", "genre": "string"}, description="a user's relation to one genre")

user_video = hr.Entity("user_video", keys={"user_id": "int64", "video_id": "int64"}, description="a user's relation to one film")

ratings = hr.EventSource(
    "ratings",
    timestamp="rated_at",
    stream="ratings",
    id="rating_id",  # a rating counts once, however often it is delivered
    lateness="90d",  # … within so much of the newest rating
    available="rated_at",  # it reached us when it was given: so as_known=True can replay what serving knew then
    schema={"rating_id": "int64", "user_id": "int64", "video_id": "int64", "stars": "float64", "rated_at": "timestamp"},
    description="a user gave a film half a star to five stars",
)
genre_ratings = hr.EventSource(
    "genre_ratings",
    timestamp="rated_at",
    stream="genre_ratings",
    available="rated_at",
    schema={"rating_id": "int64", "user_id": "int64", "genre": "string", "stars": "float64", "rated_at": "timestamp"},
    description="the same ratings, one row for each genre of the film",
)
videos = hr.TableSource(
    "videos",
    timestamp="listed_at",
    available="listed_at",
    schema={"video_id": "int64", "title": "string", "year": "int64", "genres": "string", "listed_at": "timestamp"},
    description="the catalog of films",
)

film_vectors = hr.TableSource(
    "film_vectors",
    timestamp="learned_at",
    available="learned_at",
    schema={"video_id": "int64", "embedding": f"vector[{VECTOR}]", "learned_at": "timestamp"},
    description="films that the same people like lie in the same direction",
)

user_taste = hr.FeatureGroup(
    "user_taste",
    entity=user,
    source=ratings,
    owner="recsys",
    features={
        "ratings": hr.count(),
        "ratings_10m": hr.count("10m", description="how busy the evening is: moves with every click"),
        "ratings_30d": hr.count("30d"),
        "likes_30d": hr.count("30d", where="stars >= 4"),
        "stars_avg": hr.mean("stars"),
        "stars_avg_1h": hr.mean("stars", "1h"),
        "stars_std": hr.std("stars"),
        "last_stars": hr.last("stars"),
        "last_videos": hr.last_n("video_id", 5),
    },
)
video_taste = hr.FeatureGroup(
    "video_taste",
    entity=video,
    source=ratings,
    owner="recsys",
    features={
        "video_ratings": hr.count(),
        "video_ratings_365d": hr.count("365d"),
        "video_likes": hr.count(where="stars >= 4"),
        "video_stars_avg": hr.mean("stars"),
        "video_stars_avg_365d": hr.mean("stars", "365d"),
    },
)
user_genre_taste = hr.FeatureGroup(
    "user_genre_taste",
    entity=user_genre,
    source=genre_ratings,
    owner="recsys",
    features={"ratings": hr.count(), "stars_avg": hr.mean("stars")},
)
video_facts = hr.FeatureGroup(
    "video_facts",
    entity=video,
    source=videos,
    owner="content",
    features={
        "title": "title",
        "year": "year",
        **{f"is_{genre.lower()}": hr.column(f"contains(genres, '{genre}')", default=False) for genre in GENRES},
    },
)
video_vectors = hr.FeatureGroup(
    "video_vectors", entity=video, source=film_vectors, owner="recsys", features={"embedding": "embedding"}
)
watched = hr.FeatureGroup("watched", entity=user_video, source=ratings, owner="recsys", features={"watched": hr.count()})


@hr.on_demand(inputs=["stars_avg", "video_stars_avg"], returns="float64")
def taste_gap(user_avg: np.ndarray, video_avg: np.ndarray) -> np.ndarray:
    """How much kinder this user is than the people who rated this film."""
    return user_avg - video_avg


@hr.on_demand(inputs=["g1_stars_avg", "g2_stars_avg", "g3_stars_avg", "stars_avg"], returns="float64")
def genre_gap(first: np.ndarray, second: np.ndarray, third: np.ndarray, user_avg: np.ndarray) -> np.ndarray:
    """How much more this user likes the film's genres than films in general."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no known genre is NaN, which is null: as it should be
        return np.nanmean(np.stack([first, second, third]), axis=0) - user_avg


ranking = hr.FeatureView(
    "ranking",
    description="would this user like this film?",
    owner="recsys",
    features=[
        user_taste,
        video_taste,
        video_facts,
        user_genre_taste.keyed(genre="genre_1").prefixed("g1_"),  # one group, read three times under other keys;
        user_genre_taste.keyed(genre="genre_2").prefixed("g2_"),  # a film with one genre has no second: a null key,
        user_genre_taste.keyed(genre="genre_3").prefixed("g3_"),  # which matches nothing
        taste_gap,
        genre_gap,
    ],
)

candidates = hr.FeatureView(
    "candidates",
    description="which of all films are worth ranking for this user?",
    owner="recsys",
    features=[video_vectors, watched],
)

DEFINITIONS = [ranking, candidates]
