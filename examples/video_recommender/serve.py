"""Answer "what should this user watch?" from online features and the champion; check that serving and training agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import pandas as pd
import pyarrow as pa
from etl import KEYS, PLACES, MovieLens

import headrace as hr

__all__ = ["Answer", "parity", "parity_later", "recommend", "sample"]


@dataclass(frozen=True)
class Answer:
    """What to watch.

    Attributes:
        films: the best films first: title, probability of a like, and some of the features behind it.
        candidates: how many films were ranked.
        lookup_ms, one_ms, predict_ms: median milliseconds of reading the features of all candidates, of one, and of ranking all.
    """

    films: pd.DataFrame
    candidates: int
    lookup_ms: float
    one_ms: float
    predict_ms: float


def sample(movielens: MovieLens, seed: int, rows: int = 300) -> pd.DataFrame:
    """Pairs of users and films at random, as requests to the view."""
    films = movielens.videos.sample(rows, random_state=seed, replace=True).reset_index(drop=True)
    users = movielens.ratings["user_id"].drop_duplicates().sample(rows, random_state=seed, replace=True)
    return films.assign(user_id=users.to_numpy())[KEYS]


def recommend(store: hr.Store, requests: pd.DataFrame, at: pd.Timestamp, best: int = 5, repeat: int = 30) -> Answer:
    """Rank the requested films for the user at a moment. Repeated for the clock's sake."""
    model = store.models.load("models:/video-ranker@champion")
    asked = request(requests)
    features = store.online_features("ranking", asked, at=at).to_pandas()
    features["probability"] = model.predict_proba(features)[:, 1]
    films = features.sort_values("probability", ascending=False, kind="stable").head(best)
    one = {name: column[0] for name, column in asked.items()}
    return Answer(
        films[["title", "year", "probability", "video_stars_avg", "taste_gap", "genre_gap"]],
        len(requests),
        _median_ms(lambda: store.online_features("ranking", asked, at=at), repeat),
        _median_ms(lambda: store.online_features("ranking", one, at=at), 10 * repeat),
        _median_ms(lambda: model.predict_proba(features), repeat),
    )


def request(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """The keys as plain lists, with None for a genre that a film doesn't have."""
    return {name: [None if pd.isna(value) else value for value in rows[name]] for name in KEYS}


def parity(store: hr.Store, served: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Compare values served during the replay with those computed afterwards from the lake, as known at the time.

    Returns (values compared, values that differ in type or in any bit)."""
    keys = {name: [row[name] for row in served] for name in (*KEYS, "rated_at")}
    history = store.historical_features("ranking", pa.table(keys, _schema()), timestamp="rated_at", as_known=True)
    names = [name for name in history.column_names if name not in keys]
    differing = sum(_differences([row[name] for row in served], history.column(name).to_pylist()) for name in names)
    return len(served) * len(names), differing


def parity_later(store: hr.Store, requests: pd.DataFrame, end: pd.Timestamp, later: Sequence[timedelta]) -> tuple[int, int]:
    """Compare online and historical values at moments after the last event, when windows empty themselves without any write.

    Returns (values compared, values that differ)."""
    compared = differing = 0
    keys = request(requests)
    for delay in later:
        moment = (end + delay).to_pydatetime()
        online = store.online_features("ranking", keys, at=moment).values
        asked = pa.table({**keys, "rated_at": [moment] * len(requests)}, _schema())
        history = store.historical_features("ranking", asked, timestamp="rated_at")
        compared += len(requests) * len(online)
        differing += sum(_differences(values, history.column(name).to_pylist()) for name, values in online.items())
    return compared, differing


def _differences(left: Sequence[Any], right: Sequence[Any]) -> int:
    return sum(1 for a, b in zip(left, right, strict=True) if not _same(a, b))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))  # noqa: PLR0124 - NaN differs from itself


def _schema() -> pa.Schema:
    texts = [(name, pa.string()) for name in PLACES]
    return pa.schema([("user_id", pa.int64()), ("video_id", pa.int64()), *texts, ("rated_at", pa.timestamp("us", tz="UTC"))])


def _median_ms(call: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return median(seconds) * 1000
