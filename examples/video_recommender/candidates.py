"""From all films to those worth ranking for a user: vectors learned from who liked what, and the nearest of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from definitions import VECTOR
from etl import KEYS, MovieLens
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD

import headrace as hr

__all__ = ["Candidates", "Vectors", "find", "learn"]


@dataclass(frozen=True)
class Vectors:
    """What was learned.

    Attributes:
        films: the rows of the source film_vectors.
        users: user id to the direction of what they like.
    """

    films: pd.DataFrame
    users: dict[int, np.ndarray]


@dataclass(frozen=True)
class Candidates:
    """Films worth ranking, the most promising first, as requests to the view `ranking`; and how long the search took."""

    requests: pd.DataFrame
    films: int
    search_ms: float


def learn(ratings: pd.DataFrame, seed: int) -> Vectors:
    """Factor the ratings, each less its user's mean: a user's vector times a film's is how much more they would like it."""
    users, films = ratings["user_id"].astype("category"), ratings["video_id"].astype("category")
    above = ratings["stars"] - ratings.groupby("user_id")["stars"].transform("mean")
    table = csr_array((above, (users.cat.codes, films.cat.codes)), shape=(len(users.cat.categories), len(films.cat.categories)))
    model = TruncatedSVD(min(VECTOR, min(table.shape) - 1), random_state=seed)
    tastes, places = model.fit_transform(table), model.components_.T
    learned = pd.DataFrame({"video_id": films.cat.categories, "embedding": list(_padded(places))})
    learned["learned_at"] = ratings["rated_at"].max()
    return Vectors(learned, dict(zip(users.cat.categories, _padded(tastes), strict=True)))


def find(store: hr.Store, movielens: MovieLens, vectors: Vectors, user: int, most: int = 200) -> Candidates:
    """The films that the user hasn't rated whose vectors lie furthest in the direction of the user's taste."""
    store.write("film_vectors", vectors.films, batch_id="film-vectors")
    store.materialize()
    asked = {"k": most, "where": "watched = 0", "metric": "dot", "entities": {"user_id": user}}
    store.nearest("candidates", vectors.users[user], **asked)  # the first call reads all vectors into memory
    begin = time.perf_counter()
    found = store.nearest("candidates", vectors.users[user], **asked)
    took = time.perf_counter() - begin
    films = movielens.videos.set_index("video_id", drop=False).loc[found.keys["video_id"]]
    return Candidates(films.assign(user_id=user)[KEYS].reset_index(drop=True), len(vectors.films), took * 1000)


def _padded(rows: np.ndarray) -> np.ndarray:
    """Rows of VECTOR numbers: fewer ratings have fewer directions."""
    return np.pad(rows, ((0, 0), (0, VECTOR - rows.shape[1]))).astype(np.float32)
